/* Whole trainings with privacy: the same bits for any number of workers, what
 * is written about it, what is refused. */
#include "train/guarantee.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "train/accountant.h"
#include "train/fixture.h"

#define TABLES "tables: {user: 4, item: 4}\n"
#define TOWERS                                                              \
    "towers: {mf: {type: dot, query: user, item: item}, deep: {type: mlp, " \
    "inputs: [user, item], units: [6, 1]}}\nfusion: {type: weighted}\n"
#define TRAIN                                                       \
    "loss: bce\noptimizer: {sgd: 0.1}\ntrain: {global_batch: 100, " \
    "micro_batches: 4, epochs: 2}\n"
#define PRIVACY "privacy: {clip: 0.5, noise: 1.2, delta: 1.0e-4}\n"

static const char *text(const char *job)
{
    return fixture_text(fixture_data("time-split"), "threshold, at: 3", job);
}

static uint64_t train(const char *job, unsigned n_threads, int *told)
{
    struct training t;
    struct training_options options = {.name = "run", .n_threads = n_threads};
    char *lines;
    uint64_t d;

    training_run(&t, text(job), &options);
    if (t.status != FUSOR_OK)
        fprintf(stderr, "%s\n", t.err.text);
    REQUIRE(t.status == FUSOR_OK);
    lines = training_metrics(&t);
    if (told) {
        double n = (double)dataset_rows(t.workload->data, SPLIT_TRAIN);
        double want = accountant_epsilon(100 / n, 1.2, 2 * ceil(n / 100), 1e-4);

        *told = test_close(training_number(t.result.s, "epsilon"), want, 1e-9,
                           1e-9) &&
                strstr(lines, "\"epsilon_shuffled\"") != NULL;
    }
    mem_free(lines);
    d = training_digest(&t, "latest");
    training_clear(&t);
    return d;
}

static void any_number_of_workers_gives_the_same_bits(void)
{
    int told = 0;
    uint64_t one = train(TABLES TOWERS TRAIN PRIVACY, 1, &told);

    CHECK(told);
    CHECK(train(TABLES TOWERS TRAIN PRIVACY, 3, NULL) == one);
    CHECK(train(TABLES TOWERS TRAIN, 1, NULL) != one);
}

static void refuses(const char *job, const char *why)
{
    struct yaml *y = fixture_yaml(text(job));
    struct workload *w = NULL;
    struct fusor_error err = {0};

    CHECK(workload_create(y, &w, &err) == FUSOR_EUSAGE);
    CHECK(strncmp(err.text, "job.yaml:", 9) == 0);
    CHECK(strstr(err.text, why) != NULL);
    if (!strstr(err.text, why))
        fprintf(stderr, "%s\n", err.text);
    workload_destroy(w);
    yaml_destroy(y);
}

static void what_would_break_the_promise_is_refused(void)
{
    static const char with_norm[] =
        "towers: {deep: {type: mlp, inputs: [user, item], units: [6, 1], norm: "
        "batch}}\n";

    refuses(TABLES "towers: {mf: {type: dot, query: user, item: item}}\n"
                   "loss: full_softmax\n" PRIVACY,
            "compares a sample with others");
    refuses(TABLES "towers: {mf: {type: dot, query: user, item: item}}\n"
                   "loss: bpr\n" PRIVACY,
            "several samples");
    refuses(TABLES TOWERS "loss: bce\ntrain: {negatives: 2}\n" PRIVACY,
            "several samples");
    refuses(
        "fields: {history: {side: query, type: sequence, of: item, max: 4}, "
        "item: {side: item, type: categorical}}\ntables: {item: 4}\n"
        "towers: {seq: {type: gru, query: history, item: item}}\n" PRIVACY,
        "other rows");
    refuses(TABLES TOWERS TRAIN "memory: {when_full: evict_oldest}\n" PRIVACY,
            "evicted");
    refuses(TABLES TOWERS TRAIN "privacy: {noise: 0}\n", "noise");
    refuses(TABLES TOWERS TRAIN "privacy: {delta: 0.4}\n", "delta");
    refuses(TABLES TOWERS TRAIN "privacy: {sigma: 1}\n", "sigma");
    refuses(
        "tables: {user: 4, item: {dim: 4, admit: {count: 2}}}\n" TOWERS TRAIN
            PRIVACY,
        "admitted");
    refuses(TABLES TOWERS "stages: [{train: [mf, deep]}, {train: [fusion], "
                          "rows: validation}]\nloss: bce\n" PRIVACY,
            "validation");
    {
        char job[1024];

        snprintf(job, sizeof(job), TABLES "%s" TRAIN PRIVACY, with_norm);
        refuses(job, "batch statistics");
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"any number of workers gives the same bits",
         any_number_of_workers_gives_the_same_bits},
        {"what would break the promise is refused",
         what_would_break_the_promise_is_refused},
    };

    return TEST_RUN("train.guarantee", cases);
}
