#include "cli/config.h"

#include <string.h>

#include "harness.h"

static struct yaml *job_of(const char *text)
{
    struct yaml *y = NULL;

    REQUIRE(yaml_parse(text, strlen(text), "job.yaml", &y, NULL) == FUSOR_OK);
    return y;
}

static enum fusor_status with_variable(struct yaml *job, const char *entry,
                                       struct fusor_error *err)
{
    char text[128];
    char *environment[] = {text, NULL};

    snprintf(text, sizeof(text), "%s", entry);
    return config_environment(job, environment, err);
}

static int64_t integer_at(struct yaml *job, const char *path)
{
    int64_t value = -99;

    REQUIRE(yaml_path(yaml_root(job), path) != NULL);
    CHECK(yaml_to_i64(yaml_path(yaml_root(job), path), &value, NULL) ==
          FUSOR_OK);
    return value;
}

static void environment_beats_the_file(void)
{
    struct yaml *job = job_of("train: {epochs: 3}\n");

    CHECK(with_variable(job, "FUSOR_TRAIN_EPOCHS=7", NULL) == FUSOR_OK);
    CHECK(integer_at(job, "train.epochs") == 7);
    CHECK(!strcmp(yaml_path(yaml_root(job), "train.epochs")->file,
                  "FUSOR_TRAIN_EPOCHS"));
    yaml_destroy(job);
}

static void set_beats_the_environment(void)
{
    struct yaml *job = job_of("train: {epochs: 3}\n");

    CHECK(with_variable(job, "FUSOR_TRAIN_EPOCHS=7", NULL) == FUSOR_OK);
    CHECK(config_set(job, "train.epochs=9", NULL) == FUSOR_OK);
    CHECK(integer_at(job, "train.epochs") == 9);
    yaml_destroy(job);
}

static void underscores_stay_inside_a_name(void)
{
    struct yaml *job = job_of("");

    CHECK(with_variable(job, "FUSOR_TRAIN_GLOBAL_BATCH=512", NULL) == FUSOR_OK);
    CHECK(integer_at(job, "train.global_batch") == 512);
    CHECK(with_variable(job, "FUSOR_CLUSTER_THREADS=2", NULL) == FUSOR_OK);
    CHECK(integer_at(job, "cluster.threads") == 2);
    yaml_destroy(job);
}

static void texts_are_not_read_as_yaml(void)
{
    struct yaml *job = job_of("");
    struct yaml_node *n;

    CHECK(with_variable(job, "FUSOR_DATA_PREPARED=[odd]: dir", NULL) ==
          FUSOR_OK);
    n = yaml_path(yaml_root(job), "data.prepared");
    REQUIRE(n != NULL && n->kind == YAML_SCALAR);
    CHECK(!strcmp(n->text, "[odd]: dir"));
    yaml_destroy(job);
}

static void unknown_variables(void)
{
    struct yaml *job = job_of("");
    struct fusor_error err = {0};

    CHECK(with_variable(job, "FUSOR_TRAIN_EPOCS=7", &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "did you mean FUSOR_TRAIN_EPOCHS?") != NULL);
    CHECK(with_variable(job, "FUSOR_CPU=plain", NULL) == FUSOR_OK);
    CHECK(with_variable(job, "HOME=/root", NULL) == FUSOR_OK);
    CHECK(with_variable(job, "FUSOR_TRAIN_EPOCHS=[", &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "FUSOR_TRAIN_EPOCHS") != NULL);
    CHECK(yaml_root(job)->n == 0);
    yaml_destroy(job);
}

static void set_wants_a_name_and_a_value(void)
{
    static const char *const bad[] = {"train.epochs", "=3", "", "a..b=1",
                                      "train.epochs=[1"};
    struct yaml *job = job_of("train: {epochs: 3}\n");
    struct fusor_error err = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(config_set(job, bad[i], &err) == FUSOR_EUSAGE);
    CHECK(config_set(job, "towers={a: {type: fm}}", NULL) == FUSOR_OK);
    CHECK(yaml_path(yaml_root(job), "towers.a.type") != NULL);
    CHECK(integer_at(job, "train.epochs") == 3);
    yaml_destroy(job);
}

static void print_names_origins_and_defaults(void)
{
    struct yaml *job = job_of("train: {epochs: 3, stop: {auc: 2}}\n"
                              "towers: {a: {type: fm}}\n");
    struct strbuf text = {0};

    CHECK(config_set(job, "train.seed=5", NULL) == FUSOR_OK);
    REQUIRE(config_print(job, &text, NULL) == FUSOR_OK);
    REQUIRE(text.s != NULL);
    CHECK(strstr(text.s, "epochs: 3  # job.yaml:1") != NULL);
    CHECK(strstr(text.s, "seed: 5  # --set") != NULL);
    CHECK(strstr(text.s, "global_batch: 4096  # default") != NULL);
    CHECK(strstr(text.s, "type: fm") != NULL);
    CHECK(strstr(text.s, "auc: 2") != NULL);
    CHECK(strstr(text.s, "staleness: ") != NULL);
    strbuf_clear(&text);
    yaml_destroy(job);
}

static void help_says_what_each_section_takes(void)
{
    struct fusor_error err = {0};
    struct strbuf all = {0}, one = {0}, none = {0};

    REQUIRE(config_help(NULL, &all, NULL) == FUSOR_OK && all.s);
    CHECK(strstr(all.s, "train:\n") != NULL);
    CHECK(strstr(all.s, "staleness ") != NULL);
    CHECK(strstr(all.s, "\nadam: ") != NULL);
    REQUIRE(config_help("memory", &one, NULL) == FUSOR_OK && one.s);
    CHECK(!strncmp(one.s, "memory:\n", 8) && strstr(one.s, "when_full"));
    CHECK(strstr(one.s, "hang_timeout") == NULL);
    strbuf_clear(&one);
    REQUIRE(config_help("optimizer", &one, NULL) == FUSOR_OK && one.s);
    CHECK(strstr(one.s, "\nadam: ") && !strstr(one.s, "when_full"));
    CHECK(config_help("memroy", &none, &err) == FUSOR_EUSAGE);
    CHECK(none.len == 0 && strstr(err.text, "\"memroy\"") != NULL);
    strbuf_clear(&all);
    strbuf_clear(&one);
}

static void a_job_is_a_map(void)
{
    struct fusor_error err = {0};
    struct yaml *job = NULL;

    CHECK(config_read(test_write("list.yaml", "[a, b]\n"), &job, &err) ==
          FUSOR_EUSAGE);
    CHECK(strstr(err.text, "list.yaml:1:1") != NULL);
    CHECK(config_read("/nowhere/job.yaml", &job, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, "/nowhere/job.yaml") != NULL);
    CHECK(job == NULL);
    CHECK(config_read(test_write("good.yaml", "name: x\n"), &job, &err) ==
          FUSOR_OK);
    yaml_destroy(job);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the environment beats the file", environment_beats_the_file},
        {"--set beats the environment", set_beats_the_environment},
        {"underscores stay inside a setting's name",
         underscores_stay_inside_a_name},
        {"texts are not read as YAML", texts_are_not_read_as_yaml},
        {"a variable of a section that is no setting is refused",
         unknown_variables},
        {"--set wants a name and a value", set_wants_a_name_and_a_value},
        {"printing names origins and defaults",
         print_names_origins_and_defaults},
        {"help says what each section takes",
         help_says_what_each_section_takes},
        {"a job is a map in a file", a_job_is_a_map},
    };
    return TEST_RUN("cli.config", cases);
}
