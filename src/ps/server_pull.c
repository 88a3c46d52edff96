/* Keys in: what is malformed is dropped, tickets are opened, and pulls answered
 * (server_values.c) at once or when the clock allows. */
#include <string.h>

#include "ps/consistency.h"
#include "ps/server_private.h"

/* No table can have more held keys than keys. r stands behind the keys. */
static enum fusor_status check_held(const struct server *s,
                                    const struct message *msg,
                                    struct payload_reader *r,
                                    struct fusor_error *err)
{
    uint32_t n_tables = s->config.params->n_tables;
    struct payload_reader keys;
    size_t n;
    const uint64_t *held = payload_get_u64s(r, &n);

    FUSOR_TRY(payload_reader_finish(r, "keys", err));
    if (n != n_tables)
        return fusor_fail(err, FUSOR_EPROTO, "keys: held keys of %zu tables",
                          n);
    payload_reader_init(&keys, msg->data, msg->size);
    for (uint32_t t = 0; t < n_tables; t++) {
        payload_get_u64s(&keys, &n);
        if (held[t] > n)
            return fusor_fail(err, FUSOR_EPROTO,
                              "keys: %llu of %zu keys are held",
                              (unsigned long long)held[t], n);
    }
    return FUSOR_OK;
}

/* Is the payload what KEYS must be? Nothing is made of one that is not.
 * @param n_keys of all tables */
static enum fusor_status check_keys(const struct server *s,
                                    const struct message *msg, size_t *n_keys,
                                    struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct payload_reader r;
    size_t n;

    if (recode_encoding(h->flags) >= ENCODING_END)
        return fusor_fail(err, FUSOR_EPROTO, "keys: an unknown encoding");
    if (h->request == 0 || (h->flags & PS_RENEW && h->a == 0))
        return fusor_fail(err, FUSOR_EPROTO, "keys: a request of no number");
    if (!(h->flags & PS_PEEK) && !server_unit_is_sound(s, h))
        return fusor_fail(err, FUSOR_EPROTO, "keys: lease %u, unit %llu",
                          h->lease, (unsigned long long)h->clock);
    payload_reader_init(&r, msg->data, msg->size);
    *n_keys = 0;
    for (uint32_t t = 0; t < s->config.params->n_tables; t++) {
        payload_get_u64s(&r, &n);
        *n_keys += n;
    }
    if (h->flags & PS_HELD)
        return check_held(s, msg, &r, err);
    return payload_reader_finish(&r, "keys", err);
}

/* Where the references of each table will stand in the ticket. */
static void lay_out(const struct server *s, const struct message *msg,
                    struct ticket *ticket)
{
    struct payload_reader r;
    size_t n;

    payload_reader_init(&r, msg->data, msg->size);
    ticket->begin[0] = 0;
    for (uint32_t t = 0; t < s->config.params->n_tables; t++) {
        const uint64_t *keys = payload_get_u64s(&r, &n);

        ticket->begin[t + 1] = ticket->begin[t] + n;
        if (ticket->keys && n)
            memcpy(ticket->keys + ticket->begin[t], keys, n * sizeof(*keys));
    }
    if (msg->header.flags & PS_HELD) {
        const uint64_t *held = payload_get_u64s(&r, &n);

        for (uint32_t t = 0; t < s->config.params->n_tables; t++)
            ticket->held[t] = (size_t)held[t];
    }
}

static enum fusor_status look_up_all(struct server *s, struct lookup *l,
                                     const struct ticket *ticket,
                                     struct fusor_error *err)
{
    struct payload_reader r;

    server_set_floor(s);
    payload_reader_init(&r, l->msg->data, l->msg->size);
    for (uint32_t t = 0; t < s->config.params->n_tables; t++) {
        size_t n;
        const uint64_t *keys = payload_get_u64s(&r, &n);

        FUSOR_TRY(server_look_up(s, l, ticket, t, keys, 0, n, err));
    }
    return FUSOR_OK;
}

/* Fresh values hold all that the reader itself has pushed; early ones only what
 * the bound demands. */
static int may_answer(const struct server *s, uint32_t lease, uint64_t unit)
{
    const struct server_config *c = &s->config;

    return consistency_may_read(c->staleness, unit, s->edge) &&
           (c->read_early ||
            consistency_has_own(c->staleness, lease, c->n_workers, unit,
                                s->lanes[lease].next));
}

void server_serve_pulls(struct server *s)
{
    struct fusor_error why;

    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        struct lane *l = &s->lanes[w];

        for (uint32_t i = 0; i < l->n_pulls;) {
            if (!may_answer(s, w, l->pulls[i].header.clock)) {
                i++;
                continue;
            }
            server_answer_pull(s, &l->pulls[i], NULL, &why);
            lane_remove_pull(l, i);
        }
    }
}

/* A step whose values were read before is only asked for again: that counts no
 * touch. */
static enum resolve_mode mode_of(const struct server *s,
                                 const struct wire_header *h)
{
    uint64_t edge;

    if (h->flags & PS_PEEK)
        return RESOLVE_PEEK;
    if (h->flags & PS_RENEW)
        return RESOLVE_PUSH;
    return lane_find_read(&s->lanes[h->lease], h->clock, &edge) ? RESOLVE_PUSH
                                                                : RESOLVE_TRAIN;
}

/* Look the rows up, and answer now or when the clock allows. */
static enum fusor_status take_pull(struct server *s, const struct message *msg,
                                   struct ticket *ticket,
                                   struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct lane *l = &s->lanes[h->lease];
    struct lane_pull pull = {.peer = msg->from, .header = *h, .ticket = ticket};
    struct lookup lookup = {.msg = msg, .mode = mode_of(s, h)};
    int peek = (h->flags & PS_PEEK) != 0, renew = (h->flags & PS_RENEW) != 0;

    if (!renew && (peek || may_answer(s, h->lease, h->clock))) {
        FUSOR_TRY(server_answer_pull(s, &pull, &lookup, err));
        if (peek)
            ticket_close(ticket);
        return FUSOR_OK;
    }
    FUSOR_TRY(look_up_all(s, &lookup, ticket, err));
    if (renew)
        return FUSOR_OK; // the push comes behind
    pull.came_ns = clock_now_ns(messenger_clock(s->config.messenger));
    if (lane_add_pull(l, &pull) != 0)
        ticket_close(ticket);
    return FUSOR_OK;
}

enum fusor_status server_on_keys(struct server *s, const struct message *msg,
                                 struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct lane *l = &s->lanes[h->lease];
    int renew = (h->flags & PS_RENEW) != 0, peek = (h->flags & PS_PEEK) != 0;
    struct ticket_name name =
        lane_ticket_name(msg->from, h, renew ? h->a : h->request);
    struct ticket *ticket = NULL;
    struct fusor_error why;
    enum fusor_status rc;
    size_t n = 0;

    if (!peek && (!s->open || h->epoch != (uint32_t)s->epoch))
        return FUSOR_OK; // of an epoch that is over
    if (lane_note_repeat(l, msg->from, h))
        return FUSOR_OK;
    profile_enter(s->config.profile, PROFILE_LOOKUP);
    rc = check_keys(s, msg, &n, &why);
    if (rc == FUSOR_OK && renew && ticket_find(&l->tickets, &name))
        return FUSOR_OK;
    if (rc == FUSOR_OK)
        rc = ticket_open(peek ? &s->peeks : &l->tickets, &name, h->clock, n,
                         &ticket, &why);
    if (rc == FUSOR_EAGAIN)
        s->counters.no_room++; // it is sent again
    if (rc == FUSOR_OK) {
        lay_out(s, msg, ticket);
        rc = take_pull(s, msg, ticket, &why);
    }
    profile_enter(s->config.profile, PROFILE_OTHER);
    if (rc == FUSOR_OK)
        return FUSOR_OK;
    if (ticket)
        ticket_close(ticket);
    if (rc == FUSOR_EPROTO || rc == FUSOR_EINVAL)
        server_drop(s, msg, &why);
    else if (err)
        *err = why;
    return rc == FUSOR_ENOMEM ? rc : FUSOR_OK;
}
