/* A whole cluster in one process on the simulated network with virtual time:
 * the coordinator with a small script (BEGIN, EPOCH, CUT an epoch, FINISH),
 * shards over real store shards, worker processes of one thread each that train
 * the toy model through the real client, pumped from the same thread.
 *
 * A run is a pure function of its config; a failure prints the seed. */
#ifndef TESTS_PS_SIM_CLUSTER_H
#define TESTS_PS_SIM_CLUSTER_H

#include "ps/server.h"
#include "toy.h"
#include "transport/sim.h"
#include "wire/encoding.h"

#define SIM_SHARDS_MAX 4
#define SIM_WORKERS_MAX 4

struct sim_cluster_config {
    uint64_t seed;
    uint32_t n_shards, n_workers;
    int staleness;
    int fresh;      // values wait for the reader's own pushes
    unsigned depth; // steps announced ahead; at least 1
    double loss;
    unsigned capacity;    // messages of a pipe; 0: the network's default
    int64_t max_delay_ns; // 0: the network's default
    size_t shard_bytes;   // a shard's message at most, half its pool; 0: plenty
    double malformed;     // share of workers' messages that come with a
                          // malformed copy in front
    double duplicated;    // share that comes twice
    double forgetful;     // share before which a shard loses its tickets
    double confused;      // a bug: share before which tickets are mixed up
    enum encoding encoding;
    uint64_t cache_bytes, cache_age; // of each worker
    struct peer crash;               // kind 0: nobody
    int64_t crash_ns;
    uint32_t fail_worker; // 1 + the worker process that gives up, or 0
    uint64_t fail_step;   // when it has done so many steps
};

struct sim_cluster_result {
    enum fusor_status status; // of the coordinator
    struct fusor_error error;
    int64_t end_ns;  // when the coordinator was done or had failed
    int finished;    // everyone left as told
    uint32_t n_told; // members that left because of a FAIL
    uint64_t stale;  // reads that broke the bound, or torn values
    uint64_t early;  // staleness 0: reads that saw too much
    struct server_counters counters; // summed over shards
    uint64_t rows;                   // alive, over all shards
    uint64_t held_back;              // requests of all workers, by credit
    char what[200]; // what stood still, when a wait did not end
};

/** Run to the end, or until 10 virtual minutes have passed.
 * @param state filled with what the shards hold; may be NULL */
void sim_cluster_run(const struct toy *toy,
                     const struct sim_cluster_config *config,
                     struct sim_cluster_result *result,
                     struct toy_state *state);
/** Tell on stderr what was run and what came of it. */
void sim_cluster_say(const struct sim_cluster_config *c,
                     const struct sim_cluster_result *r, const char *what);

#endif
