/* The sending half of the transport contract in shared memory: copied into the
 * ring, or lent. */
#include "transport/shm_endpoint.h"

enum fusor_status shm_malformed(struct shm_endpoint *e, struct shm_conn *c,
                                enum fusor_status status,
                                struct fusor_error *err)
{
    char who[32];

    e->stats.malformed++;
    peer_table_cut(&e->peers, c->peer);
    shm_conn_shut(c);
    return fusor_fail(err, status,
                      "shm: %s wrote what is no message into the memory shared "
                      "with it: it is not heard any more",
                      peer_text(c->peer, who));
}

static enum fusor_status may_send(struct shm_endpoint *e, struct peer to,
                                  struct shm_conn *c, struct fusor_error *err)
{
    char who[32];

    if (!c || c->shut || (c->state == SHM_GONE && !c->ours))
        return fusor_fail(err, FUSOR_ECLOSED, "shm: %s has gone",
                          peer_text(to, who));
    if (c->state == SHM_GONE)
        return fusor_fail(err, FUSOR_EAGAIN, "shm: %s is away",
                          peer_text(to, who));
    if (c->state == SHM_APART)
        shm_conn_dial(e, c, clock_now_ms(&clock_real));
    return FUSOR_OK;
}

/* After a put: what it came to. */
static enum fusor_status conn_sent(struct shm_endpoint *e, struct shm_conn *c,
                                   enum fusor_status rc,
                                   struct fusor_error *err)
{
    if (rc == FUSOR_EAGAIN) {
        c->starved = 1;
        return fusor_fail(err, rc, "shm: the ring is full");
    }
    if (rc != FUSOR_OK)
        return shm_malformed(e, c, FUSOR_ECLOSED, err);
    if (shm_sender_must_wake(&c->out) || c->bell < 0)
        shm_conn_ring(c);
    e->stats.sent++;
    return FUSOR_OK;
}

enum fusor_status shm_endpoint_send(struct transport *t, struct peer to,
                                    const void *header, size_t header_size,
                                    const struct payload *payload,
                                    struct fusor_error *err)
{
    struct shm_endpoint *e = shm_endpoint_of(t);
    struct peer_entry *entry;
    struct shm_conn *c;
    enum fusor_status rc;

    FUSOR_TRY(message_check(header_size, payload, err));
    FUSOR_TRY(peer_table_route(&e->peers, to, &entry, err));
    c = entry->link;
    FUSOR_TRY(may_send(e, to, c, err));
    rc = shm_sender_put(&c->out, header, header_size, payload);
    FUSOR_TRY(conn_sent(e, c, rc, err));
    if (payload && payload->release)
        payload->release((void *)(uintptr_t)payload->data, payload->hint);
    return FUSOR_OK;
}

void shm_endpoint_share(struct transport *t, const struct shared_memory *memory)
{
    shm_endpoint_of(t)->shared = *memory;
}

int shm_endpoint_may_lend(struct transport *t, struct peer to,
                          const struct payload *payload)
{
    struct shm_endpoint *e = shm_endpoint_of(t);
    struct peer_entry *entry;
    struct shm_conn *c;

    if (!e->shared.size ||
        peer_table_route(&e->peers, to, &entry, NULL) != FUSOR_OK)
        return 0;
    c = entry->link;
    if (!c || c->shut)
        return 0;
    if (c->lent.n)
        shm_lent_look(c);
    return shm_may_lend(e, c, payload);
}

enum fusor_status shm_endpoint_lend(struct transport *t, struct peer to,
                                    const void *header, size_t header_size,
                                    const struct payload *payload,
                                    struct fusor_error *err)
{
    struct shm_endpoint *e = shm_endpoint_of(t);
    struct peer_entry *entry;
    struct shm_conn *c;

    FUSOR_TRY(message_check(header_size, NULL, err));
    FUSOR_TRY(peer_table_route(&e->peers, to, &entry, err));
    c = entry->link;
    FUSOR_TRY(may_send(e, to, c, err));
    if (!shm_may_lend(e, c, payload))
        return fusor_fail(err, FUSOR_EUSAGE, "shm: not to be lent now");
    return conn_sent(e, c, shm_lend(e, c, header, header_size, payload), err);
}
