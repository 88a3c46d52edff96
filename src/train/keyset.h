/* The distinct keys of one table in one step: duplicates go out as keys come
 * in, in one pass over open addressing, without sorting. The index of a key is
 * its place in order of first appearance, so it depends on the batch only.
 *
 * Nothing is cleared between steps: entries carry the step they belong to.
 * Owner: one worker thread. */
#ifndef TRAIN_KEYSET_H
#define TRAIN_KEYSET_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

#define KEYSET_NONE UINT32_MAX /* the position of BATCH_NO_ID */

struct keyset {
    uint64_t *keys; // [n] in order of first appearance
    uint32_t n;
    uint32_t cap;
    uint64_t *entries; // [mask + 1] step << 32 | index
    uint32_t mask;
    unsigned shift; // of the product that a key's place is cut from
    uint32_t step;
};

/** @param expected keys of a step, repeats counted; more are fine, slowly */
enum fusor_status keyset_init(struct keyset *s, uint32_t expected,
                              struct fusor_error *err);
void keyset_clear(struct keyset *s);
/** Forget all keys: a new step begins. */
void keyset_reset(struct keyset *s);
/** Add ids[i] + salt for all i and write where each stands.
 * @param positions [n] */
enum fusor_status keyset_add(struct keyset *s, const uint64_t *ids, size_t n,
                             uint64_t salt, uint32_t *positions,
                             struct fusor_error *err);

#endif
