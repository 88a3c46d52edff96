/* A finished (or stopped) run, opened to be read: the job it carried, its data
 * set, and its best checkpoint (the newest where none is marked) in a local
 * store. Evaluation, recommendation and inspection start here; nothing in the
 * run directory is changed.
 *
 * Threads: one; the trainer inside uses its own. */
#ifndef TRAIN_OPENED_H
#define TRAIN_OPENED_H

#include "train/trainer.h"

struct opened {
    struct yaml *job;
    struct workload *workload;
    struct param_store *store;
    struct trainer *trainer;
    uint64_t epoch, clock, samples_done; // of the checkpoint
    uint32_t stage; // of it: place in the list of workload->options
    int is_best;    // of its stage, by its validation rows
    uint64_t last;  // newest epoch of its stage that is kept; 0: not known
};

struct opened_options {
    const char *run_dir;  // or a checkpoint folder inside one
    const char *prepared; // instead of the job's data.prepared, or NULL
    const char *metrics; // "[auc, ndcg@10]" instead of the job's evaluate; NULL
    const char *candidates; // "{bm25: 200}" instead of the job's; NULL
    unsigned n_threads;     // 0: all processors
};

/** @return FUSOR_EUSAGE: not a run directory, or it has no checkpoint yet;
 * FUSOR_EIO, FUSOR_EDATA naming the damaged file */
enum fusor_status opened_create(const struct opened_options *options,
                                struct opened **out, struct fusor_error *err);
void opened_destroy(struct opened *o);

#endif
