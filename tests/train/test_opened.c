/* A finished run, opened to be read. */
#include "train/opened.h"

#include <string.h>

#include "base/mem.h"
#include "data/prepared.h"
#include "train/fixture.h"

#define JOB                                                                 \
    FIXTURE_DEEP "output: sigmoid\nloss: bce\n"                             \
                 "train: {global_batch: 96, micro_batches: 2, epochs: 3,\n" \
                 "        stop: {auc: 5}}\n"                                \
                 "evaluate: [auc, logloss]\n"

static void train_one(struct training *t)
{
    struct training_options o = {"run", 2, 0, {NULL}};

    training_run(
        t, fixture_text(fixture_data("time-split"), "threshold, at: 3", JOB),
        &o);
    REQUIRE(t->status == FUSOR_OK);
}

static double judge(struct opened *o, const char *name)
{
    struct command c = {.kind = COMMAND_EVALUATE, .split = SPLIT_TEST};
    struct metric_result results[TRAIN_MAX_METRICS];
    struct metric_set *set = NULL;
    struct strbuf text = {0};
    double value = NAN;

    REQUIRE(trainer_run(o->trainer, &c, &text, NULL) == FUSOR_OK);
    REQUIRE(metric_set_deserialise(text.s, text.len, &set, NULL) == FUSOR_OK);
    REQUIRE(metric_set_results(set, results, NULL) == FUSOR_OK);
    for (size_t i = 0; i < metric_set_count(set); i++)
        if (strcmp(results[i].name, name) == 0)
            value = results[i].value;
    metric_set_destroy(set);
    strbuf_clear(&text);
    return value;
}

static void a_run_judges_as_it_did_when_it_ended(void)
{
    struct training t;

    train_one(&t);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        struct opened_options options = {.run_dir = t.run_dir,
                                         .n_threads = threads};
        struct opened *o = NULL;

        REQUIRE(opened_create(&options, &o, NULL) == FUSOR_OK);
        CHECK(judge(o, "auc") ==
              training_number(strstr(t.result.s, "\"test\""), "auc"));
        CHECK(o->epoch >= 1 && o->clock == 8 * o->epoch);
        CHECK(o->samples_done == 701 * o->epoch);
        opened_destroy(o);
    }
    training_clear(&t);
}

static void a_checkpoint_and_other_metrics_can_be_asked_for(void)
{
    char dir[FS_PATH_MAX], root[FS_PATH_MAX];
    struct opened_options options = {
        .run_dir = dir, .metrics = "[mae]", .n_threads = 1};
    struct opened *o = NULL;
    struct training t;

    train_one(&t);
    fs_join(dir, fs_join(root, t.run_dir, "checkpoints"), "01-00003");
    REQUIRE(opened_create(&options, &o, NULL) == FUSOR_OK);
    CHECK(o->epoch == 3 && o->workload->n_metrics == 1);
    CHECK(judge(o, "mae") > 0);
    opened_destroy(o);
    training_clear(&t);
}

static void what_is_no_run_is_refused(void)
{
    struct opened_options options = {.run_dir = test_tmpdir(), .n_threads = 1};
    struct opened *o = NULL;
    struct fusor_error err;
    struct training t;
    char path[FS_PATH_MAX], root[FS_PATH_MAX];

    CHECK(opened_create(&options, &o, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "no checkpoint there") != NULL);
    train_one(&t);
    options.run_dir = t.run_dir;
    options.prepared = "/nowhere";
    CHECK(opened_create(&options, &o, &err) != FUSOR_OK);
    CHECK(strstr(err.text, "/nowhere") != NULL);
    options.prepared = NULL;
    /* "best" may name what somebody has removed: the newest is next */
    fs_join(path, fs_join(root, t.run_dir, "checkpoints"), "best");
    REQUIRE(fs_write_atomic(path, "01-00099\n", 9, NULL) == FUSOR_OK);
    REQUIRE(opened_create(&options, &o, &err) == FUSOR_OK);
    CHECK(o->epoch == 3);
    opened_destroy(o);
    training_clear(&t);
}

static void every_failed_allocation_is_an_error(void)
{
    enum fusor_status rc = FUSOR_ENOMEM;
    struct training t;
    size_t used;

    train_one(&t);
    used = mem_used();
    for (long n = 1; rc != FUSOR_OK && n < 4000; n += n < 40 ? 1 : 13) {
        struct opened_options options = {.run_dir = t.run_dir, .n_threads = 1};
        struct opened *o = NULL;

        mem_fail_after(n);
        rc = opened_create(&options, &o, NULL);
        mem_fail_after(0);
        CHECK(rc == FUSOR_OK || !o);
        opened_destroy(o);
        CHECK(mem_used() == used);
    }
    CHECK(rc == FUSOR_OK);
    training_clear(&t);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a run judges as it did when it ended",
         a_run_judges_as_it_did_when_it_ended},
        {"a checkpoint and other metrics can be asked for",
         a_checkpoint_and_other_metrics_can_be_asked_for},
        {"what is no run is refused", what_is_no_run_is_refused},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("train.opened", cases);
}
