/* Rows and their index. Batched look-up overlaps the cache misses of a group of
 * keys (Chen et al. 2007, group prefetching for hash joins). */
#define _GNU_SOURCE /* madvise */
#include "store/table.h"

#include <string.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "base/mem.h"

#define GROUP                                                      \
    64 /* out of 5 M rows: 45 M/s with 16, 62 with 64, 63 with 128 \
        */
#define INDEX_BITS_MIN 6
#define INDEX_BITS_MAX 32
#define HUGE_BYTES ((uintptr_t)2 << 20)

static uint32_t entry_tag(uint64_t entry)
{
    return (uint32_t)(entry >> 32);
}

/* The low half of the hash: the top bits name the bucket and are alike within
 * a shard. */
static uint32_t hash_tag(uint64_t hash)
{
    return (uint32_t)hash;
}

static size_t place_of(unsigned bits, uint32_t tag)
{
    return tag >> (32 - bits);
}

static uint64_t index_room(unsigned bits)
{
    return (((uint64_t)1 << bits) * 7) / 10;
}

static void put_entry(uint64_t *index, unsigned bits, uint64_t entry)
{
    size_t mask = ((size_t)1 << bits) - 1;
    size_t at = place_of(bits, entry_tag(entry));

    while (index[at])
        at = (at + 1) & mask;
    index[at] = entry;
}

/* Zeroed; large ones ask for huge pages first (private memory takes them). */
static uint64_t *index_alloc(struct table *t, unsigned bits,
                             struct fusor_error *err)
{
    size_t bytes = sizeof(uint64_t) << bits;
    uint64_t *index;

    if (budget_take(t->slab->budget, bytes, "the index of rows", err))
        return NULL;
    index = mem_alloc_raw(bytes, 1);
    if (!index) {
        budget_give(t->slab->budget, bytes);
        mem_fail(err, "index of rows", bytes);
        return NULL;
    }
    if (bytes >= 2 * HUGE_BYTES) {
        size_t skip = HUGE_BYTES - (uintptr_t)index % HUGE_BYTES;

        madvise((unsigned char *)index + skip,
                (bytes - skip) & ~(size_t)(HUGE_BYTES - 1), MADV_HUGEPAGE);
    }
    memset(index, 0, bytes);
    return index;
}

static void index_free(struct table *t)
{
    if (t->index)
        budget_give(t->slab->budget, table_index_bytes(t));
    mem_free(t->index);
    t->index = NULL;
}

static enum fusor_status index_grow(struct table *t, struct fusor_error *err)
{
    unsigned bits = t->index_bits + 1;
    uint64_t *fresh;

    if (bits > INDEX_BITS_MAX)
        return fusor_fail(err, FUSOR_ENOMEM,
                          "table %s: a shard's index is full: use more shards",
                          t->spec->name);
    fresh = index_alloc(t, bits, err);
    if (!fresh)
        return FUSOR_ENOMEM;
    for (size_t i = 0; i < (size_t)1 << t->index_bits; i++)
        if (t->index[i])
            put_entry(fresh, bits, t->index[i]);
    index_free(t);
    t->index = fresh;
    t->index_bits = bits;
    return FUSOR_OK;
}

static enum fusor_status set_shape(struct table *t, struct fusor_error *err)
{
    size_t bytes;

    if (t->width == 0 || t->width > TABLE_WIDTH_MAX)
        return fusor_fail(err, FUSOR_ESHAPE,
                          "table %s: a row of %u floats; 1..%d are possible",
                          t->spec->name, t->width, TABLE_WIDTH_MAX);
    t->state_width = (uint32_t)optim_state_width(&t->optim->spec, t->width);
    bytes = sizeof(struct row) +
            ((size_t)t->width + t->state_width) * sizeof(float);
    t->stride = (uint32_t)((bytes + 15) & ~(size_t)15);
    t->rows_per_extent = (uint32_t)(SLAB_EXTENT_BYTES / t->stride);
    return FUSOR_OK;
}

enum fusor_status table_init(struct table *t, const struct param_spec *params,
                             uint32_t number, const struct optim *optim,
                             struct slab *slab, struct fusor_error *err)
{
    memset(t, 0, sizeof(*t));
    t->number = number;
    t->spec = &params->tables[number];
    t->width = t->spec->width;
    t->seed = params->seed;
    t->optim = optim;
    t->slab = slab;
    t->n_rows = &slab->head->n_rows[number];
    FUSOR_TRY(set_shape(t, err));
    return table_rebuild(t, err);
}

void table_clear(struct table *t)
{
    if (t->slab)
        index_free(t);
    mem_free(t->extents);
    memset(t, 0, sizeof(*t));
}

static uint32_t probe(const struct table *t, uint64_t key, uint32_t tag)
{
    size_t mask = ((size_t)1 << t->index_bits) - 1;
    size_t at = place_of(t->index_bits, tag);

    for (uint64_t e; (e = t->index[at]) != 0; at = (at + 1) & mask)
        if (entry_tag(e) == tag && table_row(t, (uint32_t)e)->key == key)
            return (uint32_t)e;
    return 0;
}

/* The first entry with this tag, its key not yet looked at. */
static uint32_t probe_tag(const struct table *t, uint32_t tag)
{
    size_t mask = ((size_t)1 << t->index_bits) - 1;
    size_t at = place_of(t->index_bits, tag);

    for (uint64_t e; (e = t->index[at]) != 0; at = (at + 1) & mask)
        if (entry_tag(e) == tag)
            return (uint32_t)e;
    return 0;
}

static size_t find_group(const struct table *t, const uint64_t *keys, size_t n,
                         uint32_t *refs)
{
    uint32_t tag[GROUP];
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        tag[i] = hash_tag(hash_key(t->number, keys[i]));
        __builtin_prefetch(&t->index[place_of(t->index_bits, tag[i])]);
    }
    for (size_t i = 0; i < n; i++) {
        refs[i] = probe_tag(t, tag[i]);
        __builtin_prefetch(table_row(t, refs[i]));
    }
    for (size_t i = 0; i < n; i++) {
        if (refs[i] && table_row(t, refs[i])->key != keys[i])
            refs[i] = probe(t, keys[i], tag[i]); // two keys, one tag
        found += refs[i] != 0;
    }
    return found;
}

size_t table_find(const struct table *t, const uint64_t *keys, size_t n,
                  uint32_t *refs)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i += GROUP)
        found +=
            find_group(t, keys + i, n - i < GROUP ? n - i : GROUP, refs + i);
    return found;
}

static enum fusor_status add_extent(struct table *t, struct fusor_error *err)
{
    void *array = t->extents;
    uint64_t at;

    if (mem_reserve(&array, t->n_extents, &t->cap_extents, sizeof(*t->extents)))
        return mem_fail(err, "list of extents",
                        2 * t->cap_extents * sizeof(*t->extents));
    t->extents = array;
    FUSOR_TRY(slab_extend(t->slab, SLAB_TABLE + t->number, 1, &at, err));
    if (t->n_extents == 1) // small tables stay small: the first one late
        slab_collapse(t->slab, t->extents[0] * SLAB_EXTENT_BYTES);
    if (t->n_extents >= 1)
        slab_collapse(t->slab, at);
    t->extents[t->n_extents++] = (uint32_t)(at / SLAB_EXTENT_BYTES);
    return FUSOR_OK;
}

static void row_fill(const struct table *t, struct row *r, uint64_t key,
                     uint64_t clock)
{
    r->key = key;
    r->last_clock = optim_needs_catch_up(t->optim) ? 0 : (uint32_t)clock;
    r->touched = 0;
    memset(r->values, 0, t->spec->n_zero * sizeof(float));
    param_init_fill(t->seed, t->number, t->spec->init, t->spec->init_scale, key,
                    t->spec->n_zero, r->values + t->spec->n_zero,
                    t->width - t->spec->n_zero);
    optim_init_state(t->optim, r->values, row_state(t, r), t->width);
}

enum fusor_status table_insert(struct table *t, uint64_t key, uint64_t clock,
                               uint32_t *ref, struct fusor_error *err)
{
    uint32_t tag = hash_tag(hash_key(t->number, key));
    uint64_t n = *t->n_rows;

    *ref = probe(t, key, tag);
    if (*ref)
        return FUSOR_OK;
    if (n + 1 > index_room(t->index_bits))
        FUSOR_TRY(index_grow(t, err));
    if (n == (uint64_t)t->n_extents * t->rows_per_extent)
        FUSOR_TRY(add_extent(t, err));
    *ref = table_ref_at(t, n);
    row_fill(t, table_row(t, *ref), key, clock);
    *t->n_rows = n + 1;
    put_entry(t->index, t->index_bits, (uint64_t)tag << 32 | *ref);
    return FUSOR_OK;
}

static enum fusor_status list_extents(struct table *t, struct fusor_error *err)
{
    const struct slab_head *head = t->slab->head;
    uint64_t n = 0;

    for (uint64_t i = 0; i < head->n_extents; i++)
        n += head->owner[i] == SLAB_TABLE + t->number;
    if (*t->n_rows > n * t->rows_per_extent)
        return fusor_fail(err, FUSOR_EDATA,
                          "table %s: %llu rows in %llu extents", t->spec->name,
                          (unsigned long long)*t->n_rows,
                          (unsigned long long)n);
    mem_free(t->extents);
    t->n_extents = 0;
    t->cap_extents = n + 1;
    t->extents = mem_alloc(t->cap_extents, sizeof(*t->extents));
    if (!t->extents)
        return mem_fail(err, "list of extents", n * sizeof(*t->extents));
    for (uint64_t i = 0; i < head->n_extents; i++)
        if (head->owner[i] == SLAB_TABLE + t->number)
            t->extents[t->n_extents++] = (uint32_t)i;
    return FUSOR_OK;
}

enum fusor_status table_rebuild(struct table *t, struct fusor_error *err)
{
    unsigned bits = INDEX_BITS_MIN;

    FUSOR_TRY(list_extents(t, err));
    while (bits<INDEX_BITS_MAX && * t->n_rows> index_room(bits))
        bits++;
    index_free(t);
    t->index = index_alloc(t, bits, err);
    if (!t->index)
        return FUSOR_ENOMEM;
    t->index_bits = bits;
    for (uint64_t i = 0; i < *t->n_rows; i++) {
        uint32_t ref = table_ref_at(t, i);
        struct row *r = table_row(t, ref);
        uint64_t tag = hash_tag(hash_key(t->number, r->key));

        r->touched &= ROW_TOUCHED_MAX; // killed in the middle of an apply
        put_entry(t->index, bits, tag << 32 | ref);
    }
    return FUSOR_OK;
}

int table_owns_ref(const struct table *t, uint32_t ref)
{
    const struct slab_head *head = t->slab->head;
    uint64_t at = (uint64_t)ref * 16, extent = at / SLAB_EXTENT_BYTES;
    uint64_t inside = at % SLAB_EXTENT_BYTES;
    const struct row *r;

    if (*t->n_rows == 0 || extent >= head->n_extents ||
        head->owner[extent] != SLAB_TABLE + t->number || inside % t->stride ||
        inside / t->stride >= t->rows_per_extent)
        return 0;
    if (extent != t->extents[t->n_extents - 1])
        return 1;
    r = table_row(t, ref);
    return r <= table_row(t, table_ref_at(t, *t->n_rows - 1));
}
