/* Candidates of queries: what is found, what ranks it, and a fusion that
 * normalises by it. */
#include "train/shortlist.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/desk.h"
#include "train/ranker.h"
#include "train/texts.h"

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

struct bench {
    struct desk desk;
    struct ranker ranker;
};

static void bench_init(struct bench *b, const char *rest)
{
    char text[2048];

    snprintf(text, sizeof(text), "%s%s", JOB, rest);
    desk_init(&b->desk, "implicit", text);
    desk_fill(&b->desk, 13);
    REQUIRE(ranker_create(&b->ranker, &b->desk.worker, 1000, NULL) == FUSOR_OK);
}

static void bench_clear(struct bench *b)
{
    ranker_clear(&b->ranker);
    desk_clear(&b->desk);
}

static uint32_t tower_of(const struct bench *b, const char *name)
{
    uint32_t t = 0;

    while (strcmp(model_tower_name(b->desk.w->model, t), name) != 0)
        t++;
    return t;
}

/* mf has vectors of items, deep goes through the model pair by pair. */
static void the_best_of_each_tower_are_found(void)
{
    struct bench b;
    float mf[FIXTURE_ITEMS], deep[FIXTURE_ITEMS];
    uint32_t found[16], n;

    bench_init(&b, "fusion: {type: weighted}\n"
                   "candidates: {union: [{mf: 5}, {deep: 3}]}\n");
    REQUIRE(b.desk.w->shortlist != NULL);
    CHECK(shortlist_room(b.desk.w->shortlist) == 8);
    CHECK(shortlist_wants(b.desk.w->shortlist, tower_of(&b, "mf")));
    CHECK(b.ranker.items != NULL && !b.ranker.whole);
    for (uint64_t row = 0; row < 10; row++) {
        struct batcher_query q = {.split = SPLIT_TEST, .row = row};

        REQUIRE(ranker_tower(&b.ranker, &q, tower_of(&b, "mf"), mf, NULL) ==
                FUSOR_OK);
        REQUIRE(ranker_tower(&b.ranker, &q, tower_of(&b, "deep"), deep, NULL) ==
                FUSOR_OK);
        REQUIRE(shortlist_find(b.desk.w->shortlist, &b.ranker, &q, found, &n,
                               NULL) == FUSOR_OK);
        CHECK(isnan(mf[0]) && n >= 5 && n <= 8);
        for (uint32_t i = 1, k = 0; i < FIXTURE_ITEMS; i++) {
            int listed = k < n && found[k] == i;

            CHECK(listed == (desk_count_above(mf, FIXTURE_ITEMS, i) < 5 ||
                             desk_count_above(deep, FIXTURE_ITEMS, i) < 3));
            k += (uint32_t)listed;
        }
    }
    bench_clear(&b);
}

/* Vectors made before say what a pass over the pairs says. */
static void a_tower_alone_says_what_it_says_in_a_pass(void)
{
    struct bench b;
    float said[FIXTURE_ITEMS], passed[FIXTURE_ITEMS];
    struct batcher_query q = {.split = SPLIT_TEST, .row = 3};
    struct ranker plain;

    bench_init(&b, "fusion: {type: weighted}\ncandidates: {mf: 5}\n");
    plain = b.ranker;
    plain.items = NULL;
    REQUIRE(ranker_tower(&b.ranker, &q, 0, said, NULL) == FUSOR_OK);
    REQUIRE(ranker_tower(&plain, &q, 0, passed, NULL) == FUSOR_OK);
    CHECK(!memcmp(said + 1, passed + 1, sizeof(said) - sizeof(*said)));
    bench_clear(&b);
}

/* Candidates of several passes are shares of the largest of all of them. */
static void scores_are_shares_of_all_candidates(void)
{
    struct bench b;
    float mf[FIXTURE_ITEMS], deep[FIXTURE_ITEMS], got[FIXTURE_ITEMS];
    uint32_t items[FIXTURE_ITEMS];
    float top[2] = {0, 0};

    bench_init(&b, "fusion: {type: weighted, over: scores, weights: [1, 2], "
                   "normalise: per_query_max}\n");
    for (uint32_t i = 1; i < FIXTURE_ITEMS; i++)
        items[i] = i;
    for (uint64_t row = 0; row < 5; row++) {
        struct batcher_query q = {.split = SPLIT_TEST, .row = row};

        REQUIRE(ranker_tower(&b.ranker, &q, 0, mf, NULL) == FUSOR_OK);
        REQUIRE(ranker_tower(&b.ranker, &q, 1, deep, NULL) == FUSOR_OK);
        top[0] = top[1] = 0;
        for (uint32_t i = 1; i < FIXTURE_ITEMS; i++) {
            top[0] = fmaxf(top[0], fabsf(mf[i]));
            top[1] = fmaxf(top[1], fabsf(deep[i]));
        }
        REQUIRE(ranker_begin(&b.ranker, &q, items + 1, FIXTURE_ITEMS - 1,
                             NULL) == FUSOR_OK);
        for (uint32_t at = 1; at < FIXTURE_ITEMS; at += DESK_CHUNK)
            REQUIRE(ranker_score(&b.ranker, &q, items + at,
                                 FIXTURE_ITEMS - at < DESK_CHUNK
                                     ? FIXTURE_ITEMS - at
                                     : DESK_CHUNK,
                                 got + at, NULL) == FUSOR_OK);
        for (uint32_t i = 1; i < FIXTURE_ITEMS; i++)
            CHECK_CLOSE((double)got[i],
                        (double)(mf[i] / top[0] + 2 * deep[i] / top[1]), 1e-5);
    }
    bench_clear(&b);
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
        struct bench b;

        snprintf(rest, sizeof(rest), "fusion: {type: weighted}\n%s", texts[i]);
        bench_init(&b, rest);
        hashes[i] = workload_candidates_hash(b.desk.w);
        for (int k = 0; k < i; k++)
            CHECK(hashes[k] != hashes[i]);
        bench_clear(&b);
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
