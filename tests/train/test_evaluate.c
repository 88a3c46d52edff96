/* Evaluation: against brute force, for any number of workers. */
#include "train/evaluate.h"

#include <string.h>

#include "base/mem.h"
#include "data/prepared.h"
#include "store/local.h"
#include "train/fixture.h"
#include "train/trainer.h"

#define ROWS                                                            \
    "evaluate: [auc, rmse, gauc, \"hr@3\", \"ndcg@5\", mrr, pr_auc, \n" \
    "           coverage@3, gini@3, novelty@3, diversity@3]\n"
#define N_ROWS 11
#define RANKS "evaluate: [\"hr@10\", \"ndcg@10\", mrr]\n"
#define PAIRS                                                          \
    "tables: {user: 4, item: 4}\n"                                     \
    "towers: {mf: {type: dot, query: user, item: item, bias: true}}\n" \
    "train: {global_batch: 64, epochs: 1}\n"
/* A tower that knows no item: the same score for all candidates. */
#define CONSTANT                                      \
    "towers: {lin: {type: linear, inputs: [user]}}\n" \
    "train: {global_batch: 64, epochs: 1}\n"

struct judge {
    struct yaml *job;
    struct workload *w;
    struct param_store *store;
    struct trainer *trainer;
};

/* A trained store, without a course around it. */
static void judge_init(struct judge *j, const char *job, unsigned n_threads,
                       int train)
{
    struct command c = {.kind = COMMAND_EPOCH, .lr_factor = 1};
    struct local_store_config store;
    struct trainer_config config;
    struct strbuf result = {0};
    struct plan p;

    j->job = fixture_yaml(job);
    j->w = fixture_workload(j->job);
    store = (struct local_store_config){.params = j->w->params,
                                        .table_optim = j->w->table_optim,
                                        .block_optim = j->w->block_optim,
                                        .job_id = 1};
    REQUIRE(local_store_create(&store, n_threads, &j->store, NULL) == FUSOR_OK);
    config = (struct trainer_config){.workload = j->w,
                                     .store = j->store,
                                     .n_threads = n_threads,
                                     .n_workers = n_threads,
                                     .staleness = train ? 0 : -1};
    REQUIRE(trainer_create(&config, &j->trainer, NULL) == FUSOR_OK);
    REQUIRE(workload_plan(j->w, 0, &p, NULL) == FUSOR_OK);
    c.n_units = plan_units(&p);
    REQUIRE(local_store_set_epoch(j->store, 0, 0, c.n_units, 1, NULL) ==
            FUSOR_OK);
    if (train)
        REQUIRE(trainer_run(j->trainer, &c, &result, NULL) == FUSOR_OK);
    strbuf_clear(&result);
}

static void judge_clear(struct judge *j)
{
    trainer_destroy(j->trainer);
    j->store->ops->destroy(j->store);
    workload_destroy(j->w);
    yaml_destroy(j->job);
}

static struct metric_set *judge_split(struct judge *j, enum split split,
                                      struct evaluate_sink *sink)
{
    struct command c = {.kind = COMMAND_EVALUATE, .split = split};
    struct metric_set *set = NULL;
    struct strbuf text = {0};

    REQUIRE(trainer_evaluate(j->trainer, &c, sink, &text, NULL) == FUSOR_OK);
    REQUIRE(metric_set_deserialise(text.s, text.len, &set, NULL) == FUSOR_OK);
    strbuf_clear(&text);
    return set;
}

static void values_of(struct judge *j, enum split split, double *out)
{
    struct metric_set *set = judge_split(j, split, NULL);
    struct metric_result results[TRAIN_MAX_METRICS];

    REQUIRE(metric_set_results(set, results, NULL) == FUSOR_OK);
    for (size_t i = 0; i < metric_set_count(set); i++)
        out[i] = results[i].value;
    metric_set_destroy(set);
}

static void any_number_of_workers_judges_the_same(void)
{
    static const char *const protocols[] = {"time-split", "loo-full",
                                            "loo-given"};
    static const unsigned threads[] = {1, 2, 5};

    for (int p = 0; p < 3; p++) {
        const char *job =
            fixture_text(fixture_data(protocols[p]), "threshold, at: 3",
                         FIXTURE_DEEP ROWS "train: {global_batch: 80, "
                                           "micro_batches: 5, epochs: 1}\n");
        double want[N_ROWS], got[N_ROWS];

        for (int i = 0; i < 3; i++) {
            struct judge j;

            judge_init(&j, job, threads[i], 1);
            values_of(&j, p ? SPLIT_TEST : SPLIT_VALID, i ? got : want);
            if (i)
                CHECK(memcmp(got, want, sizeof(got)) == 0);
            for (int k = 0; k < N_ROWS; k++)
                CHECK(isfinite(want[k]));
            judge_clear(&j);
        }
    }
}

static void a_constant_scorer_finds_nothing(void)
{
    static const char *const protocols[] = {"loo-full", "loo-given"};

    for (int p = 0; p < 2; p++) {
        struct judge j;
        double v[3];

        judge_init(&j,
                   fixture_text(fixture_data(protocols[p]), "none",
                                CONSTANT "evaluate: [\"hr@5\", \"ndcg@5\", "
                                         "mrr]\n"),
                   2, 0);
        values_of(&j, SPLIT_TEST, v);
        CHECK(v[0] == 0 && v[1] == 0);
        CHECK(v[2] > 0 && v[2] < 0.34); // 1 / (1 + candidates)
        judge_clear(&j);
    }
}

/* Scores from the store's rows by hand: the dot tower's formula. */
static double score_by_hand(struct judge *j, uint32_t user, uint32_t item)
{
    struct shard *s = local_store_shard(j->store, 0);
    const struct param_spec *p = j->w->params;
    uint64_t keys[2] = {user, item};
    float *rows[2] = {NULL, NULL};
    double sum = 0;
    uint32_t ref;

    for (uint32_t t = 0; t < p->n_tables; t++)
        for (int side = 0; side < 2; side++)
            if (strcmp(p->tables[t].name, side ? "item" : "user") == 0) {
                shard_resolve(s, t, &keys[side], 1, RESOLVE_PEEK, 0, &ref,
                              NULL);
                rows[side] = shard_row_values(shard_base(s), ref);
            }
    /* bias first (model_table_columns), then the vector of 4 */
    for (int k = 1; k <= 4; k++)
        sum += (double)rows[0][k] * (double)rows[1][k];
    sum += (double)rows[0][0] + (double)rows[1][0];
    return sum; // and the global bias, the same for all
}

static int is_seen(uint32_t user, uint32_t item)
{
    uint64_t n;

    for (int split = SPLIT_TRAIN; split <= SPLIT_VALID; split++) {
        const struct event *e = fixture_events((enum split)split, &n);

        for (uint64_t i = 0; i < n; i++)
            if (e[i].user == user && e[i].item == item)
                return 1;
    }
    return 0;
}

/* Rank of a test row's item among its candidates; ties count against it. */
static int rank_by_hand(struct judge *j, const struct event *e, int given)
{
    double own = score_by_hand(j, e->user, e->item);
    int rank = 1;

    for (uint32_t i = 1; i < FIXTURE_ITEMS; i++) {
        int is_candidate = !is_seen(e->user, i);

        if (given)
            is_candidate =
                (i - 1 - e->item % (FIXTURE_ITEMS - 1) + FIXTURE_ITEMS - 1) %
                    (FIXTURE_ITEMS - 1) <
                5;
        if (i != e->item && is_candidate && score_by_hand(j, e->user, i) >= own)
            rank++;
    }
    return rank;
}

static void ranking_agrees_with_brute_force(void)
{
    static const char *const protocols[] = {"loo-full", "loo-given"};

    for (int p = 0; p < 2; p++) {
        double v[3], hits = 0, gain = 0, mrr = 0;
        const struct event *e;
        struct judge j;
        uint64_t n;

        judge_init(&j,
                   fixture_text(fixture_data(protocols[p]), "none",
                                PAIRS "evaluate: [\"hr@3\", \"ndcg@3\", "
                                      "mrr]\n"),
                   1, 1);
        values_of(&j, SPLIT_TEST, v);
        e = fixture_events(SPLIT_TEST, &n);
        for (uint64_t i = 0; i < n; i++) {
            int rank = rank_by_hand(&j, &e[i], p);

            hits += rank <= 3;
            gain += rank <= 3 ? 1 / log2(rank + 1.0) : 0;
            mrr += 1.0 / rank;
        }
        CHECK_CLOSE(v[0], hits / (double)n, 1e-9);
        CHECK_CLOSE(v[1], gain / (double)n, 1e-9);
        CHECK_CLOSE(v[2], mrr / (double)n, 1e-9);
        judge_clear(&j);
    }
}

/* The two lowest items that a user may be shown: the list of a scorer that
 * knows no item. */
static void two_lowest(const struct event *e, uint32_t list[2])
{
    int n = 0;

    for (uint32_t i = 1; n < 2 && i < FIXTURE_ITEMS; i++)
        if (i == e->item || !is_seen(e->user, i))
            list[n++] = i;
}

static double bits_of(uint32_t item)
{
    uint64_t n, rows = 0;
    const struct event *e = fixture_events(SPLIT_TRAIN, &n);

    for (uint64_t i = 0; i < n; i++)
        rows += e[i].item == item;
    return log2((double)n / (double)rows);
}

static void lists_agree_with_brute_force(void)
{
    double v[3], shown[FIXTURE_ITEMS] = {0}, used = 0, bits = 0, unlike = 0;
    const struct event *e;
    struct judge j;
    uint64_t n;

    judge_init(&j,
               fixture_text(fixture_data("loo-full"), "none",
                            CONSTANT "evaluate: [coverage@2, novelty@2, "
                                     "diversity@2/genres]\n"),
               2, 0);
    values_of(&j, SPLIT_TEST, v);
    e = fixture_events(SPLIT_TEST, &n);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t list[2];

        two_lowest(&e[i], list);
        used += shown[list[0]]++ == 0;
        used += shown[list[1]]++ == 0;
        bits += (bits_of(list[0]) + bits_of(list[1])) / 2;
        unlike += list[1] == list[0] + 1 ? 2. / 3 : 1; // genres i and i + 1
    }
    CHECK_CLOSE(v[0], used / (FIXTURE_ITEMS - 1), 1e-12);
    CHECK_CLOSE(v[1], bits / (double)n, 1e-9);
    CHECK_CLOSE(v[2], unlike / (double)n, 1e-9);
    judge_clear(&j);
}

static void wrong_fields_of_items_are_refused(void)
{
    static const struct {
        const char *metrics, *answer;
    } wrong[] = {
        {"[diversity@5/genre]", "did you mean genres?"},
        {"[diversity@5/age]", "no set, vector or category"},
        {"[diversity@5/genres, diversity@3/item]", "takes one field"},
    };

    for (int i = 0; i < 3; i++) {
        struct workload *w = NULL;
        struct fusor_error err;
        char rest[256];
        struct yaml *job;

        snprintf(rest, sizeof(rest), CONSTANT "evaluate: %s\n",
                 wrong[i].metrics);
        job =
            fixture_yaml(fixture_text(fixture_data("loo-full"), "none", rest));
        CHECK(workload_create(job, &w, &err) == FUSOR_EUSAGE);
        CHECK(strstr(err.text, wrong[i].answer) != NULL);
        CHECK(w == NULL);
        yaml_destroy(job);
    }
}

static void groups_agree_with_brute_force(void)
{
    const char *job =
        fixture_text(fixture_data("time-split"), "threshold, at: 3",
                     PAIRS "output: sigmoid\nloss: bce\nevaluate: [gauc]\n");
    double got, sum = 0, weight = 0;
    const struct event *e;
    struct judge j;
    uint64_t n;

    judge_init(&j, job, 1, 1);
    values_of(&j, SPLIT_VALID, &got);
    e = fixture_events(SPLIT_VALID, &n);
    for (uint32_t u = 1; u < FIXTURE_USERS; u++) {
        double pairs = 0, right = 0, rows = 0;

        for (uint64_t a = 0; a < n; a++) {
            rows += e[a].user == u;
            for (uint64_t b = 0; b < n; b++) {
                double d;

                if (e[a].user != u || e[b].user != u || e[a].label < 3 ||
                    e[b].label >= 3)
                    continue;
                d = score_by_hand(&j, u, e[a].item) -
                    score_by_hand(&j, u, e[b].item);
                pairs++;
                right += d > 0 ? 1 : d < 0 ? 0 : 0.5;
            }
        }
        if (pairs > 0) {
            sum += rows * right / pairs;
            weight += rows;
        }
    }
    REQUIRE(weight > 0);
    CHECK_CLOSE(got, sum / weight, 1e-9);
    judge_clear(&j);
}

struct units {
    struct evaluate_sink sink;
    uint64_t n, keys;
    double sum;
};

static void count_unit(struct evaluate_sink *s, uint64_t key,
                       const uint32_t *slices, const double *values)
{
    struct units *u = (struct units *)s;

    (void)slices;
    u->n++;
    u->keys += key;
    u->sum += values[0];
}

static void a_sink_hears_of_every_unit(void)
{
    struct units u = {.sink = {count_unit}};
    struct metric_result result[3];
    struct metric_set *set;
    struct judge j;

    judge_init(&j, fixture_text(fixture_data("loo-full"), "none", PAIRS RANKS),
               1, 1);
    set = judge_split(&j, SPLIT_TEST, &u.sink);
    REQUIRE(metric_set_results(set, result, NULL) == FUSOR_OK);
    CHECK(u.n == FIXTURE_USERS - 1);
    CHECK(u.keys == (FIXTURE_USERS - 1) * (FIXTURE_USERS - 2) / 2); // row ids
    CHECK_CLOSE(u.sum / (double)u.n, result[0].value, 1e-9);
    metric_set_destroy(set);
    judge_clear(&j);
    /* rows, when no metric is over groups */
    u = (struct units){.sink = {count_unit}};
    judge_init(&j,
               fixture_text(fixture_data("time-split"), "none",
                            PAIRS "evaluate: [mae]\n"),
               1, 1);
    set = judge_split(&j, SPLIT_VALID, &u.sink);
    REQUIRE(metric_set_results(set, result, NULL) == FUSOR_OK);
    CHECK(u.n == 97);
    CHECK_CLOSE(u.sum / (double)u.n, result[0].value, 1e-9);
    metric_set_destroy(set);
    judge_clear(&j);
}

static void orders_hold_every_row_once_by_query(void)
{
    struct judge j;
    struct evaluate_order o;
    unsigned char seen[1024] = {0};
    uint32_t last = 0;

    judge_init(&j, fixture_text(fixture_data("time-split"), "none", PAIRS), 1,
               0);
    REQUIRE(evaluate_order_build(j.w->data, SPLIT_TRAIN, &o, NULL) == FUSOR_OK);
    CHECK(o.n == 701);
    for (uint64_t i = 0; i < o.n; i++) {
        uint32_t q = dataset_query(j.w->data, SPLIT_TRAIN, o.rows[i]);

        CHECK(q >= last && !seen[o.rows[i]]++);
        last = q;
    }
    evaluate_order_clear(&o);
    judge_clear(&j);
}

static void every_failed_allocation_is_an_error(void)
{
    struct judge j;
    size_t used;

    judge_init(&j, fixture_text(fixture_data("loo-full"), "none", PAIRS RANKS),
               2, 0);
    used = mem_used();
    for (long n = 1; n < 100; n++) {
        struct command c = {.kind = COMMAND_EVALUATE, .split = SPLIT_TEST};
        struct strbuf text = {0};
        enum fusor_status rc;

        mem_fail_after(n);
        rc = trainer_run(j.trainer, &c, &text, NULL);
        mem_fail_after(0);
        strbuf_clear(&text);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
    }
    CHECK(mem_used() >= used);
    judge_clear(&j);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"any number of workers judges the same",
         any_number_of_workers_judges_the_same},
        {"a constant scorer finds nothing", a_constant_scorer_finds_nothing},
        {"ranking agrees with brute force", ranking_agrees_with_brute_force},
        {"lists agree with brute force", lists_agree_with_brute_force},
        {"wrong fields of items are refused",
         wrong_fields_of_items_are_refused},
        {"groups agree with brute force", groups_agree_with_brute_force},
        {"a sink hears of every unit", a_sink_hears_of_every_unit},
        {"orders hold every row once, by query",
         orders_hold_every_row_once_by_query},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("train.evaluate", cases);
}
