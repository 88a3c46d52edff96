/* The accumulator of every metric that is a weighted mean of terms. */
#ifndef MODEL_METRIC_MEAN_H
#define MODEL_METRIC_MEAN_H

#include "model/metric/ops.h"

extern const struct metric_state_ops metric_mean_state;

/** Add one group's term, checked to be finite.
 * @return FUSOR_EDATA when the sum cannot hold it */
enum fusor_status metric_mean_group(void *state, const struct metric_spec *spec,
                                    double value, double weight,
                                    struct fusor_error *err);
/** Count a group that is left out, and NaN scores of one that is not. */
void metric_mean_note(void *state, uint64_t n_skipped, uint64_t n_bad);

#endif
