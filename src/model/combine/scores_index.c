/* Open addressing from keys to rows; rows of one-field files are their place
 * and need none. */
#include "model/combine/scores_index.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static uint64_t hash_of(const struct score_row *r)
{
    return hash_bytes(r->key, r->key_len, 0);
}

static int same_key(const struct score_row *a, const struct score_row *b)
{
    return a->key_len == b->key_len && !memcmp(a->key, b->key, a->key_len);
}

/* The slot of the key, or the free one where it belongs. */
static size_t slot_of(const struct score_table *t, const struct score_row *key)
{
    size_t mask = t->n_slots - 1, s = hash_of(key) & mask;

    while (t->slots[s] && !same_key(&t->rows[t->slots[s] - 1], key))
        s = (s + 1) & mask;
    return s;
}

/* At most half full. */
static int grow_slots(struct score_table *t)
{
    size_t n = t->n_slots ? t->n_slots * 2 : 64;
    uint32_t *slots;

    if (t->n * 2 < t->n_slots)
        return 0;
    slots = mem_alloc(n, sizeof(*slots));
    if (!slots)
        return -1;
    mem_free(t->slots);
    t->slots = slots;
    t->n_slots = n;
    for (size_t i = 0; i < t->n; i++)
        t->slots[slot_of(t, &t->rows[i])] = (uint32_t)i + 1;
    return 0;
}

int score_table_add(struct score_table *t, const struct score_row *row,
                    size_t *found)
{
    void *rows = t->rows;
    size_t slot = 0;

    if (t->n == UINT32_MAX - 1 ||
        mem_reserve(&rows, t->n, &t->cap, sizeof(*t->rows)))
        return -1;
    t->rows = rows;
    *found = t->n;
    if (t->n_fields > 1) {
        if (grow_slots(t))
            return -1;
        slot = slot_of(t, row);
        if (t->slots[slot]) {
            *found = t->slots[slot] - 1;
            return 0;
        }
        t->slots[slot] = (uint32_t)t->n + 1;
    }
    t->rows[t->n++] = *row;
    return 1;
}

size_t score_table_find(const struct score_table *t,
                        const struct score_row *key, size_t place)
{
    size_t slot;

    if (t->n_fields == 1)
        return place < t->n ? place : SIZE_MAX;
    if (t->n == 0)
        return SIZE_MAX;
    slot = slot_of(t, key);
    return t->slots[slot] ? t->slots[slot] - 1 : SIZE_MAX;
}
