/* Book-keeping of one lease on one shard. */
#include "ps/lane.h"

#include <string.h>

struct payload_buffer *lane_keep(struct messenger *m, const struct message *msg,
                                 struct fusor_error *err)
{
    struct payload_buffer *b;

    if (msg->buffer)
        return payload_buffer_ref(msg->buffer);
    if (payload_buffer_take(messenger_pool(m), msg->size ? msg->size : 1, &b,
                            err) != FUSOR_OK)
        return NULL;
    if (msg->size)
        memcpy(b->data, msg->data, msg->size);
    b->size = msg->size;
    return b;
}

int lane_add_pull(struct lane *l, const struct message *msg,
                  struct payload_buffer *body)
{
    if (l->n_pulls == LANE_PULLS)
        return -1;
    l->pulls[l->n_pulls++] = (struct lane_pull){msg->from, msg->header, body};
    return 0;
}

int lane_note_repeat(struct lane *l, const struct wire_header *h)
{
    for (uint32_t i = 0; i < l->n_pulls; i++) {
        if (l->pulls[i].header.request != h->request)
            continue;
        l->pulls[i].header.attempt = h->attempt;
        return 1;
    }
    return 0;
}

void lane_remove_pull(struct lane *l, uint32_t i)
{
    payload_buffer_unref(l->pulls[i].body);
    l->n_pulls--;
    memmove(&l->pulls[i], &l->pulls[i + 1],
            (l->n_pulls - i) * sizeof(l->pulls[0]));
}

void lane_note_read(struct lane *l, uint64_t clock, uint64_t edge)
{
    l->read_clock[clock % LANE_PULLS] = clock + 1; // 0: nothing noted
    l->read_edge[clock % LANE_PULLS] = edge;
}

int lane_find_read(const struct lane *l, uint64_t clock, uint64_t *edge)
{
    if (l->read_clock[clock % LANE_PULLS] != clock + 1)
        return 0;
    *edge = l->read_edge[clock % LANE_PULLS];
    return 1;
}

void lane_reset(struct lane *l)
{
    while (l->n_pulls > 0)
        lane_remove_pull(l, l->n_pulls - 1);
    payload_buffer_unref(l->push);
    memset(l, 0, sizeof(*l));
}
