/* Candidates of queries: what is found, what ranks it, and a fusion that
 * normalises by it. */
#include "train/shortlist.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "store/local.h"
#include "train/ranker.h"
#include "train/texts.h"

#define CHUNK 8 // fewer than there are items

#define JOB                                                            \
    "fields:\n"                                                        \
    "  user: {side: query, type: categorical}\n"                       \
    "  item: {side: item, type: categorical}\n"                        \
    "tables: {user: 4, item: 4, own: {dim: 4, by_field: false}}\n"     \
    "towers:\n"                                                        \
    "  mf: {type: dot, query: user, item: item, bias: true}\n"         \
    "  deep: {type: mlp, inputs: {field: [user, item], table: own},\n" \
    "         units: [4], activation: tanh}\n"                         \
    "train: {global_batch: 64, epochs: 1, negatives: 2}\n"             \
    "evaluate: [\"hr@3\"]\n"

struct desk {
    struct yaml *job;
    struct workload *w;
    struct param_store *store;
    struct worker worker;
    struct ranker ranker;
};

static void touch_rows(struct desk *d)
{
    struct shard *s = local_store_shard(d->store, 0);

    for (uint32_t t = 0; t < d->w->params->n_tables; t++)
        for (uint64_t key = 1; key < 80; key++) {
            uint32_t ref, width = d->w->params->tables[t].width;
            float *row;

            REQUIRE(shard_resolve(s, t, &key, 1, RESOLVE_TRAIN, 0, &ref,
                                  NULL) == FUSOR_OK);
            row = shard_row_values(shard_base(s), ref);
            for (uint32_t i = 0; i < width; i++)
                row[i] = (float)((key % 13 * 7 + i * 5 + t) % 17) / 9.0f - 0.9f;
        }
}

static void desk_init(struct desk *d, const char *rest)
{
    struct local_store_config store = {0};
    char text[2048];

    snprintf(text, sizeof(text), "%s%s", JOB, rest);
    d->job =
        fixture_yaml(fixture_text(fixture_data("loo-full"), "implicit", text));
    d->w = fixture_workload(d->job);
    store.params = d->w->params;
    store.table_optim = d->w->table_optim;
    store.block_optim = d->w->block_optim;
    REQUIRE(local_store_create(&store, 1, &d->store, NULL) == FUSOR_OK);
    REQUIRE(worker_init(&d->worker, d->w, d->store, 0, 1, CHUNK, NULL) ==
            FUSOR_OK);
    touch_rows(d);
    REQUIRE(ranker_create(&d->ranker, &d->worker, 1000, NULL) == FUSOR_OK);
}

static void desk_clear(struct desk *d)
{
    ranker_clear(&d->ranker);
    worker_clear(&d->worker);
    d->store->ops->destroy(d->store);
    workload_destroy(d->w);
    yaml_destroy(d->job);
}

static uint32_t tower_of(const struct desk *d, const char *name)
{
    uint32_t t = 0;

    while (strcmp(model_tower_name(d->w->model, t), name) != 0)
        t++;
    return t;
}

/* How many items stand above item, of equal ones the smaller ids. */
static uint32_t count_above(const float *scores, uint32_t item)
{
    uint32_t n = 0;

    for (uint32_t i = 1; i < FIXTURE_ITEMS; i++)
        n +=
            scores[i] > scores[item] || (scores[i] == scores[item] && i < item);
    return n;
}

/* mf has vectors of items, deep goes through the model pair by pair. */
static void the_best_of_each_tower_are_found(void)
{
    struct desk d;
    float mf[FIXTURE_ITEMS], deep[FIXTURE_ITEMS];
    uint32_t found[16], n;

    desk_init(&d, "fusion: {type: weighted}\n"
                  "candidates: {union: [{mf: 5}, {deep: 3}]}\n");
    REQUIRE(d.w->shortlist != NULL);
    CHECK(shortlist_room(d.w->shortlist) == 8);
    CHECK(shortlist_wants(d.w->shortlist, tower_of(&d, "mf")));
    CHECK(d.ranker.items != NULL && !d.ranker.whole);
    for (uint64_t row = 0; row < 10; row++) {
        struct batcher_query q = {.split = SPLIT_TEST, .row = row};

        REQUIRE(ranker_tower(&d.ranker, &q, tower_of(&d, "mf"), mf, NULL) ==
                FUSOR_OK);
        REQUIRE(ranker_tower(&d.ranker, &q, tower_of(&d, "deep"), deep, NULL) ==
                FUSOR_OK);
        REQUIRE(shortlist_find(d.w->shortlist, &d.ranker, &q, found, &n,
                               NULL) == FUSOR_OK);
        CHECK(isnan(mf[0]) && n >= 5 && n <= 8);
        for (uint32_t i = 1, k = 0; i < FIXTURE_ITEMS; i++) {
            int listed = k < n && found[k] == i;

            CHECK(listed ==
                  (count_above(mf, i) < 5 || count_above(deep, i) < 3));
            k += (uint32_t)listed;
        }
    }
    desk_clear(&d);
}

/* Vectors made before say what a pass over the pairs says. */
static void a_tower_alone_says_what_it_says_in_a_pass(void)
{
    struct desk d;
    float said[FIXTURE_ITEMS], passed[FIXTURE_ITEMS];
    struct batcher_query q = {.split = SPLIT_TEST, .row = 3};
    struct ranker plain;

    desk_init(&d, "fusion: {type: weighted}\ncandidates: {mf: 5}\n");
    plain = d.ranker;
    plain.items = NULL;
    REQUIRE(ranker_tower(&d.ranker, &q, 0, said, NULL) == FUSOR_OK);
    REQUIRE(ranker_tower(&plain, &q, 0, passed, NULL) == FUSOR_OK);
    CHECK(!memcmp(said + 1, passed + 1, sizeof(said) - sizeof(*said)));
    desk_clear(&d);
}

/* Candidates of several passes are shares of the largest of all of them. */
static void scores_are_shares_of_all_candidates(void)
{
    struct desk d;
    float mf[FIXTURE_ITEMS], deep[FIXTURE_ITEMS], got[FIXTURE_ITEMS];
    uint32_t items[FIXTURE_ITEMS];
    float top[2] = {0, 0};

    desk_init(&d, "fusion: {type: weighted, over: scores, weights: [1, 2], "
                  "normalise: per_query_max}\n");
    for (uint32_t i = 1; i < FIXTURE_ITEMS; i++)
        items[i] = i;
    for (uint64_t row = 0; row < 5; row++) {
        struct batcher_query q = {.split = SPLIT_TEST, .row = row};

        REQUIRE(ranker_tower(&d.ranker, &q, 0, mf, NULL) == FUSOR_OK);
        REQUIRE(ranker_tower(&d.ranker, &q, 1, deep, NULL) == FUSOR_OK);
        top[0] = top[1] = 0;
        for (uint32_t i = 1; i < FIXTURE_ITEMS; i++) {
            top[0] = fmaxf(top[0], fabsf(mf[i]));
            top[1] = fmaxf(top[1], fabsf(deep[i]));
        }
        REQUIRE(ranker_begin(&d.ranker, &q, items + 1, FIXTURE_ITEMS - 1,
                             NULL) == FUSOR_OK);
        for (uint32_t at = 1; at < FIXTURE_ITEMS; at += CHUNK)
            REQUIRE(ranker_score(&d.ranker, &q, items + at,
                                 FIXTURE_ITEMS - at < CHUNK ? FIXTURE_ITEMS - at
                                                            : CHUNK,
                                 got + at, NULL) == FUSOR_OK);
        for (uint32_t i = 1; i < FIXTURE_ITEMS; i++)
            CHECK_CLOSE((double)got[i],
                        (double)(mf[i] / top[0] + 2 * deep[i] / top[1]), 1e-5);
    }
    desk_clear(&d);
}

static void words_are_found_by_the_index(void)
{
    struct yaml *job;
    struct workload *w =
        texts_open(TEXTS_BM25("") "candidates: {bm25: 2}\n", "bm25", &job);
    uint32_t found[2], same[2], n, m;
    struct worker nobody = {.workload = w};
    struct ranker k = {.worker = &nobody};
    struct finder *f = w->shortlist->finder;

    CHECK(shortlist_room(w->shortlist) == 2);
    CHECK(!shortlist_wants(w->shortlist, 0) && finder_has(f, 0));
    for (uint32_t q = 1; q <= 3; q++) {
        struct batcher_query query = {.row = BATCHER_NO_ROW, .query = q};
        struct batcher_text text = {.field = finder_text(f, 0)};

        text.terms = dataset_list(w->data, text.field, q, &text.n);
        REQUIRE(shortlist_find(w->shortlist, &k, &query, found, &n, NULL) ==
                FUSOR_OK);
        REQUIRE(finder_find(f, &text, 1, 2, same, &m, NULL) == FUSOR_OK);
        CHECK(n == m && !memcmp(found, same, n * sizeof(*found)));
        query.texts = &text; // as words that are searched for
        query.n_texts = 1;
        REQUIRE(shortlist_find(w->shortlist, &k, &query, found, &n, NULL) ==
                FUSOR_OK);
        CHECK(n == m && !memcmp(found, same, n * sizeof(*found)));
    }
    texts_close(w, job);
}

static void lists_that_may_differ_have_other_names(void)
{
    static const char *const texts[] = {
        "candidates: {mf: 5}\n", "candidates: {mf: 6}\n",
        "candidates: {deep: 5}\n",
        "candidates: {union: [{mf: 5}, {deep: 5}]}\n", "candidates: all\n"};
    uint64_t hashes[5];

    for (int i = 0; i < 5; i++) {
        char rest[256];
        struct desk d;

        snprintf(rest, sizeof(rest), "fusion: {type: weighted}\n%s", texts[i]);
        desk_init(&d, rest);
        hashes[i] = workload_candidates_hash(d.w);
        for (int k = 0; k < i; k++)
            CHECK(hashes[k] != hashes[i]);
        desk_clear(&d);
    }
    CHECK(hashes[4] == 0);
}

static void refuses(const char *rest, const char *why)
{
    struct fusor_error err = {0};
    struct workload *w = NULL;
    char text[2048];
    struct yaml *job;

    snprintf(text, sizeof(text), "%s%s", JOB, rest);
    job =
        fixture_yaml(fixture_text(fixture_data("loo-full"), "implicit", text));
    CHECK(workload_create(job, &w, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, why) != NULL);
    if (!strstr(err.text, why))
        fprintf(stderr, "%s\n", err.text);
    workload_destroy(w);
    yaml_destroy(job);
}

#define FUSED "fusion: {type: weighted}\n"

/* Where samples of a query are not together, nothing is their largest. */
static void shares_want_company(void)
{
    struct fusor_error err = {0};
    struct workload *w = NULL;
    struct yaml *job;

    for (int k = 0; k < 3; k++) {
        static const char *const rests[] = {
            "train: {global_batch: 64}\nevaluate: [\"hr@3\"]\n",
            "train: {global_batch: 64, negatives: 2}\nevaluate: [auc]\n",
            ("train: {global_batch: 64}\nloss: listnet\n"
             "evaluate: [\"hr@3\"]\n"),
        };
        static const char *const whys[] = {"give train.negatives",
                                           "evaluate metrics of rankings", ""};
        char text[1024];

        snprintf(text, sizeof(text),
                 "tables: {user: 4, item: 4}\ntowers:\n  mf: {type: dot, "
                 "query: user, item: item}\nfusion: {type: weighted, "
                 "normalise: per_query_max}\n%s",
                 rests[k]);
        job = fixture_yaml(
            fixture_text(fixture_data("loo-full"), "implicit", text));
        CHECK(workload_create(job, &w, &err) ==
              (k < 2 ? FUSOR_EUSAGE : FUSOR_OK));
        CHECK(k == 2 || strstr(err.text, whys[k]) != NULL);
        if (k == 2)
            workload_destroy(w);
        yaml_destroy(job);
    }
}

static void what_makes_no_sense_is_refused(void)
{
    refuses(FUSED "candidates: {mff: 5}\n", "did you mean mf?");
    refuses(FUSED "candidates: {mf: 0}\n", "mf is 1..");
    refuses(FUSED "candidates: {mf: many}\n", "many");
    refuses(FUSED "candidates: {mf: 3, deep: 3}\n", "want {TOWER: N}");
    refuses(FUSED "candidates: everything\n", "want {TOWER: N}");
    refuses(FUSED "candidates: {union: {mf: 3}}\n", "union is a list");
    refuses(FUSED "candidates: {union: [{mf: 3}, {mf: 4}]}\n", "listed twice");
    refuses("fusion: {type: concat, over: vectors}\ncandidates: {mf: 3}\n",
            "over vectors");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the best of each tower are found", the_best_of_each_tower_are_found},
        {"a tower alone says what it says in a pass",
         a_tower_alone_says_what_it_says_in_a_pass},
        {"scores are shares of all candidates",
         scores_are_shares_of_all_candidates},
        {"words are found by the index", words_are_found_by_the_index},
        {"lists that may differ have other names",
         lists_that_may_differ_have_other_names},
        {"shares want company", shares_want_company},
        {"what makes no sense is refused", what_makes_no_sense_is_refused},
    };

    return TEST_RUN("train.shortlist", cases);
}
