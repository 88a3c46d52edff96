/* Proves that the properties of the simulated cluster can fail: the decisions
 * of the shard (ps/consistency.c) are replaced by ones with a bug, and each bug
 * must show within some seeds. */
#include "ps/consistency.h"

#include "base/log.h"
#include "harness.h"
#include "sim_cluster.h"

#define SEEDS 40
#define KEEPS 5 /* a staleness at which rows are kept */

enum bug {
    NO_BUG,
    DUPLICATES_ARE_NEW,  // no check of the push identity
    GAPS_ARE_NEW,        // a push is taken though the one before is missing
    GAPS_ARE_DUPLICATES, // ... or acknowledged without being taken
    ONE_CLOCK_TOO_EARLY, // values are read one unit before they may
    KEPT_TOO_LONG,       // a worker uses a value it has kept once too often
    TICKETS_MIXED_UP     // a push is applied to other rows than its pull's
};

static enum bug bug;
static unsigned n_doubled; // marks that stand for an update applied twice

int consistency_may_read(int staleness, uint64_t clock, uint64_t edge)
{
    uint64_t k = (uint64_t)staleness + (bug == ONE_CLOCK_TOO_EARLY);

    return staleness < 0 || edge + k >= clock;
}

int consistency_may_serve(int staleness, uint64_t age, uint64_t clock,
                          uint64_t read)
{
    uint64_t most = staleness < 0 ? age : (uint64_t)staleness;

    return read + most + (bug == KEPT_TOO_LONG) >= clock;
}

int consistency_is_late(uint64_t last_request, uint64_t request)
{
    return bug != DUPLICATES_ARE_NEW && request <= last_request;
}

enum push_verdict consistency_judge_push(uint32_t term, uint64_t next,
                                         uint32_t push_term,
                                         uint64_t push_index)
{
    if (push_term < term)
        return PUSH_REFUSED;
    if (push_index < next)
        return bug == DUPLICATES_ARE_NEW ? PUSH_NEW : PUSH_DUPLICATE;
    if (push_index > next && bug != GAPS_ARE_NEW)
        return bug == GAPS_ARE_DUPLICATES ? PUSH_DUPLICATE : PUSH_GAP;
    return PUSH_NEW;
}

static int run_is_right(uint64_t seed, int staleness)
{
    struct sim_cluster_config c = {.seed = seed,
                                   .n_shards = 2,
                                   .n_workers = 3,
                                   .staleness = staleness,
                                   .depth = 3,
                                   .loss = 0.04,
                                   .capacity = 8,
                                   .max_delay_ns = 4000000,
                                   .duplicated = 0.1,
                                   .forgetful = 0.05,
                                   .cache_bytes = 32 << 10,
                                   .cache_age = 3};
    struct sim_cluster_result r;
    struct toy_state want, got;
    struct toy toy;
    int right;

    if (staleness == KEEPS) // ahead of oneself, kept values are soon too old
        c.depth = 1;
    c.confused = bug == TICKETS_MIXED_UP ? 0.02 : 0;
    toy_init(&toy, seed, 0, 12, 2, 0);
    toy_state_init(&toy, &want);
    toy_state_init(&toy, &got);
    toy_expect(&toy, &want);
    sim_cluster_run(&toy, &c, &r, &got);
    right = r.finished && !r.stale && !r.early &&
            toy_state_equal(&toy, &want, &got);
    for (int i = 0; i < TOY_MARKS_MAX; i++)
        n_doubled += got.marks[i] > want.marks[i];
    toy_state_clear(&want);
    toy_state_clear(&got);
    return right;
}

static int n_wrong(enum bug planted, int staleness)
{
    int n = 0;

    bug = planted;
    n_doubled = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        n += !run_is_right(seed, staleness);
    bug = NO_BUG;
    return n;
}

static void nothing_is_wrong_without_a_bug(void)
{
    CHECK(n_wrong(NO_BUG, 0) == 0);
    CHECK(n_wrong(NO_BUG, 2) == 0);
    CHECK(n_wrong(NO_BUG, KEEPS) == 0);
    CHECK(n_wrong(NO_BUG, -1) == 0);
    CHECK(n_doubled == 0);
}

static void a_missing_duplicate_check_shows(void)
{
    CHECK(n_wrong(DUPLICATES_ARE_NEW, 2) > 0);
    CHECK(n_wrong(DUPLICATES_ARE_NEW, -1) > 0);
    CHECK(n_doubled > 0); // not only that it stood still
}

static void a_gap_that_is_taken_shows(void)
{
    CHECK(n_wrong(GAPS_ARE_NEW, -1) > 0);
}

static void a_push_acknowledged_and_lost_shows(void)
{
    CHECK(n_wrong(GAPS_ARE_DUPLICATES, -1) > 0);
}

static void values_read_too_early_show(void)
{
    CHECK(n_wrong(ONE_CLOCK_TOO_EARLY, 0) > 0);
    CHECK(n_wrong(ONE_CLOCK_TOO_EARLY, 2) > 0);
}

static void a_value_kept_too_long_shows(void)
{
    CHECK(n_wrong(KEPT_TOO_LONG, KEEPS) > 0);
}

static void a_ticket_of_other_rows_shows(void)
{
    CHECK(n_wrong(TICKETS_MIXED_UP, 0) > 0);
    CHECK(n_wrong(TICKETS_MIXED_UP, -1) > 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"nothing is wrong without a bug", nothing_is_wrong_without_a_bug},
        {"a missing duplicate check shows", a_missing_duplicate_check_shows},
        {"a gap that is taken shows", a_gap_that_is_taken_shows},
        {"a push acknowledged and lost shows",
         a_push_acknowledged_and_lost_shows},
        {"values read too early show", values_read_too_early_show},
        {"a value kept too long shows", a_value_kept_too_long_shows},
        {"a ticket of other rows shows", a_ticket_of_other_rows_shows},
    };

    log_set_level(LOG_ERROR);
    return TEST_RUN("ps.planted_bugs", cases);
}
