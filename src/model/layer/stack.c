/* Dense layers one after the other. */
#include "model/layer/stack.h"

#include <stdio.h>
#include <string.h>

#define MAX_UNITS 65536

static enum fusor_status parse_units(struct yaml_node *at,
                                     struct stack_spec *out,
                                     struct fusor_error *err)
{
    if (at->kind != YAML_LIST || at->n > STACK_MAX - 1)
        return yaml_fail(at, err, "expected a list of at most %d layer sizes",
                         STACK_MAX - 1);
    out->n_units = (uint32_t)at->n;
    for (size_t i = 0; i < at->n; i++) {
        int64_t v;

        FUSOR_TRY(yaml_to_i64(at->items[i], &v, err));
        if (v < 1 || v > MAX_UNITS)
            return yaml_fail(at->items[i], err,
                             "a layer has 1..%d units, not %lld", MAX_UNITS,
                             (long long)v);
        out->units[i] = (uint32_t)v;
    }
    return FUSOR_OK;
}

enum fusor_status stack_parse(struct yaml_node *map, const char *key,
                              struct stack_spec *out, struct fusor_error *err)
{
    static const char *const norm_names[] = {"none", "batch", NULL};
    int activation = (int)out->activation;

    if (yaml_get(map, key))
        FUSOR_TRY(parse_units(yaml_get(map, key), out, err));
    FUSOR_TRY(
        build_choice(map, "activation", activation_names, &activation, err));
    out->activation = (enum activation_kind)activation;
    FUSOR_TRY(build_choice(map, "norm", norm_names, &out->norm, err));
    return build_float(map, "dropout", 0, 0.95, &out->dropout, err);
}

static enum fusor_status build_layer(struct model *m, const char *name,
                                     uint32_t in, uint32_t out,
                                     const struct stack_spec *spec,
                                     struct stack_layer *l,
                                     struct fusor_error *err)
{
    FUSOR_TRY(dense_build(m, name, in, out, &l->dense, err));
    l->plain = spec == NULL;
    if (!spec)
        return FUSOR_OK;
    l->has_norm = spec->norm;
    if (spec->norm)
        FUSOR_TRY(batch_norm_build(m, name, out, &l->norm, err));
    FUSOR_TRY(activation_build(m, name, spec->activation, &l->activation, err));
    l->dropout.rate = spec->dropout;
    if (spec->dropout > 0)
        l->dropout.number = build_dropout(m);
    return FUSOR_OK;
}

enum fusor_status stack_build(struct model *m, const char *name, uint32_t in,
                              const struct stack_spec *spec, uint32_t head,
                              struct stack *out, struct fusor_error *err)
{
    char text[PARAM_NAME_MAX];

    memset(out, 0, sizeof(*out));
    out->in = out->out = in;
    for (uint32_t i = 0; i < spec->n_units; i++) {
        snprintf(text, sizeof(text), "%s%u", name, i);
        FUSOR_TRY(build_layer(m, text, out->out, spec->units[i], spec,
                              &out->layers[i], err));
        out->out = spec->units[i];
    }
    out->n = spec->n_units;
    if (!head)
        return FUSOR_OK;
    snprintf(text, sizeof(text), "%s%u", name, out->n);
    FUSOR_TRY(
        build_layer(m, text, out->out, head, NULL, &out->layers[out->n], err));
    out->n++;
    out->out = head;
    return FUSOR_OK;
}

/* May the product write what relu leaves at once? Its slope needs y only. */
static int is_fused(const struct stack_layer *l)
{
    return !l->plain && !l->has_norm && l->activation.kind == ACTIVATION_RELU;
}

void stack_take(const struct stack *k, struct model_run *r,
                struct stack_state *st)
{
    for (uint32_t i = 0; i < k->n; i++) {
        const struct stack_layer *l = &k->layers[i];
        struct stack_layer_state *t = &st->layers[i];
        size_t n = (size_t)r->max_batch * l->dense.out;

        t->z = t->norm = run_take(r, n, sizeof(float));
        if (l->has_norm) {
            t->norm = run_take(r, n, sizeof(float));
            batch_norm_take(&l->norm, r, &t->bn);
        }
        t->y = t->norm;
        if (l->activation.kind != ACTIVATION_NONE && !is_fused(l))
            t->y = run_take(r, n, sizeof(float));
        t->drop = t->y;
        if (l->dropout.rate > 0) {
            t->drop = run_take(r, n, sizeof(float));
            t->mask = run_take(r, n, sizeof(float));
        }
        if (i + 1 < k->n)
            t->grad = run_take(r, n, sizeof(float));
    }
}

static const float *layer_forward(const struct stack_layer *l,
                                  struct stack_layer_state *t, uint64_t seed,
                                  const struct model_step *s, const float *x,
                                  int train)
{
    uint32_t n = s->batch->n;
    size_t size = (size_t)n * l->dense.out;

    if (is_fused(l))
        dense_forward_relu(&l->dense, s, x, n, t->y);
    else
        dense_forward(&l->dense, s, x, n, t->z);
    if (l->plain)
        return t->z;
    if (l->has_norm)
        batch_norm_forward(&l->norm, &t->bn, s, t->z, n, t->norm, train);
    if (!is_fused(l))
        activation_forward(&l->activation, s, t->norm, t->y, size);
    if (t->drop == t->y || !train)
        return t->y;
    dropout_mask(&l->dropout, seed, s, l->dense.out, t->mask);
    memcpy(t->drop, t->y, size * sizeof(float));
    dropout_apply(t->mask, t->drop, size);
    return t->drop;
}

const float *stack_forward(const struct stack *k, struct stack_state *st,
                           uint64_t seed, const struct model_step *s,
                           const float *x, int train)
{
    st->trained = train;
    for (uint32_t i = 0; i < k->n; i++)
        x = layer_forward(&k->layers[i], &st->layers[i], seed, s, x, train);
    return x;
}

void stack_backward(const struct stack *k, struct stack_state *st,
                    const struct model_step *s, const float *x, float *dy,
                    float *dx, int train)
{
    uint32_t n = s->batch->n;

    if (k->n == 0 && dx)
        memcpy(dx, dy, (size_t)n * k->in * sizeof(*dx));
    for (uint32_t i = k->n; i-- > 0;) {
        const struct stack_layer *l = &k->layers[i];
        struct stack_layer_state *t = &st->layers[i];
        struct stack_layer_state *below = i ? &st->layers[i - 1] : NULL;
        size_t size = (size_t)n * l->dense.out;
        const float *in = x;

        if (below)
            in = st->trained ? below->drop : below->y;
        if (!l->plain && t->drop != t->y && st->trained)
            dropout_apply(t->mask, dy, size);
        if (!l->plain)
            activation_backward(&l->activation, s, t->norm, t->y, dy, size,
                                train);
        if (l->has_norm)
            batch_norm_backward(&l->norm, &t->bn, s, t->z, dy, n, st->trained,
                                train);
        dense_backward(&l->dense, s, in, dy, n, below ? below->grad : dx,
                       train);
        dy = below ? below->grad : dx;
    }
}

void stack_describe(const struct stack *k, struct strbuf *out)
{
    strbuf_addf(out, "%u", k->in);
    for (uint32_t i = 0; i < k->n; i++) {
        const struct stack_layer *l = &k->layers[i];

        strbuf_addf(out, " -> %u", l->dense.out);
        if (l->has_norm)
            strbuf_add(out, " batch_norm");
        if (l->activation.kind != ACTIVATION_NONE)
            strbuf_addf(out, " %s", activation_names[l->activation.kind]);
        if (l->dropout.rate > 0)
            strbuf_addf(out, " dropout %g", (double)l->dropout.rate);
    }
}
