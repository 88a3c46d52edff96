/* How far groups lie apart: closed forms, and what cannot be compared. */
#include "harness.h"

#include "base/rng.h"
#include "model/stats/stats.h"

#define N 600

static double a[N], b[N];
static uint32_t group[N];

/* About normal: the sum of twelve. */
static double draw(struct rng *r)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += (double)(rng_u64(r) >> 11) * 0x1p-53;
    return sum;
}

static void gaps_of_constants_are_exact(void)
{
    struct stats_comparison_options o = {.resamples = 200, .seed = 3};
    struct stats_comparison c;

    for (int i = 0; i < N; i++) {
        group[i] = (uint32_t)i % 3;
        a[i] = 1 + (double)group[i];      // 1, 2, 3
        b[i] = group[i] == 1 ? 1.0 : 0.5; // .5, 1, .5
    }
    REQUIRE(stats_compare_gaps(a, b, group, N, 3, &o, &c, NULL) == FUSOR_OK);
    CHECK(c.n == N && c.resamples == 200 && isnan(c.p_t));
    CHECK_CLOSE(c.mean_a, 2, 1e-12);
    CHECK_CLOSE(c.mean_b, 0.5, 1e-12);
    CHECK_CLOSE(c.difference, 1.5, 1e-12);
    CHECK(c.se < 1e-12 && c.p < 0.01);
    CHECK_CLOSE(c.low, 1.5, 1e-12);
    o.of = STATS_ROOT_MEAN;
    REQUIRE(stats_compare_gaps(a, b, group, N, 3, &o, &c, NULL) == FUSOR_OK);
    CHECK_CLOSE(c.mean_a, sqrt(3) - 1, 1e-12);
}

/* Of two groups that never change places the difference is that of two
 * independent means: variances add up. */
static void two_groups_have_the_variance_of_two_means(void)
{
    struct stats_comparison_options o = {.resamples = 4000, .seed = 1};
    struct rng r = rng_stream(5, RNG_TEST, 1, 0);
    struct stats_comparison c;
    double sum[2] = {0}, square[2] = {0}, want = 0;

    for (int i = 0; i < N; i++) {
        double d = draw(&r);

        group[i] = i % 3 == 0;
        b[i] = 10 * (double)group[i] + draw(&r);
        a[i] = b[i] + d + 0.5 * (double)group[i];
        sum[group[i]] += a[i] - b[i];
        square[group[i]] += (a[i] - b[i]) * (a[i] - b[i]);
    }
    for (int g = 0; g < 2; g++) {
        double n = g ? N / 3 : 2 * N / 3, mean = sum[g] / n;

        want += (square[g] / n - mean * mean) / n;
    }
    REQUIRE(stats_compare_gaps(a, b, group, N, 2, &o, &c, NULL) == FUSOR_OK);
    CHECK_CLOSE(c.difference, sum[1] / (N / 3) - sum[0] / (2 * N / 3), 1e-9);
    /* Of 4000 resamples a deviation is known to 1 / sqrt(8000) = 1.1 %. */
    CHECK(fabs(c.se / sqrt(want) - 1) < 0.05);
    CHECK(c.p < 0.01 && c.low > 0 && c.low < c.difference);
    CHECK(c.high > c.difference);
}

static void equal_models_have_equal_gaps(void)
{
    struct stats_comparison_options o = {.resamples = 500};
    struct stats_comparison c;

    for (int i = 0; i < N; i++) {
        group[i] = (uint32_t)i % 4;
        a[i] = b[i] = (double)(i % 7);
    }
    REQUIRE(stats_compare_gaps(a, b, group, N, 4, &o, &c, NULL) == FUSOR_OK);
    CHECK(c.difference == 0 && c.p == 1 && c.se == 0);
}

/* Values without a number, groups of one unit and groups beyond the last are
 * left out. */
static void what_tells_nothing_is_left_out(void)
{
    static const double x[] = {1, 1, NAN, 5, 5, 100, 100, 100};
    static const double y[] = {1, 1, 9, 4, 4, 0, 0, NAN};
    static const uint32_t of[] = {0, 0, 0, 1, 1, 2, 7, 1};
    struct stats_comparison c;
    struct fusor_error err = {0};

    REQUIRE(stats_compare_gaps(x, y, of, 8, 3, NULL, &c, NULL) == FUSOR_OK);
    CHECK_CLOSE(c.mean_a, 4, 1e-12);
    CHECK_CLOSE(c.mean_b, 3, 1e-12);
    CHECK(c.n == 4);
    CHECK(stats_compare_gaps(x, y, of, 3, 3, NULL, &c, &err) == FUSOR_EDATA);
    CHECK(stats_compare_gaps(x, y, of, 8, 1, NULL, &c, &err) == FUSOR_EDATA);
    CHECK(
        stats_compare_gaps(x, y, of, 8, 3,
                           &(struct stats_comparison_options){.confidence = 2},
                           &c, &err) == FUSOR_EINVAL);
    CHECK(stats_compare_gaps(
              (const double[]){-1, 1, 2, 3}, y, (const uint32_t[]){0, 0, 1, 1},
              4, 2, &(struct stats_comparison_options){.of = STATS_ROOT_MEAN},
              &c, &err) == FUSOR_EDATA);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"gaps of constants are exact", gaps_of_constants_are_exact},
        {"two groups have the variance of two means",
         two_groups_have_the_variance_of_two_means},
        {"equal models have equal gaps", equal_models_have_equal_gaps},
        {"what tells nothing is left out", what_tells_nothing_is_left_out},
    };

    return TEST_RUN("model.stats_gaps", cases);
}
