/* Does what a shard waits for ever fit beside what it keeps? At staleness 0 it
 * keeps the pushes of a unit until the last one is there; looked at when
 * something has found no room. The decisions are in room.c. */
#include "ps/room.h"
#include "ps/server_private.h"

static uint64_t bytes_of(const struct body *b)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < b->n; i++)
        sum += b->buffers[i]->capacity;
    return sum;
}

/* What lies here, and what lacks room, of the pushes of the unit under way. */
static uint64_t unit_bytes(const struct server *s, uint32_t but, int lacking)
{
    uint64_t sum = 0;

    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        const struct lane *l = &s->lanes[w];

        if (w != but && l->has_push)
            sum += bytes_of(&l->push.in);
        else if (w != but && lacking)
            sum += l->lacks;
    }
    return sum;
}

static enum fusor_status check(const struct server *s, uint64_t kept,
                               uint64_t need, struct fusor_error *err)
{
    struct room_facts f = {
        .memory = payload_pool_bound(messenger_pool(s->config.messenger)),
        .kept = kept + ROOM_SMALL,
        .need = need,
    };

    return room_fits(&f) ? FUSOR_OK : room_fail_unit(&f, err);
}

enum fusor_status server_check_push(struct server *s, uint32_t lease,
                                    uint64_t need, struct fusor_error *err)
{
    if (s->config.staleness != 0)
        return FUSOR_OK;
    s->lanes[lease].lacks = need;
    return check(s, unit_bytes(s, lease, 1), need, err);
}

enum fusor_status server_check_values(const struct server *s, uint32_t lease,
                                      uint64_t need, struct fusor_error *err)
{
    if (s->config.staleness != 0)
        return FUSOR_OK;
    return check(s, unit_bytes(s, lease, 0), need, err);
}

enum fusor_status server_check_dense(const struct server *s, uint64_t n_units,
                                     struct fusor_error *err)
{
    uint64_t dense = shard_dense_size(s->config.shard) * sizeof(float);

    if (s->config.staleness != 0 || n_units < 2)
        return FUSOR_OK; // the last unit may leave micro-batches empty
    return check(
        s, 0,
        room_of_dense(s->config.n_workers, s->config.micro_batches, dense),
        err);
}
