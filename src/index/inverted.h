/* An inverted index over a sparse matrix of documents by terms whose values are
 * what a term puts into a document's score: the best documents for a set of
 * terms without looking at the others.
 *
 * Postings of a term stand by document in blocks, each with its largest value.
 * Documents are taken one after the other by MaxScore (Turtle and Flood 1995):
 * terms whose largest values together cannot lift a document above the k-th
 * best so far are only looked up for documents that others found, and not even
 * there when the largest value of the block cannot (Ding and Suel 2011, "Faster
 * top-k document retrieval using block-max indexes"). The result is that of
 * scoring every document.
 *
 * Threads: read-only once made; a search keeps its state on the stack and in
 * what it allocates. */
#ifndef INDEX_INVERTED_H
#define INDEX_INVERTED_H

#include "index/csr.h"

struct inverted;

struct inverted_hit {
    uint32_t document;
    float score;
};

/** @param m values of at least 0; not kept
 * @return FUSOR_ENOMEM */
enum fusor_status inverted_create(const struct csr *m, struct inverted **out,
                                  struct fusor_error *err);
void inverted_destroy(struct inverted *ix); // NULL is fine

/** The k documents of the largest sums above 0.
 * @param terms [n] a term that comes twice counts twice; those that are not
 * below the matrix' columns count nothing
 * @param out [k] best first, of equal ones the smaller number first
 * @param found set to how many there are
 * @return FUSOR_ENOMEM */
enum fusor_status inverted_top(const struct inverted *ix, const uint32_t *terms,
                               uint32_t n, uint32_t k, struct inverted_hit *out,
                               uint32_t *found, struct fusor_error *err);

#endif
