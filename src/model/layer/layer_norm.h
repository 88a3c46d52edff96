/* Layer normalisation (Ba et al. 2016): each row gets mean 0 and variance 1,
 * then a learnt scale and shift of its columns. Private to src/model. */
#ifndef MODEL_LAYER_LAYER_NORM_H
#define MODEL_LAYER_LAYER_NORM_H

#include "model/run.h"

struct layer_norm {
    uint32_t width;
    uint64_t gamma, beta; // offsets in the dense vector
};

/* What backward needs of a forward pass over up to rows rows. */
struct layer_norm_state {
    float *mean, *inverse; // [rows], (var + eps)^-1/2
};

/** Declare "<name>.gamma" (ones) and "<name>.beta" (zeros). */
enum fusor_status layer_norm_build(struct model *m, const char *name,
                                   uint32_t width, struct layer_norm *l,
                                   struct fusor_error *err);
void layer_norm_take(struct model_run *r, size_t rows,
                     struct layer_norm_state *st);
/** y [n, width] from x [n, width]; may be the same array when no backward
 * follows. */
void layer_norm_forward(const struct layer_norm *l, struct layer_norm_state *st,
                        const struct model_step *s, const float *x, size_t n,
                        float *y);
/** Write the gradients of gamma and beta, and dx, which may be dy.
 * @param x what forward read */
void layer_norm_backward(const struct layer_norm *l,
                         const struct layer_norm_state *st,
                         const struct model_step *s, const float *x,
                         const float *dy, size_t n, float *dx);

#endif
