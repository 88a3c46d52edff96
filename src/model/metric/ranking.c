/* Metrics over the ranks of a group's positives: hr, recall, precision, map,
 * ndcg (Järvelin and Kekäläinen 2002, with the gains of Burges et al. 2005),
 * mrr. */
#include "model/metric/mean.h"

/* Positives among the first k places. */
static uint32_t hits(uint32_t k, const struct metric_group *g)
{
    uint32_t n = 0;

    while (n < g->n_pos && g->ranked[n].rank <= k)
        n++;
    return n;
}

static int hr_group(uint32_t k, const struct metric_group *g, double *value,
                    double *weight)
{
    *value = g->ranked[0].rank <= k;
    *weight = 1;
    return 0;
}

static int precision_group(uint32_t k, const struct metric_group *g,
                           double *value, double *weight)
{
    *value = (double)hits(k, g) / k;
    *weight = 1;
    return 0;
}

static int recall_group(uint32_t k, const struct metric_group *g, double *value,
                        double *weight)
{
    *value = (double)hits(k, g) / g->n_pos;
    *weight = 1;
    return 0;
}

static int mrr_group(uint32_t k, const struct metric_group *g, double *value,
                     double *weight)
{
    uint32_t best = g->ranked[0].rank;

    *value = best == METRIC_NEVER || (k && best > k) ? 0 : 1.0 / best;
    *weight = 1;
    return 0;
}

/* Positives that are tied share the last of their ranks: each has the precision
 * there, as in average precision over thresholds. */
static int map_group(uint32_t k, const struct metric_group *g, double *value,
                     double *weight)
{
    uint32_t n_hits = hits(k ? k : g->n, g);
    uint32_t most = k && k < g->n_pos ? k : g->n_pos;
    double sum = 0;

    for (uint32_t i = 0, above = 0; i < n_hits; i++) {
        uint32_t rank = g->ranked[i].rank;

        while (above < n_hits && g->ranked[above].rank <= rank)
            above++;
        sum += (double)above / rank;
    }
    *value = sum / most;
    *weight = 1;
    return 0;
}

static double gain_at(const struct metric_group *g, float label, uint32_t rank)
{
    double gain = g->graded ? exp2((double)label) - 1 : 1;

    return gain / log2((double)rank + 1);
}

static int ndcg_group(uint32_t k, const struct metric_group *g, double *value,
                      double *weight)
{
    uint32_t n_ideal = k < g->n_pos ? k : g->n_pos;
    uint32_t n_hits = hits(k, g);
    double dcg = 0, best = 0;

    for (uint32_t i = 0; i < n_hits; i++)
        dcg += gain_at(g, g->ranked[i].label, g->ranked[i].rank);
    for (uint32_t i = 0; i < n_ideal; i++)
        best += gain_at(g, g->ideal[i], i + 1);
    *value = dcg / best;
    *weight = 1;
    return 0;
}

const struct metric_ops metric_hr = {
    .name = "hr",
    .help = "hit rate: groups with a positive in the first k",
    .cut = METRIC_NEEDS_K,
    .higher_is_better = 1,
    .state = &metric_mean_state,
    .group = hr_group,
};

const struct metric_ops metric_ndcg = {
    .name = "ndcg",
    .help = "discounted gain of the first k over the best possible",
    .cut = METRIC_NEEDS_K,
    .higher_is_better = 1,
    .state = &metric_mean_state,
    .group = ndcg_group,
};

const struct metric_ops metric_map = {
    .name = "map",
    .help = "mean over groups of the precision at each positive",
    .cut = METRIC_MAY_K,
    .higher_is_better = 1,
    .state = &metric_mean_state,
    .group = map_group,
};

const struct metric_ops metric_precision = {
    .name = "precision",
    .help = "share of the first k that is positive",
    .cut = METRIC_NEEDS_K,
    .higher_is_better = 1,
    .state = &metric_mean_state,
    .group = precision_group,
};

const struct metric_ops metric_recall = {
    .name = "recall",
    .help = "share of the positives that is in the first k",
    .cut = METRIC_NEEDS_K,
    .higher_is_better = 1,
    .state = &metric_mean_state,
    .group = recall_group,
};

const struct metric_ops metric_mrr = {
    .name = "mrr",
    .help = "1 / rank of the best positive; mrr@k: 0 beyond k",
    .cut = METRIC_MAY_K,
    .higher_is_better = 1,
    .state = &metric_mean_state,
    .group = mrr_group,
};
