/* Calibration: turning a score into a probability, fitted on held-out rows.
 *
 *   none      the score itself
 *   platt     p = 1 / (1 + exp(a score + b)) (Platt 1999, with the targets and
 *             the Newton method of Lin, Lin and Weng 2007)
 *   isotonic  a rising curve through the means of pooled blocks (PAVA: Ayer et
 *             al. 1955), straight between blocks, flat outside
 * Adding one: a file, a line in calibrate.c. Threads: any. Opens no file. */
#ifndef MODEL_COMBINE_CALIBRATE_H
#define MODEL_COMBINE_CALIBRATE_H

#include <stddef.h>

#include "fusor/status.h"

struct calibration_ops;

struct calibration {
    const struct calibration_ops *ops;
    double a; // platt
    double b;
    size_t n_knots; // isotonic
    double *x;      // [n_knots] rising
    double *y;      // [n_knots] rising
};

struct calibration_ops {
    const char *name;
    enum fusor_status (*fit)(struct calibration *c, const double *scores,
                             const double *labels, size_t n,
                             struct fusor_error *err);
    double (*apply)(const struct calibration *c, double score);
};

/** @return the kind, or NULL with FUSOR_EUSAGE and the nearest name */
const struct calibration_ops *calibration_find(const char *kind,
                                               struct fusor_error *err);
/** Kind i of those there are, or NULL beyond the last. */
const struct calibration_ops *calibration_kind(size_t i);

/** Fit the calibration called kind.
 * @param scores [n] finite; labels [n]: platt 0 or 1, isotonic any finite
 * @param c filled; release with calibration_clear()
 * @return FUSOR_EUSAGE: no such kind; FUSOR_EDATA: no rows, a number that is
 * not finite, a label that is not 0 or 1; FUSOR_ENOMEM; FUSOR_EDIVERGED */
enum fusor_status calibration_fit(struct calibration *c, const char *kind,
                                  const double *scores, const double *labels,
                                  size_t n, struct fusor_error *err);
double calibration_apply(const struct calibration *c, double score);
void calibration_clear(struct calibration *c);

extern const struct calibration_ops calibration_platt, calibration_isotonic;

#endif
