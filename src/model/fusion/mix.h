/* What every fusion starts with: the towers' outputs side by side in one
 * matrix x [n, width], and what weighted sums of them have in common.
 * Private to src/model.
 *
 * over: logits   x_t = the tower's score
 *       scores   x_t = output function of its score
 *       vectors  x_t = its vector
 *
 *   normalise: zscore  x_t less its mean over its standard deviation: of the
 *              micro-batch in training, running averages after it. Then
 *              scores are no probabilities any more, and R is a logit
 *              per_query_max  x_t over the largest |x_t| of the query: of its
 *              adjacent samples in the micro-batch, or of all candidates that
 *              are ranked (model_run_set_tops()); R is a logit here too
 *              none
 *   drop: p    in training a tower is left out of a sample with probability p,
 *              by (seed, epoch, sample); the others grow, so that the mean
 *              stays
 *   missing:   of a tower that gives no answer (model_run_set_missing()):
 *              drop_tower leaves it out, the others' weights grow to the same
 *              sum; zero takes 0 for it, after normalising; error refuses. A
 *              tower that is silent about a sample (a score of NaN, where a
 *              tower of scores says missing: drop_tower) is left out of that
 *              sample or, with zero, counts as 0, in training too; z-scores
 *              and maxima are of the samples about which it speaks
 *
 * A weighted sum R = sum_t a_t x_t becomes the model's score: itself over
 * logits; over scores with a sigmoid output logit(R), so that the model's
 * output is R; over vectors h . R + b with learned h, b.
 *
 *   bias: true     adds a learned number to that score over logits and scores;
 *                  with weights: free over the logits of one tower this is
 *                  Platt's calibration (1999). Without the word: true over
 *                  z-scores, whose mean is 0, and when a stage trains the
 *                  fusion on rows that the towers did not train on, because
 *                  there they may be over-confident; else false, because the
 *                  towers have biases of their own. A loss that only orders
 *                  the items of a query leaves it as it is. */
#ifndef MODEL_FUSION_MIX_H
#define MODEL_FUSION_MIX_H

#include "model/layer/batch_norm.h"
#include "model/layer/dense.h"
#include "model/layer/dropout.h"
#include "model/registry.h"

extern const char *const fusion_over_names[];    // by enum fusion_over
extern const char *const fusion_missing_names[]; // by enum fusion_missing

enum mix_normalise { NORMALISE_NONE, NORMALISE_ZSCORE, NORMALISE_QUERY_MAX };

struct mix {
    const struct fusion *fusion; // whose towers these are
    uint32_t n_towers;
    uint32_t width;      // floats of x a sample
    uint32_t each;       // floats a tower when all are equal, else 0
    struct dropout drop; // of whole towers
    struct dense head;   // weighted sums of vectors
    int has_head;
    struct batch_norm norm; // zscore
    enum mix_normalise normalise;
    int joins;     // a network joins the towers: no weights to renormalise
    int gaps;      // some tower may be silent about a sample
    int has_bias;  // of the score, when there is no head
    uint64_t bias; // its offset
};

struct mix_state {
    float *x, *dx; // [n, width]
    float *sum;    // [n, each] R
    float *dsum;
    float *da;     // [n, n_towers] d loss / d a
    float *mask;   // [n, n_towers], when drop.rate > 0
    float *column; // [n * widest tower]
    float *part;   // [n * widest tower] of a gradient that is added
    int dropped;   // the last forward pass made a mask
    struct batch_norm_state norm;
    float *raw;            // [n, width] x before it was normalised
    uint32_t *until;       // [n] per_query_max: behind the query's last sample
    int batch_stats;       // it was by the micro-batch's own numbers
    unsigned char *silent; // [n, n_towers] gaps
    float *grow;           // [n] gaps, joins: what the others were times
};

/** @param sums 1: the fusion adds towers up (equal widths; head, bias) */
enum fusor_status mix_build(struct model *m, struct fusion *f,
                            struct yaml_node *at, int sums, struct mix *out,
                            struct fusor_error *err);
void mix_take(const struct mix *x, struct model_run *r, struct mix_state *st);
/** Fill st->x and, in training, st->mask.
 * @param apply multiply x by the mask */
void mix_forward(const struct mix *x, struct mix_state *st, struct model_run *r,
                 const struct model_step *s, int train, int apply);
/** From st->dx to r->tower_grad. */
void mix_backward(const struct mix *x, struct mix_state *st,
                  struct model_run *r, const struct model_step *s, int apply);

/** R and the head's score. @param a weights: those of sample i at a + i *
 * stride */
void mix_sum(const struct mix *x, struct mix_state *st, struct model_run *r,
             const struct model_step *s, const float *a, uint32_t stride);
/** From the head's score_grad to st->dx, st->da and, when train, the blocks of
 * head or bias. */
void mix_sum_backward(const struct mix *x, struct mix_state *st,
                      struct model_run *r, const struct model_step *s,
                      const float *a, uint32_t stride, int train);
/** Leave towers that are missing, and those silent about sample i, out of
 * weights [n_towers] that sum up towers: theirs become 0 and the others grow to
 * the same sum. */
void mix_renormalise(const struct mix *x, const struct mix_state *st,
                     const struct model_run *r, uint32_t i, float *w);
/** Gradients of the weights before mix_renormalise() of every sample, where
 * there are gaps and st->da is of those behind it.
 * @param w [n_towers] before @param dw [n_towers] set */
void mix_renormalise_backward(const struct mix *x, const struct mix_state *st,
                              uint32_t n, const float *w, float *dw);
/** The t-th tower of the fusion. */
static inline const struct tower *
mix_tower(const struct mix *x, const struct model_run *r, uint32_t t)
{
    return &r->model->towers[x->fusion->towers[t]];
}
/** Does it give no answer? */
static inline int mix_is_missing(const struct mix *x, const struct model_run *r,
                                 uint32_t t)
{
    return r->n_missing && r->missing[x->fusion->towers[t]];
}
/** Is it silent about sample i, and left out for that? */
static inline int mix_is_silent(const struct mix *x, const struct mix_state *st,
                                uint32_t i, uint32_t t)
{
    return x->gaps && x->fusion->missing != MISSING_ZERO &&
           st->silent[(size_t)i * x->n_towers + t];
}
/** Is tower t to be left out of an average about sample i? */
static inline int mix_leaves_out(const struct mix *x,
                                 const struct mix_state *st,
                                 const struct model_run *r, uint32_t i,
                                 uint32_t t)
{
    return (mix_is_missing(x, r, t) &&
            x->fusion->missing == MISSING_DROP_TOWER) ||
           mix_is_silent(x, st, i, t);
}
/** fusion_kind's contributions of a weighted sum.
 * @param a, stride as mix_sum() takes them */
void mix_contributions(const struct mix *x, const struct mix_state *st,
                       const struct model_run *r, const struct model_step *s,
                       const float *a, uint32_t stride, float *out);
/** What mix_sum() adds, for --check. */
void mix_describe(const struct mix *x, struct strbuf *out);

#endif
