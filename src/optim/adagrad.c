/* Adagrad (Duchi, Hazan and Singer 2011, diagonal form; l1 by the composite
 * mirror descent step of their section 5):
 *   h += g^2;  w -= lr g / (sqrt(h) + eps)
 * State: h [width]. */
#include "optim/rule.h"

OPTIM_LOOP adagrad_loop(const struct optim_call *call, enum optim_mode mode)
{
    struct optim_terms t = optim_terms(call);
    const float *grad = call->grad;
    float *w = call->values, *h = call->state;
    float lr = call->step->lr, eps = call->o->eps;
    size_t n = call->width;

    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++) {
        float g = optim_gradient(mode, t, grad, i, w[i]);
        float sum = h[i] + g * g;
        float rate = lr / (sqrtf(sum) + eps);
        /* With nothing seen yet the rate is lr / eps: no threshold then. */
        float shrink = sum > 0.0f ? rate * t.l1 : 0.0f;

        h[i] = sum;
        w[i] = optim_shrink(mode, w[i] - rate * g, shrink);
    }
}

OPTIM_KERNELS(adagrad)

static const struct option_spec options[] = {
    OPTIM_LR("0.01"),
    OPTIM_NUMBER("eps", eps, "1e-10", 1e-20, 1, "keeps the quotient finite"),
    OPTIM_NUMBER("initial", initial, "0", 0, 1e6, "accumulator at first"),
    OPTIM_L1,
    OPTIM_L2,
    OPTIM_CLIP,
    OPTIM_SCHEDULE,
    OPTION_END};

const struct optim_rule optim_rule_adagrad = {
    .name = "adagrad",
    .help = "h += g^2; w -= lr g / (sqrt(h) + eps)",
    .options = options,
    .scalar = "lr",
    .state_per_value = 1,
    .has_l1 = 1,
    .has_l2 = 1,
    .has_schedule = 1,
    .kernels = adagrad_kernels,
};
