/* What the whole cluster does on the simulated network when one of its
 * processes dies or fails. */
#include <string.h>

#include "base/log.h"
#include "harness.h"
#include "sim_cluster.h"

#define SECOND ((int64_t)1000000000)

/* A process dies: the coordinator says who, in time, and everyone leaves. */
static void check_crash(struct peer who, const char *name, int staleness)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct sim_cluster_config c = {
            .seed = seed,
            .n_shards = 2,
            .n_workers = 3,
            .staleness = staleness,
            .depth = 2,
            .crash = who,
            .crash_ns = (int64_t)(seed % 5) * 4000000 + 500000};
        struct sim_cluster_result r;
        struct toy toy;
        int right;

        toy_init(&toy, seed, 0, 40, 2, 0);
        sim_cluster_run(&toy, &c, &r, NULL);
        right = r.status == FUSOR_ECLUSTER && strstr(r.error.text, name) &&
                r.n_told == 4 && r.what[0] == '\0' &&
                r.end_ns <= c.crash_ns + 15 * SECOND + SECOND / 4;
        if (seed % 5 == 0) // it never said hello
            right = r.status == FUSOR_ECLUSTER && strstr(r.error.text, name) &&
                    r.n_told == 4 && r.end_ns <= 121 * SECOND;
        if (!right)
            sim_cluster_say(&c, &r, name);
        CHECK(right);
    }
}

static void a_dead_shard_is_named_in_time(void)
{
    check_crash((struct peer){PEER_SHARD, 1, 0}, "shard 1", 0);
    check_crash((struct peer){PEER_SHARD, 0, 0}, "shard 0", -1);
}

static void a_dead_worker_is_named_in_time(void)
{
    check_crash((struct peer){PEER_WORKER, 2, 0}, "worker process 2", 0);
    check_crash((struct peer){PEER_WORKER, 0, 0}, "worker process 0", 2);
}

static void a_dead_coordinator_lets_everyone_leave(void)
{
    struct sim_cluster_config c = {
        .seed = 4,
        .n_shards = 2,
        .n_workers = 2,
        .depth = 1,
        .crash = {PEER_COORDINATOR, 0, 0},
        .crash_ns = 20000000,
    };
    struct sim_cluster_result r;
    struct toy toy;

    toy_init(&toy, 4, 0, 40, 2, 0);
    sim_cluster_run(&toy, &c, &r, NULL);
    CHECK(!r.finished && r.end_ns == 0);
    CHECK(r.what[0] == '\0'); // nobody is left waiting
}

static void a_failure_reaches_everyone(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_cluster_config c = {.seed = seed,
                                       .n_shards = 2,
                                       .n_workers = 3,
                                       .staleness = (int)(seed % 3) - 1,
                                       .depth = 2,
                                       .loss = seed > 10 ? 0.05 : 0,
                                       .fail_worker = 2,
                                       .fail_step = 3};
        struct sim_cluster_result r;
        struct toy toy;

        toy_init(&toy, seed, 0, 12, 2, 0);
        sim_cluster_run(&toy, &c, &r, NULL);
        CHECK(r.what[0] == '\0');
        if (seed > 10) // the word itself may be lost, silence speaks too
            continue;
        CHECK(r.status == FUSOR_EDIVERGED && r.n_told == 4);
        CHECK(strstr(r.error.text, "worker process 1: made to fail") != NULL);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a dead shard is named in time", a_dead_shard_is_named_in_time},
        {"a dead worker is named in time", a_dead_worker_is_named_in_time},
        {"a dead coordinator lets everyone leave",
         a_dead_coordinator_lets_everyone_leave},
        {"a failure reaches everyone", a_failure_reaches_everyone},
    };

    log_set_level(LOG_ERROR);
    return TEST_RUN("ps.cluster_crash", cases);
}
