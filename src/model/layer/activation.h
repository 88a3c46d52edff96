/* Element-wise functions with their slopes. Private to src/model. */
#ifndef MODEL_LAYER_ACTIVATION_H
#define MODEL_LAYER_ACTIVATION_H

#include "model/run.h"

enum activation_kind {
    ACTIVATION_NONE,
    ACTIVATION_RELU,
    ACTIVATION_GELU, // x Phi(x), exact (Hendrycks and Gimpel 2016)
    ACTIVATION_TANH,
    ACTIVATION_SIGMOID,
    ACTIVATION_PRELU // x < 0: a x, one a a layer (He et al. 2015)
};

extern const char *const activation_names[]; // NULL-terminated, by kind

struct activation {
    enum activation_kind kind;
    uint64_t slope; // prelu: offset of p; a = p / 4, p starts at 1
};

enum fusor_status activation_build(struct model *m, const char *name,
                                   enum activation_kind kind,
                                   struct activation *a,
                                   struct fusor_error *err);
/** @param x, y [n] floats; may be the same only for none */
void activation_forward(const struct activation *a, const struct model_step *s,
                        const float *x, float *y, size_t n);
/** dx = dy * slope, in place of dy.
 * @param x, y what forward read and wrote
 * @param train also write the gradient of prelu's p */
void activation_backward(const struct activation *a, const struct model_step *s,
                         const float *x, const float *y, float *dy, size_t n,
                         int train);

#endif
