/* Recurrent networks over a sequence: rnn, gru (GRU4Rec: Hidasi et al. 2016)
 * and lstm, the same but for the cell.
 *
 *   seq: {type: gru, query: history, item: item, table: item_seq, max: 50,
 *         units: 64, layers: 1, dropout: 0.2, direction: forward}
 *
 * The last state of the last layer is the vector, through a dense layer when
 * its units are not the table's dim (the default). dropout falls on the inputs
 * of every layer and on the vector.
 *
 * direction: both (Schuster and Paliwal 1997) runs a second network over each
 * sequence from its end; layers above read the states of both at each position,
 * and the vector is made of the last state of each, 2 units wide. */
#include "model/tower/sequence.h"

#include <stdio.h>
#include <string.h>

#include "model/layer/dropout.h"
#include "model/layer/recurrent.h"
#include "tensor/vec.h"

#define MAX_LAYERS 8
#define MAX_UNITS 65536

static const char *const keys[] = {SEQUENCE_KEYS, "units",     "layers",
                                   "dropout",     "direction", NULL};
static const char *const direction_names[] = {"forward", "both", NULL};

struct network {
    uint32_t n, units;
    int both;
    uint32_t width; // of what a layer gives: units, or those of both
    struct recurrent layers[MAX_LAYERS];
    struct recurrent back[MAX_LAYERS]; // both: from the end
    struct dropout drop[MAX_LAYERS + 1];
    struct dense out; // width -> dim when they differ
};

struct network_state {
    struct recurrent_state layers[MAX_LAYERS], back[MAX_LAYERS];
    float *x[MAX_LAYERS];    // [rows, width] a layer's input, after dropout
    float *mask[MAX_LAYERS]; // of its input
    float *last, *dlast;     // [n, width], of every row in p->every
    float *mask_last;
    float *dx[2]; // [rows, width] between layers
    /* both: */
    float *turned[MAX_LAYERS]; // [rows, in] a layer's input from the end
    float *joined[MAX_LAYERS]; // [rows, width] states of both
    float *part[2];            // [rows, units] gradients of them
    float *dturned;            // [rows, in]
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
    FUSOR_TRY(build_choice(at, "direction", direction_names, &e->both, err));
    e->width = e->both ? 2 * e->units : e->units;
    for (uint32_t k = 0; k <= e->n; k++) {
        e->drop[k].rate = dropout;
        if (dropout > 0)
            e->drop[k].number = build_dropout(m);
    }
    for (uint32_t k = 0; k < e->n; k++) {
        snprintf(name, sizeof(name), "layer%u", k);
        FUSOR_TRY(recurrent_build(m, name, kind, k ? e->width : q->dim,
                                  e->units, &e->layers[k], err));
        if (!e->both)
            continue;
        snprintf(name, sizeof(name), "layer%u.back", k);
        FUSOR_TRY(recurrent_build(m, name, kind, k ? e->width : q->dim,
                                  e->units, &e->back[k], err));
    }
    if (e->width == q->dim)
        return FUSOR_OK;
    return dense_build(m, "out", e->width, q->dim, &e->out, err);
}

static void take_both(const struct network *e, struct model_run *r, size_t rows,
                      struct network_state *st)
{
    uint32_t widest = e->width;

    for (uint32_t k = 0; e->both && k < e->n; k++) {
        recurrent_take(&e->back[k], r, rows, &st->back[k]);
        st->turned[k] = run_take(r, rows * e->back[k].in, sizeof(float));
        st->joined[k] = run_take(r, rows * e->width, sizeof(float));
        if (e->back[k].in > widest)
            widest = e->back[k].in;
    }
    for (int i = 0; e->both && i < 2; i++)
        st->part[i] = run_take(r, rows * e->units, sizeof(float));
    if (e->both)
        st->dturned = run_take(r, rows * widest, sizeof(float));
}

static void *network_run_create(const struct sequence *q, struct model_run *r)
{
    const struct network *e = q->self;
    struct network_state *st = run_take(r, 1, sizeof(*st));
    size_t rows = pack_rows(&q->pack, r), h = e->width;
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
    take_both(e, r, rows, st);
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

/* Row of the position as far from a sequence's end as step t is from its
 * beginning. */
static size_t mirror(const struct pack *p, uint32_t t, uint32_t k)
{
    return (size_t)p->start[p->length[k] - 1 - t] + k;
}

/* y [rows, width] = x with each sequence from its end, or += it. */
static void turn(const struct pack *p, uint32_t width, const float *x, float *y,
                 int add)
{
    for (uint32_t t = 0; t < p->longest; t++)
        for (uint32_t k = 0; k < p->active[t]; k++) {
            const float *from = x + mirror(p, t, k) * width;
            float *to = y + ((size_t)p->start[t] + k) * width;

            if (add)
                vec_ops()->add(to, to, from, width);
            else
                memcpy(to, from, width * sizeof(*to));
        }
}

/* to [rows, to_width] from column `to_at` = from [rows, from_width] from column
 * `from_at`, n columns. */
static void copy_columns(size_t rows, uint32_t n, const float *from,
                         uint32_t from_width, uint32_t from_at, float *to,
                         uint32_t to_width, uint32_t to_at)
{
    for (size_t i = 0; i < rows; i++)
        memcpy(to + i * to_width + to_at, from + i * from_width + from_at,
               n * sizeof(*to));
}

/* The second network of a layer, and the states of both side by side. */
static void run_back(const struct network *e, struct network_state *st,
                     const struct model_step *s, const struct pack *p,
                     uint32_t k, const float *x)
{
    uint32_t h = e->units;

    turn(p, e->back[k].in, x, st->turned[k], 0);
    recurrent_forward(&e->back[k], &st->back[k], s, p, st->turned[k]);
    turn(p, h, st->back[k].h, st->part[0], 0);
    copy_columns(p->rows, h, st->layers[k].h, h, 0, st->joined[k], 2 * h, 0);
    copy_columns(p->rows, h, st->part[0], h, 0, st->joined[k], 2 * h, h);
}

/* The states of a layer. */
static const float *states_of(const struct network *e,
                              const struct network_state *st, uint32_t k)
{
    return e->both ? st->joined[k] : st->layers[k].h;
}

/* The input of layer k > 0: the states below, dropped. */
static const float *input_of(const struct network *e,
                             const struct network_state *st, uint32_t k,
                             const float *x)
{
    if (k == 0)
        return x;
    return dropping(e, st) ? st->x[k] : states_of(e, st, k - 1);
}

static void drop_input(const struct network *e, struct network_state *st,
                       uint64_t seed, const struct model_step *s,
                       const struct pack *p, uint32_t k, float *x)
{
    uint32_t width = e->layers[k].in;
    size_t size = (size_t)p->rows * width;

    draw_steps(&e->drop[k], seed, s, p, width, st->mask[k]);
    if (k > 0) {
        memcpy(st->x[k], states_of(e, st, k - 1), size * sizeof(float));
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
    for (uint32_t k = 0; k < p->n; k++) {
        float *to = st->last + (size_t)k * e->width;

        memcpy(to, from + last_row(p, k) * h, h * sizeof(float));
        if (e->both)
            memcpy(to + h, st->back[e->n - 1].h + last_row(p, k) * h,
                   h * sizeof(float));
    }
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
    size_t h = e->width;

    st->trained = train;
    for (uint32_t k = 0; k < e->n; k++) {
        if (dropping(e, st))
            drop_input(e, st, seed, s, p, k, x);
        recurrent_forward(&e->layers[k], &st->layers[k], s, p,
                          input_of(e, st, k, x));
        if (e->both)
            run_back(e, st, s, p, k, input_of(e, st, k, x));
    }
    read_states(e, st, p);
    if (dropping(e, st)) {
        draw_last(&e->drop[e->n], seed, s, p, e->width, st->mask_last);
        dropout_apply(st->mask_last, st->last, (size_t)made(p) * h);
    }
    if (e->width != q->dim)
        dense_forward(&e->out, s, st->last, made(p), y);
    else
        memcpy(y, st->last, (size_t)made(p) * h * sizeof(float));
}

/* A layer of both back.
 * @param above [rows, width] gradient of its states, or NULL: it is the last
 * @param dlast [n, width] then: of the last states */
static void back_both(const struct network *e, struct network_state *st,
                      const struct model_step *s, const struct pack *p,
                      uint32_t k, const float *x, const float *above,
                      const float *dlast, float *dx)
{
    size_t rows = above ? p->rows : p->n;
    const float *from = above ? above : dlast;
    uint32_t h = e->units;
    float *ahead = st->part[0], *behind = st->part[1];

    copy_columns(rows, h, from, 2 * h, 0, ahead, h, 0);
    copy_columns(rows, h, from, 2 * h, h, behind, h, 0);
    recurrent_backward(&e->layers[k], &st->layers[k], s, p, x,
                       above ? ahead : NULL, above ? NULL : ahead, dx);
    if (above) { // which used up what was ahead
        turn(p, h, behind, ahead, 0);
        behind = ahead;
    }
    recurrent_backward(&e->back[k], &st->back[k], s, p, st->turned[k],
                       above ? behind : NULL, above ? NULL : behind,
                       st->dturned);
    turn(p, e->back[k].in, st->dturned, dx, 1);
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
    if (e->width != q->dim) {
        dense_backward(&e->out, s, st->last, dy, made(p), st->dlast, 1);
        dlast = st->dlast;
    }
    if (dropping(e, st))
        dropout_apply(st->mask_last, dlast, (size_t)made(p) * e->width);
    if (p->every)
        above = dlast;
    for (uint32_t k = e->n; k-- > 0;) {
        float *to = k ? st->dx[k % 2] : dx;

        if (e->both)
            back_both(e, st, s, p, k, input_of(e, st, k, x), above, dlast, to);
        else
            recurrent_backward(&e->layers[k], &st->layers[k], s, p,
                               input_of(e, st, k, x), above,
                               above ? NULL : dlast, to);
        if (dropping(e, st))
            dropout_apply(st->mask[k], to, (size_t)p->rows * e->layers[k].in);
        above = to;
    }
}

static void network_describe(const struct sequence *q, struct strbuf *out)
{
    const struct network *e = q->self;

    strbuf_addf(out, "%u layers of %u units%s", e->n, e->units,
                e->both ? " both ways" : "");
    if (e->width != q->dim)
        strbuf_addf(out, " -> %u", q->dim);
    if (e->drop[0].rate > 0)
        strbuf_addf(out, ", dropout %g", (double)e->drop[0].rate);
}

static const char *why_not_every(const struct sequence *q)
{
    const struct network *e = q->self;

    return e->both ? "it reads both ways, so that each position sees the next"
                   : NULL;
}

/* The three kinds differ in one word. */
#define RECURRENT(word, cell)                                                  \
    static enum fusor_status word##_build(struct model *m, struct sequence *q, \
                                          struct yaml_node *at,                \
                                          struct fusor_error *err)             \
    {                                                                          \
        return build(m, q, at, cell, err);                                     \
    }                                                                          \
    const struct sequence_encoder sequence_encoder_##word = {                  \
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
        return sequence_build(m, t, at, &sequence_encoder_##word, err);        \
    }                                                                          \
    SEQUENCE_TOWER(word, word##_tower)

RECURRENT(rnn, RECURRENT_RNN);
RECURRENT(gru, RECURRENT_GRU);
RECURRENT(lstm, RECURRENT_LSTM);
