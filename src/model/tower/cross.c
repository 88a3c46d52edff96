/* Explicit crosses of the inputs, one degree a layer:
 *   x_{l+1} = x_0 * (W_l x_l + b_l) + x_l,   element by element,
 * with W_l = U_l V_l of a lower rank when asked for (Wang et al. 2021, DCN-v2,
 * equations 1 and 2).
 *
 *   cross: {type: cross, inputs: [emb, I*], layers: 3, rank: 64,
 *           units: [], activation: relu, norm: none, dropout: 0, l2: 0}
 *
 * rank 0 (the default) is a full W. units are dense layers behind the crosses
 * (the paper's stacked form); one number comes last, or for a fusion over
 * vectors what stands before it. */
#include "model/registry.h"

#include <stdio.h>

#include "base/mem.h"
#include "model/inputs.h"
#include "model/layer/kernel.h"
#include "model/layer/stack.h"
#include "tensor/tensor.h"

#define MAX_LAYERS 16
#define MAX_RANK 65536

static const char *const keys[] = {"type",    "inputs", "table",      "layers",
                                   "rank",    "units",  "activation", "norm",
                                   "dropout", "l2",     NULL};

struct cross_layer {
    struct dense dense; // W and b; of low rank: U and b
    uint64_t down;      // low rank: V [rank, width]
};

struct cross {
    struct inputs in;
    uint32_t n, rank;
    struct cross_layer layers[MAX_LAYERS];
    struct stack stack;
};

struct cross_state {
    float *x[MAX_LAYERS + 1]; // [n, width] before each layer and at the end
    float *z[MAX_LAYERS];     // [n, width] W x + b
    float *v[MAX_LAYERS];     // [n, rank] V x
    float *dx, *dx0, *dz;     // [n, width]
    float *below;             // [n, width] W^T dz
    float *dv;                // [n, rank]
    struct stack_state stack;
};

static enum fusor_status build_layer(struct model *m, struct cross *c,
                                     uint32_t l, struct fusor_error *err)
{
    struct cross_layer *layer = &c->layers[l];
    char name[32], text[40];
    uint32_t block, width = c->in.width;

    snprintf(name, sizeof(name), "cross%u", l);
    if (c->rank) {
        snprintf(text, sizeof(text), "%s.down", name);
        FUSOR_TRY(build_block(m, text, (uint64_t)c->rank * width, INIT_UNIFORM,
                              1.0f / sqrtf((float)width), 0, &block, err));
        layer->down = m->blocks[block].offset;
    }
    return dense_build(m, name, c->rank ? c->rank : width, width, &layer->dense,
                       err);
}

static enum fusor_status build_layers(struct model *m, struct tower *t,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    struct stack_spec spec = {.activation = ACTIVATION_RELU};
    struct cross *c = t->self;

    c->n = 3;
    FUSOR_TRY(build_count(at, "layers", 1, MAX_LAYERS, &c->n, err));
    FUSOR_TRY(build_count(at, "rank", 0, MAX_RANK, &c->rank, err));
    if (c->rank >= c->in.width)
        return yaml_fail(yaml_get(at, "rank"), err,
                         "rank %u saves nothing: the inputs are %u wide",
                         c->rank, c->in.width);
    for (uint32_t l = 0; l < c->n; l++)
        FUSOR_TRY(build_layer(m, c, l, err));
    FUSOR_TRY(stack_parse(at, "units", &spec, err));
    FUSOR_TRY(stack_build(m, "dense", c->in.width, &spec, !t->as_vector,
                          &c->stack, err));
    t->width = c->stack.out;
    return FUSOR_OK;
}

static enum fusor_status cross_build(struct model *m, struct tower *t,
                                     struct yaml_node *at,
                                     struct fusor_error *err)
{
    struct cross *c = t->self = mem_alloc(1, sizeof(*c));
    struct inputs_from from = {0};

    if (!c)
        return mem_fail(err, "tower", sizeof(*c));
    FUSOR_TRY(build_tower_keys(at, t->name, keys, err));
    if (!yaml_get(at, "inputs"))
        return yaml_fail(at, err, "tower %s has no inputs", t->name);
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &from.table, err));
    FUSOR_TRY(inputs_parse(m, yaml_get(at, "inputs"), &from, &c->in, err));
    FUSOR_TRY(build_float(at, "l2", 0, 1e6, &t->l2, err));
    return build_layers(m, t, at, err);
}

static void cross_destroy(struct tower *t)
{
    struct cross *c = t->self;

    if (!c)
        return;
    inputs_clear(&c->in);
    mem_free(c);
}

static void *cross_run_create(const struct tower *t, struct model_run *r)
{
    const struct cross *c = t->self;
    struct cross_state *st = run_take(r, 1, sizeof(*st));
    size_t n = (size_t)r->max_batch * c->in.width;
    size_t n_rank = (size_t)r->max_batch * c->rank;

    if (!st)
        return NULL;
    for (uint32_t l = 0; l <= c->n; l++)
        st->x[l] = run_take(r, n, sizeof(float));
    for (uint32_t l = 0; l < c->n; l++) {
        st->z[l] = run_take(r, n, sizeof(float));
        if (c->rank)
            st->v[l] = run_take(r, n_rank, sizeof(float));
    }
    st->dx = run_take(r, n, sizeof(float));
    st->dx0 = run_take(r, n, sizeof(float));
    st->dz = run_take(r, n, sizeof(float));
    st->below = run_take(r, n, sizeof(float));
    if (c->rank)
        st->dv = run_take(r, n_rank, sizeof(float));
    stack_take(&c->stack, r, &st->stack);
    return st;
}

/* y = x0 z + x */
KERNEL_BODY void join_body(const float *restrict x0, const float *restrict z,
                           const float *restrict x, size_t n, float *restrict y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x0[i] * z[i] + x[i];
}

KERNEL(join,
       (const float *restrict x0, const float *restrict z,
        const float *restrict x, size_t n, float *restrict y),
       (x0, z, x, n, y))

/* dz = x0 g, dx0 += z g */
KERNEL_BODY void part_body(const float *restrict x0, const float *restrict z,
                           const float *restrict g, size_t n,
                           float *restrict dz, float *restrict dx0)
{
    for (size_t i = 0; i < n; i++) {
        dz[i] = x0[i] * g[i];
        dx0[i] += z[i] * g[i];
    }
}

KERNEL(part,
       (const float *restrict x0, const float *restrict z,
        const float *restrict g, size_t n, float *restrict dz,
        float *restrict dx0),
       (x0, z, g, n, dz, dx0))

static void cross_forward(const struct tower *t, struct model_run *r,
                          const struct model_step *s, int train)
{
    const struct cross *c = t->self;
    struct cross_state *st = r->tower_state[t->index];
    uint32_t n = s->batch->n, width = c->in.width;
    float *out = r->tower_out[t->index];
    const float *y;

    inputs_forward(&c->in, r, s, st->x[0]);
    for (uint32_t l = 0; l < c->n; l++) {
        const struct cross_layer *layer = &c->layers[l];
        const float *x = st->x[l];

        if (c->rank) {
            blas_gemm_nt(n, c->rank, width, 1.0f, x, s->dense + layer->down,
                         0.0f, st->v[l]);
            x = st->v[l];
        }
        dense_forward(&layer->dense, s, x, n, st->z[l]);
        join(st->x[0], st->z[l], st->x[l], (size_t)n * width, st->x[l + 1]);
    }
    y = stack_forward(&c->stack, &st->stack, r->model->seed, s, st->x[c->n],
                      train);
    for (size_t i = 0; i < (size_t)n * t->width; i++)
        out[i] = y[i];
}

/* st->below = W^T dz, and the gradients of the layer's blocks. */
static void layer_backward(const struct cross *c, struct cross_state *st,
                           const struct model_step *s, uint32_t l)
{
    const struct cross_layer *layer = &c->layers[l];
    uint32_t n = s->batch->n, width = c->in.width;

    if (!c->rank) {
        dense_backward(&layer->dense, s, st->x[l], st->dz, n, st->below, 1);
        return;
    }
    dense_backward(&layer->dense, s, st->v[l], st->dz, n, st->dv, 1);
    blas_gemm_tn(c->rank, width, n, 1.0f, st->dv, st->x[l], 0.0f,
                 s->dense_grad + layer->down);
    blas_gemm_nn(n, width, c->rank, 1.0f, st->dv, s->dense + layer->down, 0.0f,
                 st->below);
}

static void cross_backward(const struct tower *t, struct model_run *r,
                           const struct model_step *s)
{
    const struct cross *c = t->self;
    struct cross_state *st = r->tower_state[t->index];
    const struct vec_ops *v = vec_ops();
    size_t size = (size_t)s->batch->n * c->in.width;

    stack_backward(&c->stack, &st->stack, s, st->x[c->n],
                   r->tower_grad[t->index], st->dx, 1);
    v->fill(st->dx0, 0.0f, size);
    for (uint32_t l = c->n; l-- > 0;) {
        part(st->x[0], st->z[l], st->dx, size, st->dz, st->dx0);
        layer_backward(c, st, s, l);
        v->add(st->dx, st->dx, st->below, size);
    }
    v->add(st->dx, st->dx, st->dx0, size);
    inputs_backward(&c->in, r, s, st->dx, t->l2 * s->grad_scale);
}

static void cross_describe(const struct tower *t, const struct model *m,
                           struct strbuf *out)
{
    const struct cross *c = t->self;

    strbuf_add(out, "[");
    inputs_describe(&c->in, m, out);
    strbuf_addf(out, "] %u crosses of width %u", c->n, c->in.width);
    if (c->rank)
        strbuf_addf(out, ", rank %u", c->rank);
    strbuf_add(out, ", then ");
    stack_describe(&c->stack, out);
}

const struct tower_kind tower_cross = {
    .name = "cross",
    .build = cross_build,
    .destroy = cross_destroy,
    .run_create = cross_run_create,
    .forward = cross_forward,
    .backward = cross_backward,
    .describe = cross_describe,
};
