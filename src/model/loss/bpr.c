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

const struct loss_kind loss_bpr = {
    .name = "bpr",
    .pairwise = 1,
    .on_logits = 1,
    .eval = eval,
    .label_low = -INFINITY,
    .label_high = INFINITY,
};
