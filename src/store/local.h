/* The parameter store of one process: as many shards as worker threads, thread
 * i the only writer of shard i, values read in place without a copy. Same
 * shards, same sums, same bits as parameter servers at staleness 0.
 *
 * A step has two phases with a barrier around them, both inside values(): the
 * owner of each shard applies all pushes of the step before to it, then makes
 * out where the rows of everybody's announced keys lie. So every worker must go
 * through the same number of training steps; one without work announces no keys
 * and pushes no nodes. Peeks need no barrier: they are made after drain(),
 * while nobody trains. One worker: no barrier, no partition of keys.
 *
 * A worker whose call fails breaks the barrier: the calls of all others return
 * the first failure. A worker that fails elsewhere calls local_store_break().
 *
 * Threads: worker i from its own thread; functions without a worker number
 * while no worker is inside a call. */
#ifndef STORE_LOCAL_H
#define STORE_LOCAL_H

#include <stdint.h>

#include "base/params.h"
#include "store/shard.h"

#define LOCAL_WORKERS_MAX 256
#define LOCAL_DEPTH_MAX 8 /* steps announced and not yet valued */

struct local_store_config {
    const struct param_spec *params;      // outlives the store
    const struct optim_spec *table_optim; // [n_tables], copied
    const struct optim_spec *block_optim; // [n_blocks], copied
    uint64_t cap_bytes; // over all shards (memory.per_server); 0: no cap
    int huge;           // try for huge pages
    const struct affinity *bind; // shard i near its thread i; NULL: anywhere
    uint64_t job_id;
    enum store_when_full when_full; // what makes room under the cap
    uint64_t idle; // units after which a row nobody asked for goes; 0: no
};

/** @return FUSOR_ENOMEM, FUSOR_EINVAL, FUSOR_ESHAPE, FUSOR_EUSAGE */
enum fusor_status local_store_create(const struct local_store_config *config,
                                     unsigned n_workers,
                                     struct param_store **out,
                                     struct fusor_error *err);

/** An epoch begins, or the plateau rule strikes: shard_begin_span() on every
 * shard. Called before the first step and then after drain(). */
enum fusor_status local_store_begin_span(struct param_store *store,
                                         const struct optim_span *span,
                                         uint64_t units_per_epoch,
                                         struct fusor_error *err);

/** The same in the usual words: from this clock on it is this epoch. Units that
 * are announced and pushed after it count from 0, as leases count them, and
 * stand `clock` higher on the optimizer's clock. */
enum fusor_status local_store_set_epoch(struct param_store *store,
                                        uint64_t clock, uint64_t epoch,
                                        uint64_t units_per_epoch,
                                        double plateau_factor,
                                        struct fusor_error *err);

/** shard_set_frozen() on every shard. After drain(). */
void local_store_set_frozen(struct param_store *store,
                            const unsigned char *frozen);

/** shard_set_frozen_tables() on every shard. After drain(). */
void local_store_set_frozen_tables(struct param_store *store,
                                   const unsigned char *frozen);

/** Let everyone inside the store, now or later, return an error. Any thread. */
void local_store_break(struct param_store *store, const char *why);

unsigned local_store_n_shards(const struct param_store *store);
/** One shard, to write or load a checkpoint. */
struct shard *local_store_shard(struct param_store *store, unsigned i);
/** Sums over the shards. */
struct shard_counters local_store_counters(const struct param_store *store);

#endif
