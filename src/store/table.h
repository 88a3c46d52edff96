/* One table's rows on one shard: rows in the slab's extents, never moving, and
 * an index by open addressing in private memory (u64 entries: 32 bits of hash |
 * 32 bits of row reference, linear probing, at most 70 % full).
 *
 * The place in the index is the top of the hash half that the entry keeps, so
 * the index grows in one pass over itself without touching a row. A removed row
 * leaves a slot that says so in its head, hence is found again after a
 * hand-over, and that the next new row takes.
 *
 * Where rows lie in memory (stride a multiple of 16; offsets in struct table):
 *
 *   f32        key u64, seen u32, last_clock u32, values, state
 *   bf16       key u64, seen u32, [last_clock u32,] values as u16, state
 *
 * state is float in both; head and values stand together, so that reading a
 * row of 16 takes 1.5 cache lines out of bf16, 2 out of f32. A bf16 row keeps
 * last_clock only when its rule has to catch up on units that did not touch it,
 * so 16 values under rowwise_adagrad take 48 bytes.
 *
 * A table of stubs counts the keys that have no row yet (struct row with no
 * values, the count in last_clock's place): 16 bytes each.
 *
 * Threads: one owner; table_find() by others while the owner changes nothing.
 */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/params.h"
#include "optim/bf16.h"
#include "optim/optim.h"
#include "store/slab.h"

/* As it lies in the slab, always at a multiple of 16. */
struct row {
    uint64_t key;        // of a free slot: the next free one
    uint32_t seen;       // last unit that asked for it; the top bit is
                         // combine.c's mark; ROW_FREE: no row
    uint32_t last_clock; // units it is up to date with; a stub's count; not in
                         // every row: see above
    float values[];      // [width] of an f32 table
};

#define TABLE_WIDTH_MAX 16000 /* floats; the zeros of reference 0 reach */
#define ROW_MARK 0x80000000u
#define ROW_SEEN_MAX 0x7fffffffu
#define ROW_FREE 0xffffffffu

struct table {
    uint32_t number;
    uint32_t place; // in the slab's head: number, of stubs beyond all tables
    uint32_t width; // of stubs 0
    uint32_t state_width;
    uint32_t values_at, values_end, state_at; // bytes into a row
    uint32_t stride;                          // bytes of a row
    uint32_t rows_per_extent;
    int has_clock; // rows keep last_clock
    uint64_t seed;
    const struct table_spec *spec;
    const struct optim *optim; // of stubs NULL
    const struct bf16_ops *bf16;
    struct slab *slab;
    uint64_t *n_slots; // in the slab's head: rows and free slots
    uint32_t free_ref; // first free slot, 0: none
    uint64_t n_free;   // slots
    uint32_t *extents; // [n_extents] numbers, in order of their rows
    size_t n_extents, cap_extents;
    uint64_t *index; // [1 << index_bits]
    unsigned index_bits;
};

/** @param optim made ready, outlives the table */
enum fusor_status table_init(struct table *t, const struct param_spec *params,
                             uint32_t number, const struct optim *optim,
                             struct slab *slab, struct fusor_error *err);
/** The stubs of a table. */
enum fusor_status table_init_stubs(struct table *t,
                                   const struct param_spec *params,
                                   uint32_t number, struct slab *slab,
                                   struct fusor_error *err);
void table_clear(struct table *t);

static inline struct row *table_row(const struct table *t, uint32_t ref)
{
    return (struct row *)(void *)(t->slab->base + (size_t)ref * 16);
}

static inline float *row_state(const struct table *t, struct row *r)
{
    return (float *)(void *)((unsigned char *)r + t->state_at);
}

static inline uint16_t *row_halves(const struct table *t, struct row *r)
{
    return (uint16_t *)(void *)((unsigned char *)r + t->values_at);
}

/** Ask for the cache lines of the first bytes of a row. @param bytes over 0 */
static inline void table_prefetch(const struct table *t, uint32_t ref,
                                  uint32_t bytes)
{
    const char *p = (const char *)table_row(t, ref);

    for (uint32_t at = 0; at < bytes; at += 64)
        __builtin_prefetch(p + at, 1);
    __builtin_prefetch(p + bytes - 1, 1); // a row may begin anywhere in a line
}

static inline uint64_t table_n_rows(const struct table *t)
{
    return *t->n_slots - t->n_free;
}

/** Slot number i < *n_slots in order of creation; its row may be free. */
static inline uint32_t table_ref_at(const struct table *t, uint64_t i)
{
    uint64_t at = t->extents[i / t->rows_per_extent] * SLAB_EXTENT_BYTES +
                  i % t->rows_per_extent * t->stride;

    return (uint32_t)(at / 16);
}

/** The bytes of a row and of its place in the index, at most 70 % full and
 * just grown, for predictions. */
uint64_t table_row_bytes(const struct table_spec *spec,
                         const struct optim_spec *optim);
uint64_t table_index_bytes_for(uint64_t n_rows);
#define TABLE_STUB_BYTES 16

/** Look up n keys by groups with prefetch; 0 where there is none.
 * @return how many were found */
size_t table_find(const struct table *t, const uint64_t *keys, size_t n,
                  uint32_t *refs);

/** The row of a key, made with initial values and state when it is not there.
 * @param clock birthday of a new row; a row that must be caught up starts at 0,
 *        unless admission kept it out before
 * @return FUSOR_ENOMEM with nothing changed */
enum fusor_status table_insert(struct table *t, uint64_t key, uint64_t clock,
                               uint32_t *ref, struct fusor_error *err);
/** Take a row out; its slot is used again. */
void table_remove(struct table *t, uint32_t ref);

/** [width] values of a row as floats. */
void table_read(const struct table *t, uint32_t ref, float *out);
/** [width] what a row of this key has at first, or would have. */
void table_initial(const struct table *t, uint64_t key, float *out);

/** Make index and free slots anew from the rows of the slab: after a hand-over.
 * @return FUSOR_ENOMEM, FUSOR_EDATA (more rows than extents) */
enum fusor_status table_rebuild(struct table *t, struct fusor_error *err);

/** Is ref the beginning of a row of this table? */
int table_owns_ref(const struct table *t, uint32_t ref);

static inline int table_admits(const struct table *t)
{
    return t->spec->admit_count > 1 || t->spec->admit_probability > 0;
}

static inline uint64_t table_index_bytes(const struct table *t)
{
    return t->index ? sizeof(uint64_t) << t->index_bits : 0;
}

#endif
