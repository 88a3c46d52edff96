/* Sums of reals that do not depend on the order of adding: each term is
 * rounded once to a multiple of 2^-40, then all is integer arithmetic. */
#ifndef MODEL_METRIC_FIXED_H
#define MODEL_METRIC_FIXED_H

#include <math.h>

__extension__ typedef __int128 metric_i128;

#define FIXED_STEP 0x1p-40
#define FIXED_TERM_MAX 0x1p64 // leaves room for 2^23 such terms

/** Add x rounded to the step.
 * @return 0, or -1 with nothing done: x is not finite or beyond
 * FIXED_TERM_MAX, or the sum would overflow */
static inline int fixed_add(metric_i128 *sum, double x)
{
    if (!(fabs(x) <= FIXED_TERM_MAX))
        return -1;
    return __builtin_add_overflow(*sum, (metric_i128)rint(x / FIXED_STEP), sum)
               ? -1
               : 0;
}

static inline double fixed_value(metric_i128 sum)
{
    return (double)sum * FIXED_STEP;
}

#endif
