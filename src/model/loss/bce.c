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

/* The mean over a row's target and the negatives it draws for itself. */
static double over(const struct candidates *c)
{
    const struct vec_ops *v = vec_ops();
    double sum = 0.0;

    candidates_begin(c);
    for (uint32_t i = 0; i < c->m; i++) {
        struct rng stream = candidates_stream(c, i);
        float w = candidates_weight(c, i) / (float)(c->own + 1);

        for (uint32_t k = 0; w > 0 && k <= c->own; k++) {
            uint32_t j = k ? candidates_draw(c, i, &stream) : c->target[i];
            float sign = k ? 1.0f : -1.0f, s, loss, slope;

            if (k && j == c->target[i])
                continue;
            s = sign * candidates_score(c, i, j);
            v->softplus(&loss, &s, 1);
            v->sigmoid(&slope, &s, 1);
            sum += (double)w * (double)loss;
            candidates_score_backward(c, i, j, c->scale * w * sign * slope);
        }
    }
    return sum;
}

const struct loss_kind loss_bce = {
    .name = "bce",
    .on_logits = 1,
    .eval = eval,
    .over = over,
    .from = CANDIDATES_UNIFORM,
    .n = CANDIDATES_POOL,
    .temperature = 1.0f,
    .label_low = 0.0f,
    .label_high = 1.0f,
};
