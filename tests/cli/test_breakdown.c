/* Metrics by group: gaps, groups that are too small, what is printed. */
#include "harness.h"

#include <string.h>

#include "cli/breakdown.h"

static struct metric_result few[] = {{.defined = 1, .value = 9, .n = 3}};
static struct metric_result low[] = {{.defined = 1, .value = .5, .n = 40}};
static struct metric_result high[] = {{.defined = 1, .value = .8, .n = 10}};
static struct metric_result none[] = {{.value = NAN, .n = 50}};

static char labels[4][8] = {"few", "high", "low", "none"};
static struct breakdown_group groups[] = {
    {labels[0], few}, {labels[1], high}, {labels[2], low}, {labels[3], none}};
static const char names[1][METRIC_NAME_MAX] = {"auc"};

static struct breakdown make(size_t first, size_t n)
{
    return (struct breakdown){.n_metrics = 1,
                              .min = 10,
                              .n = 1,
                              .fields = {{"age", n, groups + first}}};
}

static void gaps_are_between_groups_that_tell(void)
{
    struct breakdown b = make(0, 4), two = make(2, 2), small = make(0, 2);
    struct breakdown_gap g;

    REQUIRE(breakdown_compare(&b, 0, 0, &g) == 0);
    CHECK(g.n == 2 && !strcmp(g.lowest->label, "low"));
    CHECK(!strcmp(g.highest->label, "high"));
    CHECK_CLOSE(g.gap, .3, 1e-15);
    CHECK_CLOSE(g.ratio, .625, 1e-15);
    CHECK(breakdown_compare(&two, 0, 0, &g) == -1);
    CHECK(breakdown_compare(&small, 0, 0, &g) == -1);
    small.min = 1;
    CHECK(breakdown_compare(&small, 0, 0, &g) == 0 && g.gap == 9 - .8);
}

static void ratios_need_positive_values(void)
{
    struct breakdown b = make(1, 2);
    struct breakdown_gap g;

    low[0].value = 0;
    CHECK(breakdown_compare(&b, 0, 0, &g) == 0);
    CHECK(isnan(g.ratio) && g.gap == .8);
    low[0].value = .5;
}

static void both_forms_say_what_is_too_few(void)
{
    struct breakdown b = make(0, 4);
    struct texttab *tab = breakdown_table(&b, names);
    struct strbuf text = {0};
    struct json j = {0};

    texttab_print(tab, &text);
    CHECK(strstr(text.s, "too few") && strstr(text.s, "undefined"));
    CHECK(strstr(text.s, "gap (max - min)") && strstr(text.s, "0.300000"));
    CHECK(strstr(text.s, "ratio (min / max)") && strstr(text.s, "0.625"));
    strbuf_clear(&text);
    texttab_destroy(tab);
    json_begin_object(&j, NULL);
    breakdown_json(&b, names, &j);
    json_end_object(&j);
    CHECK(strstr(j.text.s, "too few") && strstr(j.text.s, "highest"));
    json_clear(&j);
}

static void nothing_is_cleared_twice(void)
{
    struct breakdown b = {0};

    breakdown_clear(&b);
    breakdown_clear(&b);
    CHECK(b.n == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"gaps are between groups that tell",
         gaps_are_between_groups_that_tell},
        {"ratios need positive values", ratios_need_positive_values},
        {"both forms say what is too few", both_forms_say_what_is_too_few},
        {"nothing is cleared twice", nothing_is_cleared_twice},
    };

    return TEST_RUN("cli.breakdown", cases);
}
