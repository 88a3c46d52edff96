/* Sampled negatives: which samples the rows of a micro-batch become. A positive
 * is a row whose label, after the job's map, is above 0.5 (with `map: implicit`
 * every row).
 *
 * Pointwise losses (train.negatives: k): each row, and after each positive k
 * samples of the same query with another item and label 0 (He et al. 2017,
 * "Neural collaborative filtering", section 3.1). Pairwise losses (bpr): k
 * pairs for each positive, the row itself and then a negative; other rows are
 * left out (Rendle et al. 2009).
 *
 * An item is drawn uniformly, or as that of a random train row, or out of those
 * that a search finds for the query, and again, up
 * to NEGATIVE_REDRAWS times, while the query is known to have it. The draws
 * depend on (seed, stage, epoch, sample id) only: any number of workers trains
 * the same samples.
 *
 * Threads: any; everything is constant. */
#ifndef TRAIN_NEGATIVES_H
#define TRAIN_NEGATIVES_H

#include "data/dataset.h"

struct found;

#define NEGATIVE_REDRAWS 8

enum negatives_from {
    NEGATIVES_UNIFORM,
    NEGATIVES_POPULARITY, // as often as in the train rows
    NEGATIVES_SEARCH      // of the documents found for the query (found.h)
};

struct negatives {
    uint32_t per_row; // of a positive; 0: rows are taken as they are
    int pairwise;
    int from;                  // enum negatives_from
    const struct found *found; // of a search; else, or for nothing found,
                               // they are drawn uniformly
};

/** Most samples that one row becomes. */
uint32_t negatives_samples(const struct negatives *n);

/** The samples of rows, in order.
 * @param epoch distinct over stages
 * @param rows [n] positions in the split
 * @param out_rows,out_items [n * negatives_samples()] for batcher_fill_items()
 * @return how many samples */
uint32_t negatives_expand(const struct negatives *negatives,
                          const struct dataset *ds, enum split split,
                          uint64_t seed, uint64_t epoch, const uint32_t *rows,
                          uint32_t n, uint32_t *out_rows, uint32_t *out_items);

/** The sum of the weights of the samples that rows become: what a mean over
 * them is divided by.
 * @param rows [n] positions in the split */
double negatives_weight(const struct negatives *negatives,
                        const struct dataset *ds, enum split split,
                        const uint32_t *rows, uint32_t n);

#endif
