/* Bounded cursors over little-endian sections. The program runs on
 * little-endian machines only, so sections are the arrays themselves. */
#include "wire/payload.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "payload sections are little-endian arrays used in place"
#endif

static size_t round_up8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

size_t payload_section_bytes(size_t n, size_t element)
{
    return 8 + round_up8(n * element);
}

void payload_writer_init(struct payload_writer *w, void *data, size_t size)
{
    *w = (struct payload_writer){.data = data, .size = size};
    w->failed = ((uintptr_t)data & 7) != 0;
}

void payload_writer_init_buffer(struct payload_writer *w,
                                struct payload_buffer *b)
{
    payload_writer_init(w, b->data, b->capacity);
}

enum fusor_status payload_writer_finish(const struct payload_writer *w,
                                        struct payload_buffer *b,
                                        struct fusor_error *err)
{
    if (w->failed)
        return fusor_fail(err, FUSOR_EINVAL,
                          "payload: does not fit into %zu bytes", w->size);
    b->size = w->used;
    return FUSOR_OK;
}

/* The next n bytes (a multiple of 8), or NULL with failed set. */
static uint8_t *writer_room(struct payload_writer *w, size_t n)
{
    uint8_t *p;

    if (w->failed || n > w->size - w->used) {
        w->failed = 1;
        return NULL;
    }
    p = w->data + w->used;
    w->used += n;
    return p;
}

void payload_put_u64(struct payload_writer *w, uint64_t v)
{
    uint8_t *p = writer_room(w, 8);

    if (p)
        memcpy(p, &v, 8);
}

/* The elements of a new section, its padding already zero. */
static void *writer_section(struct payload_writer *w, size_t n, size_t element)
{
    uint64_t count = n;
    size_t bytes;
    uint8_t *p;

    if (__builtin_mul_overflow(n, element, &bytes) || bytes > w->size) {
        w->failed = 1;
        return NULL;
    }
    p = writer_room(w, 8 + round_up8(bytes));
    if (!p)
        return NULL;
    memcpy(p, &count, 8);
    memset(p + 8 + bytes, 0, round_up8(bytes) - bytes);
    return p + 8;
}

static void writer_put(struct payload_writer *w, const void *v, size_t n,
                       size_t element)
{
    void *p = writer_section(w, n, element);

    if (p && n)
        memcpy(p, v, n * element);
}

void payload_put_bytes(struct payload_writer *w, const void *v, size_t n)
{
    writer_put(w, v, n, 1);
}

void payload_put_u32s(struct payload_writer *w, const uint32_t *v, size_t n)
{
    writer_put(w, v, n, sizeof(*v));
}

void payload_put_u64s(struct payload_writer *w, const uint64_t *v, size_t n)
{
    writer_put(w, v, n, sizeof(*v));
}

void payload_put_f32s(struct payload_writer *w, const float *v, size_t n)
{
    writer_put(w, v, n, sizeof(*v));
}

void *payload_reserve_bytes(struct payload_writer *w, size_t n)
{
    return writer_section(w, n, 1);
}

uint32_t *payload_reserve_u32s(struct payload_writer *w, size_t n)
{
    return writer_section(w, n, sizeof(uint32_t));
}

uint64_t *payload_reserve_u64s(struct payload_writer *w, size_t n)
{
    return writer_section(w, n, sizeof(uint64_t));
}

float *payload_reserve_f32s(struct payload_writer *w, size_t n)
{
    return writer_section(w, n, sizeof(float));
}

void payload_reader_init(struct payload_reader *r, const void *data,
                         size_t size)
{
    *r = (struct payload_reader){.of = {.data = data, .size = size}};
    r->failed = ((uintptr_t)data & 7) != 0;
}

void payload_reader_init_view(struct payload_reader *r,
                              const struct payload_view *v)
{
    *r = (struct payload_reader){.of = *v};
    r->failed = !v->pieces && ((uintptr_t)v->data & 7) != 0;
}

/* Move over n bytes. @return 0: they are not there, the reader has failed */
static int reader_skip(struct payload_reader *r, size_t n)
{
    if (r->failed || n > r->of.size - r->used) {
        r->failed = 1;
        return 0;
    }
    r->used += n;
    return 1;
}

/* The next n bytes, which must stand together. */
static const uint8_t *reader_bytes(struct payload_reader *r, size_t n)
{
    size_t at = r->used, together = n;
    const uint8_t *p;

    if (!reader_skip(r, n))
        return NULL;
    p = r->of.pieces && n ? payload_view_at(&r->of, at, &together)
                          : r->of.data + at;
    if (together >= n)
        return p;
    r->failed = 1;
    return NULL;
}

uint64_t payload_get_u64(struct payload_reader *r)
{
    const uint8_t *p = reader_bytes(r, 8);
    uint64_t v = 0;

    if (p)
        memcpy(&v, p, 8);
    return v;
}

/* The head of a section: how many elements it says and has room for. */
static int reader_count(struct payload_reader *r, size_t element, size_t *n)
{
    uint64_t count = payload_get_u64(r);

    *n = 0;
    if (r->failed || count > (r->of.size - r->used) / element) {
        r->failed = 1;
        return 0;
    }
    *n = (size_t)count;
    return 1;
}

static const void *reader_section(struct payload_reader *r, size_t element,
                                  size_t *n)
{
    const uint8_t *p;

    if (!reader_count(r, element, n))
        return NULL;
    p = reader_bytes(r, round_up8(*n * element));
    if (!p)
        *n = 0;
    return p;
}

size_t payload_skip_section(struct payload_reader *r, size_t element, size_t *n)
{
    size_t at;

    if (!reader_count(r, element, n))
        return 0;
    at = r->used;
    if (reader_skip(r, round_up8(*n * element)))
        return at;
    *n = 0;
    return 0;
}

const void *payload_get_bytes(struct payload_reader *r, size_t *n)
{
    return reader_section(r, 1, n);
}

const uint32_t *payload_get_u32s(struct payload_reader *r, size_t *n)
{
    return reader_section(r, sizeof(uint32_t), n);
}

const uint64_t *payload_get_u64s(struct payload_reader *r, size_t *n)
{
    return reader_section(r, sizeof(uint64_t), n);
}

const float *payload_get_f32s(struct payload_reader *r, size_t *n)
{
    return reader_section(r, sizeof(float), n);
}

enum fusor_status payload_reader_finish(const struct payload_reader *r,
                                        const char *what,
                                        struct fusor_error *err)
{
    if (r->failed)
        return fusor_fail(err, FUSOR_EPROTO,
                          "%s: the payload ends early (%zu bytes)", what,
                          r->of.size);
    if (r->used != r->of.size)
        return fusor_fail(err, FUSOR_EPROTO,
                          "%s: %zu bytes left behind the payload", what,
                          r->of.size - r->used);
    return FUSOR_OK;
}
