/* Tests of bfloat16: both roundings against their definition, on every CPU. */
#include "optim/bf16.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "optim/optim.h"

#include "harness.h"

#define N 4099 /* no multiple of a register */
#define ROWS 20000
#define LANES 19 /* a vector and a rest */

static float as_float(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
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

/* Rows are shorter than vectors, or do not end where one does. */
static void every_length_gives_the_same_bits(void)
{
    static float x[N], wide[2][80];
    static uint16_t half[2][80];
    enum cpu_level best = cpu_level();

    fill(x, 4);
    for (size_t n = 0; n < 70; n++)
        for (int level = CPU_PLAIN; level <= (int)best; level++) {
            int to = level != CPU_PLAIN;

            cpu_limit_level((enum cpu_level)level);
            memset(half[to], 0, sizeof(half[to]));
            memset(wide[to], 0, sizeof(wide[to]));
            bf16_ops()->round(x + n, half[to], n, 99);
            bf16_ops()->widen(half[to], wide[to], n);
            CHECK(half[to][n] == 0 && bits_of(wide[to][n]) == 0);
            if (!to)
                continue;
            CHECK(memcmp(half[0], half[1], sizeof(half[0])) == 0);
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
        uint32_t bits = bits_of(x[i]);
        float low, high;

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

/* Round x once for each of ROWS keys and LANES elements of a row.
 * @param up [ROWS, LANES] the draws less p, the share that goes up, in units of
 *        their standard deviation sqrt(p (1 - p)) */
static void draw(float x, double p, uint64_t unit, unsigned shift, float *up)
{
    float low, row[LANES];
    uint16_t half[LANES];

    low = as_float(bits_of(x) & 0xffff0000u);
    for (int j = 0; j < LANES; j++)
        row[j] = x;
    for (uint64_t i = 0; i < ROWS; i++, up += LANES) {
        bf16_ops()->round(row, half, LANES, optim_stream(unit, i << shift));
        for (int j = 0; j < LANES; j++)
            up[j] = (float)(((as_float((uint32_t)half[j] << 16) > low) - p) /
                            sqrt(p * (1 - p)));
    }
}

/* The mean of products, which of independent draws is 0 and has a standard
 * deviation of 1 / sqrt(ROWS). @param b NULL: of a alone */
static double together(const float *a, const float *b)
{
    double sum = 0;

    for (int i = 0; i < ROWS - 1; i++)
        sum += (double)a[i * LANES] * (b ? (double)b[i * LANES] : 1);
    return fabs(sum) / ROWS;
}

/* Some 500 means: 5 standard deviations are passed once in 3000 hashes. */
static void check_draws(float x, double p, uint64_t unit, unsigned shift)
{
    static float up[ROWS * LANES];
    double bound = 5 / sqrt(ROWS);

    draw(x, p, unit, shift, up);
    for (int j = 0; j < LANES; j++) {
        CHECK(together(up + j, NULL) < bound);           // the mean is right
        CHECK(together(up + j, up + j + LANES) < bound); // rows
        for (int k = 0; k < j; k++)
            CHECK(together(up + j, up + k) < bound); // elements
    }
}

/* Keys one after the other, or that differ in their upper halves only. x lies
 * at p between 1 and the next bfloat16, 1 + 2^-7. */
static void rounding_is_fair_and_independent(void)
{
    for (unsigned shift = 0; shift <= 32; shift += 32) {
        check_draws(1 + 0x1p-8f, 0.5, hash_mix(1), shift);
        check_draws(1 + 0x1p-10f, 0.125, hash_mix(2), shift);
        check_draws(1 + 7 * 0x1p-10f, 0.875, hash_mix(3), shift);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every CPU gives the same bits", every_cpu_gives_the_same_bits},
        {"every length gives the same bits, and no more is written",
         every_length_gives_the_same_bits},
        {"rounding gives one of the two neighbours",
         rounding_gives_a_neighbour},
        {"nearest is off by half a bit at most, ties to even",
         nearest_is_off_by_half_a_bit_at_most},
        {"rounding is fair, and independent from row to row and within one",
         rounding_is_fair_and_independent},
    };

    return TEST_RUN("optim.bf16", cases);
}
