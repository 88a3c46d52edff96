/* Sends a logical message chunk by chunk; each chunk under way holds its own
 * reference to the body. */
#include "transport/message.h"

enum fusor_status transport_send_chunks(struct transport *t, struct peer to,
                                        struct chunk_source *source,
                                        uint32_t end, struct fusor_error *err)
{
    struct chunk c;

    while (source->next < end && chunk_source_peek(source, &c)) {
        struct payload p = {.data = c.data, .size = c.size};
        enum fusor_status rc;

        if (source->body) {
            p.release = payload_buffer_release;
            p.hint = payload_buffer_ref(source->body);
        }
        rc = transport_send(t, to, c.header, c.header_size, &p, err);
        if (rc != FUSOR_OK) {
            if (source->body)
                payload_buffer_unref(source->body);
            return rc;
        }
        chunk_source_advance(source);
    }
    return FUSOR_OK;
}

enum fusor_status transport_send_message(struct transport *t, struct peer to,
                                         struct chunk_source *source,
                                         struct fusor_error *err)
{
    return transport_send_chunks(t, to, source, source->header.n_chunks, err);
}

enum fusor_status transport_send_header(struct transport *t, struct peer to,
                                        const struct wire_header *h,
                                        struct fusor_error *err)
{
    uint8_t bytes[WIRE_HEADER_MAX];
    size_t n = wire_header_encode(h, bytes);

    return transport_send(t, to, bytes, n, NULL, err);
}
