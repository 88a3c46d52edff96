/* Adam (Kingma and Ba 2015, Alg. 1 in the order of the end of section 2, which
 * is the same update with one operation less):
 *   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *   w -= lr sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps sqrt(1 - b2^t))
 * State: m [width], v [width]. On a row of a table it is the lazy Adam: a row
 * moves only when touched, and t counts units, not touches. */
#include "optim/rule.h"

OPTIM_LOOP adam_loop(const struct optim_call *call, enum optim_mode mode)
{
    struct optim_terms t = optim_terms(call);
    const float *grad = call->grad;
    float *w = call->values, *m = call->state, *v = call->state + call->apart;
    float b1 = call->o->beta1, a1 = call->o->beta1_rest;
    float b2 = call->o->beta2, a2 = call->o->beta2_rest;
    float lr = call->step->adam_lr, eps = call->step->adam_eps;
    size_t n = call->width;

    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++) {
        float g = optim_gradient(mode, t, grad, i, w[i]);
        float mean = b1 * m[i] + a1 * g;
        float square = b2 * v[i] + a2 * (g * g);

        m[i] = mean;
        v[i] = square;
        w[i] -= lr * mean / (sqrtf(square) + eps);
    }
}

OPTIM_KERNELS(adam)

static const struct option_spec options[] = {
    OPTIM_LR("0.001"),
    OPTIM_NUMBER("beta1", beta1, "0.9", 0, 0.999999, "decay of the mean"),
    OPTIM_NUMBER("beta2", beta2, "0.999", 0, 0.9999999,
                 "decay of the mean square"),
    OPTIM_NUMBER("eps", eps, "1e-8", 1e-20, 1, "keeps the quotient finite"),
    OPTIM_L2,
    OPTIM_CLIP,
    OPTIM_SCHEDULE,
    OPTION_END};

const struct optim_rule optim_rule_adam = {
    .name = "adam",
    .help = "moments of the gradient; lazy on rows of tables",
    .options = options,
    .scalar = "lr",
    .state_per_value = 2,
    .has_l2 = 1,
    .has_schedule = 1,
    .kernels = adam_kernels,
};
