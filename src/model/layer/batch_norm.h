/* Batch normalisation (Ioffe and Szegedy 2015): with the statistics of the
 * micro-batch in training, with running ones otherwise. Private to src/model.
 *
 * Running mean and variance are blocks whose "gradient" is the micro-batch's
 * statistic times its share of the global batch, so that the tree's sum is the
 * weighted mean; the store's rule for them is an exponential average. */
#ifndef MODEL_LAYER_BATCH_NORM_H
#define MODEL_LAYER_BATCH_NORM_H

#include "model/run.h"

struct batch_norm {
    uint32_t width;
    uint64_t gamma, beta, mean, var; // offsets in the dense vector
    int plain;                       // no gamma and beta: 1 and 0
    int gaps; // NaN is no value: the statistics are of the others, y is NaN
};

struct batch_norm_state {
    float *mean, *inverse; // [width] of the last pass, (var + eps)^-1/2
    float *sum_dy, *sum_dy_x;
    float *var;        // [width] unbiased
    float *one, *zero; // [width] of a plain one
    float *count;      // [width] gaps: values of the micro-batch
};

enum fusor_status batch_norm_build(struct model *m, const char *name,
                                   uint32_t width, struct batch_norm *b,
                                   struct fusor_error *err);
/** Without gamma and beta: a z-score. */
enum fusor_status batch_norm_build_plain(struct model *m, const char *name,
                                         uint32_t width, struct batch_norm *b,
                                         struct fusor_error *err);
void batch_norm_take(const struct batch_norm *b, struct model_run *r,
                     struct batch_norm_state *st);
/** y [n, width]; may be x. */
void batch_norm_forward(const struct batch_norm *b, struct batch_norm_state *st,
                        const struct model_step *s, const float *x, uint32_t n,
                        float *y, int train);
/** dx in place of dy.
 * @param x what forward read
 * @param batch_stats forward ran with train = 1
 * @param train also write the gradients of its blocks */
void batch_norm_backward(const struct batch_norm *b,
                         struct batch_norm_state *st,
                         const struct model_step *s, const float *x, float *dy,
                         uint32_t n, int batch_stats, int train);

#endif
