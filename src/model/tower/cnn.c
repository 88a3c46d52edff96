/* Convolutions of several widths over a sequence or text, the maximum of each
 * filter over time, and a dense layer to the table's dim (Kim 2014; Caser's
 * horizontal filters: Tang and Wang 2018).
 *
 *   text: {type: cnn, query: title, item: item, widths: [3, 4, 5],
 *          filters: 100, activation: relu, dropout: 0.5, max: 64}
 *
 * filters are of each width; by default as many as the table's dim. dropout
 * falls on the maxima. A sequence shorter than a window is followed by zeros.
 */
#include "model/tower/sequence.h"

#include <stdio.h>

#include "model/layer/activation.h"
#include "model/layer/conv1d.h"
#include "model/layer/dropout.h"
#include "tensor/tensor.h"

#define MAX_WIDTHS 8
#define MAX_WINDOW 64
#define MAX_FILTERS 65536

static const char *const keys[] = {SEQUENCE_KEYS, "widths",  "filters",
                                   "activation",  "dropout", NULL};

struct network {
    uint32_t n, filters, all; // widths, filters of each, of all
    struct conv1d convs[MAX_WIDTHS];
    struct activation activation;
    struct dropout drop;
    struct dense out;
};

struct network_state {
    float *y;     // [rows, filters] of one width
    float *z, *h; // [n, all] maxima, then activated and dropped
    uint32_t *at; // [n, all] where
    float *dh;    // [n, all]
    float *mask;  // [n, all]
    int trained;
};

static enum fusor_status parse_widths(struct yaml_node *at, uint32_t *widths,
                                      uint32_t *n, struct fusor_error *err)
{
    if (!at)
        return FUSOR_OK;
    if (at->kind != YAML_LIST || at->n < 1 || at->n > MAX_WIDTHS)
        return yaml_fail(at, err, "widths is a list of 1..%d window sizes",
                         MAX_WIDTHS);
    *n = (uint32_t)at->n;
    for (uint32_t i = 0; i < *n; i++) {
        int64_t v;

        FUSOR_TRY(yaml_to_i64(at->items[i], &v, err));
        if (v < 1 || v > MAX_WINDOW)
            return yaml_fail(at->items[i], err, "a width is 1..%d, not %lld",
                             MAX_WINDOW, (long long)v);
        widths[i] = (uint32_t)v;
    }
    return FUSOR_OK;
}

/* The maximum and the activation change places: it must not fall. */
static enum fusor_status parse_activation(struct model *m, struct yaml_node *at,
                                          struct network *e,
                                          struct fusor_error *err)
{
    int kind = ACTIVATION_RELU;

    FUSOR_TRY(build_choice(at, "activation", activation_names, &kind, err));
    if (kind == ACTIVATION_GELU || kind == ACTIVATION_PRELU)
        return yaml_fail(yaml_get(at, "activation"), err,
                         "a cnn's activation is none, relu, tanh or sigmoid");
    return activation_build(m, "conv", (enum activation_kind)kind,
                            &e->activation, err);
}

static enum fusor_status network_build(struct model *m, struct sequence *q,
                                       struct yaml_node *at,
                                       struct fusor_error *err)
{
    struct network *e = q->self;
    uint32_t widths[MAX_WIDTHS] = {3, 4, 5};
    char name[32];

    e->n = 3;
    e->filters = q->dim;
    FUSOR_TRY(parse_widths(yaml_get(at, "widths"), widths, &e->n, err));
    FUSOR_TRY(build_count(at, "filters", 1, MAX_FILTERS, &e->filters, err));
    FUSOR_TRY(build_float(at, "dropout", 0, 0.95, &e->drop.rate, err));
    FUSOR_TRY(parse_activation(m, at, e, err));
    if (e->drop.rate > 0)
        e->drop.number = build_dropout(m);
    for (uint32_t k = 0; k < e->n; k++) {
        snprintf(name, sizeof(name), "conv%u", k);
        FUSOR_TRY(conv1d_build(m, name, widths[k], q->dim, e->filters,
                               &e->convs[k], err));
        if (widths[k] - 1 > q->pack.pad)
            q->pack.pad = widths[k] - 1;
    }
    e->all = e->n * e->filters;
    return dense_build(m, "out", e->all, q->dim, &e->out, err);
}

static void *network_run_create(const struct sequence *q, struct model_run *r)
{
    const struct network *e = q->self;
    struct network_state *st = run_take(r, 1, sizeof(*st));
    size_t size = (size_t)r->max_batch * e->all;

    if (!st)
        return NULL;
    st->y = run_take(r, pack_rows(&q->pack, r) * e->filters, sizeof(float));
    st->z = run_take(r, size, sizeof(float));
    st->h = run_take(r, size, sizeof(float));
    st->dh = run_take(r, size, sizeof(float));
    st->at = run_take(r, size, sizeof(*st->at));
    if (e->drop.rate > 0)
        st->mask = run_take(r, size, sizeof(float));
    return st;
}

static int dropping(const struct network *e, const struct network_state *st)
{
    return st->trained && e->drop.rate > 0;
}

static void network_forward(const struct sequence *q, void *state,
                            uint64_t seed, const struct model_step *s,
                            const struct pack *p, float *x, int train, float *y)
{
    const struct network *e = q->self;
    struct network_state *st = state;
    size_t size = (size_t)p->n * e->all;

    st->trained = train;
    for (uint32_t k = 0; k < e->n; k++)
        conv1d_forward(&e->convs[k], s, p, x, st->y, st->z + k * e->filters,
                       st->at + k * e->filters, e->all);
    activation_forward(&e->activation, s, st->z, st->h, size);
    if (dropping(e, st)) {
        for (uint32_t k = 0; k < p->n; k++)
            dropout_draw(&e->drop, seed, s, p->id[k], e->all,
                         st->mask + (size_t)k * e->all);
        dropout_apply(st->mask, st->h, size);
    }
    dense_forward(&e->out, s, st->h, p->n, y);
}

/* The slope of tanh and sigmoid is a function of what they gave, before it was
 * dropped: make it again. */
static void network_backward(const struct sequence *q, void *state,
                             uint64_t seed, const struct model_step *s,
                             const struct pack *p, const float *x, float *dy,
                             float *dx)
{
    const struct network *e = q->self;
    struct network_state *st = state;
    size_t size = (size_t)p->n * e->all;

    (void)seed; // the mask stays from forward
    dense_backward(&e->out, s, st->h, dy, p->n, st->dh, 1);
    if (dropping(e, st)) {
        dropout_apply(st->mask, st->dh, size);
        activation_forward(&e->activation, s, st->z, st->h, size);
    }
    activation_backward(&e->activation, s, st->z, st->h, st->dh, size, 1);
    vec_ops()->fill(dx, 0.0f, (size_t)p->rows * q->dim);
    for (uint32_t k = 0; k < e->n; k++)
        conv1d_backward(&e->convs[k], s, p, x, st->dh + k * e->filters,
                        st->at + k * e->filters, e->all, dx);
}

static void network_describe(const struct sequence *q, struct strbuf *out)
{
    const struct network *e = q->self;

    strbuf_addf(out, "%u filters of each width", e->filters);
    for (uint32_t k = 0; k < e->n; k++)
        strbuf_addf(out, " %u", e->convs[k].window);
    if (e->activation.kind != ACTIVATION_NONE)
        strbuf_addf(out, ", %s", activation_names[e->activation.kind]);
    strbuf_addf(out, ", max, -> %u", q->dim);
    if (e->drop.rate > 0)
        strbuf_addf(out, ", dropout %g", (double)e->drop.rate);
}

const struct sequence_encoder sequence_encoder_cnn = {
    .keys = keys,
    .size = sizeof(struct network),
    .order = PACK_SEQUENCES,
    .build = network_build,
    .run_create = network_run_create,
    .forward = network_forward,
    .backward = network_backward,
    .describe = network_describe,
};

static enum fusor_status cnn_tower(struct model *m, struct tower *t,
                                   struct yaml_node *at,
                                   struct fusor_error *err)
{
    return sequence_build(m, t, at, &sequence_encoder_cnn, err);
}

SEQUENCE_TOWER(cnn, cnn_tower);
