/* Values of hot rows that one compute thread keeps from step to step, each with
 * the clock it was read at. It decides nothing about staleness: it finds, keeps
 * and evicts; whether a row may serve a step is consistency_may_serve(), asked
 * by client_cache.c.
 *
 * Rows of one width share a pool. Who stays is decided by frequency: a sketch
 * of counts (Cormode, Muthukrishnan 2005: count-min), halved every so often
 * (TinyLFU: Einziger, Friedman, Manes 2017), against a victim that a clock hand
 * finds among the rows not used lately.
 *
 * All memory is taken at creation and stays below the bound. Owner and threads:
 * one compute thread. */
#ifndef PS_CACHE_H
#define PS_CACHE_H

#include "base/params.h"

#define CACHE_NONE UINT32_MAX

struct cache;

/** @param bytes bound of all its memory
 * @return FUSOR_EUSAGE: not room for one row of each table; FUSOR_ENOMEM */
enum fusor_status cache_create(const struct param_spec *params, size_t bytes,
                               struct cache **out, struct fusor_error *err);
void cache_destroy(struct cache *c);
/** Forget all rows; what is known of frequency stays. No row may be pinned. */
void cache_forget(struct cache *c);
/** Bytes it holds. */
size_t cache_bytes(const struct cache *c);

/** Look a row up for a step; counts as a use of its key.
 * @return its entry, or CACHE_NONE */
uint32_t cache_find(struct cache *c, uint32_t table, uint64_t key);
/** The clock its values were read at. */
uint64_t cache_clock(const struct cache *c, uint32_t table, uint32_t entry);
/** Its values, [width], at this place until unpinned; a later cache_keep() of
 * the same key may make them newer. */
const float *cache_row(const struct cache *c, uint32_t table, uint32_t entry);
/** It stays until cache_unpin() has been called as often. At most 255 times. */
void cache_pin(struct cache *c, uint32_t table, uint32_t entry);
void cache_unpin(struct cache *c, uint32_t table, uint32_t entry);
/** Offer a row: kept where there is room or it is used more than another;
 * older values than those that are there change nothing.
 * @param values [width], copied */
void cache_keep(struct cache *c, uint32_t table, uint64_t key, uint64_t clock,
                const float *values);

#endif
