/* Messages that a full pipe did not take, in one list per peer. */
#include "transport/outbox.h"

#include "base/mem.h"
#include "transport/message.h"

struct outgoing {
    struct chunk_source source;
    struct outgoing *next;
};

struct outbox {
    struct peer to;
    struct outgoing *first, **last;
    size_t n;
    size_t bytes; // of their buffers
    struct outbox *next;
};

static size_t size_of(const struct chunk_source *source)
{
    return source->body ? source->body->capacity : 0;
}

/* Let go of the oldest message of an outbox. */
static void drop_first(struct outbox *box)
{
    struct outgoing *o = box->first;

    box->first = o->next;
    if (!box->first)
        box->last = &box->first;
    box->n--;
    box->bytes -= size_of(&o->source);
    payload_buffer_unref(o->source.body);
    mem_free(o);
}

static void remove_box(struct outbox **at)
{
    struct outbox *box = *at;

    while (box->first)
        drop_first(box);
    *at = box->next;
    mem_free(box);
}

void outboxes_clear(struct outboxes *o)
{
    while (o->first)
        remove_box(&o->first);
}

static int same_peer(struct peer a, struct peer b)
{
    return a.kind == b.kind && a.number == b.number &&
           a.incarnation == b.incarnation; // answers are for one of them only
}

/* The peer's outbox, or NULL. */
static struct outbox *find(const struct outboxes *o, struct peer to)
{
    struct outbox *box = o->first;

    while (box && !same_peer(box->to, to))
        box = box->next;
    return box;
}

/* A request that still waits is not queued twice when it is sent again: the
 * newer copy takes its place, unless the first chunks are out already.
 * @return 1: nothing is left to do */
static int replace_waiting(struct outbox *box,
                           const struct chunk_source *source)
{
    const struct wire_header *h = &source->header;
    struct outgoing *o = box->first;

    if (h->request == 0 || source->next != 0)
        return 0;
    while (o && (o->source.header.request != h->request ||
                 o->source.header.kind != h->kind))
        o = o->next;
    if (!o)
        return 0;
    if (o->source.next == 0) {
        box->bytes += size_of(source) - size_of(&o->source);
        if (source->body)
            payload_buffer_ref(source->body);
        payload_buffer_unref(o->source.body);
        o->source = *source;
    }
    return 1;
}

/* A new outbox, behind the others. */
static struct outbox *open_box(struct outboxes *o, struct peer to)
{
    struct outbox **at = &o->first;

    while (*at)
        at = &(*at)->next;
    *at = mem_alloc(1, sizeof(**at));
    if (*at) {
        (*at)->to = to;
        (*at)->last = &(*at)->first;
    }
    return *at;
}

static void append(struct outbox *box, struct outgoing *o)
{
    *box->last = o;
    box->last = &o->next;
    box->n++;
    box->bytes += size_of(&o->source);
}

enum fusor_status outboxes_keep(struct outboxes *o, struct peer to,
                                const struct chunk_source *source,
                                struct fusor_error *err)
{
    struct outbox *box = find(o, to);
    struct outgoing *kept;

    if (box && replace_waiting(box, source))
        return FUSOR_OK;
    if (box &&
        (box->n >= OUTBOX_MAX || box->bytes + size_of(source) > o->max_bytes))
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "%zu messages of %zu bytes wait for a peer that "
                          "does not read",
                          box->n, box->bytes);
    kept = mem_alloc(1, sizeof(*kept));
    if (kept && !box)
        box = open_box(o, to);
    if (!kept || !box) {
        mem_free(kept);
        return mem_fail(err, "outgoing message", sizeof(*kept));
    }
    kept->source = *source;
    if (source->body)
        payload_buffer_ref(source->body);
    append(box, kept);
    return FUSOR_OK;
}

void outboxes_flush(struct outboxes *o, struct transport *t)
{
    struct outbox **at = &o->first;

    while (*at) {
        struct outbox *box = *at;

        while (box->first &&
               transport_send_message(t, box->to, &box->first->source, NULL) !=
                   FUSOR_EAGAIN)
            drop_first(box);
        if (box->first)
            at = &box->next;
        else
            remove_box(at);
    }
}

void outboxes_drop(struct outboxes *o, struct peer to)
{
    struct outbox **at = &o->first;

    while (*at && !same_peer((*at)->to, to))
        at = &(*at)->next;
    if (*at)
        remove_box(at);
}

int outboxes_hold(const struct outboxes *o, struct peer to)
{
    return find(o, to) != NULL;
}

int outboxes_hold_request(const struct outboxes *o, struct peer to,
                          uint64_t request)
{
    const struct outbox *box = find(o, to);

    for (const struct outgoing *m = box ? box->first : NULL; m; m = m->next)
        if (m->source.header.request == request)
            return 1;
    return 0;
}
