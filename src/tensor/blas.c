/* Products by our kernels or OpenBLAS with one thread, and the names of the
 * latter's kernels. */
#include "tensor/blas.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include <cblas.h>

#include "tensor/gemm_job.h"
#include "tensor/vec.h"

/* Kinds of kernels, slowest first. Names as openblas_get_corename() and
 * OPENBLAS_CORETYPE have them; those of AMD before Zen and of Intel before
 * Haswell have at most AVX without fma. */
enum kernel_kind { KERNEL_OLD, KERNEL_AVX2, KERNEL_AVX512, KERNEL_UNKNOWN };

static enum kernel_kind kind_of(const char *name)
{
    static const struct {
        const char *name;
        enum kernel_kind kind;
    } kinds[] = {
        {"Haswell", KERNEL_AVX2},      {"Zen", KERNEL_AVX2},
        {"Excavator", KERNEL_AVX2},    {"SkylakeX", KERNEL_AVX512},
        {"Cooperlake", KERNEL_AVX512}, {"SapphireRapids", KERNEL_AVX512},
        {"Prescott", KERNEL_OLD},      {"Core2", KERNEL_OLD},
        {"Penryn", KERNEL_OLD},        {"Dunnington", KERNEL_OLD},
        {"Nehalem", KERNEL_OLD},       {"Sandybridge", KERNEL_OLD},
        {"Atom", KERNEL_OLD},          {"Katmai", KERNEL_OLD},
        {"Coppermine", KERNEL_OLD},    {"Northwood", KERNEL_OLD},
        {"Banias", KERNEL_OLD},        {"Athlon", KERNEL_OLD},
        {"Opteron", KERNEL_OLD},       {"Opteron_SSE3", KERNEL_OLD},
        {"Barcelona", KERNEL_OLD},     {"Bobcat", KERNEL_OLD},
        {"Bulldozer", KERNEL_OLD},     {"Piledriver", KERNEL_OLD},
        {"Steamroller", KERNEL_OLD},   {"Nano", KERNEL_OLD},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(kinds[i].name, name))
            return kinds[i].kind;
    return KERNEL_UNKNOWN;
}

void blas_init(void)
{
    openblas_set_num_threads(1);
}

const char *blas_kernel_name(void)
{
    return openblas_get_corename();
}

const char *blas_best_kernel(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return "SkylakeX"; // Cooperlake has the same for float
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return __builtin_cpu_is("amd") ? "Zen" : "Haswell";
#endif
    return "";
}

int blas_kernel_is_low(void)
{
    const char *best = blas_best_kernel();

    return best[0] && kind_of(blas_kernel_name()) < kind_of(best);
}

/* BLAS counts in int. */
static int blas_int(size_t n)
{
    assert(n <= INT_MAX);
    return (int)n;
}

/* out[N] with the given stride *= beta; 0 overwrites. */
static void scale_rows(float *out, size_t N, size_t H, size_t stride,
                       float beta)
{
    const struct vec_ops *v = vec_ops();

    for (size_t n = 0; n < N; n++, out += stride)
        if (beta == 0.0f)
            v->fill(out, 0, H);
        else if (beta != 1.0f)
            v->scale(out, beta, H);
}

void blas_gemm_openblas(enum blas_form form, size_t N, size_t H, size_t M,
                        float alpha, const float *a, size_t a_stride,
                        const float *b, size_t b_stride, float beta, float *out,
                        size_t out_stride)
{
    if (N == 0 || H == 0)
        return;
    if (M == 0) {
        scale_rows(out, N, H, out_stride, beta);
        return;
    }
    cblas_sgemm(CblasRowMajor, form == BLAS_TN ? CblasTrans : CblasNoTrans,
                form == BLAS_NT ? CblasTrans : CblasNoTrans, blas_int(N),
                blas_int(H), blas_int(M), alpha, a, blas_int(a_stride), b,
                blas_int(b_stride), beta, out, blas_int(out_stride));
}

void blas_gemm_strided(enum blas_form form, size_t N, size_t H, size_t M,
                       float alpha, const float *a, size_t a_stride,
                       const float *b, size_t b_stride, float beta, float *out,
                       size_t out_stride)
{
#if defined(__x86_64__)
    if (gemm_takes(form, N, H, M)) {
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

        gemm_avx512(&job);
        return;
    }
#endif
    blas_gemm_openblas(form, N, H, M, alpha, a, a_stride, b, b_stride, beta,
                       out, out_stride);
}

/* A product with one row or one column goes to gemv here rather than in
 * OpenBLAS, where newer versions would take kernels that look at alignment. */
void blas_gemm_nn(size_t N, size_t H, size_t M, float alpha, const float *a,
                  const float *b, float beta, float *out)
{
    if (H == 1)
        blas_gemv_n(N, M, alpha, a, b, beta, out);
    else if (N == 1 && !gemm_takes(BLAS_NN, N, H, M))
        blas_gemv_t(M, H, alpha, b, a, beta, out);
    else
        blas_gemm_strided(BLAS_NN, N, H, M, alpha, a, M, b, H, beta, out, H);
}

void blas_gemm_nt(size_t N, size_t H, size_t M, float alpha, const float *a,
                  const float *b, float beta, float *out)
{
    if (H == 1)
        blas_gemv_n(N, M, alpha, a, b, beta, out);
    else if (N == 1 && !gemm_takes(BLAS_NT, N, H, M))
        blas_gemv_n(H, M, alpha, b, a, beta, out);
    else
        blas_gemm_strided(BLAS_NT, N, H, M, alpha, a, M, b, M, beta, out, H);
}

void blas_gemm_tn(size_t N, size_t H, size_t M, float alpha, const float *a,
                  const float *b, float beta, float *out)
{
    if (H == 1)
        blas_gemv_t(M, N, alpha, a, b, beta, out);
    else if (N == 1)
        blas_gemv_t(M, H, alpha, b, a, beta, out);
    else
        blas_gemm_strided(BLAS_TN, N, H, M, alpha, a, N, b, H, beta, out, H);
}

void blas_gemv_n(size_t N, size_t M, float alpha, const float *a,
                 const float *x, float beta, float *out)
{
    const struct vec_ops *v = vec_ops();

    for (size_t n = 0; n < N; n++, a += M) {
        float product = alpha * v->dot(a, x, M);

        out[n] = beta == 0.0f ? product : product + beta * out[n];
    }
}

#define GEMV_ROWS 64 /* rows whose alpha x is held at a time */

void blas_gemv_t(size_t N, size_t M, float alpha, const float *a,
                 const float *x, float beta, float *out)
{
    const struct vec_ops *v = vec_ops();
    float weights[GEMV_ROWS];

    scale_rows(out, 1, M, M, beta);
    for (size_t n = 0; n < N; n += GEMV_ROWS) {
        size_t rows = N - n < GEMV_ROWS ? N - n : GEMV_ROWS;

        for (size_t i = 0; i < rows; i++)
            weights[i] = alpha * x[n + i];
        v->weighted_rows(out, weights, a + n * M, rows, M);
    }
}
