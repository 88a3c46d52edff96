/* The shard's end of the tree of micro-batches: gradients of one key that come
 * in several pushes are summed in the tree's order, without hashing. The first
 * push that brings a row leaves a mark in the row itself (the top bit of
 * row.seen and the entry's number below it); the entry keeps what stood
 * there. A shard killed in between clears marks when it rebuilds its index, at
 * the price of knowing when those rows were last asked for.
 *
 * Threads: one owner. */
#ifndef STORE_COMBINE_H
#define STORE_COMBINE_H

#include <stddef.h>
#include <stdint.h>

#include "store/table.h"
#include "store/tree.h"

struct combine_entry {
    uint32_t ref;
    uint32_t seen; // what the mark stands on
    uint8_t n;
    uint8_t lo[TREE_DEPTH_MAX];
    float *rows[TREE_DEPTH_MAX];
};

struct combine {
    struct combine_entry *entries; // [n] in order of first sight
    size_t n, cap;
};

/** Make room for n rows in all.
 * @return FUSOR_ENOMEM */
enum fusor_status combine_reserve(struct combine *c, size_t n,
                                  struct budget *budget,
                                  struct fusor_error *err);
void combine_clear(struct combine *c);
/** Take one gradient row of the push whose node begins at lo; pushes come in
 * ascending lo. Room must have been made. A key that comes twice in one push,
 * which no worker of ours sends, is added up. */
void combine_add(struct combine *c, const struct table *t, uint32_t ref,
                 unsigned lo, float *grad);
/** Merge what is left of entry i, put the row's count back.
 * @return the sum [width] */
float *combine_take(struct combine *c, const struct table *t, size_t i);

/** Sum vectors in the tree's order, by pieces that stay in the first cache.
 * @param in [n_in] each at least n floats; lo [n_in] ascending
 * @param out [n] no part of in */
void combine_vectors(const float *const *in, const uint32_t *lo, size_t n_in,
                     float *out, size_t n);

#endif
