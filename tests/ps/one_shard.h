/* One server and the ends of its workers on a simulated network, for tests that
 * make the workers' messages by hand. There is one at a time. */
#ifndef TESTS_PS_ONE_SHARD_H
#define TESTS_PS_ONE_SHARD_H

#include "ends.h"
#include "ps/server.h"

extern struct shard *shard;   // the test makes it, in an open network,
extern struct server *server; // and this, with shards[0]

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
