/* Chunks out, whole messages in. What a full pipe does not take waits in one
 * list per peer, so the order of a pair is kept. */
#include "transport/messenger.h"

#include <string.h>

#include "base/mem.h"
#include "transport/message.h"

#define ASSEMBLE_TIMEOUT_MS 10000
#define RETRY_MS 1 // a full pipe has no descriptor to wait on
#define OUTBOX_MAX 65536

struct outgoing {
    struct peer to;
    struct chunk_source source;
    struct outgoing *next;
};

struct messenger {
    struct transport *transport;
    struct payload_pool *pool;
    struct assembler *assembler;
    struct outgoing *first, **last;
    size_t n_outgoing;
    struct payload_buffer *held; // of the message handed out last
    int64_t expire_ms;
    uint64_t malformed;
};

enum fusor_status messenger_create(struct transport *t, size_t max_bytes,
                                   struct messenger **out,
                                   struct fusor_error *err)
{
    struct messenger *m = mem_alloc(1, sizeof(*m));
    struct assembler_options options = {
        .max_bytes = max_bytes,
        .max_bytes_per_sender = max_bytes,
        .max_open_per_sender = 256,
        .max_open = 4096,
        .timeout_ms = ASSEMBLE_TIMEOUT_MS,
    };
    enum fusor_status rc;

    if (!m)
        return mem_fail(err, "messenger", sizeof(*m));
    m->transport = t;
    m->last = &m->first;
    rc = payload_pool_create(2 * max_bytes, &m->pool, err);
    if (rc == FUSOR_OK) {
        options.pool = m->pool;
        rc = assembler_create(&options, &m->assembler, err);
    }
    if (rc != FUSOR_OK) {
        messenger_destroy(m);
        return rc;
    }
    *out = m;
    return FUSOR_OK;
}

static void outgoing_free(struct messenger *m, struct outgoing *o)
{
    payload_buffer_unref(o->source.body);
    mem_free(o);
    m->n_outgoing--;
}

void messenger_destroy(struct messenger *m)
{
    struct outgoing *o, *next;

    if (!m)
        return;
    for (o = m->first; o; o = next) {
        next = o->next;
        outgoing_free(m, o);
    }
    payload_buffer_unref(m->held);
    assembler_destroy(m->assembler);
    payload_pool_destroy(m->pool);
    mem_free(m);
}

static int same_peer(struct peer a, struct peer b)
{
    return a.kind == b.kind && a.number == b.number;
}

static int has_waiting(const struct messenger *m, struct peer to)
{
    for (const struct outgoing *o = m->first; o; o = o->next)
        if (same_peer(o->to, to))
            return 1;
    return 0;
}

static enum fusor_status keep_for_later(struct messenger *m, struct peer to,
                                        const struct chunk_source *source,
                                        struct fusor_error *err)
{
    struct outgoing *o;

    if (m->n_outgoing >= OUTBOX_MAX)
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "%d messages wait for peers that do not read",
                          OUTBOX_MAX);
    o = mem_alloc(1, sizeof(*o));
    if (!o)
        return mem_fail(err, "outgoing message", sizeof(*o));
    o->to = to;
    o->source = *source;
    if (o->source.body)
        payload_buffer_ref(o->source.body);
    *m->last = o;
    m->last = &o->next;
    m->n_outgoing++;
    return FUSOR_OK;
}

enum fusor_status messenger_send(struct messenger *m, struct peer to,
                                 const struct wire_header *header,
                                 struct payload_buffer *payload,
                                 struct fusor_error *err)
{
    struct chunk_source source;
    enum fusor_status rc;

    FUSOR_TRY(chunk_source_init(&source, header, payload, err));
    if (m->first && has_waiting(m, to))
        return keep_for_later(m, to, &source, err);
    rc = transport_send_message(m->transport, to, &source, err);
    if (rc == FUSOR_EAGAIN)
        return keep_for_later(m, to, &source, err);
    return rc;
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

/* Offer everything that waits once; a peer whose pipe is still full keeps its
 * place, and so does everything behind it for the same peer. */
static void flush(struct messenger *m)
{
    struct outgoing **at = &m->first;
    struct peer full[8];
    size_t n_full = 0;

    while (*at) {
        struct outgoing *o = *at;
        size_t i;

        for (i = 0; i < n_full && !same_peer(full[i], o->to); i++)
            ;
        if (i == n_full && n_full < 8) {
            if (transport_send_message(m->transport, o->to, &o->source, NULL) !=
                FUSOR_EAGAIN) {
                *at = o->next; // sent, or the peer has gone
                outgoing_free(m, o);
                continue;
            }
            full[n_full++] = o->to;
        }
        at = &o->next;
    }
    m->last = at;
}

void messenger_drop_peer(struct messenger *m, struct peer peer)
{
    struct outgoing **at = &m->first;

    while (*at) {
        struct outgoing *o = *at;

        if (same_peer(o->to, peer)) {
            *at = o->next;
            outgoing_free(m, o);
        } else {
            at = &o->next;
        }
    }
    m->last = at;
    assembler_forget(m->assembler, (uint64_t)peer.kind << 32 | peer.number);
}

static enum fusor_status take_chunk(struct messenger *m,
                                    const struct delivery *d,
                                    struct message *out,
                                    struct fusor_error *err)
{
    uint64_t sender = (uint64_t)d->from.kind << 32 | d->from.number;
    int64_t now = clock_now_ms(messenger_clock(m));
    struct wire_message whole;
    struct wire_header h;
    enum fusor_status rc;

    rc = wire_header_decode(d->header, d->header_size, &h, err);
    if (rc == FUSOR_OK)
        rc = assembler_add(m->assembler, sender, &h, d->payload,
                           d->payload_size, now, &whole, err);
    if (rc != FUSOR_OK)
        return rc;
    m->held = whole.buffer;
    *out = (struct message){d->from, whole.header, whole.payload, whole.size,
                            whole.buffer};
    return FUSOR_OK;
}

enum fusor_status messenger_receive(struct messenger *m, struct message *out,
                                    int timeout_ms, struct fusor_error *err)
{
    int64_t now = clock_now_ms(messenger_clock(m));
    struct delivery d;
    enum fusor_status rc;

    payload_buffer_unref(m->held);
    m->held = NULL;
    if (now >= m->expire_ms) {
        assembler_expire(m->assembler, now);
        m->expire_ms = now + ASSEMBLE_TIMEOUT_MS / 10;
    }
    for (;;) {
        int wait = timeout_ms;

        if (m->first) {
            flush(m);
            if (m->first && (wait < 0 || wait > RETRY_MS))
                wait = RETRY_MS;
        }
        rc = transport_receive(m->transport, &d, wait, err);
        if (rc == FUSOR_OK)
            rc = take_chunk(m, &d, out, err);
        else if (rc != FUSOR_EPROTO)
            return rc;
        if (rc == FUSOR_OK)
            return rc;
        if (rc == FUSOR_EPROTO)
            m->malformed++;
        else if (rc != FUSOR_EAGAIN)
            return rc;
    }
}

const struct clock_source *messenger_clock(struct messenger *m)
{
    return m->transport->ops->clock(m->transport);
}

void messenger_wake(struct messenger *m)
{
    m->transport->ops->wake(m->transport);
}

struct payload_pool *messenger_pool(struct messenger *m)
{
    return m->pool;
}

uint64_t messenger_malformed(const struct messenger *m)
{
    return m->malformed;
}
