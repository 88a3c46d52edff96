/* Whole trainings: the same bits for any number of threads and however often
 * they stop, stages, early stopping, what goes wrong. */
#include "train/fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "train/load.h"
#include "train/result.h"

/* 701 rows in units of 96: the last is short, and so is its last micro-batch.
 */
#define PIECES                                                 \
    "train: {global_batch: 96, micro_batches: 6, epochs: 2}\n" \
    "evaluate: [auc, logloss]\n"
#define BCE "output: sigmoid\nloss: bce\n"
#define THRESHOLD "threshold, at: 3"

static const char *deep_job(const char *protocol)
{
    return fixture_text(fixture_data(protocol), THRESHOLD,
                        FIXTURE_DEEP BCE PIECES);
}

static void run_ok(struct training *t, const char *job,
                   const struct training_options *o)
{
    training_run(t, job, o);
    if (t->status != FUSOR_OK)
        fprintf(stderr, "%s\n", t->err.text);
    REQUIRE(t->status == FUSOR_OK);
}

static void any_number_of_threads_gives_the_same_bits(void)
{
    static const char *const names[] = {"t1", "t2", "t3", "t6"};
    static const unsigned threads[] = {1, 2, 3, 6};
    const char *job = deep_job("time-split");
    struct training t[4];

    for (int i = 0; i < 4; i++) {
        struct training_options o = {names[i], threads[i], 0, {NULL}};

        run_ok(&t[i], job, &o);
        CHECK(training_digest(&t[i], "latest") ==
              training_digest(&t[0], "latest"));
        CHECK(training_same_table(&t[0], "latest", &t[i], "latest", "genres"));
        CHECK(training_number(t[i].result.s, "auc") ==
              training_number(t[0].result.s, "auc"));
        CHECK(training_number(t[i].result.s, "logloss") ==
              training_number(t[0].result.s, "logloss"));
    }
    CHECK(training_number(t[0].result.s, "samples") == 2 * 701);
    for (int i = 0; i < 4; i++)
        training_clear(&t[i]);
}

/* The comparison above would hold for trainings that do nothing. */
static void another_seed_gives_other_bits_and_training_learns(void)
{
    const char *job = deep_job("time-split");
    struct training_options a = {"s1", 1, 0, {NULL}};
    struct training_options b = {"s2", 1, 0, {"train.seed", "2", NULL}};
    struct training_options c = {"s3", 2, 0, {"train.epochs", "12", NULL}};
    struct training t[3];

    run_ok(&t[0], job, &a);
    run_ok(&t[1], job, &b);
    run_ok(&t[2], job, &c);
    CHECK(training_digest(&t[0], "latest") != training_digest(&t[1], "latest"));
    CHECK(training_number(t[2].result.s, "auc") > 0.6);
    CHECK(training_number(t[2].result.s, "epochs") == 12);
    for (int i = 0; i < 3; i++)
        training_clear(&t[i]);
}

static void runs_of_a_user_and_depth_change_nothing_else(void)
{
    const char *job = deep_job("time-split");
    struct training_options a = {"d1", 2, 0, {"train.depth", "1", NULL}};
    struct training_options b = {"d4", 2, 0, {"train.depth", "7", NULL}};
    struct training_options c = {
        "u1", 1, 0, {"train.order", "by_user", "train.run", "4", NULL}};
    struct training_options d = {
        "u3", 3, 0, {"train.order", "by_user", "train.run", "4", NULL}};
    struct training t[4];

    run_ok(&t[0], job, &a);
    run_ok(&t[1], job, &b);
    run_ok(&t[2], job, &c);
    run_ok(&t[3], job, &d);
    CHECK(training_digest(&t[0], "latest") == training_digest(&t[1], "latest"));
    CHECK(training_digest(&t[2], "latest") == training_digest(&t[3], "latest"));
    CHECK(training_digest(&t[0], "latest") != training_digest(&t[2], "latest"));
    for (int i = 0; i < 4; i++)
        training_clear(&t[i]);
}

/* Stop after every epoch in turn, go on with another number of threads. */
static void stopping_after_any_epoch_changes_no_bit(void)
{
    static const char rest[] = FIXTURE_DEEP BCE
        "train: {global_batch: 96, micro_batches: 6, epochs: 3,\n"
        "        plateau: {factor: 0.3, patience: 0}}\n"
        "stages:\n"
        "  - {epochs: 3}\n"
        "  - {train: [fusion, deep], epochs: 2, rows: validation}\n"
        "evaluate: [logloss]\n";
    const char *job = fixture_text(fixture_data("time-split"), THRESHOLD, rest);
    struct training_options whole = {"whole", 2, 0, {NULL}};
    struct training t, w;

    run_ok(&w, job, &whole);
    for (unsigned first = 1; first <= 2; first++) {
        /* As if the job had been killed after so many epochs. */
        struct training_options a = {
            "part",
            3,
            0,
            {"stages", first == 1 ? "[{epochs: 1}]" : "[{epochs: 2}]"}};
        struct training_options b = {"part", first, 1, {NULL}};

        run_ok(&t, job, &a);
        training_clear(&t);
        run_ok(&t, job, &b);
        CHECK(training_digest(&t, "latest") == training_digest(&w, "latest"));
        CHECK(training_number(t.result.s, "logloss") ==
              training_number(w.result.s, "logloss"));
        CHECK(training_number(t.result.s, "samples") ==
              training_number(w.result.s, "samples"));
        training_clear(&t);
    }
    training_clear(&w);
}

static void a_finished_job_that_resumes_trains_no_more(void)
{
    const char *job = deep_job("time-split");
    struct training_options a = {"again", 1, 0, {NULL}};
    struct training_options b = {"again", 2, 1, {NULL}};
    struct training t;
    uint64_t digest;

    run_ok(&t, job, &a);
    digest = training_digest(&t, "latest");
    training_clear(&t);
    run_ok(&t, job, &b);
    CHECK(training_digest(&t, "latest") == digest);
    CHECK(training_number(t.result.s, "epochs") == 0);
    CHECK(training_number(t.result.s, "auc") > 0); // the test is judged again
    training_clear(&t);
}

static void a_stage_leaves_what_it_does_not_train(void)
{
    static const char rest[] = FIXTURE_DEEP BCE
        "train: {global_batch: 96, micro_batches: 4, epochs: 2}\n"
        "stages:\n"
        "  - {epochs: 2}\n"
        "  - {train: [fusion], rows: validation, epochs: 2}\n"
        "evaluate: [logloss]\n";
    const char *job = fixture_text(fixture_data("time-split"), THRESHOLD, rest);
    struct training_options o = {"stages", 2, 0, {NULL}};
    struct training t;
    const struct param_spec *p;

    run_ok(&t, job, &o);
    REQUIRE(training_has(&t, "02-00001") && training_has(&t, "02-00002"));
    p = t.workload->params;
    for (uint32_t i = 0; i < p->n_tables; i++)
        CHECK(training_same_table(&t, "02-00001", &t, "02-00002",
                                  p->tables[i].name));
    for (uint32_t b = 0; b < p->n_blocks; b++)
        CHECK(training_same_block(&t, "02-00001", &t, "02-00002",
                                  p->blocks[b].name) ==
              !strstr(p->blocks[b].name, "fusion"));
    training_clear(&t);
}

/* The first stage's own last checkpoint is gone by then: the table under l2 of
 * scope table must have kept its bits from there on too. */
static void a_frozen_table_does_not_decay(void)
{
    static const char one[] =
        FIXTURE_DEEP BCE "train: {global_batch: 96, epochs: 2}\n"
                         "stages: [{epochs: 2}]\n";
    static const char two[] = FIXTURE_DEEP BCE
        "train: {global_batch: 96, epochs: 2}\n"
        "stages: [{epochs: 2}, {train: [mf, fusion], epochs: 3}]\n";
    struct training_options a = {"one", 1, 0, {NULL}};
    struct training_options b = {"two", 1, 0, {NULL}};
    struct training t, u;

    run_ok(&t, fixture_text(fixture_data("time-split"), THRESHOLD, one), &a);
    run_ok(&u, fixture_text(fixture_data("time-split"), THRESHOLD, two), &b);
    CHECK(training_same_table(&t, "latest", &u, "latest", "genres"));
    CHECK(!training_same_table(&t, "latest", &u, "latest", "item"));
    training_clear(&t);
    training_clear(&u);
}

/* A learning rate this high makes later epochs worse than the first ones. */
#define STOPPING                                                    \
    FIXTURE_DEEP BCE                                                \
        "train: {global_batch: 96, micro_batches: 3, epochs: 30,\n" \
        "        stop: {logloss: 2}}\n"                             \
        "evaluate: [auc, logloss]\n"

static void training_stops_early_and_goes_back_to_the_best(void)
{
    const char *job =
        fixture_text(fixture_data("time-split"), THRESHOLD, STOPPING);
    struct training_options o = {
        "stop", 2, 0, {"optimizer", "{adam: 0.1}", NULL}};
    struct training_options again = {
        "stop", 1, 1, {"optimizer", "{adam: 0.1}", NULL}};
    double epochs, best, logloss;
    char name[32];
    struct training t;
    char *metrics;

    run_ok(&t, job, &o);
    epochs = training_number(t.result.s, "epochs");
    best = training_number(t.result.s, "epoch");
    CHECK(epochs < 30 && epochs == best + 3);
    snprintf(name, sizeof(name), "01-%05.0f", best);
    REQUIRE(training_has(&t, name)); // the best is kept beside the newest two
    CHECK(training_digest(&t, name) == training_digest(&t, "best"));
    CHECK(training_digest(&t, name) != training_digest(&t, "latest"));
    snprintf(name, sizeof(name), "01-%05.0f", epochs - 2);
    CHECK(!training_has(&t, name) || best == epochs - 2);
    /* what is reported as valid is the best epoch's */
    CHECK(training_number(strstr(t.result.s, "\"valid\""), "logloss") ==
          training_number(t.result.s, "value"));
    metrics = training_metrics(&t);
    CHECK(strstr(metrics, "\"lr_factor\"") != NULL);
    mem_free(metrics);
    logloss = training_number(strstr(t.result.s, "\"test\""), "logloss");
    training_clear(&t);
    /* resumed: the stage is over, the best is judged, not the newest */
    run_ok(&t, job, &again);
    CHECK(training_number(t.result.s, "epochs") == 0);
    CHECK(training_number(strstr(t.result.s, "\"test\""), "logloss") ==
          logloss);
    training_clear(&t);
}

static void the_next_stage_begins_at_the_best_epoch(void)
{
    const char *job =
        fixture_text(fixture_data("time-split"), THRESHOLD, STOPPING);
    struct training_options o = {
        "next",
        2,
        0,
        {"optimizer", "{adam: 0.1}", "stages",
         "[{}, {train: [fusion], rows: validation, epochs: 1}]", NULL}};
    struct training_options cut = {
        "next",
        1,
        1,
        {"optimizer", "{adam: 0.1}", "stages",
         "[{}, {train: [fusion], rows: validation, epochs: 1}]", NULL}};
    struct training_options alone = {
        "next", 3, 0, {"optimizer", "{adam: 0.1}", NULL}};
    struct training t, u;
    uint64_t digest;

    run_ok(&t, job, &o);
    digest = training_digest(&t, "latest");
    CHECK(training_has(&t, "02-00001"));
    training_clear(&t);
    run_ok(&u, job, &alone);
    training_clear(&u);
    run_ok(&t, job, &cut); // the first stage ended in another session
    CHECK(training_digest(&t, "latest") == digest);
    training_clear(&t);
}

static void a_plateau_lowers_the_rate(void)
{
    const char *job =
        fixture_text(fixture_data("time-split"), THRESHOLD, STOPPING);
    struct training_options o = {"plateau",
                                 1,
                                 0,
                                 {"train",
                                  "{global_batch: 96, epochs: 8, plateau: "
                                  "{factor: 0.1, patience: 0}}",
                                  "optimizer", "{adam: 0.1}", NULL}};
    struct training t;
    char *metrics;

    run_ok(&t, job, &o);
    metrics = training_metrics(&t);
    CHECK(strstr(metrics, "\"lr_factor\": 1,") != NULL ||
          strstr(metrics, "\"lr_factor\":1,") != NULL);
    CHECK(strstr(metrics, "0.1") != NULL);
    mem_free(metrics);
    training_clear(&t);
}

static void a_job_without_an_epoch_leaves_a_model(void)
{
    const char *job = deep_job("time-split");
    struct training_options o = {"none", 2, 0, {"train.epochs", "0", NULL}};
    struct training_options again = {"none", 1, 1, {"train.epochs", "0", NULL}};
    struct training t;
    struct shard *s;

    run_ok(&t, job, &o);
    s = training_load(&t, "latest");
    CHECK(shard_dense_size(s) == t.workload->params->n_dense);
    shard_destroy(s);
    training_clear(&t);
    run_ok(&t, job, &again);
    training_clear(&t);
}

static void divergence_names_step_and_epoch(void)
{
    static const char rest[] =
        "tables: {user: 4, item: 4}\n"
        "towers: {mf: {type: dot, query: user, item: item}}\n"
        "optimizer: {sgd: 1.0e+6}\n"
        "train: {global_batch: 64, epochs: 4}\n";
    const char *job = fixture_text(fixture_data("time-split"), "none", rest);

    for (unsigned threads = 1; threads <= 2; threads++) {
        struct training_options o = {
            "far", threads, 0, {"train.micro_batches", "2", NULL}};
        struct training t;

        training_run(&t, job, &o);
        CHECK(t.status == FUSOR_EDIVERGED);
        CHECK(strstr(t.err.text, "at step ") != NULL);
        CHECK(strstr(t.err.text, "of epoch 1") != NULL);
        CHECK(!training_has(&t, "01-00001"));
        training_clear(&t);
    }
}

static void more_threads_than_micro_batches_are_an_error(void)
{
    const char *job = deep_job("time-split");
    struct training_options o = {"many", 7, 0, {NULL}};
    struct training t;

    training_run(&t, job, &o);
    CHECK(t.status == FUSOR_EUSAGE);
    CHECK(strstr(t.err.text, "train.micro_batches") != NULL);
    CHECK(course_useful_threads(t.workload, 7) == 6);
    CHECK(course_useful_threads(t.workload, 2) == 2);
    training_clear(&t);
}

/* Drive the script as a coordinator would, two shards answering the cut. */
static void counters_of_shards_reach_the_journal(void)
{
    struct yaml *job = fixture_yaml(deep_job("time-split"));
    struct workload *w = fixture_workload(job);
    struct cut_result cut = {10, 20, 30, 1, 0, 0, {4, 0, 5}, {{0}, 0, 0, 0}};
    struct epoch_result epoch = {
        .samples = 701, .loss = 100, .busy_ns = 10, .wait_ns = 10};
    struct training t = {.workload = w};
    struct course_config config = {.workload = w,
                                   .run_dir = t.run_dir,
                                   .config_text = "{}",
                                   .n_workers = 2,
                                   .n_shards = 2,
                                   .quiet = 1};
    struct strbuf bytes = {0};
    struct fusor_error err;
    struct command c = {0};
    static struct load load;
    struct script *script;
    struct course *course;
    char *metrics;

    fs_join(t.run_dir, test_tmpdir(), "counters");
    REQUIRE(fs_mkdirs(t.run_dir, NULL) == FUSOR_OK);
    REQUIRE(course_create(&config, &course, NULL) == FUSOR_OK);
    script = course_script(course);
    while (c.kind != COMMAND_EVALUATE) {
        REQUIRE(script->ops->next(script, &c, NULL) == FUSOR_OK);
        if (c.kind == COMMAND_EPOCH) {
            epoch_result_encode(&epoch, &bytes);
            REQUIRE(script->ops->result(script, &c, 0, bytes.s, bytes.len,
                                        NULL) == FUSOR_OK);
        }
        for (uint32_t s = 0; c.kind == COMMAND_CUT && s < 2; s++) {
            cut_result_encode(&cut, &bytes);
            load.buckets[7 + s].rows = s ? 30 : 10;
            load_encode(&load, &bytes);
            load.buckets[7 + s].rows = 0;
            REQUIRE(script->ops->result(script, &c, s, bytes.s, bytes.len,
                                        NULL) == FUSOR_OK);
            CHECK(script->ops->result(script, &c, s, bytes.s, 7, &err) ==
                  FUSOR_EPROTO);
        }
    }
    /* nobody scored anything: metrics are undefined, the epoch still closes */
    REQUIRE(script->ops->next(script, &c, NULL) == FUSOR_OK);
    CHECK(c.kind == COMMAND_SAVE);
    CHECK(script->ops->result(script, &c, 2, "x", 1, &err) == FUSOR_EPROTO);
    metrics = training_metrics(&t);
    CHECK(training_number(metrics, "rows") == 20);
    CHECK(training_number(metrics, "pulls") == 40);
    CHECK(strstr(metrics, "\"staleness\":[8,0,10]") != NULL);
    mem_free(metrics);
    strbuf_clear(&bytes);
    course_destroy(course);
    workload_destroy(w);
    yaml_destroy(job);
}

static void an_epoch_that_is_not_judged_is_not_the_best(void)
{
    const char *job = deep_job("time-split");
    struct training_options o = {
        "every", 1, 0, {"train.epochs", "3", "train.eval_every", "2", NULL}};
    struct training t;
    char *metrics, *line;
    int n = 0;

    run_ok(&t, job, &o);
    metrics = training_metrics(&t);
    for (line = metrics; line && *line; n++) {
        char *end = strchr(line, '\n');

        *end = '\0';
        CHECK((strstr(line, "\"valid\"") != NULL) == (n >= 1));
        line = end + 1;
    }
    CHECK(n == 3);
    mem_free(metrics);
    training_clear(&t);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"any number of threads gives the same bits",
         any_number_of_threads_gives_the_same_bits},
        {"another seed gives other bits and training learns",
         another_seed_gives_other_bits_and_training_learns},
        {"runs of a user and depth change nothing else",
         runs_of_a_user_and_depth_change_nothing_else},
        {"stopping after any epoch changes no bit",
         stopping_after_any_epoch_changes_no_bit},
        {"a finished job that resumes trains no more",
         a_finished_job_that_resumes_trains_no_more},
        {"a stage leaves what it does not train",
         a_stage_leaves_what_it_does_not_train},
        {"a frozen table does not decay", a_frozen_table_does_not_decay},
        {"training stops early and goes back to the best",
         training_stops_early_and_goes_back_to_the_best},
        {"the next stage begins at the best epoch",
         the_next_stage_begins_at_the_best_epoch},
        {"a plateau lowers the rate", a_plateau_lowers_the_rate},
        {"a job without an epoch leaves a model",
         a_job_without_an_epoch_leaves_a_model},
        {"divergence names step and epoch", divergence_names_step_and_epoch},
        {"more threads than micro-batches are an error",
         more_threads_than_micro_batches_are_an_error},
        {"counters of shards reach the journal",
         counters_of_shards_reach_the_journal},
        {"an epoch that is not judged is not the best",
         an_epoch_that_is_not_judged_is_not_the_best},
    };

    return TEST_RUN("train.course", cases);
}
