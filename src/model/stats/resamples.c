/* Intervals and tests of resampled differences (Efron and Tibshirani 1993,
 * 13.3 and 16.4). */
#include "model/stats/resamples.h"

#include <math.h>
#include <stdlib.h>

#define RESAMPLES 10000
#define RESAMPLES_MAX 10000000

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Between sorted values, as R's quantile type 7. */
static double percentile(const double *sorted, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t i = (size_t)at;

    if (i + 1 >= n)
        return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

enum fusor_status resamples_check(struct stats_comparison_options *o,
                                  struct fusor_error *err)
{
    if (o->resamples == 0)
        o->resamples = RESAMPLES;
    if (o->confidence == 0)
        o->confidence = 0.95;
    if (!(o->confidence > 0 && o->confidence < 1))
        return fusor_fail(err, FUSOR_EINVAL,
                          "compare: confidence %g is not in (0, 1)",
                          o->confidence);
    if (o->resamples < 2 || o->resamples > RESAMPLES_MAX)
        return fusor_fail(err, FUSOR_EINVAL,
                          "compare: %u resamples: from 2 to %d", o->resamples,
                          RESAMPLES_MAX);
    return FUSOR_OK;
}

void resamples_close(const struct stats_comparison_options *o,
                     double *differences, struct stats_comparison *c)
{
    size_t n = o->resamples, far = 0;
    /* A resample as far off counts even when rounding put it a hair nearer. */
    double reach = fabs(c->difference) * (1 - 1e-12);
    double tail = (1 - o->confidence) / 2;

    for (size_t i = 0; i < n; i++)
        far += fabs(differences[i] - c->difference) >= reach;
    qsort(differences, n, sizeof(double), compare_doubles);
    c->se = stats_summarise(differences, n).sd;
    c->low = percentile(differences, n, tail);
    c->high = percentile(differences, n, 1 - tail);
    c->p = (double)(far + 1) / (double)(n + 1);
    c->p_holm = c->p;
    c->resamples = o->resamples;
    c->confidence = o->confidence;
}
