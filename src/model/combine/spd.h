/* Small dense symmetric positive definite systems in double precision, and the
 * normal equations that fill them. */
#ifndef MODEL_COMBINE_SPD_H
#define MODEL_COMBINE_SPD_H

#include "model/combine/combine.h"

#define SPD_MAX (COMBINE_MAX + 1) /* towers and a bias */
/* A column whose part that others do not explain is below this share of its
 * square is called dependent: 1e4 times the rounding of the Gram matrix. */
#define SPD_DEPENDENT 1e-12

struct spd {
    size_t n;
    double scale[SPD_MAX];          // 1 / sqrt(diagonal)
    double lower[SPD_MAX][SPD_MAX]; // of the scaled matrix
};

/** Cholesky factors of the lower triangle of a, scaled to a unit diagonal.
 * @param column where it failed: a column that depends on those before it
 * @return 0, or -1: not positive definite */
int spd_factor(struct spd *f, double a[SPD_MAX][SPD_MAX], size_t n,
               size_t *column);
/** Solve a x = b; x may be b. */
void spd_solve(const struct spd *f, const double *b, double *x);

/* (1/n) M'M and (1/n) M'r; centred: of the deviations from the means. */
struct gram {
    size_t m;
    double g[SPD_MAX][SPD_MAX]; // both triangles
    double c[SPD_MAX];
    double mean[SPD_MAX]; // zeros when not centred
    double mean_target;
};

void gram_compute(struct gram *q, const struct combine_data *data, int centred);

#endif
