/* Negatives that a tower finds: against its scores of all items, through files,
 * and in whole trainings. */
#include "train/mined.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/sorted.h"
#include "harness.h"
#include "train/desk.h"
#include "train/ranker.h"

#define STAGES                                                 \
    "tables: {user: 6, item: 6}\n"                             \
    "towers:\n"                                                \
    "  mf: {type: dot, query: user, item: item, bias: true}\n" \
    "train: {global_batch: 64, micro_batches: 2}\n"            \
    "optimizer: {adam: 2.0e-2}\nevaluate: [\"hr@3\"]\n"        \
    "stages:\n"                                                \
    "  - {train: [mf], loss: full_softmax, epochs: 3}\n"       \
    "  - {train: [mf], loss: bpr, epochs: 2,\n"                \
    "     negatives: {from: mf, rank: 3..9, n: 2}}\n"
#define STAGE 1
#define FIRST 3
#define LAST 9

/* All of these ranks that the user does not have, and nothing else. */
static uint32_t check_user(struct desk *d, struct ranker *k,
                           const struct found *f, uint32_t user, uint32_t row)
{
    struct batcher_query query = {.split = SPLIT_TRAIN, .row = row};
    uint64_t n_items = dataset_n_items(d->w->data);
    float scores[FIXTURE_ITEMS + 1];
    uint32_t n_seen, expected = 0;
    const uint32_t *seen = dataset_seen(d->w->data, SPLIT_TRAIN, user, &n_seen);

    REQUIRE(n_items <= FIXTURE_ITEMS + 1);
    REQUIRE(ranker_tower(k, &query, 0, scores, NULL) == FUSOR_OK);
    for (uint32_t i = 1; i < n_items; i++) {
        uint32_t rank = 1 + desk_count_above(scores, n_items, i);

        expected += rank >= FIRST && rank <= LAST &&
                    sorted_place(seen, n_seen, i) == n_seen;
    }
    CHECK(f->n[user] == expected);
    for (uint32_t i = 0; i < f->n[user]; i++) {
        uint32_t item = f->documents[f->first[user] + i];
        uint32_t rank = 1 + desk_count_above(scores, n_items, item);

        CHECK(rank >= FIRST && rank <= LAST);
        CHECK(sorted_place(seen, n_seen, item) == n_seen);
    }
    return expected;
}

static void mine_all(struct desk *d, uint32_t n_workers, struct found **out)
{
    struct strbuf parts[3] = {{0}};
    struct fusor_error why = {0};
    const struct strbuf *list[3] = {&parts[0], &parts[1], &parts[2]};

    *out = NULL;
    REQUIRE(mined_clear(d->w, test_tmpdir(), STAGE, NULL) == FUSOR_OK);
    for (uint32_t i = 0; i < n_workers; i++)
        REQUIRE(mined_share(&d->worker, STAGE, i, n_workers, &parts[i], NULL) ==
                FUSOR_OK);
    REQUIRE(mined_write(d->w, test_tmpdir(), STAGE, 0, list, n_workers, NULL) ==
            FUSOR_OK);
    if (mined_read(d->w, test_tmpdir(), STAGE, out, &why) != FUSOR_OK)
        fprintf(stderr, "%s\n", why.text);
    REQUIRE(*out != NULL);
    for (uint32_t i = 0; i < n_workers; i++)
        strbuf_clear(&parts[i]);
}

static void the_ranks_asked_for_are_found(void)
{
    struct desk d;
    struct ranker k;
    struct found *one, *three;
    uint32_t last[FIXTURE_USERS + 1], total = 0;

    desk_init(&d, "implicit", STAGES);
    desk_fill(&d, 13);
    mine_all(&d, 1, &one);
    REQUIRE(one->n_queries <= FIXTURE_USERS + 1);
    memset(last, 0xff, sizeof(last));
    for (uint32_t i = 0; i < dataset_rows(d.w->data, SPLIT_TRAIN); i++)
        last[dataset_query(d.w->data, SPLIT_TRAIN, i)] = i;
    REQUIRE(ranker_create_for(&k, &d.worker, 0, NULL) == FUSOR_OK);
    for (uint32_t u = 1; u < one->n_queries; u++)
        if (last[u] != UINT32_MAX)
            total += check_user(&d, &k, one, u, last[u]);
    CHECK(total > 40 && total == one->used);
    CHECK(one->n[VOCAB_UNKNOWN] == 0);
    ranker_clear(&k);
    mine_all(&d, 3, &three); // three workers find the same
    CHECK(three->used == one->used);
    CHECK(memcmp(three->documents, one->documents,
                 one->used * sizeof(*one->documents)) == 0);
    found_destroy(one);
    found_destroy(three);
    desk_clear(&d);
}

static void damaged_files_are_refused(void)
{
    struct fusor_error err = {0};
    char path[FS_PATH_MAX], *data;
    struct found *f = NULL;
    struct desk d;
    size_t size;

    desk_init(&d, "implicit", STAGES);
    desk_fill(&d, 13);
    mine_all(&d, 1, &f);
    found_destroy(f);
    fs_join(path, test_tmpdir(), "negatives/01-00000.found");
    REQUIRE(fs_read(path, 1 << 20, &data, &size, NULL) == FUSOR_OK);
    data[48] ^= 1;
    REQUIRE(fs_write_atomic(path, data, size, NULL) == FUSOR_OK);
    CHECK(mined_read(d.w, test_tmpdir(), STAGE, &f, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "damaged") != NULL);
    REQUIRE(mined_clear(d.w, test_tmpdir(), STAGE, NULL) == FUSOR_OK);
    CHECK(!fs_exists(path));
    CHECK(mined_read(d.w, test_tmpdir(), STAGE, &f, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "finds anything") != NULL);
    mem_free(data);
    desk_clear(&d);
}

static void trainings_are_alike_on_any_threads(void)
{
    const char *text;
    struct training t[3], other;
    struct training_options o[3] = {{"one", 1, 0, {NULL}},
                                    {"two", 2, 0, {NULL}},
                                    {"short", 2, 0, {"stages.1.epochs", "1"}}};
    struct training_options more = {"short", 1, 1, {NULL}};
    struct training_options uniform = {
        "uniform", 1, 0, {"stages.1.negatives", "2"}};

    text = fixture_text(fixture_data("loo-full"), "implicit", STAGES);
    for (int i = 0; i < 3; i++) {
        training_run(&t[i], text, &o[i]);
        REQUIRE(t[i].status == FUSOR_OK);
    }
    CHECK(training_digest(&t[0], "latest") == training_digest(&t[1], "latest"));
    CHECK(training_digest(&t[0], "latest") != training_digest(&t[2], "latest"));
    training_run(&other, text, &uniform);
    REQUIRE(other.status == FUSOR_OK);
    CHECK(training_digest(&t[0], "latest") !=
          training_digest(&other, "latest"));
    training_clear(&other);
    training_clear(&t[2]); // goes on in the middle of the stage
    training_run(&t[2], text, &more);
    REQUIRE(t[2].status == FUSOR_OK);
    CHECK(training_digest(&t[0], "latest") == training_digest(&t[2], "latest"));
    for (int i = 0; i < 3; i++)
        training_clear(&t[i]);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the ranks asked for are found", the_ranks_asked_for_are_found},
        {"damaged files are refused", damaged_files_are_refused},
        {"trainings are alike on any threads, and when they resume",
         trainings_are_alike_on_any_threads},
    };

    return TEST_RUN("train.mined", cases);
}
