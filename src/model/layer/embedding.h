/* Reading rows of a table by the ids of a field, several ids pooled into one
 * vector, and adding gradients to the rows again. Private to src/model.
 *
 * A pooled value is  c sum_j w_j row_j  with c = 1 (sum), 1 / W (mean),
 * W^-1/2 (rsqrt), W = sum_j w_j; missing ids count nowhere; nothing to read
 * gives 0. */
#ifndef MODEL_LAYER_EMBEDDING_H
#define MODEL_LAYER_EMBEDDING_H

#include <math.h>

#include "model/layer/kernel.h"
#include "model/run.h"

enum pool { POOL_MEAN, POOL_SUM, POOL_RSQRT };

extern const char *const pool_names[]; // NULL-terminated, by enum pool

/* What the model declares. */
struct embedding {
    uint32_t table, field, lookup;
    int column; // -1: the row's vector, else one of its single floats
    enum pool pool;
};

/* The same, ready for one step. */
struct embedding_view {
    const float *const *rows; // [n_keys]
    float *const *grads;      // [n_keys]
    const uint32_t *position; // [n_values]
    const uint32_t *offsets;  // [rows + 1], or NULL: one id a row
    const float *weights;     // [n_values] or NULL
    uint32_t skip;            // first float of the row that is read
    uint32_t dim;
    enum pool pool;
};

struct embedding_view embedding_view(const struct embedding *e,
                                     const struct model *m,
                                     const struct model_step *s);

/** Read the embedding for every sample: x[i * ld + 0..dim). A query-side field
 * is pooled once per query. */
void embedding_forward(const struct embedding *e, const struct model *m,
                       const struct model_step *s, float *x, uint32_t ld);
/** Add d loss / d x to the gradient rows, and l2 * row for every sample that
 * uses it. A query-side field's dx is summed over the query's samples first,
 * in place. */
void embedding_backward(const struct embedding *e, const struct model *m,
                        const struct model_step *s, float *dx, uint32_t ld,
                        float l2);

/* ---- for loops that are compiled per CPU ---- */

KERNEL_BODY float embedding_scale(const struct embedding_view *v,
                                  uint32_t first, uint32_t last)
{
    float sum = 0.0f;

    if (v->pool == POOL_SUM)
        return 1.0f;
    for (uint32_t j = first; j < last; j++)
        if (v->position[j] != UINT32_MAX)
            sum += v->weights ? v->weights[j] : 1.0f;
    if (!(sum > 0.0f))
        return 0.0f;
    return v->pool == POOL_MEAN ? 1.0f / sum : 1.0f / sqrtf(sum);
}

KERNEL_BODY void embedding_prefetch(const struct embedding_view *v, uint32_t j,
                                    uint32_t n)
{
    if (j < n && v->position[j] != UINT32_MAX)
        row_prefetch(v->rows[v->position[j]] + v->skip, v->dim);
}

/** y [dim] += the value of the field's row */
KERNEL_BODY void embedding_add(const struct embedding_view *v, uint32_t row,
                               float *restrict y)
{
    const struct embedding_view e = *v; // in registers: nothing aliases it
    uint32_t first = e.offsets ? e.offsets[row] : row;
    uint32_t last = e.offsets ? e.offsets[row + 1] : row + 1;
    float c = e.offsets ? embedding_scale(&e, first, last) : 1.0f;

    for (uint32_t j = first; j < last; j++) {
        uint32_t u = e.position[j];

        embedding_prefetch(&e, j + 6, last);
        if (u != UINT32_MAX)
            row_axpy(y, e.weights ? c * e.weights[j] : c, e.rows[u] + e.skip,
                     e.dim);
    }
}

/** gradient rows += their part of g [dim], and l2 * row */
KERNEL_BODY void embedding_scatter(const struct embedding_view *v, uint32_t row,
                                   const float *restrict g, float l2)
{
    const struct embedding_view e = *v; // in registers: nothing aliases it
    uint32_t first = e.offsets ? e.offsets[row] : row;
    uint32_t last = e.offsets ? e.offsets[row + 1] : row + 1;
    float c = e.offsets ? embedding_scale(&e, first, last) : 1.0f;

    for (uint32_t j = first; j < last; j++) {
        uint32_t u = e.position[j];
        float a;

        if (j + 6 < last && e.position[j + 6] != UINT32_MAX)
            row_prefetch(e.grads[e.position[j + 6]] + e.skip, e.dim);
        if (u == UINT32_MAX)
            continue;
        a = e.weights ? c * e.weights[j] : c;
        if (l2 != 0.0f)
            row_axpbz(e.grads[u] + e.skip, a, g, l2, e.rows[u] + e.skip, e.dim);
        else
            row_axpy(e.grads[u] + e.skip, a, g, e.dim);
    }
}

#endif
