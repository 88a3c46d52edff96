/* One weight per id and per number: score = b + sum_k w_k(x_k); logistic
 * regression, the wide part of Wide & Deep (Cheng et al. 2016).
 *
 *   lin: {type: linear, inputs: [user, item, I*], table: wide}
 *
 * Without a table it gets one of its own, "<tower>.weights", of dim 1 and zero
 * at first, in which every field has rows of its own. */
#include "model/registry.h"

#include <stdio.h>

#include "base/mem.h"
#include "model/inputs.h"

static const char *const keys[] = {"type", "inputs", "table", "l2", NULL};

struct linear {
    struct inputs in;
    uint64_t bias;
    uint64_t weight; // [dense columns], in the order of the inputs
};

struct linear_state {
    float *x, *dx; // [n, in]
    float
        *factor; // [in] of each column: 1 for looked-up weights, w for numbers
    float *grad; // [in]
};

static enum fusor_status check_inputs(struct model *m, const struct linear *l,
                                      const struct yaml_node *at,
                                      uint32_t *n_numbers,
                                      struct fusor_error *err)
{
    *n_numbers = 0;
    for (uint32_t i = 0; i < l->in.n; i++) {
        const struct input *item = &l->in.items[i];

        if (item->kind != INPUT_IDS)
            *n_numbers += item->width;
        else if (item->width != 1)
            return yaml_fail(at, err,
                             "a linear tower reads tables of dim 1, and %s has "
                             "dim %u",
                             m->table_specs[item->ids.table].name, item->width);
    }
    return FUSOR_OK;
}

static enum fusor_status build_blocks(struct model *m, struct linear *l,
                                      uint32_t n_numbers,
                                      struct fusor_error *err)
{
    uint32_t block;

    FUSOR_TRY(build_block(m, "bias", 1, INIT_ZERO, 0, 1, &block, err));
    l->bias = m->blocks[block].offset;
    if (n_numbers == 0)
        return FUSOR_OK;
    FUSOR_TRY(
        build_block(m, "weight", n_numbers, INIT_ZERO, 0, 0, &block, err));
    l->weight = m->blocks[block].offset;
    return FUSOR_OK;
}

static enum fusor_status linear_build(struct model *m, struct tower *t,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    struct linear *l = t->self = mem_alloc(1, sizeof(*l));
    char own[PARAM_NAME_MAX + 16];
    struct inputs_from from = {.own_name = own, .own_dim = 1};
    uint32_t n_numbers;

    if (!l)
        return mem_fail(err, "tower", sizeof(*l));
    FUSOR_TRY(build_tower_keys(at, t->name, keys, err));
    if (!yaml_get(at, "inputs"))
        return yaml_fail(at, err, "tower %s has no inputs", t->name);
    snprintf(own, sizeof(own), "%s.weights", t->name);
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &from.table, err));
    FUSOR_TRY(inputs_parse(m, yaml_get(at, "inputs"), &from, &l->in, err));
    FUSOR_TRY(check_inputs(m, l, yaml_get(at, "inputs"), &n_numbers, err));
    FUSOR_TRY(build_float(at, "l2", 0, 1e6, &t->l2, err));
    if (t->as_vector)
        return yaml_fail(at, err,
                         "a linear tower has no vector: use fusion over logits "
                         "or scores");
    t->width = 1;
    return build_blocks(m, l, n_numbers, err);
}

static void linear_destroy(struct tower *t)
{
    struct linear *l = t->self;

    if (!l)
        return;
    inputs_clear(&l->in);
    mem_free(l);
}

static void *linear_run_create(const struct tower *t, struct model_run *r)
{
    const struct linear *l = t->self;
    struct linear_state *st = run_take(r, 1, sizeof(*st));
    size_t n = (size_t)r->max_batch * l->in.width;

    if (!st)
        return NULL;
    st->x = run_take(r, n, sizeof(float));
    st->dx = run_take(r, n, sizeof(float));
    st->factor = run_take(r, l->in.width, sizeof(float));
    st->grad = run_take(r, l->in.width, sizeof(float));
    return st;
}

static void column_weights(const struct linear *l, const struct model_step *s,
                           float *w)
{
    const float *number = s->dense + l->weight;

    for (uint32_t i = 0; i < l->in.n; i++) {
        const struct input *item = &l->in.items[i];

        for (uint32_t k = 0; k < item->width; k++)
            w[item->offset + k] = item->kind == INPUT_IDS ? 1.0f : *number++;
    }
}

static void linear_forward(const struct tower *t, struct model_run *r,
                           const struct model_step *s, int train)
{
    const struct linear *l = t->self;
    struct linear_state *st = r->tower_state[t->index];
    float *out = r->tower_out[t->index];

    (void)train; // nothing here behaves otherwise in training
    inputs_forward(&l->in, r, s, st->x);
    column_weights(l, s, st->factor);
    for (uint32_t i = 0; i < s->batch->n; i++) {
        const float *x = st->x + (size_t)i * l->in.width;
        float sum = s->dense[l->bias];

        for (uint32_t k = 0; k < l->in.width; k++)
            sum += x[k] * st->factor[k];
        out[i] = sum;
    }
}

/* Gradients of the bias and of the numbers' weights. */
static void write_blocks(const struct linear *l, const struct model_step *s,
                         const float *column, float total)
{
    float *number = s->dense_grad + l->weight;

    s->dense_grad[l->bias] = total;
    for (uint32_t i = 0; i < l->in.n; i++) {
        const struct input *item = &l->in.items[i];

        for (uint32_t k = 0; item->kind != INPUT_IDS && k < item->width; k++)
            *number++ = column[item->offset + k];
    }
}

static void linear_backward(const struct tower *t, struct model_run *r,
                            const struct model_step *s)
{
    const struct linear *l = t->self;
    struct linear_state *st = r->tower_state[t->index];
    const float *ds = r->tower_grad[t->index];
    uint32_t width = l->in.width;
    float total = 0.0f;

    for (uint32_t k = 0; k < width; k++)
        st->grad[k] = 0.0f;
    for (uint32_t i = 0; i < s->batch->n; i++) {
        total += ds[i];
        for (uint32_t k = 0; k < width; k++) {
            st->grad[k] += ds[i] * st->x[(size_t)i * width + k];
            st->dx[(size_t)i * width + k] = ds[i] * st->factor[k];
        }
    }
    write_blocks(l, s, st->grad, total);
    inputs_backward(&l->in, r, s, st->dx, t->l2 * s->grad_scale);
}

static void linear_describe(const struct tower *t, const struct model *m,
                            struct strbuf *out)
{
    const struct linear *l = t->self;

    strbuf_add(out, "bias + sum of [");
    inputs_describe(&l->in, m, out);
    strbuf_add(out, "]");
}

const struct tower_kind tower_linear = {
    .name = "linear",
    .build = linear_build,
    .destroy = linear_destroy,
    .run_create = linear_run_create,
    .forward = linear_forward,
    .backward = linear_backward,
    .describe = linear_describe,
};
