/* Which kernels a product gets, and products with what follows them. */
#define _GNU_SOURCE /* syscall */
#include "tensor/gemm.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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
    if (cpu_level() != CPU_AVX512 || N < 1 || M < 4 || H < 8 || H > MAX_WIDTH)
        return 0;
    if (form == BLAS_TN)
        return N >= 16 && N <= MAX_WIDTH / 2 && N * H <= MAX_WEIGHTS;
    return M <= MAX_WIDTH && M * H <= MAX_WEIGHTS;
}

const char *gemm_name(void)
{
    return cpu_level() == CPU_AVX512 ? "own (avx512)" : "OpenBLAS";
}

const char *const gemm_arithmetic_names[] = {"f32", "bf16", NULL};

#if defined(__x86_64__)
#define AMX_BF16 (1u << 22) /* of edx of cpuid leaf 7 */
#define AMX_TILE (1u << 24)
#define AVX512_BF16 (1u << 5)     /* of eax of its second part: conversions */
#define REQUEST_PERMISSION 0x1023 /* ARCH_REQ_XCOMP_PERM */
#define TILE_DATA 18              /* the state component */

static int has_tiles(void)
{
    unsigned a, b, c, d, more;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_BF16) ||
        !(d & AMX_TILE))
        return 0;
    return __get_cpuid_count(7, 1, &more, &b, &c, &d) && (more & AVX512_BF16);
}

static int can_bf16(void)
{
    return cpu_level() == CPU_AVX512 && has_tiles() &&
           syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#else
static int can_bf16(void)
{
    return 0;
}
#endif

enum fusor_status gemm_ask(enum gemm_arithmetic how, struct fusor_error *err)
{
    if (how == GEMM_F32 || can_bf16())
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EUSAGE,
                      "bf16 needs AMX (Intel Sapphire Rapids or later, Linux "
                      "5.16 or later, FUSOR_CPU not lowered), which this "
                      "process cannot use: take f32");
}

#define BF16_SIDE 32
#define BF16_WORK ((size_t)1 << 18)

/* By one of our kernels? */
static int run_own(enum gemm_arithmetic how, const struct gemm_job *j)
{
#if defined(__x86_64__)
    if (how == GEMM_BF16 && j->N >= BF16_SIDE && j->H >= BF16_SIDE &&
        j->M >= BF16_SIDE && j->N * j->H * j->M >= BF16_WORK) {
        gemm_bf16_run(j);
        return 1;
    }
    if (gemm_takes(j->form, j->N, j->H, j->M)) {
        gemm_avx512(j);
        return 1;
    }
#endif
    (void)how;
    (void)j;
    return 0;
}

void gemm_dense(enum gemm_arithmetic how, size_t N, size_t H, size_t M,
                const float *a, const float *b, const float *bias, int relu,
                float *out)
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

    if (run_own(how, &job))
        return;
    blas_gemm_nt(N, H, M, 1.0f, a, b, 0.0f, out);
    if (relu)
        vec_ops()->bias_relu(out, bias, N, H);
    else
        vec_ops()->bias_add(out, bias, N, H);
}

void gemm_product(enum gemm_arithmetic how, enum blas_form form, size_t N,
                  size_t H, size_t M, const float *a, const float *b,
                  float *out)
{
    struct gemm_job job = {.form = form,
                           .N = N,
                           .H = H,
                           .M = M,
                           .alpha = 1.0f,
                           .a = a,
                           .a_stride = form == BLAS_TN ? N : M,
                           .b = b,
                           .b_stride = form == BLAS_NT ? M : H,
                           .out = out,
                           .out_stride = H};

    if (run_own(how, &job))
        return;
    if (form == BLAS_NN)
        blas_gemm_nn(N, H, M, 1.0f, a, b, 0.0f, out);
    else if (form == BLAS_NT)
        blas_gemm_nt(N, H, M, 1.0f, a, b, 0.0f, out);
    else
        blas_gemm_tn(N, H, M, 1.0f, a, b, 0.0f, out);
}

void gemm_strided(enum gemm_arithmetic how, enum blas_form form, size_t N,
                  size_t H, size_t M, float alpha, const float *a,
                  size_t a_stride, const float *b, size_t b_stride, float beta,
                  float *out, size_t out_stride)
{
    struct gemm_job job = {.form = form,
                           .N = N,
                           .H = H,
                           .M = M,
                           .alpha = alpha,
                           .beta = beta,
                           .a = a,
                           .a_stride = a_stride,
                           .b = b,
                           .b_stride = b_stride,
                           .out = out,
                           .out_stride = out_stride};

    if (!run_own(how, &job))
        blas_gemm_openblas(form, N, H, M, alpha, a, a_stride, b, b_stride, beta,
                           out, out_stride);
}
