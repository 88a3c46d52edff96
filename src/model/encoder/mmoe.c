/* Multi-gate mixture of experts (Ma et al. 2018, "Modeling task relationships
 * in multi-task learning with multi-gate mixture-of-experts"): experts that all
 * labels share, and a gate for each label; a vector a label.
 *
 *   experts: {type: mmoe, inputs: [user, item], experts: 4, units: [32, 16],
 *             gate: []}
 *
 * gate: sizes of the gates' hidden layers. */
#include "base/mem.h"
#include "model/encoder.h"
#include "model/layer/experts.h"
#include "model/registry.h"
#include "tensor/vec.h"

static const char *const keys[] = {"experts", "gate", NULL};

static enum fusor_status mmoe_build(struct model *m, struct encoder *e,
                                    struct yaml_node *at,
                                    const struct stack_spec *spec,
                                    struct fusor_error *err)
{
    struct experts *x = e->self = mem_alloc(1, sizeof(*x));
    struct experts_spec want = {.shared = 4, .layers = *spec};

    if (!x)
        return mem_fail(err, "encoder", sizeof(*x));
    FUSOR_TRY(build_count(at, "experts", 1, EXPERTS_MAX, &want.shared, err));
    FUSOR_TRY(encoder_parse_gate(at, spec, &want.gate, err));
    FUSOR_TRY(
        experts_build(m, "", m->matrices[e->matrix].in.width, &want, x, err));
    e->width = x->out;
    return FUSOR_OK;
}

static void mmoe_destroy(struct encoder *e)
{
    if (e->self)
        experts_clear(e->self);
    mem_free(e->self);
}

static void *mmoe_run_create(const struct encoder *e, struct model_run *r)
{
    struct experts_state *st = run_take(r, 1, sizeof(*st));

    if (st)
        experts_take(e->self, r, st);
    return st;
}

static void mmoe_forward(const struct encoder *e, struct model_run *r,
                         const struct model_step *s, const float *x, int train)
{
    struct encoder_state *st = &r->encoders[e->index];
    struct experts_state *own = st->state;
    const float *in[EXPERT_STREAMS];

    for (uint32_t k = 0; k < EXPERT_STREAMS; k++)
        in[k] = x;
    experts_forward(e->self, own, r->model->seed, s, in, train);
    for (uint32_t k = 0; k < e->n_out; k++)
        st->out[k] = own->sum[k];
}

static void mmoe_backward(const struct encoder *e, struct model_run *r,
                          const struct model_step *s, const float *x, float *dx)
{
    struct encoder_state *st = &r->encoders[e->index];
    const struct experts *own = e->self;
    const float *in[EXPERT_STREAMS];
    float *din[EXPERT_STREAMS];

    for (uint32_t k = 0; k < EXPERT_STREAMS; k++) {
        in[k] = x;
        din[k] = dx;
    }
    if (dx)
        vec_ops()->fill(dx, 0.0f, (size_t)s->batch->n * own->in);
    experts_backward(own, st->state, s, in, st->grad, din);
}

static void mmoe_describe(const struct encoder *e, struct strbuf *out)
{
    experts_describe(e->self, out);
}

static const struct experts *mmoe_experts(const struct encoder *e,
                                          uint32_t level)
{
    return level == 0 ? e->self : NULL;
}

static const struct experts_state *
mmoe_state(const struct encoder *e, const struct model_run *r, uint32_t level)
{
    return level == 0 ? r->encoders[e->index].state : NULL;
}

const struct encoder_kind encoder_mmoe = {
    .name = "mmoe",
    .by_label = 1,
    .keys = keys,
    .build = mmoe_build,
    .destroy = mmoe_destroy,
    .run_create = mmoe_run_create,
    .forward = mmoe_forward,
    .backward = mmoe_backward,
    .describe = mmoe_describe,
    .experts = mmoe_experts,
    .experts_state = mmoe_state,
};
