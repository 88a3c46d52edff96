/* The tickets of one lease: a small array, searched from the front. */
#include "store/ticket.h"

#include <string.h>

#include "base/mem.h"

#define CAP_MIN 1024

enum fusor_status ticket_book_init(struct ticket_book *b, uint32_t n_tables,
                                   int keep_keys, struct budget *budget,
                                   struct fusor_error *err)
{
    size_t each = (size_t)n_tables + 1;

    memset(b, 0, sizeof(*b));
    b->n_tables = n_tables;
    b->keep_keys = keep_keys;
    b->budget = budget;
    b->begins = mem_alloc(2 * TICKETS_MAX * each, sizeof(*b->begins));
    if (!b->begins)
        return mem_fail(err, "tickets",
                        2 * TICKETS_MAX * each * sizeof(size_t));
    for (size_t i = 0; i < TICKETS_MAX; i++) {
        b->tickets[i].begin = b->begins + 2 * i * each;
        b->tickets[i].held = b->tickets[i].begin + each;
    }
    return FUSOR_OK;
}

static size_t bytes_each(const struct ticket_book *b)
{
    return sizeof(uint32_t) + (b->keep_keys ? sizeof(uint64_t) : 0);
}

void ticket_book_clear(struct ticket_book *b)
{
    for (size_t i = 0; i < TICKETS_MAX; i++) {
        struct ticket *t = &b->tickets[i];

        if (b->budget)
            budget_give(b->budget, t->cap * bytes_each(b));
        mem_free(t->refs);
        mem_free(t->keys);
    }
    mem_free(b->begins);
    memset(b, 0, sizeof(*b));
}

static int same_name(const struct ticket_name *a, const struct ticket_name *b)
{
    return a->id == b->id && a->owner == b->owner && a->term == b->term;
}

struct ticket *ticket_find(struct ticket_book *b,
                           const struct ticket_name *name)
{
    for (size_t i = 0; i < TICKETS_MAX && name->id; i++)
        if (same_name(&b->tickets[i].name, name))
            return &b->tickets[i];
    return NULL;
}

/* A free one, or else the oldest of those nobody waits for. */
static struct ticket *choose(struct ticket_book *b)
{
    struct ticket *best = NULL;

    for (size_t i = 0; i < TICKETS_MAX; i++) {
        struct ticket *t = &b->tickets[i];

        if (!t->name.id)
            return t;
        if (!t->in_use && (!best || t->opened < best->opened))
            best = t;
    }
    return best;
}

static enum fusor_status make_room(struct ticket_book *b, struct ticket *t,
                                   size_t n, struct fusor_error *err)
{
    size_t cap = t->cap ? t->cap : CAP_MIN, bytes;
    uint64_t *keys = NULL;
    uint32_t *refs;

    if (n <= t->cap)
        return FUSOR_OK;
    while (cap < n)
        cap *= 2;
    bytes = (cap - t->cap) * bytes_each(b);
    if (b->budget)
        FUSOR_TRY(budget_take(b->budget, bytes, "a ticket of rows", err));
    refs = mem_alloc_raw(cap, sizeof(*refs));
    if (refs && b->keep_keys)
        keys = mem_alloc_raw(cap, sizeof(*keys));
    if (!refs || (b->keep_keys && !keys)) {
        if (b->budget)
            budget_give(b->budget, bytes);
        mem_free(refs);
        return mem_fail(err, "ticket of rows", cap * bytes_each(b));
    }
    mem_free(t->refs);
    mem_free(t->keys);
    t->refs = refs;
    t->keys = keys;
    t->cap = cap;
    return FUSOR_OK;
}

enum fusor_status ticket_open(struct ticket_book *b,
                              const struct ticket_name *name, uint64_t clock,
                              size_t n_refs, struct ticket **out,
                              struct fusor_error *err)
{
    struct ticket *t = ticket_find(b, name);

    if (!t)
        t = choose(b);
    if (!t || t->in_use)
        return fusor_fail(err, FUSOR_EAGAIN, "%d tickets are in use",
                          TICKETS_MAX);
    ticket_close(t);
    FUSOR_TRY(make_room(b, t, n_refs, err));
    t->name = *name;
    t->clock = clock;
    t->opened = ++b->n_opened;
    memset(t->held, 0, b->n_tables * sizeof(*t->held));
    *out = t;
    return FUSOR_OK;
}

void ticket_close(struct ticket *t)
{
    t->name.id = 0;
    t->in_use = 0;
}

void ticket_book_close_upto(struct ticket_book *b, uint64_t clock)
{
    for (size_t i = 0; i < TICKETS_MAX; i++)
        if (!b->tickets[i].in_use && b->tickets[i].clock <= clock)
            ticket_close(&b->tickets[i]);
}

void ticket_book_close_all(struct ticket_book *b)
{
    for (size_t i = 0; i < TICKETS_MAX; i++)
        ticket_close(&b->tickets[i]);
}

unsigned ticket_book_open(const struct ticket_book *b)
{
    unsigned n = 0;

    for (size_t i = 0; i < TICKETS_MAX; i++)
        n += b->tickets[i].name.id != 0;
    return n;
}
