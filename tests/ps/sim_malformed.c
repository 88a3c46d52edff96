/* Makes messages that are no sense; see the header. */
#include "sim_malformed.h"

#include <string.h>

#include "base/mem.h"
#include "store/bucket.h"

enum damage {
    CUT_SHORT,
    TOO_LONG,
    WRONG_COUNT,
    FOREIGN_LEASE,
    FOREIGN_UNIT,
    FOREIGN_KEY,
    FOREIGN_NODE,
    N_DAMAGES
};

static void put(struct message *m, size_t at, uint64_t v)
{
    memcpy((unsigned char *)(uintptr_t)m->data + at, &v, sizeof(v));
}

static uint64_t get(const struct message *m, size_t at)
{
    uint64_t v = 0;

    if (at + 8 <= m->size)
        memcpy(&v, (const unsigned char *)m->data + at, sizeof(v));
    return v;
}

/* Where the count of the first keys stands: behind what a push has in front. */
static size_t first_keys(const struct message *m)
{
    size_t at;

    if (m->header.kind == WIRE_KEYS)
        return 0;
    at = 24; // nodes; lo, span of the first one
    return at + 8 + (4 * (size_t)get(m, at) + 7) / 8 * 8;
}

/* A push names rows by their place in its pull. */
static int put_foreign_place(struct message *m)
{
    size_t at = first_keys(m);

    if (at + 16 > m->size || get(m, at) == 0)
        return 0;
    put(m, at + 8, UINT64_MAX);
    return 1;
}

static int put_foreign_key(struct message *m, uint32_t shard, uint32_t n_shards)
{
    uint16_t map[BUCKET_COUNT];
    size_t at = first_keys(m);
    uint64_t key = 1000000;

    if (n_shards == 1 || at + 16 > m->size || get(m, at) == 0)
        return 0;
    bucket_map_default(n_shards, map);
    while (map[bucket_of_key(0, key)] == shard)
        key++;
    put(m, at + 8, key);
    return 1;
}

static int do_damage(struct rng *rng, const struct sim_cluster_config *config,
                     const struct toy *toy, uint32_t shard, struct message *m)
{
    int push = m->header.kind == WIRE_PUSH;

    switch ((enum damage)rng_below(rng, N_DAMAGES)) {
    case CUT_SHORT:
        m->size = (size_t)rng_below(rng, m->size);
        return 1;
    case TOO_LONG:
        m->size += 8;
        return 1;
    case WRONG_COUNT:
        put(m, first_keys(m), rng_u64(rng) | 1u << 20);
        return 1;
    case FOREIGN_LEASE:
        m->header.lease = config->n_workers + (uint32_t)rng_below(rng, 1000);
        return 1;
    case FOREIGN_UNIT:
        m->header.clock = toy->n_units + rng_below(rng, 5);
        return 1;
    case FOREIGN_KEY:
        return push ? put_foreign_place(m)
                    : put_foreign_key(m, shard, config->n_shards);
    case FOREIGN_NODE:
        if (!push || m->size < 24 || get(m, 0) == 0)
            return 0;
        put(m, 8, get(m, 8) + 8); // micro-batches that no lease has
        return 1;
    default:
        return 0;
    }
}

int sim_malformed_make(struct rng *rng, const struct sim_cluster_config *config,
                       const struct toy *toy, uint32_t shard,
                       const struct message *msg, struct message *out)
{
    if (msg->size < 8)
        return 0;
    *out = *msg;
    out->buffer = NULL;
    out->data = mem_alloc(msg->size + 16, 1);
    memcpy((void *)(uintptr_t)out->data, msg->data, msg->size);
    if (do_damage(rng, config, toy, shard, out))
        return 1;
    sim_malformed_free(out);
    return 0;
}

void sim_malformed_free(struct message *msg)
{
    mem_free((void *)(uintptr_t)msg->data);
}
