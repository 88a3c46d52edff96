/* Matrix products of a network's sizes by kernels of our own, with what
 * follows them in the same pass.
 *
 * OpenBLAS pays for widths that are no multiple of its tile and copies both
 * operands in every call; at the sizes of recommenders (hundreds of rows,
 * widths of tens to hundreds) that is a sixth of the time. Where gemm_takes()
 * says so, blas.h and this module use kernels written for AVX-512; elsewhere
 * OpenBLAS.
 *
 * A sum runs over the inner dimension in its order, in pieces whose length is a
 * function of that dimension; columns beyond the last multiple of 16 may be
 * summed in 2 or 4 interleaved parts. So bits are a function of shape and
 * cpu_level(), never of alignment, of the thread or of what ran before; and
 * error stays below (M + 4) 2^-24 of the sum of magnitudes. Nothing is
 * allocated: operands are rearranged on the stack (52 KB). Threads: any.
 */
#ifndef TENSOR_GEMM_H
#define TENSOR_GEMM_H

#include <stddef.h>

#include "tensor/blas.h"

/** Do our kernels take this product, or OpenBLAS? Ours with CPU_AVX512, at
 * least 8 rows and columns (TN: 16 rows), widths up to 1024 (TN: 512 rows) and
 * up to 2^17 weights (H M; TN: N H). A function of shape and cpu_level() alone.
 */
int gemm_takes(enum blas_form form, size_t N, size_t H, size_t M);

/** Who multiplies matrices of gemm_takes()' sizes on this CPU, for a banner:
 * "own (avx512)" or "OpenBLAS". */
const char *gemm_name(void);

/** out[N,H] = a[N,M] b[H,M]^T + bias[H], then max(., 0) when relu: the forward
 * pass of a dense layer. The same bits as product, bias and max one after the
 * other. NaN stays NaN. */
void gemm_dense(size_t N, size_t H, size_t M, const float *a, const float *b,
                const float *bias, int relu, float *out);

#endif
