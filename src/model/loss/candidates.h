/* Losses over candidates: every query vector of a micro-batch against one list
 * of items, of which one is its target. Private to src/model.
 *
 *   s_ij = (q_i . v_j + bias_j) / temperature - log_q_j
 *
 * for rows i and candidates j. The first n_negatives candidates are what every
 * row is compared with, its own target excepted, which counts as the target
 * wherever it stands. What a row has had already can be left out of that. A row
 * without a target counts nowhere.
 *
 * Scores are made for ROWS rows and CHUNK candidates at a time, so that memory
 * does not grow with rows x candidates. Products and sums run in an order that
 * is a function of (m, k, d) alone. Nothing is allocated. */
#ifndef MODEL_LOSS_CANDIDATES_H
#define MODEL_LOSS_CANDIDATES_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "tensor/gemm.h"

#define CANDIDATES_NONE UINT32_MAX
#define CANDIDATES_ROWS 128 /* scores of 8192 candidates: 4 MB */
#define CANDIDATES_CHUNK 8192
#define CANDIDATES_POOL 1024       /* that rows draw their own negatives from */
#define CANDIDATES_MASKED (-1e30f) /* the score of what does not count */

/* Items that are no negatives of a row: ids[first[i]] .. ids[until[i] - 1],
 * whatever else stands there. */
struct candidates_had {
    const uint64_t *ids;
    const uint32_t *first, *until; // [m]
    const uint32_t *place;         // [n_items + 1] candidate of an id, or none
    uint32_t n_items;
};

struct candidates {
    uint32_t m, k, d;
    uint32_t n_negatives;   // at most k
    const float *q;         // [m, d]
    const float *v;         // [k, d]
    const float *bias;      // [k] or NULL
    const float *log_q;     // [k] or NULL: logarithm of how likely it is drawn
    const uint32_t *target; // [m] candidate, or CANDIDATES_NONE
    const float *weight;    // [m] or NULL: all 1
    const struct candidates_had *had; // or NULL: nothing
    float scale;                      // of all gradients
    float temperature;
    float beta;        // gbce: of the positive's probability
    uint32_t own;      // bce, bpr: negatives that each row draws for itself
    struct rng stream; // they are drawn from, for each row another
    float *dq;         // [m, d] set
    float *dv;         // [k, d] set
    float *dbias;      // [k] set, or NULL
    float *scratch;    // [candidates_scratch(k, d)]
    enum gemm_arithmetic matmul;
};

/** Floats of scratch for k candidates of d floats. */
size_t candidates_scratch(uint32_t k, uint32_t d);

/** -log softmax of the target among itself and the negatives.
 * @return the weighted sum over rows */
double candidates_softmax(const struct candidates *c);

/* ---- what the losses share ---- */

/* Rows [row, row + rows) against negatives [from, from + n). */
struct candidates_block {
    uint32_t row, rows, from, n;
    float *s;            // [rows, n] scores, then their gradients
    const float *factor; // [rows] each row of s is to be multiplied by, or NULL
};

/** Set gradients to zero. */
void candidates_begin(const struct candidates *c);
/** b->s = the scores; those of the rows' own targets, and of what they had,
 * CANDIDATES_MASKED. */
void candidates_scores(const struct candidates *c,
                       const struct candidates_block *b);
/** Add what b->s times b->factor, d loss / d score times scale, means for q, v
 * and bias. */
void candidates_backward(const struct candidates *c,
                         const struct candidates_block *b);
/** The score of row i and candidate j. */
float candidates_score(const struct candidates *c, uint32_t i, uint32_t j);
/** Add the gradient g of that score. */
void candidates_score_backward(const struct candidates *c, uint32_t i,
                               uint32_t j, float g);
/** Where row i's own negatives come from. */
struct rng candidates_stream(const struct candidates *c, uint32_t i);
/** A negative for row i, or its target's number when none was found. */
uint32_t candidates_draw(const struct candidates *c, uint32_t i,
                         struct rng *stream);

static inline float candidates_weight(const struct candidates *c, uint32_t i)
{
    if (c->target[i] == CANDIDATES_NONE)
        return 0.0f;
    return c->weight ? c->weight[i] : 1.0f;
}

#endif
