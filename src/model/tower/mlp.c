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
#include "model/layer/stack.h"
#include "model/matrix.h"

static const char *const keys[] = {"type",       "inputs", "units",
                                   "activation", "norm",   "dropout",
                                   "table",      "l2",     NULL};

struct mlp {
    uint32_t matrix; // what it reads
    struct stack stack;
};

struct mlp_state {
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
    FUSOR_TRY(stack_build(m, "dense", m->matrices[mlp->matrix].in.width, &spec,
                          !t->as_vector, &mlp->stack, err));
    t->width = mlp->stack.out;
    return FUSOR_OK;
}

static enum fusor_status build_inputs(struct model *m, struct mlp *mlp,
                                      struct yaml_node *at, const char *table,
                                      struct fusor_error *err)
{
    struct inputs in = {0};
    enum fusor_status rc =
        inputs_parse(m, at, &(struct inputs_from){.table = table}, &in, err);

    if (rc == FUSOR_OK)
        rc = matrix_declare(m, &in, &mlp->matrix, err);
    inputs_clear(&in);
    return rc;
}

static enum fusor_status mlp_build(struct model *m, struct tower *t,
                                   struct yaml_node *at,
                                   struct fusor_error *err)
{
    struct mlp *mlp = t->self = mem_alloc(1, sizeof(*mlp));
    const char *table = NULL;

    if (!mlp)
        return mem_fail(err, "tower", sizeof(*mlp));
    FUSOR_TRY(build_tower_keys(at, t->name, keys, err));
    if (!yaml_get(at, "inputs"))
        return yaml_fail(at, err, "tower %s has no inputs", t->name);
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &table, err));
    FUSOR_TRY(build_inputs(m, mlp, yaml_get(at, "inputs"), table, err));
    FUSOR_TRY(build_float(at, "l2", 0, 1e6, &t->l2, err));
    return build_stack(m, t, at, mlp, err);
}

static void mlp_destroy(struct tower *t)
{
    mem_free(t->self);
}

static void *mlp_run_create(const struct tower *t, struct model_run *r)
{
    const struct mlp *mlp = t->self;
    struct mlp_state *st = run_take(r, 1, sizeof(*st));

    if (!st)
        return NULL;
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

    y = stack_forward(&mlp->stack, &st->stack, r->model->seed, s,
                      matrix_values(r, s, mlp->matrix), train);
    for (size_t i = 0; i < (size_t)s->batch->n * t->width; i++)
        out[i] = y[i];
}

static void mlp_backward(const struct tower *t, struct model_run *r,
                         const struct model_step *s)
{
    const struct mlp *mlp = t->self;
    struct mlp_state *st = r->tower_state[t->index];
    float *dx = matrix_grad(r, mlp->matrix);

    stack_backward(&mlp->stack, &st->stack, s, matrix_values(r, s, mlp->matrix),
                   r->tower_grad[t->index], dx, 1);
    if (dx)
        matrix_commit(r, mlp->matrix, t->l2 * s->grad_scale);
}

static void mlp_describe(const struct tower *t, const struct model *m,
                         struct strbuf *out)
{
    const struct mlp *mlp = t->self;

    strbuf_add(out, "[");
    inputs_describe(&m->matrices[mlp->matrix].in, m, out);
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
