/* Settings from one table. */
#include <stdio.h>
#include <string.h>

#include "base/option.h"

#include "harness.h"

struct sample {
    int64_t staleness;
    uint64_t global_batch;
    double lr;
    int shuffle;
    const char *data;
    int optimizer;
    struct yaml_node *stages;
};

static const char *const optimizers[] = {"sgd", "adam", "ftrl", NULL};

static const struct option_spec specs[] = {
    OPTION_INT(struct sample, staleness, "0", -1, 64, "steps behind"),
    OPTION_SIZE(struct sample, global_batch, "4096", 1, 1e9, "samples a step"),
    OPTION_DOUBLE(struct sample, lr, "1e-3", 0, 10, "learning rate"),
    OPTION_BOOL(struct sample, shuffle, "true", "mix the samples"),
    OPTION_TEXT(struct sample, data, NULL, "the prepared data"),
    OPTION_ENUM(struct sample, optimizer, "adam", optimizers, "update rule"),
    OPTION_NODE(struct sample, stages, "what is trained"),
    OPTION_END};

static enum fusor_status read_text(const char *text, struct yaml **y,
                                   struct sample *out, struct fusor_error *err)
{
    REQUIRE(!yaml_parse(text, strlen(text), "job.yaml", y, NULL));
    return option_read(specs, yaml_get(yaml_root(*y), "train"), "train", out,
                       err);
}

/* Does the text under "train:" fail with this error, *out untouched? */
static int fails(const char *text, const char *want)
{
    struct sample s, before;
    struct fusor_error err = {0};
    struct yaml *y = NULL;
    enum fusor_status rc;

    memset(&s, 0x5a, sizeof(s));
    before = s;
    rc = read_text(text, &y, &s, &err);
    yaml_destroy(y);
    if (rc != FUSOR_EUSAGE || strcmp(err.text, want)) {
        fprintf(stderr, "got \"%s\"\n", err.text);
        return 0;
    }
    return memcmp(&s, &before, sizeof(s)) == 0;
}

static void all_types_are_read(void)
{
    struct yaml *y = NULL;
    struct sample s = {0};

    REQUIRE(!read_text("train:\n  staleness: -1\n  global_batch: 2M\n"
                       "  lr: 0.5\n  shuffle: no\n  data: d/x\n"
                       "  optimizer: ftrl\n  stages: [a]\n",
                       &y, &s, NULL));
    CHECK(s.staleness == -1 && s.global_batch == 2000000 && s.lr == 0.5);
    CHECK(s.shuffle == 0 && s.optimizer == 2 && !strcmp(s.data, "d/x"));
    CHECK(s.stages && s.stages->kind == YAML_LIST);
    yaml_destroy(y);
}

static void absent_ones_take_the_default(void)
{
    struct yaml *y = NULL;
    struct sample s = {.stages = (struct yaml_node *)&s};

    REQUIRE(!read_text("train: {data: x}\n", &y, &s, NULL));
    CHECK(s.staleness == 0 && s.global_batch == 4096 && s.lr == 1e-3);
    CHECK(s.shuffle == 1 && s.optimizer == 1 && s.stages == NULL);
    yaml_destroy(y);
}

static void no_map_means_defaults(void)
{
    static const struct option_spec few[] = {
        OPTION_DOUBLE(struct sample, lr, "2", 0, 10, "learning rate"),
        OPTION_TEXT(struct sample, data, "", "data"), OPTION_END};
    struct sample s = {0};

    CHECK(!option_read(few, NULL, "train", &s, NULL));
    CHECK(s.lr == 2 && s.data && s.data[0] == '\0');
}

static void unknown_ones_get_the_nearest(void)
{
    CHECK(fails("train:\n  data: x\n  global_bach: 3\n",
                "job.yaml:3:3: unknown setting \"global_bach\" in train; did "
                "you mean \"global_batch\"?"));
    CHECK(fails("train:\n  momentum: 3\n",
                "job.yaml:2:3: unknown setting \"momentum\" in train; there "
                "is: staleness, global_batch, lr, shuffle, data, optimizer, "
                "stages"));
    CHECK(fails("train: {data: x, optimizer: adan}\n",
                "job.yaml:1:29: unknown optimizer \"adan\"; did you mean "
                "\"adam\"?"));
    CHECK(fails("train: {data: x, optimizer: magic}\n",
                "job.yaml:1:29: unknown optimizer \"magic\"; there is: sgd, "
                "adam, ftrl"));
}

static void wrong_values_are_refused(void)
{
    CHECK(fails("train: {data: x, lr: fast}\n",
                "job.yaml:1:22: expected a number, found \"fast\""));
    CHECK(fails("train: {data: x, lr: 11}\n",
                "job.yaml:1:22: lr is 11, but must be from 0 to 10"));
    CHECK(fails("train: {data: x, staleness: -2}\n",
                "job.yaml:1:29: staleness is -2, but must be from -1 to 64"));
    CHECK(fails("train: {data: x, global_batch: 0}\n",
                "job.yaml:1:32: global_batch is 0, but must be from 1 to "
                "1000000000"));
    CHECK(fails("train: {lr: 1}\n", "job.yaml:1:8: train needs the setting "
                                    "\"data\": the prepared data"));
    CHECK(fails("other: 1\n",
                "train needs the setting \"data\": the prepared data"));
    CHECK(fails("train: [1]\n",
                "job.yaml:1:8: train must be a map of settings, not a list"));
    CHECK(fails("train: 5\n", "job.yaml:1:8: train must be a map of settings, "
                              "not a single value"));
}

static void set_values_name_their_origin(void)
{
    struct fusor_error err = {0};
    struct yaml *y = NULL;
    struct sample s;

    REQUIRE(!yaml_parse("train: {data: x}\n", 17, "job.yaml", &y, NULL));
    REQUIRE(!yaml_set(y, "train.lrr", "1", "--set", NULL));
    CHECK(option_read(specs, yaml_get(yaml_root(y), "train"), "train", &s,
                      &err) == FUSOR_EUSAGE);
    CHECK(!strcmp(err.text, "--set: unknown setting \"lrr\" in train; did you "
                            "mean \"lr\"?"));
    yaml_destroy(y);
}

static void top_keys_are_checked(void)
{
    static const char *const names[] = {"data", "train", NULL};
    struct fusor_error err = {0};
    struct yaml *y = NULL;

    REQUIRE(!yaml_parse("data: 1\ntrian: 2\n", 17, "job.yaml", &y, NULL));
    CHECK(option_check_keys(yaml_root(y), names, "the job", &err));
    CHECK(!strcmp(err.text, "job.yaml:2:1: unknown setting \"trian\" in the "
                            "job; did you mean \"train\"?"));
    yaml_destroy(y);
    REQUIRE(!yaml_parse("data: 1\n", 8, "job.yaml", &y, NULL));
    CHECK(!option_check_keys(yaml_root(y), names, "the job", &err));
    yaml_destroy(y);
}

static void help_has_a_line_each(void)
{
    struct strbuf out = {0};

    option_help(specs, &out);
    REQUIRE(!out.failed);
    CHECK(strstr(out.s, "staleness     0           -1 to 64") != NULL);
    CHECK(strstr(out.s, "data          (required)  text") != NULL);
    CHECK(strstr(out.s, "sgd, adam, ftrl  update rule\n") != NULL);
    CHECK(strstr(out.s, "stages        -           group") != NULL);
    strbuf_clear(&out);
}

static void values_print_with_origin(void)
{
    struct strbuf out = {0};
    struct yaml *y = NULL;
    struct sample s;

    REQUIRE(!read_text("train:\n  data: a b\n  lr: 0.1\n", &y, &s, NULL));
    REQUIRE(!yaml_set(y, "train.optimizer", "sgd", "--set", NULL));
    REQUIRE(!option_read(specs, yaml_get(yaml_root(y), "train"), "train", &s,
                         NULL));
    option_print(specs, yaml_get(yaml_root(y), "train"), &s, 2, &out);
    CHECK(!strcmp(out.s, "  staleness: 0  # default\n"
                         "  global_batch: 4096  # default\n"
                         "  lr: 0.1  # job.yaml:3\n"
                         "  shuffle: true  # default\n"
                         "  data: a b  # job.yaml:2\n"
                         "  optimizer: sgd  # --set\n"));
    strbuf_clear(&out);
    yaml_destroy(y);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"all types are read", all_types_are_read},
        {"an absent setting takes its default", absent_ones_take_the_default},
        {"no map means all defaults", no_map_means_defaults},
        {"an unknown name gets the nearest one", unknown_ones_get_the_nearest},
        {"a wrong value is refused and nothing written",
         wrong_values_are_refused},
        {"a value set by hand names its origin", set_values_name_their_origin},
        {"the keys of a map are checked alone", top_keys_are_checked},
        {"the help has a line for each", help_has_a_line_each},
        {"values print with their origin", values_print_with_origin},
    };

    return TEST_RUN("base.option", cases);
}
