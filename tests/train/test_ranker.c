/* Scores of candidates: the two ways agree to the last bit. */
#include "train/ranker.h"

#include <stdio.h>
#include <string.h>

#include "train/desk.h"

#include "harness.h"

#define FIELDS                                                     \
    "fields:\n"                                                    \
    "  user: {side: query, type: categorical}\n"                   \
    "  item: {side: item, type: categorical}\n"                    \
    "  genres: {side: item, type: multi}\n"                        \
    "  history: {side: query, type: sequence, of: item, max: 6}\n" \
    "  rated: {side: query, type: bag, of: item}\n"
#define DOT                                                         \
    "  mf: {type: dot, query: [user, {bag: rated, table: hist}],\n" \
    "       item: [item, genres], bias: true, global_bias: true}\n"
#define SEQUENCE                                               \
    "  seq: {type: transformer, query: history, item: item,\n" \
    "        table: hist, blocks: 2, ff: 8, bias: true, dropout: 0.2}\n"
#define GRU "  gru: {type: gru, query: history, item: item, table: hist}\n"
#define IALS "  als: {type: ials, query: user, item: item, dim: 11}\n"
#define LINEAR "  lin: {type: linear, inputs: [user, item]}\n"

#define T_DOT "tables: {user: 4, item: 4, hist: 4, genres: 4}\ntowers:\n" DOT
#define T_SEQUENCE "tables: {hist: 4}\ntowers:\n" SEQUENCE

static const struct {
    const char *rest;
    int ranks;
} jobs[] = {
    {T_DOT, 1},
    {T_SEQUENCE, 1},
    {T_DOT SEQUENCE GRU "fusion: {type: weighted, weights: softmax}\n", 1},
    {T_DOT SEQUENCE "fusion: {type: concat, over: scores, units: [4]}\n"
                    "output: sigmoid\n",
     1},
    {T_DOT GRU "fusion: {type: attention}\n", 1},
    {T_DOT GRU "fusion: {type: attention, gate: {from: [user]}}\n", 0},
    {T_DOT GRU "fusion: {type: concat, over: vectors, units: [4]}\n", 0},
    {T_DOT IALS
     "fusion: {type: weighted}\nstages: [{build: [als]}, {train: [mf]}]\n",
     1},
    {T_DOT LINEAR "fusion: {type: weighted}\n", 0},
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void init(struct desk *d, const char *rest)
{
    char text[2048];

    snprintf(text, sizeof(text),
             FIELDS "%strain: {global_batch: 64, epochs: 1}\n"
                    "evaluate: [\"hr@3\"]\n",
             rest);
    desk_init(d, "none", text);
}

/* All items, chunk by chunk. */
static void score_all(struct ranker *k, const struct batcher_query *query,
                      float *scores)
{
    for (uint32_t at = 0; at < FIXTURE_ITEMS; at += DESK_CHUNK) {
        uint32_t items[DESK_CHUNK], n = FIXTURE_ITEMS - at;

        if (n > DESK_CHUNK)
            n = DESK_CHUNK;
        for (uint32_t i = 0; i < n; i++)
            items[i] = FIXTURE_ITEMS - 1 - at - i;
        REQUIRE(ranker_score(k, query, items, n, scores + at, NULL) ==
                FUSOR_OK);
    }
}

static void both_ways_give_the_same_bits(void)
{
    for (size_t j = 0; j < N_JOBS; j++) {
        struct ranker fast, plain;
        struct desk d;
        int ties = 0;

        init(&d, jobs[j].rest);
        desk_fill(&d, 9); // ties
        REQUIRE(ranker_create(&plain, &d.worker, 0, NULL) == FUSOR_OK);
        REQUIRE(ranker_create(&fast, &d.worker, 1000, NULL) == FUSOR_OK);
        CHECK(plain.items == NULL);
        CHECK((fast.items != NULL) == jobs[j].ranks);
        for (uint64_t q = 0; q < 2 * FIXTURE_USERS - 1; q++) {
            struct batcher_query query = {.split = SPLIT_TEST, .row = q};
            float want[FIXTURE_ITEMS], got[FIXTURE_ITEMS];

            if (q >= FIXTURE_USERS - 1) // users, as they are recommended to
                query = (struct batcher_query){
                    .row = BATCHER_NO_ROW,
                    .query = (uint32_t)(q - (FIXTURE_USERS - 1))};
            score_all(&plain, &query, want);
            score_all(&fast, &query, got);
            CHECK(memcmp(want, got, sizeof(want)) == 0);
            for (int i = 1; i < FIXTURE_ITEMS; i++)
                ties += want[i] == want[0];
        }
        if (j == 1)
            CHECK(ties > 0);
        ranker_clear(&fast);
        ranker_clear(&plain);
        desk_clear(&d);
    }
}

static void a_query_is_encoded_once(void)
{
    struct batcher_query query = {.split = SPLIT_TEST, .row = 3};
    float scores[FIXTURE_ITEMS];
    struct ranker k;
    struct desk d;
    uint64_t before;

    init(&d, jobs[1].rest);
    REQUIRE(ranker_create(&k, &d.worker, FIXTURE_ITEMS, NULL) == FUSOR_OK);
    before = atomic_load(&d.worker.steps);
    score_all(&k, &query, scores);
    score_all(&k, &query, scores);
    CHECK(atomic_load(&d.worker.steps) == before + 1);
    query.row = 4;
    score_all(&k, &query, scores);
    CHECK(atomic_load(&d.worker.steps) == before + 2);
    ranker_clear(&k);
    desk_clear(&d);
}

static void an_item_there_is_not_is_refused(void)
{
    struct batcher_query query = {.split = SPLIT_TEST, .row = FIXTURE_USERS};
    struct fusor_error err;
    uint32_t item = 1;
    struct ranker k;
    struct desk d;
    float score;

    init(&d, jobs[1].rest);
    REQUIRE(ranker_create(&k, &d.worker, FIXTURE_ITEMS, NULL) == FUSOR_OK);
    CHECK(ranker_score(&k, &query, &item, 1, &score, &err) == FUSOR_EINVAL);
    query.row = 0;
    item = FIXTURE_ITEMS;
    CHECK(ranker_score(&k, &query, &item, 1, &score, &err) == FUSOR_EINVAL);
    item = 1; // and the next one is answered
    CHECK(ranker_score(&k, &query, &item, 1, &score, &err) == FUSOR_OK);
    item = FIXTURE_ITEMS; // of a query that is known
    CHECK(ranker_score(&k, &query, &item, 1, &score, &err) == FUSOR_EINVAL);
    ranker_clear(&k);
    desk_clear(&d);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"both ways give the same bits", both_ways_give_the_same_bits},
        {"a query is encoded once", a_query_is_encoded_once},
        {"an item there is not is refused", an_item_there_is_not_is_refused},
    };

    return TEST_RUN("train.ranker", cases);
}
