/* Cholesky with diagonal scaling (Golub and Van Loan, Matrix Computations 4.2:
 * the scaled pivot is 1 - R^2 of the column on those before it). */
#include "model/combine/spd.h"

#include <math.h>
#include <string.h>

int spd_factor(struct spd *f, double a[SPD_MAX][SPD_MAX], size_t n,
               size_t *column)
{
    f->n = n;
    for (size_t i = 0; i < n; i++) {
        *column = i;
        if (!(a[i][i] > 0))
            return -1;
        f->scale[i] = 1 / sqrt(a[i][i]);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = a[i][j] * f->scale[i] * f->scale[j];

            for (size_t k = 0; k < j; k++)
                sum -= f->lower[i][k] * f->lower[j][k];
            if (j < i) {
                f->lower[i][j] = sum / f->lower[j][j];
                continue;
            }
            *column = i;
            if (!(sum > SPD_DEPENDENT))
                return -1;
            f->lower[i][i] = sqrt(sum);
        }
    }
    return 0;
}

void spd_solve(const struct spd *f, const double *b, double *x)
{
    for (size_t i = 0; i < f->n; i++) {
        double sum = b[i] * f->scale[i];

        for (size_t k = 0; k < i; k++)
            sum -= f->lower[i][k] * x[k];
        x[i] = sum / f->lower[i][i];
    }
    for (size_t i = f->n; i-- > 0;) {
        double sum = x[i];

        for (size_t k = i + 1; k < f->n; k++)
            sum -= f->lower[k][i] * x[k];
        x[i] = sum / f->lower[i][i];
    }
    for (size_t i = 0; i < f->n; i++)
        x[i] *= f->scale[i];
}

static void means(struct gram *q, const struct combine_data *data)
{
    for (size_t i = 0; i < data->n; i++) {
        for (size_t j = 0; j < q->m; j++)
            q->mean[j] += data->scores[i * q->m + j];
        q->mean_target += data->targets[i];
    }
    for (size_t j = 0; j < q->m; j++)
        q->mean[j] /= (double)data->n;
    q->mean_target /= (double)data->n;
}

void gram_compute(struct gram *q, const struct combine_data *data, int centred)
{
    double row[COMBINE_MAX];

    memset(q, 0, sizeof(*q));
    q->m = data->m;
    if (centred)
        means(q, data);
    for (size_t i = 0; i < data->n; i++) {
        double r = data->targets[i] - q->mean_target;

        for (size_t j = 0; j < q->m; j++)
            row[j] = data->scores[i * q->m + j] - q->mean[j];
        for (size_t j = 0; j < q->m; j++) {
            for (size_t k = 0; k <= j; k++)
                q->g[j][k] += row[j] * row[k];
            q->c[j] += row[j] * r;
        }
    }
    for (size_t j = 0; j < q->m; j++) {
        for (size_t k = 0; k <= j; k++)
            q->g[k][j] = q->g[j][k] /= (double)data->n;
        q->c[j] /= (double)data->n;
    }
}
