/* Tests of wire/encoding: bounds of the error, the mean of random rounding,
 * equal bits of all kernels, values that are not finite. */
#include "wire/encoding.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "harness.h"

#define N 37
#define WIDTH 19

static float rows[N * WIDTH], back[N * WIDTH];
static _Alignas(8) uint8_t bytes[N * WIDTH * 4 + N * 4];
static uint64_t seeds[N];

static void fill(uint64_t seed)
{
    struct rng r = rng_stream(seed, RNG_TEST, 0, 0);

    for (int i = 0; i < N * WIDTH; i++)
        rows[i] = (float)rng_normal(&r) * powf(10, (float)(i / WIDTH % 9) - 4);
    for (int i = 0; i < N; i++)
        seeds[i] = rng_u64(&r);
}

static void there_and_back(enum encoding e, const uint64_t *s)
{
    encoding_write(e, rows, 20, WIDTH, s, bytes, N, 0);
    encoding_write(e, rows + 20 * WIDTH, N - 20, WIDTH, s ? s + 20 : NULL,
                   bytes, N, 20);
    encoding_read(e, bytes, N, WIDTH, back);
}

static float row_max(int row)
{
    float max = 0;

    for (int j = 0; j < WIDTH; j++)
        max = fmaxf(max, fabsf(rows[row * WIDTH + j]));
    return max;
}

/* bf16 has 8 bits of mantissa: half a step is 2^-9 of the value; int8 half a
 * step of max / 127. Random rounding: a whole step. */
static void the_error_is_within_a_step(void)
{
    for (int random = 0; random < 2; random++) {
        const uint64_t *s = random ? seeds : NULL;
        float steps = random ? 1.0f : 0.5f;

        fill(1);
        there_and_back(ENCODING_F32, s);
        CHECK(!memcmp(rows, back, sizeof(rows)));
        there_and_back(ENCODING_BF16, s);
        for (int i = 0; i < N * WIDTH; i++)
            CHECK(fabsf(back[i] - rows[i]) <= steps * fabsf(rows[i]) * 0x1p-7f);
        there_and_back(ENCODING_INT8, s);
        for (int i = 0; i < N * WIDTH; i++)
            CHECK(fabsf(back[i] - rows[i]) <=
                  steps * 1.001f * row_max(i / WIDTH) / 127);
    }
}

/* n draws of a step each: six standard errors are 6 / sqrt(4 n) steps. */
static void random_rounding_has_the_right_mean(void)
{
    double sum_bf16 = 0, sum_int8 = 0;
    int n = 20000;

    fill(2);
    rows[0] = 1.0f + 0x1.4p-9f; // 0.3125 steps of 2^-7 above 1
    rows[1] = 127;
    for (int j = 2; j < WIDTH; j++)
        rows[j] = 0.3f;
    for (int i = 0; i < n; i++) {
        uint64_t seed = hash_mix((uint64_t)i);

        encoding_write(ENCODING_BF16, rows, 1, WIDTH, &seed, bytes, 1, 0);
        encoding_read(ENCODING_BF16, bytes, 1, WIDTH, back);
        sum_bf16 += (double)((back[0] - 1.0f) * 0x1p7f);
        encoding_write(ENCODING_INT8, rows, 1, WIDTH, &seed, bytes, 1, 0);
        encoding_read(ENCODING_INT8, bytes, 1, WIDTH, back);
        sum_int8 += (double)back[5];
    }
    CHECK(fabs(sum_bf16 / n - 0.3125) < 6 / sqrt(4.0 * n));
    CHECK(fabs(sum_int8 / n - 0.3) < 6 / sqrt(4.0 * n));
}

static void every_kernel_gives_the_same_bits(void)
{
    static uint8_t first[sizeof(bytes)];
    static float first_back[N * WIDTH];
    enum cpu_level top = cpu_level();

    fill(3);
    for (int e = ENCODING_BF16; e < ENCODING_END; e++) {
        for (int random = 0; random < 2; random++) {
            for (int level = 0; level <= (int)top; level++) {
                cpu_limit_level((enum cpu_level)level);
                memset(bytes, 0, sizeof(bytes));
                there_and_back((enum encoding)e, random ? seeds : NULL);
                if (level == 0) {
                    memcpy(first, bytes, sizeof(bytes));
                    memcpy(first_back, back, sizeof(back));
                }
                CHECK(!memcmp(first, bytes, sizeof(bytes)));
                CHECK(!memcmp(first_back, back, sizeof(back)));
            }
        }
    }
    cpu_limit_level(top);
}

/* Widths that are whole vectors, or become constants, or neither. */
static void rows_of_any_width_have_the_same_bits(void)
{
    static const size_t widths[] = {8, 16, 24, 32, 48, 64, 1, 7, 17};
    static uint8_t first[sizeof(bytes)];
    static float first_back[N * WIDTH];
    enum cpu_level top = cpu_level();

    fill(5);
    rows[64 * 3 + 5] = NAN;
    rows[64 * 5 + 6] = -INFINITY;
    memset(rows + 64 * 7, 0, 64 * sizeof(float));
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        size_t width = widths[i], n = N * WIDTH / width;

        n = n < N ? n : N;
        for (int way = 0; way < 4; way++) {
            enum encoding e = way / 2 ? ENCODING_INT8 : ENCODING_BF16;
            const uint64_t *s = way % 2 ? seeds : NULL;

            for (int level = 0; level <= (int)top; level++) {
                cpu_limit_level((enum cpu_level)level);
                memset(bytes, 0, sizeof(bytes));
                encoding_write(e, rows, n, width, s, bytes, n, 0);
                encoding_read(e, bytes, n, width, back);
                if (level == 0) {
                    memcpy(first, bytes, sizeof(bytes));
                    memcpy(first_back, back, sizeof(back));
                }
                CHECK(!memcmp(first, bytes, sizeof(bytes)));
                CHECK(!memcmp(first_back, back, sizeof(back)));
            }
        }
    }
    cpu_limit_level(top);
}

/* Against the steps one by one: a sum, its bytes, what they stand for. */
static void check_fed(enum encoding e, size_t width, size_t n)
{
    static float sums[N * WIDTH], left[N * WIDTH];
    static _Alignas(8) uint8_t want[sizeof(bytes)];
    size_t half = n / 2;

    for (size_t i = 0; i < n * width; i++) {
        left[i] = rows[(i * 7 + 3) % (n * width)] / 64;
        sums[i] = rows[i] + left[i];
    }
    memset(bytes, 0, sizeof(bytes));
    memset(want, 0, sizeof(want));
    encoding_write(e, sums, n, width, NULL, want, n, 0);
    encoding_read(e, want, n, width, back);
    encoding_write_fed(e, rows, left, half, width, bytes, n, 0);
    encoding_write_fed(e, rows + half * width, left + half * width, n - half,
                       width, bytes, n, half);
    CHECK(!memcmp(bytes, want, sizeof(want)));
    for (size_t i = 0; i < n * width; i++)
        CHECK(left[i] == sums[i] - back[i]);
}

static void what_rounding_takes_is_kept(void)
{
    enum cpu_level top = cpu_level();

    fill(6);
    for (int level = 0; level <= (int)top; level++) {
        cpu_limit_level((enum cpu_level)level);
        for (int e = ENCODING_F32; e < ENCODING_END; e++) {
            check_fed((enum encoding)e, WIDTH, N);
            check_fed((enum encoding)e, 16, N); // whole vectors
            check_fed((enum encoding)e, 1, N);
            check_fed((enum encoding)e, N * WIDTH, 1); // a row a piece
        }
    }
    cpu_limit_level(top);
}

static void what_is_not_finite_stays_so(void)
{
    static const float odd[] = {NAN, -NAN, INFINITY, -INFINITY};

    for (int i = 0; i < 4; i++) {
        for (int random = 0; random < 2; random++) {
            fill(4);
            rows[3] = odd[i];
            there_and_back(ENCODING_BF16, random ? seeds : NULL);
            CHECK(isnan(odd[i]) ? isnan(back[3]) : back[3] == odd[i]);
            there_and_back(ENCODING_INT8, random ? seeds : NULL);
            CHECK(isnan(back[3]) && isnan(back[4]) && isfinite(back[WIDTH]));
        }
    }
    memset(rows, 0, sizeof(rows));
    rows[1] = 1e-40f;
    there_and_back(ENCODING_INT8, seeds);
    CHECK(back[0] == 0 && back[1] == 0);
}

static void sizes_go_both_ways(void)
{
    size_t n;

    CHECK(encoding_bytes(ENCODING_BF16, 3, 16) == 96);
    CHECK(encoding_bytes(ENCODING_INT8, 3, 16) == 60);
    CHECK(encoding_rows(ENCODING_INT8, 60, 16, &n) == 0 && n == 3);
    CHECK(encoding_rows(ENCODING_INT8, 61, 16, &n) == -1);
    CHECK(encoding_rows(ENCODING_BF16, 0, 16, &n) == 0 && n == 0);
    CHECK(!strcmp(encoding_name(ENCODING_INT8), "int8"));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the error is within a step", the_error_is_within_a_step},
        {"random rounding has the right mean",
         random_rounding_has_the_right_mean},
        {"every kernel gives the same bits", every_kernel_gives_the_same_bits},
        {"rows of any width have the same bits",
         rows_of_any_width_have_the_same_bits},
        {"what rounding takes is kept", what_rounding_takes_is_kept},
        {"what is not finite stays so", what_is_not_finite_stays_so},
        {"sizes go both ways", sizes_go_both_ways},
    };

    return TEST_RUN("wire.encoding", cases);
}
