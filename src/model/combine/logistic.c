/* Logistic stacking: ridge logistic regression by Newton's method, that is
 * iteratively reweighted least squares (Hastie, Tibshirani and Friedman, The
 * Elements of Statistical Learning 4.4.1), with halved steps. */
#include <math.h>
#include <string.h>

#include "model/combine/spd.h"

#define STEPS_MAX 100
#define HALVINGS_MAX 40
#define DECREMENT_TOLERANCE 1e-20 // of the objective, about the rounding of w

struct problem {
    const struct combine_data *data;
    size_t n_params; // weights, then the bias if it is fitted
    double ridge;
};

static double score(const struct problem *p, const double *w, const double *row)
{
    size_t m = p->data->m;
    double s = p->n_params > m ? w[m] : 0;

    for (size_t j = 0; j < m; j++)
        s += w[j] * row[j];
    return s;
}

static double objective(const struct problem *p, const double *w)
{
    const struct combine_data *d = p->data;
    double sum = 0, square = 0;

    for (size_t i = 0; i < d->n; i++) {
        double s = score(p, w, d->scores + i * d->m);

        sum += (s > 0 ? s : 0) + log1p(exp(-fabs(s))) - d->targets[i] * s;
    }
    for (size_t j = 0; j < d->m; j++)
        square += w[j] * w[j];
    return sum / (double)d->n + p->ridge / 2 * square;
}

static void derivatives(const struct problem *p, const double *w, double *grad,
                        double h[SPD_MAX][SPD_MAX])
{
    const struct combine_data *d = p->data;
    double x[SPD_MAX];

    memset(grad, 0, SPD_MAX * sizeof(*grad));
    memset(h, 0, sizeof(double[SPD_MAX][SPD_MAX]));
    for (size_t i = 0; i < d->n; i++) {
        const double *row = d->scores + i * d->m;
        double q = 1 / (1 + exp(-score(p, w, row)));

        memcpy(x, row, d->m * sizeof(*x));
        x[d->m] = 1;
        for (size_t j = 0; j < p->n_params; j++) {
            grad[j] += (q - d->targets[i]) * x[j];
            for (size_t k = 0; k <= j; k++)
                h[j][k] += q * (1 - q) * x[j] * x[k];
        }
    }
    for (size_t j = 0; j < p->n_params; j++) {
        grad[j] /= (double)d->n;
        for (size_t k = 0; k <= j; k++)
            h[j][k] /= (double)d->n;
        if (j < d->m) {
            grad[j] += p->ridge * w[j];
            h[j][j] += p->ridge;
        }
    }
}

/* @return 0 with w moved, or -1: no step along it lowers the objective */
static int line_search(const struct problem *p, double *w, const double *step)
{
    double trial[SPD_MAX], now = objective(p, w), t = 1;

    for (int i = 0; i < HALVINGS_MAX; i++, t /= 2) {
        for (size_t j = 0; j < p->n_params; j++)
            trial[j] = w[j] - t * step[j];
        if (objective(p, trial) < now) {
            memcpy(w, trial, p->n_params * sizeof(*w));
            return 0;
        }
    }
    return -1;
}

static enum fusor_status fail_separable(struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDIVERGED,
                      "logistic: the towers tell the classes apart without "
                      "error (or there is one class only), so weights grow "
                      "without end: give ridge: 1e-3");
}

/* Newton's method on w.
 * @return FUSOR_EDATA, FUSOR_EDIVERGED */
static enum fusor_status newton(const struct problem *p, double *w,
                                int *n_steps, struct fusor_error *err)
{
    double grad[SPD_MAX], h[SPD_MAX][SPD_MAX], step[SPD_MAX], decrement;
    struct spd f;
    size_t column;

    for (*n_steps = 0; *n_steps < STEPS_MAX; ++*n_steps) {
        derivatives(p, w, grad, h);
        if (spd_factor(&f, h, p->n_params, &column)) {
            if (*n_steps > 0)
                return fail_separable(err); // q (1 - q) has gone to nothing
            return fusor_fail(err, FUSOR_EDATA,
                              "logistic: tower %zu adds nothing to those "
                              "before it: leave it out or give ridge: 1e-6",
                              column + 1);
        }
        spd_solve(&f, grad, step);
        decrement = 0;
        for (size_t j = 0; j < p->n_params; j++)
            decrement += grad[j] * step[j];
        if (decrement <= DECREMENT_TOLERANCE || line_search(p, w, step))
            break; // a step that cannot lower it is below rounding
    }
    if (*n_steps == STEPS_MAX || objective(p, w) < 1e-9)
        return fail_separable(err);
    return FUSOR_OK;
}

static enum fusor_status logistic_fit(const struct combine_data *data,
                                      const struct combine_options *options,
                                      struct combine_model *model,
                                      struct fusor_error *err)
{
    struct problem p = {data, data->m + (options->intercept != 0),
                        options->ridge};
    double w[SPD_MAX] = {0};

    FUSOR_TRY(newton(&p, w, &model->n_steps, err));
    memcpy(model->weights, w, data->m * sizeof(*w));
    model->bias = options->intercept ? w[data->m] : 0;
    return FUSOR_OK;
}

const struct combine_ops combine_logistic = {
    .name = "logistic",
    .help = "R = sigmoid(sum w_i M_i), least log loss on labels 0 and 1",
    .needs_targets = 1,
    .binary = 1,
    .fit = logistic_fit,
};
