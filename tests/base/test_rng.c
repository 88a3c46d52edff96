/* Random numbers: named streams, their shapes, the permutation. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#include "harness.h"

/* From the formula in rng.h, computed in Python with big integers. */
static void streams_never_change(void)
{
    struct rng r = rng_stream(42, RNG_TEST, 3, 4);

    CHECK(rng_u64(&r) == 0xa8dcefd4aec0ac82u);
    CHECK(rng_u64(&r) == 0xa0024aae45ddfeecu);
    CHECK(rng_u64(&r) == 0xc5cd09ffcb3dcd6au);
}

static void names_give_different_streams(void)
{
    struct rng r[5] = {
        rng_stream(1, RNG_TEST, 0, 0), rng_stream(2, RNG_TEST, 0, 0),
        rng_stream(1, RNG_INIT, 0, 0), rng_stream(1, RNG_TEST, 1, 0),
        rng_stream(1, RNG_TEST, 0, 1),
    };
    uint64_t first[5];

    for (int i = 0; i < 5; i++)
        first[i] = rng_u64(&r[i]);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++)
            CHECK(first[i] != first[k]);
}

/* n uniform draws: mean 1/2, deviation sqrt(1/12 / n); 6 deviations. */
static void uniform_is_uniform(void)
{
    struct rng r = rng_stream(1, RNG_TEST, 0, 0);
    double sum = 0, sum_float = 0, n = 100000, tol = 6 * sqrt(1.0 / 12 / n);
    int outside = 0;

    for (int i = 0; i < 100000; i++) {
        double x = rng_double(&r);
        float y = rng_float(&r);

        outside += !(x >= 0 && x < 1) + !(y >= 0 && y < 1);
        sum += x;
        sum_float += (double)y;
    }
    CHECK(outside == 0);
    CHECK(fabs(sum / n - 0.5) < tol);
    CHECK(fabs(sum_float / n - 0.5) < tol);
}

/* 60000 throws of a die: 10000 each, deviation 91; 6 deviations. */
static void below_is_fair(void)
{
    struct rng r = rng_stream(2, RNG_TEST, 0, 0);
    int count[6] = {0};

    for (int i = 0; i < 60000; i++) {
        uint64_t x = rng_below(&r, 6);

        REQUIRE(x < 6);
        count[x]++;
    }
    for (int i = 0; i < 6; i++)
        CHECK(abs(count[i] - 10000) < 6 * 91);
    CHECK(rng_below(&r, 1) == 0);
}

/* Mean 0 with deviation 1/sqrt(n), variance 1 with sqrt(2/n); 6 deviations. */
static void normal_is_normal(void)
{
    struct rng r = rng_stream(3, RNG_TEST, 0, 0);
    double sum = 0, squares = 0, n = 100000;

    for (int i = 0; i < 100000; i++) {
        double x = rng_normal(&r);

        sum += x;
        squares += x * x;
    }
    CHECK(fabs(sum / n) < 6 / sqrt(n));
    CHECK(fabs(squares / n - 1) < 6 * sqrt(2 / n));
}

static void every_value_once(void)
{
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 1000, 4097};
    static unsigned char seen[4097];

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct rng_permutation p =
            rng_permutation_make(sizes[s], rng_stream(9, RNG_SHUFFLE, s, 0));
        uint64_t wrong = 0;

        memset(seen, 0, sizeof(seen));
        for (uint64_t i = 0; i < sizes[s]; i++) {
            uint64_t x = rng_permute(&p, i);

            REQUIRE(x < sizes[s]);
            wrong += seen[x]++;
        }
        CHECK(wrong == 0);
    }
}

/* A random permutation of n has about one fixed point; more than 12 has a
 * chance below 1e-9 (Poisson 1). */
static void order_is_shuffled(void)
{
    struct rng_permutation a, b;
    int same = 0, fixed = 0;

    a = rng_permutation_make(1000, rng_stream(1, RNG_SHUFFLE, 0, 0));
    b = rng_permutation_make(1000, rng_stream(1, RNG_SHUFFLE, 1, 0));
    for (uint64_t i = 0; i < 1000; i++) {
        fixed += rng_permute(&a, i) == i;
        same += rng_permute(&a, i) == rng_permute(&b, i);
    }
    CHECK(fixed <= 12 && same <= 12);
}

static void huge_permutation_ends(void)
{
    struct rng_permutation p =
        rng_permutation_make(UINT64_MAX, rng_stream(1, RNG_SHUFFLE, 0, 0));

    CHECK(rng_permute(&p, 0) != rng_permute(&p, 1));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a stream is the same for ever", streams_never_change},
        {"each part of the name gives another stream",
         names_give_different_streams},
        {"uniform numbers are uniform", uniform_is_uniform},
        {"a die is fair", below_is_fair},
        {"normal numbers have mean 0 and variance 1", normal_is_normal},
        {"a permutation gives every value once", every_value_once},
        {"two epochs are shuffled differently", order_is_shuffled},
        {"a permutation of 2^64 - 1 works", huge_permutation_ends},
    };

    return TEST_RUN("base.rng", cases);
}
