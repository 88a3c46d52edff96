/* Chunks of many senders back into messages, within a budget. Unfinished
 * messages stand in one array that is searched from the front: there are few,
 * and messages of a single chunk never get there. */
#include "wire/chunk.h"

#include <string.h>

#include "base/mem.h"

#define N_DONE 256 /* finished messages remembered to know late copies */

struct message_key {
    uint64_t sender;
    uint64_t request;
    enum wire_kind kind;
};

/* Chunks that stay where they arrived. The array outlives its message. */
struct piece_list {
    struct payload_buffer **at; // [cap] the first n, NULL: not here yet
    uint32_t n;
    size_t cap;
};

struct open_message {
    struct message_key key;
    struct wire_header header;     // of its first chunk
    struct payload_buffer *buffer; // NULL: in pieces
    struct piece_list pieces;
    uint32_t n_had;
    int64_t last_ms; // when it last got a new chunk
    uint64_t had[WIRE_CHUNKS_MAX / 64];
};

struct done_message {
    struct message_key key;
    uint32_t attempt;
};

struct assembler {
    struct assembler_options options;
    struct open_message *open; // [options.max_open], the first n_open in use
    unsigned n_open;
    struct piece_list whole; // handed out last
    struct done_message done[N_DONE];
    unsigned next_done;
    struct assembler_stats stats;
};

static int key_same(struct message_key a, struct message_key b)
{
    return a.sender == b.sender && a.request == b.request && a.kind == b.kind;
}

static struct open_message *open_find(struct assembler *a,
                                      struct message_key key)
{
    for (unsigned i = 0; i < a->n_open; i++)
        if (key_same(a->open[i].key, key))
            return &a->open[i];
    return NULL;
}

static void pieces_drop(struct piece_list *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        payload_buffer_unref(l->at[i]);
    l->n = 0;
}

/* @return 0, or -1: no memory */
static int pieces_begin(struct piece_list *l, uint32_t n)
{
    if (l->cap < n) {
        struct payload_buffer **fresh = mem_alloc(n, sizeof(*fresh));

        if (!fresh)
            return -1;
        mem_free(l->at);
        l->at = fresh;
        l->cap = n;
    }
    memset(l->at, 0, n * sizeof(*l->at));
    l->n = n;
    return 0;
}

static void open_remove(struct assembler *a, struct open_message *m)
{
    struct open_message *last = &a->open[--a->n_open];
    struct piece_list spare;

    payload_buffer_unref(m->buffer);
    pieces_drop(&m->pieces);
    a->stats.open_bytes -= (size_t)m->header.total_bytes;
    spare = m->pieces;
    *m = *last;
    last->pieces = spare;
    last->buffer = NULL;
}

static int done_before(const struct assembler *a, struct message_key key,
                       uint32_t attempt)
{
    for (unsigned i = 0; i < N_DONE; i++)
        if (key_same(a->done[i].key, key) && attempt <= a->done[i].attempt)
            return 1;
    return 0;
}

static void done_add(struct assembler *a, struct message_key key,
                     uint32_t attempt)
{
    a->done[a->next_done] = (struct done_message){key, attempt};
    a->next_done = (a->next_done + 1) % N_DONE;
}

/* Do two chunks of one attempt say the same about their message? */
static int header_agrees(const struct wire_header *x,
                         const struct wire_header *y)
{
    return x->n_chunks == y->n_chunks && x->total_bytes == y->total_bytes &&
           x->job == y->job && x->epoch == y->epoch && x->lease == y->lease &&
           x->term == y->term && x->index == y->index && x->clock == y->clock &&
           x->worker == y->worker && x->shard == y->shard &&
           x->flags == y->flags && x->a == y->a && x->b == y->b;
}

static size_t chunk_bytes(const struct wire_header *h)
{
    uint64_t at = (uint64_t)h->chunk * WIRE_CHUNK_BYTES;
    uint64_t left = h->total_bytes - at;

    return left < WIRE_CHUNK_BYTES ? (size_t)left : WIRE_CHUNK_BYTES;
}

/* May a message of this size be opened for this sender now? */
static int room_for(const struct assembler *a, uint64_t sender, uint64_t total)
{
    const struct assembler_options *o = &a->options;
    uint64_t bytes = total;
    unsigned n = 1;

    for (unsigned i = 0; i < a->n_open; i++)
        if (a->open[i].key.sender == sender) {
            bytes += a->open[i].header.total_bytes;
            n++;
        }
    return n <= o->max_open_per_sender && bytes <= o->max_bytes_per_sender &&
           a->n_open < o->max_open &&
           total + a->stats.open_bytes <= o->max_bytes;
}

static struct open_message *open_add(struct assembler *a,
                                     struct message_key key,
                                     const struct wire_header *h)
{
    struct open_message *m = &a->open[a->n_open];
    struct piece_list pieces = m->pieces;
    struct payload_buffer *buffer = NULL;
    size_t size = (size_t)h->total_bytes;
    int kept = a->options.kept >> h->kind & 1;

    if (!room_for(a, key.sender, size) ||
        (kept ? pieces_begin(&pieces, h->n_chunks)
              : payload_buffer_take(a->options.pool, size, &buffer, NULL) !=
                    FUSOR_OK)) {
        a->stats.refused++;
        return NULL;
    }
    memset(m, 0, sizeof(*m));
    m->key = key;
    m->header = *h;
    m->buffer = buffer;
    m->pieces = pieces;
    if (buffer)
        buffer->size = size;
    a->n_open++;
    a->stats.open_bytes += size;
    return m;
}

/* The message this chunk belongs to, opened if need be; NULL when the chunk is
 * to be dropped, with the reason counted. */
static struct open_message *open_for(struct assembler *a,
                                     struct message_key key,
                                     const struct wire_header *h,
                                     int64_t now_ms)
{
    struct open_message *m = open_find(a, key);

    if (m && h->attempt < m->header.attempt) {
        a->stats.late++;
        return NULL;
    }
    if (m && h->attempt == m->header.attempt)
        return m;
    if (m) {
        a->stats.restarted++;
        open_remove(a, m);
    } else if (done_before(a, key, h->attempt)) {
        a->stats.duplicates++;
        return NULL;
    }
    if (a->n_open)
        assembler_expire(a, now_ms);
    return open_add(a, key, h);
}

static enum fusor_status whole(struct assembler *a, struct wire_message *out,
                               const struct wire_header *h, const void *data,
                               size_t size)
{
    *out = (struct wire_message){.header = *h, .payload = data, .size = size};
    a->stats.completed++;
    return FUSOR_OK;
}

enum fusor_status assembler_create(const struct assembler_options *o,
                                   struct assembler **out,
                                   struct fusor_error *err)
{
    struct assembler *a = mem_alloc(1, sizeof(*a));

    if (!a)
        return mem_fail(err, "assembler", sizeof(*a));
    a->open = mem_alloc(o->max_open, sizeof(*a->open));
    if (!a->open) {
        mem_free(a);
        return mem_fail(err, "assembler", o->max_open * sizeof(*a->open));
    }
    a->options = *o;
    *out = a;
    return FUSOR_OK;
}

void assembler_destroy(struct assembler *a)
{
    if (!a)
        return;
    while (a->n_open)
        open_remove(a, &a->open[0]);
    pieces_drop(&a->whole);
    mem_free(a->whole.at);
    for (unsigned i = 0; i < a->options.max_open; i++)
        mem_free(a->open[i].pieces.at);
    mem_free(a->open);
    mem_free(a);
}

void assembler_let_go(struct assembler *a)
{
    pieces_drop(&a->whole);
}

/* The chunk as a piece of its own: where it is, or a copy. */
static struct payload_buffer *piece_make(struct assembler *a, const void *data,
                                         size_t size)
{
    const struct assembler_options *o = &a->options;
    struct payload_buffer *b = NULL;
    enum fusor_status rc = o->take ? o->take(o->context, &b) : FUSOR_EUSAGE;

    if (rc != FUSOR_EUSAGE ||
        payload_buffer_take(o->pool, size, &b, NULL) != FUSOR_OK)
        return b;
    memcpy(b->data, data, size);
    b->size = size;
    return b;
}

/* @return 0, or -1: no room for it now */
static int chunk_store(struct assembler *a, struct open_message *m,
                       uint32_t chunk, const void *data, size_t size)
{
    if (m->buffer) {
        memcpy(m->buffer->data + (size_t)chunk * WIRE_CHUNK_BYTES, data, size);
        return 0;
    }
    m->pieces.at[chunk] = piece_make(a, data, size);
    return m->pieces.at[chunk] ? 0 : -1;
}

/* All chunks are here: the message is the caller's. */
static enum fusor_status hand_out(struct assembler *a, struct open_message *m,
                                  const struct wire_header *h,
                                  struct wire_message *out)
{
    struct payload_buffer *buffer = m->buffer;
    struct piece_list spare;

    assembler_let_go(a);
    spare = a->whole;
    done_add(a, m->key, h->attempt);
    a->whole = m->pieces;
    m->pieces = spare;
    m->buffer = NULL;
    open_remove(a, m);
    whole(a, out, h, buffer ? buffer->data : NULL, (size_t)h->total_bytes);
    out->buffer = buffer;
    out->pieces = buffer ? NULL : a->whole.at;
    out->n_pieces = a->whole.n;
    return FUSOR_OK;
}

static enum fusor_status open_fill(struct assembler *a, struct open_message *m,
                                   const struct wire_header *h,
                                   const void *data, int64_t now_ms,
                                   struct wire_message *out)
{
    uint64_t bit = (uint64_t)1 << (h->chunk % 64);

    if (m->had[h->chunk / 64] & bit) {
        a->stats.duplicates++;
        return FUSOR_EAGAIN;
    }
    if (chunk_store(a, m, h->chunk, data, chunk_bytes(h)) != 0) {
        a->stats.refused++;
        return FUSOR_EAGAIN;
    }
    m->had[h->chunk / 64] |= bit;
    m->last_ms = now_ms;
    if (++m->n_had < h->n_chunks)
        return FUSOR_EAGAIN;
    return hand_out(a, m, h, out);
}

void assembler_keep_pieces(struct assembler *a, enum wire_kind kind)
{
    a->options.kept |= 1u << kind;
}

enum fusor_status assembler_add(struct assembler *a, uint64_t sender,
                                const struct wire_header *h, const void *data,
                                size_t size, int64_t now_ms,
                                struct wire_message *out,
                                struct fusor_error *err)
{
    struct message_key key = {sender, h->request, h->kind};
    struct open_message *m;

    if (size != chunk_bytes(h))
        return fusor_fail(err, FUSOR_EPROTO,
                          "%s: chunk %u of %u has %zu bytes, its header says "
                          "%zu",
                          wire_kind_name(h->kind), h->chunk, h->n_chunks, size,
                          chunk_bytes(h));
    if (h->n_chunks == 1)
        return whole(a, out, h, data, size);
    if (h->total_bytes > a->options.max_bytes_per_sender)
        return fusor_fail(err, FUSOR_EPROTO,
                          "%s: a message of %llu bytes, at most %zu are taken",
                          wire_kind_name(h->kind),
                          (unsigned long long)h->total_bytes,
                          a->options.max_bytes_per_sender);
    m = open_for(a, key, h, now_ms);
    if (!m)
        return FUSOR_EAGAIN;
    if (!header_agrees(&m->header, h)) {
        open_remove(a, m);
        return fusor_fail(err, FUSOR_EPROTO,
                          "%s: chunk %u contradicts an earlier chunk of "
                          "request %llu",
                          wire_kind_name(h->kind), h->chunk,
                          (unsigned long long)h->request);
    }
    return open_fill(a, m, h, data, now_ms, out);
}

int assembler_holds(const struct assembler *a, uint64_t sender,
                    uint64_t request, enum wire_kind kind, uint32_t attempt,
                    uint64_t had[WIRE_CHUNKS_MAX / 64])
{
    struct message_key key = {sender, request, kind};

    for (unsigned i = 0; i < a->n_open; i++) {
        const struct open_message *m = &a->open[i];

        if (!key_same(m->key, key) || m->header.attempt != attempt)
            continue;
        memcpy(had, m->had, sizeof(m->had));
        return 1;
    }
    return 0;
}

unsigned assembler_expire(struct assembler *a, int64_t now_ms)
{
    unsigned n = 0;

    for (unsigned i = a->n_open; i-- > 0;)
        if (now_ms - a->open[i].last_ms > a->options.timeout_ms) {
            open_remove(a, &a->open[i]);
            n++;
        }
    a->stats.abandoned += n;
    return n;
}

void assembler_forget(struct assembler *a, uint64_t sender)
{
    for (unsigned i = a->n_open; i-- > 0;)
        if (a->open[i].key.sender == sender)
            open_remove(a, &a->open[i]);
    for (unsigned i = 0; i < N_DONE; i++)
        if (a->done[i].key.sender == sender)
            a->done[i] = (struct done_message){.attempt = 0};
}

struct assembler_stats assembler_stats(const struct assembler *a)
{
    struct assembler_stats s = a->stats;

    s.open = a->n_open;
    return s;
}
