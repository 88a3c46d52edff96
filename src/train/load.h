/* The load of servers, as measured: how many rows of each bucket were asked for
 * and how many bytes their values are, counted by every shard and joined at the
 * cut of each epoch. It goes into the run directory (load.json), where the next
 * start finds it and gives the buckets to shards so that all have the same to
 * do (job/placement.h).
 *
 * Beside it, what workers' caches have saved (ps/cache.h). Threads: one. */
#ifndef TRAIN_LOAD_H
#define TRAIN_LOAD_H

#include "base/str.h"
#include "fusor/status.h"
#include "store/bucket.h"

#define LOAD_FILE "load.json"

/* Counted from the start of a shard. */
struct load {
    uint64_t rows_asked; // of pulls to train on
    uint64_t rows_held;  // of those, by their reader itself
    uint64_t bytes_held; // that were not sent for that
    struct bucket_load buckets[BUCKET_COUNT];
};

/** Append to what a shard answers to CUT. */
void load_encode(const struct load *l, struct strbuf *out);
/** Add the load at the end of such an answer.
 * @param cost replaced by what it costs its shard; may be NULL
 * @param before set to the size of what stands in front of it
 * @return FUSOR_EPROTO: no load stands there */
enum fusor_status load_add_encoded(struct load *into, const void *data,
                                   size_t size, uint64_t *cost, size_t *before,
                                   struct fusor_error *err);

/** The largest cost over the mean: 1 is even. 1 where nothing was counted. */
double load_imbalance(const uint64_t *costs, uint32_t n_shards);

/** Write run_dir/load.json. */
enum fusor_status load_write(const char *run_dir, const struct load *l,
                             double imbalance, struct fusor_error *err);
/** Read the buckets of run_dir/load.json; the rest becomes 0.
 * @return FUSOR_EUSAGE: none there, or not what load_write() makes */
enum fusor_status load_read(const char *run_dir, struct load *out,
                            struct fusor_error *err);

#endif
