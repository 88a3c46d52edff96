/* Solving with a positive definite matrix, across the sizes of a block. */
#include "tensor/cholesky.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"
#include "tensor/blas.h"

/* a = X^T X + I for a random X[n,n]: condition below about 4 n. */
static double *positive_definite(size_t n)
{
    struct rng g = rng_stream(n, RNG_TEST, 2, 0);
    double *x = mem_alloc(n * n, sizeof(double));
    double *a = mem_alloc(n * n, sizeof(double));

    REQUIRE(x && a);
    for (size_t i = 0; i < n * n; i++)
        x[i] = rng_normal(&g);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = i == j;

            for (size_t k = 0; k < n; k++)
                sum += x[k * n + i] * x[k * n + j];
            a[i * n + j] = sum;
        }
    mem_free(x);
    return a;
}

static void check_size(size_t n, size_t k)
{
    double *a = positive_definite(n), *l = mem_alloc(n * n, sizeof(double));
    double *b = mem_alloc(n * k, sizeof(double));
    struct rng g = rng_stream(n, RNG_TEST, 3, 0);

    REQUIRE(l && b);
    memcpy(l, a, n * n * sizeof(double));
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            l[i * n + j] = -77; // above the diagonal: not looked at
    for (size_t i = 0; i < n * k; i++)
        b[i] = rng_normal(&g);
    CHECK(cholesky_factor(l, n, NULL) == FUSOR_OK);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            CHECK(l[i * n + j] == -77);
    cholesky_solve(l, n, b, k);
    g = rng_stream(n, RNG_TEST, 3, 0);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++) {
            double want = rng_normal(&g), sum = 0;

            for (size_t m = 0; m < n; m++)
                sum += a[i * n + m] * b[m * k + j];
            CHECK_CLOSE(sum, want, 1e-10); // n * condition * 2^-52
        }
    mem_free(a);
    mem_free(l);
    mem_free(b);
}

static void solutions_satisfy_the_equations(void)
{
    static const size_t sizes[] = {1, 2, 3, 17, 63, 64, 65, 130};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_size(sizes[i], 1);
        check_size(sizes[i], 5);
    }
}

static void nothing_is_solved_at_once(void)
{
    CHECK(cholesky_factor(NULL, 0, NULL) == FUSOR_OK);
    cholesky_solve(NULL, 0, NULL, 3);
}

static void an_indefinite_matrix_is_refused(void)
{
    double a[4] = {1, 0, 2, 1}, nan[1] = {NAN}, zero[1] = {0};
    struct fusor_error err = {0};

    CHECK(cholesky_factor(a, 2, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "pivot 1 of 2 is -3") != NULL);
    CHECK(cholesky_factor(nan, 1, &err) == FUSOR_EDATA);
    CHECK(cholesky_factor(zero, 1, &err) == FUSOR_EDATA);
}

static void a_dependent_column_past_a_block_is_found(void)
{
    struct fusor_error err = {0};
    size_t n = 70;
    double *a = positive_definite(n);

    for (size_t j = 0; j < n; j++) // row and column 68 become 0
        a[68 * n + j] = a[j * n + 68] = 0;
    CHECK(cholesky_factor(a, n, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "pivot 68 of 70") != NULL);
    mem_free(a);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"solutions satisfy the equations", solutions_satisfy_the_equations},
        {"nothing is solved at once", nothing_is_solved_at_once},
        {"an indefinite matrix is refused", an_indefinite_matrix_is_refused},
        {"a dependent column past the first block is found",
         a_dependent_column_past_a_block_is_found},
    };

    blas_init();
    return TEST_RUN("tensor.cholesky", cases);
}
