/* LambdaRank (Burges 2010, "From RankNet to LambdaRank to LambdaMART", section
 * 4; as a loss: Wang et al. 2018, "The LambdaLoss framework", section 3.3):
 * softplus(-(x_i - x_j)) of each pair with label_i > label_j, times what
 * swapping the two would change of the list's NDCG, which counts as constant.
 * Gains are 2^label - 1, the discount at rank r is 1 / log2(1 + r). Equal
 * scores stand as the rows do. */
#include "model/loss/lists.h"

#include <math.h>

#include "tensor/vec.h"

#define LABEL_MAX 31.0f /* 2^31 relevant things are enough */

static float gain(const struct vec_ops *v, float label)
{
    float power = label * 0.69314718f; // log 2

    v->exp(&power, &power, 1);
    return power - 1.0f;
}

static float discount(uint32_t place)
{
    return (float)(1.0 / log2(2.0 + place));
}

static float best_dcg(const struct vec_ops *v, const struct loss_list *l)
{
    float sum = 0;

    lists_sort(l, l->label);
    for (uint32_t i = 0; i < l->n; i++)
        sum += gain(v, l->order[i].key) * discount(i);
    return sum;
}

static double list(float param, const struct loss_list *l)
{
    const struct vec_ops *v = vec_ops();
    float best = best_dcg(v, l), *at = l->part;
    double sum = 0;

    (void)param;
    v->fill(l->grad, 0.0f, l->n);
    if (!(best > 0))
        return 0; // nothing is relevant
    lists_sort(l, l->x);
    for (uint32_t i = 0; i < l->n; i++)
        at[l->order[i].at] = discount(i);
    for (uint32_t i = 0; i < l->n; i++)
        for (uint32_t j = 0; j < l->n; j++) {
            float d = l->x[j] - l->x[i], loss, slope, swap;

            if (!(l->label[i] > l->label[j]))
                continue;
            swap = (gain(v, l->label[i]) - gain(v, l->label[j])) *
                   fabsf(at[i] - at[j]) / best;
            v->softplus(&loss, &d, 1);
            v->sigmoid(&slope, &d, 1);
            sum += (double)(swap * loss);
            l->grad[i] -= swap * slope;
            l->grad[j] += swap * slope;
        }
    return sum;
}

const struct loss_kind loss_lambdarank = {
    .name = "lambdarank",
    .on_logits = 1,
    .only_orders = 1,
    .list = list,
    .label_low = 0.0f,
    .label_high = LABEL_MAX,
};
