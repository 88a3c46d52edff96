/* Names of metrics, and what a set promises: the same bits for any split and
 * order of the rows, undefined said so, bad input refused. */
#include "harness.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/metric/metric.h"

static struct metric_set *make_set(const char *const *names,
                                   const struct metric_options *options)
{
    struct metric_spec specs[METRIC_SET_MAX];
    struct metric_set *set = NULL;
    struct fusor_error err;
    size_t n = 0;

    for (; names[n]; n++)
        REQUIRE(metric_parse(names[n], &specs[n], &err) == FUSOR_OK);
    REQUIRE(metric_set_create(specs, n, options, &set, &err) == FUSOR_OK);
    return set;
}

static void names_are_read(void)
{
    struct metric_spec spec;

    CHECK(metric_parse("ndcg@10", &spec, NULL) == FUSOR_OK);
    CHECK(spec.k == 10 && !strcmp(spec.name, "ndcg@10"));
    CHECK(metric_over_groups(&spec) && metric_higher_is_better(&spec));
    CHECK(metric_parse("hr@005", &spec, NULL) == FUSOR_OK);
    CHECK(!strcmp(spec.name, "hr@5"));
    CHECK(metric_parse("logloss", &spec, NULL) == FUSOR_OK);
    CHECK(!metric_over_groups(&spec) && !metric_higher_is_better(&spec));
    CHECK(metric_parse("mrr", &spec, NULL) == FUSOR_OK && spec.k == 0);
    CHECK(metric_parse("mrr@10", &spec, NULL) == FUSOR_OK && spec.k == 10);
}

static void wrong_names_are_answered(void)
{
    static const struct {
        const char *text, *answer;
    } wrong[] = {
        {"ndgc@10", "did you mean ndcg@10?"},
        {"loglos", "mean logloss"},
        {"auc@5", "takes no @k"},
        {"hr", "write hr@10"},
        {"ndcg@0", "whole number"},
        {"ndcg@", "whole number"},
        {"ndcg@1e3", "whole number"},
        {"hr@-1", "whole number"},
        {"zebra", "there are auc"},
        {"", "no metric"},
        {"ndcg@99999999999", "whole number"},
        {"hr@5000000000", "whole number"},
        {"a-name-that-is-longer-than-any-metric-has", "no metric"},
    };
    struct metric_spec spec;
    struct fusor_error err;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK(metric_parse(wrong[i].text, &spec, &err) == FUSOR_EUSAGE);
        CHECK(strstr(err.text, wrong[i].answer) != NULL);
    }
}

static void all_are_listed(void)
{
    struct strbuf b = {0};

    metric_list(&b);
    CHECK(strstr(b.s, "ndcg@k") && strstr(b.s, "gauc") && strstr(b.s, "mae"));
    strbuf_clear(&b);
}

static void sets_are_checked(void)
{
    struct metric_options empty = {.score_lo = 2, .score_hi = 1};
    struct metric_options nan_range = {.score_lo = NAN, .score_hi = 1};
    struct metric_spec twice[2], many[METRIC_SET_MAX + 1];
    struct metric_set *set = NULL;
    struct fusor_error err;

    metric_parse("hr@5", &twice[0], NULL);
    metric_parse("hr@05", &twice[1], NULL);
    CHECK(metric_set_create(twice, 2, NULL, &set, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "hr@5 is listed twice") != NULL);
    CHECK(metric_set_create(twice, 1, &empty, &set, &err) == FUSOR_EUSAGE);
    CHECK(metric_set_create(twice, 1, &nan_range, &set, &err) == FUSOR_EUSAGE);
    CHECK(metric_set_create(many, METRIC_SET_MAX + 1, NULL, &set, &err) ==
          FUSOR_EUSAGE);
    CHECK(set == NULL);
    metric_set_destroy(NULL);
}

static void bad_rows_are_refused(void)
{
    const char *const names[] = {"logloss", "auc", "ndcg@2", NULL};
    struct metric_set *set = make_set(names, NULL);
    float scores[2] = {.5f, .5f}, labels[2] = {0, 2}, ones[2] = {1, 1};
    float weights[2] = {1, -1}, nan_label[2] = {NAN, 1}, high[2] = {5000, 0};
    struct metric_result r[3];
    struct fusor_error err;

    CHECK(metric_set_rows(set, scores, labels, NULL, 2, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "row 1: label 2") != NULL);
    CHECK(metric_set_rows(set, scores, ones, weights, 2, &err) == FUSOR_EDATA);
    weights[1] = NAN;
    CHECK(metric_set_rows(set, scores, ones, weights, 2, &err) == FUSOR_EDATA);
    CHECK(metric_set_group(set, 77, scores, nan_label, 2, NULL, &err) ==
          FUSOR_EDATA);
    CHECK(strstr(err.text, "group 77, candidate 0") != NULL);
    CHECK(metric_set_group(set, 8, scores, high, 2, NULL, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "grade of relevance") != NULL);
    REQUIRE(metric_set_results(set, r, &err) == FUSOR_OK);
    for (int i = 0; i < 3; i++)
        CHECK(r[i].n == 0 && !r[i].defined && isnan(r[i].value));
    metric_set_destroy(set);
}

static void nothing_is_undefined_not_zero(void)
{
    const char *const names[] = {"auc",  "gauc",   "logloss", "rmse", "mae",
                                 "hr@1", "ndcg@1", "mrr",     NULL};
    float scores[3] = {.1f, .2f, .3f}, ones[3] = {1, 1, 1}, zeros[3] = {0};
    struct metric_set *set = make_set(names, NULL);
    struct metric_result r[8];
    double values[8];

    REQUIRE(metric_set_results(set, r, NULL) == FUSOR_OK);
    for (int i = 0; i < 8; i++)
        CHECK(!r[i].defined && isnan(r[i].value) && r[i].n == 0);
    CHECK(metric_set_rows(set, scores, ones, NULL, 3, NULL) == FUSOR_OK);
    CHECK(metric_set_rows(set, scores, ones, zeros, 3, NULL) == FUSOR_OK);
    CHECK(metric_set_group(set, 1, scores, zeros, 3, values, NULL) == FUSOR_OK);
    CHECK(isnan(values[1]) && isnan(values[5]) && isnan(values[0]));
    CHECK(metric_set_group(set, 2, scores, zeros, 0, NULL, NULL) == FUSOR_OK);
    REQUIRE(metric_set_results(set, r, NULL) == FUSOR_OK);
    CHECK(!r[0].defined && r[0].n == 3); // one class: no AUC, not 0.5
    CHECK(r[2].defined && r[2].n == 3);  // weight 0 is no row
    for (int i = 5; i < 8; i++)
        CHECK(!r[i].defined && r[i].n == 0 && r[i].n_skipped == 2);
    CHECK(metric_set_group(set, 3, scores, ones, 3, values, NULL) == FUSOR_OK);
    CHECK(isnan(values[1]) && values[5] == 1);
    REQUIRE(metric_set_results(set, r, NULL) == FUSOR_OK);
    CHECK(!r[1].defined && r[1].n_skipped == 3);
    metric_set_destroy(set);
}

#define ROWS 3000
#define GROUP 12 /* rows a group */

static const char *const all_names[] = {
    "auc",        "gauc",   "logloss",   "rmse",        "mae",
    "hr@3",       "ndcg@4", "recall@2",  "precision@5", "mrr",
    "mrr@20",     "pr_auc", "ece@9",     "ace",         "map@4",
    "coverage@3", "gini@3", "novelty@4", "diversity@3", NULL};
#define N_ALL 19

#define ITEMS 50

static float row_scores[ROWS], row_labels[ROWS], row_weights[ROWS];
static uint32_t row_items[ROWS];
static uint64_t item_counts[ITEMS];
static float item_vectors[2 * ITEMS];
static const struct metric_items items = {
    .n = ITEMS,
    .counts = item_counts,
    .total = 3 * ITEMS,
    .vectors = item_vectors,
    .width = 2,
};

static void make_rows(uint64_t seed)
{
    struct rng r = rng_stream(seed, RNG_TEST, 0, 0);

    for (size_t i = 0; i < ROWS; i++) {
        row_scores[i] = (float)rng_below(&r, 40) / 40; // with ties
        row_labels[i] = rng_below(&r, 3) == 0;
        row_weights[i] = rng_float(&r) * 3;
        row_items[i] = (uint32_t)rng_below(&r, ITEMS);
    }
    for (size_t i = 0; i < ITEMS; i++) {
        item_counts[i] = rng_below(&r, 6);
        item_vectors[2 * i] = rng_float(&r);
        item_vectors[2 * i + 1] = rng_float(&r);
    }
}

/* Deal rows and groups over n sets in an order of its own and merge. */
static void deal(uint64_t seed, size_t n, const struct metric_options *o,
                 struct metric_result *results, struct strbuf *bytes)
{
    struct metric_set *sets[5];
    struct rng r = rng_stream(seed, RNG_TEST, 1, n);
    struct rng_permutation rows = rng_permutation_make(ROWS, r);
    struct rng_permutation groups = rng_permutation_make(ROWS / GROUP, r);

    for (size_t i = 0; i < n; i++) {
        sets[i] = make_set(all_names, o);
        metric_set_items(sets[i], &items);
    }
    for (size_t i = 0; i < ROWS; i++) {
        size_t j = rng_permute(&rows, i);

        CHECK(metric_set_rows(sets[rng_below(&r, n)], &row_scores[j],
                              &row_labels[j], &row_weights[j], 1,
                              NULL) == FUSOR_OK);
    }
    for (size_t i = 0; i < ROWS / GROUP; i++) {
        size_t j = rng_permute(&groups, i) * GROUP;

        CHECK(metric_set_shown(sets[rng_below(&r, n)], j, &row_scores[j],
                               &row_labels[j], &row_items[j], GROUP, NULL,
                               NULL) == FUSOR_OK);
    }
    for (size_t i = n - 1; i > 0; i--) // a chain in reverse
        CHECK(metric_set_merge(sets[i - 1], sets[i], NULL) == FUSOR_OK);
    CHECK(metric_set_results(sets[0], results, NULL) == FUSOR_OK);
    CHECK(metric_set_serialise(sets[0], bytes, NULL) == FUSOR_OK);
    for (size_t i = 0; i < n; i++)
        metric_set_destroy(sets[i]);
}

static void any_split_gives_the_same_bits(void)
{
    for (int exact = 0; exact < 2; exact++) {
        struct metric_options o = {.exact = exact};
        struct metric_result want[N_ALL], got[N_ALL];
        struct strbuf first = {0};

        make_rows(3);
        deal(1, 1, &o, want, &first);
        for (size_t n = 1; n <= 5; n++) {
            struct strbuf other = {0};

            deal(n + 7, n, &o, got, &other);
            for (int i = 0; i < N_ALL; i++) {
                CHECK(want[i].defined && got[i].defined);
                CHECK(!memcmp(&got[i].value, &want[i].value, sizeof(double)));
                CHECK(!memcmp(&got[i].error, &want[i].error, sizeof(double)));
                CHECK(got[i].n == want[i].n);
                CHECK(got[i].n_skipped == want[i].n_skipped);
            }
            /* Exact scores travel in order of arrival; all else is a sum. */
            CHECK(other.len == first.len);
            CHECK(exact || !memcmp(other.s, first.s, first.len));
            strbuf_clear(&other);
        }
        strbuf_clear(&first);
    }
}

static void unlike_sets_do_not_merge(void)
{
    const char *const one[] = {"rmse", NULL}, *const two[] = {"mae", NULL};
    struct metric_options logits = {.logits = 1}, wide = {.score_hi = 5};
    struct metric_set *a = make_set(one, NULL), *b = make_set(two, NULL);
    struct metric_set *c = make_set(one, &logits), *d = make_set(one, &wide);

    CHECK(metric_set_merge(a, b, NULL) == FUSOR_EINVAL);
    CHECK(metric_set_merge(a, c, NULL) == FUSOR_EINVAL);
    CHECK(metric_set_merge(a, d, NULL) == FUSOR_EINVAL);
    CHECK(metric_set_count(a) == 1);
    metric_set_destroy(a);
    metric_set_destroy(b);
    metric_set_destroy(c);
    metric_set_destroy(d);
}

/* Everything a set does, for a run with failing memory. */
static enum fusor_status whole_life(const struct metric_spec *specs)
{
    static const float scores[40] = {.5f}, labels[40] = {1};
    struct metric_options o = {.exact = 1};
    struct metric_set *set = NULL;
    struct metric_result r[3];
    enum fusor_status rc = metric_set_create(specs, 3, &o, &set, NULL);

    if (rc == FUSOR_OK)
        rc = metric_set_rows(set, scores, labels, NULL, 40, NULL);
    if (rc == FUSOR_OK)
        rc = metric_set_group(set, 0, scores, labels, 40, NULL, NULL);
    if (rc == FUSOR_OK)
        rc = metric_set_results(set, r, NULL);
    metric_set_destroy(set);
    return rc;
}

static void exhausted_memory_is_an_error_without_leak(void)
{
    size_t before = mem_used();
    struct metric_spec specs[3];
    long n = 1;

    metric_parse("auc", &specs[0], NULL);
    metric_parse("hr@1", &specs[1], NULL);
    metric_parse("gauc", &specs[2], NULL);
    for (;; n++) {
        enum fusor_status rc;

        mem_fail_after(n);
        rc = whole_life(specs);
        mem_fail_after(0);
        CHECK(mem_used() == before);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
        REQUIRE(n < 100);
    }
    CHECK(n > 8);
}

static void metrics_of_labels_take_their_own_rows(void)
{
    static const char *const names[] = {"mae:click", "mae:buy", "hr@1:buy",
                                        NULL};
    static const float one[] = {1}, half[] = {.5f}, zero[] = {0};
    struct metric_set *set = make_set(names, NULL), *slice;
    struct metric_result r[3];
    struct metric_spec spec;
    double values[3];

    CHECK(!strcmp(metric_set_spec(set, 2)->label, "buy"));
    metric_set_about(set, "click");
    REQUIRE(metric_set_rows(set, half, one, NULL, 1, NULL) == FUSOR_OK);
    metric_set_about(set, "buy");
    REQUIRE(metric_set_slice(set, 3, &slice, NULL) == FUSOR_OK);
    REQUIRE(metric_set_rows(slice, zero, one, NULL, 1, NULL) == FUSOR_OK);
    REQUIRE(metric_set_group(set, 1, half, one, 1, values, NULL) == FUSOR_OK);
    CHECK(isnan(values[0]) && values[2] == 1);
    REQUIRE(metric_set_results(set, r, NULL) == FUSOR_OK);
    CHECK(r[0].n == 1 && r[0].value == .5 && r[1].n == 0 && r[2].n == 1);
    REQUIRE(metric_set_results(slice, r, NULL) == FUSOR_OK);
    CHECK(r[0].n == 0 && r[1].value == 1);
    metric_set_destroy(set);
    REQUIRE(metric_parse("hr@010", &spec, NULL) == FUSOR_OK);
    REQUIRE(metric_of_label(&spec, "buy", &spec, NULL) == FUSOR_OK);
    CHECK(!strcmp(spec.name, "hr@10:buy") && metric_is(&spec, "hr"));
    CHECK(metric_parse("auc:", &spec, NULL) == FUSOR_EUSAGE);
    CHECK(metric_of_label(&spec, "a_label_that_is_much_too_long", &spec,
                          NULL) == FUSOR_EUSAGE);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"metrics of labels take their own rows",
         metrics_of_labels_take_their_own_rows},
        {"names are read", names_are_read},
        {"wrong names are answered", wrong_names_are_answered},
        {"all are listed", all_are_listed},
        {"sets are checked", sets_are_checked},
        {"bad rows are refused", bad_rows_are_refused},
        {"nothing is undefined, not zero", nothing_is_undefined_not_zero},
        {"any split gives the same bits", any_split_gives_the_same_bits},
        {"unlike sets do not merge", unlike_sets_do_not_merge},
        {"exhausted memory is an error without leak",
         exhausted_memory_is_an_error_without_leak},
    };

    return TEST_RUN("model.metric", cases);
}
