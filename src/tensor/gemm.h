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
 * allocated: operands are rearranged on the stack (52 KB; for bf16 550 KB).
 * Threads: any.
 */
#ifndef TENSOR_GEMM_H
#define TENSOR_GEMM_H

#include <stddef.h>

#include "fusor/status.h"
#include "tensor/blas.h"

/** Do our kernels take this product, or OpenBLAS? Ours with CPU_AVX512, H in
 * 8..1024, M >= 4 and, for NN and NT, M <= 1024 and M H <= 2^17, for TN, N in
 * 16..512 and N H <= 2^17. A function of shape and cpu_level() alone; for NN
 * and NT not of N, so that there a row's bits do not depend on how many rows
 * are computed with it. */
int gemm_takes(enum blas_form form, size_t N, size_t H, size_t M);

/** Who multiplies matrices of gemm_takes()' sizes on this CPU, for a banner:
 * "own (avx512)" or "OpenBLAS". */
const char *gemm_name(void);

/* How products are computed. Both sum in single precision. */
enum gemm_arithmetic {
    GEMM_F32,
    GEMM_BF16 // factors rounded to bfloat16 (8 bits of precision) first
};

extern const char *const gemm_arithmetic_names[]; // NULL-terminated, by value

/** May this process compute so? Asks the kernel for the tile registers; must
 * precede the first product of the kind. Threads: any.
 * @return EUSAGE: the CPU or the kernel lacks AMX (Sapphire Rapids or later,
 * Linux 5.16), or FUSOR_CPU lowers it */
enum fusor_status gemm_ask(enum gemm_arithmetic how, struct fusor_error *err);

/** out[N,H] = a[N,M] b[H,M]^T + bias[H], then max(., 0) when relu: the forward
 * pass of a dense layer. In f32 the same bits as product, bias and max one
 * after the other. NaN stays NaN. Products with a side below 32 or less than
 * 2^18 multiplications are always f32: rounding the factors would cost more
 * than it saves. */
void gemm_dense(enum gemm_arithmetic how, size_t N, size_t H, size_t M,
                const float *a, const float *b, const float *bias, int relu,
                float *out);

/** out = op(a) op(b), dense, as blas_gemm_nn(), _nt() and _tn(); small ones in
 * f32 like gemm_dense(). */
void gemm_product(enum gemm_arithmetic how, enum blas_form form, size_t N,
                  size_t H, size_t M, const float *a, const float *b,
                  float *out);
/** out = alpha op(a) op(b) + beta out, on parts of wider arrays, as
 * blas_gemm_strided(); small ones in f32 like gemm_dense(). */
void gemm_strided(enum gemm_arithmetic how, enum blas_form form, size_t N,
                  size_t H, size_t M, float alpha, const float *a,
                  size_t a_stride, const float *b, size_t b_stride, float beta,
                  float *out, size_t out_stride);

#endif
