/* A server on a simulated network, and messages through it. */
#include "one_shard.h"

#include <stdio.h>

#include "base/mem.h"
#include "harness.h"

#define MS ((int64_t)1000000)

struct shard *shard;
struct server *server;

void one_shard_close(void)
{
    server_destroy(server);
    shard_destroy(shard);
    ends_close();
    CHECK(mem_used() == 0);
}

void one_shard_tell(uint32_t worker, const struct wire_header *h,
                    const void *data, size_t size)
{
    struct fusor_error err;
    struct message msg;

    REQUIRE(!messenger_send_bytes(workers[worker],
                                  (struct peer){.kind = PEER_SHARD}, h, data,
                                  size, NULL));
    sim_advance(sim, sim_now_ns(sim) + MS);
    while (messenger_receive(shards[0], &msg, 0, NULL) == FUSOR_OK)
        if (server_on_message(server, &msg, &err) != FUSOR_OK) {
            fprintf(stderr, "\n%s\n", err.text);
            CU_FAIL("the shard failed");
        }
    sim_advance(sim, sim_now_ns(sim) + MS);
}

enum fusor_status one_shard_hear(uint32_t worker, struct message *out)
{
    return messenger_receive(workers[worker], out, 0, NULL);
}
