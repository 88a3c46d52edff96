/* Which kernels a product gets, and products with what follows them. */
#include "tensor/gemm.h"

#include "base/cpu.h"
#include "tensor/gemm_job.h"
#include "tensor/vec.h"

/* The weights of a layer (the two sizes that are not the batch's) for which the
 * left operand, read in place, is as good as OpenBLAS's copies; measured on
 * Sapphire Rapids: equal at 2^18, up to a fifth slower at 2^20. */
#define MAX_WEIGHTS ((size_t)1 << 17)
#define MAX_WIDTH 1024

int gemm_takes(enum blas_form form, size_t N, size_t H, size_t M)
{
    size_t width = form == BLAS_TN ? N : M;

    if (cpu_level() != CPU_AVX512 || M < 4 || H < 8 || H > MAX_WIDTH)
        return 0;
    if (form == BLAS_TN ? N < 16 || N > MAX_WIDTH / 2 : N < 8 || M > MAX_WIDTH)
        return 0;
    return width * H <= MAX_WEIGHTS;
}

const char *gemm_name(void)
{
    return cpu_level() == CPU_AVX512 ? "own (avx512)" : "OpenBLAS";
}

void gemm_dense(size_t N, size_t H, size_t M, const float *a, const float *b,
                const float *bias, int relu, float *out)
{
    struct gemm_job job = {.form = BLAS_NT,
                           .N = N,
                           .H = H,
                           .M = M,
                           .alpha = 1.0f,
                           .a = a,
                           .a_stride = M,
                           .b = b,
                           .b_stride = M,
                           .out = out,
                           .out_stride = H,
                           .bias = bias,
                           .relu = relu};

#if defined(__x86_64__)
    if (gemm_takes(BLAS_NT, N, H, M)) {
        gemm_avx512(&job);
        return;
    }
#else
    (void)job;
#endif
    blas_gemm_nt(N, H, M, 1.0f, a, b, 0.0f, out);
    if (relu)
        vec_ops()->bias_relu(out, bias, N, H);
    else
        vec_ops()->bias_add(out, bias, N, H);
}
