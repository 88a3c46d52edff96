/* Multi-head self-attention over packed sequences (Vaswani et al. 2017, section
 * 3.2), without the output projection. Private to src/model.
 *
 *   q, k, v = x W^T + b;  o_i = sum_j softmax_j(q_i . k_j / sqrt(D / heads))
 * v_j
 *
 * a head at a time over its columns; j runs over the row's own sequence, when
 * causal up to i. Queries may be of other inputs than keys and values. W and b
 * are "<name>.weight" [3 D, D] and "<name>.bias" [3 D]: queries, keys, values,
 * as in PyTorch's in_proj.
 *
 * attention_forward() computes all rows. attention_last_forward() only the last
 * row of every sequence, and then keys and values are never made: with one
 * query, q . (W_k x_j) = (W_k^T q) . x_j and sum_j p_j W_v x_j =
 * W_v sum_j p_j x_j, so that a sequence costs two passes over x instead of a
 * projection to 2 D columns. The same function; the keys' bias, which softmax
 * takes out, has no gradient. */
#ifndef MODEL_LAYER_ATTENTION_H
#define MODEL_LAYER_ATTENTION_H

#include "model/layer/dropout.h"
#include "model/layer/pack.h"

struct attention {
    uint32_t dim, heads;
    int causal;
    int last;        // the last row of each sequence only
    uint64_t weight; // offsets in the dense vector
    uint64_t bias;
    struct dropout drop; // of the probabilities
};

struct attention_state {
    int masked; // the last forward pass dropped probabilities
    /* all rows */
    float *qkv, *grad; // [rows, 3 D]
    float *columns;    // [D / heads, longest] keys or values of a head
    float *p, *dp;     // [longest, longest] of a head; last row: p is
                       // [heads, longest] of a sequence
    /* the last row; [n, heads * D] what stands for each head in x's space */
    float *q, *dq;         // [n, D]
    float *query, *dquery; // W_k^T q / sqrt(D / heads)
    float *mean, *dmean;   // sum_j p_j x_j
    float *sum, *dsum;     // [n, heads] sum_j p_j (1 without dropout)
    float *prob;           // [rows, heads] by sequence and head
    float *last;           // [n, D] x's last rows
    /* both */
    float *mask; // all rows: of one sequence; last row: as prob
};

enum fusor_status attention_build(struct model *m, const char *name,
                                  uint32_t dim, uint32_t heads, int causal,
                                  int last, float dropout, struct attention *a,
                                  struct fusor_error *err);
/** @param rows most rows, @param longest most positions of a sequence */
void attention_take(const struct attention *a, struct model_run *r, size_t rows,
                    uint32_t longest, struct attention_state *st);
/** @param query [rows, D] of which the queries are made; may be x
 * @param x [rows, D] @param o [rows, D], or [n, D] when a->last */
void attention_forward(const struct attention *a, struct attention_state *st,
                       uint64_t seed, const struct model_step *s,
                       const struct pack *p, const float *query, const float *x,
                       int train, float *o);
/** Write the gradients of W and b, and dx [rows, D].
 * @param d_o gradient of o
 * @param dquery [rows, D] written; NULL when query is x: then dx has it too */
void attention_backward(const struct attention *a, struct attention_state *st,
                        uint64_t seed, const struct model_step *s,
                        const struct pack *p, const float *query,
                        const float *x, const float *d_o, float *dquery,
                        float *dx);

/* attention_last.c: the way of a query at the last row alone, behind the
 * functions above. */
void attention_last_take(const struct attention *a, struct model_run *r,
                         size_t rows, struct attention_state *st);
void attention_last_forward(const struct attention *a,
                            struct attention_state *st, uint64_t seed,
                            const struct model_step *s, const struct pack *p,
                            const float *query, const float *x, float *o);
void attention_last_backward(const struct attention *a,
                             struct attention_state *st,
                             const struct model_step *s, const struct pack *p,
                             const float *x, const float *d_o, float *dquery,
                             float *dx);

#endif
