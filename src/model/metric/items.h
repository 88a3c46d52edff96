/* What the metrics of lists know of items: how popular each was in training,
 * and what it is made of. Filled by whoever knows the data; constant while sets
 * use it. Threads: shared read-only. */
#ifndef MODEL_METRIC_ITEMS_H
#define MODEL_METRIC_ITEMS_H

#include <stddef.h>
#include <stdint.h>

struct metric_items {
    uint32_t n;             // ids are 1 .. n - 1
    const uint64_t *counts; // [n] train rows of each
    uint64_t total;         // their sum
    /* For diversity: sets of values, or vectors, or neither. */
    const size_t *begin;    // [n + 1] into values
    const uint64_t *values; // of each item ascending, none twice
    const float *vectors;   // [n, width]
    uint32_t width;
};

/** -log2 of the item's share of the train rows: how surprising it is, in bits
 * (Vargas and Castells 2011, "Rank and relevance in novelty and diversity
 * metrics for recommender systems"). An item without a row counts as one with
 * one. */
double metric_items_information(const struct metric_items *items,
                                uint32_t item);

/** How unlike two items are, in [0, 1] (vectors: [0, 2]). Sets: 1 - |a & b| /
 * |a | b| (Jaccard), 0 when both are empty. Vectors: 1 - cosine; one of them
 * zero: 1, both: 0. */
double metric_items_distance(const struct metric_items *items, uint32_t a,
                             uint32_t b);

#endif
