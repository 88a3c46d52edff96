/* Generalised binary cross-entropy against sampled negatives (Petrov and
 * Macdonald 2023, "gSASRec", section 5):
 *
 *   -1 / (k + 1) (log sigmoid(s+)^beta + sum_j log(1 - sigmoid(s-_j)))
 *
 * where beta = a (t (1 - 1 / a) + 1 / a), a the share of items drawn as
 * negatives: it takes back the overconfidence that sampling brings. The
 * negatives are the same for all rows of a micro-batch. */
#include "model/registry.h"
#include "tensor/vec.h"

#define PIECE 256 /* scores whose losses are summed at once */

/* loss += w / (k + 1) beta softplus(-s+) */
static double positive(const struct candidates *c, uint32_t i, float w)
{
    float s = -candidates_score(c, i, c->target[i]), loss, slope;

    vec_ops()->softplus(&loss, &s, 1);
    vec_ops()->sigmoid(&slope, &s, 1);
    candidates_score_backward(c, i, c->target[i],
                              -c->scale * w * c->beta * slope);
    return (double)(w * c->beta) * (double)loss;
}

static double block(const struct candidates *c,
                    const struct candidates_block *b)
{
    const struct vec_ops *v = vec_ops();
    double sum = 0;

    candidates_scores(c, b);
    for (uint32_t i = 0; i < b->rows; i++) {
        float *row = b->s + (size_t)i * b->n;
        float w =
            candidates_weight(c, b->row + i) / (float)(c->n_negatives + 1);

        for (uint32_t j = 0; j < b->n; j += PIECE) { // -log(1 - p)
            uint32_t n = b->n - j < PIECE ? b->n - j : PIECE;
            float loss[PIECE];

            v->softplus(loss, row + j, n);
            sum += (double)w * (double)v->sum(loss, n);
        }
        v->sigmoid(row, row, b->n);
        v->scale(row, c->scale * w, b->n);
    }
    candidates_backward(c, b);
    return sum;
}

static double over(const struct candidates *c)
{
    struct candidates_block b = {.s = c->scratch};
    double sum = 0;

    candidates_begin(c);
    for (b.row = 0; b.row < c->m; b.row += b.rows) {
        b.rows =
            c->m - b.row < CANDIDATES_ROWS ? c->m - b.row : CANDIDATES_ROWS;
        for (b.from = 0; b.from < c->n_negatives; b.from += b.n) {
            uint32_t left = c->n_negatives - b.from;

            b.n = left < CANDIDATES_CHUNK ? left : CANDIDATES_CHUNK;
            sum += block(c, &b);
        }
    }
    for (uint32_t i = 0; i < c->m; i++)
        if (c->target[i] != CANDIDATES_NONE)
            sum += positive(
                c, i, candidates_weight(c, i) / (float)(c->n_negatives + 1));
    return sum;
}

const struct loss_kind loss_gbce = {
    .name = "gbce",
    .over = over,
    .from = CANDIDATES_UNIFORM,
    .n = 256,
    .calibrate = 0.75f,
    .temperature = 1.0f,
};
