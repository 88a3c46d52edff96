/* Metrics by group: gaps, groups that are too small, what is printed. */
#include "harness.h"

#include <string.h>

#include "train/breakdown.h"

static struct metric_result few[] = {{.defined = 1, .value = 9, .n = 3}};
static struct metric_result low[] = {{.defined = 1, .value = .5, .n = 40}};
static struct metric_result high[] = {{.defined = 1, .value = .8, .n = 10}};
static struct metric_result none[] = {{.value = NAN, .n = 50}};

static char labels[4][8] = {"few", "high", "low", "none"};
static struct breakdown_group groups[] = {
    {labels[0], few}, {labels[1], high}, {labels[2], low}, {labels[3], none}};

static struct breakdown make(size_t first, size_t n)
{
    return (struct breakdown){.n_metrics = 1,
                              .names = {"auc"},
                              .n = 1,
                              .fields = {{"age", 10, 1, n, groups + first}}};
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
    small.fields[0].min = 1;
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
    struct texttab *tab = breakdown_table(&b);
    struct strbuf text = {0};
    struct json j = {0};

    texttab_print(tab, &text);
    CHECK(strstr(text.s, "too few") && strstr(text.s, "undefined"));
    CHECK(strstr(text.s, "gap (max - min)") && strstr(text.s, "0.300000"));
    CHECK(strstr(text.s, "ratio (min / max)") && strstr(text.s, "0.625"));
    strbuf_clear(&text);
    texttab_destroy(tab);
    json_begin_object(&j, NULL);
    breakdown_json(&b, &j, "by");
    json_end_object(&j);
    CHECK(strstr(j.text.s, "too few") && strstr(j.text.s, "highest"));
    json_clear(&j);
}

static void json_reads_back_as_the_same_table(void)
{
    struct breakdown b = make(0, 4), again;
    struct json j = {0};
    struct yaml *y;
    struct fusor_error err;
    struct strbuf text[2] = {{0}, {0}};
    struct texttab *tab;

    breakdown_json(&b, &j, NULL);
    REQUIRE(yaml_parse(j.text.s, j.text.len, "by", &y, NULL) == FUSOR_OK);
    REQUIRE(breakdown_parse(yaml_root(y), &again, NULL) == FUSOR_OK);
    tab = breakdown_table(&b);
    texttab_print(tab, &text[0]);
    texttab_destroy(tab);
    tab = breakdown_table(&again);
    texttab_print(tab, &text[1]);
    texttab_destroy(tab);
    CHECK(!strcmp(text[0].s, text[1].s));
    breakdown_clear(&again);
    yaml_destroy(y);
    json_clear(&j);
    REQUIRE(yaml_parse("{age: {auc: 3}}", 15, "by", &y, NULL) == FUSOR_OK);
    CHECK(breakdown_parse(yaml_root(y), &again, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "auc by age: no list of groups") != NULL);
    breakdown_clear(&again);
    yaml_destroy(y);
    CHECK(breakdown_parse(NULL, &again, NULL) == FUSOR_OK && again.n == 0);
    strbuf_clear(&text[0]);
    strbuf_clear(&text[1]);
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
        {"json reads back as the same table",
         json_reads_back_as_the_same_table},
        {"nothing is cleared twice", nothing_is_cleared_twice},
    };

    return TEST_RUN("train.breakdown", cases);
}
