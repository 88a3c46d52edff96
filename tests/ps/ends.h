/* The ends of shards and workers on a simulated network, each worker connected
 * to each shard, for tests that make the messages of one side by hand. */
#ifndef TESTS_PS_ENDS_H
#define TESTS_PS_ENDS_H

#include "transport/messenger.h"
#include "transport/sim.h"

#define ENDS_MOST 2 /* of a kind */

extern struct sim *sim;
extern struct messenger *shards[ENDS_MOST], *workers[ENDS_MOST];

/** Open them, all of incarnation 1.
 * @param max_bytes of a message */
void ends_open(uint64_t seed, uint32_t n_shards, uint32_t n_workers,
               size_t max_bytes);
void ends_close(void);

#endif
