/* Gradient descent with a velocity (Sutskever et al. 2013, in the form of
 * PyTorch's SGD: the learning rate stands outside the velocity):
 *   u = mu u + g;  w -= lr u,  or with Nesterov  w -= lr (g + mu u)
 * State: u [width]. */
#include "optim/rule.h"

OPTIM_LOOP momentum_loop(const struct optim_call *call, enum optim_mode mode)
{
    struct optim_terms t = optim_terms(call);
    const float *grad = call->grad;
    float *w = call->values, *u = call->state;
    float mu = call->o->momentum, lr = call->step->lr, shrink = lr * t.l1;
    int nesterov = call->o->nesterov;
    size_t n = call->width;

    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++) {
        float g = optim_gradient(mode, t, grad, i, w[i]);
        float next = mu * u[i] + g;
        float move = nesterov ? g + mu * next : next;

        u[i] = next;
        w[i] = optim_shrink(mode, w[i] - lr * move, shrink);
    }
}

OPTIM_KERNELS(momentum)

static const struct option_spec options[] = {
    OPTIM_LR("0.01"),
    OPTIM_NUMBER("momentum", momentum, "0.9", 0, 1,
                 "share of the velocity that stays"),
    {"nesterov", OPTION_TYPE_BOOL, offsetof(struct optim_form, spec.nesterov),
     "false", 0, 0, NULL, "look ahead along the velocity"},
    OPTIM_L1,
    OPTIM_L2,
    OPTIM_CLIP,
    OPTIM_SCHEDULE,
    OPTION_END};

const struct optim_rule optim_rule_momentum = {
    .name = "momentum",
    .help = "u = momentum u + g; w -= lr u",
    .options = options,
    .scalar = "lr",
    .state_per_value = 1,
    .has_l1 = 1,
    .has_l2 = 1,
    .has_schedule = 1,
    .kernels = momentum_kernels,
};
