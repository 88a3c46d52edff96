/* Mean and standard error; the paired t test. */
#include <math.h>

#include "model/stats/stats.h"

struct stats_summary stats_summarise(const double *values, size_t n)
{
    struct stats_summary s = {n, NAN, NAN, NAN};
    double sum = 0, square = 0;

    if (n == 0)
        return s;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    s.mean = sum / (double)n;
    if (n < 2)
        return s;
    for (size_t i = 0; i < n; i++)
        square += (values[i] - s.mean) * (values[i] - s.mean);
    s.sd = sqrt(square / (double)(n - 1));
    s.se = s.sd / sqrt((double)n);
    return s;
}

/* Equal differences: certain when they are not 0, no evidence when they are. */
static double t_of(double difference, double se)
{
    if (difference == 0)
        return 0;
    return se > 0 ? difference / se : copysign(INFINITY, difference);
}

enum fusor_status stats_paired_t(const double *a, const double *b, size_t n,
                                 double confidence, struct stats_paired_t *out,
                                 struct fusor_error *err)
{
    struct stats_paired_t r = {.n = n};
    double square = 0, reach;

    if (n < 2)
        return fusor_fail(err, FUSOR_EDATA,
                          "paired t test: %zu pairs: at least 2 are needed", n);
    if (!(confidence > 0 && confidence < 1))
        return fusor_fail(err, FUSOR_EINVAL,
                          "paired t test: confidence %g is not in (0, 1)",
                          confidence);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i] - b[i]))
            return fusor_fail(err, FUSOR_EDATA,
                              "paired t test: pair %zu: %g, %g: not finite",
                              i + 1, a[i], b[i]);
        r.difference += (a[i] - b[i]) / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double d = a[i] - b[i] - r.difference;

        square += d * d;
    }
    r.se = sqrt(square / (double)(n - 1) / (double)n);
    r.t = t_of(r.difference, r.se);
    r.p = 2 * stats_student_cdf(-fabs(r.t), (double)(n - 1));
    reach =
        r.se * stats_student_quantile((1 + confidence) / 2, (double)(n - 1));
    r.low = r.difference - reach;
    r.high = r.difference + reach;
    *out = r;
    return FUSOR_OK;
}
