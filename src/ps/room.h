/* Can the messages of a job fit into what it lets them take
 * (cluster.message_memory), ever? Where they cannot, sending them again would
 * go on until somebody loses patience; who finds out ends the job instead.
 *
 * What must be in one place at the same time:
 *   a message: its sender's buffer, and what its receiver puts it together in;
 *   at staleness 0, in a shard: the pushes of one unit of all leases, or those
 *     of all but one, and the values that the one needs for its own;
 *   in a worker process: what its threads have for the step they are at, each
 *     its values or its push, all shards' parts of it.
 * Everything else comes and goes.
 *
 * Pure functions. Threads: any. */
#ifndef PS_ROOM_H
#define PS_ROOM_H

#include <stdint.h>

#include "fusor/status.h"

/** What a message of this size takes of a pool when it comes in chunks, at
 * most. */
uint64_t room_of_chunks(uint64_t size);
/** What the pushes of one unit take of a shard's pool at staleness 0, at least:
 * their dense floats, once for each node of the tree of micro-batches that a
 * lease has; rows come on top. Of one lease 0: its push is applied as it lies.
 * @param dense_bytes of the shard */
uint64_t room_of_dense(uint32_t n_workers, uint32_t micro_batches,
                       uint64_t dense_bytes);

struct room_facts {
    uint64_t memory; // of the pool
    uint64_t kept;   // which stays in it until there is room for
    uint64_t need;   // this as well
};

/* Of a pool: answers, results of commands and other messages of a few bytes,
 * one of which is always there. */
#define ROOM_SMALL ((uint64_t)1 << 16)

/** @return 0: it never fits */
int room_fits(const struct room_facts *f);
/** What does not fit, where, and what to do; @return FUSOR_ENOMEM */

/** The pushes of a unit in a shard. */
enum fusor_status room_fail_unit(const struct room_facts *f,
                                 struct fusor_error *err);
/** One message: f->memory is the most there may be of it.
 * @param what such as "gradients"
 * @param memory of the whole pool */
enum fusor_status room_fail_message(const struct room_facts *f,
                                    const char *what, uint32_t shard,
                                    uint64_t memory, struct fusor_error *err);
/** A step of a compute thread in its process. */
enum fusor_status room_fail_step(const struct room_facts *f, const char *what,
                                 struct fusor_error *err);

#endif
