/* A job made ready: plans, masks, what does not fit together, failed memory. */
#include "train/workload.h"

#include <string.h>

#include "base/mem.h"
#include "data/prepared.h"
#include "store/local.h"
#include "train/fixture.h"
#include "train/trainer.h"

#define MF                         \
    "tables: {user: 4, item: 4}\n" \
    "towers: {mf: {type: dot, query: user, item: item}}\n"

static void plans_follow_the_rows_of_their_stage(void)
{
    struct yaml *job = fixture_yaml(
        fixture_text(fixture_data("time-split"), "none",
                     MF "train: {global_batch: 256, order: by_user}\n"
                        "optimizer: {adam: {lr: 0.5, schedule: {kind: cosine,\n"
                        "            warmup: 7}}}\n"
                        "stages: [{}, {train: [mf], rows: validation}]\n"));
    struct workload *w = fixture_workload(job);
    struct strbuf text = {0};
    struct plan p;

    REQUIRE(workload_plan(w, 0, &p, NULL) == FUSOR_OK);
    CHECK(p.n_rows == 701 && p.global_batch == 256 && plan_units(&p) == 3);
    CHECK(p.micro_batches == 1 && p.kind == PLAN_BY_USER);
    CHECK(workload_capacity(w, 0, &p) == 256);
    REQUIRE(workload_plan(w, 1, &p, NULL) == FUSOR_OK);
    CHECK(p.n_rows == 97 && p.global_batch == 97 && p.kind == PLAN_RANDOM);
    workload_describe(w, &text);
    CHECK(strstr(text.s, "701 train, 97 validation, 39 test") != NULL);
    CHECK(strstr(text.s, "10 epochs of 3 steps of 256 samples") != NULL);
    CHECK(strstr(text.s, "adam, lr 0.5, warm-up of 7 steps, cosine (to 0 "
                         "after 10 epochs)") != NULL);
    strbuf_clear(&text);
    workload_destroy(w);
    yaml_destroy(job);
}

static void masks_say_what_a_stage_leaves_alone(void)
{
    struct yaml *job = fixture_yaml(fixture_text(
        fixture_data("time-split"), "none",
        FIXTURE_DEEP "stages: [{}, {train: [mf]}, {train: [fusion]}]\n"));
    struct workload *w = fixture_workload(job);
    const struct param_spec *p = w->params;

    for (uint32_t s = 0; s < 3; s++) {
        const unsigned char *blocks = workload_frozen_blocks(w, s);
        const unsigned char *tables = workload_frozen_tables(w, s);

        for (uint32_t b = 0; b < p->n_blocks; b++) {
            int fusion = strstr(p->blocks[b].name, "fusion") != NULL;
            int deep = strstr(p->blocks[b].name, "deep") != NULL;

            CHECK(blocks[b] == (s == 0   ? 0
                                : s == 1 ? fusion || deep
                                         : !fusion));
        }
        for (uint32_t t = 0; t < p->n_tables; t++) {
            int item = strstr(p->tables[t].name, "item") != NULL;
            int user = strstr(p->tables[t].name, "user") != NULL;

            CHECK(tables[t] == (s == 0 ? 0 : s == 1 ? !item && !user : 1));
        }
    }
    workload_destroy(w);
    yaml_destroy(job);
}

static void a_stage_that_moves_a_frozen_tower_is_told(void)
{
    struct yaml *job = fixture_yaml(
        fixture_text(fixture_data("time-split"), "none",
                     "tables: {user: 4, item: 4}\n"
                     "towers: {mf: {type: dot, query: user, item: item}, "
                     "deep: {type: mlp, inputs: item, units: [2]}}\n"
                     "fusion: {type: weighted, over: logits}\n"
                     "stages: [{train: [mf]}, {train: [deep]}]\n"));
    struct workload *w = fixture_workload(job);
    struct strbuf text = {0};

    REQUIRE(w->warnings.s != NULL);
    CHECK(strstr(w->warnings.s, "stage 2 trains rows of table \"item\"") ==
          w->warnings.s);
    CHECK(strstr(w->warnings.s, "user") == NULL);
    workload_describe(w, &text);
    CHECK(strstr(text.s, w->warnings.s) != NULL);
    strbuf_clear(&text);
    workload_destroy(w);
    yaml_destroy(job);
}

/* The last stage that trains decides, whatever the job's own loss. */
static void metrics_of_order_and_of_labels_are_told_apart(void)
{
    static const struct {
        const char *rest;
        const char *told; // NULL: nothing
    } cases[] = {
        {"stages: [{loss: mse}, {train: [mf], loss: listnet}]\n"
         "evaluate: [rmse, ndcg@5, mae]\n",
         "rmse, mae compare scores with labels"},
        {"stages: [{loss: listnet}, {train: [mf], loss: mse}]\n"
         "evaluate: [rmse]\n",
         NULL},
        {"stages: [{train: [mf], loss: lambdarank}]\n"
         "evaluate: [ndcg@5]\n",
         NULL},
        {"loss: bpr\nevaluate: [rmse]\n", "rmse compares scores"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char rest[512];
        struct yaml *job;
        struct workload *w;
        const char *told;

        snprintf(rest, sizeof(rest), MF "%s", cases[i].rest);
        job = fixture_yaml(
            fixture_text(fixture_data("time-split"), "none", rest));
        w = fixture_workload(job);
        told = w->warnings.s ? strstr(w->warnings.s, " scores with") : NULL;
        CHECK(!told == !cases[i].told);
        CHECK(!told || strstr(w->warnings.s, cases[i].told));
        CHECK(w->only_ordered == (i != 1));
        workload_destroy(w);
        yaml_destroy(job);
    }
}

static void an_outline_asks_for_the_same_parameters(void)
{
    struct yaml *job = fixture_yaml(
        fixture_text(fixture_data("time-split"), "threshold, at: 3",
                     FIXTURE_DEEP "evaluate: [auc]\n"));
    struct workload *w = fixture_workload(job), *o = NULL;
    const struct param_spec *a = w->params, *b;

    REQUIRE(workload_create_outline(job, &o, NULL) == FUSOR_OK);
    b = o->params;
    REQUIRE(a->n_tables == b->n_tables && a->n_blocks == b->n_blocks);
    CHECK(a->n_dense == b->n_dense && a->seed == b->seed);
    for (uint32_t t = 0; t < a->n_tables; t++) {
        CHECK(strcmp(a->tables[t].name, b->tables[t].name) == 0);
        CHECK(a->tables[t].width == b->tables[t].width);
        CHECK(a->tables[t].init_scale == b->tables[t].init_scale);
        CHECK(w->table_optim[t].lr == o->table_optim[t].lr);
    }
    for (uint32_t i = 0; i < a->n_blocks; i++) {
        CHECK(a->blocks[i].offset == b->blocks[i].offset);
        CHECK(a->blocks[i].init_scale == b->blocks[i].init_scale);
        CHECK(w->whole_blocks[i] == o->whole_blocks[i]);
    }
    workload_destroy(o);
    workload_destroy(w);
    yaml_destroy(job);
}

static void what_does_not_fit_is_refused(void)
{
    static const char *const wrong[][2] = {
        {MF "loss: bce\n", "label"},
        {MF "evaluate: [acu]\n", "job.yaml:5:"},
        {MF "evaluate: [auc]\ntrain: {stop: {mae: 2}}\n", "job.yaml:6:"},
        {MF "evaluate: [\"ndcg\"]\n", "needs a cut"},
        {MF "trian: {epochs: 2}\n", "train"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct yaml *job = fixture_yaml(
            fixture_text(fixture_data("time-split"), "none", wrong[i][0]));
        struct fusor_error err = {0};
        struct workload *w = NULL;

        CHECK(workload_create(job, &w, &err) != FUSOR_OK);
        if (!strstr(err.text, wrong[i][1]))
            fprintf(stderr, "%s -> %s\n", wrong[i][0], err.text);
        CHECK(strstr(err.text, wrong[i][1]) != NULL);
        workload_destroy(w);
        yaml_destroy(job);
    }
}

static void every_failed_allocation_of_a_workload_is_an_error(void)
{
    const char *text =
        fixture_text(fixture_data("time-split"), "threshold, at: 3",
                     FIXTURE_DEEP "evaluate: [auc]\n");
    enum fusor_status rc = FUSOR_ENOMEM;

    for (long n = 1; rc != FUSOR_OK && n < 3000; n++) {
        struct yaml *job = fixture_yaml(text);
        struct workload *w = NULL;
        size_t used = mem_used();

        mem_fail_after(n);
        rc = workload_create(job, &w, NULL);
        mem_fail_after(0);
        CHECK(rc == FUSOR_OK || (rc == FUSOR_ENOMEM && !w));
        workload_destroy(w);
        CHECK(mem_used() == used);
        yaml_destroy(job);
    }
    CHECK(rc == FUSOR_OK);
}

static void every_failed_allocation_of_a_trainer_is_an_error(void)
{
    struct yaml *job =
        fixture_yaml(fixture_text(fixture_data("time-split"), "none",
                                  FIXTURE_DEEP "train: {global_batch: 64, "
                                               "micro_batches: 2}\n"));
    struct workload *w = fixture_workload(job);
    struct local_store_config store = {.params = w->params,
                                       .table_optim = w->table_optim,
                                       .block_optim = w->block_optim,
                                       .job_id = 1};
    struct trainer_config config = {
        .workload = w, .n_threads = 2, .n_workers = 2};
    enum fusor_status rc = FUSOR_ENOMEM;
    struct trainer *t = NULL;
    size_t used;

    REQUIRE(local_store_create(&store, 2, &config.store, NULL) == FUSOR_OK);
    used = mem_used();
    for (long n = 1; rc != FUSOR_OK && n < 5000; n++) {
        mem_fail_after(n);
        rc = trainer_create(&config, &t, NULL);
        mem_fail_after(0);
        if (rc == FUSOR_OK)
            trainer_destroy(t);
        else
            CHECK(rc == FUSOR_ENOMEM);
        CHECK(mem_used() == used);
    }
    CHECK(rc == FUSOR_OK);
    config.store->ops->destroy(config.store);
    workload_destroy(w);
    yaml_destroy(job);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"plans follow the rows of their stage",
         plans_follow_the_rows_of_their_stage},
        {"masks say what a stage leaves alone",
         masks_say_what_a_stage_leaves_alone},
        {"a stage that moves a frozen tower is told",
         a_stage_that_moves_a_frozen_tower_is_told},
        {"metrics of order and of labels are told apart",
         metrics_of_order_and_of_labels_are_told_apart},
        {"an outline asks for the same parameters",
         an_outline_asks_for_the_same_parameters},
        {"what does not fit is refused", what_does_not_fit_is_refused},
        {"every failed allocation of a workload is an error",
         every_failed_allocation_of_a_workload_is_an_error},
        {"every failed allocation of a trainer is an error",
         every_failed_allocation_of_a_trainer_is_an_error},
    };

    return TEST_RUN("train.workload", cases);
}
