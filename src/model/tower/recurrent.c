/* Recurrent networks over a sequence: rnn, gru (GRU4Rec: Hidasi et al. 2016)
 * and lstm, the same but for the cell.
 *
 *   seq: {type: gru, query: history, item: item, table: item_seq, max: 50,
 *         units: 64, layers: 1, dropout: 0.2}
 *
 * The last state of the last layer is the vector, through a dense layer when
 * its units are not the table's dim (the default). dropout falls on the inputs
 * of every layer and on the vector. */
#include "model/tower/sequence.h"

#include <stdio.h>
#include <string.h>

#include "model/layer/dropout.h"
#include "model/layer/recurrent.h"

#define MAX_LAYERS 8
#define MAX_UNITS 65536

static const char *const keys[] = {SEQUENCE_KEYS, "units", "layers", "dropout",
                                   NULL};

struct network {
    uint32_t n, units;
    struct recurrent layers[MAX_LAYERS];
    struct dropout drop[MAX_LAYERS + 1];
    struct dense out; // units -> dim when they differ
};

struct network_state {
    struct recurrent_state layers[MAX_LAYERS];
    float *x[MAX_LAYERS];    // [rows, units] a layer's input, after dropout
    float *mask[MAX_LAYERS]; // of its input
    float *last, *dlast;     // [n, units], of every row in p->every
    float *mask_last;
    float *dx[2]; // [rows, units] between layers
    int trained;
};

static enum fusor_status build(struct model *m, struct sequence *q,
                               struct yaml_node *at, enum recurrent_kind kind,
                               struct fusor_error *err)
{
    struct network *e = q->self;
    float dropout = 0;
    char name[32];

    e->n = 1;
    e->units = q->dim;
    FUSOR_TRY(build_count(at, "units", 1, MAX_UNITS, &e->units, err));
    FUSOR_TRY(build_count(at, "layers", 1, MAX_LAYERS, &e->n, err));
    FUSOR_TRY(build_float(at, "dropout", 0, 0.95, &dropout, err));
    for (uint32_t k = 0; k <= e->n; k++) {
        e->drop[k].rate = dropout;
        if (dropout > 0)
            e->drop[k].number = build_dropout(m);
    }
    for (uint32_t k = 0; k < e->n; k++) {
        snprintf(name, sizeof(name), "layer%u", k);
        FUSOR_TRY(recurrent_build(m, name, kind, k ? e->units : q->dim,
                                  e->units, &e->layers[k], err));
    }
    if (e->units == q->dim)
        return FUSOR_OK;
    return dense_build(m, "out", e->units, q->dim, &e->out, err);
}

static void *network_run_create(const struct sequence *q, struct model_run *r)
{
    const struct network *e = q->self;
    struct network_state *st = run_take(r, 1, sizeof(*st));
    size_t rows = pack_rows(&q->pack, r), h = e->units;
    size_t n = r->model->every ? rows : r->max_batch;
    int drops = e->drop[0].rate > 0;

    if (!st)
        return NULL;
    for (uint32_t k = 0; k < e->n; k++) {
        recurrent_take(&e->layers[k], r, rows, &st->layers[k]);
        if (k > 0 && drops)
            st->x[k] = run_take(r, rows * h, sizeof(float));
        if (drops)
            st->mask[k] = run_take(r, rows * e->layers[k].in, sizeof(float));
    }
    st->last = run_take(r, n * h, sizeof(float));
    st->dlast = run_take(r, n * h, sizeof(float));
    if (drops)
        st->mask_last = run_take(r, n * h, sizeof(float));
    for (uint32_t k = 0; k < 2 && e->n > 1; k++)
        st->dx[k] = run_take(r, rows * h, sizeof(float));
    return st;
}

/* One scale for each unit of a sequence, the same at every step (Gal and
 * Ghahramani 2016). */
static void draw_steps(const struct dropout *d, uint64_t seed,
                       const struct model_step *s, const struct pack *p,
                       uint32_t width, float *mask)
{
    for (uint32_t k = 0; k < p->n; k++)
        dropout_draw(d, seed, s, p->id[k], width, mask + (size_t)k * width);
    for (uint32_t t = 1; t < p->longest; t++)
        memcpy(mask + (size_t)p->start[t] * width, mask,
               (size_t)p->active[t] * width * sizeof(*mask));
}

static int dropping(const struct network *e, const struct network_state *st)
{
    return st->trained && e->drop[0].rate > 0;
}

/* The input of layer k > 0: the states below, dropped. */
static const float *input_of(const struct network *e,
                             const struct network_state *st, uint32_t k,
                             const float *x)
{
    if (k == 0)
        return x;
    return dropping(e, st) ? st->x[k] : st->layers[k - 1].h;
}

static void drop_input(const struct network *e, struct network_state *st,
                       uint64_t seed, const struct model_step *s,
                       const struct pack *p, uint32_t k, float *x)
{
    uint32_t width = e->layers[k].in;
    size_t size = (size_t)p->rows * width;

    draw_steps(&e->drop[k], seed, s, p, width, st->mask[k]);
    if (k > 0) {
        memcpy(st->x[k], st->layers[k - 1].h, size * sizeof(float));
        x = st->x[k];
    }
    dropout_apply(st->mask[k], x, size);
}

/* The row of a sequence's last step. */
static size_t last_row(const struct pack *p, uint32_t k)
{
    return (size_t)p->start[p->length[k] - 1] + k;
}

/* Vectors that are made of the packed sequences. */
static uint32_t made(const struct pack *p)
{
    return p->every ? p->rows : p->n;
}

/* st->last: the states that are read. */
static void read_states(const struct network *e, struct network_state *st,
                        const struct pack *p)
{
    const float *from = st->layers[e->n - 1].h;
    size_t h = e->units;

    if (p->every) {
        memcpy(st->last, from, (size_t)p->rows * h * sizeof(float));
        return;
    }
    for (uint32_t k = 0; k < p->n; k++)
        memcpy(st->last + k * h, from + last_row(p, k) * h, h * sizeof(float));
}

static void draw_last(const struct dropout *d, uint64_t seed,
                      const struct model_step *s, const struct pack *p,
                      uint32_t width, float *mask)
{
    if (p->every) {
        draw_steps(d, seed, s, p, width, mask);
        return;
    }
    for (uint32_t k = 0; k < p->n; k++)
        dropout_draw(d, seed, s, p->id[k], width, mask + (size_t)k * width);
}

static void network_forward(const struct sequence *q, void *state,
                            uint64_t seed, const struct model_step *s,
                            const struct pack *p, float *x, int train, float *y)
{
    const struct network *e = q->self;
    struct network_state *st = state;
    size_t h = e->units;

    st->trained = train;
    for (uint32_t k = 0; k < e->n; k++) {
        if (dropping(e, st))
            drop_input(e, st, seed, s, p, k, x);
        recurrent_forward(&e->layers[k], &st->layers[k], s, p,
                          input_of(e, st, k, x));
    }
    read_states(e, st, p);
    if (dropping(e, st)) {
        draw_last(&e->drop[e->n], seed, s, p, e->units, st->mask_last);
        dropout_apply(st->mask_last, st->last, (size_t)made(p) * h);
    }
    if (e->units != q->dim)
        dense_forward(&e->out, s, st->last, made(p), y);
    else
        memcpy(y, st->last, (size_t)made(p) * h * sizeof(float));
}

static void network_backward(const struct sequence *q, void *state,
                             uint64_t seed, const struct model_step *s,
                             const struct pack *p, const float *x, float *dy,
                             float *dx)
{
    const struct network *e = q->self;
    struct network_state *st = state;
    float *dlast = dy, *above = NULL;

    (void)seed; // masks stay from forward
    if (e->units != q->dim) {
        dense_backward(&e->out, s, st->last, dy, made(p), st->dlast, 1);
        dlast = st->dlast;
    }
    if (dropping(e, st))
        dropout_apply(st->mask_last, dlast, (size_t)made(p) * e->units);
    if (p->every)
        above = dlast;
    for (uint32_t k = e->n; k-- > 0;) {
        float *to = k ? st->dx[k % 2] : dx;

        recurrent_backward(&e->layers[k], &st->layers[k], s, p,
                           input_of(e, st, k, x), above, above ? NULL : dlast,
                           to);
        if (dropping(e, st))
            dropout_apply(st->mask[k], to, (size_t)p->rows * e->layers[k].in);
        above = to;
    }
}

static void network_describe(const struct sequence *q, struct strbuf *out)
{
    const struct network *e = q->self;

    strbuf_addf(out, "%u layers of %u units", e->n, e->units);
    if (e->units != q->dim)
        strbuf_addf(out, " -> %u", q->dim);
    if (e->drop[0].rate > 0)
        strbuf_addf(out, ", dropout %g", (double)e->drop[0].rate);
}

static const char *why_not_every(const struct sequence *q)
{
    (void)q;
    return NULL;
}

/* The three kinds differ in one word. */
#define RECURRENT(word, cell)                                                  \
    static enum fusor_status word##_build(struct model *m, struct sequence *q, \
                                          struct yaml_node *at,                \
                                          struct fusor_error *err)             \
    {                                                                          \
        return build(m, q, at, cell, err);                                     \
    }                                                                          \
    static const struct sequence_encoder word##_encoder = {                    \
        .keys = keys,                                                          \
        .size = sizeof(struct network),                                        \
        .order = PACK_STEPS,                                                   \
        .build = word##_build,                                                 \
        .run_create = network_run_create,                                      \
        .forward = network_forward,                                            \
        .backward = network_backward,                                          \
        .describe = network_describe,                                          \
        .why_not_every = why_not_every,                                        \
    };                                                                         \
    static enum fusor_status word##_tower(struct model *m, struct tower *t,    \
                                          struct yaml_node *at,                \
                                          struct fusor_error *err)             \
    {                                                                          \
        return sequence_build(m, t, at, &word##_encoder, err);                 \
    }                                                                          \
    SEQUENCE_TOWER(word, word##_tower)

RECURRENT(rnn, RECURRENT_RNN);
RECURRENT(gru, RECURRENT_GRU);
RECURRENT(lstm, RECURRENT_LSTM);
