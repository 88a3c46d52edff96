/* What the accumulators of AUC and of average precision (bins, exact) share. */
#ifndef MODEL_METRIC_AUC_H
#define MODEL_METRIC_AUC_H

#include "model/metric/ops.h"

#define AUC_WEIGHT_STEP 0x1p-24
/* So that twice the number of pairs fits 126 bits: 2^38 rows of weight 1. */
#define AUC_TOTAL_MAX ((int64_t)1 << 62)

/* Pairs counted while walking up the scores, one tied run at a time. */
struct auc_walk {
    int64_t pos; // weight of positives and negatives so far, in steps
    int64_t neg;
    metric_i128 won2; // twice the weight of pairs won, a tied pair is one half
    metric_i128 tied;
};

static inline int64_t auc_weight(float weight)
{
    return (int64_t)rint((double)weight / AUC_WEIGHT_STEP);
}

/** Add weight to a count. @return 0, or -1 above AUC_TOTAL_MAX */
int auc_count(int64_t *total, int64_t add);
enum fusor_status auc_too_large(struct fusor_error *err);
/** The next run of equal scores. Totals must be below AUC_TOTAL_MAX. */
void auc_walk_run(struct auc_walk *w, int64_t pos, int64_t neg);
void auc_walk_result(const struct auc_walk *w, struct metric_result *out);

/* Average precision summed while walking down the scores, one tied run at a
 * time. */
struct pr_walk {
    int64_t total_pos;
    int64_t least; // weight of the lightest positive; 0: runs are truly tied
    int64_t pos;   // weight so far, in steps
    int64_t neg;
    uint64_t n_runs;
    double sum;   // of weight of positives * precision
    double slack; // how far the order within runs could move the sum
};

void pr_walk_run(struct pr_walk *w, int64_t pos, int64_t neg);
void pr_walk_result(const struct pr_walk *w, struct metric_result *out);

extern const struct metric_state_ops auc_bins_state, auc_exact_state,
    pr_bins_state, pr_exact_state;

#endif
