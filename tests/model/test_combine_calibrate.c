/* Normalisation and calibration. */
#include "harness.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/combine/calibrate.h"
#include "model/combine/normalise.h"

static void global_kinds_are_fitted_once(void)
{
    double fit[6] = {1, 5, 3, 5, 5, 5}, apply[4] = {9, 6, -1, 5};
    struct normaliser z;

    REQUIRE(normaliser_init(&z, "zscore", 2, NULL) == FUSOR_OK);
    normaliser_fit(&z, fit, 3);
    REQUIRE(normaliser_apply(&z, apply, 2, NULL, NULL) == FUSOR_OK);
    CHECK_CLOSE(apply[0], 6 / sqrt(8.0 / 3), 1e-15);
    CHECK(apply[1] == 1 && apply[3] == 0); // a constant column keeps scale 1
    REQUIRE(normaliser_init(&z, "minmax", 2, NULL) == FUSOR_OK);
    normaliser_fit(&z, fit, 3);
    REQUIRE(normaliser_apply(&z, fit, 3, NULL, NULL) == FUSOR_OK);
    CHECK(fit[0] == 0 && fit[2] == .5 && fit[4] == 1 && fit[1] == 0);
    REQUIRE(normaliser_init(&z, "none", 2, NULL) == FUSOR_OK);
    REQUIRE(normaliser_apply(&z, apply, 2, NULL, NULL) == FUSOR_OK);
    CHECK(apply[1] == 1);
}

static void queries_are_normalised_apart(void)
{
    static const uint32_t query[5] = {1, 0, 1, 0, 2};
    double x[5] = {2, 10, 4, 30, 7}, y[5] = {2, 10, -4, 30, 0};
    double zero_one[5] = {2, 10, 4, 30, 7};
    struct normaliser z;
    struct fusor_error err;

    REQUIRE(normaliser_init(&z, "per_query_zscore", 1, NULL) == FUSOR_OK);
    CHECK(normaliser_per_query(&z));
    CHECK(normaliser_apply(&z, x, 5, NULL, &err) == FUSOR_EINVAL);
    REQUIRE(normaliser_apply(&z, x, 5, query, NULL) == FUSOR_OK);
    CHECK(x[0] == -1 && x[2] == 1 && x[1] == -1 && x[3] == 1 && x[4] == 0);
    REQUIRE(normaliser_init(&z, "per_query_max", 1, NULL) == FUSOR_OK);
    REQUIRE(normaliser_apply(&z, y, 5, query, NULL) == FUSOR_OK);
    CHECK(y[0] == .5 && y[2] == -1 && y[3] == 1 && y[4] == 0);
    REQUIRE(normaliser_init(&z, "per_query_minmax", 1, NULL) == FUSOR_OK);
    REQUIRE(normaliser_apply(&z, zero_one, 5, query, NULL) == FUSOR_OK);
    CHECK(zero_one[0] == 0 && zero_one[2] == 1 && zero_one[4] == 0);
    CHECK(normaliser_init(&z, "z_score", 1, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "did you mean zscore") != NULL);
    CHECK(normaliser_init(&z, "none", COMBINE_MAX + 1, &err) == FUSOR_EINVAL);
    mem_fail_after(1);
    REQUIRE(normaliser_init(&z, "per_query_max", 1, NULL) == FUSOR_OK);
    CHECK(normaliser_apply(&z, y, 5, query, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
}

#define N 4000

static double scores[N], labels[N];

/* p = 1 / (1 + exp(a s + b)) with scores around at. */
static void draw(double a, double b, double at)
{
    struct rng r = rng_stream(2, RNG_TEST, 0, 0);

    for (size_t i = 0; i < N; i++) {
        scores[i] = at + rng_normal(&r);
        labels[i] = rng_double(&r) < 1 / (1 + exp(a * scores[i] + b));
    }
}

static void platt_finds_the_sigmoid(void)
{
    struct calibration c;
    double slope_a = 0, slope_b = 0, n_pos = 0;

    draw(-2, 2000.5, 1000); // scores far from 0
    REQUIRE(calibration_fit(&c, "platt", scores, labels, N, NULL) == FUSOR_OK);
    CHECK(fabs(c.a + 2) < .25); // standard error about 0.06
    for (size_t i = 0; i < N; i++)
        n_pos += labels[i];
    for (size_t i = 0; i < N; i++) { // at the optimum the slopes vanish
        double t =
            labels[i] > 0 ? (n_pos + 1) / (n_pos + 2) : 1 / (N - n_pos + 2);
        double e = t - calibration_apply(&c, scores[i]);

        slope_a += e * (scores[i] - 1000) / N;
        slope_b += e / N;
    }
    CHECK(fabs(slope_a) < 1e-8 && fabs(slope_b) < 1e-8);
    calibration_clear(&c);
}

static void platt_bears_separable_and_single_classes(void)
{
    double s[4] = {1, 2, 3, 4}, y[4] = {0, 0, 1, 1}, ones[4] = {1, 1, 1, 1};
    struct calibration c;

    REQUIRE(calibration_fit(&c, "platt", s, y, 4, NULL) == FUSOR_OK);
    CHECK(calibration_apply(&c, 1) < .3 && calibration_apply(&c, 4) > .7);
    CHECK_CLOSE(calibration_apply(&c, 2.5), .5, 1e-6);
    REQUIRE(calibration_fit(&c, "platt", s, ones, 4, NULL) == FUSOR_OK);
    CHECK_CLOSE(calibration_apply(&c, 9), 5.0 / 6, 1e-6);
    REQUIRE(calibration_fit(&c, "platt", ones, y, 4, NULL) == FUSOR_OK);
    CHECK_CLOSE(calibration_apply(&c, 1), .5, 1e-6);
}

static void isotonic_pools_violators(void)
{
    double s[7] = {3, 1, 2, 4, 4, 6, 5}, y[7] = {0, 0, 1, 1, 0, 1, .25};
    struct calibration c;

    REQUIRE(calibration_fit(&c, "isotonic", s, y, 7, NULL) == FUSOR_OK);
    /* sorted: 1:0 | 2:1 3:0 4:(1,0) 5:.25 -> mean .45 | 6:1 */
    CHECK_CLOSE(calibration_apply(&c, 0), 0, 1e-15);
    CHECK_CLOSE(calibration_apply(&c, 2), .45, 1e-15);
    CHECK_CLOSE(calibration_apply(&c, 4.7), .45, 1e-15);
    CHECK_CLOSE(calibration_apply(&c, 1.5), .225, 1e-15); // straight between
    CHECK_CLOSE(calibration_apply(&c, 99), 1, 1e-15);
    calibration_clear(&c);
}

/* The least-squares rising fit has the max-min form (Robertson et al. 1988):
 * value at i = max over a <= i of min over b >= i of mean(a..b). */
static void isotonic_is_the_least_squares_fit(void)
{
    struct rng r = rng_stream(8, RNG_TEST, 0, 0);
    struct calibration c;
    double last = -1;

    for (size_t i = 0; i < 60; i++) {
        scores[i] = (double)i;
        labels[i] = (double)i / 60 + rng_double(&r);
    }
    REQUIRE(calibration_fit(&c, "isotonic", scores, labels, 60, NULL) ==
            FUSOR_OK);
    for (size_t i = 0; i < 60; i++) {
        double best = -INFINITY;

        for (size_t a = 0; a <= i; a++) {
            double least = INFINITY, sum = 0;

            for (size_t b = a; b < 60; b++) {
                sum += labels[b];
                if (b >= i)
                    least = fmin(least, sum / (double)(b - a + 1));
            }
            best = fmax(best, least);
        }
        CHECK_CLOSE(calibration_apply(&c, scores[i]), best, 1e-12);
        CHECK(calibration_apply(&c, scores[i]) >= last);
        last = calibration_apply(&c, scores[i]);
    }
    calibration_clear(&c);
}

static void bad_calibrations_are_refused(void)
{
    double s[2] = {1, 2}, y[2] = {0, .5}, bad[2] = {1, INFINITY};
    size_t before = mem_used();
    struct calibration c;
    struct fusor_error err;

    CHECK(calibration_fit(&c, "plat", s, y, 2, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "did you mean platt") != NULL);
    CHECK(calibration_fit(&c, "platt", s, y, 2, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "row 2: label 0.5") != NULL);
    CHECK(calibration_fit(&c, "isotonic", bad, y, 2, &err) == FUSOR_EDATA);
    CHECK(calibration_fit(&c, "isotonic", s, y, 0, &err) == FUSOR_EDATA);
    for (long n = 1; n <= 4; n++) {
        mem_fail_after(n);
        CHECK(calibration_fit(&c, "isotonic", s, y, 2, &err) == FUSOR_ENOMEM);
        mem_fail_after(0);
        CHECK(mem_used() == before);
    }
    CHECK(calibration_fit(&c, "none", s, y, 2, &err) == FUSOR_OK);
    CHECK(calibration_apply(&c, .3) == .3);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"global kinds are fitted once", global_kinds_are_fitted_once},
        {"queries are normalised apart", queries_are_normalised_apart},
        {"platt finds the sigmoid", platt_finds_the_sigmoid},
        {"platt bears separable and single classes",
         platt_bears_separable_and_single_classes},
        {"isotonic pools violators", isotonic_pools_violators},
        {"isotonic is the least-squares fit",
         isotonic_is_the_least_squares_fit},
        {"bad calibrations are refused", bad_calibrations_are_refused},
    };

    return TEST_RUN("model.combine_calibrate", cases);
}
