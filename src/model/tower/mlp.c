/* Inputs side by side through dense layers: the deep part of Wide & Deep,
 * DeepFM, NeuMF.
 *
 *   deep: {type: mlp, inputs: [user, item, I*], units: [100, 1],
 *          activation: relu, norm: batch, dropout: 0.2, table: emb}
 *
 * The last layer gives one number and has nothing behind it; it is added when
 * units does not end in 1. As a vector for the fusion: the layer before it. */
#include "model/registry.h"

#include "base/mem.h"
#include "model/inputs.h"
#include "model/layer/stack.h"

static const char *const keys[] = {"type",       "inputs", "units",
                                   "activation", "norm",   "dropout",
                                   "table",      "l2",     NULL};

struct mlp {
    struct inputs in;
    struct stack stack;
};

struct mlp_state {
    float *x, *dx; // [n, in]
    struct stack_state stack;
};

static enum fusor_status build_stack(struct model *m, struct tower *t,
                                     struct yaml_node *at, struct mlp *mlp,
                                     struct fusor_error *err)
{
    struct stack_spec spec = {.activation = ACTIVATION_RELU};

    FUSOR_TRY(stack_parse(at, "units", &spec, err));
    if (spec.n_units && spec.units[spec.n_units - 1] == 1)
        spec.n_units--;
    FUSOR_TRY(stack_build(m, "dense", mlp->in.width, &spec, !t->as_vector,
                          &mlp->stack, err));
    t->width = mlp->stack.out;
    return FUSOR_OK;
}

static enum fusor_status mlp_build(struct model *m, struct tower *t,
                                   struct yaml_node *at,
                                   struct fusor_error *err)
{
    struct mlp *mlp = t->self = mem_alloc(1, sizeof(*mlp));
    struct inputs_from from = {0};

    if (!mlp)
        return mem_fail(err, "tower", sizeof(*mlp));
    FUSOR_TRY(build_keys(at, t->name, keys, err));
    if (!yaml_get(at, "inputs"))
        return yaml_fail(at, err, "tower %s has no inputs", t->name);
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &from.table, err));
    FUSOR_TRY(inputs_parse(m, yaml_get(at, "inputs"), &from, &mlp->in, err));
    FUSOR_TRY(build_float(at, "l2", 0, 1e6, &t->l2, err));
    return build_stack(m, t, at, mlp, err);
}

static void mlp_destroy(struct tower *t)
{
    struct mlp *mlp = t->self;

    if (!mlp)
        return;
    inputs_clear(&mlp->in);
    mem_free(mlp);
}

static void *mlp_run_create(const struct tower *t, struct model_run *r)
{
    const struct mlp *mlp = t->self;
    struct mlp_state *st = run_take(r, 1, sizeof(*st));
    size_t n = (size_t)r->max_batch * mlp->in.width;

    if (!st)
        return NULL;
    st->x = run_take(r, n, sizeof(float));
    st->dx = run_take(r, n, sizeof(float));
    stack_take(&mlp->stack, r, &st->stack);
    return st;
}

static void mlp_forward(const struct tower *t, struct model_run *r,
                        const struct model_step *s, int train)
{
    const struct mlp *mlp = t->self;
    struct mlp_state *st = r->tower_state[t->index];
    float *out = r->tower_out[t->index];
    const float *y;

    inputs_forward(&mlp->in, r, s, st->x);
    y = stack_forward(&mlp->stack, &st->stack, r->model->seed, s, st->x, train);
    for (size_t i = 0; i < (size_t)s->batch->n * t->width; i++)
        out[i] = y[i];
}

static void mlp_backward(const struct tower *t, struct model_run *r,
                         const struct model_step *s)
{
    const struct mlp *mlp = t->self;
    struct mlp_state *st = r->tower_state[t->index];

    stack_backward(&mlp->stack, &st->stack, s, st->x, r->tower_grad[t->index],
                   st->dx, 1);
    inputs_backward(&mlp->in, r, s, st->dx, t->l2 * s->grad_scale);
}

static void mlp_describe(const struct tower *t, const struct model *m,
                         struct strbuf *out)
{
    const struct mlp *mlp = t->self;

    strbuf_add(out, "[");
    inputs_describe(&mlp->in, m, out);
    strbuf_add(out, "] ");
    stack_describe(&mlp->stack, out);
}

const struct tower_kind tower_mlp = {
    .name = "mlp",
    .build = mlp_build,
    .destroy = mlp_destroy,
    .run_create = mlp_run_create,
    .forward = mlp_forward,
    .backward = mlp_backward,
    .describe = mlp_describe,
};
