/* Okapi BM25: what a term of a document puts into its score for each time that
 * a query names the term (Robertson and Zaragoza 2009, "The probabilistic
 * relevance framework", sections 3.4 and 3.6).
 *
 *   idf(t)   = log(1 + (N - df + 0.5) / (df + 0.5)), never negative
 *   flat     tf = sum over fields of weight * count, len likewise
 *            w(t, d) = idf (k1 + 1) tf / (tf + k1 (1 - b + b len / mean len))
 *   fields   (BM25F) tf = sum of weight * count / (1 - b + b len_f / mean
 * len_f) w(t, d) = idf (k1 + 1) tf / (tf + k1)
 *
 * Row 0 is nobody's document and does not count; term 0 is a word that is not
 * in the vocabulary: it makes a document longer and scores nothing. */
#ifndef INDEX_BM25_H
#define INDEX_BM25_H

#include "index/csr.h"

enum bm25_form { BM25_FLAT, BM25_FIELDS };

struct bm25 {
    enum bm25_form form;
    double k1, b;             // k1 at least 0, b in 0..1
    uint32_t n;               // fields, at least 1
    const struct csr *counts; // [n] documents by terms, all of one shape
    const double *weights;    // [n] at least 0
};

/** Weights of all terms in all documents.
 * @param idf [terms] set
 * @param out documents by terms, without row and column 0; csr_clear() it
 * @return FUSOR_ENOMEM */
enum fusor_status bm25_weigh(const struct bm25 *p, float *idf, struct csr *out,
                             struct fusor_error *err);

#endif
