/* Combining the scores of m finished towers into one: the maths of `fuse`.
 *
 * Scores are a matrix [n, m], row by row: row i holds what each tower says of
 * pair i. A method finds weights w [m] and a bias b, and the combined score is
 * R_i = sum_j w_j M_ij + b (logistic: its sigmoid). Everything is in double
 * precision; sums run in row order, so equal input gives equal bits.
 *
 *   weighted       w as given
 *   attention      w as given, each >= 0, sum 1 (softmax already taken)
 *   mean           w = 1/m (after z-scores: the usual rank-free average)
 *   least_squares  min (1/2n) |M w + b - r|^2 + ridge/2 |w|^2
 *   simplex        the same, w >= 0, sum w = 1, exact (active set)
 *   softmax        the same, w = softmax(alpha), every weight above 0
 *   logistic       min mean logloss of sigmoid(M w + b) + ridge/2 |w|^2
 *
 * Fit on rows that no tower was trained on, or the fusion learns the towers'
 * overfitting. Adding a method: a file, a line in combine.c.
 * Threads: any; nothing is shared. Opens no file. */
#ifndef MODEL_COMBINE_COMBINE_H
#define MODEL_COMBINE_COMBINE_H

#include <stddef.h>

#include "base/str.h"
#include "fusor/status.h"

#define COMBINE_MAX 64 /* towers */

struct combine_data {
    const double *scores;  // [n, m]
    const double *targets; // [n], or NULL where the method needs none
    size_t n;
    size_t m; // 1..COMBINE_MAX
};

struct combine_options {
    const double *weights; // [m] for weighted and attention
    int intercept;         // fit b too (least_squares, logistic), else b = 0
    double ridge;          // >= 0; never on b
};

struct combine_ops;

struct combine_model {
    const struct combine_ops *ops;
    size_t m;
    double weights[COMBINE_MAX];
    double bias;
    double loss; // mean squared error or logloss on the rows fitted on,
                 // without the ridge; NaN without targets
    int n_steps; // iterations taken; 0: closed form
};

struct combine_ops {
    const char *name;
    const char *help;
    int needs_targets;
    int needs_weights;
    int binary; // targets lie in [0, 1] and R = sigmoid
    /* Set weights, bias and n_steps of a zeroed model. */
    enum fusor_status (*fit)(const struct combine_data *data,
                             const struct combine_options *options,
                             struct combine_model *model,
                             struct fusor_error *err);
};

/** @return the method, or NULL with FUSOR_EUSAGE and the nearest name */
const struct combine_ops *combine_find(const char *name,
                                       struct fusor_error *err);
/** Method i of those there are, or NULL beyond the last. */
const struct combine_ops *combine_kind(size_t i);
/** All methods, one a line, for help. */
void combine_list(struct strbuf *out);

/** Find the weights.
 * @param options NULL: all zero
 * @return FUSOR_EINVAL: something the method needs is not there, or too many
 * towers; FUSOR_EDATA: a number is not finite, targets out of range, or the
 * towers are linearly dependent; FUSOR_EDIVERGED: no convergence. Nothing is
 * written on error. */
enum fusor_status combine_fit(const struct combine_ops *ops,
                              const struct combine_data *data,
                              const struct combine_options *options,
                              struct combine_model *model,
                              struct fusor_error *err);

/** R of n rows.
 * @param scores [n, model->m]; out [n], may not overlap */
void combine_apply(const struct combine_model *model, const double *scores,
                   size_t n, double *out);

extern const struct combine_ops combine_weighted, combine_attention,
    combine_mean, combine_least_squares, combine_simplex, combine_softmax,
    combine_logistic;

#endif
