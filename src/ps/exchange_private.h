/* What the requests under way are made of: for exchange*.c only. */
#ifndef PS_EXCHANGE_PRIVATE_H
#define PS_EXCHANGE_PRIVATE_H

#include "ps/account.h"
#include "ps/exchange.h"

struct exchange_core {
    struct messenger *messenger;
    const struct clock_source *clock;
    uint64_t job;
    uint64_t next_request;
    uint32_t n_shards, incarnation;
    struct exchange *active, **active_last;
    struct exchange *done, **done_last;
    struct account account;
    struct exchange_counters counters;
    uint64_t no_room; // answers that could not be kept
};

/* exchange_room.c */

/** What this process had no room for so far. */
uint64_t exchange_refusals(const struct exchange_core *c);
/** @return 0: its answers will never have room */
int exchange_fits(const struct exchange_core *c, const struct exchange *x);

/* exchange_credit.c */

/** May this leg leave now? It may be none of the active ones yet. */
int exchange_may_go(const struct exchange_core *c, const struct exchange *x,
                    uint32_t shard);
/** It leaves: from now on it counts. */
void exchange_charge(struct exchange_core *c, struct exchange *x,
                     uint32_t shard);
/** It counts, but takes nothing any more. Threads: any. */
void exchange_give_bytes_back(struct exchange *x, uint32_t shard);
/** Its answers take no room in this process any more. Threads: any. */
void exchange_forget_replies(struct exchange *x);
/** It does not count any more. Threads: any.
 * @return 0: it did not before */
int exchange_give_back(struct exchange *x, uint32_t shard);
/** Keep a leg back that may not go.
 * @return 0: now it may after all */
int exchange_hold(struct exchange_core *c, struct exchange *x, uint32_t shard);
/** It may go now. */
void exchange_let_go(struct exchange_core *c, struct exchange *x,
                     uint32_t shard);

#endif
