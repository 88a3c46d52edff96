/* A finished (or stopped) run, opened to be read: the job it carried, its data
 * set, and its newest checkpoint in a local store. Evaluation, recommendation
 * and inspection start here; nothing in the run directory is changed.
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
};

struct opened_options {
    const char *run_dir;  // or a checkpoint folder inside one
    const char *prepared; // instead of the job's data.prepared, or NULL
    const char *metrics; // "[auc, ndcg@10]" instead of the job's evaluate; NULL
    unsigned n_threads;  // 0: all processors
};

/** @return FUSOR_EUSAGE: not a run directory, or it has no checkpoint yet;
 * FUSOR_EIO, FUSOR_EDATA naming the damaged file */
enum fusor_status opened_create(const struct opened_options *options,
                                struct opened **out, struct fusor_error *err);
void opened_destroy(struct opened *o);

#endif
