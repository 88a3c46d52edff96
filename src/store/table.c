/* Rows and their index. Batched look-up overlaps the cache misses of a group of
 * keys (Chen et al. 2007, group prefetching for hash joins). */
#include "store/table.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/* Out of 5 M rows: 45 M/s with 16, 62 with 64, 63 with 128. */
#define GROUP 64
#define PIECE 64 /* values rounded at a time */
#define INDEX_BITS_MIN 6
#define INDEX_BITS_MAX 32

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

/* Zeroed. */
static uint64_t *index_alloc(struct table *t, unsigned bits,
                             struct fusor_error *err)
{
    size_t bytes = sizeof(uint64_t) << bits;
    uint64_t *index;

    if (budget_take(t->slab->budget, bytes, "the index of rows", err))
        return NULL;
    index = mem_alloc_huge(bytes, 1);
    if (!index) {
        budget_give(t->slab->budget, bytes);
        mem_fail(err, "index of rows", bytes);
        return NULL;
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

/* The layout of rows: see table.h. */
static void set_layout(struct table *t, const struct table_spec *spec,
                       const struct optim_spec *optim)
{
    size_t head, bytes;

    t->width = spec->width;
    t->state_width = (uint32_t)optim_state_width(optim, spec->width);
    t->has_clock = spec->dtype == ROW_F32 || optim->l2_scope == OPTIM_L2_TABLE;
    head = t->has_clock ? offsetof(struct row, values)
                        : offsetof(struct row, last_clock);
    bytes = head + t->width * (spec->dtype == ROW_F32 ? sizeof(float)
                                                      : sizeof(uint16_t));
    t->values_at = (uint32_t)head;
    t->values_end = (uint32_t)bytes;
    t->state_at = (uint32_t)((bytes + 3) & ~(size_t)3);
    if (t->state_width)
        bytes = t->state_at + t->state_width * sizeof(float);
    t->stride = (uint32_t)((bytes + 15) & ~(size_t)15);
    t->rows_per_extent = (uint32_t)(SLAB_EXTENT_BYTES / t->stride);
}

uint64_t table_row_bytes(const struct table_spec *spec,
                         const struct optim_spec *optim)
{
    struct table t;

    set_layout(&t, spec, optim);
    return t.stride;
}

uint64_t table_index_bytes_for(uint64_t n_rows)
{
    unsigned bits = INDEX_BITS_MIN;

    while (bits < INDEX_BITS_MAX && n_rows > index_room(bits))
        bits++;
    return (uint64_t)sizeof(uint64_t) << bits;
}

static void set_home(struct table *t, const struct param_spec *params,
                     uint32_t number, uint32_t place, struct slab *slab)
{
    t->number = number;
    t->place = place;
    t->spec = &params->tables[number];
    t->seed = params->seed;
    t->bf16 = bf16_ops();
    t->slab = slab;
    t->n_slots = &slab->head->n_slots[place];
}

enum fusor_status table_init(struct table *t, const struct param_spec *params,
                             uint32_t number, const struct optim *optim,
                             struct slab *slab, struct fusor_error *err)
{
    memset(t, 0, sizeof(*t));
    set_home(t, params, number, number, slab);
    if (t->spec->width == 0 || t->spec->width > TABLE_WIDTH_MAX)
        return fusor_fail(err, FUSOR_ESHAPE,
                          "table %s: a row of %u floats; 1..%d are possible",
                          t->spec->name, t->spec->width, TABLE_WIDTH_MAX);
    t->optim = optim;
    set_layout(t, t->spec, &optim->spec);
    return table_rebuild(t, err);
}

enum fusor_status table_init_stubs(struct table *t,
                                   const struct param_spec *params,
                                   uint32_t number, struct slab *slab,
                                   struct fusor_error *err)
{
    memset(t, 0, sizeof(*t));
    set_home(t, params, number, PARAM_MAX_TABLES + number, slab);
    t->has_clock = 1;
    t->stride = TABLE_STUB_BYTES;
    t->values_end = TABLE_STUB_BYTES;
    t->rows_per_extent = (uint32_t)(SLAB_EXTENT_BYTES / t->stride);
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
    uint32_t ahead = t->values_end < 65 ? t->values_end : 65;
    uint32_t tag[GROUP];
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        tag[i] = hash_tag(hash_key(t->number, keys[i]));
        __builtin_prefetch(&t->index[place_of(t->index_bits, tag[i])]);
    }
    for (size_t i = 0; i < n; i++) {
        refs[i] = probe_tag(t, tag[i]);
        table_prefetch(t, refs[i], ahead); // values are read next, as a rule
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
    FUSOR_TRY(slab_extend(t->slab, SLAB_TABLE + t->place, 1, &at, err));
    if (t->n_extents == 1) // small tables stay small: the first one late
        slab_collapse(t->slab, t->extents[0] * SLAB_EXTENT_BYTES);
    if (t->n_extents >= 1)
        slab_collapse(t->slab, at);
    t->extents[t->n_extents++] = (uint32_t)(at / SLAB_EXTENT_BYTES);
    return FUSOR_OK;
}

static void initial_floats(const struct table *t, uint64_t key, float *out)
{
    memset(out, 0, t->spec->n_zero * sizeof(float));
    param_init_fill(t->seed, t->number, t->spec->init, t->spec->init_scale, key,
                    t->spec->n_zero, out + t->spec->n_zero,
                    t->width - t->spec->n_zero);
}

void table_initial(const struct table *t, uint64_t key, float *out)
{
    uint16_t halves[PIECE];

    initial_floats(t, key, out);
    if (t->spec->dtype == ROW_F32)
        return;
    for (uint32_t at = 0, n; at < t->width; at += n) {
        n = t->width - at < PIECE ? t->width - at : PIECE;
        t->bf16->nearest(out + at, halves, n);
        t->bf16->widen(halves, out + at, n);
    }
}

void table_read(const struct table *t, uint32_t ref, float *out)
{
    struct row *r = table_row(t, ref);

    if (t->spec->dtype == ROW_F32)
        memcpy(out, r->values, t->width * sizeof(float));
    else
        t->bf16->widen(row_halves(t, r), out, t->width);
}

/* Everything of a new row but the key's place in the index. The head says that
 * the slot is taken only when the rest is there. */
static void row_fill(const struct table *t, struct row *r, uint64_t key,
                     uint64_t clock)
{
    float wide[TABLE_WIDTH_MAX];
    float *values = r->values;

    r->key = key;
    if (t->has_clock)
        r->last_clock =
            t->optim && optim_needs_catch_up(t->optim) && !table_admits(t)
                ? 0
                : (uint32_t)clock;
    if (t->optim) {
        if (t->spec->dtype == ROW_BF16)
            values = wide;
        table_initial(t, key, values);
        optim_init_state(t->optim, values, row_state(t, r), t->width);
        if (t->spec->dtype == ROW_BF16)
            t->bf16->nearest(values, row_halves(t, r), t->width);
    }
    r->seen = (uint32_t)(clock < ROW_SEEN_MAX ? clock : ROW_SEEN_MAX);
}

static uint32_t take_slot(struct table *t)
{
    uint32_t ref = t->free_ref;

    if (!ref)
        return table_ref_at(t, *t->n_slots);
    t->free_ref = (uint32_t)table_row(t, ref)->key;
    t->n_free--;
    return ref;
}

enum fusor_status table_insert(struct table *t, uint64_t key, uint64_t clock,
                               uint32_t *ref, struct fusor_error *err)
{
    uint32_t tag = hash_tag(hash_key(t->number, key));
    int again = t->free_ref != 0;

    *ref = probe(t, key, tag);
    if (*ref)
        return FUSOR_OK;
    if (table_n_rows(t) + 1 > index_room(t->index_bits))
        FUSOR_TRY(index_grow(t, err));
    if (!again && *t->n_slots == (uint64_t)t->n_extents * t->rows_per_extent)
        FUSOR_TRY(add_extent(t, err));
    *ref = take_slot(t);
    row_fill(t, table_row(t, *ref), key, clock);
    *t->n_slots += !again;
    put_entry(t->index, t->index_bits, (uint64_t)tag << 32 | *ref);
    return FUSOR_OK;
}

/* Linear probing without tombstones: what the hole would hide moves into it
 * (Knuth, TAOCP 3, algorithm 6.4 R). */
static void drop_entry(struct table *t, uint64_t entry)
{
    size_t mask = ((size_t)1 << t->index_bits) - 1;
    size_t hole = place_of(t->index_bits, entry_tag(entry));

    while (t->index[hole] != entry)
        hole = (hole + 1) & mask;
    for (size_t at = (hole + 1) & mask; t->index[at]; at = (at + 1) & mask) {
        size_t home = place_of(t->index_bits, entry_tag(t->index[at]));

        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        t->index[hole] = t->index[at];
        hole = at;
    }
    t->index[hole] = 0;
}

static void free_slot(struct table *t, uint32_t ref)
{
    struct row *r = table_row(t, ref);

    r->seen = ROW_FREE;
    r->key = t->free_ref;
    t->free_ref = ref;
    t->n_free++;
}

void table_remove(struct table *t, uint32_t ref)
{
    uint32_t tag = hash_tag(hash_key(t->number, table_row(t, ref)->key));

    drop_entry(t, (uint64_t)tag << 32 | ref);
    free_slot(t, ref);
}

static enum fusor_status list_extents(struct table *t, struct fusor_error *err)
{
    const struct slab_head *head = t->slab->head;
    uint64_t n = 0;

    for (uint64_t i = 0; i < head->n_extents; i++)
        n += head->owner[i] == SLAB_TABLE + t->place;
    if (*t->n_slots > n * t->rows_per_extent)
        return fusor_fail(err, FUSOR_EDATA,
                          "table %s: %llu rows in %llu extents", t->spec->name,
                          (unsigned long long)*t->n_slots,
                          (unsigned long long)n);
    mem_free(t->extents);
    t->n_extents = 0;
    t->cap_extents = n + 1;
    t->extents = mem_alloc(t->cap_extents, sizeof(*t->extents));
    if (!t->extents)
        return mem_fail(err, "list of extents", n * sizeof(*t->extents));
    for (uint64_t i = 0; i < head->n_extents; i++)
        if (head->owner[i] == SLAB_TABLE + t->place)
            t->extents[t->n_extents++] = (uint32_t)i;
    return FUSOR_OK;
}

/* A marked row belongs to a shard that was killed in the middle of an apply:
 * when it was seen is lost, and "just now" keeps it. */
static void rebuild_slot(struct table *t, uint32_t ref)
{
    struct row *r = table_row(t, ref);
    uint64_t tag;

    if (r->seen == ROW_FREE) {
        free_slot(t, ref);
        return;
    }
    if (r->seen & ROW_MARK)
        r->seen = (uint32_t)t->slab->head->clock & ROW_SEEN_MAX;
    tag = hash_tag(hash_key(t->number, r->key));
    put_entry(t->index, t->index_bits, tag << 32 | ref);
}

enum fusor_status table_rebuild(struct table *t, struct fusor_error *err)
{
    unsigned bits = INDEX_BITS_MIN;

    FUSOR_TRY(list_extents(t, err));
    while (bits<INDEX_BITS_MAX && * t->n_slots> index_room(bits))
        bits++;
    index_free(t);
    t->index = index_alloc(t, bits, err);
    if (!t->index)
        return FUSOR_ENOMEM;
    t->index_bits = bits;
    t->free_ref = 0;
    t->n_free = 0;
    for (uint64_t i = 0; i < *t->n_slots; i++)
        rebuild_slot(t, table_ref_at(t, i));
    return FUSOR_OK;
}

int table_owns_ref(const struct table *t, uint32_t ref)
{
    const struct slab_head *head = t->slab->head;
    uint64_t at = (uint64_t)ref * 16, extent = at / SLAB_EXTENT_BYTES;
    uint64_t inside = at % SLAB_EXTENT_BYTES;
    const struct row *r;

    if (*t->n_slots == 0 || extent >= head->n_extents ||
        head->owner[extent] != SLAB_TABLE + t->place || inside % t->stride ||
        inside / t->stride >= t->rows_per_extent)
        return 0;
    r = table_row(t, ref);
    if (extent != t->extents[t->n_extents - 1])
        return r->seen != ROW_FREE;
    return r->seen != ROW_FREE &&
           r <= table_row(t, table_ref_at(t, *t->n_slots - 1));
}
