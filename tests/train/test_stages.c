/* The list of stages of a job. */
#include "train/stages.h"

#include <string.h>

#include "data/dataset.h"
#include "data/plan.h"
#include "train/options_text.h"

static void stages_take_what_they_do_not_say_from_train(void)
{
    struct train_options o;
    struct yaml *y;

    REQUIRE(
        options_text("train: {global_batch: 2k, epochs: 4, order: by_user,\n"
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

    REQUIRE(options_text("stages:\n"
                         "  - {train: [a], epochs: 0}\n"
                         "  - {build: [b]}\n"
                         "  - {train: [c], epochs: 7, apart: true}\n"
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
    CHECK(o.stages[2].apart && o.stages[8].apart && !o.stages[9].apart);
    CHECK(o.stages[4].build && o.stages[8].epochs == 7);
    CHECK(o.stages[9].split == SPLIT_TRAIN && o.stages[10].split == 1);
    CHECK(!strcmp(train_stage_text(&o, 5, text), "fold 2/2 stage 3"));
    CHECK(!strcmp(train_stage_text(&o, 9, text), "stage 4"));
    yaml_destroy(y);
}

static void a_wrong_stage_names_its_place(void)
{
    static const struct wrong_options wrong[] = {
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
        {"stages: [{apart: true}]", "under `train`"},
        {"stages: [{train: [a], apart: some}]", "some"},
    };

    options_refused(wrong, sizeof(wrong) / sizeof(wrong[0]));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"stages take what they do not say from train",
         stages_take_what_they_do_not_say_from_train},
        {"stages before one out of fold are repeated",
         stages_before_one_out_of_fold_are_repeated},
        {"a wrong stage names its place", a_wrong_stage_names_its_place},
    };

    return TEST_RUN("train.stages", cases);
}
