/* Systems of linear equations with a symmetric positive definite matrix, in
 * double: least squares of a fusion's weights, EASE, alternating least squares.
 * Blocked, its inner products by OpenBLAS: n = 4000 takes about a second.
 *
 * Threads: any, after blas_init().
 */
#ifndef TENSOR_CHOLESKY_H
#define TENSOR_CHOLESKY_H

#include <stddef.h>

#include "fusor/status.h"

/** Replace the lower triangle of a[n,n] by L with a = L L^T. The part above the
 * diagonal is neither read nor written.
 * @return EDATA: not positive definite; a is then spoilt */
enum fusor_status cholesky_factor(double *a, size_t n, struct fusor_error *err);

/** Replace b[n,k] by the solution of L L^T x = b.
 * @param l what cholesky_factor() left */
void cholesky_solve(const double *l, size_t n, double *b, size_t k);

#endif
