/* What is built from the texts of documents: counts of terms, BM25's worths,
 * and rows of the towers that score by them. Documents are the items of the
 * data set; nothing here looks at queries or judgements.
 *
 * Threads: any; nothing is shared. */
#ifndef TRAIN_BUILD_TEXT_H
#define TRAIN_BUILD_TEXT_H

#include "base/crew.h"
#include "data/dataset.h"
#include "index/csr.h"
#include "model/built.h"

/** How often each term stands in some text fields together, documents by
 * terms.
 * @param fields [n] */
enum fusor_status build_counts(const struct dataset *ds, const uint32_t *fields,
                               uint32_t n, uint32_t n_documents,
                               uint32_t n_terms, struct csr *out,
                               struct fusor_error *err);
/** What each term is worth in each document.
 * @param spec of a bm25 tower
 * @param most [n_terms] set to the most each term can be worth, or NULL */
enum fusor_status build_bm25_weights(const struct dataset *ds,
                                     const struct built *spec, float *most,
                                     struct csr *out, struct fusor_error *err);
/** Rows of a bm25 tower.
 * @param rows [n_items, 2 most] zeroed
 * @param most [n_terms] the most each term can be worth, or NULL */
enum fusor_status build_bm25(const struct dataset *ds, const struct built *spec,
                             float *rows, float *most, struct fusor_error *err);
/** Rows of an lsa tower.
 * @param terms [n_terms, dim] @param documents [n_items, dim]
 * @return FUSOR_EDATA: the texts span fewer dimensions than dim */
enum fusor_status build_lsa(const struct dataset *ds, const struct built *spec,
                            uint64_t seed, const struct crew *crew,
                            float *terms, float *documents,
                            struct fusor_error *err);

#endif
