/* The metrics of a workload, read from the job's `evaluate`. A metric that
 * names no label is one of each label of the job ("auc" is "auc:click",
 * "auc:buy"). Private to src/train. */
#ifndef TRAIN_WORKLOAD_METRICS_H
#define TRAIN_WORKLOAD_METRICS_H

#include "train/workload.h"

/** Set w->metrics, w->catalogue and w->slicing; model and data are there. Stop
 * rules are checked against them. */
enum fusor_status workload_read_metrics(struct workload *w,
                                        struct yaml_node *evaluate,
                                        struct fusor_error *err);
/** "metrics: auc, logloss; by gender" */
void workload_describe_metrics(const struct workload *w, struct strbuf *out);

#endif
