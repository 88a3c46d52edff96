#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "data/protocol.h"

#define N_ROWS 997
#define N_USERS 40
#define N_ITEMS 60

static struct fusor_error err;

/* Rows with random keys and times; user 1 has one row, user 2 has two. */
struct example {
    struct split_facts facts;
    uint32_t query[N_ROWS], item[N_ROWS];
    int64_t time[N_ROWS];
    struct vocab *queries, *items;
    struct split_result result;
};

static struct example *example(void)
{
    struct example *e = mem_alloc(1, sizeof(*e));
    struct rng r = rng_stream(7, RNG_TEST, 0, 0);
    char text[16];

    REQUIRE(e != NULL);
    e->queries = vocab_create(&err);
    e->items = vocab_create(&err);
    for (int i = 1; i <= N_USERS; i++)
        vocab_add(e->queries, text, (size_t)sprintf(text, "u%d", i));
    for (int i = 1; i <= N_ITEMS; i++)
        vocab_add(e->items, text, (size_t)sprintf(text, "i%d", i));
    for (int row = 0; row < N_ROWS; row++) {
        e->query[row] = row < 3 ? (uint32_t)(row + 3) / 2
                                : 3 + (uint32_t)rng_below(&r, N_USERS - 2);
        e->item[row] = 1 + (uint32_t)rng_below(&r, N_ITEMS);
        e->time[row] = (int64_t)rng_below(&r, 300); // with ties
    }
    e->facts = (struct split_facts){.n = N_ROWS,
                                    .query = e->query,
                                    .item = e->item,
                                    .time = e->time,
                                    .queries = e->queries,
                                    .items = e->items,
                                    .input = "",
                                    .candidates = "",
                                    .seed = 1,
                                    .folds = 5,
                                    .negatives = 20,
                                    .train = 0.8,
                                    .valid = 0.1,
                                    .validation = 1};
    e->result.part = mem_alloc(N_ROWS, 1);
    return e;
}

static void done(struct example *e)
{
    split_result_clear(&e->result);
    vocab_destroy(e->queries);
    vocab_destroy(e->items);
    mem_free(e);
}

static enum fusor_status assign(struct example *e, const char *name)
{
    const struct protocol_ops *p = protocol_find(name, &err);

    REQUIRE(p != NULL);
    return p->assign(&e->facts, &e->result, &err);
}

static void check_leave_one_out(const struct example *e, int with_time)
{
    for (uint32_t u = 1; u <= N_USERS; u++) {
        int rows = 0, n[3] = {0}, test = -1, valid = -1;

        for (int row = 0; row < N_ROWS; row++) {
            if (e->query[row] != u)
                continue;
            rows++;
            n[e->result.part[row]]++;
            test = e->result.part[row] == ROW_TEST ? row : test;
            valid = e->result.part[row] == ROW_VALID ? row : valid;
        }
        CHECK(n[ROW_TEST] == (rows >= 2));
        CHECK(n[ROW_VALID] == (rows >= 3));
        for (int row = 0; row < N_ROWS; row++) {
            int64_t t = with_time ? e->time[row] : 0;
            int64_t last = with_time && test >= 0 ? e->time[test] : 0;
            int64_t before = with_time && valid >= 0 ? e->time[valid] : 0;

            if (e->query[row] != u || row == test)
                continue;
            CHECK(test < 0 || t < last || (t == last && row < test));
            if (row != valid && valid >= 0)
                CHECK(t < before || (t == before && row < valid));
        }
    }
}

static void leave_one_out_takes_the_last(void)
{
    struct example *e = example();

    REQUIRE(assign(e, "loo-full") == FUSOR_OK);
    check_leave_one_out(e, 1);
    done(e);
    e = example();
    e->facts.time = NULL;
    REQUIRE(assign(e, "loo-full") == FUSOR_OK);
    check_leave_one_out(e, 0);
    done(e);
}

static void drawn_candidates_were_never_seen(void)
{
    struct example *e = example();

    REQUIRE(assign(e, "loo-given") == FUSOR_OK);
    check_leave_one_out(e, 1);
    CHECK(e->result.n_lists == N_USERS - 1); // user 1 has no test row
    CHECK(e->result.list_of[1] == 0);
    for (uint32_t u = 2; u <= N_USERS; u++) {
        const struct split_result *r = &e->result;
        uint64_t list = r->list_of[u];
        char used[N_ITEMS + 1] = {0};

        REQUIRE(list > 0);
        CHECK(r->lists[list] - r->lists[list - 1] == 20);
        for (int row = 0; row < N_ROWS; row++)
            if (e->query[row] == u)
                used[e->item[row]] = 1;
        for (uint64_t i = r->lists[list - 1]; i < r->lists[list]; i++) {
            CHECK(!used[r->candidates[i]]); // no row, and not drawn twice
            used[r->candidates[i]] = 1;
        }
    }
    done(e);
}

/* Each list: n items, distinct, in no row of the user. */
static void check_lists(const struct example *e, uint64_t n)
{
    const struct split_result *r = &e->result;

    for (uint32_t u = 2; u <= N_USERS; u++) {
        uint64_t list = r->list_of[u];
        char used[N_ITEMS + 1] = {0};

        REQUIRE(list > 0);
        CHECK(n == 0 || r->lists[list] - r->lists[list - 1] == n);
        for (int row = 0; row < N_ROWS; row++)
            if (e->query[row] == u)
                used[e->item[row]] = 1;
        for (uint64_t i = r->lists[list - 1]; i < r->lists[list]; i++) {
            CHECK(r->candidates[i] >= 1 && r->candidates[i] <= N_ITEMS);
            CHECK(!used[r->candidates[i]]);
            used[r->candidates[i]] = 1;
        }
    }
}

static void sampled_candidates_come_from_the_seed(void)
{
    static const char *const names[] = {"loo-sampled", "loo-popular"};

    for (int i = 0; i < 2; i++) {
        struct example *e = example(), *again = example(), *other = example();

        other->facts.seed = 2;
        REQUIRE(assign(e, names[i]) == FUSOR_OK);
        REQUIRE(assign(again, names[i]) == FUSOR_OK);
        REQUIRE(assign(other, names[i]) == FUSOR_OK);
        check_leave_one_out(e, 1);
        check_lists(e, 20);
        CHECK(e->result.n_lists == N_USERS - 1);
        REQUIRE(e->result.n_candidates == other->result.n_candidates);
        CHECK(!memcmp(e->result.candidates, again->result.candidates,
                      4 * e->result.n_candidates));
        CHECK(memcmp(e->result.candidates, other->result.candidates,
                     4 * e->result.n_candidates));
        done(e);
        done(again);
        done(other);
    }
}

/* Asked for more than there are, all are given. */
static void sampled_candidates_end_with_the_items(void)
{
    struct example *e = example();
    char used[N_ITEMS + 1] = {0};
    uint64_t list, n = N_ITEMS;

    e->facts.negatives = 1000;
    REQUIRE(assign(e, "loo-sampled") == FUSOR_OK);
    check_lists(e, 0);
    for (int row = 0; row < N_ROWS; row++) {
        n -= e->query[row] == 2 && !used[e->item[row]];
        used[e->query[row] == 2 ? e->item[row] : 0] = 1;
    }
    list = e->result.list_of[2];
    CHECK(e->result.lists[list] - e->result.lists[list - 1] == n);
    done(e);
}

/* One item takes 90 of 149 train rows, each of the 59 others one. Of 200 users
 * that have none of them, each draws one candidate: the frequent item's number
 * has mean 200 * 90 / 149 = 120.8 and standard deviation 6.9; of 200 uniform
 * draws it would be 3.3. The bound is five deviations. */
static void popular_items_are_drawn_more_often(void)
{
    struct example *e = example();
    uint64_t n = 0;
    char text[16];

    e->facts.time = NULL;
    e->facts.n = 149 + 2 + 2 * 200;
    for (int i = N_USERS + 1; i <= 300; i++)
        vocab_add(e->queries, text, (size_t)sprintf(text, "u%d", i));
    vocab_add(e->items, "own", 3);
    for (uint64_t row = 0; row < e->facts.n; row++) {
        e->query[row] = row < 151 ? 1 : 2 + (uint32_t)(row - 151) / 2;
        e->item[row] = row < 90    ? 1
                       : row < 149 ? (uint32_t)(row - 88)
                                   : N_ITEMS + 1; // of the drawing users
    }
    e->facts.validation = 0;
    e->facts.negatives = 1;
    REQUIRE(assign(e, "loo-popular") == FUSOR_OK);
    for (uint32_t u = 2; u < 202; u++) {
        uint64_t list = e->result.list_of[u];

        REQUIRE(list > 0);
        n += e->result.candidates[e->result.lists[list - 1]] == 1;
    }
    CHECK(n > 120 - 35 && n < 121 + 35);
    done(e);
}

static void sampled_candidates_cannot_be_given(void)
{
    struct example *e = example();

    e->facts.candidates = "file";
    e->facts.candidates_given = 1;
    CHECK(assign(e, "loo-sampled") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "loo-given") != NULL);
    done(e);
}

static void given_candidates_name_the_test_rows(void)
{
    struct example *e = example();
    char text[256];
    int row = N_ROWS - 1;

    snprintf(text, sizeof(text), "(u%u,i%u)\ti1000\ti1001\nu1 i900 i901\n",
             e->query[row], e->item[row]);
    e->facts.candidates = test_write("negatives", text);
    REQUIRE(assign(e, "loo-given") == FUSOR_OK);
    CHECK(e->result.part[row] == ROW_TEST);
    CHECK(e->result.n_added == 1 && e->result.added[0].query == 1);
    CHECK(!strcmp(vocab_text(e->items, e->result.added[0].item, NULL), "i900"));
    CHECK(e->result.n_candidates == 3 && e->result.n_lists == 2);
    done(e);
}

static void bad_candidates_name_their_line(void)
{
    static const char *const texts[] = {
        "u2 i1 i2\nu99 i1 i2\n", "u2 i1 i2\nu3\n", "u2 i1 i2\nu3 i1 i2 i1\n",
        "u2 i1 i2\nu2 i3 i4\n"};

    for (int i = 0; i < 4; i++) {
        struct example *e = example();

        e->facts.candidates = test_write("negatives", texts[i]);
        CHECK(assign(e, "loo-given") == FUSOR_EDATA);
        CHECK(strstr(err.text, "negatives:2") != NULL);
        done(e);
    }
}

static void random_folds_are_a_partition(void)
{
    struct example *e = example(), *again = example(), *other = example();
    int n[5] = {0}, same = 0;

    other->facts.seed = 2;
    REQUIRE(assign(e, "kfold-random") == FUSOR_OK);
    REQUIRE(assign(again, "kfold-random") == FUSOR_OK);
    REQUIRE(assign(other, "kfold-random") == FUSOR_OK);
    CHECK(e->result.n_folds == 5);
    for (int row = 0; row < N_ROWS; row++) {
        REQUIRE(e->result.part[row] < 5);
        n[e->result.part[row]]++;
        same += e->result.part[row] == other->result.part[row];
    }
    for (int k = 0; k < 5; k++)
        CHECK(n[k] == N_ROWS / 5 || n[k] == N_ROWS / 5 + 1);
    CHECK(!memcmp(e->result.part, again->result.part, N_ROWS));
    CHECK(same < N_ROWS / 2);
    done(e);
    done(again);
    done(other);
}

static void time_split_keeps_the_order(void)
{
    struct example *e = example();
    int64_t latest[3] = {-1, -1, -1}, earliest[3] = {999, 999, 999};
    int n[3] = {0};

    REQUIRE(assign(e, "time-split") == FUSOR_OK);
    for (int row = 0; row < N_ROWS; row++) {
        uint8_t part = e->result.part[row];

        n[part]++;
        if (e->time[row] > latest[part])
            latest[part] = e->time[row];
        if (e->time[row] < earliest[part])
            earliest[part] = e->time[row];
    }
    CHECK(n[0] == 798 && n[1] == 99 && n[2] == 100); // 0.8, 0.9 of 997
    CHECK(latest[0] <= earliest[1] && latest[1] <= earliest[2]);
    done(e);
}

static void time_split_takes_dates(void)
{
    struct example *e = example();

    e->facts.dates[0] = 100;
    e->facts.dates[1] = 250;
    e->facts.n_dates = 2;
    REQUIRE(assign(e, "time-split") == FUSOR_OK);
    for (int row = 0; row < N_ROWS; row++)
        CHECK(e->result.part[row] ==
              (e->time[row] >= 100) + (e->time[row] >= 250));
    e->facts.n_dates = 1;
    REQUIRE(assign(e, "time-split") == FUSOR_OK);
    for (int row = 0; row < N_ROWS; row++)
        CHECK(e->result.part[row] ==
              (e->time[row] >= 100 ? ROW_TEST : ROW_TRAIN));
    e->facts.dates[0] = 0;
    CHECK(assign(e, "time-split") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "no row is before") != NULL);
    e->facts.dates[0] = 1000;
    CHECK(assign(e, "time-split") == FUSOR_EUSAGE);
    e->facts.time = NULL;
    CHECK(assign(e, "time-split") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "no time") != NULL);
    done(e);
}

static void user_split_keeps_users_whole(void)
{
    struct example *e = example();
    int part_of[N_USERS + 1], n[3] = {0};

    memset(part_of, -1, sizeof(part_of));
    REQUIRE(assign(e, "user-split") == FUSOR_OK);
    for (int row = 0; row < N_ROWS; row++) {
        int *part = &part_of[e->query[row]];

        if (*part < 0)
            n[e->result.part[row]]++;
        CHECK(*part < 0 || *part == e->result.part[row]);
        *part = e->result.part[row];
    }
    CHECK(n[0] == 32 && n[1] == 4 && n[2] == 4);
    done(e);
}

static void unknown_names_get_a_hint(void)
{
    CHECK(!protocol_find("loo-ful", &err));
    CHECK(strstr(err.text, "loo-full") != NULL);
    CHECK(!protocol_find("zzzzzzzz", &err));
    CHECK(strstr(err.text, "time-split") != NULL);
}

static void impossible_folds_are_refused(void)
{
    struct example *e = example();

    e->facts.folds = N_ROWS + 1;
    CHECK(assign(e, "kfold-random") == FUSOR_EUSAGE);
    e->facts.input = test_tmpdir();
    CHECK(assign(e, "kfold-official") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "u1.test") != NULL);
    done(e);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"leave one out takes the last row, by time or by order",
         leave_one_out_takes_the_last},
        {"drawn candidates were never seen", drawn_candidates_were_never_seen},
        {"sampled candidates come from the seed and were never seen",
         sampled_candidates_come_from_the_seed},
        {"sampled candidates end with the items",
         sampled_candidates_end_with_the_items},
        {"popular items are drawn more often",
         popular_items_are_drawn_more_often},
        {"sampled candidates cannot be given",
         sampled_candidates_cannot_be_given},
        {"given candidates name the test rows",
         given_candidates_name_the_test_rows},
        {"bad candidates name their line", bad_candidates_name_their_line},
        {"random folds are a partition, by the seed alone",
         random_folds_are_a_partition},
        {"a split by time keeps the order", time_split_keeps_the_order},
        {"a split by time takes dates", time_split_takes_dates},
        {"a split by user keeps users whole", user_split_keeps_users_whole},
        {"unknown names get a hint", unknown_names_get_a_hint},
        {"impossible folds are refused", impossible_folds_are_refused},
    };
    return TEST_RUN("data.protocol", cases);
}
