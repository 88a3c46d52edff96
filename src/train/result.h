/* What one process answers to EPOCH (workers) and CUT (shards), as bytes. Sums
 * are integers, so that the total does not depend on who did what. */
#ifndef TRAIN_RESULT_H
#define TRAIN_RESULT_H

#include "base/profile.h"
#include "base/str.h"
#include "fusor/status.h"

#define RESULT_LOSS_ONE 1048576.0 /* the loss is summed in steps of 2^-20 */

#define RESULT_TOWERS_MAX 64

struct epoch_result {
    uint64_t samples;
    int64_t loss;     // sum over samples, times RESULT_LOSS_ONE
    uint64_t busy_ns; // compute, over threads
    uint64_t wait_ns; // for values and acknowledgements, over threads
    struct profile_total profile; // over threads
    /* Fusion weights, summed over samples, times RESULT_LOSS_ONE. */
    uint32_t n_towers; // 0: the fusion has none
    uint64_t weighed;  // samples
    int64_t weights[RESULT_TOWERS_MAX];
};

/** Count the weights of n samples.
 * @param sums [n_towers] over the samples; n_towers <= RESULT_TOWERS_MAX */
void epoch_result_weigh(struct epoch_result *r, const double *sums,
                        uint32_t n_towers, uint32_t n);
/** Replace *out by the encoded result. */
void epoch_result_encode(const struct epoch_result *r, struct strbuf *out);
/** @return FUSOR_EPROTO: not what epoch_result_encode() makes */
enum fusor_status epoch_result_decode(const void *data, size_t size,
                                      struct epoch_result *out,
                                      struct fusor_error *err);
void epoch_result_add(struct epoch_result *into,
                      const struct epoch_result *from);
/** *sum += loss, staying at the end of the range instead of going over it. */
void result_add_loss(int64_t *sum, int64_t loss);

#define CUT_STALENESS_MAX 64 /* the last counts everything from 63 on */

/* A shard's counters at a cut. All but rows and profile count from its start.
 */
struct cut_result {
    uint64_t rows; // alive
    uint64_t pulls, pushes;
    uint64_t duplicates; // pushes that came again and were not applied
    uint64_t evicted;    // rows
    uint64_t refused;    // gradients of keys that have no row
    /* Units applied between reading values and applying their gradient. */
    uint64_t staleness_count[CUT_STALENESS_MAX];
    struct profile_total profile; // of this epoch
};

/** Replace *out by the encoded result. */
void cut_result_encode(const struct cut_result *r, struct strbuf *out);
/** @return FUSOR_EPROTO: not what cut_result_encode() makes */
enum fusor_status cut_result_decode(const void *data, size_t size,
                                    struct cut_result *out,
                                    struct fusor_error *err);
void cut_result_add(struct cut_result *into, const struct cut_result *from);
/** What was counted since an earlier total; a counter that went back (a shard
 * was started anew) counts from 0. rows and profile stay. */
struct cut_result cut_result_since(const struct cut_result *now,
                                   const struct cut_result *before);

#endif
