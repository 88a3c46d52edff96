/* One pass over the keys: owner and place of each. */
#include "ps/split.h"

#include <string.h>

#include "base/mem.h"

enum fusor_status table_split_init(struct table_split *s, uint32_t n_shards,
                                   struct fusor_error *err)
{
    memset(s, 0, sizeof(*s));
    s->n_of = mem_alloc(n_shards, sizeof(*s->n_of));
    s->want_of = s->n_of ? mem_alloc(n_shards, sizeof(*s->want_of)) : NULL;
    if (s->want_of)
        return FUSOR_OK;
    table_split_clear(s);
    return mem_fail(err, "split", n_shards * sizeof(*s->n_of));
}

void table_split_clear(struct table_split *s)
{
    mem_free(s->shard);
    mem_free(s->place);
    mem_free(s->entry);
    mem_free(s->n_of);
    mem_free(s->want_of);
    memset(s, 0, sizeof(*s));
}

static enum fusor_status make_room(struct table_split *s, uint32_t n,
                                   struct fusor_error *err)
{
    uint32_t cap = s->cap ? s->cap : 256;
    uint16_t *shard;
    uint32_t *place, *entry;

    if (n <= s->cap)
        return FUSOR_OK;
    while (cap < n)
        cap *= 2;
    shard = mem_alloc_raw(cap, sizeof(*shard));
    place = mem_alloc_raw(cap, sizeof(*place));
    entry = mem_alloc_raw(cap, sizeof(*entry));
    if (!shard || !place || !entry) {
        mem_free(shard);
        mem_free(place);
        mem_free(entry);
        return mem_fail(err, "split", cap * sizeof(*place));
    }
    mem_free(s->shard);
    mem_free(s->place);
    mem_free(s->entry);
    s->shard = shard;
    s->place = place;
    s->entry = entry;
    s->cap = cap;
    return FUSOR_OK;
}

enum fusor_status table_split_keys(struct table_split *s, uint32_t table,
                                   const struct step_keys *keys,
                                   const uint16_t *map, uint32_t n_shards,
                                   struct fusor_error *err)
{
    FUSOR_TRY(make_room(s, keys->n, err));
    s->n = keys->n;
    memset(s->n_of, 0, n_shards * sizeof(*s->n_of));
    for (uint32_t i = 0; i < keys->n; i++) {
        uint16_t shard = map[bucket_of_key(table, keys->keys[i])];

        s->shard[i] = shard;
        s->place[i] = s->n_of[shard]++;
    }
    memcpy(s->want_of, s->n_of, n_shards * sizeof(*s->n_of));
    s->n_held = 0;
    return FUSOR_OK;
}

void table_split_hold(struct table_split *s, uint32_t n_shards)
{
    memset(s->n_of, 0, n_shards * sizeof(*s->n_of));
    s->n_held = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->entry[i] == SPLIT_WANTED)
            s->place[i] = s->n_of[s->shard[i]]++;
        else
            s->n_held++;
    }
    memcpy(s->want_of, s->n_of, n_shards * sizeof(*s->n_of));
    for (uint32_t i = 0; i < s->n && s->n_held; i++)
        if (s->entry[i] != SPLIT_WANTED)
            s->place[i] = s->n_of[s->shard[i]]++;
}
