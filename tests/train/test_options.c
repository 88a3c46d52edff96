/* The train and evaluate sections of a job. */
#include "train/options.h"

#include <string.h>

#include "data/dataset.h"
#include "train/options_text.h"

static void an_empty_job_has_one_whole_stage(void)
{
    struct train_options o;
    struct yaml *y;

    REQUIRE(options_text("name: x", &y, &o, NULL) == FUSOR_OK);
    CHECK(o.train.global_batch == 4096 && o.train.epochs == 10);
    CHECK(o.train.seed == 1 && o.train.depth == 1 && o.train.negatives == 0);
    CHECK(o.n_stages == 1 && o.n_metrics == 0 && !o.stages[0].names[0]);
    CHECK(o.stages[0].split == SPLIT_TRAIN && o.stages[0].epochs == 10);
    CHECK(!o.stages[0].stop.metric[0] && o.stages[0].plateau.factor == 1);
    yaml_destroy(y);
}

static void metrics_by_group_are_metrics_too(void)
{
    struct train_options o;
    struct yaml *y;

    REQUIRE(
        options_text("evaluate: [auc, {by: [age, gender], metrics: [mae, auc],"
                     " bins: 3}, rmse]",
                     &y, &o, NULL) == FUSOR_OK);
    CHECK(o.n_metrics == 3 && !strcmp(o.metrics[1], "rmse"));
    CHECK(!strcmp(o.metrics[2], "mae"));
    CHECK(o.n_groups == 2 && !strcmp(o.groups[1].field, "gender"));
    CHECK(o.groups[1].n_metrics == 2 && o.groups[1].bins == 3);
    CHECK(o.groups[0].min_group == 10);
    yaml_destroy(y);
}

static void a_wrong_setting_names_its_place(void)
{
    static const struct wrong_options wrong[] = {
        {"train: {globl_batch: 5}", "global_batch"},
        {"train: {micro_batches: 17}", "from 0 to 16"},
        {"train: {depth: 8}", "from 1 to 7"},
        {"train: {order: sorted}", "by_user"},
        {"train: {negatives: -1}", "\"-1\""},
        {"train: {stop: {auc: many}}", "many"},
        {"train: {plateau: {factor: 2}}", "factor"},
        {"train: {samples: rows}", "rows"},
        {"train: {window: first}", "first"},
        {"evaluate: auc", "list"},
        {"evaluate: [auc, {metrics: [auc]}]", "names no field"},
        {"evaluate: [auc, {by: age, bin: 3}]", "bins"},
        {"evaluate: [auc, {by: age, metrics: auc}]", "list of 1 to 32"},
        {"evaluate: [{by: [a, b, c, d, e, f, g, h, i]}]", "more than 8"},
    };

    options_refused(wrong, sizeof(wrong) / sizeof(wrong[0]));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"an empty job has one whole stage", an_empty_job_has_one_whole_stage},
        {"metrics by group are metrics too", metrics_by_group_are_metrics_too},
        {"a wrong setting names its place", a_wrong_setting_names_its_place},
    };

    return TEST_RUN("train.options", cases);
}
