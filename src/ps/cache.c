/* Pools of rows of one width, an index without tombstones (Knuth, TAOCP 3, 6.4,
 * algorithm R), CLOCK and TinyLFU; see the header. */
#include "ps/cache.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "ps/row.h"

#define HAND_STEPS 64  /* entries looked at for a victim */
#define AGE_USES 10    /* uses a counter until all are halved */
#define INDEX_BYTES 16 /* most of the index an entry costs */
#define SKETCH_BYTES 4 /* most of the sketch an entry costs */
#define ENTRIES_MAX (1u << 28)

struct entry {
    uint64_t key, clock;
    uint16_t table;
    uint8_t pins;
    uint8_t used; // since the hand was here last
};

struct pool {
    uint32_t width, tables; // tables of this width
    uint32_t cap, n, hand;
    struct entry *entries; // [cap]
    float *values;         // [cap][width]
    uint32_t *index;       // [mask + 1] 1 + entry; 0: free
    uint32_t mask;
};

struct cache {
    uint32_t n_pools;
    struct pool *pools; // [n_pools]
    uint16_t *pool_of;  // [n_tables]
    uint8_t *sketch;    // [sketch_mask + 1]
    uint64_t sketch_mask, uses;
    size_t bytes;
};

/* Frequency. */

static uint64_t second_place(uint64_t hash)
{
    return hash_mix(hash ^ 0x9e3779b97f4a7c15u);
}

static void sketch_age(struct cache *c)
{
    for (uint64_t i = 0; i <= c->sketch_mask; i++)
        c->sketch[i] >>= 1;
    c->uses = 0;
}

static void sketch_add(struct cache *c, uint64_t hash)
{
    uint8_t *a = &c->sketch[hash & c->sketch_mask];
    uint8_t *b = &c->sketch[second_place(hash) & c->sketch_mask];

    *a += *a < 255;
    if (b != a)
        *b += *b < 255;
    if (++c->uses > AGE_USES * (c->sketch_mask + 1))
        sketch_age(c);
}

static uint8_t sketch_count(const struct cache *c, uint64_t hash)
{
    uint8_t a = c->sketch[hash & c->sketch_mask];
    uint8_t b = c->sketch[second_place(hash) & c->sketch_mask];

    return a < b ? a : b;
}

/* The index. Its places come from the high bits: the low ones are the
 * sketch's. */

static uint32_t home_of(const struct pool *p, uint64_t hash)
{
    return (uint32_t)(hash >> 24) & p->mask;
}

static uint32_t index_find(const struct pool *p, uint32_t table, uint64_t key,
                           uint64_t hash)
{
    for (uint32_t at = home_of(p, hash); p->index[at];
         at = (at + 1) & p->mask) {
        const struct entry *e = &p->entries[p->index[at] - 1];

        if (e->key == key && e->table == table)
            return p->index[at] - 1;
    }
    return CACHE_NONE;
}

static void index_add(struct pool *p, uint64_t hash, uint32_t entry)
{
    uint32_t at = home_of(p, hash);

    while (p->index[at])
        at = (at + 1) & p->mask;
    p->index[at] = entry + 1;
}

static uint64_t hash_of(const struct entry *e)
{
    return hash_key(e->table, e->key);
}

static void index_remove(struct pool *p, uint32_t entry)
{
    uint32_t hole = home_of(p, hash_of(&p->entries[entry]));

    while (p->index[hole] != entry + 1)
        hole = (hole + 1) & p->mask;
    for (uint32_t at = (hole + 1) & p->mask; p->index[at];
         at = (at + 1) & p->mask) {
        uint32_t home = home_of(p, hash_of(&p->entries[p->index[at] - 1]));

        if (((at - home) & p->mask) < ((at - hole) & p->mask))
            continue; // it would come to stand in front of its home
        p->index[hole] = p->index[at];
        hole = at;
    }
    p->index[hole] = 0;
}

/* Life. */

static uint32_t power_of_two_from(uint32_t n)
{
    uint32_t p = 4;

    while (p < n)
        p *= 2;
    return p;
}

static void count_widths(struct cache *c, const struct param_spec *params)
{
    for (uint32_t t = 0; t < params->n_tables; t++) {
        uint32_t i = 0;

        while (i < c->n_pools && c->pools[i].width != params->tables[t].width)
            i++;
        if (i == c->n_pools)
            c->pools[c->n_pools++].width = params->tables[t].width;
        c->pools[i].tables++;
        c->pool_of[t] = (uint16_t)i;
    }
}

/* Rows that each table gets, so that all fit. */
static size_t rows_a_table(const struct cache *c, size_t bytes)
{
    size_t each = 0;

    for (uint32_t i = 0; i < c->n_pools; i++)
        each += c->pools[i].tables *
                (sizeof(struct entry) + INDEX_BYTES + SKETCH_BYTES +
                 c->pools[i].width * sizeof(float));
    return each ? bytes / each : 0;
}

static int take_pool(struct cache *c, struct pool *p, size_t rows)
{
    uint32_t slots;

    rows *= p->tables;
    p->cap = (uint32_t)(rows < ENTRIES_MAX ? rows : ENTRIES_MAX);
    slots = power_of_two_from(p->cap + p->cap / 3 + 1);
    p->mask = slots - 1;
    p->entries = mem_alloc(p->cap, sizeof(*p->entries));
    p->values = mem_alloc_raw((size_t)p->cap * p->width, sizeof(*p->values));
    p->index = mem_alloc(slots, sizeof(*p->index));
    c->bytes += p->cap * (sizeof(*p->entries) + p->width * sizeof(float)) +
                slots * sizeof(*p->index);
    return p->entries && p->values && p->index;
}

static enum fusor_status take_memory(struct cache *c, size_t bytes,
                                     struct fusor_error *err)
{
    size_t rows = rows_a_table(c, bytes), entries = 0;
    uint64_t counters = 4;

    if (rows < 4)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "cluster.cache: %zu bytes a compute thread are too "
                          "few for 4 rows of each table: give more, or 0",
                          bytes);
    for (uint32_t i = 0; i < c->n_pools; i++) {
        if (!take_pool(c, &c->pools[i], rows))
            return mem_fail(err, "row cache", bytes);
        entries += c->pools[i].cap;
    }
    while (counters * 2 <= entries * SKETCH_BYTES)
        counters *= 2;
    c->sketch_mask = counters - 1;
    c->sketch = mem_alloc(counters, 1);
    c->bytes += counters;
    return c->sketch ? FUSOR_OK : mem_fail(err, "row cache", counters);
}

enum fusor_status cache_create(const struct param_spec *params, size_t bytes,
                               struct cache **out, struct fusor_error *err)
{
    struct cache *c = mem_alloc(1, sizeof(*c));
    enum fusor_status rc;

    if (!c)
        return mem_fail(err, "row cache", sizeof(*c));
    c->pools = mem_alloc(params->n_tables, sizeof(*c->pools));
    c->pool_of = mem_alloc(params->n_tables, sizeof(*c->pool_of));
    if (!c->pools || !c->pool_of) {
        cache_destroy(c);
        return mem_fail(err, "row cache", sizeof(*c->pools));
    }
    count_widths(c, params);
    rc = take_memory(c, bytes, err);
    if (rc != FUSOR_OK) {
        cache_destroy(c);
        return rc;
    }
    *out = c;
    return FUSOR_OK;
}

void cache_destroy(struct cache *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->n_pools; i++) {
        mem_free(c->pools[i].entries);
        mem_free(c->pools[i].values);
        mem_free(c->pools[i].index);
    }
    mem_free(c->pools);
    mem_free(c->pool_of);
    mem_free(c->sketch);
    mem_free(c);
}

void cache_forget(struct cache *c)
{
    for (uint32_t i = 0; i < c->n_pools; i++) {
        struct pool *p = &c->pools[i];

        if (p->n)
            memset(p->index, 0, ((size_t)p->mask + 1) * sizeof(*p->index));
        p->n = 0;
        p->hand = 0;
    }
}

size_t cache_bytes(const struct cache *c)
{
    return c->bytes;
}

/* Rows. */

static struct pool *pool_at(const struct cache *c, uint32_t table)
{
    return &c->pools[c->pool_of[table]];
}

uint32_t cache_find(struct cache *c, uint32_t table, uint64_t key)
{
    struct pool *p = pool_at(c, table);
    uint64_t hash = hash_key(table, key);
    uint32_t entry = index_find(p, table, key, hash);

    sketch_add(c, hash);
    if (entry != CACHE_NONE)
        p->entries[entry].used = 1;
    return entry;
}

uint64_t cache_clock(const struct cache *c, uint32_t table, uint32_t entry)
{
    return pool_at(c, table)->entries[entry].clock;
}

const float *cache_row(const struct cache *c, uint32_t table, uint32_t entry)
{
    const struct pool *p = pool_at(c, table);

    return p->values + (size_t)entry * p->width;
}

void cache_pin(struct cache *c, uint32_t table, uint32_t entry)
{
    pool_at(c, table)->entries[entry].pins++;
}

void cache_unpin(struct cache *c, uint32_t table, uint32_t entry)
{
    pool_at(c, table)->entries[entry].pins--;
}

/* An entry not pinned and not used since the hand was there last.
 * @return CACHE_NONE: not among the next few */
static uint32_t find_victim(struct pool *p)
{
    for (int i = 0; i < HAND_STEPS; i++) {
        struct entry *e = &p->entries[p->hand];
        uint32_t at = p->hand;

        p->hand = at + 1 < p->cap ? at + 1 : 0;
        if (!e->pins && !e->used)
            return at;
        e->used = 0;
    }
    return CACHE_NONE;
}

/* Where a new row may go; CACHE_NONE: it is not worth it. */
static uint32_t make_place(struct cache *c, struct pool *p, uint64_t hash)
{
    uint32_t victim;

    if (p->n < p->cap)
        return p->n++;
    victim = find_victim(p);
    if (victim == CACHE_NONE ||
        sketch_count(c, hash) <= sketch_count(c, hash_of(&p->entries[victim])))
        return CACHE_NONE;
    index_remove(p, victim);
    return victim;
}

void cache_keep(struct cache *c, uint32_t table, uint64_t key, uint64_t clock,
                const float *values)
{
    struct pool *p = pool_at(c, table);
    uint64_t hash = hash_key(table, key);
    uint32_t at = index_find(p, table, key, hash);

    if (at == CACHE_NONE) {
        at = make_place(c, p, hash);
        if (at == CACHE_NONE)
            return;
        p->entries[at] = (struct entry){.key = key, .table = (uint16_t)table};
        index_add(p, hash, at);
    } else if (clock < p->entries[at].clock) {
        return; // the answer to an older step came later
    }
    p->entries[at].clock = clock;
    row_copy(p->values + (size_t)at * p->width, values, p->width);
}
