/* The list that a group's scores would show: its k best items. What the metrics
 * of lists (coverage, gini, novelty, diversity) look at.
 *
 * Equal scores stand by ascending item, so that the list does not depend on the
 * order of candidates. An item appears once, at its best score; the unknown
 * item, NaN and -INFINITY never appear. Threads: one. */
#ifndef MODEL_METRIC_TOP_H
#define MODEL_METRIC_TOP_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

struct metric_top {
    uint32_t k;
    uint32_t n;      // in the list, up to k
    uint32_t *items; // [k] best first
    uint32_t *keys;  // [k] their scores as ordered integers
};

/** @param k 0: keeps no list */
enum fusor_status metric_top_init(struct metric_top *top, uint32_t k,
                                  struct fusor_error *err);
void metric_top_clear(struct metric_top *top);
/** Make the list of scores [n] of items [n]. */
void metric_top_fill(struct metric_top *top, const float *scores,
                     const uint32_t *items, size_t n);

#endif
