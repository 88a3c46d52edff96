/* Where the shared buffers of a pool lie. Internal to wire.
 *
 * A region is reserved once and never moves: a buffer keeps its place for good,
 * and gives only its pages back. Owner and threads: its pool, under its lock.
 */
#ifndef WIRE_PAYLOAD_REGION_H
#define WIRE_PAYLOAD_REGION_H

#include "wire/payload.h"

/** @param size rounded up to whole huge pages
 * @return FUSOR_ENOMEM */
enum fusor_status payload_region_make(size_t size, struct payload_region *out,
                                      struct fusor_error *err);
/** Of zeros is fine. */
void payload_region_clear(struct payload_region *r);
/** A place for n bytes behind the first *used bytes, which are moved on.
 * @return NULL: no room left */
void *payload_region_place(const struct payload_region *r, size_t *used,
                           size_t n);
/** Let go of the pages of a place. */
void payload_region_drop(const struct payload_region *r, void *at, size_t n);

static inline int payload_region_has(const struct payload_region *r,
                                     const void *at)
{
    const unsigned char *p = at;

    return r->base && p >= r->base && p < r->base + r->size;
}

#endif
