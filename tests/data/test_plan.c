/* Cuts and orders of an epoch. */
#include "data/plan.h"

#include "base/rng.h"
#include "data/prepared.h"

enum { MOST_ROWS = 3000 };

static struct dataset *open_rows(uint32_t n, uint32_t n_users)
{
    static struct event rows[MOST_ROWS];
    struct prepared p = {
        .n_users = n_users, .n_items = 3, .train = rows, .n_train = n};
    struct dataset_options o = {.fold = -1};
    struct dataset *ds = NULL;
    struct rng r = rng_stream(1, RNG_TEST, n, n_users);

    for (uint32_t i = 0; i < n; i++)
        rows[i] = (struct event){(uint32_t)rng_below(&r, n_users), 1, 1, i, 0};
    prepared_write(&p, "plan");
    o.dir = p.dir;
    REQUIRE(dataset_open(&o, NULL, NULL, &ds, NULL) == FUSOR_OK);
    return ds;
}

/* How often each row is trained when the micro-batches of all units are done
 * by `workers` workers in any order. */
static void count_rows(const struct plan *p, const struct plan_order *o,
                       uint32_t workers, uint8_t *count)
{
    uint32_t rows[MOST_ROWS], n;
    uint64_t first;

    memset(count, 0, p->n_rows);
    for (uint32_t w = workers; w-- > 0;)
        for (uint64_t u = plan_units(p); u-- > 0;)
            for (uint32_t m = 0; m < p->micro_batches; m++) {
                if ((u * p->micro_batches + m) % workers != w)
                    continue;
                plan_micro_range(p, u, m, &first, &n);
                CHECK(n <= plan_capacity(p));
                plan_order_rows(o, first, n, rows);
                for (uint32_t i = 0; i < n; i++)
                    count[rows[i]]++;
            }
}

static void every_row_is_trained_once_whatever_the_sizes(void)
{
    static const uint32_t sizes[] = {1, 2, 7, 64, 65, 1000, MOST_ROWS};
    static const uint32_t batches[] = {1, 3, 10, 64, 1000, 5000};
    static uint8_t count[MOST_ROWS];

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct dataset *ds = open_rows(sizes[s], 9);

        for (size_t b = 0; b < sizeof(batches) / sizeof(batches[0]); b++)
            for (int kind = 0; kind < 3; kind++) {
                struct plan p = {5,
                                 sizes[s],
                                 batches[b],
                                 batches[b] < 7 ? batches[b] : 7,
                                 (enum plan_order_kind)kind,
                                 4,
                                 SPLIT_TRAIN};
                struct plan_order *o = NULL;
                int wrong = 0;

                REQUIRE(plan_order_build(&p, ds, 2, &o, NULL) == FUSOR_OK);
                count_rows(&p, o, 1 + (uint32_t)b, count);
                for (uint32_t i = 0; i < sizes[s]; i++)
                    wrong += count[i] != 1;
                CHECK(wrong == 0);
                plan_order_destroy(o);
            }
        dataset_close(ds);
    }
}

static void only_the_last_unit_is_short(void)
{
    struct plan p = {0, 1025, 100, 3, PLAN_TIME, 0, SPLIT_TRAIN};
    uint64_t first;
    uint32_t n;

    CHECK(plan_units(&p) == 11);
    CHECK(plan_capacity(&p) == 34);
    CHECK(plan_unit_rows(&p, 9) == 100 && plan_unit_rows(&p, 10) == 25);
    plan_micro_range(&p, 1, 0, &first, &n);
    CHECK(first == 100 && n == 34);
    plan_micro_range(&p, 1, 2, &first, &n);
    CHECK(first == 168 && n == 32);
    plan_micro_range(&p, 10, 0, &first, &n);
    CHECK(first == 1000 && n == 25);
    plan_micro_range(&p, 10, 1, &first, &n);
    CHECK(first == 1025 && n == 0);
}

static void a_micro_batch_has_512_rows_within_1_to_16(void)
{
    CHECK(plan_micro_batches(1) == 1);
    CHECK(plan_micro_batches(512) == 1);
    CHECK(plan_micro_batches(513) == 2);
    CHECK(plan_micro_batches(4096) == 8);
    CHECK(plan_micro_batches(1000000) == 16);
    CHECK(plan_micro_batches(UINT32_MAX) == 16);
}

static void copy_order(const struct plan *p, const struct dataset *ds,
                       uint64_t epoch, uint32_t *rows)
{
    struct plan_order *o = NULL;

    REQUIRE(plan_order_build(p, ds, epoch, &o, NULL) == FUSOR_OK);
    plan_order_rows(o, 0, (uint32_t)p->n_rows, rows);
    plan_order_destroy(o);
}

static void an_order_depends_on_seed_and_epoch_alone(void)
{
    static uint32_t a[500], b[500];
    struct dataset *ds = open_rows(500, 20);

    for (int kind = PLAN_RANDOM; kind <= PLAN_BY_USER; kind++) {
        struct plan p = {1, 500,        64, 4, (enum plan_order_kind)kind,
                         8, SPLIT_TRAIN};

        copy_order(&p, ds, 0, a);
        copy_order(&p, ds, 0, b);
        CHECK(!memcmp(a, b, sizeof(a)));
        copy_order(&p, ds, 1, b);
        CHECK(memcmp(a, b, sizeof(a)));
        p.seed = 2;
        copy_order(&p, ds, 0, b);
        CHECK(memcmp(a, b, sizeof(a)));
    }
    dataset_close(ds);
}

static void by_user_keeps_runs_together(void)
{
    static uint32_t rows[2000];
    struct dataset *ds = open_rows(2000, 6);
    struct plan p = {1, 2000, 64, 4, PLAN_BY_USER, 32, SPLIT_TRAIN};
    uint32_t changes = 0, ascending = 0;

    copy_order(&p, ds, 0, rows);
    for (uint32_t i = 1; i < 2000; i++) {
        changes += dataset_query(ds, SPLIT_TRAIN, rows[i]) !=
                   dataset_query(ds, SPLIT_TRAIN, rows[i - 1]);
        ascending += rows[i] > rows[i - 1];
    }
    CHECK(changes < 2000 / 32 + 6); // one a run, short ones one a user
    CHECK(changes > 30);            // and runs of one user are apart
    CHECK(ascending > 850 && ascending < 1150); // shuffled inside
    dataset_close(ds);
}

static void time_is_the_order_of_the_rows(void)
{
    static uint32_t rows[100];
    struct dataset *ds = open_rows(100, 3);
    struct plan p = {1, 100, 10, 1, PLAN_TIME, 0, SPLIT_TRAIN};

    copy_order(&p, ds, 4, rows);
    for (uint32_t i = 0; i < 100; i++)
        CHECK(rows[i] == i);
    dataset_close(ds);
}

static void plans_that_cannot_be_are_refused(void)
{
    static const struct plan wrong[] = {
        {0, 0, 10, 1, PLAN_RANDOM, 1, SPLIT_TRAIN},
        {0, 10, 0, 1, PLAN_RANDOM, 1, SPLIT_TRAIN},
        {0, 10, 10, 0, PLAN_RANDOM, 1, SPLIT_TRAIN},
        {0, 10, 10, 11, PLAN_RANDOM, 1, SPLIT_TRAIN},
        {0, 10, 10, 1, PLAN_BY_USER, 0, SPLIT_TRAIN},
        {0, UINT32_MAX, 10, 1, PLAN_TIME, 1, SPLIT_TRAIN},
        {0, 11, 10, 1, PLAN_BY_USER, 1, SPLIT_TRAIN}};
    struct dataset *ds = open_rows(10, 3);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct plan_order *o = NULL;

        CHECK(plan_order_build(&wrong[i], ds, 0, &o, NULL) == FUSOR_EINVAL);
        CHECK(o == NULL);
    }
    dataset_close(ds);
}

static void every_failed_allocation_is_an_error(void)
{
    struct dataset *ds = open_rows(10, 3);
    struct plan p = {1, 10, 4, 2, PLAN_BY_USER, 2, SPLIT_TRAIN};
    size_t used = mem_used();

    for (long k = 1;; k++) {
        struct plan_order *o = NULL;
        enum fusor_status rc;

        mem_fail_after(k);
        rc = plan_order_build(&p, ds, 0, &o, NULL);
        mem_fail_after(0);
        plan_order_destroy(o);
        CHECK(mem_used() == used);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
    }
    dataset_close(ds);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every row is trained once whatever the sizes",
         every_row_is_trained_once_whatever_the_sizes},
        {"only the last unit is short", only_the_last_unit_is_short},
        {"a micro-batch has 512 rows within 1 to 16",
         a_micro_batch_has_512_rows_within_1_to_16},
        {"an order depends on seed and epoch alone",
         an_order_depends_on_seed_and_epoch_alone},
        {"by_user keeps runs together", by_user_keeps_runs_together},
        {"time is the order of the rows", time_is_the_order_of_the_rows},
        {"plans that cannot be are refused", plans_that_cannot_be_are_refused},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("data.plan", cases);
}
