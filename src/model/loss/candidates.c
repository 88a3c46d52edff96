/* Scores of rows and candidates in blocks, their gradients, and the softmax
 * over them: a chunk's own softmax times the chunk's share of the whole
 * (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax").
 */
#include "model/loss/candidates.h"

#include <math.h>

#include "tensor/blas.h"
#include "tensor/vec.h"

#define COLUMNS 1024 /* of one product: gemm_takes() */
#define REDRAWS 8

size_t candidates_scratch(uint32_t k)
{
    size_t chunk = k < CANDIDATES_CHUNK ? k : CANDIDATES_CHUNK;

    return CANDIDATES_ROWS * chunk + k + 3 * CANDIDATES_ROWS;
}

/* What is added to the scores of each candidate: behind the scores in scratch.
 */
static float *shift_of(const struct candidates *c)
{
    size_t chunk = c->k < CANDIDATES_CHUNK ? c->k : CANDIDATES_CHUNK;

    return c->scratch + CANDIDATES_ROWS * chunk;
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

void candidates_scores(const struct candidates *c,
                       const struct candidates_block *b)
{
    const struct vec_ops *v = vec_ops();
    const float *q = c->q + (size_t)b->row * c->d;

    for (uint32_t j = 0; j < b->n; j += COLUMNS) {
        uint32_t n = b->n - j < COLUMNS ? b->n - j : COLUMNS;

        blas_gemm_strided(BLAS_NT, b->rows, n, c->d, 1.0f / c->temperature, q,
                          c->d, c->v + (size_t)(b->from + j) * c->d, c->d, 0.0f,
                          b->s + j, b->n);
    }
    for (uint32_t i = 0; i < b->rows; i++) {
        float *row = b->s + (size_t)i * b->n;
        uint32_t target = c->target[b->row + i];

        if (c->bias || c->log_q)
            v->add(row, row, shift_of(c) + b->from, b->n);
        if (target - b->from < b->n) // unsigned: below from is far above
            row[target - b->from] = CANDIDATES_MASKED;
    }
}

void candidates_backward(const struct candidates *c,
                         const struct candidates_block *b)
{
    float *dq = c->dq + (size_t)b->row * c->d;
    const float *q = c->q + (size_t)b->row * c->d;
    float t = 1.0f / c->temperature;

    for (uint32_t j = 0; j < b->n; j += COLUMNS) {
        uint32_t n = b->n - j < COLUMNS ? b->n - j : COLUMNS;
        size_t at = (size_t)(b->from + j) * c->d;

        blas_gemm_strided(BLAS_NN, b->rows, c->d, n, t, b->s + j, b->n,
                          c->v + at, c->d, 1.0f, dq, c->d);
        blas_gemm_strided(BLAS_TN, n, c->d, b->rows, t, b->s + j, b->n, q, c->d,
                          1.0f, c->dv + at, c->d);
    }
    for (uint32_t i = 0; c->dbias && i < b->rows; i++)
        vec_ops()->axpy(c->dbias + b->from, t, b->s + (size_t)i * b->n, b->n);
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
    float *chunk;  // [rows] over the chunk that stands in the block
};

/* The chunk's scores, each row its own softmax. */
static void chunk_softmax(const struct candidates *c,
                          const struct candidates_block *b, struct totals *t)
{
    candidates_scores(c, b);
    for (uint32_t i = 0; i < b->rows; i++) {
        float *row = b->s + (size_t)i * b->n;

        t->chunk[i] = vec_ops()->softmax(row, row, b->n);
    }
}

static void chunk_backward(const struct candidates *c,
                           const struct candidates_block *b,
                           const struct totals *t)
{
    for (uint32_t i = 0; i < b->rows; i++)
        vec_ops()->scale(b->s + (size_t)i * b->n,
                         c->scale * candidates_weight(c, b->row + i) *
                             expf(t->chunk[i] - t->all[i]),
                         b->n);
    candidates_backward(c, b);
}

static uint32_t chunk_at(const struct candidates *c, uint32_t from)
{
    uint32_t left = c->n_negatives - from;

    return left < CANDIDATES_CHUNK ? left : CANDIDATES_CHUNK;
}

/* @return the block's part of the loss */
static double block_softmax(const struct candidates *c,
                            struct candidates_block b, struct totals *t)
{
    int whole = c->n_negatives <= CANDIDATES_CHUNK;
    double sum = 0;

    for (uint32_t i = 0; i < b.rows; i++) {
        uint32_t target = c->target[b.row + i];

        t->target[i] = target == CANDIDATES_NONE
                           ? 0.0f
                           : candidates_score(c, b.row + i, target);
        t->all[i] = t->target[i];
    }
    for (b.from = 0; b.from < c->n_negatives; b.from += b.n) {
        b.n = chunk_at(c, b.from);
        chunk_softmax(c, &b, t);
        for (uint32_t i = 0; i < b.rows; i++)
            t->all[i] = add_logs(t->all[i], t->chunk[i]);
    }
    for (b.from = 0; b.from < c->n_negatives; b.from += b.n) {
        b.n = chunk_at(c, b.from);
        if (!whole)
            chunk_softmax(c, &b, t);
        chunk_backward(c, &b, t);
    }
    for (uint32_t i = 0; i < b.rows; i++) {
        float w = candidates_weight(c, b.row + i);

        if (c->target[b.row + i] == CANDIDATES_NONE)
            continue;
        sum += (double)w * ((double)t->all[i] - (double)t->target[i]);
        candidates_score_backward(c, b.row + i, c->target[b.row + i],
                                  c->scale * w *
                                      (expf(t->target[i] - t->all[i]) - 1.0f));
    }
    return sum;
}

double candidates_softmax(const struct candidates *c)
{
    float *kept = shift_of(c) + c->k;
    struct totals t = {kept, kept + CANDIDATES_ROWS,
                       kept + 2 * (size_t)CANDIDATES_ROWS};
    double sum = 0;

    candidates_begin(c);
    for (uint32_t row = 0; row < c->m; row += CANDIDATES_ROWS) {
        struct candidates_block b = {.row = row, .s = c->scratch};

        b.rows = c->m - row < CANDIDATES_ROWS ? c->m - row : CANDIDATES_ROWS;
        sum += block_softmax(c, b, &t);
    }
    return sum;
}
