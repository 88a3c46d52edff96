/* One table's rows on one shard: rows in the slab's extents, never moving, and
 * an index by open addressing in private memory (u64 entries: 32 bits of hash |
 * 32 bits of row reference, linear probing, at most 70 % full).
 *
 * The place in the index is the top of the hash half that the entry keeps, so
 * the index grows in one pass over itself without touching a row.
 *
 * Threads: one owner; table_find() by others while the owner changes nothing.
 */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/params.h"
#include "optim/optim.h"
#include "store/slab.h"

/* As it lies in the slab: stride is a multiple of 16 bytes. A row always begins
 * at a multiple of 16. */
struct row {
    uint64_t key;
    uint32_t last_clock; // units it is up to date with
    uint32_t touched;    // steps that asked for it, saturating; the top bit is
                         // combine.c's mark
    float values[];      // [width], then [state_width] state
};

#define TABLE_WIDTH_MAX 16000 /* floats; the zeros of reference 0 reach */
#define ROW_MARK 0x80000000u
#define ROW_TOUCHED_MAX 0x7fffffffu

struct table {
    uint32_t number;
    uint32_t width;
    uint32_t state_width;
    uint32_t stride; // bytes of a row
    uint32_t rows_per_extent;
    uint64_t seed;
    const struct table_spec *spec;
    const struct optim *optim;
    struct slab *slab;
    uint64_t *n_rows;  // in the slab's head
    uint32_t *extents; // [n_extents] numbers, in order of their rows
    size_t n_extents, cap_extents;
    uint64_t *index; // [1 << index_bits]
    unsigned index_bits;
};

/** @param optim made ready, outlives the table */
enum fusor_status table_init(struct table *t, const struct param_spec *params,
                             uint32_t number, const struct optim *optim,
                             struct slab *slab, struct fusor_error *err);
void table_clear(struct table *t);

static inline struct row *table_row(const struct table *t, uint32_t ref)
{
    return (struct row *)(void *)(t->slab->base + (size_t)ref * 16);
}

static inline float *row_state(const struct table *t, struct row *r)
{
    return r->values + t->width;
}

/** Row number i < *n_rows in order of creation. */
static inline uint32_t table_ref_at(const struct table *t, uint64_t i)
{
    uint64_t at = t->extents[i / t->rows_per_extent] * SLAB_EXTENT_BYTES +
                  i % t->rows_per_extent * t->stride;

    return (uint32_t)(at / 16);
}

/** Look up n keys by groups with prefetch; 0 where there is none.
 * @return how many were found */
size_t table_find(const struct table *t, const uint64_t *keys, size_t n,
                  uint32_t *refs);

/** The row of a key, made with initial values and state when it is not there.
 * @param clock birthday of a new row; a row that must be caught up starts at 0
 * @return FUSOR_ENOMEM with nothing changed */
enum fusor_status table_insert(struct table *t, uint64_t key, uint64_t clock,
                               uint32_t *ref, struct fusor_error *err);

/** Make the index anew from the rows of the slab: after a hand-over.
 * @return FUSOR_ENOMEM, FUSOR_EDATA (more rows than extents) */
enum fusor_status table_rebuild(struct table *t, struct fusor_error *err);

/** Is ref the beginning of a row of this table? */
int table_owns_ref(const struct table *t, uint32_t ref);

static inline uint64_t table_index_bytes(const struct table *t)
{
    return t->index ? sizeof(uint64_t) << t->index_bits : 0;
}

#endif
