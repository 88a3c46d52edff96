/* Bayesian personalised ranking (Rendle et al. 2009): softplus(-(a - b)) where
 * a scores what was wanted (row 2i) and b a sampled negative (row 2i + 1). A
 * pair has the weight of its first row. */
#include "model/registry.h"

#include <math.h>

#include "tensor/vec.h"

static double eval(float param, const float *x, const float *label,
                   const float *weight, uint32_t n, float *grad)
{
    const struct vec_ops *v = vec_ops();
    double sum = 0.0;

    (void)param;
    (void)label; // the order says it
    for (uint32_t i = 0; i + 1 < n; i += 2) {
        float d = x[i + 1] - x[i], w = weight ? weight[i] : 1.0f, loss, slope;

        v->softplus(&loss, &d, 1);
        v->sigmoid(&slope, &d, 1);
        sum += (double)w * (double)loss;
        grad[i] = -w * slope;
        grad[i + 1] = w * slope;
    }
    return sum;
}

/* The mean over the pairs of a row's target and negatives of its own. */
static double over(const struct candidates *c)
{
    const struct vec_ops *v = vec_ops();
    double sum = 0.0;

    candidates_begin(c);
    for (uint32_t i = 0; i < c->m; i++) {
        struct rng stream = candidates_stream(c, i);
        float w = candidates_weight(c, i) / (float)c->own;

        for (uint32_t k = 0; w > 0 && k < c->own; k++) {
            uint32_t j = candidates_draw(c, i, &stream), target = c->target[i];
            float d, loss, slope;

            if (j == target)
                continue;
            d = candidates_score(c, i, j) - candidates_score(c, i, target);
            v->softplus(&loss, &d, 1);
            v->sigmoid(&slope, &d, 1);
            sum += (double)w * (double)loss;
            candidates_score_backward(c, i, j, c->scale * w * slope);
            candidates_score_backward(c, i, target, -c->scale * w * slope);
        }
    }
    return sum;
}

const struct loss_kind loss_bpr = {
    .name = "bpr",
    .pairwise = 1,
    .on_logits = 1,
    .only_orders = 1,
    .eval = eval,
    .over = over,
    .from = CANDIDATES_UNIFORM,
    .n = CANDIDATES_POOL,
    .temperature = 1.0f,
    .label_low = -INFINITY,
    .label_high = INFINITY,
};
