/* What a worker process has outstanding at each shard, against the credit that
 * the shard gives it (ps/credit.h), and what its own pool holds of answers:
 * half is left to pushes.
 *
 * Threads: who leads hears, charges and counts what is held back; any thread
 * may give back. */
#ifndef PS_ACCOUNT_H
#define PS_ACCOUNT_H

#include <stdatomic.h>

#include "ps/credit.h"
#include "transport/messenger.h"

struct account_line {      // one shard's
    _Atomic uint64_t used; // bytes outstanding
    uint64_t credit;       // of its newest answer; 0: not said
    int heard;             // it has answered, ever
    int lends;             // its answers take no room here
};

struct account {
    struct messenger *messenger; // woken when room comes that is waited for
    uint32_t n_shards;
    struct account_line *lines; // [n_shards]
    /* Answers to pulls in this process: bytes expected and not used up, of the
     * steps in hand and of those ahead; each may be so many. */
    _Atomic uint64_t replies[2];
    uint64_t replies_most;
    atomic_uint *pulls; // [n_workers][n_shards] legs not used up
    atomic_uint n_held; // legs held back now
};

/** @param n_workers compute threads of this process */
enum fusor_status account_init(struct account *a, struct messenger *m,
                               uint32_t n_shards, unsigned n_workers,
                               struct fusor_error *err);
void account_clear(struct account *a);

/** A shard has answered. */
void account_hear(struct account *a, uint32_t shard, uint64_t credit);
/** A request leaves. */
void account_charge(struct account *a, uint32_t shard, uint64_t cost);
/** It takes nothing there any more: acknowledged, or its values are used. */
void account_give_back(struct account *a, uint32_t shard, uint64_t cost);
/** Answers of so many bytes will take room in this process.
 * @param ahead of the step in hand */
void account_expect(struct account *a, int ahead, uint64_t bytes);
/** They are used up. */
void account_use_up(struct account *a, int ahead, uint64_t bytes);
/** A pull leaves, and is over once its push has left. */
void account_begin_pull(struct account *a, uint32_t shard, unsigned worker);
void account_end_pull(struct account *a, uint32_t shard, unsigned worker);
/** Something was given back: wake who holds requests back, if anybody does.
 * Threads: any but the one that leads. */
void account_call(struct account *a);
/** Does a worker use values of this shard, or wait for some? */
int account_has_pull(const struct account *a, uint32_t shard, unsigned worker);

#endif
