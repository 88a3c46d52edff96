/* The worker processes that a shard shares its pool among: those it was told of
 * or those it has heard, whichever are more. One that says nothing for a whole
 * epoch has gone.
 *
 * Threads: one, the shard's. */
#ifndef PS_CREDIT_PEERS_H
#define PS_CREDIT_PEERS_H

#include <stdint.h>

#define CREDIT_PEERS_MAX 65536 /* numbers of processes */

struct credit_peers {
    uint32_t told;   // the job's; 0: not known
    uint32_t *epoch; // [cap] by number: when it was heard last
    uint32_t cap;
    uint32_t now;           // counts epochs, from 1
    uint32_t heard, before; // processes, in this epoch and in the last one
};

void credit_peers_init(struct credit_peers *p, uint32_t told);
void credit_peers_clear(struct credit_peers *p);
/** A process has spoken. One that there is no memory for is not counted. */
void credit_peers_note(struct credit_peers *p, uint32_t number);
/** An epoch begins. */
void credit_peers_turn(struct credit_peers *p);
/** @return at least 1 */
uint32_t credit_peers_count(const struct credit_peers *p);

#endif
