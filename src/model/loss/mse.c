/* Squared error: 1/2 (x - y)^2, whose gradient is x - y (the step sizes of the
 * matrix factorisation papers; PyTorch's is twice that). */
#include "model/registry.h"

#include <math.h>

static double eval(float param, const float *x, const float *label,
                   const float *weight, uint32_t n, float *grad)
{
    double sum = 0.0;

    (void)param;
    for (uint32_t i = 0; i < n; i++) {
        float w = weight ? weight[i] : 1.0f, d = x[i] - label[i];

        sum += 0.5 * (double)w * (double)d * (double)d;
        grad[i] = w * d;
    }
    return sum;
}

const struct loss_kind loss_mse = {
    .name = "mse",
    .eval = eval,
    .label_low = -INFINITY,
    .label_high = INFINITY,
};
