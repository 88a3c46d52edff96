/* Scores of held-out folds: who is scored, by what, and what files may hold. */
#include "train/fold.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "train/fixture.h"

#define TOWERS                                                     \
    "tables: {user: 6, item: 6, genres: 3}\n"                      \
    "towers:\n"                                                    \
    "  mf: {type: dot, query: user, item: item, bias: true}\n"     \
    "  deep: {type: mlp, inputs: [user, genres], units: [8, 1]}\n" \
    "fusion: {type: weighted, weights: free}\n"                    \
    "optimizer: {adam: 1.0e-2}\n"                                  \
    "output: sigmoid\nloss: bce\n"                                 \
    "evaluate: [auc, logloss]\n"
#define PLAIN                                                         \
    TOWERS "train: {global_batch: 96, micro_batches: 2, epochs: 3}\n" \
           "stages: [{train: [mf, deep]}, {train: [fusion], epochs: 1}]\n"
#define FOLDS                                                         \
    TOWERS "train: {global_batch: 96, micro_batches: 2, epochs: 3}\n" \
           "stages: [{train: [mf, deep]},\n"                          \
           "  {train: [fusion], epochs: 1, rows: out_of_fold(3)}]\n"

static void train(struct training *t, const char *name, const char *job)
{
    struct training_options o = {name, 2, 0, {NULL}};

    training_run(
        t, fixture_text(fixture_data("time-split"), "threshold, at: 3", job),
        &o);
    REQUIRE(t->status == FUSOR_OK);
}

static void every_train_row_is_held_out_once(void)
{
    struct yaml *y = fixture_yaml(
        fixture_text(fixture_data("time-split"), "threshold, at: 3", FOLDS));
    struct workload *w = fixture_workload(y);
    uint64_t n = dataset_rows(w->data, SPLIT_TRAIN), held = 0;
    unsigned char *seen = mem_alloc(n, 1);
    const struct workload *fold = NULL;

    REQUIRE(seen != NULL);
    for (int f = 0; f < 3; f++) {
        REQUIRE(workload_without(w, f, &fold, NULL) == FUSOR_OK);
        CHECK(fold->fold == f);
        for (uint64_t i = 0; i < dataset_rows(fold->data, SPLIT_TEST); i++)
            seen[dataset_sample_id(fold->data, SPLIT_TEST, i)]++;
        held += dataset_rows(fold->data, SPLIT_TEST);
        CHECK(dataset_rows(fold->data, SPLIT_TRAIN) +
                  dataset_rows(fold->data, SPLIT_TEST) ==
              n);
        CHECK(dataset_rows(fold->data, SPLIT_VALID) ==
              dataset_rows(w->data, SPLIT_VALID));
    }
    CHECK(held == n);
    for (uint64_t i = 0; i < n; i++)
        CHECK(seen[i] == 1);
    REQUIRE(workload_without(w, -1, &fold, NULL) == FUSOR_OK);
    CHECK(fold == w);
    workload_done_without(fold);
    mem_free(seen);
    workload_destroy(w);
    yaml_destroy(y);
}

static void folds_leave_the_towers_as_they_would_be(void)
{
    struct training plain, folds;

    train(&plain, "plain", PLAIN);
    train(&folds, "folds", FOLDS);
    CHECK(training_same_table(&plain, "latest", &folds, "latest", "user"));
    CHECK(training_same_table(&plain, "latest", &folds, "latest", "genres"));
    CHECK(!training_same_block(&plain, "latest", &folds, "latest",
                               "fusion.free"));
    CHECK(!training_has(&folds, "00-00000")); // nothing begins from it any more
    training_clear(&plain);
    training_clear(&folds);
}

static void scores_are_read_back_as_they_were_written(void)
{
    struct fold_scores s = {0};
    struct training t;
    uint32_t rows[3] = {5, 5, 9};
    float out[6];

    train(&t, "read", FOLDS);
    REQUIRE(fold_read(t.run_dir, t.workload, &s, NULL) == FUSOR_OK);
    CHECK(s.n_towers == 2 && s.each == 1);
    CHECK(s.n_rows == dataset_rows(t.workload->data, SPLIT_TRAIN));
    for (uint64_t i = 0; i < s.n_rows * 2; i++)
        CHECK(isfinite(s.values[i]));
    s.each = 2; // as if rows had two samples: [row][sample][tower]
    fold_gather(&s, rows, 3, out);
    CHECK(out[0] == s.values[20] && out[1] == s.values[21]);
    CHECK(out[2] == s.values[22] && out[3] == s.values[23]);
    CHECK(out[4] == s.values[36] && out[5] == s.values[37]);
    fold_scores_clear(&s);
    CHECK(s.values == NULL);
    training_clear(&t);
}

static void refuse(const struct training *t, const char *why)
{
    struct fold_scores s = {0};
    struct fusor_error err = {0};

    CHECK(fold_read(t->run_dir, t->workload, &s, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, why) != NULL);
    CHECK(s.values == NULL);
}

static void damaged_or_missing_scores_are_refused(void)
{
    char root[FS_PATH_MAX], path[FS_PATH_MAX], *data;
    struct training t;
    size_t size;

    train(&t, "bad", FOLDS);
    fs_join(root, t.run_dir, "out_of_fold");
    fs_join(path, root, "01-00000.scores");
    REQUIRE(fs_read(path, 1 << 20, &data, &size, NULL) == FUSOR_OK);
    for (size_t cut = 0; cut < size; cut += size / 7) {
        REQUIRE(fs_write_atomic(path, data, cut, NULL) == FUSOR_OK);
        refuse(&t, cut < 48 ? "cut short" : "damaged");
    }
    data[100] ^= 1;
    REQUIRE(fs_write_atomic(path, data, size, NULL) == FUSOR_OK);
    refuse(&t, "damaged");
    data[16] ^= 1;
    REQUIRE(fs_write_atomic(path, data, size, NULL) == FUSOR_OK);
    refuse(&t, "another job");
    data[0] = 'x';
    REQUIRE(fs_write_atomic(path, data, size, NULL) == FUSOR_OK);
    refuse(&t, "this program reads");
    mem_free(data);
    REQUIRE(fold_clear(t.workload, t.run_dir, 1, NULL) == FUSOR_OK);
    CHECK(!fs_exists(path));
    CHECK(fs_exists(fs_join(path, root, "02-00000.scores")));
    refuse(&t, "have no score");
    training_clear(&t);
}

/* Pairs of a positive and a negative: each row has room for both, and rows that
 * are not positive have none. */
static void sampled_negatives_are_scored_too(void)
{
    struct fold_scores s = {0};
    struct training t;
    struct training_options o = {
        "pairs", 2, 0, {"loss", "bpr", "output", "identity", NULL}};
    uint64_t with = 0;

    training_run(
        &t, fixture_text(fixture_data("time-split"), "threshold, at: 3", FOLDS),
        &o);
    REQUIRE(t.status == FUSOR_OK);
    REQUIRE(fold_read(t.run_dir, t.workload, &s, NULL) == FUSOR_OK);
    CHECK(s.each == 2);
    for (uint64_t i = 0; i < s.n_rows; i++) {
        int liked = dataset_label(t.workload->data, 0, SPLIT_TRAIN, i) > 0.5f;

        CHECK(liked == isfinite(s.values[i * 4]));
        CHECK(liked == isfinite(s.values[i * 4 + 2]));
        with += liked && s.values[i * 4] != s.values[i * 4 + 2];
    }
    CHECK(with > 0);
    fold_scores_clear(&s);
    training_clear(&t);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every train row is held out once", every_train_row_is_held_out_once},
        {"folds leave the towers as they would be",
         folds_leave_the_towers_as_they_would_be},
        {"scores are read back as they were written",
         scores_are_read_back_as_they_were_written},
        {"damaged or missing scores are refused",
         damaged_or_missing_scores_are_refused},
        {"sampled negatives are scored too", sampled_negatives_are_scored_too},
    };

    return TEST_RUN("train.fold", cases);
}
