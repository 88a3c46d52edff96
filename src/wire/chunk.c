/* A logical message on its way out, cut into chunks that point into its one
 * buffer. */
#include "wire/chunk.h"

uint32_t chunk_count(uint64_t total_bytes)
{
    if (total_bytes > WIRE_TOTAL_MAX)
        return 0;
    if (total_bytes == 0)
        return 1;
    return (uint32_t)((total_bytes + WIRE_CHUNK_BYTES - 1) / WIRE_CHUNK_BYTES);
}

enum fusor_status chunk_source_init(struct chunk_source *s,
                                    const struct wire_header *h,
                                    struct payload_buffer *body,
                                    struct fusor_error *err)
{
    uint64_t total = body ? body->size : 0;
    uint32_t n = chunk_count(total);

    if (!n)
        return fusor_fail(err, FUSOR_EINVAL,
                          "%s: %llu bytes in one message, at most %llu: use "
                          "smaller batches or more servers",
                          wire_kind_name(h->kind), (unsigned long long)total,
                          (unsigned long long)WIRE_TOTAL_MAX);
    *s = (struct chunk_source){.header = *h, .body = body};
    s->header.n_chunks = n;
    s->header.total_bytes = total;
    return FUSOR_OK;
}

int chunk_source_peek(const struct chunk_source *s, struct chunk *out)
{
    struct wire_header h = s->header;
    uint64_t at = (uint64_t)s->next * WIRE_CHUNK_BYTES;
    uint64_t left;

    if (s->next >= h.n_chunks)
        return 0;
    h.chunk = s->next;
    left = h.total_bytes - at;
    out->header_size = wire_header_encode(&h, out->header);
    out->data = s->body ? s->body->data + at : NULL;
    out->size = left < WIRE_CHUNK_BYTES ? (size_t)left : WIRE_CHUNK_BYTES;
    return 1;
}

void chunk_source_advance(struct chunk_source *s)
{
    s->next++;
}
