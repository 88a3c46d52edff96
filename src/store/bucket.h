/* Buckets: the 4096 fixed parts of the key space. A shard owns a set of them;
 * which key lies in which bucket never changes, so moving to another number of
 * shards moves whole buckets. Pure functions. */
#ifndef STORE_BUCKET_H
#define STORE_BUCKET_H

#include <stdint.h>

#include "base/hash.h"

#define BUCKET_COUNT 4096
#define SHARD_MAX 1024 /* shards of one job */

/* What was asked of a bucket. */
struct bucket_load {
    uint64_t rows, bytes; // looked up, and of their values
};

/** How much work that is: a row costs a line of memory, however short. */
static inline uint64_t bucket_load_cost(const struct bucket_load *l)
{
    return l->bytes + 64 * l->rows;
}

/** Bucket of a hash from hash_key(). */
static inline unsigned bucket_of_hash(uint64_t hash)
{
    return (unsigned)(hash >> 52);
}

static inline unsigned bucket_of_key(uint32_t table, uint64_t key)
{
    return bucket_of_hash(hash_key(table, key));
}

/** Give every shard one contiguous range of buckets, sizes within one.
 * @param n_shards 1..SHARD_MAX */
static inline void bucket_map_default(unsigned n_shards,
                                      uint16_t map[BUCKET_COUNT])
{
    for (unsigned b = 0; b < BUCKET_COUNT; b++)
        map[b] = (uint16_t)((uint64_t)b * n_shards / BUCKET_COUNT);
}

#endif
