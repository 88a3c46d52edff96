#include "retrieve/recommend.h"

#include "../data/prepared.h"

/* Users 1..2; items 1..9. User 1 trained on 2 and 4, and 6 is a valid row. */
static const struct event train[] = {
    {1, 2, 5, 100, 0}, {1, 4, 3, 101, 0}, {2, 9, 1, 102, 0}};
static const struct event valid[] = {{1, 6, 4, 200, 0}};
static const struct event test[] = {{1, 8, 4, 300, 0}};

static struct dataset *open_small(void)
{
    struct prepared p = {.n_users = 3,
                         .n_items = 10,
                         .train = train,
                         .valid = valid,
                         .test = test,
                         .n_train = 3,
                         .n_valid = 1,
                         .n_test = 1};
    struct dataset_options options = {.fold = -1, .exclude_seen = 1};
    struct dataset *ds = NULL;

    prepared_write(&p, "small");
    options.dir = p.dir;
    REQUIRE(dataset_open(&options, NULL, NULL, &ds, NULL) == FUSOR_OK);
    return ds;
}

struct fake {
    float score_of[10];
    uint32_t calls, most;
    uint32_t query;
    int fail;
};

static enum fusor_status fake_score(void *context,
                                    const struct batcher_query *query,
                                    const uint32_t *items, uint32_t n,
                                    float *scores, struct fusor_error *err)
{
    struct fake *f = context;

    f->calls++;
    f->query = query->query;
    f->most = n > f->most ? n : f->most;
    if (f->fail)
        return fusor_fail(err, FUSOR_ECLOSED, "gone");
    CHECK(query->row == BATCHER_NO_ROW);
    for (uint32_t i = 0; i < n; i++)
        scores[i] = f->score_of[items[i]];
    return FUSOR_OK;
}

static struct recommender *make(struct dataset *ds, struct fake *f,
                                uint32_t chunk)
{
    struct recommend_scorer scorer = {
        .score = fake_score, .context = f, .chunk = chunk};
    struct recommender *r = NULL;

    REQUIRE(recommender_create(ds, &scorer, &r, NULL) == FUSOR_OK);
    return r;
}

static void best_first_without_seen(void)
{
    struct dataset *ds = open_small();
    struct fake f = {.score_of = {99, 1, 90, 3, 80, 5, 70, 7, 2, 4}};
    struct recommender *r = make(ds, &f, 2);
    static const uint32_t want[] = {7, 5, 9, 3, 8, 1};
    struct recommended out[10];
    uint32_t n, bad;

    REQUIRE(recommender_top(r, 1, 10, out, &n, &bad, NULL) == FUSOR_OK);
    CHECK(n == 6);
    CHECK(bad == 0);
    for (uint32_t i = 0; i < n && i < 6; i++)
        CHECK(out[i].item == want[i] && out[i].score == f.score_of[want[i]]);
    CHECK(f.query == 1);
    CHECK(f.most <= 2);
    CHECK(f.calls == 3);
    recommender_destroy(r);
    dataset_close(ds);
}

static void fewer_are_the_same_first(void)
{
    struct dataset *ds = open_small();
    struct fake f = {.score_of = {0, 3, 9, 1, 4, 1, 5, 9, 2, 6}};
    struct recommender *r = make(ds, &f, 4);
    struct recommended all[10], some[10];
    uint32_t n_all, n;

    REQUIRE(recommender_top(r, 2, 10, all, &n_all, NULL, NULL) == FUSOR_OK);
    CHECK(n_all == 8); // all but 9
    for (uint32_t k = 0; k <= 8; k++) {
        REQUIRE(recommender_top(r, 2, k, some, &n, NULL, NULL) == FUSOR_OK);
        CHECK(n == k);
        for (uint32_t i = 0; i < n; i++)
            CHECK(some[i].item == all[i].item);
    }
    recommender_destroy(r);
    dataset_close(ds);
}

static void ties_by_item(void)
{
    struct dataset *ds = open_small();
    struct fake f = {.score_of = {0}};
    struct recommender *r = make(ds, &f, 100);
    struct recommended out[3];
    uint32_t n;

    REQUIRE(recommender_top(r, VOCAB_UNKNOWN, 3, out, &n, NULL, NULL) ==
            FUSOR_OK);
    CHECK(n == 3);
    for (uint32_t i = 0; i < n; i++)
        CHECK(out[i].item == i + 1);
    recommender_destroy(r);
    dataset_close(ds);
}

static void no_number_is_left_out(void)
{
    struct dataset *ds = open_small();
    struct fake f = {.score_of = {0, NAN, 1, 1, 1, NAN, 1, 2, 3, -INFINITY}};
    struct recommender *r = make(ds, &f, 3);
    struct recommended out[10];
    uint32_t n, bad;

    REQUIRE(recommender_top(r, 1, 10, out, &n, &bad, NULL) == FUSOR_OK);
    CHECK(bad == 2);
    CHECK(n == 4);
    CHECK(out[0].item == 8);
    CHECK(out[3].item == 9);
    recommender_destroy(r);
    dataset_close(ds);
}

static void failure_comes_back(void)
{
    struct dataset *ds = open_small();
    struct fake f = {.fail = 1};
    struct recommender *r = make(ds, &f, 3);
    struct recommended out[2];
    struct fusor_error err = {0};
    uint32_t n;

    CHECK(recommender_top(r, 1, 2, out, &n, NULL, &err) == FUSOR_ECLOSED);
    CHECK(strcmp(err.text, "gone") == 0);
    CHECK(f.calls == 1);
    recommender_destroy(r);
    recommender_destroy(NULL);
    dataset_close(ds);
}

static void memory_out(void)
{
    struct dataset *ds = open_small();
    struct fake f = {.fail = 0};
    struct recommend_scorer scorer = {
        .score = fake_score, .context = &f, .chunk = 8};
    struct recommender *r = NULL;
    size_t before = mem_used();

    for (long i = 1; i <= 3; i++) {
        mem_fail_after(i);
        CHECK(recommender_create(ds, &scorer, &r, NULL) == FUSOR_ENOMEM);
        CHECK(r == NULL);
    }
    mem_fail_after(0);
    CHECK(mem_used() == before);
    dataset_close(ds);
}

static void given_items_are_ranked_among_each_other(void)
{
    static const uint32_t items[] = {2, 4, 7, 8, 9}, want[] = {2, 4, 7};
    struct dataset *ds = open_small();
    struct fake f = {.score_of = {99, 1, 90, 3, 80, 5, 70, 7, NAN, 4}};
    struct recommender *r = make(ds, &f, 2);
    struct batcher_query query = {.row = BATCHER_NO_ROW, .query = 1};
    struct recommended top[5];
    uint32_t n, bad;

    REQUIRE(recommender_among(r, &query, items, 5, 3, top, &n, &bad, NULL) ==
            FUSOR_OK);
    CHECK(n == 3 && bad == 1 && f.calls == 3 && f.query == 1);
    for (uint32_t i = 0; i < n; i++)
        CHECK(top[i].item == want[i]); // seen or not
    REQUIRE(recommender_among(r, &query, NULL, 0, 3, top, &n, NULL, NULL) ==
            FUSOR_OK);
    CHECK(n == 0);
    f.fail = 1;
    CHECK(recommender_among(r, &query, items, 5, 3, top, &n, &bad, NULL) ==
          FUSOR_ECLOSED);
    recommender_destroy(r);
    dataset_close(ds);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"best first, without what was seen in train and valid rows",
         best_first_without_seen},
        {"fewer asked for are the first of all", fewer_are_the_same_first},
        {"ties go to the smaller id", ties_by_item},
        {"an item without a number is left out and counted",
         no_number_is_left_out},
        {"the scorer's failure comes back", failure_comes_back},
        {"given items are ranked among each other",
         given_items_are_ranked_among_each_other},
        {"exhausted memory leaves nothing behind", memory_out},
    };
    return TEST_RUN("retrieve.recommend", cases);
}
