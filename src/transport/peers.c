/* A sorted table of peers and what both networks decide by it. */
#include "transport/peers.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static int peer_order(struct peer a, struct peer b)
{
    if (a.kind != b.kind)
        return a.kind < b.kind ? -1 : 1;
    if (a.number != b.number)
        return a.number < b.number ? -1 : 1;
    return 0;
}

/* Where p stands or would stand. */
static size_t peer_place(const struct peer_table *t, struct peer p)
{
    size_t lo = 0, hi = t->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (peer_order(t->entries[mid].peer, p) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct peer_entry *peer_table_find(const struct peer_table *t, struct peer p)
{
    size_t i = peer_place(t, p);

    if (i == t->n || peer_order(t->entries[i].peer, p))
        return NULL;
    return &t->entries[i];
}

enum fusor_status peer_table_add(struct peer_table *t, struct peer p,
                                 struct peer_entry **out,
                                 struct fusor_error *err)
{
    size_t i = peer_place(t, p);

    if (i == t->n || peer_order(t->entries[i].peer, p)) {
        if (t->n >= PEERS_MAX)
            return fusor_fail(err, FUSOR_ECLUSTER,
                              "transport: more than %d peers", PEERS_MAX);
        if (mem_reserve((void **)&t->entries, t->n, &t->cap,
                        sizeof(*t->entries)))
            return mem_fail(err, "transport: peers", sizeof(*t->entries));
        memmove(&t->entries[i + 1], &t->entries[i],
                (t->n - i) * sizeof(*t->entries));
        t->entries[i] = (struct peer_entry){.peer = p};
        t->n++;
    }
    *out = &t->entries[i];
    return FUSOR_OK;
}

void peer_table_clear(struct peer_table *t)
{
    mem_free(t->entries);
    memset(t, 0, sizeof(*t));
}

enum fusor_status peer_table_hear(struct peer_table *t, struct peer from)
{
    struct peer_entry *e;

    if (peer_table_add(t, from, &e, NULL) != FUSOR_OK)
        return FUSOR_ECLOSED;
    if (from.incarnation < e->peer.incarnation)
        return FUSOR_ECLOSED;
    if (from.incarnation > e->peer.incarnation) {
        e->peer.incarnation = from.incarnation;
        e->cut = 0;
    }
    return e->cut ? FUSOR_ECLOSED : FUSOR_OK;
}

enum fusor_status peer_table_route(const struct peer_table *t, struct peer to,
                                   struct peer_entry **out,
                                   struct fusor_error *err)
{
    struct peer_entry *e = peer_table_find(t, to);
    char who[32];

    if (!e)
        return fusor_fail(err, FUSOR_ECLOSED,
                          "transport: %s is unknown: neither connected to nor "
                          "heard of",
                          peer_text(to, who));
    if (e->cut)
        return fusor_fail(err, FUSOR_ECLOSED, "transport: %s was cut off",
                          peer_text(to, who));
    if (to.incarnation && to.incarnation != e->peer.incarnation)
        return fusor_fail(err, FUSOR_ECLOSED,
                          "transport: %s has gone: incarnation %u asked for, "
                          "%u known",
                          peer_text(to, who), to.incarnation,
                          e->peer.incarnation);
    *out = e;
    return FUSOR_OK;
}

void peer_table_cut(struct peer_table *t, struct peer who)
{
    struct peer_entry *e = peer_table_find(t, who);

    if (e && (!who.incarnation || who.incarnation == e->peer.incarnation))
        e->cut = 1;
}

const char *peer_text(struct peer p, char out[32])
{
    static const char *const names[] = {[PEER_COORDINATOR] = "coordinator",
                                        [PEER_SHARD] = "shard",
                                        [PEER_WORKER] = "worker"};
    unsigned k = (unsigned)p.kind;

    snprintf(out, 32, "%s %u",
             k >= PEER_COORDINATOR && k <= PEER_WORKER ? names[k] : "peer",
             p.number);
    return out;
}

enum fusor_status message_check(size_t header_size,
                                const struct payload *payload,
                                struct fusor_error *err)
{
    size_t size = payload ? payload->size : 0;

    if (!header_size || header_size > WIRE_HEADER_MAX)
        return fusor_fail(err, FUSOR_EINVAL,
                          "transport: a header of %zu bytes, not 1 to %d",
                          header_size, WIRE_HEADER_MAX);
    if (size > TRANSPORT_PAYLOAD_MAX)
        return fusor_fail(err, FUSOR_EINVAL,
                          "transport: a payload of %zu bytes, at most %zu: "
                          "send it in chunks",
                          size, TRANSPORT_PAYLOAD_MAX);
    return FUSOR_OK;
}
