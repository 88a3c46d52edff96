/* Factorisation machine (Rendle 2010, equation 5):
 *   score = [b + sum_k w_k] + 1/2 sum_f ((sum_k v_kf)^2 - sum_k v_kf^2)
 * over the inputs k; the part in brackets with `linear: true`, its w one more
 * float in front of each row.
 *
 *   fm: {type: fm, inputs: [user, item, genres], table: emb, linear: true}
 *
 * An encoder among the inputs is one more v; it has no w.
 * As a vector for the fusion: the terms of the sum over f and, with linear, the
 * part in brackets as one more element. */
#include "model/registry.h"

#include "base/mem.h"
#include "model/encoder.h"
#include "model/matrix.h"

static const char *const keys[] = {"type", "inputs",  "table", "linear",
                                   "l2",   "l2_bias", NULL};

struct fm {
    uint32_t matrix;      // [n, n_in, dim]
    struct inputs weight; // [n, looked-up inputs] the single floats
    uint32_t n_in, dim;
    int linear;
    uint64_t bias;
};

struct fm_state {
    float *weight, *dw; // [n, looked-up inputs]
    float *sum;         // [n, dim] sum over the inputs
    float *pair;        // [dim] of one sample
};

static enum fusor_status check_dims(struct model *m, const struct inputs *in,
                                    const struct yaml_node *at,
                                    struct fusor_error *err)
{
    for (uint32_t i = 0; i < in->n; i++) {
        const struct input *item = &in->items[i];

        if (item->kind != INPUT_IDS && item->kind != INPUT_ENCODER)
            return yaml_fail(at, err,
                             "field %s has no ids: an fm tower reads ids and "
                             "encoders only (make it buckets, or put an "
                             "encoder over it)",
                             inputs_name(item, m));
        if (item->width != in->items[0].width)
            return yaml_fail(at, err, "%s and %s differ in dim: %u, %u",
                             inputs_name(&in->items[0], m),
                             inputs_name(item, m), in->items[0].width,
                             item->width);
    }
    return FUSOR_OK;
}

/* The same look-ups, reading one float of each row: fields of one table share
 * its place. */
static enum fusor_status build_linear(struct model *m, struct fm *fm,
                                      const struct inputs *in,
                                      struct fusor_error *err)
{
    struct inputs *weight = &fm->weight;
    uint32_t block;

    weight->items = mem_alloc(in->n, sizeof(*weight->items));
    if (!weight->items)
        return mem_fail(err, "inputs", in->n * sizeof(*weight->items));
    for (uint32_t i = 0; i < in->n; i++) {
        struct input *item = &weight->items[weight->n];

        if (in->items[i].kind != INPUT_IDS)
            continue;
        *item = in->items[i];
        item->width = 1;
        item->offset = weight->width++;
        for (uint32_t k = 0; k < weight->n && item->ids.column < 0; k++)
            if (weight->items[k].ids.table == item->ids.table)
                item->ids.column = weight->items[k].ids.column;
        if (item->ids.column < 0)
            item->ids.column = (int)build_column(m, item->ids.table);
        weight->n++;
    }
    FUSOR_TRY(build_block(m, "bias", 1, INIT_ZERO, 0, 1, &block, err));
    fm->bias = m->blocks[block].offset;
    return FUSOR_OK;
}

static enum fusor_status use_inputs(struct model *m, struct fm *fm,
                                    struct yaml_node *at,
                                    const struct inputs *in,
                                    struct fusor_error *err)
{
    FUSOR_TRY(check_dims(m, in, yaml_get(at, "inputs"), err));
    fm->n_in = in->n;
    fm->dim = in->items[0].width;
    FUSOR_TRY(build_bool(at, "linear", &fm->linear, err));
    if (fm->linear)
        FUSOR_TRY(build_linear(m, fm, in, err));
    return matrix_declare(m, in, &fm->matrix, err);
}

static enum fusor_status build_inputs(struct model *m, struct fm *fm,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    struct inputs in = {0};
    struct inputs_from from = {0};
    enum fusor_status rc;

    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &from.table, err));
    rc = inputs_parse(m, yaml_get(at, "inputs"), &from, &in, err);
    if (rc == FUSOR_OK)
        rc = use_inputs(m, fm, at, &in, err);
    inputs_clear(&in);
    return rc;
}

static enum fusor_status fm_build(struct model *m, struct tower *t,
                                  struct yaml_node *at, struct fusor_error *err)
{
    struct fm *fm = t->self = mem_alloc(1, sizeof(*fm));

    if (!fm)
        return mem_fail(err, "tower", sizeof(*fm));
    FUSOR_TRY(build_tower_keys(at, t->name, keys, err));
    if (!yaml_get(at, "inputs"))
        return yaml_fail(at, err, "tower %s has no inputs", t->name);
    FUSOR_TRY(build_inputs(m, fm, at, err));
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
    st->sum = run_take(r, n * fm->dim, sizeof(float));
    st->pair = run_take(r, fm->dim, sizeof(float));
    if (fm->linear) {
        st->weight = run_take(r, n * fm->weight.n, sizeof(float));
        st->dw = run_take(r, n * fm->weight.n, sizeof(float));
    }
    return st;
}

/* The elements f .. f + lanes of 1/2 ((sum v)^2 - sum v^2) into s and q: one
 * pass over the inputs, sums in registers. */
#define PAIR_LANES(type, get, at)              \
    type s = get(v + f), q = s * s;            \
                                               \
    for (uint32_t k = 1; k < fm->n_in; k++) {  \
        type e = get(v + (size_t)k * dim + f); \
                                               \
        s += e;                                \
        q += e * e;                            \
    }                                          \
    at(sum + f) = s;                           \
    at(pair + f) = 0.5f * (s * s - q);

#define PAIR_FLOAT(p) (*(p))

KERNEL_BODY void pair_row(const struct fm *fm, const float *restrict v,
                          float *restrict sum, float *restrict pair)
{
    uint32_t dim = fm->dim, f = 0;

    for (; f + 16 <= dim; f += 16) {
        PAIR_LANES(kernel_v16, KERNEL_GET16, KERNEL_AT16)
    }
    for (; f + 4 <= dim; f += 4) {
        PAIR_LANES(kernel_v4, KERNEL_GET4, KERNEL_AT4)
    }
    for (; f < dim; f++) {
        PAIR_LANES(float, PAIR_FLOAT, PAIR_FLOAT)
    }
}

/* sum [n, dim] of the inputs, and out [n, width]: the elements 0..dim of
 * 1/2 ((sum v)^2 - sum v^2), or their sum. */
KERNEL_BODY void pairs_body(const struct fm *fm, const float *restrict x,
                            float *restrict sum, float *restrict pair,
                            float *restrict out, uint32_t n, uint32_t width,
                            int as_vector)
{
    uint32_t dim = fm->dim;

    for (uint32_t i = 0; i < n; i++) {
        const float *v = x + (size_t)i * fm->n_in * dim;
        float *y = out + (size_t)i * width;

        pair_row(fm, v, sum + (size_t)i * dim, as_vector ? y : pair);
        if (!as_vector)
            y[0] = row_sum(pair, dim);
    }
}

KERNEL(pairs,
       (const struct fm *fm, const float *restrict x, float *restrict sum,
        float *restrict pair, float *restrict out, uint32_t n, uint32_t width,
        int as_vector),
       (fm, x, sum, pair, out, n, width, as_vector))

static void fm_forward(const struct tower *t, struct model_run *r,
                       const struct model_step *s, int train)
{
    const struct fm *fm = t->self;
    struct fm_state *st = r->tower_state[t->index];
    float *out = r->tower_out[t->index];

    (void)train; // nothing here behaves otherwise in training
    pairs(fm, matrix_values(r, s, fm->matrix), st->sum, st->pair, out,
          s->batch->n, t->width, t->as_vector);
    if (!fm->linear)
        return;
    inputs_forward(&fm->weight, r, s, st->weight);
    for (uint32_t i = 0; i < s->batch->n; i++) {
        float sum = s->dense[fm->bias];

        for (uint32_t k = 0; k < fm->weight.n; k++)
            sum += st->weight[(size_t)i * fm->weight.n + k];
        if (t->as_vector)
            out[(size_t)i * t->width + fm->dim] = sum;
        else
            out[i] += sum;
    }
}

/* y = a (s - v), or y += */
KERNEL_BODY void row_slope(float *restrict y, float a, const float *restrict s,
                           const float *restrict v, uint32_t n, int add)
{
    uint32_t i = 0;

    for (; i + 16 <= n; i += 16) {
        kernel_v16 d = a * (KERNEL_GET16(s + i) - KERNEL_GET16(v + i));

        if (add)
            KERNEL_AT16(y + i) += d;
        else
            KERNEL_AT16(y + i) = d;
    }
    for (; i < n; i++) {
        float d = a * (s[i] - v[i]);

        y[i] = add ? y[i] + d : d;
    }
}

/* d pair_f / d v_kf = (sum v)_f - v_kf */
KERNEL_BODY void pairs_back_body(const struct fm *fm, const float *restrict x,
                                 const float *restrict sum,
                                 const float *restrict grad, float *restrict dx,
                                 uint32_t n, uint32_t width, int as_vector,
                                 int add)
{
    uint32_t dim = fm->dim, n_in = fm->n_in;

    for (uint32_t i = 0; i < n; i++) {
        const float *s = sum + (size_t)i * dim;
        const float *g = grad + (size_t)i * width;

        for (uint32_t k = 0; k < n_in; k++) {
            size_t at = ((size_t)i * n_in + k) * dim;

            if (!as_vector) {
                row_slope(dx + at, g[0], s, x + at, dim, add);
                continue;
            }
            for (uint32_t f = 0; f < dim; f++) {
                float d = g[f] * (s[f] - x[at + f]);

                dx[at + f] = add ? dx[at + f] + d : d;
            }
        }
    }
}

KERNEL(pairs_back,
       (const struct fm *fm, const float *restrict x, const float *restrict sum,
        const float *restrict grad, float *restrict dx, uint32_t n,
        uint32_t width, int as_vector, int add),
       (fm, x, sum, grad, dx, n, width, as_vector, add))

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
        for (uint32_t k = 0; k < fm->weight.n; k++)
            st->dw[(size_t)i * fm->weight.n + k] = g;
    }
    s->dense_grad[fm->bias] = total;
    inputs_backward(&fm->weight, r, s, st->dw, t->l2_bias * s->grad_scale);
}

static void fm_backward(const struct tower *t, struct model_run *r,
                        const struct model_step *s)
{
    const struct fm *fm = t->self;
    struct fm_state *st = r->tower_state[t->index];
    int add;
    float *dx = matrix_grad_sum(r, fm->matrix, t->l2 * s->grad_scale, &add);

    pairs_back(fm, matrix_values(r, s, fm->matrix), st->sum,
               r->tower_grad[t->index], dx, s->batch->n, t->width, t->as_vector,
               add);
    if (fm->linear)
        linear_part_back(t, r, s);
}

static void fm_describe(const struct tower *t, const struct model *m,
                        struct strbuf *out)
{
    const struct fm *fm = t->self;

    strbuf_addf(out, "%spairs of [", fm->linear ? "bias + linear + " : "");
    inputs_describe(&m->matrices[fm->matrix].in, m, out);
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
