/* One server and the ends of its workers on a simulated network, for tests that
 * make the workers' messages by hand. There is one at a time. */
#ifndef TESTS_PS_ONE_SHARD_H
#define TESTS_PS_ONE_SHARD_H

#include "ps/server.h"
#include "transport/sim.h"

#define ONE_SHARD_WORKERS 2 /* at most */

extern struct sim *sim;
extern struct messenger *messengers[1 + ONE_SHARD_WORKERS]; // the shard's first
extern struct shard *shard;                                 // the test makes it
extern struct server *server;                               // and this

/** Open the network.
 * @param max_bytes of a message */
void one_shard_open(uint64_t seed, uint32_t n_workers, size_t max_bytes);
/** End the server, its shard and the network; nothing may be left. */
void one_shard_close(void);
/** Let a worker's message through the network into the server, and what that
 * answers to the workers. */
void one_shard_tell(uint32_t worker, const struct wire_header *h,
                    const void *data, size_t size);
/** What a worker hears next, valid until the next time.
 * @return FUSOR_EAGAIN: nothing */
enum fusor_status one_shard_hear(uint32_t worker, struct message *out);

#endif
