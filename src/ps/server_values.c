/* Values out. Rows are looked up, and made, when the keys come; values are read
 * out when the clock allows: at once, while the rows just looked up are still
 * in the cache, or later. */
#include <string.h>

#include "ps/row.h"
#include "ps/server_private.h"

#define LOG_MODULE "shard"
#include "base/log.h"

#define HELD_MIN_NS 1000 /* less is answered at once */
#define PIECE_BYTES SERVER_PIECE_BYTES
#define AHEAD 8 /* rows a prefetch runs in front: see store/shard_apply.c */

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

enum fusor_status server_look_up(struct server *s, struct lookup *l,
                                 const struct ticket *ticket, uint32_t table,
                                 const uint64_t *keys, size_t at, size_t n,
                                 struct fusor_error *err)
{
    uint32_t phase = profile_enter(s->config.profile, PROFILE_LOOKUP);

    l->status = shard_resolve(s->config.shard, table, keys + at, n, l->mode,
                              s->clock + l->msg->header.clock,
                              ticket->refs + ticket->begin[table] + at, err);
    if (l->status == FUSOR_OK && l->mode == RESOLVE_TRAIN)
        count_load(s, table, keys + at, n);
    profile_enter(s->config.profile, phase);
    return l->status;
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
    server_set_floor(s);
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
                          int dense)
{
    struct recode r = server_recode(s);
    size_t wanted[PARAM_MAX_TABLES];

    for (uint32_t t = 0; t < s->config.params->n_tables; t++) {
        ticket_refs(pull->ticket, t, &wanted[t]);
        wanted[t] -= pull->ticket->held[t];
    }
    return recode_values_bytes(&r, recode_encoding(pull->header.flags), wanted,
                               dense);
}

/* An answer being written. */
struct answer {
    struct messenger *messenger;
    struct messenger_stream stream;
    struct payload_buffer *out;
    const struct lane_pull *pull;
    struct lookup *lookup; // NULL: its rows are known
    enum encoding encoding;
};

/* Encoded it is small, and leaves when it is whole. */
static void written_up_to(struct answer *a, const float *end)
{
    if (a->encoding == ENCODING_F32)
        messenger_stream_advance(a->messenger, &a->stream,
                                 (size_t)((const uint8_t *)end - a->out->data));
}

/* Rows [at, at + n) of the n_wanted of a table to their place in the answer. */
static void put_values(struct server *s, const struct answer *a, uint32_t table,
                       const uint32_t *refs, const uint64_t *keys, size_t at,
                       size_t n, size_t n_wanted, void *out)
{
    uint32_t width = s->config.params->tables[table].width;
    int plain = a->encoding == ENCODING_F32;
    float *to = plain ? (float *)out + at * width : s->piece;

    copy_rows(s, table, refs + at, keys ? keys + at : NULL, n, to);
    if (!plain)
        encoding_write(a->encoding, to, n, width, NULL, out, n_wanted, at);
}

/* Rows [at, at + n) of a table, looked up if need be. Those that the reader
 * holds are not copied. */
static enum fusor_status put_piece(struct server *s, const struct answer *a,
                                   uint32_t table, const uint64_t *fresh,
                                   size_t at, size_t n, size_t n_wanted,
                                   void *out, struct fusor_error *err)
{
    const struct ticket *ticket = a->pull->ticket;
    const uint64_t *keys = fresh ? fresh : ticket_keys(ticket, table);
    size_t all, end = at + n < n_wanted ? at + n : n_wanted;
    const uint32_t *refs = ticket_refs(ticket, table, &all);

    if (fresh)
        FUSOR_TRY(
            server_look_up(s, a->lookup, ticket, table, fresh, at, n, err));
    if (!(a->pull->header.flags & PS_PEEK))
        shard_catch_up(s->config.shard, table, refs + at, n, server_now(s));
    if (at < end)
        put_values(s, a, table, refs, keys, at, end - at, n_wanted, out);
    return FUSOR_OK;
}

/* Piece by piece, so that rows are copied out of the cache that they were
 * looked up in, and the first chunk leaves while the next is gathered. */
static enum fusor_status put_rows(struct server *s, struct answer *a,
                                  uint32_t table, const uint64_t *fresh,
                                  size_t n_wanted, void *out,
                                  struct fusor_error *err)
{
    uint32_t width = s->config.params->tables[table].width;
    size_t piece = PIECE_BYTES / sizeof(float) / width + 1, all, m;

    ticket_refs(a->pull->ticket, table, &all);
    for (size_t at = 0; at < all; at += m) {
        m = all - at < piece ? all - at : piece;
        FUSOR_TRY(put_piece(s, a, table, fresh, at, m, n_wanted, out, err));
        if (at + m <= n_wanted)
            written_up_to(a, (float *)out + (at + m) * width);
    }
    return FUSOR_OK;
}

static void put_dense(struct server *s, struct answer *a, size_t n,
                      struct payload_writer *w)
{
    const float *dense = shard_dense(s->config.shard);
    size_t piece = PIECE_BYTES / sizeof(float), m;
    struct recode r = server_recode(s);
    void *bytes;
    float *out;

    if (a->encoding != ENCODING_F32) {
        bytes = payload_reserve_bytes(w, n ? recode_dense_bytes(&r, a->encoding)
                                           : 0);
        if (bytes && n)
            recode_dense_write(&r, a->encoding, dense, bytes);
        return;
    }
    out = payload_reserve_f32s(w, n);
    for (size_t at = 0; out && at < n; at += m) {
        m = n - at < piece ? n - at : piece;
        memcpy(out + at, dense + at, m * sizeof(float));
        written_up_to(a, out + at + m);
    }
}

static void *reserve_rows(const struct answer *a, struct payload_writer *w,
                          size_t n, uint32_t width)
{
    if (a->encoding == ENCODING_F32)
        return payload_reserve_f32s(w, n * width);
    return payload_reserve_bytes(w, encoding_bytes(a->encoding, n, width));
}

static enum fusor_status fill_values(struct server *s, size_t n_dense,
                                     struct answer *a, struct fusor_error *err)
{
    const struct param_spec *p = s->config.params;
    struct payload_reader keys;
    struct payload_writer w;

    server_set_floor(s);
    if (a->lookup)
        payload_reader_init(&keys, a->lookup->msg->data, a->lookup->msg->size);
    payload_writer_init_buffer(&w, a->out);
    for (uint32_t t = 0; t < p->n_tables; t++) {
        size_t n, wanted;
        const uint64_t *fresh = a->lookup ? payload_get_u64s(&keys, &n) : NULL;
        void *rows;

        ticket_refs(a->pull->ticket, t, &n);
        wanted = n - a->pull->ticket->held[t];
        rows = reserve_rows(a, &w, wanted, p->tables[t].width);
        if (!fresh)
            FUSOR_TRY(find_again(s, a->pull, t, err));
        if (rows)
            FUSOR_TRY(put_rows(s, a, t, fresh, wanted, rows, err));
    }
    put_dense(s, a, n_dense, &w);
    return payload_writer_finish(&w, a->out, err);
}

static enum fusor_status send_values(struct server *s,
                                     const struct wire_header *h,
                                     size_t n_dense, struct answer *a,
                                     struct fusor_error *err)
{
    FUSOR_TRY(
        messenger_stream_begin(&a->stream, a->pull->peer, h, a->out, err));
    FUSOR_TRY(fill_values(s, n_dense, a, err));
    profile_enter(s->config.profile, PROFILE_SEND);
    return messenger_stream_end(a->messenger, &a->stream, err);
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

enum fusor_status server_answer_pull(struct server *s,
                                     const struct lane_pull *pull,
                                     struct lookup *lookup,
                                     struct fusor_error *err)
{
    int dense = (pull->header.flags & PS_WANT_DENSE) != 0;
    size_t n_dense = dense ? (size_t)shard_dense_size(s->config.shard) : 0;
    struct wire_header h = server_answer(s, &pull->header, WIRE_VALUES);
    struct answer a = {.messenger = s->config.messenger,
                       .pull = pull,
                       .lookup = lookup,
                       .encoding = recode_encoding(pull->header.flags)};
    size_t room = values_room(s, pull, dense);

    if (payload_buffer_take(messenger_pool(a.messenger), room, &a.out, err) !=
        FUSOR_OK) {
        s->counters.no_room++;
        if (!(pull->header.flags & PS_PEEK))
            FUSOR_TRY(server_check_values(s, pull->header.lease,
                                          payload_buffer_cost(room), err));
        log_warn("values for lease %u wait: %s", pull->header.lease, err->text);
        return FUSOR_EAGAIN;
    }
    h.flags = recode_flags(a.encoding);
    h.a = held_ns(s, pull);
    profile_enter(s->config.profile, PROFILE_VALUES);
    a.out->size = room;
    if (send_values(s, &h, n_dense, &a, err) == FUSOR_ECLUSTER)
        s->counters.no_room++; // lost, as others: it is asked for again
    payload_buffer_unref(a.out);
    profile_enter(s->config.profile, PROFILE_OTHER);
    if (lookup && lookup->status != FUSOR_OK)
        return lookup->status;
    if (!(pull->header.flags & PS_PEEK))
        note_read(s, pull);
    s->counters.pulls++;
    return FUSOR_OK;
}
