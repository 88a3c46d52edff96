/* Matrix products by our own kernels (gemm.h) or OpenBLAS (its only home), one
 * thread a call, and which of OpenBLAS's kernels run.
 *
 * OpenBLAS chooses kernels by the CPU's model when it is loaded and takes the
 * oldest (Prescott: 5 times slower than AVX-512's) when it does not know the
 * model; OPENBLAS_CORETYPE in the environment of the process overrules it. So
 * whoever starts processes can set it to blas_best_kernel(), and a banner can
 * say when it was lowered.
 *
 * gemm_takes() says which products are ours. Products are row-major and dense
 * (tensor.h); beta = 0 overwrites, whatever stands in the output. Sizes may be
 * 0. Threads: any, after blas_init().
 */
#ifndef TENSOR_BLAS_H
#define TENSOR_BLAS_H

#include <stddef.h>

/** Tell OpenBLAS to use the caller's thread only. Once, before threads start.
 */
void blas_init(void);

/** The kernels in use: "SkylakeX", "Haswell", ... Bits of products depend on it
 * and on cpu_level(): ranks that must agree compare both. */
const char *blas_kernel_name(void);

/** The kernels this CPU could run by its features, as a value of
 * OPENBLAS_CORETYPE: "SkylakeX" (whose products Cooperlake and
 * SapphireRapids share), "Zen", "Haswell"; "" where there is nothing to choose.
 */
const char *blas_best_kernel(void);

/** Are the kernels in use of an older kind than the CPU can run? */
int blas_kernel_is_low(void);

/** out[N,H] = alpha a[N,M] b[M,H] + beta out: forward with weights [M,H]. */
void blas_gemm_nn(size_t N, size_t H, size_t M, float alpha, const float *a,
                  const float *b, float beta, float *out);
/** out[N,H] = alpha a[N,M] b[H,M]^T + beta out: every row with every row. */
void blas_gemm_nt(size_t N, size_t H, size_t M, float alpha, const float *a,
                  const float *b, float beta, float *out);
/** out[N,H] = alpha a[M,N]^T b[M,H] + beta out: the gradient of weights. */
void blas_gemm_tn(size_t N, size_t H, size_t M, float alpha, const float *a,
                  const float *b, float beta, float *out);

/* The same on parts of wider arrays (heads of attention): row i of a begins at
 * a + i * a_stride, and so on. */
enum blas_form { BLAS_NN, BLAS_NT, BLAS_TN };
void blas_gemm_strided(enum blas_form form, size_t N, size_t H, size_t M,
                       float alpha, const float *a, size_t a_stride,
                       const float *b, size_t b_stride, float beta, float *out,
                       size_t out_stride);

/** The same by OpenBLAS, whatever gemm_takes() says: to compare with. */
void blas_gemm_openblas(enum blas_form form, size_t N, size_t H, size_t M,
                        float alpha, const float *a, size_t a_stride,
                        const float *b, size_t b_stride, float beta, float *out,
                        size_t out_stride);

/** out[N] = alpha a[N,M] x[M] + beta out. By vec.h: OpenBLAS's own gemv can
 * depend on alignment. */
void blas_gemv_n(size_t N, size_t M, float alpha, const float *a,
                 const float *x, float beta, float *out);
/** out[M] = alpha a[N,M]^T x[N] + beta out, rows added in their order. */
void blas_gemv_t(size_t N, size_t M, float alpha, const float *a,
                 const float *x, float beta, float *out);

#endif
