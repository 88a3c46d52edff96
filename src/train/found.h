/* Documents that the words of a query find: the best by each bm25 tower of the
 * model, out of an inverted index each (index/inverted.h), which is made from
 * the texts of the data set, as the tower's rows were. What `fusor search`
 * scores, what a shortlist begins with, and what negatives are drawn from.
 *
 * Threads: read-only once made. */
#ifndef TRAIN_FOUND_H
#define TRAIN_FOUND_H

#include "data/batcher.h"
#include "model/model.h"

#define FOUND_MAX 100000 /* documents of one tower */

struct finder;

/** Is it a bm25 tower, whose documents words find? */
int finder_takes(const struct model *m, uint32_t tower);
/** @return FUSOR_EUSAGE: no tower is a bm25; FUSOR_ENOMEM */
enum fusor_status finder_create(const struct dataset *ds, const struct model *m,
                                struct finder **out, struct fusor_error *err);
/** The same of some of the bm25 towers only.
 * @param wanted [towers of the model] */
enum fusor_status finder_create_for(const struct dataset *ds,
                                    const struct model *m,
                                    const unsigned char *wanted,
                                    struct finder **out,
                                    struct fusor_error *err);
void finder_destroy(struct finder *f); // NULL is fine
/** Has it an index of this tower? */
int finder_has(const struct finder *f, uint32_t tower);
/** The text of the query that a tower of the finder reads. */
uint32_t finder_text(const struct finder *f, uint32_t tower);
/** Most documents that finder_find() gives. */
uint32_t finder_room(const struct finder *f, uint32_t k);
/** The k best documents of each tower, together, by ascending id.
 * @param texts [n] the query's; a field that is not among them is empty
 * @param out [finder_room()] @param found set to how many there are */
enum fusor_status finder_find(const struct finder *f,
                              const struct batcher_text *texts, uint32_t n,
                              uint32_t k, uint32_t *out, uint32_t *found,
                              struct fusor_error *err);

/** The k best of one tower, best first. @param out [k] */
enum fusor_status finder_find_by(const struct finder *f, uint32_t tower,
                                 const struct batcher_text *texts, uint32_t n,
                                 uint32_t k, uint32_t *out, uint32_t *found,
                                 struct fusor_error *err);
/** Sort ids, each once. @return how many are left */
uint32_t found_sort(uint32_t *ids, uint32_t n);

/* What was found for each query that has train or valid rows. */
struct found {
    uint64_t n_queries;
    uint64_t *first; // [n_queries] where its documents stand
    uint32_t *n;     // [n_queries]
    uint32_t *documents;
    uint64_t used, room; // of documents
};

/** Nothing is found for any query yet. */
enum fusor_status found_create_empty(uint64_t n_queries, struct found **out,
                                     struct fusor_error *err);
/** Say what was found for a query, once. */
enum fusor_status found_add(struct found *f, uint32_t query,
                            const uint32_t *documents, uint32_t n,
                            struct fusor_error *err);
/** By words: of each tower those of rank `from` to `to`, counted from 1. */
enum fusor_status found_create(const struct finder *f, const struct dataset *ds,
                               uint32_t from, uint32_t to, struct found **out,
                               struct fusor_error *err);
void found_destroy(struct found *f); // NULL is fine

#endif
