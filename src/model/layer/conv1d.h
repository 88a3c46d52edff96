/* A convolution along packed sequences and the maximum of each filter over the
 * positions of each sequence (Kim 2014). Private to src/model.
 *
 *   y_k = max_t  w . [x_t, ..., x_{t + window - 1}] + b
 *
 * for t = 0 .. T - window, at least t = 0, where rows past the end are zeros:
 * the pack's pad is window - 1 or more. A window is a run of floats in the
 * packed matrix, so that nothing is copied: window products a layer. Blocks
 * "<name>.weight" [filters, window * D] and "<name>.bias". */
#ifndef MODEL_LAYER_CONV1D_H
#define MODEL_LAYER_CONV1D_H

#include "model/layer/dense.h"
#include "model/layer/pack.h"

struct conv1d {
    uint32_t window, in, filters;
    struct dense dense; // its blocks
};

enum fusor_status conv1d_build(struct model *m, const char *name,
                               uint32_t window, uint32_t in, uint32_t filters,
                               struct conv1d *c, struct fusor_error *err);
/** @param x [rows, D]
 * @param y [rows, filters] scratch
 * @param out row k at out + k * ld: filters floats of sequence k
 * @param at row k at at + k * ld: row of x where each maximum's window begins
 */
void conv1d_forward(const struct conv1d *c, const struct model_step *s,
                    const struct pack *p, const float *x, float *y, float *out,
                    uint32_t *at, size_t ld);
/** Write the gradients of the blocks and add to dx [rows, D].
 * @param g as out */
void conv1d_backward(const struct conv1d *c, const struct model_step *s,
                     const struct pack *p, const float *x, const float *g,
                     const uint32_t *at, size_t ld, float *dx);

#endif
