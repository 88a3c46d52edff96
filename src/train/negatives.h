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
 * that the words of the query or a tower have found for it, hard negatives
 * (Karpukhin et al. 2020, "Dense passage retrieval", section 3.2; Xiong et al.
 * 2021), and again, up to NEGATIVE_REDRAWS times, while the query is known to
 * have it. For a query for which nothing is found it is drawn uniformly. The
 * draws
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
    NEGATIVES_FOUND       // of the documents found for the query (found.h)
};

struct negatives {
    uint32_t per_row; // of a positive; 0: rows are taken as they are
    int pairwise;
    int from;                  // enum negatives_from
    const struct found *found; // NULL: they are drawn uniformly
    int mined;                 // found by a tower when the stage begins, for
    uint32_t tower;            // each query its items of rank first .. last,
    uint32_t first, last;      // counted from 1 (mined.h)
};

/** Most samples that one row becomes. */
uint32_t negatives_samples(const struct negatives *n);

/** Is it a positive row, which negatives follow? */
int negatives_follow(const struct dataset *ds, enum split split, uint32_t row);
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
