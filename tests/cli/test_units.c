#include "cli/units.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "harness.h"

static void start(struct units *u)
{
    memset(u, 0, sizeof(*u));
    snprintf(u->protocol, sizeof(u->protocol), "loo-full");
    snprintf(u->split, sizeof(u->split), "test");
    u->protocol_version = 1;
    u->candidates = 0xabcdef0123456789u;
    u->n_metrics = 2;
    snprintf(u->metrics[0], METRIC_NAME_MAX, "hr@10");
    snprintf(u->metrics[1], METRIC_NAME_MAX, "rmse");
}

static void add(struct units *u, uint32_t fold, uint64_t key, double a,
                double b)
{
    double values[2] = {a, b};

    units_add(u, fold, UNIT_QUERY, key, UNITS_NO_GROUP, values);
}

static void file_reads_back(void)
{
    struct units u, v;
    char path[FS_PATH_MAX];

    start(&u);
    add(&u, 1, 5, 1, 0.1);
    add(&u, 0, UINT64_MAX, 1.0 / 3, NAN);
    add(&u, 0, 5, 0, -2.5e-300);
    REQUIRE(units_sort(&u, NULL) == FUSOR_OK);
    fs_join(path, test_tmpdir(), "x.units");
    REQUIRE(units_write(&u, path, NULL) == FUSOR_OK);
    REQUIRE(units_read(path, &v, NULL) == FUSOR_OK);
    CHECK(units_match(&u, "u", &v, "v", NULL) == FUSOR_OK);
    CHECK(v.n == 3 && v.n_metrics == 2);
    CHECK(units_metric(&v, "rmse") == 1 && units_metric(&v, "auc") == -1);
    CHECK(units_at(&v, 0)->key == 5 && units_at(&v, 0)->fold == 0);
    CHECK(units_at(&v, 0)->values[1] == -2.5e-300);
    CHECK(units_at(&v, 1)->values[0] == 1.0 / 3);
    CHECK(isnan(units_at(&v, 1)->values[1]));
    CHECK(units_at(&v, 2)->fold == 1);
    units_clear(&u);
    units_clear(&v);
}

/* Values are told apart by their text, whatever their number in a run. */
static void groups_go_by_their_values(void)
{
    struct fusor_error err = {0};
    const double values[2] = {1, 2};
    struct units u, v;

    start(&u);
    start(&v);
    snprintf(u.by, sizeof(u.by), "gender");
    units_add(&u, 0, UNIT_ROW, 1, units_group(&u, "F"), values);
    units_add(&u, 0, UNIT_ROW, 2, units_group(&u, "M"), values);
    units_group(&v, "X");
    units_add(&v, 0, UNIT_ROW, 2, units_group(&v, "M"), values);
    units_add(&v, 0, UNIT_ROW, 1, units_group(&v, "F"), values);
    CHECK(units_group(&u, "M") == 1 && u.n_groups == 2 && v.n_groups == 3);
    REQUIRE(units_sort(&u, NULL) == FUSOR_OK);
    REQUIRE(units_sort(&v, NULL) == FUSOR_OK);
    CHECK(units_match(&u, "u", &v, "v", &err) == FUSOR_OK);
    units_at(&v, 1)->group = 0;
    CHECK(units_match(&u, "u", &v, "v", &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "in field gender") != NULL);
    for (size_t i = 0; i < v.n; i++)
        units_at(&v, i)->fold = 1;
    REQUIRE(units_append(&u, &v, &err) == FUSOR_OK);
    CHECK(u.n == 4 && u.n_groups == 3);
    CHECK(units_at(&u, 3)->group == 2); // X
    CHECK(units_at(&u, 2)->group == 0); // F
    units_clear(&u);
    units_clear(&v);
}

static void a_unit_stands_once(void)
{
    struct fusor_error err = {0};
    struct units u;

    start(&u);
    add(&u, 0, 7, 1, 1);
    add(&u, 0, 7, 1, 1);
    CHECK(units_sort(&u, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "unit 7") != NULL);
    units_at(&u, 1)->kind = UNIT_ROW; // row 7 is another than query 7
    CHECK(units_sort(&u, &err) == FUSOR_OK);
    units_clear(&u);
}

static void others_do_not_match(void)
{
    struct fusor_error err = {0};
    struct units u, v;

    start(&u);
    start(&v);
    add(&u, 0, 1, 1, 1);
    add(&u, 0, 2, 1, 1);
    add(&v, 0, 1, 1, 1);
    CHECK(units_match(&u, "u", &v, "v", &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "u has 2 units, v has 1") != NULL);
    add(&v, 0, 3, 1, 1);
    CHECK(units_match(&u, "u", &v, "v", &err) == FUSOR_EUSAGE);
    v.candidates++;
    CHECK(units_match(&u, "u", &v, "v", &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "judged differently") != NULL);
    units_clear(&u);
    units_clear(&v);
}

static void seeds_are_averaged(void)
{
    struct units mean, more;

    start(&mean);
    start(&more);
    add(&mean, 0, 1, 0, 4);
    add(&more, 0, 1, 3, 1);
    REQUIRE(units_average(&mean, &more, 1, NULL) == FUSOR_OK);
    CHECK_CLOSE(units_at(&mean, 0)->values[0], 1.5, 1e-15);
    units_at(&more, 0)->values[0] = 6;
    REQUIRE(units_average(&mean, &more, 2, NULL) == FUSOR_OK);
    CHECK_CLOSE(units_at(&mean, 0)->values[0], 3, 1e-15);
    CHECK_CLOSE(units_at(&mean, 0)->values[1], 2, 1e-15);
    units_clear(&mean);
    units_clear(&more);
}

static void folds_are_put_together(void)
{
    struct units u, v;

    start(&u);
    start(&v);
    add(&u, 1, 1, 0, 4);
    add(&v, 0, 1, 3, 1);
    REQUIRE(units_append(&u, &v, NULL) == FUSOR_OK);
    REQUIRE(units_sort(&u, NULL) == FUSOR_OK);
    CHECK(u.n == 2 && units_at(&u, 0)->fold == 0);
    snprintf(v.metrics[1], METRIC_NAME_MAX, "mae");
    CHECK(units_append(&u, &v, NULL) == FUSOR_EUSAGE);
    units_clear(&u);
    units_clear(&v);
}

static void broken_files_name_the_line(void)
{
    static const char head[] =
        "# fusor units 1\n# protocol none 1\n# candidates 0\n# split test\n";
    static const struct {
        const char *rest, *where;
    } bad[] = {
        {"", ":5:"},
        {"fold\tkind\tunit\n", ":5:"},
        {"fold\tkind\tunit\tauc\n0\tquery\t1\n", ":6:"},
        {"fold\tkind\tunit\tauc\n0\tquery\t1\t2\t3\n", ":6:"},
        {"fold\tkind\tunit\tauc\n0\tquery\tx\t2\n", ":6:"},
        {"fold\tkind\tunit\tauc\n0\tquery\t1\t.5\n0\trow\t2\thigh\n", ":7:"},
    };
    struct units u;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fusor_error err = {0};
        char text[400];

        snprintf(text, sizeof(text), "%s%s", head, bad[i].rest);
        CHECK(units_read(test_write("bad.units", text), &u, &err) ==
              FUSOR_EDATA);
        CHECK(strstr(err.text, bad[i].where) != NULL);
    }
    CHECK(units_read(test_write("no.units", "a\tb\n"), &u, NULL) ==
          FUSOR_EDATA);
    CHECK(units_read("/nowhere", &u, NULL) == FUSOR_EIO);
}

static void memory_out(void)
{
    struct units u;
    size_t before = mem_used();

    start(&u);
    mem_fail_after(1);
    add(&u, 0, 1, 1, 1);
    mem_fail_after(0);
    CHECK(units_sort(&u, NULL) == FUSOR_ENOMEM);
    units_clear(&u);
    CHECK(mem_used() == before);
}

static void titles_name_candidates_where_there_are_some(void)
{
    char title[UNITS_TITLE_MAX];

    CHECK(strcmp(units_title("test", "loo-full", 1, 0, "", title),
                 "test rows, protocol loo-full version 1") == 0);
    CHECK(strcmp(units_title("valid", "loo-given", 2, 0xab, "9 by x", title),
                 "valid rows, protocol loo-given version 2, candidates "
                 "00000000000000ab: 9 by x") == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a file reads back the same", file_reads_back},
        {"groups go by their values", groups_go_by_their_values},
        {"a unit stands once", a_unit_stands_once},
        {"evaluations of other units do not match", others_do_not_match},
        {"titles name candidates where there are some",
         titles_name_candidates_where_there_are_some},
        {"seeds are averaged unit by unit", seeds_are_averaged},
        {"folds are put together", folds_are_put_together},
        {"a broken file is named with its line", broken_files_name_the_line},
        {"exhausted memory is said at the end", memory_out},
    };
    return TEST_RUN("cli.units", cases);
}
