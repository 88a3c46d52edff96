/* Gradient descent: w -= lr g, then l1 by its proximal step (Duchi and Singer
 * 2009, FOBOS). No state. */
#include "optim/rule.h"

OPTIM_LOOP sgd_loop(const struct optim_call *call, enum optim_mode mode)
{
    struct optim_terms t = optim_terms(call);
    const float *grad = call->grad;
    float *w = call->values;
    float lr = call->step->lr, shrink = lr * t.l1;
    size_t n = call->width;

    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++) {
        float g = optim_gradient(mode, t, grad, i, w[i]);

        w[i] = optim_shrink(mode, w[i] - lr * g, shrink);
    }
}

OPTIM_KERNELS(sgd)

static const struct option_spec options[] = {OPTIM_LR("0.01"), OPTIM_L1,
                                             OPTIM_L2,         OPTIM_CLIP,
                                             OPTIM_SCHEDULE,   OPTION_END};

const struct optim_rule optim_rule_sgd = {
    .name = "sgd",
    .help = "w -= lr g",
    .options = options,
    .scalar = "lr",
    .has_l1 = 1,
    .has_l2 = 1,
    .has_schedule = 1,
    .kernels = sgd_kernels,
};
