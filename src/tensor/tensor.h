/* How arrays of floats are laid out and what their letters mean, everywhere.
 *
 * Every array is row-major and dense: x[B,D] has element (b, d) at
 * x[b * D + d]. Shapes in comments use these letters and no others:
 *
 *   B  samples of a (micro-)batch          C  classes, candidates
 *   N  rows of any matrix                  M  the inner dimension, summed away
 *   D  features, width of a row            T  positions of a sequence
 *   H  hidden units, columns of an output
 *
 * What a result may depend on. vec.h: on shape and values only, the same bits
 * on every CPU. blas.h and gemm.h: also on the name of OpenBLAS's kernels
 * (blas_kernel_name()) and cpu_level(). Neither depends on the number of
 * threads, on alignment, or on how a caller shares work, as long as each call
 * has the same shape.
 */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stddef.h>

#include "tensor/blas.h"
#include "tensor/gemm.h"
#include "tensor/vec.h"

#endif
