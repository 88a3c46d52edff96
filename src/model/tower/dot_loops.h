/* The compiled loops of tower `dot` over the rows of one micro-batch: the sums
 * of embeddings on either side, their products and the gradients.
 *
 * Owner and threads: one pass belongs to one run; it points into the step and
 * lives no longer. Internal to the tower. */
#ifndef MODEL_TOWER_DOT_LOOPS_H
#define MODEL_TOWER_DOT_LOOPS_H

#include <stdint.h>

#include "model/layer/embedding.h"

#define DOT_PARTS_MAX 16

struct dot_text_state;

/** What a run keeps from step to step. */
struct dot_state {
    float *query; // [rows, dim]
    float first;  // bias of the first sample's query
    float *item;  // [n, dim] when the item is not one categorical row
    float *grad;  // [dim] of a query, [dim] of an item
    float *zeros; // [dim]
    float *part;  // [n, dim] of a loss over candidates
    float global_grad;
    struct dot_text_state *query_texts, *item_texts; // dot_text.h
};

/* What the compiled loops need of one side. */
struct dot_side_view {
    struct embedding_view vec[DOT_PARTS_MAX], bias[DOT_PARTS_MAX];
    int on_query[DOT_PARTS_MAX], bias_on_query[DOT_PARTS_MAX]; // field side
    uint32_t n_vec, n_bias;
    uint32_t n_rows; // of vec, the first, are rows of tables; texts follow
};

struct dot_pass {
    struct dot_side_view query, item;
    const uint32_t *query_of;
    uint32_t n, dim, width;
    int per_query;
    int direct; // the item is one row of one table: no copy
    int as_vector, has_bias;
    float global;
    float l2, l2_bias; // times grad_scale
    struct dot_state *st;
};

/** Scores of all samples: out [n, width]; keeps the query vectors, and the item
 * vectors where they are no rows, in the state. */
void dot_loops_forward(const struct dot_pass *p, float *out);
/** After forward: adds to the rows' gradients.
 * @param grad [n, width]; also leaves the global bias's in the state */
void dot_loops_backward(const struct dot_pass *p, const float *grad);
/** Vectors x [n, dim] and biases [n] of one side for samples 0 .. n - 1. */
void dot_loops_sum(const struct dot_side_view *side, const uint32_t *query_of,
                   uint32_t n, uint32_t dim, float *x, float *bias);
/** out[i] = qb + bias[which[i]] + q . v[which[i]], i < n; q [dim], v [, dim] */
void dot_loops_rank(const float *q, float qb, const float *v, const float *bias,
                    const uint32_t *which, uint32_t n, uint32_t dim,
                    float *out);

#endif
