/* What goes with a term, or with a query: the sum of the texts of the items
 * that have it, each by tf-idf and of length 1 (Rocchio 1971, "Relevance
 * feedback in information retrieval", of items that nobody judged). An item
 * that lacks a word of the query may still be like those that have it.
 *
 * Sums are made one after the other in the same memory. Threads: one at a time
 * a sum; what was taken out of it is read-only. */
#ifndef DATA_MATCH_KIN_H
#define DATA_MATCH_KIN_H

#include "data/match.h"
#include "fusor/status.h"

struct kin_sum {
    float *sum;      // [n_terms]
    uint32_t *which; // [n_terms] those that are not 0
    uint32_t n;
    double weight; // of the texts in it
};

enum fusor_status kin_sum_make(uint32_t n_terms, struct kin_sum *s,
                               struct fusor_error *err);
void kin_sum_release(struct kin_sum *s);
/** Add weight times the text over its length, sqrt(match_square()); an empty
 * one or weight 0 adds nothing. */
void kin_sum_add(struct kin_sum *s, const struct match *m,
                 struct match_text item, double length, double weight);
/** Take the sum's largest terms but `without` (0: none), and begin anew. Of
 * equal ones those that came first stay. */
void kin_sum_take(struct kin_sum *s, uint32_t without, struct match_kin *out);

/** Cosine of the item and the sum less the item `own` times.
 * @param length of the item: sqrt(match_square()) */
double match_kin_cosine(const struct match *m, const struct match_kin *kin,
                        struct match_text item, double length, double own);

#endif
