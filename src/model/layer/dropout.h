/* Dropout (Srivastava et al. 2014), scaled in training so that inference does
 * nothing. What is dropped depends on (seed, epoch, layer, sample id) only.
 * Private to src/model. */
#ifndef MODEL_LAYER_DROPOUT_H
#define MODEL_LAYER_DROPOUT_H

#include "model/run.h"

struct dropout {
    float rate;      // 0: nothing happens
    uint32_t number; // build_dropout()
};

/** Scale of each of width values of every sample: 0 or 1 / (1 - rate).
 * @param mask [n, width] set */
void dropout_mask(const struct dropout *d, uint64_t seed,
                  const struct model_step *s, uint32_t width, float *mask);
/** The scales of n values that belong to one sample, from its stream. */
void dropout_draw(const struct dropout *d, uint64_t seed,
                  const struct model_step *s, uint64_t sample_id, uint32_t n,
                  float *mask);
/** y *= mask, n floats; forward and backward alike. */
void dropout_apply(const float *mask, float *y, size_t n);

#endif
