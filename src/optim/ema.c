/* Exponential moving average: w += momentum (g - w), where the "gradient" is
 * the new value (Ioffe and Szegedy 2015, section 3.1: the statistics that batch
 * normalisation uses at test time). No state. */
#include "optim/rule.h"

OPTIM_LOOP ema_loop(const struct optim_call *call, enum optim_mode mode)
{
    struct optim_terms t = optim_terms(call);
    const float *grad = call->grad;
    float *w = call->values;
    float share = call->o->momentum;
    size_t n = call->width;

    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++) {
        float g = optim_gradient(mode, t, grad, i, w[i]);

        w[i] += share * (g - w[i]);
    }
}

OPTIM_KERNELS(ema)

static const struct option_spec options[] = {
    OPTIM_NUMBER("momentum", momentum, "0.1", 0, 1, "share of the new value"),
    OPTION_END};

const struct optim_rule optim_rule_ema = {
    .name = "ema",
    .help = "w += momentum (g - w): running statistics",
    .options = options,
    .scalar = "momentum",
    .kernels = ema_kernels,
};
