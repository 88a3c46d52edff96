/* One compute thread: its pipeline of steps over a lease, and its share of an
 * evaluation. Everything it needs is made once; the loops allocate nothing.
 *
 * Threads: its own, except the progress counters. */
#ifndef TRAIN_WORKER_H
#define TRAIN_WORKER_H

#include <stdatomic.h>

#include "coord/command.h"
#include "coord/lease.h"
#include "train/private_grads.h"
#include "train/result.h"
#include "train/workload.h"

struct fold_scores;

struct worker {
    const struct workload *workload;
    struct param_store *store;
    unsigned number;     // in this process
    uint32_t max_micros; // of one step
    uint32_t micro_rows; // most samples of a micro-batch
    struct step *ring;   // [n_ring] depth + 1 steps
    unsigned n_ring;
    struct model_run *run;
    struct grads grads;
    struct private_grads by_sample; // with privacy
    struct step_grads pushed;       // stays until the store's next values()
    uint32_t *rows;                 // [micro_rows] row numbers of a micro-batch
    uint32_t *items; // [micro_rows] items in their place, with negatives
    uint32_t *drawn; // [micro_rows] rows as the plan has them
    const struct fold_scores *given; // of a stage out of fold, or NULL
    const struct found *mined;       // what its negatives are drawn from where
                                     // a tower has found it, or NULL
    float *scores, *outputs;         // [micro_rows]
    const float *dense;              // parameters of the last worker_score()
    struct epoch_result result;
    struct profile *profile;      // the store's of this worker; NULL: none
    atomic_ullong samples, steps; // progress, read by other threads
    atomic_llong loss;
};

/** @param max_micros most micro-batches of one step
 * @param micro_rows most samples of a micro-batch, and of a batch scored */
enum fusor_status worker_init(struct worker *w, const struct workload *workload,
                              struct param_store *store, unsigned number,
                              uint32_t max_micros, uint32_t micro_rows,
                              struct fusor_error *err);
void worker_clear(struct worker *w);

/** Carry out a lease of one epoch.
 * @return FUSOR_EDIVERGED naming the unit when a loss is not finite */
enum fusor_status worker_train(struct worker *w, const struct lease *lease,
                               const struct plan *plan,
                               const struct plan_order *order,
                               const struct command *c,
                               struct fusor_error *err);

/** Peek at the values that a batch, just filled, reads.
 * @param m from step_next_micro(w->ring, ...)
 * @param out the step of a pass over it, good until the next call */
enum fusor_status worker_peek(struct worker *w, struct step_micro *m,
                              struct model_step *out, struct fusor_error *err);

/** Score the samples of a batch that was just filled, by peeking.
 * @param m from step_next_micro(w->ring, ...)
 * Scores and outputs are left in w. */
enum fusor_status worker_score(struct worker *w, struct step_micro *m,
                               struct fusor_error *err);

#endif
