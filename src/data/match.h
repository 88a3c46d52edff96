/* How two texts fit each other, as a few numbers: what a network or a linear
 * tower learns relevance from (Liu 2009, "Learning to rank for information
 * retrieval", section 1.3.1).
 *
 *   overlap      share of the query's terms that the item has
 *   idf_overlap  the same, rare terms counting more
 *   bigram       share of the query's neighbouring terms that the item has side
 *                by side
 *   first, last  does the item have the query's first, last term?
 *   rarest       does it have the query's rarest term?
 *   missing      idf of what it lacks, over ten
 *   count        log(1 + how often the query's terms stand in the item)
 *   jaccard      terms of both over terms of either
 *   place        1 / (1 + place in the item of the first term found)
 *   order        share of neighbours of the query that the item has in the same
 *                order
 *   query_length, item_length   log(1 + terms)
 *   unknown      share of the query's terms that no item has
 *
 * A term no item has is id 0. Features of an empty query are 0. Threads: a
 * struct match is read-only once made. */
#ifndef DATA_MATCH_H
#define DATA_MATCH_H

#include <stddef.h>
#include <stdint.h>

#define MATCH_MAX 32 /* features of one field */

extern const char *const match_features[]; // NULL-terminated

struct match {
    const float *idf; // [n_terms]
    uint32_t n_terms;
    uint32_t n_features;
    int features[MATCH_MAX]; // numbers in match_features
};

struct match_text {
    const uint32_t *terms;
    uint32_t n;
};

/** @param out [m->n_features] */
void match_compute(const struct match *m, struct match_text query,
                   struct match_text item, float *out);

#endif
