/* Factorisation machine (Rendle 2010, equation 5):
 *   score = [b + sum_k w_k] + 1/2 sum_f ((sum_k v_kf)^2 - sum_k v_kf^2)
 * over the inputs k; the part in brackets with `linear: true`, its w one more
 * float in front of each row.
 *
 *   fm: {type: fm, inputs: [user, item, genres], table: emb, linear: true}
 *
 * As a vector for the fusion: the terms of the sum over f and, with linear, the
 * part in brackets as one more element. */
#include "model/registry.h"

#include "base/mem.h"
#include "model/inputs.h"

static const char *const keys[] = {"type", "inputs",  "table", "linear",
                                   "l2",   "l2_bias", NULL};

struct fm {
    struct inputs in;     // [n, inputs, dim]
    struct inputs weight; // [n, inputs] the single floats
    uint32_t dim;
    int linear;
    uint64_t bias;
};

struct fm_state {
    float *x, *dx;      // [n, in]
    float *weight, *dw; // [n, inputs]
    float *sum;         // [n, dim] sum over the inputs
};

static enum fusor_status check_dims(struct model *m, struct fm *fm,
                                    const struct yaml_node *at,
                                    struct fusor_error *err)
{
    for (uint32_t i = 0; i < fm->in.n; i++) {
        const struct input *item = &fm->in.items[i];

        if (item->kind != INPUT_IDS)
            return yaml_fail(at, err,
                             "field %s has no ids: an fm tower reads ids only "
                             "(make it buckets)",
                             m->fields[item->field].name);
        if (item->width != fm->in.items[0].width)
            return yaml_fail(at, err, "tables %s and %s differ in dim: %u, %u",
                             m->table_specs[fm->in.items[0].ids.table].name,
                             m->table_specs[item->ids.table].name,
                             fm->in.items[0].width, item->width);
    }
    fm->dim = fm->in.items[0].width;
    return FUSOR_OK;
}

/* The same look-ups, reading one float of each row: fields of one table share
 * its place. */
static enum fusor_status build_linear(struct model *m, struct fm *fm,
                                      struct fusor_error *err)
{
    uint32_t block;

    fm->weight.items = mem_alloc(fm->in.n, sizeof(*fm->weight.items));
    if (!fm->weight.items)
        return mem_fail(err, "inputs", fm->in.n * sizeof(*fm->weight.items));
    fm->weight.n = fm->weight.width = fm->in.n;
    for (uint32_t i = 0; i < fm->in.n; i++) {
        struct input *item = &fm->weight.items[i];

        *item = fm->in.items[i];
        item->width = 1;
        item->offset = i;
        for (uint32_t k = 0; k < i && item->ids.column < 0; k++)
            if (fm->weight.items[k].ids.table == item->ids.table)
                item->ids.column = fm->weight.items[k].ids.column;
        if (item->ids.column < 0)
            item->ids.column = (int)build_column(m, item->ids.table);
    }
    FUSOR_TRY(build_block(m, "bias", 1, INIT_ZERO, 0, 1, &block, err));
    fm->bias = m->blocks[block].offset;
    return FUSOR_OK;
}

static enum fusor_status fm_build(struct model *m, struct tower *t,
                                  struct yaml_node *at, struct fusor_error *err)
{
    struct fm *fm = t->self = mem_alloc(1, sizeof(*fm));
    struct inputs_from from = {0};

    if (!fm)
        return mem_fail(err, "tower", sizeof(*fm));
    FUSOR_TRY(build_keys(at, t->name, keys, err));
    if (!yaml_get(at, "inputs"))
        return yaml_fail(at, err, "tower %s has no inputs", t->name);
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &from.table, err));
    FUSOR_TRY(inputs_parse(m, yaml_get(at, "inputs"), &from, &fm->in, err));
    FUSOR_TRY(check_dims(m, fm, yaml_get(at, "inputs"), err));
    FUSOR_TRY(build_bool(at, "linear", &fm->linear, err));
    if (fm->linear)
        FUSOR_TRY(build_linear(m, fm, err));
    FUSOR_TRY(build_float(at, "l2", 0, 1e6, &t->l2, err));
    t->l2_bias = t->l2;
    FUSOR_TRY(build_float(at, "l2_bias", 0, 1e6, &t->l2_bias, err));
    t->width = t->as_vector ? fm->dim + (fm->linear ? 1 : 0) : 1;
    return FUSOR_OK;
}

static void fm_destroy(struct tower *t)
{
    struct fm *fm = t->self;

    if (!fm)
        return;
    inputs_clear(&fm->in);
    inputs_clear(&fm->weight);
    mem_free(fm);
}

static void *fm_run_create(const struct tower *t, struct model_run *r)
{
    const struct fm *fm = t->self;
    struct fm_state *st = run_take(r, 1, sizeof(*st));
    size_t n = r->max_batch;

    if (!st)
        return NULL;
    st->x = run_take(r, n * fm->in.width, sizeof(float));
    st->dx = run_take(r, n * fm->in.width, sizeof(float));
    st->sum = run_take(r, n * fm->dim, sizeof(float));
    if (fm->linear) {
        st->weight = run_take(r, n * fm->in.n, sizeof(float));
        st->dw = run_take(r, n * fm->in.n, sizeof(float));
    }
    return st;
}

/* pair [n, width]: elements 0..dim of 1/2 ((sum v)^2 - sum v^2), or their sum
 * when width < dim. */
KERNEL_BODY void pairs_body(const struct fm *fm, const float *restrict x,
                            float *restrict sum, float *restrict square,
                            float *restrict out, uint32_t n, uint32_t width,
                            int as_vector)
{
    uint32_t dim = fm->dim;

    for (uint32_t i = 0; i < n; i++) {
        const float *v = x + (size_t)i * fm->in.width;
        float *s = sum + (size_t)i * dim;
        float *y = out + (size_t)i * width;

        row_zero(s, dim);
        row_zero(square, dim);
        for (uint32_t k = 0; k < fm->in.n; k++) {
            row_axpy(s, 1.0f, v + (size_t)k * dim, dim);
            row_add_product(square, v + (size_t)k * dim, v + (size_t)k * dim,
                            dim);
        }
        if (!as_vector)
            y[0] = 0.0f;
        for (uint32_t f = 0; f < dim; f++) {
            float pair = 0.5f * (s[f] * s[f] - square[f]);

            if (as_vector)
                y[f] = pair;
            else
                y[0] += pair;
        }
    }
}

KERNEL(pairs,
       (const struct fm *fm, const float *restrict x, float *restrict sum,
        float *restrict square, float *restrict out, uint32_t n, uint32_t width,
        int as_vector),
       (fm, x, sum, square, out, n, width, as_vector))

static void fm_forward(const struct tower *t, struct model_run *r,
                       const struct model_step *s, int train)
{
    const struct fm *fm = t->self;
    struct fm_state *st = r->tower_state[t->index];
    float *out = r->tower_out[t->index];

    (void)train; // nothing here behaves otherwise in training
    inputs_forward(&fm->in, r, s, st->x);
    /* dx is free until the backward pass: its first row holds the squares. */
    pairs(fm, st->x, st->sum, st->dx, out, s->batch->n, t->width, t->as_vector);
    if (!fm->linear)
        return;
    inputs_forward(&fm->weight, r, s, st->weight);
    for (uint32_t i = 0; i < s->batch->n; i++) {
        float sum = s->dense[fm->bias];

        for (uint32_t k = 0; k < fm->in.n; k++)
            sum += st->weight[(size_t)i * fm->in.n + k];
        if (t->as_vector)
            out[(size_t)i * t->width + fm->dim] = sum;
        else
            out[i] += sum;
    }
}

/* d pair_f / d v_kf = (sum v)_f - v_kf */
KERNEL_BODY void pairs_back_body(const struct fm *fm, const float *restrict x,
                                 const float *restrict sum,
                                 const float *restrict grad, float *restrict dx,
                                 uint32_t n, uint32_t width, int as_vector)
{
    uint32_t dim = fm->dim;

    for (uint32_t i = 0; i < n; i++) {
        const float *s = sum + (size_t)i * dim;
        const float *g = grad + (size_t)i * width;

        for (uint32_t k = 0; k < fm->in.n; k++) {
            size_t at = (size_t)i * fm->in.width + (size_t)k * dim;

            if (as_vector)
                for (uint32_t f = 0; f < dim; f++)
                    dx[at + f] = g[f] * (s[f] - x[at + f]);
            else
                for (uint32_t f = 0; f < dim; f++)
                    dx[at + f] = g[0] * (s[f] - x[at + f]);
        }
    }
}

KERNEL(pairs_back,
       (const struct fm *fm, const float *restrict x, const float *restrict sum,
        const float *restrict grad, float *restrict dx, uint32_t n,
        uint32_t width, int as_vector),
       (fm, x, sum, grad, dx, n, width, as_vector))

static void linear_part_back(const struct tower *t, struct model_run *r,
                             const struct model_step *s)
{
    const struct fm *fm = t->self;
    struct fm_state *st = r->tower_state[t->index];
    const float *grad = r->tower_grad[t->index];
    uint32_t at = t->as_vector ? fm->dim : 0;
    float total = 0.0f;

    for (uint32_t i = 0; i < s->batch->n; i++) {
        float g = grad[(size_t)i * t->width + at];

        total += g;
        for (uint32_t k = 0; k < fm->in.n; k++)
            st->dw[(size_t)i * fm->in.n + k] = g;
    }
    s->dense_grad[fm->bias] = total;
    inputs_backward(&fm->weight, r, s, st->dw, t->l2_bias * s->grad_scale);
}

static void fm_backward(const struct tower *t, struct model_run *r,
                        const struct model_step *s)
{
    const struct fm *fm = t->self;
    struct fm_state *st = r->tower_state[t->index];

    pairs_back(fm, st->x, st->sum, r->tower_grad[t->index], st->dx, s->batch->n,
               t->width, t->as_vector);
    inputs_backward(&fm->in, r, s, st->dx, t->l2 * s->grad_scale);
    if (fm->linear)
        linear_part_back(t, r, s);
}

static void fm_describe(const struct tower *t, const struct model *m,
                        struct strbuf *out)
{
    const struct fm *fm = t->self;

    strbuf_addf(out, "%spairs of [", fm->linear ? "bias + linear + " : "");
    inputs_describe(&fm->in, m, out);
    strbuf_addf(out, "], dim %u", fm->dim);
}

const struct tower_kind tower_fm = {
    .name = "fm",
    .build = fm_build,
    .destroy = fm_destroy,
    .run_create = fm_run_create,
    .forward = fm_forward,
    .backward = fm_backward,
    .describe = fm_describe,
};
