/* The parts of a workload that workload.c puts together. Private to src/train.
 */
#ifndef TRAIN_WORKLOAD_PRIVATE_H
#define TRAIN_WORKLOAD_PRIVATE_H

#include "train/workload.h"

/* workload_stages.c */

/** Make a stage that builds the towers where the job needs no other, and check
 * those that build. */
enum fusor_status workload_read_builds(struct workload *w,
                                       struct yaml_node *root,
                                       struct fusor_error *err);
/** Set w->frozen: what each stage leaves alone. */
enum fusor_status workload_read_frozen(struct workload *w,
                                       struct yaml_node *root,
                                       struct fusor_error *err);

/* workload_objectives.c */

/** Set w->objectives and make room for them; rules and data are there. */
enum fusor_status workload_read_objectives(struct workload *w,
                                           struct yaml_node *root,
                                           struct fusor_error *err);
/** May the fusion be fitted out of fold, if the job asks for that? */
enum fusor_status workload_check_head(struct workload *w,
                                      struct yaml_node *root,
                                      struct fusor_error *err);

/** A fusion that normalises: per_query_max wants samples of a query together
 * wherever it is trained or judged; metrics are there. */
enum fusor_status workload_check_queries(const struct workload *w,
                                         struct yaml_node *root,
                                         struct fusor_error *err);

/* workload_metrics.c: a metric that names no label is one of each label of the
 * job ("auc" is "auc:click", "auc:buy"). */

/** Set w->metrics, w->catalogue and w->slicing; model and data are there. Stop
 * rules are checked against them. */
enum fusor_status workload_read_metrics(struct workload *w,
                                        struct yaml_node *evaluate,
                                        struct fusor_error *err);
/** "metrics: auc, logloss; by gender" */
void workload_describe_metrics(const struct workload *w, struct strbuf *out);

#endif
