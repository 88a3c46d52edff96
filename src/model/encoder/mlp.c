/* Dense layers, each with its activation (norm, dropout) behind it, the last
 * one too: one vector a sample.
 *
 *   counts: {inputs: I*, units: [64, 16], activation: relu} */
#include "base/mem.h"
#include "model/encoder.h"
#include "model/registry.h"

static enum fusor_status mlp_build(struct model *m, struct encoder *e,
                                   struct yaml_node *at,
                                   const struct stack_spec *spec,
                                   struct fusor_error *err)
{
    struct stack *k = e->self = mem_alloc(1, sizeof(*k));

    (void)at;
    if (!k)
        return mem_fail(err, "encoder", sizeof(*k));
    FUSOR_TRY(stack_build(m, "dense", m->matrices[e->matrix].in.width, spec, 0,
                          k, err));
    e->width = k->out;
    return FUSOR_OK;
}

static void mlp_destroy(struct encoder *e)
{
    mem_free(e->self);
}

static void *mlp_run_create(const struct encoder *e, struct model_run *r)
{
    struct stack_state *st = run_take(r, 1, sizeof(*st));

    if (st)
        stack_take(e->self, r, st);
    return st;
}

static void mlp_forward(const struct encoder *e, struct model_run *r,
                        const struct model_step *s, const float *x, int train)
{
    struct encoder_state *st = &r->encoders[e->index];

    st->out[0] = stack_forward(e->self, st->state, r->model->seed, s, x, train);
}

static void mlp_backward(const struct encoder *e, struct model_run *r,
                         const struct model_step *s, const float *x, float *dx)
{
    struct encoder_state *st = &r->encoders[e->index];

    stack_backward(e->self, st->state, s, x, st->grad[0], dx, 1);
}

static void mlp_describe(const struct encoder *e, struct strbuf *out)
{
    stack_describe(e->self, out);
}

static const char *const no_keys[] = {NULL};

const struct encoder_kind encoder_mlp = {
    .name = "mlp",
    .keys = no_keys,
    .build = mlp_build,
    .destroy = mlp_destroy,
    .run_create = mlp_run_create,
    .forward = mlp_forward,
    .backward = mlp_backward,
    .describe = mlp_describe,
};
