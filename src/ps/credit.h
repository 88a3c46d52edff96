/* Credits: how much a worker process may have outstanding at a shard, so that
 * chunks, pushes and answers find room there and nothing is dropped to come
 * again later.
 *
 * A shard divides its pool by the worker processes it knows, and says in the
 * header of every answer what that comes to just now. Outstanding are the bytes
 * that the pool needs for a request and for what it causes: of a push until it
 * is acknowledged; of a pull until its values have been used, as an answer that
 * was lent lies in the shard's memory so long. A process holds back what would
 * pass its credit, keys ahead before pushes.
 *
 * The oldest outstanding request of every lease goes whatever the credit says,
 * which is why nobody waits for ever. Requests of a lease are in the order of
 * their units, a unit's pull before its push, and a pull is over when its push
 * has left, if its memory came back before. Take the lease whose oldest request
 * is of the lowest unit u: all pushes of lower units are taken, or one of them
 * were somebody's oldest. So the clock allows u's values, the lease computes on
 * them, which gives their memory back, and its push is the oldest then. Where a
 * shard waits for the parts of all leases (staleness 0), each of them has its
 * push of u taken already or gets there in the same way. So all units below u +
 * 1 are taken some time.
 *
 * Where the answers of a process do not fit there together, its leases take
 * turns: the others' are used up before, or their pushes wait for nothing but
 * this lease's. One alone always goes.
 *
 * A process that has not heard of a shard yet has one request a lease there. An
 * answer without a credit puts no bound on it.
 *
 * Pure functions. Threads: any. */
#ifndef PS_CREDIT_H
#define PS_CREDIT_H

#include <stdint.h>

#include "wire/header.h"

/** What each of n processes may have outstanding at a shard: of its pool, a
 * quarter is left to what is not counted: answers to the coordinator, and to
 * who asks for missing chunks.
 * @return at least 1 */
uint64_t credit_share(uint64_t pool_bytes, uint32_t n);

/* A request that is to go to a shard. */
struct credit_facts {
    int heard;       // an answer of the shard has come, ever
    uint64_t credit; // of the newest one; 0: not said
    uint64_t used;   // outstanding there, of all leases of the process
    uint64_t cost;   // what it adds
    int oldest;      // of its lease
    int behind;      // an older one of its lease is held back
    int crowds;      // no room in its own process, where others' answers are
};

enum credit_verdict { CREDIT_GO, CREDIT_HOLD };

enum credit_verdict credit_judge(const struct credit_facts *f);

/** Is request a of a lease before its request b, a push or KEYS each? */
int credit_is_older(const struct wire_header *a, const struct wire_header *b);

#endif
