/* Average precision and calibration errors on cases counted by hand. */
#include "harness.h"

#include <string.h>

#include "base/rng.h"
#include "model/metric/metric.h"

static struct metric_set *make_set(const char *name,
                                   const struct metric_options *o)
{
    struct metric_spec spec;
    struct metric_set *set = NULL;

    REQUIRE(metric_parse(name, &spec, NULL) == FUSOR_OK);
    REQUIRE(metric_set_create(&spec, 1, o, &set, NULL) == FUSOR_OK);
    return set;
}

static struct metric_result judge(const char *name,
                                  const struct metric_options *o,
                                  const float *scores, const float *labels,
                                  size_t n)
{
    struct metric_set *set = make_set(name, o);
    struct metric_result r;

    REQUIRE(metric_set_rows(set, scores, labels, NULL, n, NULL) == FUSOR_OK);
    REQUIRE(metric_set_results(set, &r, NULL) == FUSOR_OK);
    metric_set_destroy(set);
    return r;
}

static void average_precision_by_hand(void)
{
    static const float s[] = {.9f, .8f, .7f, .6f}, y[] = {1, 0, 1, 0};
    static const float same[] = {.5f, .5f, .5f, .5f}, none[4] = {0};
    static const struct metric_options exact = {.exact = 1};

    CHECK_CLOSE(judge("pr_auc", NULL, s, y, 4).value, (1 + 2. / 3) / 2, 1e-15);
    CHECK_CLOSE(judge("pr_auc", NULL, s, y, 4).error, 0, 1e-14);
    CHECK_CLOSE(judge("pr_auc", &exact, same, y, 4).value, .5, 1e-15);
    CHECK(judge("pr_auc", &exact, same, y, 4).error < 1e-14);
    /* In one bin the two positives may stand first or last. */
    CHECK_CLOSE(judge("pr_auc", NULL, same, y, 4).error, .5, 1e-14);
    CHECK(!judge("pr_auc", NULL, s, none, 4).defined);
    CHECK(judge("pr_auc", NULL, s, s, 4).value == 1); // all are positive
}

static void the_bound_of_average_precision_holds(void)
{
    struct metric_options wide = {.score_hi = 30000}; // about 35 bins
    struct metric_options exact = {.exact = 1};
    struct rng g = rng_stream(3, RNG_TEST, 0, 0);
    float s[300], y[300];

    for (int i = 0; i < 300; i++) {
        s[i] = rng_float(&g);
        y[i] = rng_float(&g) < s[i] / 2;
    }
    CHECK(fabs(judge("pr_auc", &wide, s, y, 300).value -
               judge("pr_auc", &exact, s, y, 300).value) <=
          judge("pr_auc", &wide, s, y, 300).error);
    CHECK(judge("pr_auc", &wide, s, y, 300).error < .3);
    CHECK(judge("pr_auc", NULL, s, y, 300).error < 1e-3);
}

static void nan_scores_lower_average_precision(void)
{
    static const float s[] = {NAN, .8f, NAN}, y[] = {1, 1, 0};

    /* The negative first, then the positive, then the lost one. */
    CHECK_CLOSE(judge("pr_auc", NULL, s, y, 3).value, (1. / 2 + 2. / 3) / 2,
                1e-15);
    CHECK(judge("pr_auc", NULL, s, y, 3).n_bad == 2);
}

static void calibration_by_hand(void)
{
    /* Bins of two: (0, .5] has .25 and .5, (.5, 1] has .75 and 1. */
    static const float s[] = {.25f, .5f, .75f, 1}, y[] = {0, 1, 1, 1};
    static const float fair[] = {.5f, .5f, .5f, .5f}, half[] = {0, 1, 0, 1};

    CHECK_CLOSE(judge("ece@2", NULL, s, y, 4).value,
                .5 * (.5 - .375) + .5 * (1 - .875), 1e-12);
    CHECK_CLOSE(judge("ece@1", NULL, s, y, 4).value, .75 - .625, 1e-12);
    CHECK_CLOSE(judge("ace@4", NULL, s, y, 4).value, (.25 + .5 + .25 + 0) / 4,
                1e-12);
    CHECK_CLOSE(judge("ace@2", NULL, s, y, 4).value,
                judge("ece@2", NULL, s, y, 4).value, 1e-12);
    CHECK(judge("ece", NULL, fair, half, 4).value == 0);
    CHECK(judge("ace", NULL, fair, half, 4).value == 0);
}

static void logits_and_probabilities_agree(void)
{
    static const struct metric_options logits = {.logits = 1};
    static const float s[] = {-2, -1, 0, 3}, y[] = {0, 1, 0, 1};
    float p[4];

    for (int i = 0; i < 4; i++)
        p[i] = 1 / (1 + expf(-s[i]));
    CHECK_CLOSE(judge("ece", &logits, s, y, 4).value,
                judge("ece", NULL, p, y, 4).value, 1e-6);
}

static void what_is_no_probability_leaves_it_undefined(void)
{
    static const float s[] = {.5f, 1.5f, NAN}, y[] = {0, 1, 1}, bad[] = {0, 2};
    struct metric_set *set = make_set("ece", NULL);
    struct fusor_error err;

    CHECK(!judge("ece", NULL, s, y, 3).defined);
    CHECK(judge("ace", NULL, s, y, 3).n_bad == 2);
    CHECK(!judge("ace", NULL, s, y, 0).defined);
    CHECK(metric_set_rows(set, s, bad, NULL, 2, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "label 2 is not in [0, 1]") != NULL);
    metric_set_destroy(set);
}

static void too_much_weight_is_said(void)
{
    static const float s[] = {.5f}, y[] = {1}, w[] = {0x1p32f};
    static const char *const names[] = {"ece", "ace", "pr_auc"};

    for (int i = 0; i < 3; i++) {
        struct metric_set *set = make_set(names[i], NULL);
        enum fusor_status rc = FUSOR_OK;
        struct fusor_error err;

        for (int n = 0; n < 100 && rc == FUSOR_OK; n++)
            rc = metric_set_rows(set, s, y, w, 1, &err);
        CHECK(rc == FUSOR_EDATA);
        CHECK(strstr(err.text, "scale them down") != NULL);
        metric_set_destroy(set);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"average precision by hand", average_precision_by_hand},
        {"the bound of average precision holds",
         the_bound_of_average_precision_holds},
        {"NaN scores lower average precision",
         nan_scores_lower_average_precision},
        {"calibration by hand", calibration_by_hand},
        {"logits and probabilities agree", logits_and_probabilities_agree},
        {"what is no probability leaves it undefined",
         what_is_no_probability_leaves_it_undefined},
        {"too much weight is said", too_much_weight_is_said},
    };

    return TEST_RUN("model.metric_calibration", cases);
}
