/* Evaluation of one split: every worker scores the queries it owns by hash, so
 * each group is whole in one place and the sums are the same for any number of
 * workers.
 *
 * Rows of the split are judged as they stand (rows metrics, gauc, and ranking
 * among the rows of a query). Where the protocol asks for more candidates
 * (loo-full: every item the query has not seen; loo-given: those of the
 * candidates file), each row is ranked among them instead. With qrels each
 * query is ranked among all items, of which those of its rows have labels. The
 * job's `candidates` (shortlist.h) take the place of all items; what they lack
 * is never found.
 *
 * With w->slicing rows and groups also go to the slices they belong to
 * (slicing.h).
 *
 * Threads: an order is shared read-only; evaluate_share() from each worker's
 * own. */
#ifndef TRAIN_EVALUATE_H
#define TRAIN_EVALUATE_H

#include "train/worker.h"

/* Rows of a split with those of one query together. */
struct evaluate_order {
    enum split split;
    uint64_t n;
    uint32_t *rows; // [n]
};

enum fusor_status evaluate_order_build(const struct dataset *ds,
                                       enum split split,
                                       struct evaluate_order *out,
                                       struct fusor_error *err);
void evaluate_order_clear(struct evaluate_order *o);

/** Is each row ranked among candidates that the protocol gives it, instead of
 * the rows of its query among each other? */
int evaluate_ranks_candidates(const struct dataset *ds);

/* What becomes of each judged group or row, for paired tests; may be NULL. */
struct evaluate_sink {
    /** @param key the group's query, or the row's sample id
     * @param slices [fields of w->slicing] those it belongs to
     * @param values [n_metrics] NaN where a metric has none */
    void (*unit)(struct evaluate_sink *s, uint64_t key, const uint32_t *slices,
                 const double *values);
};

/** Score this worker's share and add it to set.
 * @param worker,n_workers number of this thread and of all in the job */
enum fusor_status
evaluate_share(struct worker *w, const struct evaluate_order *order,
               uint32_t worker, uint32_t n_workers, struct metric_set *set,
               struct evaluate_sink *sink, struct fusor_error *err);

/** The metric set a workload's outputs need (score range, logits). */
enum fusor_status evaluate_set_create(const struct workload *w,
                                      struct metric_set **out,
                                      struct fusor_error *err);

#endif
