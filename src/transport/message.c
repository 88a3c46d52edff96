/* Sends a logical message chunk by chunk; each chunk under way holds its own
 * reference to the body. Or lends all of it. */
#include "transport/message.h"

#define LEND_MIN 16384 /* bytes: a smaller payload is copied as fast */

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

int transport_lends_message(struct transport *t, struct peer to,
                            const struct chunk_source *source)
{
    const struct payload_buffer *b = source->body;
    struct payload p;

    if (!b || b->size < LEND_MIN || source->next != 0)
        return 0;
    p = (struct payload){.data = b->data, .size = b->size};
    return transport_may_lend(t, to, &p);
}

static enum fusor_status lend_message(struct transport *t, struct peer to,
                                      struct chunk_source *source,
                                      struct fusor_error *err)
{
    struct payload p = {.data = source->body->data,
                        .size = source->body->size,
                        .release = payload_buffer_release,
                        .hint = payload_buffer_ref(source->body)};
    uint8_t header[WIRE_HEADER_MAX];
    size_t n = wire_header_encode(&source->header, header);
    enum fusor_status rc = t->ops->lend(t, to, header, n, &p, err);

    if (rc == FUSOR_OK)
        source->next = source->header.n_chunks;
    else
        payload_buffer_unref(source->body);
    return rc;
}

enum fusor_status transport_send_message(struct transport *t, struct peer to,
                                         struct chunk_source *source,
                                         struct fusor_error *err)
{
    if (transport_lends_message(t, to, source))
        return lend_message(t, to, source, err);
    return transport_send_chunks(t, to, source, source->header.n_chunks, err);
}
