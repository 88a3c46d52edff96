/* Statistics against known values and against what theory says of them. */
#include "harness.h"

#include "base/mem.h"
#include "base/rng.h"
#include "model/stats/stats.h"

static void seeds_are_summarised(void)
{
    double values[5] = {2, 4, 4, 4, 6};
    struct stats_summary s = stats_summarise(values, 5);

    CHECK(s.mean == 4 && s.n == 5);
    CHECK_CLOSE(s.sd, sqrt(2), 1e-15);
    CHECK_CLOSE(s.se, sqrt(2.0 / 5), 1e-15);
    s = stats_summarise(values, 1);
    CHECK(s.mean == 2 && isnan(s.sd) && isnan(s.se));
    CHECK(isnan(stats_summarise(values, 0).mean));
}

/* Closed forms: df 1 is Cauchy; df 2: 1/2 + t / (2 sqrt(2 + t^2)). Tables:
 * t(.975, 10) = 2.228139, t(.95, 5) = 2.015048, t(.995, 30) = 2.749996. */
static void student_is_right(void)
{
    for (double t = -8; t <= 8; t += .25) {
        CHECK_CLOSE(stats_student_cdf(t, 1), .5 + atan(t) / acos(-1), 1e-13);
        CHECK_CLOSE(stats_student_cdf(t, 2), .5 + t / (2 * sqrt(2 + t * t)),
                    1e-13);
        CHECK(fabs(stats_student_cdf(t, 1e6) - .5 * erfc(-t / sqrt(2))) < 1e-6);
    }
    CHECK_CLOSE(stats_student_quantile(.975, 10), 2.228139, 3e-7);
    CHECK_CLOSE(stats_student_quantile(.95, 5), 2.015048, 3e-7);
    CHECK_CLOSE(stats_student_quantile(.005, 30), -2.749996, 3e-7);
    CHECK(stats_student_quantile(.5, 3) < 1e-12);
    CHECK(stats_student_cdf(-INFINITY, 4) == 0);
    CHECK(stats_student_cdf(1e200, 4) == 1);
}

/* Student's own sleep data (1908): t = -4.0621, p = 0.002833, interval
 * [-2.4599, -0.7001], as printed by R's t.test(). */
static const double drug_1[10] = {0.7, -1.6, -0.2, -1.2, -0.1,
                                  3.4, 3.7,  0.8,  0.0,  2.0};
static const double drug_2[10] = {1.9, 0.8, 1.1, 0.1, -0.1,
                                  4.4, 5.5, 1.6, 4.6, 3.4};

static void the_paired_t_test_is_right(void)
{
    double same[3] = {1, 2, 3}, more[3] = {2, 3, 4}, bad[2] = {1, NAN};
    struct stats_paired_t r;

    REQUIRE(stats_paired_t(drug_1, drug_2, 10, .95, &r, NULL) == FUSOR_OK);
    CHECK(fabs(r.difference + 1.58) < 1e-12);
    CHECK(fabs(r.t + 4.0621) < 5e-5 && fabs(r.p - 0.002833) < 5e-7);
    CHECK(fabs(r.low + 2.4599) < 5e-5 && fabs(r.high + 0.7001) < 5e-5);
    REQUIRE(stats_paired_t(same, same, 3, .95, &r, NULL) == FUSOR_OK);
    CHECK(r.p == 1);
    REQUIRE(stats_paired_t(more, same, 3, .95, &r, NULL) == FUSOR_OK);
    CHECK(r.p == 0 && r.low == 1);
    CHECK(stats_paired_t(same, more, 1, .95, &r, NULL) == FUSOR_EDATA);
    CHECK(stats_paired_t(same, bad, 2, .95, &r, NULL) == FUSOR_EDATA);
    CHECK(stats_paired_t(same, more, 3, 1, &r, NULL) == FUSOR_EINVAL);
}

static void holm_steps_down(void)
{
    double p[4] = {.01, .04, .03, .005}, tied[3] = {.5, .4, .9}, out[4];

    REQUIRE(stats_holm(p, 4, out, NULL) == FUSOR_OK);
    CHECK_CLOSE(out[3], .02, 1e-15);
    CHECK_CLOSE(out[0], .03, 1e-15);
    CHECK_CLOSE(out[2], .06, 1e-15);
    CHECK_CLOSE(out[1], .06, 1e-15); // never below a smaller p's
    REQUIRE(stats_holm(tied, 3, tied, NULL) == FUSOR_OK);
    CHECK(tied[0] == 1 && tied[1] == 1 && tied[2] == 1);
    mem_fail_after(1);
    CHECK(stats_holm(p, 4, out, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
}

#define N 400

static double a[N], b[N], weights[N];

static void draw(uint64_t seed, double shift)
{
    struct rng r = rng_stream(seed, RNG_TEST, 0, 0);

    for (size_t i = 0; i < N; i++) {
        double unit = rng_normal(&r) * 3; // shared: pairing must remove it

        a[i] = unit + shift + rng_normal(&r) * .5;
        b[i] = unit + rng_normal(&r) * .5;
        weights[i] = 1 + (double)rng_below(&r, 9);
    }
}

static struct stats_comparison
compare(const struct stats_comparison_options *options)
{
    struct stats_comparison c;

    REQUIRE(stats_compare(a, b, N, options, &c, NULL) == FUSOR_OK);
    return c;
}

static void the_bootstrap_agrees_with_t(void)
{
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct stats_comparison_options o = {.seed = seed};
        struct stats_comparison c;
        struct stats_paired_t t;

        draw(seed, .07);
        c = compare(&o);
        REQUIRE(stats_paired_t(a, b, N, .95, &t, NULL) == FUSOR_OK);
        CHECK(c.n == N && c.resamples == 10000);
        CHECK_CLOSE(c.difference, t.difference, 1e-12);
        CHECK_CLOSE(c.p_t, t.p, 1e-9);
        /* 10000 resamples: the error of se is 0.7 %, of ends 2 % of se, of p
         * sqrt(p / 10000) and what n = 400 leaves of skewness. */
        CHECK(fabs(c.se / t.se - 1) < .04);
        CHECK(fabs(c.low - t.low) < .15 * t.se);
        CHECK(fabs(c.high - t.high) < .15 * t.se);
        CHECK(fabs(c.p - t.p) < .02 + .1 * t.p);
        CHECK(c.p_holm == c.p);
    }
}

static void a_seed_repeats_itself(void)
{
    struct stats_comparison_options o = {.seed = 4, .resamples = 500};
    struct stats_comparison x, y;

    draw(1, .05);
    x = compare(&o);
    y = compare(&o);
    CHECK(x.low == y.low && x.se == y.se && x.p == y.p);
    o.seed = 5;
    CHECK(compare(&o).se != x.se);
}

static void equal_models_do_not_differ(void)
{
    struct stats_comparison c;

    draw(2, 0);
    for (size_t i = 0; i < N; i++)
        b[i] = a[i];
    c = compare(NULL);
    CHECK(c.difference == 0 && c.p == 1 && c.p_t == 1);
    CHECK(c.low == 0 && c.high == 0);
}

static void a_clear_difference_is_found(void)
{
    struct stats_comparison c;

    draw(3, 1);
    c = compare(NULL);
    CHECK(c.p < 2e-4 && c.p_t < 1e-10 && c.low > .5 && c.high < 1.5);
}

/* Under no difference p is about uniform: of 200 trials at the level .1, 20
 * are expected, with standard deviation 4.2. */
static void false_alarms_come_at_their_rate(void)
{
    struct stats_comparison_options o = {.resamples = 200};
    int alarms = 0;

    for (uint64_t seed = 0; seed < 200; seed++) {
        o.seed = seed;
        draw(1000 + seed, 0);
        alarms += compare(&o).p <= .1;
    }
    CHECK(alarms >= 6 && alarms <= 36);
}

static void weights_and_roots_are_taken(void)
{
    struct stats_comparison_options o = {.weights = weights, .resamples = 2000};
    double sum_a = 0, sum_b = 0, sum = 0;
    struct stats_comparison c;

    draw(6, .1);
    for (size_t i = 0; i < N; i++) {
        a[i] *= a[i];
        b[i] *= b[i];
        sum_a += weights[i] * a[i];
        sum_b += weights[i] * b[i];
        sum += weights[i];
    }
    c = compare(&o);
    CHECK_CLOSE(c.mean_a, sum_a / sum, 1e-12);
    o.of = STATS_ROOT_MEAN;
    c = compare(&o);
    CHECK_CLOSE(c.mean_a, sqrt(sum_a / sum), 1e-12);
    CHECK_CLOSE(c.difference, sqrt(sum_a / sum) - sqrt(sum_b / sum), 1e-12);
    CHECK(c.low < c.difference && c.difference < c.high);
    CHECK(fabs(c.p - c.p_t) < .05);
}

static void undefined_units_are_left_out(void)
{
    struct stats_comparison c;

    draw(7, .1);
    a[3] = NAN;
    b[9] = NAN;
    c = compare(NULL);
    CHECK(c.n == N - 2 && isfinite(c.se));
}

/* Many units go into cells: the answer must stay that of theory. */
static void many_units_stay_fast_and_right(void)
{
    enum { MANY = 100000 };
    double *x = mem_alloc(MANY, sizeof(*x)), *y = mem_alloc(MANY, sizeof(*y));
    struct stats_comparison_options o = {.resamples = 1500};
    struct rng r = rng_stream(1, RNG_TEST, 0, 0);
    struct stats_comparison c;
    struct stats_paired_t t;

    REQUIRE(x && y);
    for (size_t i = 0; i < MANY; i++) {
        x[i] = rng_double(&r) < .3;
        y[i] = rng_double(&r) < .3;
    }
    REQUIRE(stats_compare(x, y, MANY, &o, &c, NULL) == FUSOR_OK);
    REQUIRE(stats_paired_t(x, y, MANY, .95, &t, NULL) == FUSOR_OK);
    CHECK(c.n == MANY);
    CHECK_CLOSE(c.difference, t.difference, 1e-9);
    CHECK(fabs(c.se / t.se - 1) < .08); // 1500 resamples: 1.8 %, cells .8 %
    mem_free(x);
    mem_free(y);
}

static void bad_input_is_refused(void)
{
    struct stats_comparison_options o = {.confidence = 2};
    struct stats_comparison_options root = {.of = STATS_ROOT_MEAN};
    size_t before = mem_used();
    struct stats_comparison c;

    draw(8, 0);
    CHECK(stats_compare(a, b, N, &o, &c, NULL) == FUSOR_EINVAL);
    o = (struct stats_comparison_options){.resamples = 1};
    CHECK(stats_compare(a, b, N, &o, &c, NULL) == FUSOR_EINVAL);
    CHECK(stats_compare(a, b, N, &root, &c, NULL) == FUSOR_EDATA);
    CHECK(stats_compare(a, b, 1, NULL, &c, NULL) == FUSOR_EDATA);
    CHECK(stats_compare(a, b, 0, NULL, &c, NULL) == FUSOR_EDATA);
    a[5] = INFINITY;
    CHECK(stats_compare(a, b, N, NULL, &c, NULL) == FUSOR_EDATA);
    for (long n = 1; n <= 2; n++) {
        mem_fail_after(n);
        CHECK(stats_compare(a, b, N, NULL, &c, NULL) == FUSOR_ENOMEM);
        mem_fail_after(0);
    }
    CHECK(mem_used() == before);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"seeds are summarised", seeds_are_summarised},
        {"Student's t is right", student_is_right},
        {"the paired t test is right", the_paired_t_test_is_right},
        {"Holm steps down", holm_steps_down},
        {"the bootstrap agrees with t", the_bootstrap_agrees_with_t},
        {"a seed repeats itself", a_seed_repeats_itself},
        {"equal models do not differ", equal_models_do_not_differ},
        {"a clear difference is found", a_clear_difference_is_found},
        {"false alarms come at their rate", false_alarms_come_at_their_rate},
        {"weights and roots are taken", weights_and_roots_are_taken},
        {"undefined units are left out", undefined_units_are_left_out},
        {"many units stay fast and right", many_units_stay_fast_and_right},
        {"bad input is refused", bad_input_is_refused},
    };

    return TEST_RUN("model.stats", cases);
}
