/* Gradients in, one optimizer step for each unit, acknowledgements out. A push
 * is checked, and its rows looked up, before anything remembers it: what is
 * malformed leaves no trace, and the true one can still come. */

#include "coord/lease.h"
#include "ps/consistency.h"
#include "ps/room.h"
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
    FUSOR_TRY(server_apply(s, 0, s->config.n_workers, err));
    s->edge++;
    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        struct lane *l = &s->lanes[w];

        s->samples += l->push_header.samples;
        acknowledge(s, l->push_peer, &l->push_header);
        s->counters.pushes++;
        body_drop(&l->push.in);
        l->has_push = 0;
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
        if (!s->lanes[w].has_push)
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

/* The ticket of a push that has one.
 * @return FUSOR_EAGAIN: it is gone; FUSOR_EPROTO: of another unit */
static enum fusor_status find_ticket(struct server *s,
                                     const struct message *msg,
                                     struct ticket **out,
                                     struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct ticket_name name = lane_ticket_name(msg->from, h, h->a);

    *out = h->a ? ticket_find(&s->lanes[h->lease].tickets, &name) : NULL;
    if (h->a && !*out)
        return fusor_fail(err, FUSOR_EAGAIN, "push: its ticket is gone");
    if (h->a && (*out)->clock != h->clock)
        return fusor_fail(err, FUSOR_EPROTO, "push: a ticket of unit %llu",
                          (unsigned long long)(*out)->clock);
    return FUSOR_OK;
}

/* The rows of one table of one node.
 * @param out [rows->n] for references */
static enum fusor_status
find_table_rows(struct server *s, const struct payload_view *in,
                const struct ticket *ticket, uint32_t table, uint64_t unit,
                struct push_rows *rows, uint32_t *out, struct fusor_error *err)
{
    if (!ticket) {
        rows->refs = out;
        return server_resolve(s, table, in, rows->names, rows->n, unit, out,
                              err);
    }
    rows->places = rows->all ? NULL : out;
    if (!rows->all)
        payload_view_copy(in, rows->names, rows->n * sizeof(*out), out);
    FUSOR_TRY(server_admit(s, ticket, table, rows, err));
    return server_use_ticket(ticket, table, rows, out, err);
}

/* @return as read_push() */
static enum fusor_status find_rows(struct server *s, const struct message *msg,
                                   struct push_view *view,
                                   struct ticket **ticket,
                                   struct fusor_error *err)
{
    struct push_body *body = &s->lanes[msg->header.lease].push;
    uint32_t n_tables = s->config.params->n_tables, *refs;
    size_t n = 0;

    FUSOR_TRY(find_ticket(s, msg, ticket, err));
    for (uint32_t i = 0; i < view->n_nodes * n_tables; i++)
        n += view->tables[i].n;
    FUSOR_TRY(push_body_room(body, n, err));
    refs = body->refs;
    for (uint32_t i = 0; i < view->n_nodes * n_tables; i++) {
        struct push_rows *rows = &view->tables[i];

        FUSOR_TRY(find_table_rows(s, &view->of, *ticket, i % n_tables,
                                  msg->header.clock, rows, refs, err));
        refs += rows->n;
    }
    return FUSOR_OK;
}

static enum fusor_status read_view(const struct server *s,
                                   const struct wire_header *h,
                                   struct push_view *view,
                                   struct fusor_error *err)
{
    enum encoding e = recode_encoding(view->flags);
    struct recode r = server_recode(s);

    return push_view_read(
        s->config.params, &s->lanes[h->lease].push.in.view, h->a != 0, e,
        e == ENCODING_F32 ? r.dense_size
                          : recode_gradient_bytes(&r, view->flags),
        view, err);
}

/* Read a push and look its rows up.
 * @param ticket set to what must stay open until the push is applied, or NULL
 * @return FUSOR_EPROTO, FUSOR_EINVAL: malformed; FUSOR_EAGAIN: its ticket is
 * gone; FUSOR_ENOMEM: the shard is full */
static enum fusor_status read_push(struct server *s, const struct message *msg,
                                   struct ticket **ticket,
                                   struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct push_view *view = &s->views[h->lease];
    uint64_t unit = consistency_unit(s->config.staleness, h->lease,
                                     s->config.n_workers, h->index);

    if (h->clock != unit || !server_unit_is_sound(s, h))
        return fusor_fail(err, FUSOR_EPROTO,
                          "push: number %llu of lease %u says unit %llu",
                          (unsigned long long)h->index, h->lease,
                          (unsigned long long)h->clock);
    FUSOR_TRY(read_view(s, h, view, err));
    FUSOR_TRY(check_nodes(s, h, view, err));
    return find_rows(s, msg, view, ticket, err);
}

/* The push is good: from here on it counts. */
static enum fusor_status take_push(struct server *s, const struct message *msg,
                                   struct ticket *ticket,
                                   struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct lane *l = &s->lanes[h->lease];
    enum fusor_status rc;

    l->next++;
    l->lacks = 0;
    l->term = h->term;
    l->last_peer = msg->from;
    l->last_request = h->request;
    if (s->config.staleness == 0) {
        l->has_push = 1;
        l->push_ticket = ticket;
        if (ticket)
            ticket->in_use = 1;
        l->push_peer = msg->from;
        l->push_header = *h;
        return all_parts_here(s) ? apply_unit(s, err) : FUSOR_OK;
    }
    count_staleness(s, l, h->clock);
    rc = server_apply(s, h->lease, 1, err);
    body_drop(&l->push.in);
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

/* Is it applied as it stands, and now? Else its gradients are combined in
 * place, or it waits for others. */
static int is_applied_alone(const struct server *s, const struct message *msg)
{
    struct payload_view view = message_view(msg);
    uint64_t n_nodes = 0;

    if (msg->size >= sizeof(n_nodes))
        payload_view_copy(&view, 0, sizeof(n_nodes), &n_nodes);
    return n_nodes == 1 &&
           (s->config.staleness != 0 || s->config.n_workers == 1);
}

/* A push whose floats are in fewer bytes, as f32. */
static enum fusor_status decode_push(struct server *s,
                                     const struct message *msg,
                                     struct body *body, struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct payload_view view = message_view(msg);
    struct recode r = server_recode(s);
    struct payload_buffer *out;

    FUSOR_TRY(recode_push_decode(&r, h->flags, h->a != 0, &view,
                                 messenger_pool(s->config.messenger), &out,
                                 err));
    return body_put(body, out, err);
}

/* Have the push in its lane, its floats as f32 unless it is applied at once. */
static enum fusor_status open_push(struct server *s, const struct message *msg,
                                   struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct body *body = &s->lanes[h->lease].push.in;
    int alone = is_applied_alone(s, msg);

    if (recode_encoding(h->flags) >= ENCODING_END)
        return fusor_fail(err, FUSOR_EPROTO, "push: an unknown encoding");
    s->views[h->lease].flags = h->flags;
    if (recode_encoding(h->flags) == ENCODING_F32 || alone)
        return body_keep(body, s->config.messenger, msg,
                         alone ? BODY_BORROW : BODY_WRITE, err);
    s->views[h->lease].flags = recode_flags(ENCODING_F32);
    return decode_push(s, msg, body, err);
}

/* A push that is to be kept finds no room: it is sent again, if there ever will
 * be any. */
static enum fusor_status on_no_room(struct server *s, const struct message *msg,
                                    struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    enum encoding e = recode_encoding(h->flags);
    struct recode r = server_recode(s);
    size_t size =
        e == ENCODING_F32 ? msg->size : recode_decoded_bytes(&r, e, msg->size);

    s->counters.no_room++;
    return server_check_push(s, h->lease, payload_buffer_cost(size), err);
}

static enum fusor_status on_new_push(struct server *s,
                                     const struct message *msg,
                                     struct fusor_error *err)
{
    struct lane *l = &s->lanes[msg->header.lease];
    struct ticket *ticket = NULL;
    struct fusor_error why;
    enum fusor_status rc;

    if (l->has_push || lane_is_late(l, msg->from, &msg->header))
        return FUSOR_OK; // before its time, or after
    profile_enter(s->config.profile, PROFILE_PUSH);
    rc = open_push(s, msg, &why);
    if (rc == FUSOR_ENOMEM)
        return on_no_room(s, msg, err);
    if (rc != FUSOR_OK) {
        server_drop(s, msg, &why);
        return FUSOR_OK;
    }
    messenger_let_go(s->config.messenger); // it goes when the lane lets go
    rc = read_push(s, msg, &ticket, &why);
    if (rc == FUSOR_OK)
        return take_push(s, msg, ticket, err);
    body_drop(&l->push.in);
    if (rc == FUSOR_EAGAIN) {
        ask_for_keys(s, msg);
        return FUSOR_OK;
    }
    if (rc == FUSOR_EPROTO || rc == FUSOR_EINVAL) {
        server_drop(s, msg, &why);
        return FUSOR_OK;
    }
    if (err)
        *err = why;
    return rc;
}

static void on_duplicate(struct server *s, const struct message *msg)
{
    const struct wire_header *h = &msg->header;
    struct lane *l = &s->lanes[h->lease];

    s->counters.duplicates++;
    if (!l->has_push || h->index + 1 != l->next) {
        acknowledge(s, msg->from, h);
        return;
    }
    l->push_peer = msg->from; // not applied yet: answered when it is
    l->push_header.request = h->request;
    l->push_header.attempt = h->attempt;
}

/* A worker asks for a push that is not here as a whole: it is lost, on its way
 * or finds no room. */
static enum fusor_status on_missing_push(struct server *s,
                                         const struct message *msg,
                                         struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;

    if (s->lanes[h->lease].has_push)
        return FUSOR_OK; // before its time
    FUSOR_TRY(server_check_push(s, h->lease, room_of_chunks(h->a), err));
    server_tell_missing(s, msg);
    return FUSOR_OK;
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
    if (verdict == PUSH_NEW && h->kind == WIRE_ASK)
        return on_missing_push(s, msg, err);
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
