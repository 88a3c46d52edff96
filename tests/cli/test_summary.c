#include "cli/summary.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"

static void put(const char *dir, const char *json)
{
    char folder[FS_PATH_MAX], path[FS_PATH_MAX];

    fs_join(folder, test_tmpdir(), dir);
    REQUIRE(fs_mkdirs(folder, NULL) == FUSOR_OK);
    REQUIRE(fs_write_atomic(fs_join(path, folder, "result.json"), json,
                            strlen(json), NULL) == FUSOR_OK);
}

static void mean_and_deviation(void)
{
    struct summary *s = mem_alloc(1, sizeof(*s)), *back;
    struct stats_summary sum;

    REQUIRE(s != NULL);
    s->over = SUMMARY_SEEDS;
    put("seed-1", "{\"test\": {\"rmse\": 1.0, \"auc\": null}}");
    put("seed-2", "{\"test\": {\"rmse\": 3.0, \"auc\": 0.5}, \"valid\": "
                  "{\"rmse\": 9}}");
    REQUIRE(summary_add(s, test_tmpdir(), "seed-1", NULL) == FUSOR_OK);
    REQUIRE(summary_add(s, test_tmpdir(), "seed-2", NULL) == FUSOR_OK);
    CHECK(s->n == 2 && s->n_values == 3);
    sum = summary_of(s, &s->values[0]);
    CHECK(sum.n == 2);
    CHECK_CLOSE(sum.mean, 2, 1e-15);
    CHECK_CLOSE(sum.sd, 1.4142135623730951, 1e-15);
    sum = summary_of(s, &s->values[1]);
    CHECK(sum.n == 1);
    CHECK_CLOSE(sum.mean, 0.5, 1e-15);
    REQUIRE(summary_write(s, test_tmpdir(), NULL) == FUSOR_OK);
    back = mem_alloc(1, sizeof(*back));
    REQUIRE(back != NULL);
    REQUIRE(summary_read(test_tmpdir(), back, NULL) == FUSOR_OK);
    CHECK(back->n == 2 && back->over == SUMMARY_SEEDS);
    CHECK(!strcmp(back->dirs[1], "seed-2"));
    mem_free(back);
    mem_free(s);
}

static void says(const char *json, const char *want)
{
    struct strbuf text = {0};
    struct yaml *y;

    REQUIRE(yaml_parse(json, strlen(json), "result", &y, NULL) == FUSOR_OK);
    summary_say_judged(yaml_root(y), &text);
    CHECK(strcmp(text.s ? text.s : "", want) == 0);
    strbuf_clear(&text);
    yaml_destroy(y);
}

static void the_judged_epoch_is_told(void)
{
    says("{}", "");
    says("{\"judged\": {\"stage\": 2, \"epoch\": 9}}",
         "judged: epoch 9 of stage 2");
    says("{\"judged\": {\"stage\": 1, \"epoch\": 9}, \"best\": "
         "{\"metric\": \"auc\", \"value\": 0.5, \"epoch\": 9}}",
         "judged: epoch 9 of stage 1, its best by auc of the validation rows");
    says("{\"judged\": {\"stage\": 1, \"epoch\": 9}, \"best\": "
         "{\"metric\": \"auc\", \"value\": 0.5, \"epoch\": 4}}",
         "judged: epoch 9 of stage 1, its last; fusor evaluate, recommend and "
         "others open epoch 4, its best by auc of the validation rows: "
         "train.stop ends with that one");
}

static void what_is_not_there(void)
{
    struct summary *s = mem_alloc(1, sizeof(*s));
    struct fusor_error err = {0};

    REQUIRE(s != NULL);
    CHECK(summary_add(s, test_tmpdir(), "gone", &err) == FUSOR_EIO);
    CHECK(strstr(err.text, "gone/result.json") != NULL);
    CHECK(s->n == 0);
    CHECK(summary_read("/nowhere", s, NULL) == FUSOR_EIO);
    test_write("summary.json", "{\"runs\": []}");
    CHECK(summary_read(test_tmpdir(), s, &err) == FUSOR_EDATA);
    mem_free(s);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"mean and deviation over the runs that have a number",
         mean_and_deviation},
        {"the judged epoch is told", the_judged_epoch_is_told},
        {"what is not there is an error", what_is_not_there},
    };
    return TEST_RUN("cli.summary", cases);
}
