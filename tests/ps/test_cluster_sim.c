/* Properties of the whole cluster on the simulated network. An argument is the
 * number of seeds for each configuration. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "harness.h"
#include "sim_cluster.h"

static uint64_t n_seeds = 300; // of each staleness and kind of trouble

static struct sim_cluster_config random_config(uint64_t seed, int staleness)
{
    struct rng r = rng_stream(seed, RNG_TEST, 2, (uint64_t)(staleness + 1));
    struct sim_cluster_config c = {
        .seed = seed,
        .n_shards = 1 + (uint32_t)rng_below(&r, 3),
        .n_workers = 1 + (uint32_t)rng_below(&r, 3),
        .staleness = staleness,
        .depth = 1 + (unsigned)rng_below(&r, 4),
        .loss = rng_below(&r, 3) ? 0.05 * rng_double(&r) : 0,
        .capacity = 1 + (unsigned)rng_below(&r, 12),
        .max_delay_ns = 100000 + (int64_t)rng_below(&r, 20000000),
        .fresh = (int)rng_below(&r, 2),
    };

    return c;
}

/* Whole gradients: the end is exactly the sum, no read broke the bound. */
static void check_sums(const struct toy *toy,
                       const struct sim_cluster_config *c,
                       struct sim_cluster_result *r)
{
    struct toy_state want, got;
    uint64_t must = toy->n_units * toy->n_epochs * c->n_shards *
                    (c->staleness == 0 ? c->n_workers : 1);
    int right;

    toy_state_init(toy, &want);
    toy_state_init(toy, &got);
    toy_expect(toy, &want);
    sim_cluster_run(toy, c, r, &got);
    right = r->finished && r->status == FUSOR_OK && !r->stale && !r->early &&
            r->counters.pushes == must && r->counters.refused == 0 &&
            toy_state_equal(toy, &want, &got);
    if (!right)
        sim_cluster_say(c, r, "not what was expected");
    CHECK(right);
    toy_state_clear(&want);
    toy_state_clear(&got);
}

static void check_seeds(int staleness)
{
    uint64_t duplicates = 0;
    struct toy toy;

    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        struct sim_cluster_config c = random_config(seed, staleness);
        struct sim_cluster_result r;

        toy_init(&toy, seed, 0, 1 + seed % 12, 2, 0);
        check_sums(&toy, &c, &r);
        duplicates += r.counters.duplicates;
    }
    CHECK(duplicates > 0); // else loss did nothing
}

static void sums_are_exact_at_staleness_0(void)
{
    check_seeds(0);
}

static void sums_are_exact_at_staleness_2(void)
{
    check_seeds(2);
}

static void sums_are_exact_without_a_bound(void)
{
    check_seeds(-1);
}

static uint64_t n_stale(int fresh)
{
    struct sim_cluster_config c = {.seed = 5,
                                   .n_shards = 2,
                                   .n_workers = 1,
                                   .staleness = 2,
                                   .fresh = fresh,
                                   .depth = 3};
    struct sim_cluster_result r;
    struct toy toy;
    uint64_t n = 0;

    toy_init(&toy, 5, 0, 12, 2, 0);
    check_sums(&toy, &c, &r);
    for (int i = 1; i < 64; i++)
        n += r.counters.staleness_count[i];
    return n;
}

static void a_lone_reader_of_fresh_values_lacks_nothing(void)
{
    CHECK(n_stale(1) == 0);
    CHECK(n_stale(0) > 0);
}

static void malformed_and_doubled_messages_change_nothing(void)
{
    static const int staleness[] = {0, 2, -1};
    uint64_t malformed = 0;
    struct toy toy;

    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        struct sim_cluster_config c = random_config(seed, staleness[seed % 3]);
        struct sim_cluster_result r;

        toy_init(&toy, seed, 0, 1 + seed % 9, 2, 0);
        c.malformed = 0.3;
        c.duplicated = 0.2;
        check_sums(&toy, &c, &r);
        malformed += r.counters.malformed;
    }
    CHECK(malformed > n_seeds);
}

static void lost_tickets_cost_messages_and_nothing_else(void)
{
    uint64_t need_keys = 0;

    for (uint64_t seed = 1; seed <= n_seeds / 3; seed++) {
        struct sim_cluster_config c = random_config(seed, (int)(seed % 3) - 1);
        struct sim_cluster_result r;
        struct toy toy;

        c.forgetful = 0.2;
        toy_init(&toy, seed, 0, 4 + seed % 9, 2, 0);
        check_sums(&toy, &c, &r);
        need_keys += r.counters.need_keys;
    }
    CHECK(need_keys > n_seeds);
}

/* Whole numbers up to 256 are whole in bf16. */
static void whole_sums_are_exact_in_bf16(void)
{
    for (uint64_t seed = 1; seed <= n_seeds / 3; seed++) {
        struct sim_cluster_config c = random_config(seed, (int)(seed % 3) - 1);
        struct sim_cluster_result r;
        struct toy toy;

        c.encoding = ENCODING_BF16;
        c.forgetful = 0.02;
        toy_init(&toy, seed, 0, 1 + seed % 4, 2, 0);
        check_sums(&toy, &c, &r);
    }
}

/* Real gradients at staleness 0 with two workers. */
static void run_encoded(enum encoding e, uint32_t n_shards,
                        struct toy_state *state)
{
    struct sim_cluster_config c = {.seed = n_shards,
                                   .n_shards = n_shards,
                                   .n_workers = 2,
                                   .depth = 2,
                                   .loss = 0.02,
                                   .encoding = e};
    struct sim_cluster_result r;
    struct toy toy;

    toy_init(&toy, 7, 1, 6, 2, 40000); // "w" is cut into slices
    toy_state_init(&toy, state);
    sim_cluster_run(&toy, &c, &r, state);
    CHECK(r.finished && r.status == FUSOR_OK);
}

static void fewer_bytes_do_not_depend_on_the_number_of_shards(void)
{
    struct toy_state exact, one, two, three;
    struct toy toy;

    toy_init(&toy, 7, 1, 6, 2, 40000);
    run_encoded(ENCODING_F32, 1, &exact);
    for (int e = ENCODING_BF16; e < ENCODING_END; e++) {
        run_encoded((enum encoding)e, 1, &one);
        run_encoded((enum encoding)e, 2, &two);
        run_encoded((enum encoding)e, 3, &three);
        CHECK(toy_state_equal(&toy, &one, &two));
        CHECK(toy_state_equal(&toy, &one, &three));
        CHECK(!toy_state_equal(&toy, &one, &exact)); // it did something
        toy_state_clear(&one);
        toy_state_clear(&two);
        toy_state_clear(&three);
    }
    toy_state_clear(&exact);
}

static void large_messages_come_through_small_pipes(void)
{
    struct sim_cluster_config c = {.seed = 3,
                                   .n_shards = 2,
                                   .n_workers = 2,
                                   .staleness = 0,
                                   .depth = 1,
                                   .loss = 0.02,
                                   .capacity = 1};
    struct sim_cluster_result r;
    struct toy toy;

    for (c.seed = 1; c.seed <= 3; c.seed++) { // blocks of 3 MiB: 2 chunks each
        toy_init(&toy, c.seed, 0, 2, 1, 800000);
        check_sums(&toy, &c, &r);
    }
}

/* Gradients and values in fewer bytes are read out of the chunks they came in.
 */
static void large_encoded_messages_are_read_in_pieces(void)
{
    for (int e = ENCODING_BF16; e < ENCODING_END; e++) {
        struct sim_cluster_config c = {.seed = 2,
                                       .n_shards = 1,
                                       .n_workers = 1,
                                       .staleness = e == ENCODING_BF16 ? -1 : 0,
                                       .depth = 1,
                                       .loss = 0.02,
                                       .encoding = (enum encoding)e};
        struct sim_cluster_result r;
        struct toy toy;

        toy_init(&toy, 2, 0, 2, 1, 1200000); // 3 chunks a push
        if (e == ENCODING_BF16) {
            check_sums(&toy, &c, &r);
            continue;
        }
        sim_cluster_run(&toy, &c, &r, NULL);
        CHECK(r.finished && r.counters.malformed == 0);
    }
}

/* Under loss a large push is asked about and completed, chunk by chunk. */
static void lost_chunks_of_large_messages_come_again(void)
{
    uint64_t asked = 0;
    struct toy toy;

    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct sim_cluster_config c = {.seed = seed,
                                       .n_shards = 1,
                                       .n_workers = 2,
                                       .staleness = (int)(seed % 3) - 1,
                                       .depth = 1,
                                       .loss = 0.2};
        struct sim_cluster_result r;

        toy_init(&toy, seed, 0, 2, 1, 1500000); // 6 chunks a push
        check_sums(&toy, &c, &r);
        asked += r.counters.asked;
    }
    CHECK(asked > 4);
}

static void equal_bits_on_any_cluster_and_at_home(void)
{
    static const uint32_t shapes[][2] = {{1, 1}, {2, 1}, {3, 2}, {4, 3}};
    struct toy_state want, got;
    struct toy toy;

    toy_init(&toy, 11, 1, 12, 3, 40000); // large enough to be cut into slices
    toy_state_init(&toy, &want);
    toy_state_init(&toy, &got);
    REQUIRE(toy_run_local(&toy, 1, &want) == FUSOR_OK);
    REQUIRE(toy_run_local(&toy, 3, &got) == FUSOR_OK);
    CHECK(toy_state_equal(&toy, &want, &got));
    for (int i = 0; i < 4; i++) {
        struct sim_cluster_config c = {.seed = 21 + (uint64_t)i,
                                       .n_workers = shapes[i][0],
                                       .n_shards = shapes[i][1],
                                       .depth = 2,
                                       .loss = i == 2 ? 0.03 : 0};
        struct sim_cluster_result r;

        memset(got.sums, 0, sizeof(got.sums));
        sim_cluster_run(&toy, &c, &r, &got);
        if (!r.finished)
            sim_cluster_say(&c, &r, "not finished");
        CHECK(r.finished && !r.stale && !r.early);
        CHECK(toy_state_equal(&toy, &want, &got));
    }
    toy_state_clear(&want);
    toy_state_clear(&got);
}

static void staleness_is_measured_within_its_bound(void)
{
    struct sim_cluster_config c = {
        .seed = 5, .n_shards = 2, .n_workers = 3, .staleness = 2, .depth = 3};
    struct sim_cluster_result r;
    struct toy toy;
    uint64_t seen = 0, count = 0;

    toy_init(&toy, 5, 0, 30, 1, 0);
    sim_cluster_run(&toy, &c, &r, NULL);
    CHECK(r.finished);
    for (int i = 0; i < 64; i++) {
        count += r.counters.staleness_count[i];
        if (i)
            seen += r.counters.staleness_count[i];
    }
    CHECK(count == 30 * 2 && seen > 0);
    for (int i = 2 + 3; i < 64; i++) // edge of reading .. others pushed since
        CHECK(r.counters.staleness_count[i] == 0);
}

/* With a cache the bound holds for what was kept, too; check_read() of the
 * simulated cluster looks at every value. */
static void kept_rows_stay_within_the_bound(void)
{
    uint64_t held = 0;

    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct sim_cluster_config c = random_config(seed, seed % 2 ? 6 : -1);
        struct sim_cluster_result r;
        struct toy toy;

        c.cache_bytes = (uint64_t)(seed % 3 ? 32 : 2) << 10;
        c.cache_age = seed % 2 ? 0 : 4;
        c.fresh = 0;
        c.forgetful = seed % 4 ? 0 : 0.1;
        toy_init(&toy, seed, 0, 1 + seed % 12, 2, 0);
        check_sums(&toy, &c, &r);
        CHECK(r.stale == 0);
        held += r.counters.rows_held;
        if (!r.counters.rows_held)
            CHECK(r.counters.bytes_held == 0);
        for (int i = 2 * 6 + 1; seed % 2 && i < 64; i++) // k more by others
            CHECK(r.counters.staleness_count[i] == 0);
    }
    CHECK(held > 0);
}

static void nothing_is_kept_for_fresh_values_or_staleness_0(void)
{
    for (int k = 0; k < 7; k += 3) {
        struct sim_cluster_config c = {.seed = 5,
                                       .n_shards = 2,
                                       .n_workers = 2,
                                       .staleness = k,
                                       .fresh = k > 0,
                                       .depth = 2,
                                       .cache_bytes = 32 << 10};
        struct sim_cluster_result r;
        struct toy toy;

        toy_init(&toy, 5, 0, 12, 2, 0);
        check_sums(&toy, &c, &r);
        CHECK(r.counters.rows_held == 0 && r.counters.rows_asked > 0);
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"a lone reader of fresh values lacks nothing",
         a_lone_reader_of_fresh_values_lacks_nothing},
        {"sums are exact at staleness 0", sums_are_exact_at_staleness_0},
        {"sums are exact at staleness 2", sums_are_exact_at_staleness_2},
        {"sums are exact without a bound", sums_are_exact_without_a_bound},
        {"malformed and doubled messages change nothing",
         malformed_and_doubled_messages_change_nothing},
        {"lost tickets cost messages and nothing else",
         lost_tickets_cost_messages_and_nothing_else},
        {"whole sums are exact in bf16", whole_sums_are_exact_in_bf16},
        {"fewer bytes do not depend on the number of shards",
         fewer_bytes_do_not_depend_on_the_number_of_shards},
        {"lost chunks of large messages come again",
         lost_chunks_of_large_messages_come_again},
        {"large messages come through small pipes",
         large_messages_come_through_small_pipes},
        {"large encoded messages are read in pieces",
         large_encoded_messages_are_read_in_pieces},
        {"equal bits on any cluster and at home",
         equal_bits_on_any_cluster_and_at_home},
        {"kept rows stay within the bound", kept_rows_stay_within_the_bound},
        {"nothing is kept for fresh values or staleness 0",
         nothing_is_kept_for_fresh_values_or_staleness_0},
        {"staleness is measured within its bound",
         staleness_is_measured_within_its_bound},
    };

    log_set_level(LOG_ERROR); // what is dropped is counted
    if (argc > 1)
        n_seeds = strtoull(argv[1], NULL, 10);
    return TEST_RUN("ps.cluster_sim", cases);
}
