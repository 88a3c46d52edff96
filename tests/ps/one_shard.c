/* A server on a simulated network, and messages through it. */
#include "one_shard.h"

#include <stdio.h>

#include "base/mem.h"
#include "harness.h"

#define MS ((int64_t)1000000)

struct sim *sim;
struct messenger *messengers[1 + ONE_SHARD_WORKERS];
struct shard *shard;
struct server *server;
static uint32_t n_ends;

void one_shard_open(uint64_t seed, uint32_t n_workers, size_t max_bytes)
{
    REQUIRE(!sim_create(seed, &sim, NULL));
    for (n_ends = 0; n_ends <= n_workers; n_ends++) {
        struct peer self = {.kind = PEER_SHARD, .incarnation = 1};
        struct transport *t;

        if (n_ends)
            self = (struct peer){PEER_WORKER, n_ends - 1, 1};
        REQUIRE(!sim_endpoint(sim, self, &t, NULL));
        REQUIRE(!messenger_create(t, max_bytes, &messengers[n_ends], NULL));
        if (n_ends)
            REQUIRE(!transport_connect(t, (struct peer){.kind = PEER_SHARD}, "",
                                       NULL));
    }
}

void one_shard_close(void)
{
    server_destroy(server);
    shard_destroy(shard);
    while (n_ends)
        messenger_destroy(messengers[--n_ends]);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

void one_shard_tell(uint32_t worker, const struct wire_header *h,
                    const void *data, size_t size)
{
    struct fusor_error err;
    struct message msg;

    REQUIRE(!messenger_send_bytes(messengers[1 + worker],
                                  (struct peer){.kind = PEER_SHARD}, h, data,
                                  size, NULL));
    sim_advance(sim, sim_now_ns(sim) + MS);
    while (messenger_receive(messengers[0], &msg, 0, NULL) == FUSOR_OK)
        if (server_on_message(server, &msg, &err) != FUSOR_OK) {
            fprintf(stderr, "\n%s\n", err.text);
            CU_FAIL("the shard failed");
        }
    sim_advance(sim, sim_now_ns(sim) + MS);
}

enum fusor_status one_shard_hear(uint32_t worker, struct message *out)
{
    return messenger_receive(messengers[1 + worker], out, 0, NULL);
}
