/* Book-keeping of one lease on one shard. */
#include "ps/lane.h"

#include <string.h>

#include "base/mem.h"
#include "ps/consistency.h"

enum fusor_status lane_init(struct lane *l, uint32_t n_tables, int keep_keys,
                            struct budget *budget, struct fusor_error *err)
{
    memset(l, 0, sizeof(*l));
    return ticket_book_init(&l->tickets, n_tables, keep_keys, budget, err);
}

void lane_clear(struct lane *l)
{
    lane_reset(l);
    ticket_book_clear(&l->tickets);
    body_clear(&l->push.in);
    mem_free(l->push.refs);
    l->push = (struct push_body){0};
}

enum fusor_status push_body_room(struct push_body *b, size_t n,
                                 struct fusor_error *err)
{
    size_t cap = b->refs_cap ? b->refs_cap : 1024;
    uint32_t *fresh;

    if (n <= b->refs_cap)
        return FUSOR_OK;
    while (cap < n)
        cap *= 2;
    fresh = mem_alloc_raw(cap, sizeof(*fresh));
    if (!fresh)
        return mem_fail(err, "row references", cap * sizeof(*fresh));
    mem_free(b->refs);
    b->refs = fresh;
    b->refs_cap = cap;
    return FUSOR_OK;
}

struct ticket_name lane_ticket_name(struct peer from,
                                    const struct wire_header *h, uint64_t id)
{
    return (struct ticket_name){peer_key(from), id, h->term};
}

int lane_add_pull(struct lane *l, const struct lane_pull *pull)
{
    if (l->n_pulls == LANE_PULLS)
        return -1;
    l->pulls[l->n_pulls++] = *pull;
    pull->ticket->in_use = 1;
    return 0;
}

static int same_peer(struct peer a, struct peer b)
{
    return a.kind == b.kind && a.number == b.number &&
           a.incarnation == b.incarnation;
}

int lane_note_repeat(struct lane *l, struct peer from,
                     const struct wire_header *h)
{
    for (uint32_t i = 0; i < l->n_pulls; i++) {
        if (l->pulls[i].header.request != h->request ||
            !same_peer(l->pulls[i].peer, from))
            continue;
        l->pulls[i].header.attempt = h->attempt;
        return 1;
    }
    return 0;
}

void lane_remove_pull(struct lane *l, uint32_t i)
{
    l->pulls[i].ticket->in_use = 0;
    l->n_pulls--;
    memmove(&l->pulls[i], &l->pulls[i + 1],
            (l->n_pulls - i) * sizeof(l->pulls[0]));
}

void lane_note_read(struct lane *l, uint64_t clock, uint64_t edge)
{
    l->read_clock[l->next_read] = clock + 1; // 0: nothing noted
    l->read_edge[l->next_read] = edge;
    l->next_read = (l->next_read + 1) % LANE_PULLS;
}

int lane_find_read(const struct lane *l, uint64_t clock, uint64_t *edge)
{
    for (uint32_t i = 1; i <= LANE_PULLS; i++) { // the newest first
        uint32_t at = (l->next_read + LANE_PULLS - i) % LANE_PULLS;

        if (l->read_clock[at] != clock + 1)
            continue;
        *edge = l->read_edge[at];
        return 1;
    }
    return 0;
}

int lane_is_late(const struct lane *l, struct peer from,
                 const struct wire_header *h)
{
    return same_peer(l->last_peer, from) &&
           consistency_is_late(l->last_request, h->request);
}

void lane_reset(struct lane *l)
{
    struct peer peer = l->last_peer;
    struct ticket_book tickets = l->tickets;
    struct push_body push;
    uint64_t request = l->last_request;

    ticket_book_close_all(&tickets);
    body_drop(&l->push.in);
    push = l->push;
    memset(l, 0, sizeof(*l));
    l->push = push;
    l->tickets = tickets;
    l->last_peer = peer;
    l->last_request = request;
}
