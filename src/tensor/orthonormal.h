/* An orthonormal basis of what the columns of a tall matrix span.
 *
 * Cholesky's factorisation of the Gram matrix in double precision: fast,
 * because all of it is level-3 BLAS, and good while the columns' condition is
 * below some 10^6 (Yamamoto et al. 2015, "Roundoff error analysis of the
 * CholeskyQR2 algorithm"). Threads: any; bits depend on the shape alone. */
#ifndef TENSOR_ORTHONORMAL_H
#define TENSOR_ORTHONORMAL_H

#include <stddef.h>

#include "fusor/status.h"

/** Make the columns of a[N,D] orthonormal, in place; D at most N.
 * @return FUSOR_EDATA: they depend on each other; FUSOR_ENOMEM */
enum fusor_status orthonormal_columns(float *a, size_t N, size_t D,
                                      struct fusor_error *err);

#endif
