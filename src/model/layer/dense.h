/* A dense layer: y [n, out] = x [n, in] W^T + b, W [out, in] as PyTorch keeps
 * it. One matrix product per micro-batch and direction. Private to src/model.
 */
#ifndef MODEL_LAYER_DENSE_H
#define MODEL_LAYER_DENSE_H

#include "model/run.h"

struct dense {
    uint32_t in, out;
    uint64_t weight; // offsets in the dense vector
    uint64_t bias;
};

/** Declare the blocks "<name>.weight" and "<name>.bias", both uniform within
 * in^-1/2 (LeCun et al. 1998, section 4.6; PyTorch's Linear). */
enum fusor_status dense_build(struct model *m, const char *name, uint32_t in,
                              uint32_t out, struct dense *d,
                              struct fusor_error *err);
void dense_forward(const struct dense *d, const struct model_step *s,
                   const float *x, uint32_t n, float *y);
/** The same, then max(., 0), in one pass. */
void dense_forward_relu(const struct dense *d, const struct model_step *s,
                        const float *x, uint32_t n, float *y);
/** Write the gradients of W and b, and dx unless it is NULL.
 * @param train 0: dx only */
void dense_backward(const struct dense *d, const struct model_step *s,
                    const float *x, const float *dy, uint32_t n, float *dx,
                    int train);

#endif
