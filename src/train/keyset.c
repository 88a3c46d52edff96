/* Open addressing with linear probing over a power of two, at most half full.
 * A key's place is the top of its product with 2^64 / golden ratio (Knuth, The
 * Art of Computer Programming 3, section 6.4): ids that count up spread evenly.
 * The step number in each entry makes a reset one increment. */
#include "train/keyset.h"

#include <string.h>

#include "base/batch.h"
#include "base/mem.h"

#define AHEAD 20 /* ids: their entries do not fit the nearest cache */
#define KEYS_MAX (1u << 30) /* half of the largest table */

static uint32_t table_size_for(uint32_t n_keys)
{
    uint32_t size = 64;

    while (size < 2 * (uint64_t)n_keys && size < (uint32_t)1 << 31)
        size *= 2;
    return size;
}

enum fusor_status keyset_init(struct keyset *s, uint32_t expected,
                              struct fusor_error *err)
{
    uint32_t size = table_size_for(expected);

    memset(s, 0, sizeof(*s));
    s->cap = size / 2;
    s->keys = mem_alloc_raw(s->cap, sizeof(*s->keys));
    s->entries = mem_alloc(size, sizeof(*s->entries));
    s->mask = size - 1;
    s->shift = 64 - (unsigned)__builtin_ctz(size);
    s->step = 1;
    if (s->keys && s->entries)
        return FUSOR_OK;
    keyset_clear(s);
    return mem_fail(err, "key set", size * sizeof(*s->entries));
}

void keyset_clear(struct keyset *s)
{
    mem_free(s->keys);
    mem_free(s->entries);
    memset(s, 0, sizeof(*s));
}

void keyset_reset(struct keyset *s)
{
    s->n = 0;
    if (++s->step == 0) { // once in four thousand million steps
        memset(s->entries, 0, ((size_t)s->mask + 1) * sizeof(*s->entries));
        s->step = 1;
    }
}

static inline uint32_t place_of(const struct keyset *s, uint64_t key)
{
    return (uint32_t)(key * 0x9e3779b97f4a7c15u >> s->shift);
}

static void place(struct keyset *s, uint32_t index)
{
    uint32_t at = place_of(s, s->keys[index]);

    while (s->entries[at] >> 32 == s->step)
        at = (at + 1) & s->mask;
    s->entries[at] = (uint64_t)s->step << 32 | index;
}

static enum fusor_status grow(struct keyset *s, struct fusor_error *err)
{
    struct keyset bigger;

    if (s->cap > KEYS_MAX / 2)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "over %u keys of one table in one step: lower "
                          "train.global_batch",
                          s->cap);
    FUSOR_TRY(keyset_init(&bigger, s->cap * 2, err));
    memcpy(bigger.keys, s->keys, s->n * sizeof(*s->keys));
    bigger.n = s->n;
    for (uint32_t i = 0; i < s->n; i++)
        place(&bigger, i);
    keyset_clear(s);
    *s = bigger;
    return FUSOR_OK;
}

static inline uint32_t find_or_add(struct keyset *s, uint64_t key)
{
    uint32_t at = place_of(s, key);

    for (;; at = (at + 1) & s->mask) {
        uint64_t e = s->entries[at];

        if (e >> 32 != s->step)
            break;
        if (s->keys[(uint32_t)e] == key)
            return (uint32_t)e;
    }
    s->keys[s->n] = key;
    s->entries[at] = (uint64_t)s->step << 32 | s->n;
    return s->n++;
}

enum fusor_status keyset_add(struct keyset *s, const uint64_t *ids, size_t n,
                             uint64_t salt, uint32_t *positions,
                             struct fusor_error *err)
{
    while (s->n + n > s->cap)
        FUSOR_TRY(grow(s, err));
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(&s->entries[place_of(s, ids[i + AHEAD] + salt)],
                               1);
        positions[i] =
            ids[i] == BATCH_NO_ID ? KEYSET_NONE : find_or_add(s, ids[i] + salt);
    }
    return FUSOR_OK;
}
