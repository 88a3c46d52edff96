/* Plans for hosts and ranks of many shapes. */
#include "job/placement.h"

#include <string.h>

#include "base/rng.h"
#include "harness.h"

#define MAX_RANKS 24

static struct placement_seat seats[MAX_RANKS];

/* per_host ranks on each host, all free to run on the same n_cpus. */
static void seat_ranks(uint32_t n, uint32_t per_host, uint32_t n_cpus)
{
    memset(seats, 0, sizeof(seats));
    for (uint32_t r = 0; r < n; r++) {
        seats[r].host = r / per_host;
        seats[r].cpus.word[0] =
            n_cpus >= 64 ? UINT64_MAX : ((uint64_t)1 << n_cpus) - 1;
    }
}

static struct job_options options_of(int64_t servers, int64_t threads,
                                     int64_t staleness, int placement)
{
    struct job_options o = {.micro_batches = 16};

    o.cluster.servers = servers;
    o.cluster.threads = threads;
    o.cluster.staleness = staleness;
    o.cluster.placement = placement;
    return o;
}

static void one_rank_a_host_is_colocated(void)
{
    struct job_options o = options_of(0, 0, 4, JOB_PLACEMENT_AUTO);
    struct placement p;

    seat_ranks(3, 1, 8);
    REQUIRE(placement_make(seats, 3, &o, &p, NULL) == FUSOR_OK);
    CHECK(p.colocated);
    CHECK(p.n_servers == 3 && p.n_workers == 3);
    CHECK(p.ranks[1].n_threads == 4 && p.ranks[1].n_shards == 4);
    CHECK(p.ranks[2].first_thread == 8 && p.ranks[2].first_shard == 8);
    placement_clear(&p);
}

static void several_ranks_a_host_are_split(void)
{
    struct job_options o = options_of(0, 0, 4, JOB_PLACEMENT_AUTO);
    struct placement p;

    seat_ranks(8, 4, 8);
    REQUIRE(placement_make(seats, 8, &o, &p, NULL) == FUSOR_OK);
    CHECK(!p.colocated);
    CHECK(p.n_servers == 2 && p.n_workers == 6);
    CHECK(p.ranks[0].is_server && p.ranks[4].is_server);
    CHECK(p.ranks[5].worker == 3 && p.ranks[5].n_threads == 2);
    placement_clear(&p);
}

static void given_servers_are_spread_over_hosts(void)
{
    struct job_options o = options_of(3, 1, 4, JOB_PLACEMENT_AUTO);
    struct placement p;

    seat_ranks(6, 3, 4);
    REQUIRE(placement_make(seats, 6, &o, &p, NULL) == FUSOR_OK);
    CHECK(p.ranks[0].is_server && p.ranks[3].is_server && p.ranks[1].is_server);
    CHECK(p.n_servers == 3 && p.n_workers == 3);
    placement_clear(&p);
}

static void servers_win_over_colocation(void)
{
    struct job_options o = options_of(1, 1, 4, JOB_PLACEMENT_AUTO);
    struct placement p;

    seat_ranks(2, 1, 4);
    REQUIRE(placement_make(seats, 2, &o, &p, NULL) == FUSOR_OK);
    CHECK(!p.colocated && p.n_servers == 1 && p.n_workers == 1);
    placement_clear(&p);
}

static void refuse(uint32_t n, struct job_options o, const char *word)
{
    struct fusor_error err = {0};
    struct placement p;

    CHECK(placement_make(seats, n, &o, &p, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, word) != NULL);
}

static void what_cannot_be_is_refused_with_its_cause(void)
{
    seat_ranks(4, 4, 4);
    refuse(4, options_of(4, 1, 4, JOB_PLACEMENT_AUTO), "no worker");
    refuse(4, options_of(2, 1, 4, JOB_COLOCATED), "colocated");
    refuse(1, options_of(0, 1, 4, JOB_SPLIT), "at least 2 ranks");
    refuse(4, options_of(1, 8, 0, JOB_PLACEMENT_AUTO), "micro_batches");
    seat_ranks(24, 1, 4);
    refuse(24, options_of(0, 256, 4, JOB_COLOCATED), "buckets");
}

static void chosen_threads_fit_the_micro_batches(void)
{
    struct job_options o = options_of(0, 0, 0, JOB_PLACEMENT_AUTO);
    struct placement p;

    seat_ranks(4, 1, 64);
    REQUIRE(placement_make(seats, 4, &o, &p, NULL) == FUSOR_OK);
    CHECK(p.n_threads == 16);
    placement_clear(&p);
}

static void shared_processors_are_shared_out(void)
{
    seat_ranks(4, 4, 8);
    CHECK(placement_share(seats, 4, 0) == 2);
    seats[3].cpus.word[0] = 0;
    seats[3].cpus.word[1] = 7; // bound to its own
    CHECK(placement_share(seats, 4, 3) == 3);
    CHECK(placement_share(seats, 4, 0) == 2); // 8 / 3
}

/* Whatever the shape: all shards and threads are numbered once, in order, and
 * somebody serves and somebody works. */
static void every_plan_is_whole(void)
{
    struct rng r = rng_stream(1, RNG_TEST, 0, 0);

    for (int i = 0; i < 500; i++) {
        uint32_t n = 1 + (uint32_t)rng_below(&r, MAX_RANKS);
        struct job_options o =
            options_of((int64_t)rng_below(&r, 3), (int64_t)rng_below(&r, 3), 4,
                       (int)rng_below(&r, 3));
        uint32_t shards = 0, threads = 0, servers = 0, workers = 0;
        struct placement p;

        seat_ranks(n, 1 + (uint32_t)rng_below(&r, 4), 4);
        if (placement_make(seats, n, &o, &p, NULL) != FUSOR_OK)
            continue;
        for (uint32_t k = 0; k < n; k++) {
            const struct placement_rank *q = &p.ranks[k];

            CHECK(q->is_server || q->is_worker);
            CHECK(!q->is_server || q->first_shard == shards);
            CHECK(!q->is_worker || q->first_thread == threads);
            CHECK(!q->is_server || q->server == servers);
            CHECK(!q->is_worker || q->worker == workers);
            CHECK((q->n_shards > 0) == (q->is_server != 0));
            CHECK((q->n_threads > 0) == (q->is_worker != 0));
            shards += q->n_shards;
            threads += q->n_threads;
            servers += (uint32_t)q->is_server;
            workers += (uint32_t)q->is_worker;
        }
        CHECK(shards == p.n_shards && threads == p.n_threads);
        CHECK(servers == p.n_servers && workers == p.n_workers);
        CHECK(servers > 0 && workers > 0);
        placement_clear(&p);
    }
}

/* Zipf: the heaviest buckets are many times the mean. */
static void buckets_are_placed_by_their_load(void)
{
    static struct bucket_load load[BUCKET_COUNT];
    uint16_t map[BUCKET_COUNT], again[BUCKET_COUNT];
    struct rng r = rng_stream(3, RNG_TEST, 0, 0);

    for (uint32_t b = 0; b < BUCKET_COUNT; b++) {
        load[b].rows = 100000 / (b / 8 + 1) + rng_below(&r, 10);
        load[b].bytes = 64 * load[b].rows;
    }
    for (uint32_t n = 1; n <= 16; n++) {
        uint64_t has[16] = {0}, plain[16] = {0}, sum = 0, most = 0, worst = 0;
        uint32_t buckets[16] = {0};
        double said = placement_buckets(load, n, map);

        placement_buckets(load, n, again);
        CHECK(!memcmp(map, again, sizeof(map)));
        bucket_map_default(n, again);
        for (uint32_t b = 0; b < BUCKET_COUNT; b++) {
            REQUIRE(map[b] < n);
            has[map[b]] += bucket_load_cost(&load[b]);
            plain[again[b]] += bucket_load_cost(&load[b]);
            sum += bucket_load_cost(&load[b]);
            buckets[map[b]]++;
        }
        for (uint32_t s = 0; s < n; s++) {
            most = has[s] > most ? has[s] : most;
            worst = plain[s] > worst ? plain[s] : worst;
            CHECK(buckets[s] > 0);
        }
        CHECK((double)most <= 1.05 * (double)sum / n); // no bucket is above it
        CHECK(n < 2 || (double)worst > 1.3 * (double)sum / n);
        CHECK(said >= 1 && said < 1.01);
    }
}

static void buckets_nobody_asked_for_are_spread(void)
{
    static const struct bucket_load load[BUCKET_COUNT];
    uint16_t map[BUCKET_COUNT];
    uint32_t n_of[3] = {0};

    CHECK_CLOSE(placement_buckets(load, 3, map), 1, 1e-3);
    for (uint32_t b = 0; b < BUCKET_COUNT; b++)
        n_of[map[b]]++;
    CHECK(n_of[0] == 1366 && n_of[1] == 1365 && n_of[2] == 1365);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"one rank a host is colocated", one_rank_a_host_is_colocated},
        {"several ranks a host are split", several_ranks_a_host_are_split},
        {"given servers are spread over hosts",
         given_servers_are_spread_over_hosts},
        {"servers win over colocation", servers_win_over_colocation},
        {"what cannot be is refused with its cause",
         what_cannot_be_is_refused_with_its_cause},
        {"chosen threads fit the micro-batches",
         chosen_threads_fit_the_micro_batches},
        {"shared processors are shared out", shared_processors_are_shared_out},
        {"every plan is whole", every_plan_is_whole},
        {"buckets are placed by their load", buckets_are_placed_by_their_load},
        {"buckets nobody asked for are spread",
         buckets_nobody_asked_for_are_spread},
    };
    return TEST_RUN("job.placement", cases);
}
