/* Which rows of a step are served by the worker's own cache, under which rule,
 * and what is kept of the replies. */
#include "ps/client_private.h"
#include "ps/consistency.h"
#include "ps/payloads.h"

/* Rows to train on are read and changed by their worker in the same step, so
 * that only who may read early can use a value twice. */
static int is_used(const struct client *c, const struct client_worker *w,
                   enum pull_mode mode)
{
    return w->cache && w->cached == mode &&
           (mode == PULL_PEEK ||
            (c->config.read_early && c->config.staleness != 0));
}

/* Values of one mode are of no use in the other. While a step of the other is
 * under way, there is no cache. */
static void change_mode(struct client *c, struct client_worker *w,
                        enum pull_mode mode)
{
    int peeked = w->valued && w->valued->exchange->header.flags & PS_PEEK;

    if (!w->cache || w->cached == mode || w->n_ahead || (w->valued && !peeked))
        return;
    client_forget_worker(c, w);
    w->cached = mode;
}

static int may_serve(const struct client *c, enum pull_mode mode,
                     uint64_t clock, uint64_t read)
{
    return mode == PULL_PEEK ||
           consistency_may_serve(c->config.staleness, c->config.cache_age,
                                 clock, read);
}

/* @return the oldest clock of those held of this table */
static uint64_t hold_table(struct client *c, struct client_worker *w,
                           uint32_t table, const struct step_keys *keys,
                           enum pull_mode mode, uint64_t clock,
                           struct table_split *split)
{
    uint64_t oldest = UINT64_MAX;

    for (uint32_t i = 0; i < keys->n; i++) {
        uint32_t at = cache_find(w->cache, table, keys->keys[i]);
        uint64_t read = at == CACHE_NONE ? 0 : cache_clock(w->cache, table, at);

        split->entry[i] = SPLIT_WANTED;
        if (at == CACHE_NONE || !may_serve(c, mode, clock, read))
            continue;
        cache_pin(w->cache, table, at);
        split->entry[i] = at;
        oldest = read < oldest ? read : oldest;
    }
    if (oldest != UINT64_MAX)
        table_split_hold(split, c->config.n_shards);
    return oldest;
}

uint64_t client_hold_rows(struct client *c, struct client_worker *w,
                          struct announced *a, enum pull_mode mode,
                          uint64_t clock)
{
    uint64_t oldest = UINT64_MAX;

    change_mode(c, w, mode);
    if (!is_used(c, w, mode))
        return oldest;
    for (uint32_t t = 0; t < c->config.params->n_tables; t++) {
        uint64_t o =
            hold_table(c, w, t, &a->keys[t], mode, clock, &a->tables[t]);

        oldest = o < oldest ? o : oldest;
    }
    return oldest;
}

void client_release_rows(struct client *c, struct client_worker *w,
                         struct announced *a)
{
    for (uint32_t t = 0; t < c->config.params->n_tables; t++) {
        struct table_split *split = &a->tables[t];

        for (uint32_t i = 0; split->n_held && i < split->n; i++)
            if (split->entry[i] != SPLIT_WANTED)
                cache_unpin(w->cache, t, split->entry[i]);
        split->n_held = 0;
    }
}

void client_keep_rows(struct client *c, struct client_worker *w,
                      struct announced *a, const struct step_rows *tables)
{
    const struct exchange *x = a->exchange;

    if (!is_used(c, w, x->header.flags & PS_PEEK ? PULL_PEEK : PULL_TRAIN))
        return;
    for (uint32_t t = 0; t < c->config.params->n_tables; t++) {
        const struct table_split *split = &a->tables[t];

        for (uint32_t i = 0; i < split->n; i++)
            if (!split->n_held || split->entry[i] == SPLIT_WANTED)
                cache_keep(w->cache, t, a->keys[t].keys[i],
                           x->legs[split->shard[i]].clock, tables[t].rows[i]);
    }
}

void client_forget_worker(struct client *c, struct client_worker *w)
{
    if (!w->cache)
        return;
    client_drop_valued(c, w);
    cache_forget(w->cache);
}

void client_forget_rows(struct client *c)
{
    for (unsigned w = 0; w < c->config.n_workers; w++)
        client_forget_worker(c, &c->workers[w]);
}
