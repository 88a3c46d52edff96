/* Scores of rows and candidates in blocks, their gradients, and the softmax
 * over them: exponentials above a chunk's own highest score, and the chunk's
 * share of the whole (Milakov and Gimelshein 2018, "Online normalizer
 * calculation for softmax"). The scores are written by a product, become
 * exponentials while a row is in the cache, and are read by two products: the
 * division by the sum is done to the rows of q and dq instead. */
#include "model/loss/candidates.h"

#include <math.h>
#include <string.h>

#include "tensor/blas.h"
#include "tensor/vec.h"

#define COLUMNS 1024 /* of one product: gemm_takes() */
#define REDRAWS 8
#define N_KEPT 4 /* floats kept of each row, struct totals */

size_t candidates_scratch(uint32_t k, uint32_t d)
{
    size_t chunk = k < CANDIDATES_CHUNK ? k : CANDIDATES_CHUNK;

    return CANDIDATES_ROWS * (chunk + 2 * (size_t)d + N_KEPT) + k;
}

/* Behind the scores in scratch: [k] what is added to those of each candidate.
 */
static float *shift_of(const struct candidates *c)
{
    size_t chunk = c->k < CANDIDATES_CHUNK ? c->k : CANDIDATES_CHUNK;

    return c->scratch + CANDIDATES_ROWS * chunk;
}

/* Then two of [ROWS, d]: rows of q times their factors, a part of dq. */
static float *scaled_of(const struct candidates *c)
{
    return shift_of(c) + c->k;
}

/* Then N_KEPT of [ROWS]. */
static float *kept_of(const struct candidates *c, uint32_t number)
{
    return scaled_of(c) + CANDIDATES_ROWS * (2 * (size_t)c->d + (size_t)number);
}

void candidates_begin(const struct candidates *c)
{
    const struct vec_ops *v = vec_ops();
    float *shift = shift_of(c);

    v->fill(c->dq, 0.0f, (size_t)c->m * c->d);
    v->fill(c->dv, 0.0f, (size_t)c->k * c->d);
    if (c->dbias)
        v->fill(c->dbias, 0.0f, c->k);
    v->fill(shift, 0.0f, c->k);
    if (c->bias)
        v->axpy(shift, 1.0f / c->temperature, c->bias, c->k);
    if (c->log_q)
        v->axpy(shift, -1.0f, c->log_q, c->k);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* @param row scores of row i of the block */
static void mask_had(const struct candidates *c,
                     const struct candidates_block *b, uint32_t i, float *row)
{
    const struct candidates_had *h = c->had;
    uint32_t until = h->until[b->row + i];

    for (uint32_t k = h->first[b->row + i]; k < until; k++) {
        uint32_t j;

        if (h->ids[k] == 0 || h->ids[k] > h->n_items)
            continue;
        j = h->place[h->ids[k]] - b->from;
        if (j < b->n) // unsigned, as below
            row[j] = CANDIDATES_MASKED;
    }
}

void candidates_scores(const struct candidates *c,
                       const struct candidates_block *b)
{
    const struct vec_ops *v = vec_ops();
    const float *q = c->q + (size_t)b->row * c->d;

    for (uint32_t j = 0; j < b->n; j += COLUMNS)
        gemm_strided(c->matmul, BLAS_NT, b->rows, smaller(b->n - j, COLUMNS),
                     c->d, 1.0f / c->temperature, q, c->d,
                     c->v + (size_t)(b->from + j) * c->d, c->d, 0.0f, b->s + j,
                     b->n);
    for (uint32_t i = 0; i < b->rows; i++) {
        float *row = b->s + (size_t)i * b->n;
        uint32_t target = c->target[b->row + i];

        if (c->bias || c->log_q)
            v->add(row, row, shift_of(c) + b->from, b->n);
        if (c->had)
            mask_had(c, b, i, row);
        if (target - b->from < b->n) // unsigned: below from is far above
            row[target - b->from] = CANDIDATES_MASKED;
    }
}

/* The block's rows of q, each times its factor. */
static const float *scaled_rows(const struct candidates *c,
                                const struct candidates_block *b)
{
    const float *q = c->q + (size_t)b->row * c->d;
    float *out = scaled_of(c);

    if (!b->factor)
        return q;
    memcpy(out, q, (size_t)b->rows * c->d * sizeof(*out));
    for (uint32_t i = 0; i < b->rows; i++)
        vec_ops()->scale(out + (size_t)i * c->d, b->factor[i], c->d);
    return out;
}

void candidates_backward(const struct candidates *c,
                         const struct candidates_block *b)
{
    const struct vec_ops *v = vec_ops();
    const float *q = scaled_rows(c, b);
    float t = 1.0f / c->temperature;
    float *dq = c->dq + (size_t)b->row * c->d;
    float *part = scaled_of(c) + CANDIDATES_ROWS * (size_t)c->d;

    for (uint32_t j = 0; j < b->n; j += COLUMNS) {
        uint32_t n = smaller(b->n - j, COLUMNS);
        size_t at = (size_t)(b->from + j) * c->d;

        gemm_strided(c->matmul, BLAS_NN, b->rows, c->d, n, t, b->s + j, b->n,
                     c->v + at, c->d, j ? 1.0f : 0.0f, part, c->d);
        gemm_strided(c->matmul, BLAS_TN, n, c->d, b->rows, t, b->s + j, b->n, q,
                     c->d, 1.0f, c->dv + at, c->d);
    }
    for (uint32_t i = 0; i < b->rows; i++) {
        float f = b->factor ? b->factor[i] : 1.0f;

        v->axpy(dq + (size_t)i * c->d, f, part + (size_t)i * c->d, c->d);
        if (c->dbias)
            v->axpy(c->dbias + b->from, t * f, b->s + (size_t)i * b->n, b->n);
    }
}

float candidates_score(const struct candidates *c, uint32_t i, uint32_t j)
{
    return vec_ops()->dot(c->q + (size_t)i * c->d, c->v + (size_t)j * c->d,
                          c->d) /
               c->temperature +
           shift_of(c)[j];
}

void candidates_score_backward(const struct candidates *c, uint32_t i,
                               uint32_t j, float g)
{
    const struct vec_ops *v = vec_ops();
    size_t at_q = (size_t)i * c->d, at_v = (size_t)j * c->d;

    g /= c->temperature;
    v->axpy(c->dq + at_q, g, c->v + at_v, c->d);
    v->axpy(c->dv + at_v, g, c->q + at_q, c->d);
    if (c->dbias)
        c->dbias[j] += g;
}

struct rng candidates_stream(const struct candidates *c, uint32_t i)
{
    return (struct rng){hash_mix(c->stream.key + i), 0};
}

uint32_t candidates_draw(const struct candidates *c, uint32_t i,
                         struct rng *stream)
{
    uint32_t j = c->target[i];

    for (int n = 0; n <= REDRAWS && j == c->target[i] && c->n_negatives; n++)
        j = (uint32_t)rng_below(stream, c->n_negatives);
    return j;
}

/* ---- softmax ---- */

static float add_logs(float a, float b)
{
    float high = a > b ? a : b, low = a > b ? b : a;

    return high + log1pf(expf(low - high));
}

/* What is kept of the rows of a block between its chunks. */
struct totals {
    float *target; // [rows] the target's score
    float *all;    // [rows] log sum of exp over all scores
    float *top;    // [rows] the highest score of the chunk in the block
    float *factor; // [rows]
};

/* The chunk's scores become exp(s - top), none above 1.
 * @param first add the chunk's sum to t->all */
static void chunk_exp(const struct candidates *c,
                      const struct candidates_block *b, struct totals *t,
                      int first)
{
    const struct vec_ops *v = vec_ops();

    candidates_scores(c, b);
    for (uint32_t i = 0; i < b->rows; i++) {
        float *row = b->s + (size_t)i * b->n, sum;

        t->top[i] = v->max(row, b->n);
        sum = v->exp_less(row, row, t->top[i], b->n);
        if (first)
            t->all[i] = add_logs(t->all[i], t->top[i] + logf(sum));
    }
}

static void chunk_backward(const struct candidates *c,
                           struct candidates_block *b, struct totals *t)
{
    for (uint32_t i = 0; i < b->rows; i++)
        t->factor[i] = c->scale * candidates_weight(c, b->row + i) *
                       expf(t->top[i] - t->all[i]);
    b->factor = t->factor;
    candidates_backward(c, b);
}

/* The targets' own part. @return the block's part of the loss */
static double targets_backward(const struct candidates *c,
                               const struct candidates_block *b,
                               const struct totals *t)
{
    double sum = 0;

    for (uint32_t i = 0; i < b->rows; i++) {
        float w = candidates_weight(c, b->row + i);

        if (c->target[b->row + i] == CANDIDATES_NONE)
            continue;
        sum += (double)w * ((double)t->all[i] - (double)t->target[i]);
        candidates_score_backward(c, b->row + i, c->target[b->row + i],
                                  c->scale * w *
                                      (expf(t->target[i] - t->all[i]) - 1.0f));
    }
    return sum;
}

/* @return the block's part of the loss */
static double block_softmax(const struct candidates *c,
                            struct candidates_block b, struct totals *t)
{
    int whole = c->n_negatives <= CANDIDATES_CHUNK;

    for (uint32_t i = 0; i < b.rows; i++) {
        uint32_t target = c->target[b.row + i];

        t->target[i] = target == CANDIDATES_NONE
                           ? 0.0f
                           : candidates_score(c, b.row + i, target);
        t->all[i] = t->target[i];
    }
    for (b.from = 0; b.from < c->n_negatives; b.from += b.n) {
        b.n = smaller(c->n_negatives - b.from, CANDIDATES_CHUNK);
        chunk_exp(c, &b, t, 1);
    }
    for (b.from = 0; b.from < c->n_negatives; b.from += b.n) {
        b.n = smaller(c->n_negatives - b.from, CANDIDATES_CHUNK);
        if (!whole)
            chunk_exp(c, &b, t, 0);
        chunk_backward(c, &b, t);
    }
    return targets_backward(c, &b, t);
}

double candidates_softmax(const struct candidates *c)
{
    struct totals t = {kept_of(c, 0), kept_of(c, 1), kept_of(c, 2),
                       kept_of(c, 3)};
    double sum = 0;

    candidates_begin(c);
    for (uint32_t row = 0; row < c->m; row += CANDIDATES_ROWS) {
        struct candidates_block b = {.row = row, .s = c->scratch};

        b.rows = smaller(c->m - row, CANDIDATES_ROWS);
        sum += block_softmax(c, b, &t);
    }
    return sum;
}
