/* Huber 1964: 1/2 d^2 for |d| <= delta, else delta (|d| - delta / 2). */
#include "model/registry.h"

#include <math.h>

static double eval(float delta, const float *x, const float *label,
                   const float *weight, uint32_t n, float *grad)
{
    double sum = 0.0;

    for (uint32_t i = 0; i < n; i++) {
        float w = weight ? weight[i] : 1.0f, d = x[i] - label[i];

        if (fabsf(d) <= delta) {
            sum += 0.5 * (double)w * (double)d * (double)d;
            grad[i] = w * d;
        } else {
            sum += (double)w * (double)delta *
                   (fabs((double)d) - 0.5 * (double)delta);
            grad[i] = w * copysignf(delta, d);
        }
    }
    return sum;
}

const struct loss_kind loss_huber = {
    .name = "huber",
    .param = "delta",
    .param_default = 1.0f,
    .eval = eval,
    .label_low = -INFINITY,
    .label_high = INFINITY,
};
