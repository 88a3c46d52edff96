/* Counts who has spoken in an epoch, by number. */
#include "ps/credit_peers.h"

#include <string.h>

#include "base/mem.h"

void credit_peers_init(struct credit_peers *p, uint32_t told)
{
    *p = (struct credit_peers){.told = told, .now = 1};
}

void credit_peers_clear(struct credit_peers *p)
{
    mem_free(p->epoch);
    *p = (struct credit_peers){0};
}

/* @return 0, or -1: no memory */
static int make_room(struct credit_peers *p, uint32_t number)
{
    uint32_t cap = p->cap ? p->cap : 16;
    uint32_t *fresh;

    while (cap <= number)
        cap *= 2;
    fresh = mem_alloc(cap, sizeof(*fresh));
    if (!fresh)
        return -1;
    if (p->cap)
        memcpy(fresh, p->epoch, p->cap * sizeof(*fresh));
    mem_free(p->epoch);
    p->epoch = fresh;
    p->cap = cap;
    return 0;
}

void credit_peers_note(struct credit_peers *p, uint32_t number)
{
    if (number < p->cap && p->epoch[number] == p->now)
        return;
    if (number >= CREDIT_PEERS_MAX ||
        (number >= p->cap && make_room(p, number) != 0))
        return;
    p->epoch[number] = p->now;
    p->heard++;
}

void credit_peers_turn(struct credit_peers *p)
{
    p->before = p->heard;
    p->heard = 0;
    p->now++;
}

uint32_t credit_peers_count(const struct credit_peers *p)
{
    uint32_t n = p->heard > p->before ? p->heard : p->before;

    n = p->told > n ? p->told : n;
    return n ? n : 1;
}
