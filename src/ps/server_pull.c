/* Keys in, values out. Rows are looked up, and made, when the keys come; values
 * are read out when the clock allows. */
#include <string.h>

#include "ps/consistency.h"
#include "ps/row.h"
#include "ps/server_private.h"

#define LOG_MODULE "shard"
#include "base/log.h"

#define HELD_MIN_NS 1000              /* less is answered at once */
#define PIECE_BYTES ((size_t)1 << 18) /* between two looks at the pipe */
#define AHEAD 8 /* rows a prefetch runs in front: see store/shard_apply.c */

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

static void count_load(struct server *s, uint32_t table, const uint64_t *keys,
                       size_t n)
{
    uint64_t bytes = s->config.params->tables[table].width * sizeof(float);

    for (size_t i = 0; i < n; i++) {
        struct bucket_load *l = &s->load[bucket_of_key(table, keys[i])];

        l->rows++;
        l->bytes += bytes;
    }
}

/* Look all keys up, straight from the message into the ticket. */
static enum fusor_status
fill_ticket(struct server *s, const struct message *msg, enum resolve_mode mode,
            struct ticket *ticket, struct fusor_error *err)
{
    uint64_t clock = s->clock + msg->header.clock;
    struct payload_reader r;

    shard_set_floor(s->config.shard, s->clock + s->edge);
    payload_reader_init(&r, msg->data, msg->size);
    ticket->begin[0] = 0;
    for (uint32_t t = 0; t < s->config.params->n_tables; t++) {
        size_t n;
        const uint64_t *keys = payload_get_u64s(&r, &n);

        ticket->begin[t + 1] = ticket->begin[t] + n;
        if (ticket->keys && n)
            memcpy(ticket->keys + ticket->begin[t], keys, n * sizeof(*keys));
        FUSOR_TRY(shard_resolve(s->config.shard, t, keys, n, mode, clock,
                                ticket->refs + ticket->begin[t], err));
        if (mode == RESOLVE_TRAIN)
            count_load(s, t, keys, n);
    }
    if (msg->header.flags & PS_HELD) {
        size_t n;
        const uint64_t *held = payload_get_u64s(&r, &n);

        for (uint32_t t = 0; t < s->config.params->n_tables; t++)
            ticket->held[t] = (size_t)held[t];
    }
    return FUSOR_OK;
}

/* The rows of a pull whose values are read now. Where a table admits, a key may
 * have got its row since the keys came. */
static enum fusor_status find_again(struct server *s,
                                    const struct lane_pull *pull,
                                    uint32_t table, struct fusor_error *err)
{
    int peek = (pull->header.flags & PS_PEEK) != 0;
    const uint64_t *keys = ticket_keys(pull->ticket, table);
    size_t n;
    uint32_t *refs = ticket_refs(pull->ticket, table, &n);

    if (!keys || !shard_table_admits(s->config.shard, table))
        return FUSOR_OK;
    shard_set_floor(s->config.shard, s->clock + s->edge);
    return shard_resolve(s->config.shard, table, keys, n,
                         peek ? RESOLVE_PEEK : RESOLVE_TRAIN,
                         s->clock + pull->header.clock, refs, err);
}

static void copy_rows(struct server *s, uint32_t table, const uint32_t *refs,
                      const uint64_t *keys, size_t n, float *out)
{
    uint32_t width = s->config.params->tables[table].width;
    unsigned char *base = shard_base(s->config.shard);

    if (!shard_table_is_plain(s->config.shard, table)) {
        shard_read_rows(s->config.shard, table, keys, refs, n, out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            row_prefetch(shard_row_values(base, refs[i + AHEAD]), width);
        row_copy(out + i * width, shard_row_values(base, refs[i]), width);
    }
}

static size_t values_room(const struct server *s, const struct lane_pull *pull,
                          size_t n_dense)
{
    size_t room = payload_section_bytes(n_dense, sizeof(float));

    for (uint32_t t = 0; t < s->config.params->n_tables; t++) {
        size_t n;

        ticket_refs(pull->ticket, t, &n);
        n -= pull->ticket->held[t];
        room += payload_section_bytes(n * s->config.params->tables[t].width,
                                      sizeof(float));
    }
    return room;
}

/* An answer being written. */
struct answer {
    struct messenger *messenger;
    struct messenger_stream *stream; // NULL: it leaves when it is whole
    struct payload_buffer *out;
};

static void written_up_to(const struct answer *a, const float *end)
{
    if (a->stream)
        messenger_stream_advance(a->messenger, a->stream,
                                 (size_t)((const uint8_t *)end - a->out->data));
}

/* Piece by piece, so that the first chunk leaves while the next is gathered. */
static void put_rows(struct server *s, const struct answer *a, uint32_t table,
                     const struct ticket *ticket, size_t n, float *out)
{
    uint32_t width = s->config.params->tables[table].width;
    size_t piece = PIECE_BYTES / sizeof(float) / width + 1, all, m;
    const uint64_t *keys = ticket_keys(ticket, table);
    const uint32_t *refs = ticket_refs(ticket, table, &all);

    for (size_t at = 0; at < n; at += m) {
        m = n - at < piece ? n - at : piece;
        copy_rows(s, table, refs + at, keys ? keys + at : NULL, m,
                  out + at * width);
        written_up_to(a, out + (at + m) * width);
    }
}

static void put_dense(struct server *s, const struct answer *a, size_t n,
                      float *out)
{
    const float *dense = shard_dense(s->config.shard);
    size_t piece = PIECE_BYTES / sizeof(float), m;

    for (size_t at = 0; at < n; at += m) {
        m = n - at < piece ? n - at : piece;
        memcpy(out + at, dense + at, m * sizeof(float));
        written_up_to(a, out + at + m);
    }
}

static enum fusor_status fill_values(struct server *s,
                                     const struct lane_pull *pull,
                                     size_t n_dense, const struct answer *a,
                                     struct fusor_error *err)
{
    const struct param_spec *p = s->config.params;
    int peek = (pull->header.flags & PS_PEEK) != 0;
    struct payload_writer w;
    float *dense;

    payload_writer_init_buffer(&w, a->out);
    for (uint32_t t = 0; t < p->n_tables; t++) {
        size_t n;
        const uint32_t *refs = ticket_refs(pull->ticket, t, &n);
        size_t wanted = n - pull->ticket->held[t];
        float *rows = payload_reserve_f32s(&w, wanted * p->tables[t].width);

        FUSOR_TRY(find_again(s, pull, t, err));
        if (!peek)
            shard_catch_up(s->config.shard, t, refs, n, server_now(s));
        if (rows)
            put_rows(s, a, t, pull->ticket, wanted, rows);
    }
    dense = payload_reserve_f32s(&w, n_dense);
    if (dense && n_dense)
        put_dense(s, a, n_dense, dense);
    return payload_writer_finish(&w, a->out, err);
}

/* In fewer bytes: whole first, then rounded. */
static enum fusor_status send_encoded(struct server *s,
                                      const struct lane_pull *pull,
                                      const struct wire_header *h,
                                      size_t n_dense, const struct answer *a,
                                      struct fusor_error *err)
{
    struct recode r = server_recode(s);
    struct payload_buffer *b;
    enum fusor_status rc;

    FUSOR_TRY(fill_values(s, pull, n_dense, a, err));
    FUSOR_TRY(recode_values_encode(&r, recode_encoding(h->flags), a->out,
                                   messenger_pool(a->messenger), &b, err));
    profile_enter(s->config.profile, PROFILE_SEND);
    rc = messenger_send(a->messenger, pull->peer, h, b, err);
    payload_buffer_unref(b);
    return rc;
}

/* @param out [values_room()] */
static enum fusor_status send_values(struct server *s,
                                     const struct lane_pull *pull,
                                     const struct wire_header *h,
                                     size_t n_dense, struct payload_buffer *out,
                                     struct fusor_error *err)
{
    struct messenger_stream stream;
    struct answer a = {s->config.messenger, NULL, out};

    if (recode_encoding(h->flags) != ENCODING_F32)
        return send_encoded(s, pull, h, n_dense, &a, err);
    FUSOR_TRY(messenger_stream_begin(&stream, pull->peer, h, out, err));
    a.stream = &stream;
    FUSOR_TRY(fill_values(s, pull, n_dense, &a, err));
    profile_enter(s->config.profile, PROFILE_SEND);
    return messenger_stream_end(a.messenger, &stream, err);
}

/* How long the clock has not allowed the values. */
static uint64_t held_ns(const struct server *s, const struct lane_pull *pull)
{
    int64_t now = clock_now_ns(messenger_clock(s->config.messenger));

    return pull->came_ns && now - pull->came_ns > HELD_MIN_NS
               ? (uint64_t)(now - pull->came_ns)
               : 0;
}

/* The reader's held values may be older than what it is sent. */
static void note_read(struct server *s, const struct lane_pull *pull)
{
    const struct wire_header *h = &pull->header;
    const struct ticket *ticket = pull->ticket;
    enum encoding e = recode_encoding(h->flags);
    uint64_t edge = s->n_applied;

    if (h->flags & PS_HELD && h->index < edge)
        edge = h->index;
    lane_note_read(&s->lanes[h->lease], h->clock, edge);
    for (uint32_t t = 0; t < s->config.params->n_tables; t++) {
        s->counters.rows_asked += ticket->begin[t + 1] - ticket->begin[t];
        s->counters.rows_held += ticket->held[t];
        s->counters.bytes_held += encoding_bytes(
            e, ticket->held[t], s->config.params->tables[t].width);
    }
}

/* No room for the answer now: its readers are slow. It is asked for again. */
static void answer_pull(struct server *s, const struct lane_pull *pull)
{
    int dense = (pull->header.flags & PS_WANT_DENSE) != 0;
    size_t n_dense = dense ? (size_t)shard_dense_size(s->config.shard) : 0;
    struct wire_header h = server_answer(s, &pull->header, WIRE_VALUES);
    size_t room = values_room(s, pull, n_dense);
    struct payload_buffer *b;
    struct fusor_error why;

    if (payload_buffer_take(messenger_pool(s->config.messenger), room, &b,
                            &why) != FUSOR_OK) {
        s->counters.no_room++;
        log_warn("values for lease %u wait: %s", pull->header.lease, why.text);
        return;
    }
    h.flags = recode_flags(recode_encoding(pull->header.flags));
    h.a = held_ns(s, pull);
    profile_enter(s->config.profile, PROFILE_VALUES);
    b->size = room;
    send_values(s, pull, &h, n_dense, b, &why); // lost: asked for again
    payload_buffer_unref(b);
    profile_enter(s->config.profile, PROFILE_OTHER);
    if (!(pull->header.flags & PS_PEEK))
        note_read(s, pull);
    s->counters.pulls++;
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
    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        struct lane *l = &s->lanes[w];

        for (uint32_t i = 0; i < l->n_pulls;) {
            if (!may_answer(s, w, l->pulls[i].header.clock)) {
                i++;
                continue;
            }
            answer_pull(s, &l->pulls[i]);
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

/* The rows are known: answer now, or when the clock allows. */
static void take_pull(struct server *s, const struct message *msg,
                      struct ticket *ticket)
{
    const struct wire_header *h = &msg->header;
    struct lane *l = &s->lanes[h->lease];
    struct lane_pull pull = {.peer = msg->from, .header = *h, .ticket = ticket};

    if (h->flags & PS_RENEW)
        return; // the push comes behind
    if (h->flags & PS_PEEK) {
        answer_pull(s, &pull);
        ticket_close(ticket);
    } else if (lane_add_pull(l, msg, ticket) == 0) {
        l->pulls[l->n_pulls - 1].came_ns =
            clock_now_ns(messenger_clock(s->config.messenger));
        server_serve_pulls(s);
    } else {
        ticket_close(ticket);
    }
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
    if (rc == FUSOR_OK)
        rc = fill_ticket(s, msg, mode_of(s, h), ticket, &why);
    profile_enter(s->config.profile, PROFILE_OTHER);
    if (rc == FUSOR_OK) {
        take_pull(s, msg, ticket);
        return FUSOR_OK;
    }
    if (ticket)
        ticket_close(ticket);
    if (rc == FUSOR_EAGAIN)
        s->counters.no_room++; // it is sent again
    else if (rc == FUSOR_EPROTO || rc == FUSOR_EINVAL)
        server_drop(s, msg, &why);
    else if (err)
        *err = why;
    return rc == FUSOR_ENOMEM ? rc : FUSOR_OK;
}
