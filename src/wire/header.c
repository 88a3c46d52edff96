/* Header <-> bytes. Encoding and decoding mirror each other field by field; a
 * decoded header is packed again and compared, so that doubled, unknown,
 * explicit-zero and reordered fields are all refused by one rule. protobuf-c
 * allocates from a small block on the stack, which also bounds what a hostile
 * header can cost (protobuf-c has no limits of its own). */
#include "wire/header.h"

#include <assert.h>
#include <string.h>

#include "pb/fusor.pb-c.h"

#define BUDGET_BYTES 4096 /* a header and its scan slabs take below 3 KiB */

#define WIRE_FIELD_LIST(X) \
    X(kind)                \
    X(chunk)               \
    X(n_chunks)            \
    X(request)             \
    X(job)                 \
    X(epoch)               \
    X(lease)               \
    X(term)                \
    X(index)               \
    X(clock)               \
    X(worker)              \
    X(shard)               \
    X(incarnation)         \
    X(attempt)             \
    X(total_bytes)         \
    X(status)              \
    X(samples)             \
    X(flags)               \
    X(a)                   \
    X(b)                   \
    X(credit)

enum {
#define COUNT_STATUS(name, exit_code, text) COUNTED_##name,
    FUSOR_STATUS_LIST(COUNT_STATUS)
#undef COUNT_STATUS
        N_STATUS
};

static const char *const kind_names[] = {
#define KIND_NAME(name, text) [WIRE_##name] = text,
    WIRE_KIND_LIST(KIND_NAME)
#undef KIND_NAME
};

struct budget {
    _Alignas(max_align_t) uint8_t bytes[BUDGET_BYTES];
    size_t used;
};

static void *budget_alloc(void *self, size_t size)
{
    struct budget *b = self;
    size_t align = sizeof(max_align_t);
    void *p;

    if (size > BUDGET_BYTES - b->used)
        return NULL;
    p = b->bytes + b->used;
    b->used += (size + align - 1) / align * align;
    if (b->used > BUDGET_BYTES)
        b->used = BUDGET_BYTES;
    return p;
}

/* The whole block goes with the stack frame. */
static void budget_free(void *self, void *p)
{
    (void)self;
    (void)p;
}

const char *wire_kind_name(enum wire_kind kind)
{
    unsigned k = (unsigned)kind;

    return k > WIRE_NONE && k < WIRE_KIND_END ? kind_names[k] : "?";
}

/* What is wrong with the values of a header, or NULL. */
static const char *header_fault(const Fusor__Pb__Header *m)
{
    uint64_t full = (m->total_bytes + WIRE_CHUNK_BYTES - 1) / WIRE_CHUNK_BYTES;

    if (m->kind == WIRE_NONE || m->kind >= WIRE_KIND_END)
        return "unknown kind";
    if (m->total_bytes > WIRE_TOTAL_MAX)
        return "message too large";
    if (m->n_chunks != (full ? full : 1))
        return "number of chunks does not fit the size";
    if (m->chunk >= m->n_chunks)
        return "chunk number too high";
    if (m->status >= N_STATUS)
        return "unknown status";
    return NULL;
}

static Fusor__Pb__Header header_to_pb(const struct wire_header *h)
{
    Fusor__Pb__Header m = FUSOR__PB__HEADER__INIT;

#define TO_PB(field) m.field = h->field;
    WIRE_FIELD_LIST(TO_PB)
#undef TO_PB
    if (!m.n_chunks)
        m.n_chunks = 1;
    return m;
}

static void header_from_pb(struct wire_header *h, const Fusor__Pb__Header *m)
{
    memset(h, 0, sizeof(*h));
#define FROM_PB(field) h->field = m->field;
    WIRE_FIELD_LIST(FROM_PB)
#undef FROM_PB
}

size_t wire_header_encode(const struct wire_header *h,
                          uint8_t out[WIRE_HEADER_MAX])
{
    Fusor__Pb__Header m = header_to_pb(h);

    assert(!header_fault(&m));
    out[0] = WIRE_MAGIC;
    out[1] = WIRE_VERSION;
    out[2] = 0;
    out[3] = 0;
    return WIRE_PREFIX_BYTES +
           fusor__pb__header__pack(&m, out + WIRE_PREFIX_BYTES);
}

static enum fusor_status prefix_check(const uint8_t *p, size_t size,
                                      struct fusor_error *err)
{
    if (size < WIRE_PREFIX_BYTES || size > WIRE_HEADER_MAX)
        return fusor_fail(err, FUSOR_EPROTO, "header: %zu bytes, not %d to %d",
                          size, WIRE_PREFIX_BYTES, WIRE_HEADER_MAX);
    if (p[0] != WIRE_MAGIC)
        return fusor_fail(err, FUSOR_EPROTO,
                          "header: begins with 0x%02x: not a fusor message",
                          p[0]);
    if (p[1] != WIRE_VERSION)
        return fusor_fail(err, FUSOR_EPROTO,
                          "header: wire version %d, this program speaks %d: "
                          "run the same fusor on every host",
                          p[1], WIRE_VERSION);
    if (p[2] || p[3])
        return fusor_fail(err, FUSOR_EPROTO,
                          "header: unknown feature bits 0x%02x%02x", p[3],
                          p[2]);
    return FUSOR_OK;
}

enum fusor_status wire_header_decode(const void *bytes, size_t size,
                                     struct wire_header *h,
                                     struct fusor_error *err)
{
    const uint8_t *p = bytes;
    struct budget budget;
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
    uint8_t again[WIRE_HEADER_MAX];
    Fusor__Pb__Header *m;
    const char *fault;
    size_t n;

    FUSOR_TRY(prefix_check(p, size, err));
    p += WIRE_PREFIX_BYTES;
    n = size - WIRE_PREFIX_BYTES;
    budget.used = 0;
    m = fusor__pb__header__unpack(&allocator, n, p);
    if (!m)
        return fusor_fail(err, FUSOR_EPROTO, "header: no protobuf message");
    if (m->base.n_unknown_fields ||
        fusor__pb__header__get_packed_size(m) != n ||
        (fusor__pb__header__pack(m, again), memcmp(again, p, n)))
        return fusor_fail(err, FUSOR_EPROTO,
                          "header: unknown, repeated or surplus fields");
    fault = header_fault(m);
    if (fault)
        return fusor_fail(err, FUSOR_EPROTO,
                          "header: %s (kind %u, chunk %u of %u, %llu bytes)",
                          fault, m->kind, m->chunk, m->n_chunks,
                          (unsigned long long)m->total_bytes);
    header_from_pb(h, m);
    return FUSOR_OK;
}
