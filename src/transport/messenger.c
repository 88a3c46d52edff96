/* Chunks out, whole messages in. What a full pipe does not take waits in an
 * outbox (transport/outbox.h). */
#include "transport/messenger.h"

#include <string.h>

#include "base/mem.h"
#include "transport/message.h"
#include "transport/outbox.h"

#define ASSEMBLE_TIMEOUT_MS 10000
#define RETRY_MS 1     // a full pipe has no descriptor to wait on
#define PATIENCE_MS 50 // chunks taken in by a receive that only looks

struct messenger {
    struct transport *transport;
    struct payload_pool *pool;
    size_t max_bytes; // of a message
    struct assembler *assembler;
    struct outboxes outboxes;
    struct payload_buffer *held; // of the message handed out last
    struct message again;        // put back: kind WIRE_NONE is none
    int64_t expire_ms;
    uint64_t malformed;
};

/* Where peers may read our payloads: a transport that has none copies. */
static void share_pool(struct messenger *m)
{
    struct payload_region r;

    if (!m->transport->ops->share ||
        payload_pool_share(m->pool, &r, NULL) != FUSOR_OK)
        return;
    transport_share(m->transport, &(struct shared_memory){
                                      .fd = r.fd,
                                      .base = r.base,
                                      .size = r.size,
                                      .most = m->outboxes.max_bytes,
                                  });
}

/* The chunk just delivered, kept in the transport's memory. */
static enum fusor_status take_piece(void *context, struct payload_buffer **out)
{
    struct messenger *m = context;
    enum fusor_status rc;
    struct payload p;

    if (transport_take(m->transport, &p) != 0)
        return FUSOR_EUSAGE;
    rc = payload_buffer_adopt(m->pool, (void *)(uintptr_t)p.data, p.size,
                              p.release, p.hint, out, NULL);
    if (rc != FUSOR_OK)
        p.release((void *)(uintptr_t)p.data, p.hint);
    return rc;
}

enum fusor_status messenger_create(struct transport *t, size_t max_bytes,
                                   struct messenger **out,
                                   struct fusor_error *err)
{
    struct messenger *m = mem_alloc(1, sizeof(*m));
    struct assembler_options options = {
        .max_bytes = max_bytes + max_bytes / 2,
        .max_bytes_per_sender = max_bytes,
        .max_open_per_sender = 256,
        .max_open = 4096,
        .timeout_ms = ASSEMBLE_TIMEOUT_MS,
        .take = take_piece,
        .context = m,
    };
    enum fusor_status rc;

    if (!m)
        return mem_fail(err, "messenger", sizeof(*m));
    m->transport = t;
    m->max_bytes = max_bytes;
    m->outboxes.max_bytes = options.max_bytes;
    rc = payload_pool_create(2 * max_bytes, &m->pool, err);
    if (rc == FUSOR_OK) {
        options.pool = m->pool;
        rc = assembler_create(&options, &m->assembler, err);
    }
    if (rc != FUSOR_OK) {
        messenger_destroy(m);
        return rc;
    }
    share_pool(m);
    *out = m;
    return FUSOR_OK;
}

void messenger_keep_pieces(struct messenger *m, enum wire_kind kind)
{
    assembler_keep_pieces(m->assembler, kind);
}

void messenger_destroy(struct messenger *m)
{
    if (!m)
        return;
    outboxes_clear(&m->outboxes);
    payload_buffer_unref(m->held);
    assembler_destroy(m->assembler);
    payload_pool_destroy(m->pool);
    mem_free(m);
}

enum fusor_status messenger_stream_begin(struct messenger_stream *s,
                                         struct peer to,
                                         const struct wire_header *header,
                                         struct payload_buffer *payload,
                                         struct fusor_error *err)
{
    s->to = to;
    return chunk_source_init(&s->source, header, payload, err);
}

void messenger_stream_advance(struct messenger *m, struct messenger_stream *s,
                              size_t written)
{
    uint32_t full = (uint32_t)(written / WIRE_CHUNK_BYTES);

    if (full > s->source.next && !outboxes_hold(&m->outboxes, s->to) &&
        !transport_lends_message(m->transport, s->to, &s->source))
        transport_send_chunks(m->transport, s->to, &s->source, full, NULL);
}

enum fusor_status messenger_stream_end(struct messenger *m,
                                       struct messenger_stream *s,
                                       struct fusor_error *err)
{
    enum fusor_status rc;

    if (outboxes_hold(&m->outboxes, s->to))
        return outboxes_keep(&m->outboxes, s->to, &s->source, err);
    rc = transport_send_message(m->transport, s->to, &s->source, err);
    if (rc == FUSOR_EAGAIN)
        return outboxes_keep(&m->outboxes, s->to, &s->source, err);
    return rc;
}

enum fusor_status messenger_send(struct messenger *m, struct peer to,
                                 const struct wire_header *header,
                                 struct payload_buffer *payload,
                                 struct fusor_error *err)
{
    struct messenger_stream s;

    FUSOR_TRY(messenger_stream_begin(&s, to, header, payload, err));
    return messenger_stream_end(m, &s, err);
}

int messenger_is_leaving(struct messenger *m, struct peer to, uint64_t request)
{
    return outboxes_hold_request(&m->outboxes, to, request);
}

int messenger_holds(const struct messenger *m, struct peer from,
                    uint64_t request, enum wire_kind kind, uint32_t attempt,
                    uint64_t had[WIRE_CHUNKS_MAX / 64])
{
    return assembler_holds(m->assembler, peer_key(from), request, kind, attempt,
                           had);
}

void messenger_send_missing(struct messenger *m, struct peer to,
                            const struct wire_header *header,
                            struct payload_buffer *payload,
                            const uint64_t had[WIRE_CHUNKS_MAX / 64])
{
    enum fusor_status rc = FUSOR_OK;
    struct chunk_source s;

    if (outboxes_hold(&m->outboxes, to) ||
        chunk_source_init(&s, header, payload, NULL) != FUSOR_OK)
        return;
    for (uint32_t i = 0; i < s.header.n_chunks && rc == FUSOR_OK; i++) {
        if (had[i / 64] >> (i % 64) & 1)
            continue;
        s.next = i;
        rc = transport_send_chunks(m->transport, to, &s, i + 1, NULL);
    }
}

int messenger_lends(struct messenger *m, struct peer to,
                    struct payload_buffer *payload)
{
    struct chunk_source s = {.body = payload};

    return !outboxes_hold(&m->outboxes, to) &&
           (transport_refers(m->transport, to) ||
            transport_lends_message(m->transport, to, &s));
}

enum fusor_status messenger_send_bytes(struct messenger *m, struct peer to,
                                       const struct wire_header *header,
                                       const void *data, size_t size,
                                       struct fusor_error *err)
{
    struct payload_buffer *b;
    enum fusor_status rc;

    FUSOR_TRY(payload_buffer_take(m->pool, size ? size : 1, &b, err));
    if (size)
        memcpy(b->data, data, size);
    b->size = size;
    rc = messenger_send(m, to, header, b, err);
    payload_buffer_unref(b);
    return rc;
}

void messenger_put_back(struct messenger *m, const struct message *msg)
{
    m->again = *msg;
}

int messenger_is_waiting(const struct messenger *m)
{
    return m->outboxes.first != NULL;
}

void messenger_drop_peer(struct messenger *m, struct peer peer)
{
    outboxes_drop(&m->outboxes, peer);
    assembler_forget(m->assembler, peer_key(peer));
}

/* A message that was lent. It is the caller's to give back on failure. */
static enum fusor_status take_loan(struct messenger *m,
                                   const struct delivery *d,
                                   struct message *out, struct fusor_error *err)
{
    const struct payload *loan = &d->loan;
    struct wire_header h;

    FUSOR_TRY(wire_header_decode(d->header, d->header_size, &h, err));
    if (h.total_bytes != loan->size || h.chunk != 0 ||
        loan->size > m->max_bytes)
        return fusor_fail(err, FUSOR_EPROTO,
                          "%s: %zu bytes were lent, its header says %llu",
                          wire_kind_name(h.kind), loan->size,
                          (unsigned long long)h.total_bytes);
    FUSOR_TRY(payload_buffer_borrow(m->pool, loan->data, loan->size,
                                    loan->release, loan->hint, &m->held, err));
    *out = (struct message){.from = d->from,
                            .header = h,
                            .data = loan->data,
                            .size = loan->size,
                            .buffer = m->held};
    return FUSOR_OK;
}

static enum fusor_status take_chunk(struct messenger *m,
                                    const struct delivery *d,
                                    struct message *out,
                                    struct fusor_error *err)
{
    int64_t now = clock_now_ms(messenger_clock(m));
    struct wire_message whole;
    struct wire_header h;
    enum fusor_status rc;

    rc = wire_header_decode(d->header, d->header_size, &h, err);
    if (rc == FUSOR_OK)
        rc = assembler_add(m->assembler, peer_key(d->from), &h, d->payload,
                           d->payload_size, now, &whole, err);
    if (rc != FUSOR_OK)
        return rc;
    m->held = whole.buffer;
    *out =
        (struct message){d->from,      whole.header, whole.payload, whole.size,
                         whole.buffer, whole.pieces, whole.n_pieces};
    return FUSOR_OK;
}

/* One look at the transport. */
static enum fusor_status receive_once(struct messenger *m, struct message *out,
                                      int timeout_ms, struct fusor_error *err)
{
    struct delivery d = {.loan = {0}};
    enum fusor_status rc;

    outboxes_flush(&m->outboxes, m->transport);
    if (messenger_is_waiting(m) && (timeout_ms < 0 || timeout_ms > RETRY_MS))
        timeout_ms = RETRY_MS;
    rc = transport_receive(m->transport, &d, timeout_ms, err);
    if (rc != FUSOR_OK && rc != FUSOR_EPROTO)
        return rc;
    if (rc == FUSOR_OK && d.loan.release) {
        rc = take_loan(m, &d, out, err);
        if (rc != FUSOR_OK)
            d.loan.release((void *)(uintptr_t)d.loan.data, d.loan.hint);
    } else if (rc == FUSOR_OK) {
        rc = take_chunk(m, &d, out, err);
    }
    if (rc == FUSOR_EPROTO)
        m->malformed++;
    else if (rc != FUSOR_EAGAIN)
        return rc;
    *out = (struct message){0}; // a piece, or nothing of use: look again
    return FUSOR_OK;
}

void messenger_let_go(struct messenger *m)
{
    payload_buffer_unref(m->held);
    m->held = NULL;
    assembler_let_go(m->assembler);
}

enum fusor_status messenger_receive(struct messenger *m, struct message *out,
                                    int timeout_ms, struct fusor_error *err)
{
    int64_t start = clock_now_ms(messenger_clock(m));
    int64_t patience = timeout_ms > 0 ? timeout_ms : PATIENCE_MS;
    int64_t spent = 0;

    if (m->again.header.kind != WIRE_NONE) {
        *out = m->again;
        m->again = (struct message){0};
        return FUSOR_OK;
    }
    messenger_let_go(m);
    if (start >= m->expire_ms) {
        assembler_expire(m->assembler, start);
        m->expire_ms = start + ASSEMBLE_TIMEOUT_MS / 10;
    }
    do {
        int left = timeout_ms > 0 ? timeout_ms - (int)spent : timeout_ms;
        enum fusor_status rc = receive_once(m, out, left, err);

        if (rc != FUSOR_OK || out->header.kind != WIRE_NONE)
            return rc;
        spent = clock_now_ms(messenger_clock(m)) - start;
    } while (timeout_ms < 0 || spent < patience);
    return FUSOR_EAGAIN; // chunks that complete nothing must not hold us
}

const struct clock_source *messenger_clock(struct messenger *m)
{
    return transport_clock(m->transport);
}

void messenger_wake(struct messenger *m)
{
    transport_wake(m->transport);
}

size_t messenger_most(const struct messenger *m)
{
    return m->max_bytes;
}

struct payload_pool *messenger_pool(struct messenger *m)
{
    return m->pool;
}

uint64_t messenger_refused(const struct messenger *m)
{
    return assembler_stats(m->assembler).refused;
}

uint64_t messenger_malformed(const struct messenger *m)
{
    return m->malformed;
}
