/* Statistics of comparisons: is model A better than model B, by how much, and
 * how sure may we be? Means over seeds, the paired bootstrap over units
 * (queries, users or rows), the paired t test as a cross-check, and Holm's
 * correction when several comparisons are made at once.
 *
 * A unit is what was drawn independently: a user with his rows, not a row.
 * Nothing here draws from anything but (seed, RNG_BOOTSTRAP, resample).
 * Threads: any; nothing is shared. */
#ifndef MODEL_STATS_STATS_H
#define MODEL_STATS_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

struct stats_summary {
    size_t n;
    double mean;
    double sd; // divisor n - 1; NaN for n < 2
    double se; // sd / sqrt(n)
};

/** Mean and standard error, such as of one metric over seeds. */
struct stats_summary stats_summarise(const double *values, size_t n);

/** P(T <= t) of Student's t with df > 0 degrees of freedom. */
double stats_student_cdf(double t, double df);
/** The t with stats_student_cdf(t, df) = p, 0 < p < 1. */
double stats_student_quantile(double p, double df);

/* What the units are averaged to. */
enum stats_of {
    STATS_MEAN,     // sum w x / sum w
    STATS_ROOT_MEAN // its square root: rmse from squared errors
};

struct stats_comparison_options {
    const double *weights; // [n] >= 0 (gauc: impressions); NULL: 1
    enum stats_of of;
    uint32_t resamples; // 0: 10000
    double confidence;  // 0: 0.95
    uint64_t seed;
};

struct stats_comparison {
    size_t n;      // units
    double mean_a; // or root mean
    double mean_b;
    double difference; // a - b
    double se;         // of the difference, by the bootstrap
    double low;        // confidence interval of the difference: percentiles
    double high;
    double p;   // two-sided, bootstrap: how often a resample lies as far from
                // the difference as that lies from 0, (count + 1) / (resamples
                // + 1)
    double p_t; // paired t test on the units' (weighted) differences
    double p_holm; // = p until who makes several sets it
    uint32_t resamples;
    double confidence;
};

/** Compare a with b, unit by unit.
 *
 * The paired bootstrap (Efron and Tibshirani 1993, chapters 13 and 16): units
 * are drawn with replacement, both models on the same draw. Beyond 2^15 units
 * they are first dealt in turn into 2^15 cells, and cells are drawn: the
 * variance of the result is then known to sqrt(2 / 2^15) = 0.8 %, and the cost
 * is bounded: 10000 resamples take below a second.
 * @param a [n], b [n] the units' values in the same order; units where either
 * is NaN (metric not defined) are left out
 * @return FUSOR_EDATA: fewer than 2 units, no weight, or a number that is
 * infinite or (root mean) negative; FUSOR_EINVAL: confidence; FUSOR_ENOMEM */
enum fusor_status stats_compare(const double *a, const double *b, size_t n,
                                const struct stats_comparison_options *options,
                                struct stats_comparison *out,
                                struct fusor_error *err);

/** Compare how far groups lie apart: the largest of the groups' means less the
 * smallest, of a and of b. Units are drawn within their group; mean_a and
 * mean_b are the gaps, n the units, p_t is NaN. Weights are not looked at.
 * @param a [n], b [n] as in stats_compare()
 * @param group [n] below n_groups; units of others are left out
 * @return FUSOR_EDATA: fewer than 2 groups with 2 units, or a value that
 * stats_compare() refuses; FUSOR_EINVAL: confidence; FUSOR_ENOMEM */
enum fusor_status
stats_compare_gaps(const double *a, const double *b, const uint32_t *group,
                   size_t n, size_t n_groups,
                   const struct stats_comparison_options *options,
                   struct stats_comparison *out, struct fusor_error *err);

/** Correct p values for having made n comparisons (Holm 1979, "A simple
 * sequentially rejective multiple test procedure").
 * @param adjusted [n] may be p itself; reject where it is below the level */
enum fusor_status stats_holm(const double *p, size_t n, double *adjusted,
                             struct fusor_error *err);

/* A paired comparison of few numbers: one a seed. */
struct stats_paired_t {
    size_t n;
    double difference; // mean of a - b
    double se;
    double low; // confidence interval by Student's t
    double high;
    double t;
    double p; // two-sided
};

/** The paired t test of a [n] against b [n], n >= 2.
 * @return FUSOR_EDATA: fewer than 2 pairs or a number that is not finite;
 * FUSOR_EINVAL: confidence not in (0, 1) */
enum fusor_status stats_paired_t(const double *a, const double *b, size_t n,
                                 double confidence, struct stats_paired_t *out,
                                 struct fusor_error *err);

#endif
