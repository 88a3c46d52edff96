/* One transformer block: self-attention and a feed-forward network, each with a
 * residual around it and layer normalisation behind it (post: Vaswani et al.
 * 2017, section 3; PyTorch's TransformerEncoderLayer) or before it (pre: Xiong
 * et al. 2020), or as SASRec's own code has it (query: Kang and McAuley 2018):
 * of the first only what queries are made of is normalised, and each residual
 * goes around what is normalised:
 *
 *   a = norm1(x)   s = a + out(attention(a, x, x))
 *   f = norm2(s)   y = f + down(activation(up(f)))
 *
 * without a dropout between attention and residual. Private to src/model.
 *
 * A last block computes only the last row of every sequence: all that is read
 * of it. */
#ifndef MODEL_LAYER_TRANSFORMER_H
#define MODEL_LAYER_TRANSFORMER_H

#include "model/layer/activation.h"
#include "model/layer/attention.h"
#include "model/layer/dense.h"
#include "model/layer/layer_norm.h"

enum transformer_norm { NORM_POST, NORM_PRE, NORM_QUERY };

struct transformer_spec {
    uint32_t dim, heads, ff; // ff: hidden units of the feed-forward network
    enum activation_kind activation; // relu or gelu
    int norm;                        // enum transformer_norm
    int causal;
    int last; // compute the last row of each sequence
    float dropout;
};

struct transformer {
    struct transformer_spec spec;
    struct attention attention;
    struct dense out, up, down;
    struct layer_norm norm1, norm2;
    struct activation activation;
    struct dropout drop1, hidden, drop2;
};

struct transformer_state {
    int trained; // the last forward pass was a training one
    struct attention_state attention;
    struct layer_norm_state norm1, norm2;
    float *a;         // [all, D] pre, query: norm1(x)
    float *da;        // [all, D] query: its gradient
    float *o;         // [rows, D] attention
    float *sum1, *x1; // [rows, D] x + out(o); post: norm1 of it, else the same
    float *f;         // [rows, D] pre, query: norm2(x1)
    float *h0, *h;    // [rows, ff] before and after the activation
    float *sum2;      // [rows, D] x1 + down(h), query: f + down(h); post: y is
                      // norm2 of it
    float *mask1, *mask_hidden, *mask2;
    float *g, *g2; // [rows, D]
    float *dh;     // [rows, ff]
};

enum fusor_status transformer_build(struct model *m, const char *name,
                                    const struct transformer_spec *spec,
                                    struct transformer *t,
                                    struct fusor_error *err);
/** @param rows most rows of a pack, @param longest most positions */
void transformer_take(const struct transformer *t, struct model_run *r,
                      size_t rows, uint32_t longest,
                      struct transformer_state *st);
/** @param x [rows, D]
 * @param y [rows, D], or [n, D] of a last block */
void transformer_forward(const struct transformer *t,
                         struct transformer_state *st, uint64_t seed,
                         const struct model_step *s, const struct pack *p,
                         const float *x, int train, float *y);
/** Write the gradients of the blocks, and dx [rows, D].
 * @param dy used up */
void transformer_backward(const struct transformer *t,
                          struct transformer_state *st, uint64_t seed,
                          const struct model_step *s, const struct pack *p,
                          const float *x, float *dy, float *dx);

/** Scales of [rows, width] values: a stream for each sequence. @param last one
 * row a sequence, else all its rows */
void transformer_mask(const struct dropout *d, uint64_t seed,
                      const struct model_step *s, const struct pack *p,
                      uint32_t width, int last, float *mask);

#endif
