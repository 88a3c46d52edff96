/* Does the answer to a pull ever fit in the process that asks? Looked at when
 * it is asked for again, and something has found no room meanwhile. */
#include "ps/exchange_private.h"
#include "ps/payloads.h"
#include "ps/room.h"

uint64_t exchange_refusals(const struct exchange_core *c)
{
    return messenger_refused(c->messenger) + c->no_room;
}

/* The process keeps its pushes of a unit until all leases have pushed theirs,
 * this one too: a unit is of several leases at staleness 0 only. */
static uint64_t kept_for(const struct exchange_core *c,
                         const struct exchange *x)
{
    uint64_t sum = 0;

    for (const struct exchange *y = c->active; y; y = y->next)
        for (uint32_t i = 0; i < c->n_shards; i++)
            if (y->header.kind == WIRE_PUSH &&
                y->header.clock == x->header.clock)
                sum += y->legs[i].out->capacity;
    return sum;
}

uint64_t exchange_reply_bytes(const struct exchange *x, uint32_t n_shards)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n_shards; i++)
        sum += x->legs[i].causes;
    return sum;
}

int exchange_fits(const struct exchange_core *c, const struct exchange *x)
{
    struct room_facts f = {
        .memory = payload_pool_bound(messenger_pool(c->messenger))};

    if (x->header.kind != WIRE_KEYS || exchange_refusals(c) == x->refusals)
        return 1;
    f.kept = ROOM_SMALL;
    if (!(x->header.flags & PS_PEEK))
        f.kept += kept_for(c, x);
    f.need = exchange_reply_bytes(x, c->n_shards);
    return room_fits(&f);
}
