/* A transformer over a sequence (SASRec: Kang and McAuley 2018; BERT4Rec's
 * encoder when not causal):
 *
 *   seq: {type: transformer, query: history, item: item, table: item_seq,
 *         max: 50, blocks: 2, heads: 1, ff: 256, norm: pre, activation: relu,
 *         positions: learnt, scale: true, causal: true, read: last,
 *         dropout: 0.2, init: 0.02}
 *   bert: {type: transformer, query: history, item: item, mask: 0.2}
 *
 * Rows are multiplied by sqrt(dim) when scale is on. read: last takes the last
 * position, and the last block then computes only that; mean takes the mean of
 * all; with mask (sequence.h) it is not causal and reads the last, which is
 * hidden. With norm: pre or query a layer normalisation follows the last block
 * (layer/transformer.h says what each is). dropout falls on the inputs, the
 * attention's probabilities, both branches (with query the second) and the
 * hidden layer. init: standard deviation of the dense layers at first, whose
 * biases are then 0 (Radford et al. 2019; as published SASRecs have it);
 * without it both are as PyTorch's. */
#include "model/tower/sequence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/layer/transformer.h"
#include "tensor/tensor.h"

#define MAX_BLOCKS 16
#define MAX_UNITS 65536

static const char *const keys[] = {
    SEQUENCE_KEYS, "blocks",    "heads", "ff",     "norm",
    "activation",  "positions", "scale", "causal", "read",
    "dropout",     "mask",      "init",  NULL};
static const char *const norm_names[] = {"post", "pre", "query", NULL};
static const char *const read_names[] = {"last", "mean", NULL};

enum read { READ_LAST, READ_MEAN };

struct blocks {
    uint32_t n;
    struct transformer blocks[MAX_BLOCKS]; // all rows
    struct transformer tail; // read: last; the last block for one row
    struct layer_norm final; // norm: pre, query
    int norm, read;
    struct dropout drop; // of the inputs
};

struct blocks_state {
    struct transformer_state blocks[MAX_BLOCKS], tail;
    float *x[MAX_BLOCKS]; // [rows, dim] behind each block; the last one's
                          // [n, dim] when tail is used
    float *mean;          // [n, dim] read: mean
    float *dx;            // [rows, dim]
    float *mask;
    struct layer_norm_state final;
    int trained;
};

static enum fusor_status parse(struct model *m, struct sequence *q,
                               struct yaml_node *at,
                               struct transformer_spec *spec,
                               struct fusor_error *err)
{
    struct blocks *e = q->self;
    int places = POSITIONAL_LEARNT, scale = 1;
    int activation = ACTIVATION_RELU;

    e->n = 1;
    FUSOR_TRY(build_count(at, "blocks", 1, MAX_BLOCKS, &e->n, err));
    FUSOR_TRY(build_count(at, "heads", 1, q->dim, &spec->heads, err));
    FUSOR_TRY(build_count(at, "ff", 1, MAX_UNITS, &spec->ff, err));
    FUSOR_TRY(build_choice(at, "norm", norm_names, &spec->norm, err));
    FUSOR_TRY(
        build_choice(at, "activation", activation_names, &activation, err));
    FUSOR_TRY(build_choice(at, "positions", positional_names, &places, err));
    FUSOR_TRY(build_bool(at, "scale", &scale, err));
    FUSOR_TRY(sequence_parse_mask(q, at, err));
    spec->causal = !q->pack.hides;
    FUSOR_TRY(build_bool(at, "causal", &spec->causal, err));
    FUSOR_TRY(build_choice(at, "read", read_names, &e->read, err));
    if (q->pack.hides && (spec->causal || e->read != READ_LAST))
        return yaml_fail(yaml_get(at, "mask"), err,
                         "mask: the hidden position is read and sees both "
                         "ways: leave causal: true and read: mean away");
    FUSOR_TRY(build_float(at, "dropout", 0, 0.95, &spec->dropout, err));
    if (q->dim % spec->heads)
        return yaml_fail(at, err, "%u heads do not divide dim %u", spec->heads,
                         q->dim);
    if (activation != ACTIVATION_RELU && activation != ACTIVATION_GELU)
        return yaml_fail(yaml_get(at, "activation"), err,
                         "a transformer's activation is relu or gelu");
    spec->activation = (enum activation_kind)activation;
    e->norm = spec->norm;
    q->scale = scale ? sqrtf((float)q->dim) : 1.0f;
    return positional_build(m, (enum positional_kind)places, q->pack.max,
                            q->dim, &q->places, err);
}

/* The attention's projections of queries, keys and values begin as they do. */
static enum fusor_status begin_small(struct model *m, struct yaml_node *at,
                                     const struct transformer *t,
                                     struct fusor_error *err)
{
    const struct dense *layers[] = {&t->out, &t->up, &t->down};
    float deviation = 0.0f;

    FUSOR_TRY(build_float(at, "init", 1e-6, 10, &deviation, err));
    for (uint32_t b = 0; deviation > 0 && b < m->params.n_blocks; b++)
        for (size_t i = 0; i < 3; i++) {
            if (m->blocks[b].offset == layers[i]->weight) {
                m->blocks[b].init = INIT_NORMAL;
                m->blocks[b].init_scale = deviation;
            }
            if (m->blocks[b].offset == layers[i]->bias)
                m->blocks[b].init = INIT_ZERO;
        }
    return FUSOR_OK;
}

static enum fusor_status blocks_build(struct model *m, struct sequence *q,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    struct blocks *e = q->self;
    struct transformer_spec spec = {.dim = q->dim,
                                    .heads = 1,
                                    .ff = 4 * q->dim,
                                    .causal = 1,
                                    .norm = NORM_PRE};
    char name[32];

    FUSOR_TRY(parse(m, q, at, &spec, err));
    e->drop.rate = spec.dropout;
    if (spec.dropout > 0)
        e->drop.number = build_dropout(m);
    for (uint32_t b = 0; b < e->n; b++) {
        snprintf(name, sizeof(name), "block%u", b);
        FUSOR_TRY(transformer_build(m, name, &spec, &e->blocks[b], err));
        FUSOR_TRY(begin_small(m, at, &e->blocks[b], err));
    }
    e->tail = e->blocks[e->n - 1]; // the same weights
    e->tail.spec.last = e->tail.attention.last = 1;
    if (spec.norm == NORM_POST)
        return FUSOR_OK;
    return layer_norm_build(m, "norm", q->dim, &e->final, err);
}

static void *blocks_run_create(const struct sequence *q, struct model_run *r)
{
    const struct blocks *e = q->self;
    struct blocks_state *st = run_take(r, 1, sizeof(*st));
    size_t rows = pack_rows(&q->pack, r), n = r->max_batch, d = q->dim;

    if (!st)
        return NULL;
    for (uint32_t b = 0; b < e->n; b++) {
        int one = b + 1 == e->n && e->read == READ_LAST && !r->model->every;

        if (!one)
            transformer_take(&e->blocks[b], r, rows, q->pack.max,
                             &st->blocks[b]);
        st->x[b] = run_take(r, (one ? n : rows) * d, sizeof(float));
    }
    if (e->read == READ_LAST)
        transformer_take(&e->tail, r, rows, q->pack.max, &st->tail);
    if (e->n > 1 || e->read == READ_MEAN)
        st->dx = run_take(r, rows * d, sizeof(float));
    if (e->read == READ_MEAN)
        st->mean = run_take(r, n * d, sizeof(float));
    if (e->drop.rate > 0)
        st->mask = run_take(r, rows * d, sizeof(float));
    if (e->norm != NORM_POST)
        layer_norm_take(r, rows, &st->final);
    return st;
}

/* y [n, dim] = the mean of each sequence's rows of x */
static void mean_forward(const struct pack *p, uint32_t d, const float *x,
                         float *y)
{
    const struct vec_ops *v = vec_ops();

    v->fill(y, 0.0f, (size_t)p->n * d);
    for (uint32_t k = 0; k < p->n; k++, y += d) {
        v->column_sums(y, x + (size_t)p->start[k] * d, p->length[k], d);
        v->scale(y, 1.0f / (float)p->length[k], d);
    }
}

static void mean_backward(const struct pack *p, uint32_t d, const float *dy,
                          float *dx)
{
    const struct vec_ops *v = vec_ops();

    v->fill(dx, 0.0f, (size_t)p->rows * d);
    for (uint32_t k = 0; k < p->n; k++)
        for (uint32_t t = 0; t < p->length[k]; t++)
            v->axpy(dx + (size_t)(p->start[k] + t) * d,
                    1.0f / (float)p->length[k], dy + (size_t)k * d, d);
}

/* Vectors that are made of the packed sequences. */
static uint32_t made(const struct pack *p)
{
    return p->every ? p->rows : p->n;
}

/* Block b as this step runs it. */
static const struct transformer *block_of(const struct blocks *e,
                                          struct blocks_state *st,
                                          const struct pack *p, uint32_t b,
                                          struct transformer_state **state)
{
    int one = b + 1 == e->n && e->read == READ_LAST && !p->every;

    *state = one ? &st->tail : &st->blocks[b];
    return one ? &e->tail : &e->blocks[b];
}

static void blocks_forward(const struct sequence *q, void *state, uint64_t seed,
                           const struct model_step *s, const struct pack *p,
                           float *x, int train, float *y)
{
    const struct blocks *e = q->self;
    struct blocks_state *st = state;
    const float *z = x;

    st->trained = train;
    if (train && e->drop.rate > 0) {
        transformer_mask(&e->drop, seed, s, p, q->dim, 0, st->mask);
        dropout_apply(st->mask, x, (size_t)p->rows * q->dim);
    }
    for (uint32_t b = 0; b < e->n; b++) {
        struct transformer_state *state_b;
        const struct transformer *block = block_of(e, st, p, b, &state_b);

        transformer_forward(block, state_b, seed, s, p, z, train, st->x[b]);
        z = st->x[b];
    }
    if (e->read == READ_MEAN) {
        mean_forward(p, q->dim, z, st->mean);
        z = st->mean;
    }
    if (e->norm != NORM_POST)
        layer_norm_forward(&e->final, &st->final, s, z, made(p), y);
    else
        memcpy(y, z, (size_t)made(p) * q->dim * sizeof(*y));
}

static void blocks_backward(const struct sequence *q, void *state,
                            uint64_t seed, const struct model_step *s,
                            const struct pack *p, const float *x, float *dy,
                            float *dx)
{
    const struct blocks *e = q->self;
    struct blocks_state *st = state;
    const float *z = e->read == READ_MEAN ? st->mean : st->x[e->n - 1];
    float *from = dy, *to;

    if (e->norm != NORM_POST)
        layer_norm_backward(&e->final, &st->final, s, z, dy, made(p), dy);
    if (e->read == READ_MEAN) { // so that the first block's turn fills dx
        from = e->n % 2 ? st->dx : dx;
        mean_backward(p, q->dim, dy, from);
    }
    for (uint32_t b = e->n; b-- > 0; from = to) {
        struct transformer_state *state_b;
        const struct transformer *block = block_of(e, st, p, b, &state_b);

        to = b % 2 ? st->dx : dx;
        transformer_backward(block, state_b, seed, s, p, b ? st->x[b - 1] : x,
                             from, to);
    }
    if (st->trained && e->drop.rate > 0)
        dropout_apply(st->mask, dx, (size_t)p->rows * q->dim);
}

static void blocks_describe(const struct sequence *q, struct strbuf *out)
{
    const struct blocks *e = q->self;
    const struct transformer_spec *b = &e->blocks[0].spec;

    strbuf_addf(
        out, "%u %s-norm blocks, %u heads, ff %u %s, %s, positions %s%s", e->n,
        norm_names[e->norm], b->heads, b->ff, activation_names[b->activation],
        b->causal ? "causal" : "bidirectional",
        positional_names[q->places.kind], e->read == READ_MEAN ? ", mean" : "");
    if (b->dropout > 0)
        strbuf_addf(out, ", dropout %g", (double)b->dropout);
}

static const char *why_not_every(const struct sequence *q)
{
    const struct blocks *e = q->self;

    if (!e->blocks[0].spec.causal)
        return "it is not causal, so that each position sees the next";
    return e->read == READ_MEAN ? "it reads the mean of the positions" : NULL;
}

const struct sequence_encoder sequence_encoder_transformer = {
    .keys = keys,
    .size = sizeof(struct blocks),
    .order = PACK_SEQUENCES,
    .build = blocks_build,
    .run_create = blocks_run_create,
    .forward = blocks_forward,
    .backward = blocks_backward,
    .describe = blocks_describe,
    .why_not_every = why_not_every,
};

static enum fusor_status transformer_tower(struct model *m, struct tower *t,
                                           struct yaml_node *at,
                                           struct fusor_error *err)
{
    return sequence_build(m, t, at, &sequence_encoder_transformer, err);
}

SEQUENCE_TOWER(transformer, transformer_tower);
