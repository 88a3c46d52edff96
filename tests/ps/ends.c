/* Messengers on a simulated network. */
#include "ends.h"

#include "harness.h"

struct sim *sim;
struct messenger *shards[ENDS_MOST], *workers[ENDS_MOST];

static struct messenger *open_end(enum peer_kind kind, uint32_t number,
                                  size_t max_bytes, struct transport **t)
{
    struct messenger *m;

    REQUIRE(!sim_endpoint(sim, (struct peer){kind, number, 1}, t, NULL));
    REQUIRE(!messenger_create(*t, max_bytes, &m, NULL));
    return m;
}

void ends_open(uint64_t seed, uint32_t n_shards, uint32_t n_workers,
               size_t max_bytes)
{
    struct transport *t;

    REQUIRE(!sim_create(seed, &sim, NULL));
    for (uint32_t s = 0; s < n_shards; s++)
        shards[s] = open_end(PEER_SHARD, s, max_bytes, &t);
    for (uint32_t w = 0; w < n_workers; w++) {
        workers[w] = open_end(PEER_WORKER, w, max_bytes, &t);
        for (uint32_t s = 0; s < n_shards; s++)
            REQUIRE(!transport_connect(t, (struct peer){PEER_SHARD, s, 0}, "",
                                       NULL));
    }
}

void ends_close(void)
{
    for (int i = 0; i < ENDS_MOST; i++) {
        messenger_destroy(shards[i]);
        messenger_destroy(workers[i]);
        shards[i] = workers[i] = NULL;
    }
    sim_destroy(sim);
}
