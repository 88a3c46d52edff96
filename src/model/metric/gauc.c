/* GAUC: the AUC within each group, weighted by its impressions (Zhu et al.
 * 2017, "Optimized cost per click in Taobao display advertising"). */
#include "model/metric/mean.h"

static int gauc_group(uint32_t k, const struct metric_group *g, double *value,
                      double *weight)
{
    uint64_t n_neg = g->n - g->n_pos;

    (void)k;
    if (n_neg == 0)
        return -1;
    *value = (double)g->won2 / (2.0 * g->n_pos * (double)n_neg);
    *weight = g->n;
    return 0;
}

const struct metric_ops metric_gauc = {
    .name = "gauc",
    .help = "AUC within groups, weighted by their size",
    .higher_is_better = 1,
    .state = &metric_mean_state,
    .group = gauc_group,
};
