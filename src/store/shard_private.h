/* What a shard is made of: for shard*.c and checkpoint*.c only. */
#ifndef STORE_SHARD_PRIVATE_H
#define STORE_SHARD_PRIVATE_H

#include "store/combine.h"
#include "store/shard.h"
#include "store/slab.h"
#include "store/table.h"

#define SHARD_BLOCK 4096 /* floats: they stay in the first cache */

struct shard {
    const struct param_spec *params;
    unsigned number, n_shards;
    uint16_t bucket_map[BUCKET_COUNT];
    struct budget budget;
    struct slab slab;
    struct table *tables;           // [n_tables]
    struct table *stubs;            // [n_tables] used where admission counts
    struct optim *table_optim;      // [n_tables]
    struct optim *block_optim;      // [n_blocks]
    struct optim_step *steps;       // [n_tables + n_blocks] of the open unit
    struct block_segment *segments; // [n_segments]
    size_t n_segments;
    uint64_t dense_size;
    float *flat;                  // config.dense, or NULL
    float **segment_values;       // [n_segments]
    float **segment_state;        // [n_segments]
    unsigned char *frozen;        // [n_blocks] this block is not trained
    unsigned char *frozen_tables; // [n_tables]
    float *dense_sum; // scratch of shard_dense.c, made when first needed
    float *wide;      // [largest width] a row's values as floats
    float *block;     // [SHARD_BLOCK + largest width] rows of a source
    enum store_when_full when_full;
    uint64_t idle, floor;
    struct combine combine;
    struct shard_counters counters;
};

/** What was decided about rates, as it stands in the slab's head. */
struct optim_timeline shard_timeline(const struct shard *s);
/** Floats of optimizer state of segment i. */
size_t shard_segment_state_size(const struct shard *s, size_t i);
int shard_owns_key(const struct shard *s, uint32_t table, uint64_t key);

static inline int table_has_stubs(const struct table *t)
{
    return t->spec->admit_count > 1;
}

/* shard_dense.c */

/** Before a unit is applied: memory for its dense gradients.
 * @return FUSOR_ENOMEM */
enum fusor_status shard_dense_room(struct shard *s,
                                   const struct shard_push *pushes, size_t n,
                                   struct fusor_error *err);
/** One step of each segment that has a dense gradient; s->steps are made. */
void shard_apply_dense(struct shard *s, const struct shard_push *pushes,
                       size_t n);

/* shard_room.c */

/** Give a key its row, making room by eviction where the config allows that.
 * @return FUSOR_ENOMEM */
enum fusor_status shard_insert(struct shard *s, struct table *t, uint64_t key,
                               uint64_t clock, uint32_t *ref,
                               struct fusor_error *err);
/** A unit trains a key that has no row: count it, and admit it if it is time.
 * @param ref 0: not yet */
enum fusor_status shard_admit(struct shard *s, struct table *t, uint64_t key,
                              uint64_t clock, uint32_t *ref,
                              struct fusor_error *err);
/** Evict what no unit from clock - idle on has asked for. */
void shard_evict_idle(struct shard *s, uint64_t clock);

#endif
