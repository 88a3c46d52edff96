/* Sampled negatives: what is drawn, what a unit divides by, pairs for bpr. */
#include "train/negatives.h"

#include <stdio.h>
#include <string.h>

#include "data/batcher.h"
#include "data/prepared.h"
#include "train/fixture.h"

#define PAIRS                                                          \
    "tables: {user: 4, item: 4}\n"                                     \
    "towers: {mf: {type: dot, query: user, item: item, bias: true}}\n" \
    "train: {global_batch: 96, micro_batches: 3, epochs: 2}\n"

static int has_event(uint32_t user, uint32_t item)
{
    uint64_t n;
    const struct event *e = fixture_events(SPLIT_TRAIN, &n);

    for (uint64_t i = 0; i < n; i++)
        if (e[i].user == user && e[i].item == item)
            return 1;
    return 0;
}

static struct workload *open_workload(const char *map, const char *rest,
                                      struct yaml **job)
{
    *job = fixture_yaml(fixture_text(fixture_data("loo-full"), map, rest));
    return fixture_workload(*job);
}

static void negatives_are_what_the_query_does_not_have(void)
{
    static const struct negatives how = {.per_row = 4};
    uint32_t rows[701], out[3505], items[3505], again[3505], n, at = 0;
    int count[FIXTURE_ITEMS] = {0}, known = 0;
    struct yaml *job;
    struct workload *w = open_workload("implicit", PAIRS, &job);

    for (uint32_t i = 0; i < 701; i++)
        rows[i] = i;
    n = negatives_expand(&how, w->data, SPLIT_TRAIN, 1, 0, rows, 701, out,
                         items);
    REQUIRE(n == 3505 && negatives_samples(&how) == 5);
    for (uint32_t i = 0; i < 701; i++) {
        CHECK(out[at] == i && items[at] == BATCHER_OWN_ITEM);
        for (int k = 1; k <= 4; k++) {
            uint32_t item = items[at + (uint32_t)k];

            REQUIRE(item >= 1 && item < FIXTURE_ITEMS);
            CHECK(out[at + (uint32_t)k] == i);
            count[item]++;
            known += has_event(dataset_query(w->data, SPLIT_TRAIN, i), item);
        }
        at += 5;
    }
    /* About 18 of 29 items are seen by a user: nine draws all meet one with
     * probability (13/29)^9 < 0.001, of 2804. */
    CHECK(known < 14);
    for (int i = 1; i < FIXTURE_ITEMS; i++)
        CHECK(count[i] > 32 && count[i] < 291); // 97 each, less the more seen
    /* the same rows in other company, another epoch, another seed */
    CHECK(negatives_expand(&how, w->data, SPLIT_TRAIN, 1, 0, rows + 7, 3, out,
                           again) == 15);
    CHECK(memcmp(again, items + 35, 15 * sizeof(*items)) == 0);
    negatives_expand(&how, w->data, SPLIT_TRAIN, 1, 1, rows + 7, 3, out, again);
    CHECK(memcmp(again, items + 35, 15 * sizeof(*items)) != 0);
    negatives_expand(&how, w->data, SPLIT_TRAIN, 2, 0, rows + 7, 3, out, again);
    CHECK(memcmp(again, items + 35, 15 * sizeof(*items)) != 0);
    workload_destroy(w);
    yaml_destroy(job);
}

static void rows_that_are_not_positive_bring_none(void)
{
    static const struct negatives points = {.per_row = 2},
                                  pairs = {.per_row = 2, .pairwise = 1};
    uint32_t rows[701], out[2804], items[2804], n_positive = 0;
    struct yaml *job;
    struct workload *w = open_workload("threshold, at: 3", PAIRS, &job);

    for (uint32_t i = 0; i < 701; i++) {
        rows[i] = i;
        n_positive += dataset_label(w->data, 0, SPLIT_TRAIN, i) > 0.5f;
    }
    REQUIRE(n_positive > 100 && n_positive < 600);
    CHECK(negatives_expand(&points, w->data, SPLIT_TRAIN, 1, 0, rows, 701, out,
                           items) == 701 + 2 * n_positive);
    CHECK(negatives_weight(&points, w->data, SPLIT_TRAIN, rows, 701) ==
          701 + 2 * n_positive);
    CHECK(negatives_expand(&pairs, w->data, SPLIT_TRAIN, 1, 0, rows, 701, out,
                           items) == 4 * n_positive);
    CHECK(negatives_weight(&pairs, w->data, SPLIT_TRAIN, rows, 701) ==
          4 * n_positive);
    for (uint32_t i = 0; i < 4 * n_positive; i += 2) {
        CHECK(items[i] == BATCHER_OWN_ITEM && out[i] == out[i + 1]);
        CHECK(items[i + 1] != BATCHER_OWN_ITEM);
    }
    workload_destroy(w);
    yaml_destroy(job);
}

static void pairs_and_negatives_train_the_same_on_any_threads(void)
{
    static const char *const losses[] = {"loss: bpr\n",
                                         "output: sigmoid\nloss: bce\n"};
    static const char *const k[] = {"0", "3"};
    static const double samples[] = {2, 4};

    for (int l = 0; l < 2; l++) {
        char rest[512];
        struct training t[2];

        snprintf(rest, sizeof(rest), "%sevaluate: [\"hr@10\"]\n%s", PAIRS,
                 losses[l]);
        for (unsigned i = 0; i < 2; i++) {
            struct training_options o = {
                i ? "n3" : "n1", i ? 3 : 1, 0, {"train.negatives", k[l], NULL}};

            training_run(
                &t[i], fixture_text(fixture_data("loo-full"), "implicit", rest),
                &o);
            if (t[i].status != FUSOR_OK)
                fprintf(stderr, "%s\n", t[i].err.text);
            REQUIRE(t[i].status == FUSOR_OK);
            CHECK(training_number(t[i].result.s, "samples") ==
                  2 * 701 * samples[l]);
        }
        CHECK(training_digest(&t[0], "latest") ==
              training_digest(&t[1], "latest"));
        training_clear(&t[0]);
        training_clear(&t[1]);
    }
}

static uint32_t user_table(const struct training *t)
{
    uint32_t i = 0;

    while (strcmp(t->workload->params->tables[i].name, "user") != 0)
        i++;
    return i;
}

/* With sgd and one unit, one epoch moves the biases of all users together by lr
 * times the mean over all samples of (label - sigmoid(score)); scores are about
 * 0. */
static double sum_of_user_biases(const char *protocol, const char *map,
                                 const char *negatives)
{
    static const char rest[] =
        "tables: {user: {dim: 4, init: {normal: 1.0e-6}},\n"
        "         item: {dim: 4, init: {normal: 1.0e-6}}}\n"
        "towers: {mf: {type: dot, query: user, item: item, bias: true}}\n"
        "output: sigmoid\nloss: bce\noptimizer: {sgd: 1.0}\n"
        "train: {global_batch: 701, micro_batches: 4, epochs: 1}\n";
    struct training_options o = {
        "mean", 2, 0, {"train.negatives", negatives, NULL}};
    struct training t;
    struct shard *s;
    double bias = 0;

    training_run(&t, fixture_text(fixture_data(protocol), map, rest), &o);
    REQUIRE(t.status == FUSOR_OK);
    s = training_load(&t, "latest");
    for (uint64_t user = 1; user < FIXTURE_USERS; user++) {
        uint32_t ref = 0;

        shard_resolve(s, user_table(&t), &user, 1, RESOLVE_PEEK, 0, &ref, NULL);
        bias += (double)shard_row_values(shard_base(s), ref)[0];
    }
    shard_destroy(s);
    training_clear(&t);
    return bias;
}

static void a_unit_is_a_mean_over_all_its_samples(void)
{
    double sum = 0, weight = 0;
    const struct event *e;
    uint64_t n;

    /* one of five is positive */
    CHECK_CLOSE(sum_of_user_biases("loo-full", "implicit", "4"), 0.2 - 0.5,
                1e-5);
    /* weights: each sample counts as often as its row says */
    e = fixture_events(SPLIT_TRAIN, &n);
    for (uint64_t i = 0; i < n; i++) {
        sum += e[i].item * ((e[i].label >= 3) - 0.5);
        weight += e[i].item;
    }
    CHECK_CLOSE(sum_of_user_biases("weighted", "threshold, at: 3", "0"),
                sum / weight, 1e-5);
    for (uint64_t i = 0; i < n; i++) {
        sum -= e[i].label >= 3 ? 2 * 0.5 * e[i].item : 0;
        weight += e[i].label >= 3 ? 2 * e[i].item : 0;
    }
    CHECK_CLOSE(sum_of_user_biases("weighted", "threshold, at: 3", "2"),
                sum / weight, 1e-5);
}

static void bpr_learns_to_rank(void)
{
    struct training_options o = {
        "rank",
        2,
        0,
        {"train.epochs", "30", "optimizer", "{adam: 0.02}", NULL}};
    struct training t;
    char *metrics, *last;

    training_run(
        &t,
        fixture_text(fixture_data("loo-full"), "implicit", PAIRS "loss: bpr\n"),
        &o);
    REQUIRE(t.status == FUSOR_OK);
    metrics = training_metrics(&t);
    last = strstr(metrics, "\n");
    CHECK_CLOSE(training_number(metrics, "loss"), log(2), 0.05); // per pair
    for (char *next; (next = strchr(last + 1, '\n')) && next[1];)
        last = next;
    CHECK(training_number(last, "loss") < 0.5);
    mem_free(metrics);
    training_clear(&t);
}

/* Train rows of the items drawn, on average. */
static double popularity_of(const struct workload *w, int popular)
{
    struct negatives how = {.per_row = 4, .from = popular};
    uint32_t rows[701], out[3505], items[3505];
    uint64_t count[FIXTURE_ITEMS] = {0};
    double sum = 0;

    for (uint32_t i = 0; i < 701; i++) {
        rows[i] = i;
        count[dataset_item(w->data, SPLIT_TRAIN, i)]++;
    }
    REQUIRE(negatives_expand(&how, w->data, SPLIT_TRAIN, 1, 0, rows, 701, out,
                             items) == 3505);
    for (uint32_t i = 0; i < 3505; i++)
        if (items[i] != BATCHER_OWN_ITEM) {
            REQUIRE(items[i] >= 1 && items[i] < FIXTURE_ITEMS);
            sum += (double)count[items[i]];
        }
    return sum / 2804;
}

/* Items have 24 rows with a deviation of about 5: drawn by popularity the mean
 * is 25 / 24 higher, its own deviation 5 / sqrt(2804) = 0.1. */
static void popular_items_are_drawn_more_often(void)
{
    struct yaml *job;
    struct workload *w = open_workload("implicit", PAIRS, &job);

    CHECK(popularity_of(w, 1) > popularity_of(w, 0) + 0.4);
    workload_destroy(w);
    yaml_destroy(job);
}

static void what_cannot_have_negatives_is_refused(void)
{
    struct yaml *job = fixture_yaml(
        fixture_text(fixture_data("loo-full"), "none",
                     "tables: {user: 4, item: 4}\n"
                     "towers: {mf: {type: dot, query: user, item: item}}\n"
                     "train:\n  negatives: 2\n"));
    struct workload *w = NULL;
    struct fusor_error err;

    CHECK(workload_create(job, &w, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "job.yaml:6:") == err.text);
    CHECK(strstr(err.text, "map: implicit") != NULL);
    yaml_destroy(job);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"negatives are what the query does not have",
         negatives_are_what_the_query_does_not_have},
        {"rows that are not positive bring none",
         rows_that_are_not_positive_bring_none},
        {"pairs and negatives train the same on any threads",
         pairs_and_negatives_train_the_same_on_any_threads},
        {"a unit is a mean over all its samples",
         a_unit_is_a_mean_over_all_its_samples},
        {"bpr learns to rank", bpr_learns_to_rank},
        {"popular items are drawn more often",
         popular_items_are_drawn_more_often},
        {"what cannot have negatives is refused",
         what_cannot_have_negatives_is_refused},
    };

    return TEST_RUN("train.negatives", cases);
}
