/* References to what messages lie in. */
#include "ps/body.h"

#include "base/mem.h"

void body_drop(struct body *b)
{
    while (b->n)
        payload_buffer_unref(b->buffers[--b->n]);
    b->view = (struct payload_view){0};
}

void body_clear(struct body *b)
{
    body_drop(b);
    mem_free(b->buffers);
    *b = (struct body){0};
}

static enum fusor_status make_room(struct body *b, uint32_t n,
                                   struct fusor_error *err)
{
    struct payload_buffer **fresh;

    if (n <= b->cap)
        return FUSOR_OK;
    fresh = mem_alloc(n, sizeof(struct payload_buffer *));
    if (!fresh)
        return mem_fail(err, "message", n * sizeof(struct payload_buffer *));
    mem_free(b->buffers);
    b->buffers = fresh;
    b->cap = n;
    return FUSOR_OK;
}

enum fusor_status body_put(struct body *b, struct payload_buffer *in,
                           struct fusor_error *err)
{
    body_drop(b);
    if (make_room(b, 1, err) != FUSOR_OK) {
        payload_buffer_unref(in);
        return FUSOR_ENOMEM;
    }
    b->buffers[b->n++] = in;
    b->view = (struct payload_view){.data = in->data, .size = in->size};
    return FUSOR_OK;
}

static enum fusor_status keep_pieces(struct body *b, const struct message *msg,
                                     struct fusor_error *err)
{
    FUSOR_TRY(make_room(b, msg->n_pieces, err));
    while (b->n < msg->n_pieces) {
        b->buffers[b->n] = payload_buffer_ref(msg->pieces[b->n]);
        b->n++;
    }
    b->view = (struct payload_view){
        .pieces = b->buffers, .n_pieces = b->n, .size = msg->size};
    return FUSOR_OK;
}

enum fusor_status body_keep(struct body *b, struct messenger *m,
                            const struct message *msg, enum body_use use,
                            struct fusor_error *err)
{
    struct payload_view view = message_view(msg);
    struct payload_buffer *copy;

    body_drop(b);
    if (msg->pieces)
        return keep_pieces(b, msg, err);
    if (msg->buffer && !(use == BODY_WRITE && msg->buffer->read_only))
        return body_put(b, payload_buffer_ref(msg->buffer), err);
    if (use == BODY_BORROW) {
        b->view = view;
        return FUSOR_OK;
    }
    FUSOR_TRY(payload_view_join(&view, messenger_pool(m), &copy, err));
    return body_put(b, copy, err);
}
