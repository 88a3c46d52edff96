/* The train, stages and evaluate sections of a job. */
#include "train/options.h"

#include <string.h>

#include "data/dataset.h"
#include "data/plan.h"
#include "data/prepared.h"

#include "harness.h"

static enum fusor_status read_text(const char *text, struct yaml **y,
                                   struct train_options *out,
                                   struct fusor_error *err)
{
    *y = prepared_yaml(text);
    return train_options_read(yaml_root(*y), out, err);
}

static void an_empty_job_has_one_whole_stage(void)
{
    struct train_options o;
    struct yaml *y;

    REQUIRE(read_text("name: x", &y, &o, NULL) == FUSOR_OK);
    CHECK(o.train.global_batch == 4096 && o.train.epochs == 10);
    CHECK(o.train.seed == 1 && o.train.depth == 1 && o.train.negatives == 0);
    CHECK(o.n_stages == 1 && o.n_metrics == 0 && !o.stages[0].names[0]);
    CHECK(o.stages[0].split == SPLIT_TRAIN && o.stages[0].epochs == 10);
    CHECK(!o.stages[0].stop.metric[0] && o.stages[0].plateau.factor == 1);
    yaml_destroy(y);
}

static void stages_take_what_they_do_not_say_from_train(void)
{
    struct train_options o;
    struct yaml *y;

    REQUIRE(read_text("train: {global_batch: 2k, epochs: 4, order: by_user,\n"
                      "  stop: {metric: auc, patience: 3},\n"
                      "  plateau: {factor: 0.5, patience: 1}}\n"
                      "stages:\n"
                      "  - {train: [mf, deep]}\n"
                      "  - {train: [fusion], rows: validation, epochs: 0,\n"
                      "     stop: {\"ndcg@10\": 8}, optimizer: sgd}\n"
                      "evaluate: [auc, \"ndcg@10\"]\n",
                      &y, &o, NULL) == FUSOR_OK);
    CHECK(o.train.global_batch == 2000 && o.train.order == PLAN_BY_USER);
    CHECK(o.n_stages == 2 && o.n_metrics == 2);
    CHECK(!strcmp(o.stages[0].names[1], "deep") && !o.stages[0].names[2]);
    CHECK(o.stages[0].epochs == 4 && o.stages[0].stop.patience == 3);
    CHECK(!strcmp(o.stages[0].stop.metric, "auc"));
    CHECK(o.stages[1].epochs == 0 && o.stages[1].split == SPLIT_VALID);
    CHECK(!strcmp(o.stages[1].stop.metric, "ndcg@10"));
    CHECK(o.stages[1].stop.patience == 8 && o.stages[1].optimizer != NULL);
    CHECK(o.stages[1].plateau.factor == 0.5);
    yaml_destroy(y);
}

static void metrics_by_group_are_metrics_too(void)
{
    struct train_options o;
    struct yaml *y;

    REQUIRE(read_text("evaluate: [auc, {by: [age, gender], metrics: [mae, auc],"
                      " bins: 3}, rmse]",
                      &y, &o, NULL) == FUSOR_OK);
    CHECK(o.n_metrics == 3 && !strcmp(o.metrics[1], "rmse"));
    CHECK(!strcmp(o.metrics[2], "mae"));
    CHECK(o.n_groups == 2 && !strcmp(o.groups[1].field, "gender"));
    CHECK(o.groups[1].n_metrics == 2 && o.groups[1].bins == 3);
    CHECK(o.groups[0].min_group == 10);
    yaml_destroy(y);
}

static void stages_before_one_out_of_fold_are_repeated(void)
{
    static const struct stage want[] = {
        {.number = 0, .fold = 0},
        {.number = 1, .fold = 0, .begins = 1},
        {.number = 2, .fold = 0, .ends = 1},
        {.number = 0, .fold = 1},
        {.number = 1, .fold = 1, .begins = 1},
        {.number = 2, .fold = 1, .ends = 1},
        {.number = 0, .fold = -1},
        {.number = 1, .fold = -1, .begins = 1},
        {.number = 2, .fold = -1},
        {.number = 3, .fold = -1},
        {.number = 4, .fold = -1},
    };
    struct train_options o;
    struct yaml *y;
    char text[48];

    REQUIRE(read_text("stages:\n"
                      "  - {train: [a], epochs: 0}\n"
                      "  - {build: [b]}\n"
                      "  - {train: [c], epochs: 7}\n"
                      "  - {train: [fusion], rows: out_of_fold(2)}\n"
                      "  - {train: [d], rows: validation}\n",
                      &y, &o, NULL) == FUSOR_OK);
    REQUIRE(o.n_stages == sizeof(want) / sizeof(want[0]));
    CHECK(o.n_folds == 2 && o.head == 9);
    for (uint32_t i = 0; i < o.n_stages; i++) {
        CHECK(o.stages[i].number == want[i].number);
        CHECK(o.stages[i].fold == want[i].fold);
        CHECK(o.stages[i].begins == want[i].begins);
        CHECK(o.stages[i].ends == want[i].ends);
    }
    CHECK(o.stages[4].build && o.stages[8].epochs == 7);
    CHECK(o.stages[9].split == SPLIT_TRAIN && o.stages[10].split == 1);
    CHECK(!strcmp(train_stage_text(&o, 5, text), "fold 2/2 stage 3"));
    CHECK(!strcmp(train_stage_text(&o, 9, text), "stage 4"));
    yaml_destroy(y);
}

static void a_wrong_setting_names_its_place(void)
{
    static const char *const wrong[][2] = {
        {"train: {globl_batch: 5}", "global_batch"},
        {"train: {micro_batches: 17}", "from 0 to 16"},
        {"train: {depth: 8}", "from 1 to 7"},
        {"train: {order: sorted}", "by_user"},
        {"train: {negatives: -1}", "\"-1\""},
        {"train: {stop: {auc: many}}", "many"},
        {"train: {plateau: {factor: 2}}", "factor"},
        {"stages: []", "1 to 16"},
        {"stages: {train: [a]}", "list"},
        {"stages: [{train: a}]", "list"},
        {"stages: [{rows: test}]", "validation"},
        {"stages: [{losses: bce}]", "losses"},
        {"stages: [{train: [a]}, {train: [fusion], rows: out_of_fold(11)}]",
         "from 2 to 10"},
        {"stages: [{train: [a]}, {train: [fusion], rows: out_of_fold(5}]",
         "out_of_fold(K)"},
        {"stages: [{train: [a]}, {train: [a], rows: out_of_fold(5)}]",
         "only the fusion"},
        {"stages: [{train: [a], epochs: 0},"
         " {train: [fusion], rows: out_of_fold(5)}]",
         "no stage before"},
        {"train: {samples: rows}", "rows"},
        {"train: {window: first}", "first"},
        {"evaluate: auc", "list"},
        {"evaluate: [auc, {metrics: [auc]}]", "names no field"},
        {"evaluate: [auc, {by: age, bin: 3}]", "bins"},
        {"evaluate: [auc, {by: age, metrics: auc}]", "list of 1 to 32"},
        {"evaluate: [{by: [a, b, c, d, e, f, g, h, i]}]", "more than 8"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct train_options o;
        struct fusor_error err = {0};
        struct yaml *y;

        CHECK(read_text(wrong[i][0], &y, &o, &err) == FUSOR_EUSAGE);
        CHECK(strncmp(err.text, "job.yaml:1:", 11) == 0);
        if (!strstr(err.text, wrong[i][1]))
            fprintf(stderr, "%s -> %s\n", wrong[i][0], err.text);
        CHECK(strstr(err.text, wrong[i][1]) != NULL);
        yaml_destroy(y);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"an empty job has one whole stage", an_empty_job_has_one_whole_stage},
        {"stages take what they do not say from train",
         stages_take_what_they_do_not_say_from_train},
        {"metrics by group are metrics too", metrics_by_group_are_metrics_too},
        {"stages before one out of fold are repeated",
         stages_before_one_out_of_fold_are_repeated},
        {"a wrong setting names its place", a_wrong_setting_names_its_place},
    };

    return TEST_RUN("train.options", cases);
}
