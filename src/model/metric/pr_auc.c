/* PR-AUC as average precision: sum (R_i - R_i-1) P_i over the distinct scores
 * from the highest down, equal scores together (what scikit-learn's
 * average_precision_score computes). No straight lines are drawn between the
 * points: they lie too high (Davis and Goadrich 2006, section 4). */
#include "model/metric/auc.h"

static double precision(int64_t pos, int64_t neg)
{
    return (double)pos / ((double)pos + (double)neg);
}

/* A run that is a bin may hide an order. Whatever it is, a positive in it has
 * at most the precision with none of the bin's negatives before it, and at
 * least the first one's with all of them before it. */
static double slack_of(const struct pr_walk *w, int64_t pos, int64_t neg)
{
    int64_t first = pos / 2 < w->least ? pos : w->least;
    double tied = precision(w->pos + pos, w->neg + neg);
    double up = precision(w->pos + pos, w->neg) - tied;
    double down = tied - precision(w->pos + first, w->neg + neg);

    return up > down ? up : down;
}

void pr_walk_run(struct pr_walk *w, int64_t pos, int64_t neg)
{
    if (pos) {
        if (w->least)
            w->slack += (double)pos * slack_of(w, pos, neg);
        w->sum += (double)pos * precision(w->pos + pos, w->neg + neg);
        w->n_runs++;
    }
    w->pos += pos;
    w->neg += neg;
}

void pr_walk_result(const struct pr_walk *w, struct metric_result *out)
{
    double total = (double)w->total_pos;

    out->weight = (total + (double)w->neg) * AUC_WEIGHT_STEP;
    if (w->total_pos == 0)
        return;
    out->defined = 1;
    out->value = w->sum / total;
    out->error = w->slack / total + (double)(w->n_runs + 4) * 0x1p-52;
}

const struct metric_ops metric_pr_auc = {
    .name = "pr_auc",
    .help = "average precision: area under precision over recall",
    .higher_is_better = 1,
    .state = &pr_bins_state,
    .exact_state = &pr_exact_state,
};
