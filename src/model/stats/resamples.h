/* What every bootstrap here ends with: an interval and a test from resampled
 * differences. Private to src/model/stats. Threads: any. */
#ifndef MODEL_STATS_RESAMPLES_H
#define MODEL_STATS_RESAMPLES_H

#include "model/stats/stats.h"

/** Defaults in the place of zeros.
 * @return FUSOR_EINVAL */
enum fusor_status resamples_check(struct stats_comparison_options *o,
                                  struct fusor_error *err);
/** Set se, low, high, p and p_holm of c, whose difference is known.
 * @param differences [o->resamples], sorted by this */
void resamples_close(const struct stats_comparison_options *o,
                     double *differences, struct stats_comparison *c);

#endif
