/* Scores of candidates: the two ways agree to the last bit. */
#include "train/ranker.h"

#include <string.h>

#include "store/local.h"
#include "train/fixture.h"

#include "harness.h"

#define CHUNK 8 // fewer than there are items

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

struct desk {
    struct yaml *job;
    struct workload *w;
    struct param_store *store;
    struct worker worker;
};

static void desk_init(struct desk *d, const char *rest)
{
    struct local_store_config store = {0};
    char text[2048];

    snprintf(text, sizeof(text),
             FIELDS "%strain: {global_batch: 64, epochs: 1}\n"
                    "evaluate: [\"hr@3\"]\n",
             rest);
    d->job = fixture_yaml(fixture_text(fixture_data("loo-full"), "none", text));
    d->w = fixture_workload(d->job);
    store.params = d->w->params;
    store.table_optim = d->w->table_optim;
    store.block_optim = d->w->block_optim;
    REQUIRE(local_store_create(&store, 1, &d->store, NULL) == FUSOR_OK);
    REQUIRE(worker_init(&d->worker, d->w, d->store, 0, 1, CHUNK, NULL) ==
            FUSOR_OK);
}

static void desk_clear(struct desk *d)
{
    worker_clear(&d->worker);
    d->store->ops->destroy(d->store);
    workload_destroy(d->w);
    yaml_destroy(d->job);
}

/* Make every row, some of one value: ties. */
static void touch_rows(struct desk *d)
{
    struct shard *s = local_store_shard(d->store, 0);

    for (uint32_t t = 0; t < d->w->params->n_tables; t++)
        for (uint64_t key = 1; key < 40; key++) {
            uint32_t ref, width = d->w->params->tables[t].width;
            float *row;

            REQUIRE(shard_resolve(s, t, &key, 1, RESOLVE_TRAIN, 0, &ref,
                                  NULL) == FUSOR_OK);
            row = shard_row_values(shard_base(s), ref);
            for (uint32_t i = 0; i < width; i++)
                row[i] = (float)((key % 9 * 7 + i * 5 + t) % 11) / 7.0f - 0.6f;
        }
}

/* All items, chunk by chunk. */
static void score_all(struct ranker *k, const struct batcher_query *query,
                      float *scores)
{
    for (uint32_t at = 0; at < FIXTURE_ITEMS; at += CHUNK) {
        uint32_t items[CHUNK], n = FIXTURE_ITEMS - at;

        if (n > CHUNK)
            n = CHUNK;
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

        desk_init(&d, jobs[j].rest);
        touch_rows(&d);
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

    desk_init(&d, jobs[1].rest);
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

    desk_init(&d, jobs[1].rest);
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
