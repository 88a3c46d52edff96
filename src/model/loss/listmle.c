/* ListMLE (Xia et al. 2008, "Listwise approach to learning to rank: theory and
 * algorithm", section 4): - log of the chance that the Plackett-Luce model of
 * the scores draws the order of the labels,
 *
 *   sum_i (log sum_{k >= i} exp x_k - x_i)
 *
 * over places i from the largest label down. Equal labels keep the order in
 * which the rows stand, which training shuffles. */
#include "model/loss/lists.h"

#include "tensor/vec.h"

/* log(exp a + exp b) */
static float log_add(const struct vec_ops *v, float a, float b)
{
    float low = a < b ? a : b, high = a < b ? b : a, d = low - high, more;

    v->softplus(&more, &d, 1);
    return high + more;
}

static double list(float param, const struct loss_list *l)
{
    const struct vec_ops *v = vec_ops();
    const struct list_item *order = l->order;
    float *tail = l->part, sum = 0;
    double loss = 0;

    (void)param;
    lists_sort(l, l->label);
    for (uint32_t i = l->n; i-- > 0;) {
        float x = l->x[order[i].at];

        tail[i] = i + 1 < l->n ? log_add(v, x, tail[i + 1]) : x;
        loss += (double)(tail[i] - x);
    }
    /* d / d x_i = exp(x_i + log sum_{j <= i} exp(-tail_j)) - 1 */
    for (uint32_t i = 0; i < l->n; i++) {
        float at;

        sum = i ? log_add(v, sum, -tail[i]) : -tail[0];
        at = l->x[order[i].at] + sum;
        v->exp(&at, &at, 1);
        l->grad[order[i].at] = at - 1.0f;
    }
    return loss;
}

const struct loss_kind loss_listmle = {
    .name = "listmle",
    .on_logits = 1,
    .only_orders = 1,
    .list = list,
    .label_low = -1e30f,
    .label_high = 1e30f,
};
