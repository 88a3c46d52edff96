/* Binary cross-entropy from logits: softplus(x) - y x, which neither overflows
 * nor takes the logarithm of 0; gradient sigmoid(x) - y. */
#include "model/registry.h"
#include "tensor/vec.h"

static double eval(float param, const float *x, const float *label,
                   const float *weight, uint32_t n, float *grad)
{
    const struct vec_ops *v = vec_ops();
    double sum = 0.0;

    (void)param;
    v->softplus(grad, x, n);
    for (uint32_t i = 0; i < n; i++)
        sum += (weight ? (double)weight[i] : 1.0) *
               ((double)grad[i] - (double)label[i] * (double)x[i]);
    v->sigmoid(grad, x, n);
    for (uint32_t i = 0; i < n; i++)
        grad[i] = (weight ? weight[i] : 1.0f) * (grad[i] - label[i]);
    return sum;
}

const struct loss_kind loss_bce = {
    .name = "bce",
    .on_logits = 1,
    .eval = eval,
    .label_low = 0.0f,
    .label_high = 1.0f,
};
