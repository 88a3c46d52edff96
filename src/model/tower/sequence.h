/* What towers over a sequence have in common: ids of a sequence or text are
 * looked up and packed, an encoder makes one vector of each sequence, and the
 * score is its dot product with the item's vector:
 *
 *   seq: {type: gru, query: history, item: item, table: item_seq, max: 50}
 *
 * query: a sequence or text field; on the query side each distinct one is
 * encoded once. item: fields whose vectors are summed; table: of both,
 * item_table: of the item alone. Without a table the item's field and a
 * sequence of its ids share the item's. bias: one float of the item's row.
 * Without an item the tower scores the vector by a dense layer. As a vector
 * for the fusion: q * v element by element (and the bias), or q.
 *
 * A sequence without any id has a learnt vector of its own (block "empty").
 *
 * mask: 0.2 (BERT4Rec: Sun et al. 2019), where the encoder sees both ways: a
 * position of which nothing is known but its place stands behind the ids, and
 * its vector is the sequence's. It reads block "mask" instead of a row. Trained
 * by sequences, that share of the other positions is hidden too, drawn from
 * (seed, epoch, sample), and every hidden one should find the id it hides, the
 * one behind the others the sample's item; each sequence counts as its number
 * of ids, in equal parts among its hidden ones. max counts the one behind.
 *
 * A kind of encoder is a struct sequence_encoder; a tower is its lines over the
 * functions below. Private to src/model. */
#ifndef MODEL_TOWER_SEQUENCE_H
#define MODEL_TOWER_SEQUENCE_H

#include "model/inputs.h"
#include "model/layer/dense.h"
#include "model/layer/pack.h"
#include "model/layer/positional.h"
#include "model/registry.h"

/* Settings that every such tower has. */
#define SEQUENCE_KEYS                                                    \
    "type", "query", "item", "table", "item_table", "max", "bias", "l2", \
        "l2_bias"

struct sequence;

struct sequence_encoder {
    const char *const *keys; // all settings, NULL-terminated
    size_t size;             // of what build fills
    enum pack_order order;
    /** Read the map and declare blocks. q->dim is the width of a row and of
     * the vector to make, q->pack.max is known; may set q->pack.pad, q->scale
     * and q->places. @param self q->self, zeroed */
    enum fusor_status (*build)(struct model *m, struct sequence *q,
                               struct yaml_node *at, struct fusor_error *err);
    /** The workspace; taken with run_take(), may be NULL. */
    void *(*run_create)(const struct sequence *q, struct model_run *r);
    /** @param x [rows, dim], may be written
     * @param y [n, dim]; p->every: [rows, dim], which must see no later row
     * unless positions are hidden */
    void (*forward)(const struct sequence *q, void *state, uint64_t seed,
                    const struct model_step *s, const struct pack *p, float *x,
                    int train, float *y);
    /** @param dy used up @param dx [rows, dim] written, pad rows do not count
     */
    void (*backward)(const struct sequence *q, void *state, uint64_t seed,
                     const struct model_step *s, const struct pack *p,
                     const float *x, float *dy, float *dx);
    void (*describe)(const struct sequence *q, struct strbuf *out);
    /** Why p->every is not possible, or NULL: it is. NULL function: never.
     * Not asked of a tower that hides positions. */
    const char *(*why_not_every)(const struct sequence *q);
};

/* A tower's self. */
struct sequence {
    const struct sequence_encoder *encoder;
    void *self; // the encoder's
    struct embedding ids;
    struct pack_spec pack;
    uint32_t dim;
    float scale; // of looked-up rows
    struct positional places;
    uint64_t empty; // offset of [dim]
    uint64_t mask;  // pack.hides: offset of [dim], what hidden positions read
    struct inputs item;
    struct embedding bias;
    int has_bias;
    struct dense head; // when there is no item
};

/* What a run holds to encode sequences (sequence_code.c). */
struct sequence_code {
    struct pack pack;
    float *sines;  // positional_take()
    float *x, *dx; // [rows, dim]
    float *y, *dy; // [sequences, dim] of the encoder; rows in pack.every
    float *q, *dq; // [all sequences, dim], empty ones too
    void *encoder;
};

/** Room for sequences of r->max_batch samples. */
void sequence_code_take(const struct sequence *q, struct model_run *r,
                        struct sequence_code *c);
/** Set c->q to the vectors of all sequences of the batch; c->y alone to those
 * of every position when c->pack.every. */
void sequence_encode(const struct sequence *q, struct sequence_code *c,
                     const struct model *m, const struct model_step *s,
                     int train);
/** The same, each sequence by itself: its bits do not depend on the others.
 * sequence_decode() cannot follow. */
void sequence_encode_each(const struct sequence *q, struct sequence_code *c,
                          const struct model *m, const struct model_step *s);
/** From c->dy, used up, write the encoder's gradients and add to the rows'.
 * @param l2 of each use of a row */
void sequence_decode(const struct sequence *q, struct sequence_code *c,
                     const struct model *m, const struct model_step *s,
                     float l2);
/** The same from c->dq, with the gradient of the vector of empty sequences. */
void sequence_decode_all(const struct sequence *q, struct sequence_code *c,
                         const struct model *m, const struct model_step *s,
                         float l2);

extern const struct sequence_encoder sequence_encoder_cnn, sequence_encoder_gru,
    sequence_encoder_lstm, sequence_encoder_rnn, sequence_encoder_transformer;

/** Declare an encoder over one look-up: all of q but items and heads.
 * @param q zeroed; on failure sequence_clear() it
 * @param ids what it reads; a sequence or text
 * @param at settings: max, and the encoder's */
enum fusor_status sequence_build_encoder(struct model *m, struct yaml_node *at,
                                         const struct sequence_encoder *e,
                                         const struct embedding *ids,
                                         struct sequence *q,
                                         struct fusor_error *err);
void sequence_clear(struct sequence *q);

enum fusor_status sequence_build(struct model *m, struct tower *t,
                                 struct yaml_node *at,
                                 const struct sequence_encoder *e,
                                 struct fusor_error *err);

/** Read `mask` of an encoder that sees both ways; before positions are built.
 * @return EUSAGE: not above 0 and below 1, or max leaves no place for it */
enum fusor_status sequence_parse_mask(struct sequence *q, struct yaml_node *at,
                                      struct fusor_error *err);

/* The functions of a tower_kind. */
void sequence_destroy(struct tower *t);
void *sequence_run_create(const struct tower *t, struct model_run *r);
void sequence_forward(const struct tower *t, struct model_run *r,
                      const struct model_step *s, int train);
void sequence_backward(const struct tower *t, struct model_run *r,
                       const struct model_step *s);
void sequence_describe(const struct tower *t, const struct model *m,
                       struct strbuf *out);
const float *sequence_query(const struct tower *t, const struct model_run *r,
                            const struct model_step *s, uint32_t i);
uint32_t sequence_query_width(const struct tower *t);
size_t sequence_queries_most(const struct tower *t, const struct model_run *r);
void sequence_queries(const struct tower *t, struct model_run *r,
                      const struct model_step *s, int train,
                      struct query_set *out);
void sequence_queries_backward(const struct tower *t, struct model_run *r,
                               const struct model_step *s, float *dq);
int sequence_items(const struct tower *t, const struct model_run *r,
                   const struct model_step *s, float *v, float *bias,
                   float *part);
void sequence_items_backward(const struct tower *t, const struct model_run *r,
                             const struct model_step *s, const float *dv,
                             float *dbias, float *part);
int sequence_ranks(const struct tower *t, const struct model *m);
void sequence_rank(const struct tower *t, const struct model_run *r,
                   const struct model_step *s, const float *v,
                   const float *bias, const uint32_t *which, uint32_t n,
                   float *out);
int sequence_every_field(const struct tower *t, const struct model *m,
                         const char **why_not);
int sequence_finds_first(const struct tower *t);

#define SEQUENCE_TOWER(word, build_function)           \
    const struct tower_kind tower_##word = {           \
        .name = #word,                                 \
        .build = build_function,                       \
        .destroy = sequence_destroy,                   \
        .run_create = sequence_run_create,             \
        .forward = sequence_forward,                   \
        .backward = sequence_backward,                 \
        .describe = sequence_describe,                 \
        .query = sequence_query,                       \
        .query_width = sequence_query_width,           \
        .queries_most = sequence_queries_most,         \
        .queries = sequence_queries,                   \
        .queries_backward = sequence_queries_backward, \
        .items = sequence_items,                       \
        .items_backward = sequence_items_backward,     \
        .ranks = sequence_ranks,                       \
        .rank = sequence_rank,                         \
        .every_field = sequence_every_field,           \
        .finds_first = sequence_finds_first,           \
    }

#endif
