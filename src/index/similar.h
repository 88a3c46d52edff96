/* Which rows of a sparse matrix are alike: neighbours of items by who had them,
 * of users by what they had, of documents by their words. Exact: every row that
 * shares a column is looked at, through the inverted lists.
 *
 *   cosine    sum x y / (|x| |y| + shrink)
 *   pearson   correlation over the columns both have, times n / (n + shrink)
 *             with n such columns; below 2 of them 0
 *
 * Rows that share fewer than `least` columns have nothing to do with each
 * other.
 *
 * (Koren 2010, "Factor in the neighbors", section 2.2; Aiolli 2013 for sets.)
 *
 * Threads: a struct similar is read-only; a scratch belongs to one thread. Sums
 * follow the order of the columns, so a row has the same bits on any thread. */
#ifndef INDEX_SIMILAR_H
#define INDEX_SIMILAR_H

#include "index/csr.h"

enum similar_kind { SIMILAR_COSINE, SIMILAR_PEARSON };

struct similar {
    const struct csr *rows, *by_col; // the caller's; one is the other turned
    enum similar_kind kind;
    double shrink;  // at least 0
    double *norms;  // [n_rows]
    uint32_t least; // columns that two rows must share
};

/** @param s all but norms set; they are made */
enum fusor_status similar_init(struct similar *s, struct fusor_error *err);
void similar_clear(struct similar *s);

struct similar_scratch;
enum fusor_status similar_scratch_create(const struct similar *s,
                                         struct similar_scratch **out,
                                         struct fusor_error *err);
void similar_scratch_destroy(struct similar_scratch *x);

/** Weights of all rows beside one: out [n_rows], 0 for itself. */
void similar_all(const struct similar *s, struct similar_scratch *x,
                 uint32_t row, float *out);
/** The `most` rows of the largest weights above 0, of equal ones those of the
 * smaller number.
 * @param ids,weights [most] by ascending id
 * @return how many */
uint32_t similar_top(const struct similar *s, struct similar_scratch *x,
                     uint32_t row, uint32_t most, uint32_t *ids,
                     float *weights);

#endif
