/* FTRL-proximal (McMahan et al. 2013, Alg. 1), its own l1 and l2 inside:
 *   s = (sqrt(n + g^2) - sqrt(n)) / alpha;  z += g - s w;  n += g^2
 *   w = 0 if |z| <= l1, else -(z - sgn(z) l1) / ((beta + sqrt(n)) / alpha + l2)
 * State: n [width], z [width]. Its rate falls per coordinate, so it takes no
 * schedule. */
#include "optim/rule.h"

OPTIM_LOOP ftrl_loop(const struct optim_call *call, enum optim_mode mode)
{
    struct optim_terms t = optim_terms(call);
    const struct optim *o = call->o;
    const float *grad = call->grad;
    float *w = call->values, *n = call->state, *z = call->state + call->apart;
    float inverse = o->alpha_inverse, beta = o->beta, l2 = o->ftrl_l2;
    size_t width = call->width;

    OPTIM_VECTOR
    for (size_t i = 0; i < width; i++) {
        float g = optim_gradient(mode, t, grad, i, w[i]);
        float sum = n[i] + g * g, root = sqrtf(sum);
        float sigma = (root - sqrtf(n[i])) * inverse;
        float next = z[i] + (g - sigma * w[i]);
        float move = next - copysignf(t.l1, next);
        float keep = -move / ((beta + root) * inverse + l2);

        n[i] = sum;
        z[i] = next;
        w[i] = fabsf(next) <= t.l1 ? 0.0f : keep;
    }
}

OPTIM_KERNELS(ftrl)

/* z such that the formula for w gives back the values a row starts with. */
static void ftrl_init_state(const struct optim *o, const float *values,
                            float *state, size_t width)
{
    float divisor = o->beta * o->alpha_inverse + o->ftrl_l2;

    for (size_t i = 0; i < width; i++) {
        float w = values[i];

        state[i] = 0.0f;
        state[width + i] =
            w == 0.0f ? 0.0f : -(w * divisor) - copysignf(o->l1, w);
    }
}

static const struct option_spec options[] = {
    OPTIM_NUMBER("alpha", lr, "0.05", 1e-9, 1e6, "learning rate"),
    OPTIM_NUMBER("beta", beta, "1", 1e-9, 1e6, "damps the first steps"),
    OPTIM_NUMBER("l1", l1, "0", 0, 1e6, "weights below it are exactly 0"),
    OPTIM_NUMBER("l2", ftrl_l2, "0", 0, 1e6, "pulls weights towards 0"),
    OPTIM_CLIP,
    OPTION_END};

const struct optim_rule optim_rule_ftrl = {
    .name = "ftrl",
    .help = "FTRL-proximal: sparse weights of linear models",
    .options = options,
    .scalar = "alpha",
    .state_per_value = 2,
    .has_l1 = 1,
    .kernels = ftrl_kernels,
    .init_state = ftrl_init_state,
};
