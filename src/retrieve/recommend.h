/* The best items for a query: every item of the data set is scored in chunks,
 * those the query has seen are left out, the best k stay. Who scores is the
 * caller's affair: a callback gets items and gives one number for each.
 *
 * Order: higher score first, ties by the smaller item id, so that the result
 * depends on nothing but the scores. An item without a number (NaN) is left
 * out and counted.
 *
 * Threads: one at a time per recommender; the data set is only read. */
#ifndef RETRIEVE_RECOMMEND_H
#define RETRIEVE_RECOMMEND_H

#include "data/batcher.h"

struct recommended {
    uint32_t item;
    float score;
};

struct recommend_scorer {
    /** Score n items for a query.
     * @param items [n], n up to chunk; scores [n] filled */
    enum fusor_status (*score)(void *context, const struct batcher_query *query,
                               const uint32_t *items, uint32_t n, float *scores,
                               struct fusor_error *err);
    /** Told of all items before they are scored; NULL: need not be.
     * @param items [n] */
    enum fusor_status (*begin)(void *context, const struct batcher_query *query,
                               const uint32_t *items, uint32_t n,
                               struct fusor_error *err);
    void *context;
    uint32_t chunk; // most items of one call, at least 1
};

struct recommender;

/** @param ds with exclude_seen, borrowed; scorer copied
 * @return FUSOR_EUSAGE: the data set has no item ids; FUSOR_ENOMEM */
enum fusor_status recommender_create(const struct dataset *ds,
                                     const struct recommend_scorer *scorer,
                                     struct recommender **out,
                                     struct fusor_error *err);
void recommender_destroy(struct recommender *r);

/** The best k items that the query has not seen in train and valid rows.
 * @param query id, VOCAB_UNKNOWN too: then nothing was seen
 * @param out [k], best first
 * @param n set to how many there are, up to k
 * @param n_bad set to how many items got no number; may be NULL
 * @return the scorer's failure */
enum fusor_status recommender_top(struct recommender *r, uint32_t query,
                                  uint32_t k, struct recommended *out,
                                  uint32_t *n, uint32_t *n_bad,
                                  struct fusor_error *err);

/** The best k among given items, whatever the query has seen.
 * @param query as the scorer takes it
 * @param items [n_items] @param out, n, n_bad as recommender_top() */
enum fusor_status recommender_among(struct recommender *r,
                                    const struct batcher_query *query,
                                    const uint32_t *items, uint32_t n_items,
                                    uint32_t k, struct recommended *out,
                                    uint32_t *n, uint32_t *n_bad,
                                    struct fusor_error *err);

#endif
