/* Cuts the keys of a step over the shards and remembers the cut, so that the
 * replies can be joined again and the gradients follow the same way. Pure of
 * any message: arrays in, arrays out. Owner: one worker thread. */
#ifndef PS_SPLIT_H
#define PS_SPLIT_H

#include "base/params.h"
#include "store/bucket.h"

struct table_split {
    uint32_t n, cap;
    uint16_t *shard; // [n] who owns key i
    uint32_t *place; // [n] its place among that shard's keys
    uint32_t *n_of;  // [n_shards] keys of each shard
    /* Keys whose values the worker holds already (ps/cache.h) come last. */
    uint32_t *want_of; // [n_shards] of n_of, those whose values are wanted
    uint32_t *entry;   // [n] where values are held, or SPLIT_WANTED; the
                       // caller's to fill before table_split_hold()
    uint32_t n_held;   // 0: entry says nothing
};

#define SPLIT_WANTED UINT32_MAX

enum fusor_status table_split_init(struct table_split *s, uint32_t n_shards,
                                   struct fusor_error *err);
void table_split_clear(struct table_split *s);
/** @param map [BUCKET_COUNT] bucket -> shard */
enum fusor_status table_split_keys(struct table_split *s, uint32_t table,
                                   const struct step_keys *keys,
                                   const uint16_t *map, uint32_t n_shards,
                                   struct fusor_error *err);
/** Of the keys cut last, entry says which are held: give places anew. */
void table_split_hold(struct table_split *s, uint32_t n_shards);

#endif
