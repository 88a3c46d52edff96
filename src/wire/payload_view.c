/* Finding bytes in a payload that may lie in pieces. */
#include <string.h>

#include "wire/header.h"
#include "wire/payload.h"

const uint8_t *payload_view_at(const struct payload_view *v, size_t at,
                               size_t *n)
{
    const struct payload_buffer *piece;

    if (!v->pieces) {
        *n = v->size - at;
        return v->data + at;
    }
    piece = v->pieces[at / WIRE_CHUNK_BYTES];
    at %= WIRE_CHUNK_BYTES;
    *n = piece->size - at;
    return piece->data + at;
}

void payload_view_copy(const struct payload_view *v, size_t at, size_t n,
                       void *out)
{
    uint8_t *to = out;
    size_t m;

    for (; n; at += m, n -= m, to += m) {
        const uint8_t *from = payload_view_at(v, at, &m);

        m = m < n ? m : n;
        memcpy(to, from, m);
    }
}

enum fusor_status payload_view_join(const struct payload_view *v,
                                    struct payload_pool *pool,
                                    struct payload_buffer **out,
                                    struct fusor_error *err)
{
    FUSOR_TRY(payload_buffer_take(pool, v->size ? v->size : 1, out, err));
    payload_view_copy(v, 0, v->size, (*out)->data);
    (*out)->size = v->size;
    return FUSOR_OK;
}
