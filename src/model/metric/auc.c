/* AUC as the share of (positive, negative) pairs in the right order, a tie
 * being one half (Hanley and McNeil 1982), in integers. */
#include "model/metric/auc.h"

int auc_count(int64_t *total, int64_t add)
{
    if (add > AUC_TOTAL_MAX - *total)
        return -1;
    *total += add;
    return 0;
}

enum fusor_status auc_too_large(struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "metric auc: weights sum to more than 2^38: scale them "
                      "down");
}

void auc_walk_run(struct auc_walk *w, int64_t pos, int64_t neg)
{
    w->won2 += (metric_i128)pos * (2 * (metric_i128)w->neg + neg);
    w->tied += (metric_i128)pos * neg;
    w->pos += pos;
    w->neg += neg;
}

void auc_walk_result(const struct auc_walk *w, struct metric_result *out)
{
    double pairs = (double)w->pos * (double)w->neg;

    out->weight = ((double)w->pos + (double)w->neg) * AUC_WEIGHT_STEP;
    if (w->pos == 0 || w->neg == 0)
        return;
    out->defined = 1;
    out->value = (double)w->won2 / (2 * pairs);
    out->error = 0x1p-50;
}

const struct metric_ops metric_auc = {
    .name = "auc",
    .help = "area under the ROC curve",
    .higher_is_better = 1,
    .state = &auc_bins_state,
    .exact_state = &auc_exact_state,
};
