/* Products against triple loops in double; the same bits at any alignment; the
 * names of kernels. */
#include "tensor/blas.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"

static float *random_array(size_t n, uint64_t seed)
{
    struct rng g = rng_stream(seed, RNG_TEST, n, 0);
    float *x = mem_alloc(n + 16, sizeof(float));

    REQUIRE(x != NULL);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(&g);
    return x;
}

typedef void gemm_fn(size_t N, size_t H, size_t M, float alpha, const float *a,
                     const float *b, float beta, float *out);

static gemm_fn *const gemms[] = {[BLAS_NN] = blas_gemm_nn,
                                 [BLAS_NT] = blas_gemm_nt,
                                 [BLAS_TN] = blas_gemm_tn};

static double product_at(enum blas_form form, size_t N, size_t H, size_t M,
                         const float *a, const float *b, size_t n, size_t h)
{
    double sum = 0;

    for (size_t m = 0; m < M; m++) {
        double left = form == BLAS_TN ? a[m * N + n] : a[n * M + m];
        double right = form == BLAS_NT ? b[h * M + m] : b[m * H + h];

        sum += left * right;
    }
    return sum;
}

static void check_shape(enum blas_form form, size_t N, size_t H, size_t M,
                        float alpha, float beta)
{
    float *a = random_array(N * M, 1), *b = random_array(M * H, 2);
    float *out = random_array(N * H, 3), *old = random_array(N * H, 3);
    /* Sums of M products of normal numbers, each rounded. */
    double tol = 1e-6 * (4 + sqrt((double)M)) * (1 + fabs(alpha));

    gemms[form](N, H, M, alpha, a, b, beta, out);
    for (size_t n = 0; n < N; n++)
        for (size_t h = 0; h < H; h++)
            CHECK_CLOSE(out[n * H + h],
                        alpha * product_at(form, N, H, M, a, b, n, h) +
                            (double)beta * old[n * H + h],
                        tol);
    mem_free(a);
    mem_free(b);
    mem_free(out);
    mem_free(old);
}

static void products_equal_the_triple_loop(void)
{
    static const size_t sizes[] = {1, 2, 7, 16, 33};

    for (int form = BLAS_NN; form <= BLAS_TN; form++)
        for (size_t i = 0; i < 125; i++) {
            size_t N = sizes[i % 5], H = sizes[i / 5 % 5], M = sizes[i / 25];

            check_shape((enum blas_form)form, N, H, M, 1, 0);
            check_shape((enum blas_form)form, N, H, M, -0.5f, 1);
            check_shape((enum blas_form)form, N, H, M, 2, 0.25f);
        }
}

static void beta_zero_overwrites_nan(void)
{
    static const size_t sizes[] = {1, 5};

    for (int form = BLAS_NN; form <= BLAS_TN; form++)
        for (size_t i = 0; i < 8; i++) {
            size_t N = sizes[i % 2], H = sizes[i / 2 % 2], M = sizes[i / 4];
            float *a = random_array(25, 1), *out = random_array(25, 2);

            for (size_t j = 0; j < 25; j++)
                out[j] = NAN;
            gemms[form](N, H, M, 1, a, a, 0, out);
            for (size_t j = 0; j < N * H; j++)
                CHECK(isfinite(out[j]));
            for (size_t j = N * H; j < 25; j++)
                CHECK(isnan(out[j]));
            mem_free(a);
            mem_free(out);
        }
}

static void empty_sizes_are_fine(void)
{
    float a[4] = {1, 2, 3, 4}, out[4] = {5, 6, 7, 8};

    for (int form = BLAS_NN; form <= BLAS_TN; form++) {
        gemms[form](0, 2, 2, 1, a, a, 0, out);
        gemms[form](2, 0, 2, 1, a, a, 0, out);
        CHECK(out[0] == 5 && out[3] == 8);
        gemms[form](2, 2, 0, 1, a, a, 1, out);
        CHECK(out[0] == 5 && out[3] == 8);
    }
    blas_gemm_nn(2, 2, 0, 1, a, a, 0.5f, out);
    CHECK(out[0] == 2.5f && out[3] == 4);
    blas_gemm_nt(1, 2, 0, 1, a, a, 0, out);
    CHECK(out[0] == 0 && out[1] == 0 && out[2] == 3.5f);
}

static void bits_do_not_depend_on_alignment(void)
{
    static const size_t shapes[][3] = {{1, 9, 40},   {40, 1, 33},
                                       {64, 32, 64}, {65, 31, 17},
                                       {512, 8, 12}, {3, 100, 70}};

    for (int form = BLAS_NN; form <= BLAS_TN; form++)
        for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
            size_t N = shapes[s][0], H = shapes[s][1], M = shapes[s][2];
            float *a = random_array(N * M, 4), *b = random_array(M * H, 5);
            float *want = random_array(N * H, 6), *out = random_array(N * H, 6);

            gemms[form](N, H, M, 1, a, b, 0, want);
            for (size_t shift = 1; shift < 16; shift += 3) {
                memmove(a + shift, a + (shift > 1 ? shift - 3 : 0),
                        N * M * sizeof(float));
                memmove(b + shift, b + (shift > 1 ? shift - 3 : 0),
                        M * H * sizeof(float));
                gemms[form](N, H, M, 1, a + shift, b + shift, 0, out + shift);
                CHECK(!memcmp(want, out + shift, N * H * sizeof(float)));
            }
            mem_free(a);
            mem_free(b);
            mem_free(want);
            mem_free(out);
        }
}

static void parts_of_wider_arrays_multiply(void)
{
    float a[6] = {1, 2, 9, 3, 4, 9};       // [2,2] of [2,3]
    float b[8] = {5, 6, 9, 9, 7, 8, 9, 9}; // [2,2] of [2,4]
    float out[6] = {0, 0, 1, 0, 0, 1};

    blas_gemm_strided(BLAS_NN, 2, 2, 2, 1, a, 3, b, 4, 0, out, 3);
    CHECK(out[0] == 19 && out[1] == 22 && out[2] == 1);
    CHECK(out[3] == 43 && out[4] == 50 && out[5] == 1);
    blas_gemm_strided(BLAS_NN, 2, 2, 0, 1, a, 3, b, 4, 0, out, 3);
    CHECK(out[0] == 0 && out[2] == 1 && out[4] == 0 && out[5] == 1);
}

static void gemv_follows_its_formula(void)
{
    for (size_t N = 0; N < 140; N += 23)
        for (size_t M = 0; M < 70; M += 11) {
            float *a = random_array(N * M, 7), *x = random_array(N + M, 8);
            float *y = random_array(N + M, 9), *old = random_array(N + M, 9);

            blas_gemv_n(N, M, 0.5f, a, x, 2, y);
            for (size_t n = 0; n < N; n++) {
                double want = 2.0 * old[n];

                for (size_t m = 0; m < M; m++)
                    want += 0.5 * a[n * M + m] * x[m];
                CHECK_CLOSE(y[n], want, 1e-5);
            }
            memcpy(y, old, (N + M) * sizeof(float));
            blas_gemv_t(N, M, 0.5f, a, x, 2, y);
            for (size_t m = 0; m < M; m++) {
                double want = 2.0 * old[m];

                for (size_t n = 0; n < N; n++)
                    want += 0.5 * a[n * M + m] * x[n];
                CHECK_CLOSE(y[m], want, 1e-5);
            }
            mem_free(a);
            mem_free(x);
            mem_free(y);
            mem_free(old);
        }
}

static void kernels_have_names(void)
{
    CHECK(blas_kernel_name()[0] != '\0');
    CHECK(blas_best_kernel() != NULL);
    if (!strcmp(blas_kernel_name(), blas_best_kernel()))
        CHECK(!blas_kernel_is_low());
    if (!strcmp(blas_kernel_name(), "Prescott") &&
        !strcmp(blas_best_kernel(), "SkylakeX"))
        CHECK(blas_kernel_is_low());
}

int main(void)
{
    static const struct test_case cases[] = {
        {"products equal the triple loop", products_equal_the_triple_loop},
        {"beta 0 overwrites NaN", beta_zero_overwrites_nan},
        {"empty sizes are fine", empty_sizes_are_fine},
        {"bits do not depend on alignment", bits_do_not_depend_on_alignment},
        {"parts of wider arrays multiply", parts_of_wider_arrays_multiply},
        {"gemv follows its formula", gemv_follows_its_formula},
        {"kernels have names, and a low one is noticed", kernels_have_names},
    };

    blas_init();
    return TEST_RUN("tensor.blas", cases);
}
