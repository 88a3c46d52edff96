/* Gradients in, one optimizer step for each unit, acknowledgements out. A push
 * is checked, and its rows looked up, before anything remembers it: what is
 * malformed leaves no trace, and the true one can still come. */
#include <string.h>

#include "coord/lease.h"
#include "ps/consistency.h"
#include "ps/server_private.h"

static void count_staleness(struct server *s, const struct lane *l,
                            uint64_t clock)
{
    uint64_t edge, stale;

    if (!lane_find_read(l, clock, &edge))
        return;
    stale = s->n_applied - edge;
    s->counters.staleness_count[stale < 63 ? stale : 63]++;
}

/* What the store is to apply for leases [first, first + n). Nodes come out in
 * ascending order, because leases are numbered in the order of their
 * micro-batches. */
static size_t gather_pushes(struct server *s, uint32_t first, uint32_t n)
{
    uint32_t n_tables = s->config.params->n_tables;
    size_t out = 0;

    for (uint32_t w = first; w < first + n; w++) {
        for (uint32_t i = 0; i < s->views[w].n_nodes; i++) {
            const struct push_node *node = &s->views[w].nodes[i];
            struct shard_rows *rows = s->rows + out * n_tables;

            for (uint32_t t = 0; t < n_tables; t++)
                rows[t] = (struct shard_rows){.n = node->tables[t].n,
                                              .refs = node->tables[t].refs,
                                              .packed = node->tables[t].grads};
            s->pushes[out++] = (struct shard_push){node->lo, node->dense, rows};
        }
    }
    return out;
}

static enum fusor_status apply(struct server *s, uint32_t first, uint32_t n,
                               struct fusor_error *err)
{
    size_t n_pushes = gather_pushes(s, first, n);

    profile_enter(s->config.profile, PROFILE_APPLY);
    FUSOR_TRY(
        shard_apply(s->config.shard, s->pushes, n_pushes, server_now(s), err));
    profile_enter(s->config.profile, PROFILE_OTHER);
    profile_step(s->config.profile);
    s->n_applied++;
    return FUSOR_OK;
}

static void acknowledge(struct server *s, struct peer to,
                        const struct wire_header *h)
{
    struct wire_header ack = server_answer(s, h, WIRE_ACK);
    uint32_t phase = profile_enter(s->config.profile, PROFILE_SEND);

    messenger_send(s->config.messenger, to, &ack, NULL, NULL);
    profile_enter(s->config.profile, phase);
}

/* Staleness 0, and all parts of the unit are here. */
static enum fusor_status apply_unit(struct server *s, struct fusor_error *err)
{
    for (uint32_t w = 0; w < s->config.n_workers; w++)
        count_staleness(s, &s->lanes[w], s->lanes[w].push_header.clock);
    FUSOR_TRY(apply(s, 0, s->config.n_workers, err));
    s->edge++;
    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        struct lane *l = &s->lanes[w];

        s->samples += l->push_header.samples;
        acknowledge(s, l->push_peer, &l->push_header);
        s->counters.pushes++;
        payload_buffer_unref(l->push);
        l->push = NULL;
        if (l->push_ticket)
            l->push_ticket->in_use = 0;
        ticket_book_close_upto(&l->tickets, l->push_header.clock);
    }
    server_serve_pulls(s);
    return FUSOR_OK;
}

static int all_parts_here(const struct server *s)
{
    for (uint32_t w = 0; w < s->config.n_workers; w++)
        if (!s->lanes[w].push)
            return 0;
    return 1;
}

/* The lowest unit that some lease has yet to bring. */
static uint64_t lowest_open_unit(const struct server *s)
{
    uint64_t edge = s->n_units;

    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        uint64_t unit = consistency_unit(s->config.staleness, w,
                                         s->config.n_workers, s->lanes[w].next);

        edge = unit < edge ? unit : edge;
    }
    return edge;
}

static enum fusor_status check_nodes(const struct server *s,
                                     const struct wire_header *h,
                                     const struct push_view *view,
                                     struct fusor_error *err)
{
    struct lease l =
        lease_make(h->lease, s->config.n_workers, s->config.micro_batches,
                   s->config.staleness, 0, s->n_units);

    if (!s->config.micro_batches)
        return FUSOR_OK;
    for (uint32_t i = 0; i < view->n_nodes; i++) {
        const struct push_node *node = &view->nodes[i];

        if (node->lo < l.micro_lo || node->lo + node->span > l.micro_hi)
            return fusor_fail(err, FUSOR_EPROTO,
                              "push: micro-batches %u+%u are not of lease %u",
                              node->lo, node->span, h->lease);
    }
    return FUSOR_OK;
}

/* References of places go over these, or beside a push that may only be read.
 * @param out NULL: over them */
static enum fusor_status room_beside(struct server *s,
                                     const struct push_view *view,
                                     uint32_t **out, struct fusor_error *err)
{
    uint32_t n_tables = s->config.params->n_tables;
    size_t n = 0;

    *out = NULL;
    for (uint32_t i = 0; view->only_read && i < view->n_nodes * n_tables; i++)
        n += view->nodes[i / n_tables].tables[i % n_tables].n;
    if (!view->only_read)
        return FUSOR_OK;
    FUSOR_TRY(server_refs_room(s, n, err));
    *out = s->refs;
    return FUSOR_OK;
}

/* @return as read_push() */
static enum fusor_status find_rows(struct server *s, const struct message *msg,
                                   struct push_view *view,
                                   struct ticket **ticket,
                                   struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct ticket_name name = lane_ticket_name(msg->from, h, h->a);
    uint32_t n_tables = s->config.params->n_tables, *beside;

    *ticket = h->a ? ticket_find(&s->lanes[h->lease].tickets, &name) : NULL;
    if (h->a && !*ticket)
        return fusor_fail(err, FUSOR_EAGAIN, "push: its ticket is gone");
    if (h->a && (*ticket)->clock != h->clock)
        return fusor_fail(err, FUSOR_EPROTO, "push: a ticket of unit %llu",
                          (unsigned long long)(*ticket)->clock);
    FUSOR_TRY(room_beside(s, view, &beside, err));
    for (uint32_t i = 0; i < view->n_nodes * n_tables; i++) {
        struct push_rows *rows =
            &view->nodes[i / n_tables].tables[i % n_tables];

        if (*ticket) {
            uint32_t *refs =
                beside ? beside : (uint32_t *)(uintptr_t)rows->places;

            FUSOR_TRY(server_admit(s, *ticket, i % n_tables, rows, err));
            FUSOR_TRY(
                server_use_ticket(*ticket, i % n_tables, rows, refs, err));
            if (beside)
                beside += rows->n;
            continue;
        }
        rows->refs =
            server_resolve(s, i % n_tables, rows->keys, rows->n, h->clock, err);
        if (!rows->refs)
            return err->status;
    }
    return FUSOR_OK;
}

/* Read a push and look its rows up.
 * @param ticket set to what must stay open until the push is applied, or NULL
 * @return FUSOR_EPROTO, FUSOR_EINVAL: malformed; FUSOR_EAGAIN: its ticket is
 * gone; FUSOR_ENOMEM: the shard is full */
static enum fusor_status read_push(struct server *s, const struct message *msg,
                                   struct payload_buffer *body,
                                   struct push_view *view,
                                   struct ticket **ticket,
                                   struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    uint64_t unit = consistency_unit(s->config.staleness, h->lease,
                                     s->config.n_workers, h->index);

    if (h->clock != unit || !server_unit_is_sound(s, h))
        return fusor_fail(err, FUSOR_EPROTO,
                          "push: number %llu of lease %u says unit %llu",
                          (unsigned long long)h->index, h->lease,
                          (unsigned long long)h->clock);
    FUSOR_TRY(push_view_read(s->config.params, body->data, body->size,
                             h->a != 0, shard_dense_size(s->config.shard), view,
                             err));
    view->only_read = body->give_back != NULL;
    FUSOR_TRY(check_nodes(s, h, view, err));
    return find_rows(s, msg, view, ticket, err);
}

/* The push is good: from here on it counts. */
static enum fusor_status take_push(struct server *s, const struct message *msg,
                                   struct payload_buffer *body,
                                   struct ticket *ticket,
                                   struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct lane *l = &s->lanes[h->lease];
    enum fusor_status rc;

    l->next++;
    l->term = h->term;
    l->last_peer = msg->from;
    l->last_request = h->request;
    if (s->config.staleness == 0) {
        l->push = payload_buffer_ref(body);
        l->push_ticket = ticket;
        if (ticket)
            ticket->in_use = 1;
        l->push_peer = msg->from;
        l->push_header = *h;
        return all_parts_here(s) ? apply_unit(s, err) : FUSOR_OK;
    }
    count_staleness(s, l, h->clock);
    rc = apply(s, h->lease, 1, err);
    if (rc != FUSOR_OK)
        return rc;
    ticket_book_close_upto(&l->tickets, h->clock);
    s->samples += h->samples;
    s->edge = lowest_open_unit(s);
    acknowledge(s, msg->from, h);
    s->counters.pushes++;
    server_serve_pulls(s);
    return FUSOR_OK;
}

/* The push comes again behind its keys. */
static void ask_for_keys(struct server *s, const struct message *msg)
{
    struct wire_header need = server_answer(s, &msg->header, WIRE_NEED_KEYS);

    s->counters.need_keys++;
    messenger_send(s->config.messenger, msg->from, &need, NULL, NULL);
}

/* Is it applied as it stands? Else its gradients are combined in place, its
 * keys give way to references, or it waits for others. */
static int is_applied_alone(const struct server *s, const struct message *msg)
{
    uint64_t n_nodes = 0;

    if (msg->size >= sizeof(n_nodes))
        memcpy(&n_nodes, msg->data, sizeof(n_nodes));
    return n_nodes == 1 && msg->header.a != 0 &&
           (s->config.staleness != 0 || s->config.n_workers == 1);
}

/* The push, its floats as f32: a copy to write into, or as it was lent. */
static enum fusor_status open_push(struct server *s, const struct message *msg,
                                   struct payload_buffer **body,
                                   struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct recode r = server_recode(s);

    if (recode_encoding(h->flags) >= ENCODING_END)
        return fusor_fail(err, FUSOR_EPROTO, "push: an unknown encoding");
    if (recode_encoding(h->flags) != ENCODING_F32)
        return recode_push_decode(&r, h->flags, h->a != 0, msg->data, msg->size,
                                  messenger_pool(s->config.messenger), body,
                                  err);
    if (msg->buffer && is_applied_alone(s, msg))
        *body = payload_buffer_ref(msg->buffer);
    else
        *body = lane_keep(s->config.messenger, msg, err);
    return *body ? FUSOR_OK : FUSOR_ENOMEM;
}

static enum fusor_status on_new_push(struct server *s,
                                     const struct message *msg,
                                     struct fusor_error *err)
{
    struct lane *l = &s->lanes[msg->header.lease];
    struct payload_buffer *body;
    struct ticket *ticket = NULL;
    struct fusor_error why;
    enum fusor_status rc;

    if (l->push || lane_is_late(l, msg->from, &msg->header))
        return FUSOR_OK; // before its time, or after
    profile_enter(s->config.profile, PROFILE_PUSH);
    rc = open_push(s, msg, &body, &why);
    if (rc == FUSOR_ENOMEM)
        s->counters.no_room++; // it is sent again
    else if (rc != FUSOR_OK)
        server_drop(s, msg, &why);
    if (rc != FUSOR_OK)
        return FUSOR_OK;
    rc = read_push(s, msg, body, &s->views[msg->header.lease], &ticket, &why);
    if (rc == FUSOR_OK) {
        rc = take_push(s, msg, body, ticket, err);
    } else if (rc == FUSOR_EAGAIN) {
        ask_for_keys(s, msg);
        rc = FUSOR_OK;
    } else if (rc == FUSOR_EPROTO || rc == FUSOR_EINVAL) {
        server_drop(s, msg, &why);
        rc = FUSOR_OK;
    } else if (err) {
        *err = why;
    }
    payload_buffer_unref(body);
    return rc;
}

static void on_duplicate(struct server *s, const struct message *msg)
{
    const struct wire_header *h = &msg->header;
    struct lane *l = &s->lanes[h->lease];

    s->counters.duplicates++;
    if (!l->push || h->index + 1 != l->next) {
        acknowledge(s, msg->from, h);
        return;
    }
    l->push_peer = msg->from; // not applied yet: answered when it is
    l->push_header.request = h->request;
    l->push_header.attempt = h->attempt;
}

enum fusor_status server_on_push(struct server *s, const struct message *msg,
                                 struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct lane *l = &s->lanes[h->lease];
    struct wire_header refused;
    enum push_verdict verdict =
        consistency_judge_push(l->term, l->next, h->term, h->index);

    if (!s->open || h->epoch != (uint32_t)s->epoch)
        return FUSOR_OK; // of an epoch that is over: its answer was lost
    if (verdict == PUSH_NEW)
        return on_new_push(s, msg, err);
    if (verdict == PUSH_REFUSED) {
        s->counters.refused++;
        refused = server_answer(s, h, WIRE_REFUSED);
        messenger_send(s->config.messenger, msg->from, &refused, NULL, NULL);
        return FUSOR_OK;
    }
    l->term = h->term; // its holder before may not come back
    if (verdict == PUSH_DUPLICATE)
        on_duplicate(s, msg);
    return FUSOR_OK; // a gap: the one before was lost and is sent again first
}
