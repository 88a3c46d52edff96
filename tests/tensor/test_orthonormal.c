/* Bases of what columns span. */
#include "tensor/orthonormal.h"

#include "harness.h"

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/blas.h"

#define N 1300 /* three panels */
#define D 17

static float a[N * D], before[N * D];
static struct fusor_error err;

static void fill(void)
{
    struct rng r = rng_stream(5, RNG_TEST, 1, 0);

    for (size_t i = 0; i < N * D; i++)
        before[i] = a[i] = (float)rng_normal(&r) * (float)(1 + i % D);
}

static double product(const float *x, const float *y)
{
    double sum = 0;

    for (size_t i = 0; i < N; i++)
        sum += (double)x[i * D] * (double)y[i * D];
    return sum;
}

static void columns_become_orthonormal(void)
{
    fill();
    REQUIRE(orthonormal_columns(a, N, D, &err) == FUSOR_OK);
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j <= i; j++)
            CHECK_CLOSE(product(a + i, a + j), i == j, 1e-5);
}

/* A column of before is the sum of its shadows on the basis. */
static void what_they_span_stays(void)
{
    fill();
    REQUIRE(orthonormal_columns(a, N, D, &err) == FUSOR_OK);
    for (size_t c = 0; c < D; c++) {
        double squares = product(before + c, before + c), sum = 0;

        for (size_t i = 0; i < D; i++)
            sum += pow(product(before + c, a + i), 2);
        CHECK_CLOSE(sum, squares, 1e-5);
    }
}

static void columns_that_depend_are_refused(void)
{
    fill();
    for (size_t i = 0; i < N; i++)
        a[i * D + 3] = 0;
    CHECK(orthonormal_columns(a, N, D, &err) == FUSOR_EDATA);
    CHECK(orthonormal_columns(a, N, 0, &err) == FUSOR_OK);
    for (long n = 1; n <= 2; n++) {
        mem_fail_after(n);
        CHECK(orthonormal_columns(a, N, D, &err) == FUSOR_ENOMEM);
    }
    mem_fail_after(0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"columns become orthonormal", columns_become_orthonormal},
        {"what they span stays", what_they_span_stays},
        {"columns that depend on each other are refused",
         columns_that_depend_are_refused},
    };
    blas_init();
    return TEST_RUN("tensor.orthonormal", cases);
}
