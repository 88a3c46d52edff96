/* What credits are for: small pools, several workers, large messages, and
 * nothing is dropped. The decision of ps/credit.c is replaced by one that can
 * be switched off, which must show. */
#include "ps/credit.h"

#include <stdio.h>

#include "base/log.h"
#include "harness.h"
#include "sim_cluster.h"

#define FLOATS 50000 /* 7/64 MiB of a pool in each of two shards, */
#define SEEDS 2      /* twice as much in a push of two nodes */

static int ignored;          // the bug
static int oldest_first = 1; // 0: the other one

uint64_t credit_share(uint64_t pool_bytes, uint32_t n)
{
    return (pool_bytes - pool_bytes / 4) / n;
}

enum credit_verdict credit_judge(const struct credit_facts *f)
{
    if (ignored || (f->oldest && oldest_first))
        return CREDIT_GO;
    if (!f->heard && !oldest_first) // else nobody ever says a word
        return CREDIT_GO;
    return f->heard && !f->behind && f->used + f->cost <= f->credit
               ? CREDIT_GO
               : CREDIT_HOLD;
}

int credit_is_older(const struct wire_header *a, const struct wire_header *b)
{
    int a_pushes = a->kind == WIRE_PUSH, b_pushes = b->kind == WIRE_PUSH;

    if (a_pushes == b_pushes)
        return a->request < b->request;
    return a->clock < b->clock || (a->clock == b->clock && b_pushes);
}

/* @param shard_bytes half of each shard's pool
 * @return the run was right */
static int run(uint64_t seed, int staleness, size_t shard_bytes,
               struct sim_cluster_result *r)
{
    struct sim_cluster_config c = {.seed = seed,
                                   .n_shards = 2,
                                   .n_workers = 3,
                                   .staleness = staleness,
                                   .depth = 8,
                                   .max_delay_ns = 20000000,
                                   .shard_bytes = shard_bytes};
    struct toy_state want, got;
    struct toy toy;
    int right;

    toy_init(&toy, seed, 0, 27, 1, FLOATS);
    toy_state_init(&toy, &want);
    toy_state_init(&toy, &got);
    toy_expect(&toy, &want);
    sim_cluster_run(&toy, &c, r, &got);
    right = r->finished && r->status == FUSOR_OK && !r->stale &&
            toy_state_equal(&toy, &want, &got);
    if (!right && oldest_first)
        fprintf(stderr, "\nseed %llu, staleness %d: %s %s\n",
                (unsigned long long)seed, staleness, r->error.text, r->what);
    toy_state_clear(&want);
    toy_state_clear(&got);
    return right;
}

static const int bounds[] = {0, 2, -1};

/* Shares of 3/8 MiB: a pull, a push and some ahead. */
static void with_credits_nothing_is_dropped(void)
{
    struct sim_cluster_result r;
    uint64_t held_back = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        for (int i = 0; i < 3; i++) {
            CHECK(run(seed, bounds[i], 3 << 18, &r));
            CHECK(r.counters.no_room == 0 && r.counters.duplicates == 0);
            held_back += r.held_back;
        }
    CHECK(held_back > 0);
}

static void without_them_some_is(void)
{
    struct sim_cluster_result r;
    uint64_t no_room = 0;

    ignored = 1;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        CHECK(run(seed, -1, 3 << 18, &r)); // it comes again
        CHECK(r.held_back == 0);
        no_room += r.counters.no_room;
    }
    ignored = 0;
    CHECK(no_room > 0);
}

/* Shares of 9/64 MiB: one request at a time of each lease, and done. */
static void a_share_too_small_for_any_request_still_ends(void)
{
    struct sim_cluster_result r;

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        for (int i = 0; i < 3; i++)
            CHECK(run(seed, bounds[i], 9 << 15, &r));
}

/* ... which it owes to the rule for the oldest. */
static void without_the_oldest_first_it_stands_still(void)
{
    struct sim_cluster_result r;

    oldest_first = 0;
    CHECK(!run(1, 0, 9 << 15, &r) && r.what[0] != '\0');
    oldest_first = 1;
}

int main(void)
{
    static const struct test_case cases[] = {
        {"with credits nothing is dropped", with_credits_nothing_is_dropped},
        {"without them some is", without_them_some_is},
        {"a share too small for any request still ends",
         a_share_too_small_for_any_request_still_ends},
        {"without the oldest first it stands still",
         without_the_oldest_first_it_stands_still},
    };

    log_set_level(LOG_ERROR);
    return TEST_RUN("ps.credit_sim", cases);
}
