/* Who does what in a job: a pure function of the hosts, the processors each
 * rank may use and the job's options, so that every rank works out the same
 * plan. */
#ifndef JOB_PLACEMENT_H
#define JOB_PLACEMENT_H

#include <stdint.h>

#include "job/options.h"
#include "store/bucket.h"

#define PLACEMENT_MAX_SHARDS 4096

/* What is known of a rank before. */
struct placement_seat {
    uint32_t host; // hosts are numbered 0.. in the order of their first rank
    struct machine_cpus cpus; // processors it may run on
};

/* What a rank runs. Numbers count over the whole job. */
struct placement_rank {
    int is_server, is_worker;
    uint32_t server, n_shards, first_shard;   // server process
    uint32_t worker, n_threads, first_thread; // worker process
};

struct placement {
    uint32_t n_ranks, n_hosts;
    int colocated;
    uint32_t n_servers, n_shards;  // processes, shards
    uint32_t n_workers, n_threads; // processes, compute threads
    struct placement_rank *ranks;  // [n_ranks]
};

/** Make the plan.
 * @param seats [n_ranks], n_ranks > 0
 * @return FUSOR_EUSAGE: no rank is left to work or to serve, options that
 * exclude each other, more workers than micro-batches at staleness 0 */
enum fusor_status placement_make(const struct placement_seat *seats,
                                 uint32_t n_ranks,
                                 const struct job_options *options,
                                 struct placement *out,
                                 struct fusor_error *err);
void placement_clear(struct placement *p);

/** Give buckets to shards by the load that was measured, longest first to the
 * shard that has least (Graham 1969: at most 4/3 of the best there is). The
 * same load gives the same map everywhere.
 * @param load [BUCKET_COUNT]
 * @param n_shards 1..SHARD_MAX
 * @return how much the shard with most has, over the mean */
double placement_buckets(const struct bucket_load *load, uint32_t n_shards,
                         uint16_t map[BUCKET_COUNT]);

/** How many processors a rank has for itself: one it shares with k - 1 other
 * ranks of its host counts 1 / k; rounded down. */
uint32_t placement_share(const struct placement_seat *seats, uint32_t n_ranks,
                         uint32_t rank);

#endif
