/* What every fusion starts with: the towers' outputs side by side in one
 * matrix x [n, width], and what weighted sums of them have in common.
 * Private to src/model.
 *
 * over: logits   x_t = the tower's score
 *       scores   x_t = output function of its score
 *       vectors  x_t = its vector
 *
 * A weighted sum R = sum_t a_t x_t becomes the model's score: itself over
 * logits; over scores with a sigmoid output logit(R), so that the model's
 * output is R; over vectors h . R + b with learned h, b. */
#ifndef MODEL_FUSION_MIX_H
#define MODEL_FUSION_MIX_H

#include "model/layer/dense.h"
#include "model/layer/dropout.h"
#include "model/registry.h"

extern const char *const fusion_over_names[]; // by enum fusion_over

struct mix {
    uint32_t n_towers;
    uint32_t width;      // floats of x a sample
    uint32_t each;       // floats a tower when all are equal, else 0
    struct dropout drop; // of whole towers
    struct dense head;   // weighted sums of vectors
    int has_head;
};

struct mix_state {
    float *x, *dx; // [n, width]
    float *sum;    // [n, each] R
    float *dsum;
    float *da;     // [n, n_towers] d loss / d a
    float *mask;   // [n, n_towers], when drop.rate > 0
    float *column; // [n * widest tower]
    int dropped;   // the last forward pass made a mask
};

/** @param sums 1: the fusion adds towers up (equal widths, head) */
enum fusor_status mix_build(struct model *m, struct fusion *f,
                            const struct yaml_node *at, int sums,
                            struct mix *out, struct fusor_error *err);
void mix_take(const struct mix *x, struct model_run *r, struct mix_state *st);
/** Fill st->x and, in training, st->mask.
 * @param apply multiply x by the mask */
void mix_forward(const struct mix *x, struct mix_state *st, struct model_run *r,
                 const struct model_step *s, int train, int apply);
/** From st->dx to r->tower_grad. */
void mix_backward(const struct mix *x, struct mix_state *st,
                  struct model_run *r, const struct model_step *s, int apply);

/** R and r->score. @param a weights: those of sample i at a + i * stride */
void mix_sum(const struct mix *x, struct mix_state *st, struct model_run *r,
             const struct model_step *s, const float *a, uint32_t stride);
/** From r->score_grad to st->dx, st->da and the head's blocks (train). */
void mix_sum_backward(const struct mix *x, struct mix_state *st,
                      struct model_run *r, const struct model_step *s,
                      const float *a, uint32_t stride, int train);

#endif
