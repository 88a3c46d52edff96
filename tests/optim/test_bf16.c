/* Tests of bfloat16: both roundings against their definition, on every CPU. */
#include "optim/bf16.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"

#include "harness.h"

#define N 4099 /* no multiple of a register */

static float as_float(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

static void fill(float *x, uint64_t seed)
{
    struct rng r = rng_stream(seed, RNG_TEST, 0, 0);

    for (int i = 0; i < N; i++)
        x[i] = as_float((uint32_t)rng_u64(&r)); // NaN and infinities too
    x[0] = INFINITY;
    x[1] = -INFINITY;
    x[2] = as_float(0x7f800001u); // a NaN that is all low bits
    x[3] = -0.0f;
}

static void every_cpu_gives_the_same_bits(void)
{
    static float x[N], wide[2][N];
    static uint16_t a[2][N], b[2][N];
    enum cpu_level best = cpu_level();

    fill(x, 1);
    for (int level = CPU_PLAIN; level <= (int)best; level++) {
        const struct bf16_ops *ops;
        int to = level != CPU_PLAIN;

        cpu_limit_level((enum cpu_level)level);
        ops = bf16_ops();
        ops->round(x, a[to], N, 0x123456789abcdef0u);
        ops->nearest(x, b[to], N);
        ops->widen(b[to], wide[to], N);
        if (!to)
            continue;
        CHECK(memcmp(a[0], a[1], sizeof(a[0])) == 0);
        CHECK(memcmp(b[0], b[1], sizeof(b[0])) == 0);
        CHECK(memcmp(wide[0], wide[1], sizeof(wide[0])) == 0);
    }
    cpu_limit_level(best);
}

static void rounding_gives_a_neighbour(void)
{
    static float x[N], y[N];
    static uint16_t half[N];
    int wrong = 0;

    fill(x, 2);
    bf16_ops()->round(x, half, N, 7);
    bf16_ops()->widen(half, y, N);
    for (int i = 0; i < N; i++) {
        uint32_t bits;
        float low, high;

        memcpy(&bits, &x[i], sizeof(bits));
        low = as_float(bits & 0xffff0000u);
        high = as_float((bits & 0xffff0000u) + 0x10000u);
        if (isnan(x[i]))
            wrong += !isnan(y[i]);
        else if (isinf(x[i]) || x[i] == low)
            wrong += memcmp(&x[i], &y[i], sizeof(float)) != 0;
        else
            wrong += y[i] != low && y[i] != high;
    }
    CHECK(wrong == 0);
}

static void nearest_is_off_by_half_a_bit_at_most(void)
{
    struct rng r = rng_stream(3, RNG_TEST, 0, 0);
    float tie = as_float(0x3f808000u), odd = as_float(0x3f818000u), back;
    uint16_t half;

    for (int i = 0; i < 2000; i++) {
        float x = (float)rng_normal(&r);

        bf16_ops()->nearest(&x, &half, 1);
        bf16_ops()->widen(&half, &back, 1);
        CHECK(fabsf(back - x) <= fabsf(x) * 0x1p-8f);
    }
    bf16_ops()->nearest(&tie, &half, 1);
    CHECK(half == 0x3f80); // to even
    bf16_ops()->nearest(&odd, &half, 1);
    CHECK(half == 0x3f82);
}

/* 1 + 1/1024 lies at 1/8 between 1 and 1 + 1/128. Of n draws the share that
 * goes up has a standard deviation of sqrt(7/64 / n); five of them. */
static void the_mean_of_roundings_is_right(void)
{
    float x[16];
    uint16_t half[16];
    int up = 0, n = 4000;

    for (int j = 0; j < 16; j++)
        x[j] = 1 + 0x1p-10f;
    for (int i = 0; i < n; i++) {
        bf16_ops()->round(x, half, 16, hash_mix((uint64_t)i + 1));
        for (int j = 0; j < 16; j++)
            up += half[j] == 0x3f81;
    }
    CHECK_CLOSE((double)up / (16.0 * n), 0.125,
                5 * sqrt(7.0 / 64 / (16.0 * n)));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every CPU gives the same bits", every_cpu_gives_the_same_bits},
        {"rounding gives one of the two neighbours",
         rounding_gives_a_neighbour},
        {"nearest is off by half a bit at most, ties to even",
         nearest_is_off_by_half_a_bit_at_most},
        {"the mean of roundings is right", the_mean_of_roundings_is_right},
    };

    return TEST_RUN("optim.bf16", cases);
}
