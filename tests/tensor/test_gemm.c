/* Our kernels against sums in double within the bound of gemm.h, in every form,
 * at every edge of a tile; the same bits at any alignment; what follows a
 * product in the same pass. */
#include "tensor/gemm.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"
#include "tensor/vec.h"

static float *random_array(size_t n, uint64_t seed)
{
    struct rng g = rng_stream(seed, RNG_TEST, n, 0);
    float *x = mem_alloc(n + 16, sizeof(float));

    REQUIRE(x != NULL);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(&g);
    return x;
}

struct product {
    enum blas_form form;
    size_t N, H, M;
    size_t a_stride, b_stride, out_stride;
    float *a, *b, *out, *old;
};

static struct product product_make(enum blas_form form, size_t N, size_t H,
                                   size_t M, size_t wider)
{
    struct product p = {.form = form, .N = N, .H = H, .M = M};
    size_t a_rows = form == BLAS_TN ? M : N, b_rows = form == BLAS_NT ? H : M;

    p.a_stride = (form == BLAS_TN ? N : M) + wider;
    p.b_stride = (form == BLAS_NT ? M : H) + wider;
    p.out_stride = H + wider;
    p.a = random_array(a_rows * p.a_stride, 1);
    p.b = random_array(b_rows * p.b_stride, 2);
    p.out = random_array(N * p.out_stride, 3);
    p.old = random_array(N * p.out_stride, 3);
    return p;
}

static void product_clear(struct product *p)
{
    mem_free(p->a);
    mem_free(p->b);
    mem_free(p->out);
    mem_free(p->old);
}

/* sum |a| |b| comes with the sum: rounding is bounded by it. */
static double product_at(const struct product *p, size_t n, size_t h,
                         double *size)
{
    double sum = 0;

    *size = 0;
    for (size_t m = 0; m < p->M; m++) {
        double left = p->form == BLAS_TN ? p->a[m * p->a_stride + n]
                                         : p->a[n * p->a_stride + m];
        double right = p->form == BLAS_NT ? p->b[h * p->b_stride + m]
                                          : p->b[m * p->b_stride + h];

        sum += left * right;
        *size += fabs(left * right);
    }
    return sum;
}

static void check_product(enum blas_form form, size_t N, size_t H, size_t M,
                          float alpha, float beta, size_t wider)
{
    struct product p = product_make(form, N, H, M, wider);
    double unit = ((double)M + 4) * 0x1p-24;

    blas_gemm_strided(form, N, H, M, alpha, p.a, p.a_stride, p.b, p.b_stride,
                      beta, p.out, p.out_stride);
    for (size_t n = 0; n < N; n++)
        for (size_t h = 0; h < p.out_stride; h++) {
            double old = p.old[n * p.out_stride + h], size = 0, want = old;

            if (h < H)
                want = alpha * product_at(&p, n, h, &size) + beta * old;
            if (h < H)
                size = fabs(alpha) * size + fabs(beta * old);
            CHECK_CLOSE(p.out[n * p.out_stride + h], want, unit * size);
        }
    product_clear(&p);
}

static void every_edge_of_a_tile_is_right(void)
{
    for (int form = BLAS_NN; form <= BLAS_TN; form++)
        for (size_t i = 0; i < 19; i++) {
            enum blas_form f = (enum blas_form)form;

            check_product(f, 16 + i, 100, 24, 1, 0, 0);
            check_product(f, 29, 33 + i, 15 + i, 1, 0, 0);
            check_product(f, 40 + i, 8 + i, 4 + i, 1, 0, 0);
            check_product(f, 130 + i, 96 + 7 * i, 9, 1, 0, 0);
        }
}

static void long_sums_go_in_pieces(void)
{
    static const size_t lengths[] = {255, 256, 257, 513, 1023};

    for (int form = BLAS_NN; form <= BLAS_TN; form++)
        for (size_t i = 0; i < 5; i++) {
            check_product((enum blas_form)form, 21, 37, lengths[i], 1, 0, 0);
            check_product((enum blas_form)form, 17, 51, lengths[i], -2, 0.5f,
                          3);
        }
    check_product(BLAS_NN, 1030, 17, 20, 1, 0, 0); // more rows than a block
    check_product(BLAS_NT, 2049, 8, 5, 1, 1, 0);
}

static void parts_of_wider_arrays_multiply(void)
{
    for (int form = BLAS_NN; form <= BLAS_TN; form++)
        for (size_t wider = 1; wider < 30; wider += 9)
            for (size_t H = 16; H < 25; H++)
                check_product((enum blas_form)form, 19, H, 33, 0.5f,
                              wider % 2 ? 1.0f : -0.25f, wider);
}

static void beta_zero_overwrites_nan(void)
{
    for (int form = BLAS_NN; form <= BLAS_TN; form++) {
        struct product p = product_make((enum blas_form)form, 20, 37, 300, 2);

        for (size_t i = 0; i < 20 * p.out_stride; i++)
            p.out[i] = NAN;
        blas_gemm_strided(p.form, 20, 37, 300, 1, p.a, p.a_stride, p.b,
                          p.b_stride, 0, p.out, p.out_stride);
        for (size_t i = 0; i < 20 * p.out_stride; i++)
            CHECK(!isnan(p.out[i]) == (i % p.out_stride < 37));
        product_clear(&p);
    }
}

static void nan_reaches_its_row_and_no_other(void)
{
    for (int form = BLAS_NN; form <= BLAS_TN; form++)
        for (size_t H = 36; H < 46; H += 3) {
            struct product p = product_make((enum blas_form)form, 20, H, 31, 0);

            p.a[form == BLAS_TN ? 30 * p.a_stride + 7 : 7 * p.a_stride + 30] =
                NAN;
            blas_gemm_strided(p.form, 20, H, 31, 1, p.a, p.a_stride, p.b,
                              p.b_stride, 0, p.out, p.out_stride);
            for (size_t i = 0; i < 20 * H; i++)
                CHECK(!isnan(p.out[i]) == (i / H != 7));
            product_clear(&p);
        }
}

/* The same numbers, shift floats further on. */
static void check_shifted(struct product *p, size_t shift)
{
    size_t a_size = (p->form == BLAS_TN ? p->M : p->N) * p->a_stride;
    size_t b_size = (p->form == BLAS_NT ? p->H : p->M) * p->b_stride;
    float *a = random_array(a_size + 16, 5), *b = random_array(b_size + 16, 5);
    float *out = random_array(p->N * p->H + 16, 5);

    memcpy(a + shift, p->a, a_size * sizeof(*a));
    memcpy(b + shift, p->b, b_size * sizeof(*b));
    blas_gemm_strided(p->form, p->N, p->H, p->M, 1, a + shift, p->a_stride,
                      b + shift, p->b_stride, 0, out + shift, p->out_stride);
    CHECK(!memcmp(p->out, out + shift, p->N * p->H * sizeof(*out)));
    mem_free(a);
    mem_free(b);
    mem_free(out);
}

static void bits_do_not_depend_on_alignment(void)
{
    static const size_t shapes[][3] = {
        {512, 100, 100}, {64, 100, 100}, {64, 13, 512}, {40, 64, 13},
        {16, 24, 64},    {100, 50, 300}, {131, 36, 7}};

    for (int form = BLAS_NN; form <= BLAS_TN; form++)
        for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
            struct product p = product_make((enum blas_form)form, shapes[s][0],
                                            shapes[s][1], shapes[s][2], 0);

            blas_gemm_strided(p.form, p.N, p.H, p.M, 1, p.a, p.a_stride, p.b,
                              p.b_stride, 0, p.out, p.out_stride);
            for (size_t shift = 1; shift < 16; shift += 3)
                check_shifted(&p, shift);
            product_clear(&p);
        }
}

static void a_row_does_not_depend_on_its_neighbours(void)
{
    if (!gemm_takes(BLAS_NT, 1, 36, 300))
        return; // OpenBLAS promises nothing
    for (int form = BLAS_NN; form <= BLAS_NT; form++)
        for (size_t N = 1; N < 40; N += 3) {
            struct product p =
                product_make((enum blas_form)form, 40, 36, 300, 0);

            gemm_product(GEMM_F32, p.form, 40, 36, 300, p.a, p.b, p.old);
            gemm_product(GEMM_F32, p.form, N, 36, 300, p.a, p.b, p.out);
            CHECK(!memcmp(p.old, p.out, N * 36 * sizeof(*p.out)));
            product_clear(&p);
        }
}

/* Fewer than two rows or columns, tiny, ours, wider than ours. */
static const size_t dense_shapes[][3] = {
    {1, 5, 3},    {9, 1, 40},    {3, 4, 5},   {512, 100, 100},
    {65, 13, 64}, {20, 31, 700}, {8, 1030, 9}};

static void a_dense_layer_is_product_bias_and_max(void)
{
    const struct vec_ops *v = vec_ops();

    for (size_t s = 0; s < sizeof(dense_shapes) / sizeof(dense_shapes[0]);
         s++) {
        size_t N = dense_shapes[s][0], H = dense_shapes[s][1],
               M = dense_shapes[s][2];
        float *a = random_array(N * M, 1), *b = random_array(H * M, 2);
        float *bias = random_array(H, 3), *want = random_array(N * H, 4);
        float *out = random_array(N * H, 5);

        blas_gemm_nt(N, H, M, 1, a, b, 0, want);
        v->bias_add(want, bias, N, H);
        gemm_dense(GEMM_F32, N, H, M, a, b, bias, 0, out);
        CHECK(!memcmp(want, out, N * H * sizeof(*out)));
        v->relu(want, want, N * H);
        gemm_dense(GEMM_F32, N, H, M, a, b, bias, 1, out);
        CHECK(!memcmp(want, out, N * H * sizeof(*out)));
        a[0] = NAN;
        gemm_dense(GEMM_F32, N, H, M, a, b, bias, 1, out);
        CHECK(isnan(out[0]) && isnan(out[H - 1]));
        CHECK(N == 1 || !isnan(out[H]));
        mem_free(a);
        mem_free(b);
        mem_free(bias);
        mem_free(want);
        mem_free(out);
    }
}

static void the_choice_follows_shape_and_cpu(void)
{
    enum cpu_level can = cpu_level();

    CHECK(gemm_takes(BLAS_NT, 512, 100, 100) == (can == CPU_AVX512));
    CHECK(!gemm_takes(BLAS_NT, 0, 100, 100));
    CHECK(!gemm_takes(BLAS_NN, 512, 1, 100));
    CHECK(gemm_takes(BLAS_NN, 1, 8, 4) == gemm_takes(BLAS_NN, 9999, 8, 4));
    CHECK(!gemm_takes(BLAS_NN, 4096, 1024, 1024));
    CHECK(!gemm_takes(BLAS_TN, 1024, 100, 512));
    CHECK(gemm_name()[0] != '\0');
    cpu_limit_level(CPU_AVX2);
    CHECK(!gemm_takes(BLAS_NT, 512, 100, 100));
    CHECK(!strcmp(gemm_name(), "OpenBLAS"));
    check_product(BLAS_NT, 64, 100, 100, 1, 0, 0);
    cpu_limit_level(can);
}

/* Rounding to nearest moves a factor by 2^-9 of itself at most. */
static float rounded(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static void check_bf16(enum blas_form form, size_t N, size_t H, size_t M)
{
    struct product p = product_make(form, N, H, M, 0);
    size_t a_size = N * M, b_size = H * M;
    double unit = ((double)M + 4) * 0x1p-24;

    gemm_product(GEMM_BF16, form, N, H, M, p.a, p.b, p.out);
    for (size_t i = 0; i < a_size; i++)
        p.a[i] = rounded(p.a[i]);
    for (size_t i = 0; i < b_size; i++)
        p.b[i] = rounded(p.b[i]);
    for (size_t n = 0; n < N; n++)
        for (size_t h = 0; h < H; h++) {
            double size, want = product_at(&p, n, h, &size);

            CHECK_CLOSE(p.out[n * H + h], want, unit * size);
        }
    product_clear(&p);
}

static void bf16_rounds_factors_and_nothing_else(void)
{
    if (gemm_ask(GEMM_BF16, NULL) != FUSOR_OK)
        return; // no AMX here
    for (int form = BLAS_NN; form <= BLAS_TN; form++) {
        enum blas_form f = (enum blas_form)form;

        check_bf16(f, 64, 64, 64);
        check_bf16(f, 81, 83, 77);
        check_bf16(f, 33, 47, 300);
        check_bf16(f, 530, 50, 34);
        check_bf16(f, 48, 100, 513);
        check_bf16(f, 96, 48, 96);
    }
}

static void a_bf16_layer_adds_bias_and_relu_after_all_pieces(void)
{
    const struct vec_ops *v = vec_ops();
    size_t N = 50, H = 41, M = 600;
    float *a = random_array(N * M, 1), *b = random_array(H * M, 2);
    float *bias = random_array(H, 3), *want = random_array(N * H, 4);
    float *out = random_array(N * H, 5);

    if (gemm_ask(GEMM_BF16, NULL) == FUSOR_OK) {
        gemm_product(GEMM_BF16, BLAS_NT, N, H, M, a, b, want);
        v->bias_add(want, bias, N, H);
        gemm_dense(GEMM_BF16, N, H, M, a, b, bias, 0, out);
        CHECK(!memcmp(want, out, N * H * sizeof(*out)));
        v->relu(want, want, N * H);
        gemm_dense(GEMM_BF16, N, H, M, a, b, bias, 1, out);
        CHECK(!memcmp(want, out, N * H * sizeof(*out)));
    }
    mem_free(a);
    mem_free(b);
    mem_free(bias);
    mem_free(want);
    mem_free(out);
}

static void small_products_are_never_rounded(void)
{
    float a[12] = {0x1.000002p0f, 1, 1, 1}, b[12] = {1}, out[4] = {0};

    gemm_product(GEMM_BF16, BLAS_NN, 2, 2, 2, a, b, out);
    CHECK(out[0] == 0x1.000002p0f);
    gemm_product(GEMM_BF16, BLAS_NT, 2, 2, 2, a, b, out);
    CHECK(out[0] == 0x1.000002p0f);
    gemm_product(GEMM_BF16, BLAS_TN, 2, 2, 2, a, b, out);
    CHECK(out[0] == 0x1.000002p0f);
}

static void a_cpu_without_tiles_is_told(void)
{
    enum cpu_level can = cpu_level();
    struct fusor_error err;

    CHECK(gemm_ask(GEMM_F32, &err) == FUSOR_OK);
    cpu_limit_level(CPU_AVX2);
    CHECK(gemm_ask(GEMM_BF16, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "AMX") != NULL);
    cpu_limit_level(can);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every edge of a tile is right", every_edge_of_a_tile_is_right},
        {"long sums go in pieces", long_sums_go_in_pieces},
        {"parts of wider arrays multiply", parts_of_wider_arrays_multiply},
        {"beta 0 overwrites NaN", beta_zero_overwrites_nan},
        {"NaN reaches its row and no other", nan_reaches_its_row_and_no_other},
        {"bits do not depend on alignment", bits_do_not_depend_on_alignment},
        {"a row does not depend on its neighbours",
         a_row_does_not_depend_on_its_neighbours},
        {"a dense layer is product, bias and max",
         a_dense_layer_is_product_bias_and_max},
        {"bf16 rounds factors and nothing else",
         bf16_rounds_factors_and_nothing_else},
        {"a bf16 layer adds bias and relu after all pieces",
         a_bf16_layer_adds_bias_and_relu_after_all_pieces},
        {"small products are never rounded", small_products_are_never_rounded},
        {"a CPU without tiles is told", a_cpu_without_tiles_is_told},
        {"the choice follows shape and CPU", the_choice_follows_shape_and_cpu},
    };

    blas_init();
    return TEST_RUN("tensor.gemm", cases);
}
