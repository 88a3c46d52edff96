/* Metrics against values computed from their definitions in exact fractions:
 * tests/golden/metrics.txt, written by tests/golden/make_metrics.py, whose
 * formulas for rows, items and counts are repeated here. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "model/metric/metric.h"

#define N 600
#define GROUP 12
#define LISTS 40
#define CANDIDATES 30
#define N_ITEMS 101

/* A value is a mean of at most 600 terms: sums of doubles and of steps of 2^-40
 * stay within it. */
#define TOLERANCE 1e-10

static float scores[N], labels[N], weights[N];

static void make_rows(void)
{
    for (unsigned long i = 0; i < N; i++) {
        unsigned long level = (i * 7919 + 13) % 509;
        unsigned long noise = (i * 40503 + 977) * (2 * i + 1) % 65521 % 512;

        scores[i] = (float)level / 512;
        labels[i] = noise < level * 3 / 4 + 30 ? 1 : 0;
        weights[i] = (float)(i % 7 + 1) / 4;
    }
}

static double golden(const char *name)
{
    FILE *f = fopen(GOLDEN_DIR "/metrics.txt", "r");
    char at[64];
    double value, found = NAN;

    REQUIRE(f != NULL);
    while (fscanf(f, "%63s %lf", at, &value) == 2)
        if (strcmp(at, name) == 0)
            found = value;
    fclose(f);
    return found;
}

static struct metric_set *make_set(const char *name, int exact)
{
    struct metric_options o = {.exact = exact};
    struct metric_spec spec;
    struct metric_set *set = NULL;

    REQUIRE(metric_parse(name, &spec, NULL) == FUSOR_OK);
    REQUIRE(metric_set_create(&spec, 1, &o, &set, NULL) == FUSOR_OK);
    return set;
}

/* Is the value the golden one, and does the bound that is reported hold? */
static struct metric_result check(struct metric_set *set, const char *name)
{
    double want = golden(name);
    struct metric_result r;

    REQUIRE(metric_set_results(set, &r, NULL) == FUSOR_OK);
    CHECK(r.defined);
    CHECK_CLOSE(r.value, want, TOLERANCE);
    CHECK(fabs(r.value - want) <= r.error + 1e-15);
    metric_set_destroy(set);
    return r;
}

static struct metric_result rows(const char *metric, const char *name,
                                 int weighted, int exact)
{
    struct metric_set *set = make_set(metric, exact);

    make_rows();
    REQUIRE(metric_set_rows(set, scores, labels, weighted ? weights : NULL, N,
                            NULL) == FUSOR_OK);
    return check(set, name);
}

static void average_precision_is_as_defined(void)
{
    for (int exact = 0; exact < 2; exact++) {
        rows("pr_auc", "pr_auc", 0, exact);
        rows("pr_auc", "pr_auc_weighted", 1, exact);
    }
    CHECK(rows("pr_auc", "pr_auc", 0, 1).error < 1e-12);
}

static void calibration_errors_are_as_defined(void)
{
    rows("ece", "ece@15", 0, 0);
    rows("ece@15", "ece@15", 0, 0);
    rows("ece@7", "ece@7_weighted", 1, 0);
    rows("ace", "ace@15", 0, 0);
    rows("ace@10", "ace@10_weighted", 1, 0);
    CHECK(rows("ece", "ece@15", 0, 0).error < 1e-10);
}

static void mean_average_precision_is_as_defined(void)
{
    static const char *const names[] = {"map", "map@5"};

    make_rows();
    for (int i = 0; i < 2; i++) {
        struct metric_set *set = make_set(names[i], 0);

        for (size_t g = 0; g < N; g += GROUP)
            REQUIRE(metric_set_group(set, g, scores + g, labels + g, GROUP,
                                     NULL, NULL) == FUSOR_OK);
        check(set, names[i]);
    }
}

static uint64_t counts[N_ITEMS], values[N_ITEMS * 6];
static size_t begin[N_ITEMS + 1];
static float vectors[N_ITEMS * 3];

static struct metric_items make_items(int sets)
{
    struct metric_items items = {.n = N_ITEMS, .counts = counts};
    size_t n = 0;

    for (uint64_t i = 0; i < N_ITEMS; i++) {
        counts[i] = i * i * 7 % 50;
        items.total += counts[i];
        begin[i] = n;
        for (uint64_t v = 0; v < 6; v++)
            if ((i * (v + 2) + v) % 4 == 0)
                values[n++] = v;
        for (uint64_t e = 0; e < 3; e++)
            vectors[i * 3 + e] = (float)(i * (e + 3) % 7) - 3;
    }
    begin[N_ITEMS] = n;
    items.begin = sets ? begin : NULL;
    items.values = values;
    items.vectors = vectors;
    items.width = 3;
    return items;
}

static void check_lists(const char *metric, const char *name, int sets)
{
    struct metric_items items = make_items(sets);
    struct metric_set *set = make_set(metric, 0);

    metric_set_items(set, &items);
    for (uint32_t g = 0; g < LISTS; g++) {
        float s[CANDIDATES], none[CANDIDATES] = {0};
        uint32_t item[CANDIDATES];

        for (uint32_t j = 0; j < CANDIDATES; j++) {
            item[j] = 1 + (g * 17 + j * 13 + j * j * g) % 96;
            s[j] = (float)((g * 31 + j * 57 + g * j % 11 * 19) % 101);
        }
        REQUIRE(metric_set_shown(set, g, s, none, item, CANDIDATES, NULL,
                                 NULL) == FUSOR_OK);
    }
    CHECK(check(set, name).n == LISTS);
}

static void metrics_of_lists_are_as_defined(void)
{
    check_lists("coverage@5", "coverage@5", 1);
    check_lists("gini@5", "gini@5", 1);
    check_lists("novelty@5", "novelty@5", 1);
    check_lists("diversity@5", "diversity_sets@5", 1);
    check_lists("diversity@5", "diversity_vectors@5", 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"average precision is as defined", average_precision_is_as_defined},
        {"calibration errors are as defined",
         calibration_errors_are_as_defined},
        {"mean average precision is as defined",
         mean_average_precision_is_as_defined},
        {"metrics of lists are as defined", metrics_of_lists_are_as_defined},
    };

    return TEST_RUN("model.metric_golden", cases);
}
