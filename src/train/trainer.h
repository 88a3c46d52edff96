/* One process's compute threads: each carries out its lease of an epoch, or its
 * share of an evaluation, over a parameter store that is either in this process
 * or behind messages. It does not know which.
 *
 * Threads: trainer_run() from one thread at a time; trainer_progress() from
 * any. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "base/affinity.h"
#include "base/params.h"
#include "coord/command.h"
#include "coord/lease.h"
#include "train/workload.h"

struct trainer;

struct trainer_config {
    const struct workload *workload;
    struct param_store *store;   // stays the caller's, outlives the trainer; it
                                 // tells phases to the trainer's profiles
    unsigned n_threads;          // compute threads of this process
    uint32_t first_worker;       // number of its first thread in the job
    uint32_t n_workers;          // threads of the whole job
    int staleness;               // 0 for a local store
    int judges_only;             // no epochs: evaluation's room is enough
    const struct affinity *bind; // places of the threads; NULL: anywhere
    const char *run_dir; // where parts of a trace and scores of folds go; NULL:
                         // nothing of the kind
    /* Told before an epoch which lease each thread holds; may be NULL. */
    void (*set_lease)(void *context, unsigned thread, const struct lease *lease,
                      uint64_t epoch);
    /* A thread has failed: let the others out of their waits; may be NULL. */
    void (*on_failure)(void *context, const struct fusor_error *why);
    void *context;
};

enum fusor_status trainer_create(const struct trainer_config *config,
                                 struct trainer **out, struct fusor_error *err);
void trainer_destroy(struct trainer *t);

/** Carry out EPOCH, EVALUATE or SCORE with all threads and wait for the end.
 * @param result replaced by what train/result.h reads; free with strbuf_clear()
 * @return the first failure of any thread, e.g. FUSOR_EDIVERGED */
enum fusor_status trainer_run(struct trainer *t, const struct command *c,
                              struct strbuf *result, struct fusor_error *err);

struct evaluate_sink;
/** EVALUATE that also tells what became of every judged unit. A sink is called
 * from all threads: give one only when n_threads is 1.
 * @param sink NULL: none */
enum fusor_status trainer_evaluate(struct trainer *t, const struct command *c,
                                   struct evaluate_sink *sink,
                                   struct strbuf *result,
                                   struct fusor_error *err);

/** Samples and loss of the command under way, steps ever made. */
void trainer_progress(struct trainer *t, uint64_t *samples, double *loss_sum,
                      uint64_t *steps);

#endif
