/* The transport contract on the simulated network. */
#include "transport/sim_network.h"

#include <string.h>

#include "base/mem.h"

static struct sim_endpoint *endpoint_of(struct transport *t)
{
    return (struct sim_endpoint *)t; // base is the first member
}

static enum fusor_status dead(const struct sim_endpoint *e,
                              struct fusor_error *err)
{
    char who[32];

    return fusor_fail(err, FUSOR_ECLOSED, "sim: %s has crashed",
                      peer_text(e->self, who));
}

static struct sim_link *entry_link(struct peer_entry *entry)
{
    if (!entry->link)
        entry->link = mem_alloc(1, sizeof(struct sim_link));
    return entry->link;
}

static enum fusor_status endpoint_connect(struct transport *t, struct peer to,
                                          const char *endpoint,
                                          struct fusor_error *err)
{
    struct sim_endpoint *e = endpoint_of(t);
    struct peer_entry *entry;

    (void)endpoint; // peers are found by their names
    if (!e->alive)
        return dead(e, err);
    FUSOR_TRY(peer_table_add(&e->peers, to, &entry, err));
    entry->peer = to;
    entry->connected = 1;
    entry->cut = 0;
    return FUSOR_OK;
}

static enum fusor_status endpoint_send(struct transport *t, struct peer to,
                                       const void *header, size_t header_size,
                                       const struct payload *payload,
                                       struct fusor_error *err)
{
    struct sim_endpoint *e = endpoint_of(t), *there;
    struct peer_entry *entry;
    struct sim_message *m;
    struct sim_link *link;
    enum fusor_status rc;
    char who[32];

    if (!e->alive)
        return dead(e, err);
    FUSOR_TRY(message_check(header_size, payload, err));
    FUSOR_TRY(peer_table_route(&e->peers, to, &entry, err));
    there = sim_find(e->sim, to);
    if (!entry->connected &&
        (!there || there->self.incarnation != entry->peer.incarnation))
        return fusor_fail(err, FUSOR_ECLOSED, "sim: %s has gone",
                          peer_text(to, who));
    link = entry_link(entry);
    if (link && link->unreceived >= e->sim->capacity)
        return fusor_fail(err, FUSOR_EAGAIN, "sim: the pipe to %s is full",
                          peer_text(to, who));
    m = link ? mem_alloc(1, sizeof(*m)) : NULL;
    if (!m)
        return mem_fail(err, "sim: message", sizeof(*m));
    m->from = e;
    m->sender = e->self;
    m->to = there;
    m->link = link;
    memcpy(m->header, header, header_size);
    m->header_size = header_size;
    if (payload)
        m->payload = *payload;
    rc = sim_post(e->sim, m, err);
    if (rc != FUSOR_OK)
        mem_free(m);
    return rc;
}

/* Is m to be heard? Names its sender as the contract says. */
static int message_heard(struct sim_endpoint *e, const struct sim_message *m,
                         struct delivery *d)
{
    struct peer_entry *entry = peer_table_find(&e->peers, m->sender);

    if (entry && entry->connected) {
        d->from = entry->peer;
        return !entry->cut;
    }
    d->from = m->sender;
    return peer_table_hear(&e->peers, m->sender) == FUSOR_OK;
}

static struct sim_message *inbox_take(struct sim_endpoint *e)
{
    struct sim_message *m = e->first;

    if (!m)
        return NULL;
    e->first = m->next;
    if (!e->first)
        e->last = NULL;
    if (m->link)
        m->link->unreceived--;
    m->link = NULL;
    return m;
}

static void held_free(struct sim_endpoint *e)
{
    if (e->held)
        sim_message_free(e->held);
    e->held = NULL;
}

static enum fusor_status endpoint_receive(struct transport *t,
                                          struct delivery *d, int timeout_ms,
                                          struct fusor_error *err)
{
    struct sim_endpoint *e = endpoint_of(t);
    struct sim *sim = e->sim;
    int64_t end = timeout_ms < 0 ? SIM_NEVER
                                 : sim->now_ns + (int64_t)timeout_ms * 1000000;

    held_free(e);
    for (;;) {
        struct sim_message *m;

        if (!e->alive)
            return dead(e, err);
        if (atomic_exchange(&e->woken, 0))
            return FUSOR_EAGAIN;
        while ((m = inbox_take(e))) {
            if (message_heard(e, m, d)) {
                e->held = m;
                d->header = m->header;
                d->header_size = m->header_size;
                d->payload = m->payload.data;
                d->payload_size = m->payload.size;
                return FUSOR_OK;
            }
            sim_message_free(m);
        }
        if (!timeout_ms)
            return FUSOR_EAGAIN;
        if (!sim->n_heap || sim->heap[0]->due_ns > end) {
            if (end != SIM_NEVER)
                sim_advance(sim, end);
            return FUSOR_EAGAIN;
        }
        sim_deliver(sim);
    }
}

static void endpoint_cut(struct transport *t, struct peer who)
{
    peer_table_cut(&endpoint_of(t)->peers, who);
}

static void endpoint_wake(struct transport *t)
{
    atomic_store(&endpoint_of(t)->woken, 1);
}

static void endpoint_destroy(struct transport *t)
{
    struct sim_endpoint *e = endpoint_of(t);
    struct sim *sim = e->sim;
    size_t i = 0;

    sim_kill(e);
    held_free(e);
    while (sim->endpoints[i] != e)
        i++;
    sim->n_endpoints--;
    memmove(&sim->endpoints[i], &sim->endpoints[i + 1],
            (sim->n_endpoints - i) * sizeof(struct sim_endpoint *));
    for (i = 0; i < e->peers.n; i++)
        mem_free(e->peers.entries[i].link);
    peer_table_clear(&e->peers);
    mem_free(e);
}

static const struct clock_source *endpoint_clock(struct transport *t)
{
    return sim_clock(endpoint_of(t)->sim);
}

static const struct transport_ops endpoint_ops = {
    .connect = endpoint_connect,
    .send = endpoint_send,
    .receive = endpoint_receive,
    .cut = endpoint_cut,
    .wake = endpoint_wake,
    .destroy = endpoint_destroy,
    .clock = endpoint_clock,
};

/* Note that self lives now; its incarnation must be new. */
static enum fusor_status birth_note(struct sim *sim, struct peer self,
                                    struct fusor_error *err)
{
    struct peer_entry *born = peer_table_find(&sim->born, self);
    char who[32];

    if (born && self.incarnation <= born->peer.incarnation)
        return fusor_fail(
            err, FUSOR_EINVAL, "sim: %s: incarnation %u, but %u lived already",
            peer_text(self, who), self.incarnation, born->peer.incarnation);
    FUSOR_TRY(peer_table_add(&sim->born, self, &born, err));
    born->peer = self;
    return FUSOR_OK;
}

enum fusor_status sim_endpoint(struct sim *sim, struct peer self,
                               struct transport **out, struct fusor_error *err)
{
    struct sim_endpoint *e;

    FUSOR_TRY(birth_note(sim, self, err));
    if (mem_reserve((void **)&sim->endpoints, sim->n_endpoints,
                    &sim->cap_endpoints, sizeof(struct sim_endpoint *)))
        return mem_fail(err, "sim: endpoints", sizeof(struct sim_endpoint *));
    e = mem_alloc(1, sizeof(*e));
    if (!e)
        return mem_fail(err, "sim: endpoint", sizeof(*e));
    sim_crash(sim, self);
    e->base.ops = &endpoint_ops;
    e->sim = sim;
    e->self = self;
    e->alive = 1;
    e->timer_ns = SIM_NEVER;
    sim->endpoints[sim->n_endpoints++] = e;
    *out = &e->base;
    return FUSOR_OK;
}

void sim_set_timer(struct transport *t, int64_t at_ns)
{
    struct sim_endpoint *e = endpoint_of(t);

    if (e->alive)
        e->timer_ns = at_ns;
}
