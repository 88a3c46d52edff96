/* Row-wise Adagrad (Mudigere et al. 2022, section 4.1.4, the rule of DLRM's
 * embedding tables): one accumulator a row, of the mean square of its gradient:
 *   h += mean(g^2);  w -= lr / (sqrt(h) + eps) g
 * State: h [1]. The sum of squares runs in 16 lanes that are joined as a binary
 * tree, whatever the CPU: the same bits everywhere. */
#include "optim/rule.h"

#define LANES 16

OPTIM_INLINE float mean_square(const struct optim_call *call,
                               enum optim_mode mode, struct optim_terms t)
{
    const float *grad = call->grad, *w = call->values;
    float lane[LANES] = {0};
    size_t n = call->width, i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            float g = optim_gradient(mode, t, grad, i + j, w[i + j]);

            lane[j] += g * g;
        }
    for (size_t j = 0; i + j < n; j++) {
        float g = optim_gradient(mode, t, grad, i + j, w[i + j]);

        lane[j] += g * g;
    }
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++)
            lane[j] += lane[j + half];
    return lane[0] / (float)n;
}

OPTIM_LOOP rowwise_adagrad_loop(const struct optim_call *call,
                                enum optim_mode mode)
{
    struct optim_terms t = optim_terms(call);
    float sum = call->state[0] + mean_square(call, mode, t);
    float rate = call->step->lr / (sqrtf(sum) + call->o->eps);
    float shrink = sum > 0.0f ? rate * t.l1 : 0.0f;
    const float *grad = call->grad;
    float *w = call->values;
    size_t n = call->width;

    call->state[0] = sum;
    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++) {
        float g = optim_gradient(mode, t, grad, i, w[i]);

        w[i] = optim_shrink(mode, w[i] - rate * g, shrink);
    }
}

OPTIM_KERNELS(rowwise_adagrad)

static const struct option_spec options[] = {
    OPTIM_LR("0.01"),
    OPTIM_NUMBER("eps", eps, "1e-10", 1e-20, 1, "keeps the quotient finite"),
    OPTIM_NUMBER("initial", initial, "0", 0, 1e6, "accumulator at first"),
    OPTIM_L1,
    OPTIM_L2,
    OPTIM_CLIP,
    OPTIM_SCHEDULE,
    OPTION_END};

const struct optim_rule optim_rule_rowwise_adagrad = {
    .name = "rowwise_adagrad",
    .help = "adagrad with one accumulator a row: h += mean(g^2)",
    .options = options,
    .scalar = "lr",
    .state_per_row = 1,
    .whole_row = 1,
    .has_l1 = 1,
    .has_l2 = 1,
    .has_schedule = 1,
    .kernels = rowwise_adagrad_kernels,
};
