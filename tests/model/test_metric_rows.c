/* auc, logloss, rmse and mae against sums over all pairs and rows. */
#include "harness.h"

#include "base/rng.h"
#include "model/metric/metric.h"

#define N 700

static struct metric_set *make_set(const char *const *names,
                                   const struct metric_options *options)
{
    struct metric_spec specs[8];
    struct metric_set *set = NULL;
    size_t n = 0;

    for (; names[n]; n++)
        REQUIRE(metric_parse(names[n], &specs[n], NULL) == FUSOR_OK);
    REQUIRE(metric_set_create(specs, n, options, &set, NULL) == FUSOR_OK);
    return set;
}

struct rows {
    float scores[N], labels[N], weights[N];
};

static void fill(struct rows *r, uint64_t seed, uint64_t levels)
{
    struct rng g = rng_stream(seed, RNG_TEST, 0, 0);

    for (size_t i = 0; i < N; i++) {
        r->labels[i] = rng_below(&g, 4) == 0;
        r->scores[i] = (float)rng_below(&g, levels) / (float)levels;
        r->weights[i] = (float)rng_below(&g, 64) / 16;
    }
}

/* Over all pairs, a tie one half; NaN loses. */
static double brute_auc(const struct rows *r, int weighted)
{
    double won = 0, all = 0;

    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            double w = weighted ? (double)r->weights[i] * r->weights[j] : 1;
            float p = r->scores[i], q = r->scores[j];

            if (r->labels[i] != 1 || r->labels[j] != 0)
                continue;
            all += w;
            if (!isnan(p) && !isnan(q))
                won += p > q ? w : p == q ? w / 2 : 0;
        }
    }
    return won / all;
}

static struct metric_result auc_of(const struct rows *r,
                                   const struct metric_options *o, int weighted)
{
    const char *const names[] = {"auc", NULL};
    struct metric_set *set = make_set(names, o);
    struct metric_result result;

    REQUIRE(metric_set_rows(set, r->scores, r->labels,
                            weighted ? r->weights : NULL, N, NULL) == FUSOR_OK);
    REQUIRE(metric_set_results(set, &result, NULL) == FUSOR_OK);
    metric_set_destroy(set);
    return result;
}

static void auc_counts_pairs(void)
{
    static const uint64_t levels[] = {1, 2, 7, 100, 1 << 20};
    struct metric_options exact = {.exact = 1};
    struct rows r;

    for (size_t l = 0; l < 5; l++) {
        for (int weighted = 0; weighted < 2; weighted++) {
            struct metric_result bins, all;
            double want;

            fill(&r, l, levels[l]);
            want = brute_auc(&r, weighted);
            bins = auc_of(&r, NULL, weighted);
            all = auc_of(&r, &exact, weighted);
            CHECK(bins.defined && all.defined);
            CHECK_CLOSE(all.value, want, 1e-12); // sums of 5e5 doubles
            CHECK(all.error <= 1e-14);
            CHECK(fabs(bins.value - want) <= bins.error + 1e-12);
        }
    }
    CHECK(fabs(auc_of(&r, NULL, 0).error) < 1e-3); // 2^20 levels, 700 rows
}

static void the_bins_error_bound_holds(void)
{
    struct metric_options exact = {.exact = 1}, wide = {.score_hi = 1e5};
    struct rows r;

    fill(&r, 9, 1 << 20); // in a range of 1e5: 10 bins
    CHECK(fabs(auc_of(&r, &wide, 1).value - brute_auc(&r, 1)) <=
          auc_of(&r, &wide, 1).error);
    CHECK(auc_of(&r, &wide, 1).error > 0.01);
    CHECK(auc_of(&r, &wide, 1).error < 0.5);
    for (size_t i = 0; i < N; i++) // all above the range: one bin
        r.scores[i] += 2;
    CHECK_CLOSE(auc_of(&r, NULL, 0).value, 0.5, 1e-15);
    CHECK_CLOSE(auc_of(&r, NULL, 0).error, 0.5, 1e-14);
    CHECK_CLOSE(auc_of(&r, &exact, 0).value, brute_auc(&r, 0), 1e-12);
}

static void auc_takes_logits(void)
{
    struct metric_options logits = {.logits = 1};
    struct rows r;
    double want;

    fill(&r, 4, 1 << 20);
    for (size_t i = 0; i < N; i++)
        r.scores[i] = (r.scores[i] - .5f) * 20;
    want = brute_auc(&r, 0);
    CHECK(fabs(auc_of(&r, &logits, 0).value - want) <=
          auc_of(&r, &logits, 0).error);
    CHECK(auc_of(&r, &logits, 0).error < 1e-3);
}

static void auc_counts_nan_against_us(void)
{
    struct metric_options exact = {.exact = 1};
    struct rows r;

    fill(&r, 5, 50);
    for (size_t i = 0; i < N; i += 9)
        r.scores[i] = i % 2 ? NAN : -NAN;
    r.scores[1] = INFINITY;
    r.scores[2] = -INFINITY;
    r.scores[3] = -0.0f;
    CHECK_CLOSE(auc_of(&r, &exact, 1).value, brute_auc(&r, 1), 1e-12);
    CHECK(fabs(auc_of(&r, NULL, 1).value - brute_auc(&r, 1)) <=
          auc_of(&r, NULL, 1).error + 1e-12);
    CHECK(auc_of(&r, &exact, 0).n_bad == 78 && auc_of(&r, NULL, 0).n_bad == 78);
}

static void means_match_plain_sums(void)
{
    const char *const names[] = {"logloss", "rmse", "mae", NULL};
    double want[3] = {0}, weight = 0;
    struct metric_set *set = make_set(names, NULL);
    struct metric_result got[3];
    struct rows r;

    fill(&r, 6, 1000);
    for (size_t i = 0; i < N; i++) {
        double w = r.weights[i], p = r.scores[i], y = r.labels[i];
        double c = fmin(fmax(p, 1e-7), 1 - 1e-7);

        want[0] -= w * (y * log(c) + (1 - y) * log(1 - c));
        want[1] += w * (p - y) * (p - y);
        want[2] += w * fabs(p - y);
        weight += w;
        CHECK_CLOSE(metric_row_value(set, 1, r.scores[i], r.labels[i]),
                    (p - y) * (p - y), 1e-15);
    }
    REQUIRE(metric_set_rows(set, r.scores, r.labels, r.weights, N, NULL) ==
            FUSOR_OK);
    REQUIRE(metric_set_results(set, got, NULL) == FUSOR_OK);
    CHECK_CLOSE(got[0].value, want[0] / weight, 1e-10);
    CHECK_CLOSE(got[1].value, sqrt(want[1] / weight), 1e-11);
    CHECK_CLOSE(got[2].value, want[2] / weight, 1e-11);
    CHECK_CLOSE(got[2].weight, weight, 1e-12);
    for (int i = 0; i < 3; i++)
        CHECK(got[i].error > 0 && got[i].error < 1e-11);
    metric_set_destroy(set);
}

static void logits_lose_nothing_far_out(void)
{
    const char *const names[] = {"logloss", "rmse", NULL};
    struct metric_options logits = {.logits = 1};
    struct metric_set *set = make_set(names, &logits);
    float scores[3] = {100, -200, 0}, labels[3] = {0, 1, .25f};
    struct metric_result got[2];

    REQUIRE(metric_set_rows(set, scores, labels, NULL, 3, NULL) == FUSOR_OK);
    REQUIRE(metric_set_results(set, got, NULL) == FUSOR_OK);
    CHECK_CLOSE(got[0].value, (300 + log(2)) / 3, 1e-12);
    CHECK_CLOSE(got[1].value, sqrt((2 + .0625) / 3), 1e-12);
    metric_set_destroy(set);
}

static void unusable_scores_leave_means_undefined(void)
{
    const char *const names[] = {"logloss", "rmse", NULL};
    struct metric_set *set = make_set(names, NULL);
    float scores[3] = {NAN, 1.5f, .5f}, labels[3] = {0, 1, 1};
    struct metric_result got[2];

    REQUIRE(metric_set_rows(set, scores, labels, NULL, 3, NULL) == FUSOR_OK);
    REQUIRE(metric_set_results(set, got, NULL) == FUSOR_OK);
    CHECK(!got[0].defined && isnan(got[0].value) && got[0].n_bad == 2);
    CHECK(!got[1].defined && got[1].n_bad == 1 && got[1].n == 2);
    CHECK(isnan(metric_row_value(set, 0, NAN, 0)));
    metric_set_destroy(set);
}

static void a_diverged_sum_is_refused(void)
{
    const char *const names[] = {"rmse", NULL};
    struct metric_set *set = make_set(names, NULL);
    float score = 1e15f, label = 0;
    struct fusor_error err;

    CHECK(metric_set_rows(set, &score, &label, NULL, 1, &err) == FUSOR_EDATA);
    metric_set_destroy(set);
}

static void sums_of_many_weights_are_refused_when_too_large(void)
{
    const char *const names[] = {"auc", NULL};
    float score = .5f, label = 1, weight = 0x1p32f;

    for (int exact = 0; exact < 2; exact++) {
        struct metric_options o = {.exact = exact};
        struct metric_set *set = make_set(names, &o);
        int n = 0;

        while (metric_set_rows(set, &score, &label, &weight, 1, NULL) ==
               FUSOR_OK)
            REQUIRE(++n < 1000);
        CHECK(n == 64); // 2^62 steps of 2^-24
        metric_set_destroy(set);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"auc counts pairs", auc_counts_pairs},
        {"the bins' error bound holds", the_bins_error_bound_holds},
        {"auc takes logits", auc_takes_logits},
        {"auc counts NaN against us", auc_counts_nan_against_us},
        {"means match plain sums", means_match_plain_sums},
        {"logits lose nothing far out", logits_lose_nothing_far_out},
        {"unusable scores leave means undefined",
         unusable_scores_leave_means_undefined},
        {"a diverged sum is refused", a_diverged_sum_is_refused},
        {"sums of many weights are refused when too large",
         sums_of_many_weights_are_refused_when_too_large},
    };

    return TEST_RUN("model.metric_rows", cases);
}
