/* What a shard is made of: for shard*.c and checkpoint*.c only. */
#ifndef STORE_SHARD_PRIVATE_H
#define STORE_SHARD_PRIVATE_H

#include "store/combine.h"
#include "store/shard.h"
#include "store/slab.h"
#include "store/table.h"

struct shard {
    const struct param_spec *params;
    unsigned number, n_shards;
    uint16_t bucket_map[BUCKET_COUNT];
    struct budget budget;
    struct slab slab;
    struct table *tables;           // [n_tables]
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
    float *dense_sum; // [largest segment] scratch, made when first needed
    struct combine combine;
    struct shard_counters counters;
};

/** What was decided about rates, as it stands in the slab's head. */
struct optim_timeline shard_timeline(const struct shard *s);
/** Floats of optimizer state of segment i. */
size_t shard_segment_state_size(const struct shard *s, size_t i);
int shard_owns_key(const struct shard *s, uint32_t table, uint64_t key);

#endif
