/* One compute thread's share of a build stage: the rows of its lease, pushed to
 * the store step by step as gradients are (train/build.h says as what).
 *
 * Threads: each worker its own call; the build is shared. */
#ifndef TRAIN_BUILD_PUSH_H
#define TRAIN_BUILD_PUSH_H

#include "train/build.h"
#include "train/worker.h"

/** Carry out a lease of a build stage. w->result counts rows as samples.
 * @param b computed; its rows may be scribbled on */
enum fusor_status build_push(struct worker *w, const struct lease *lease,
                             const struct plan *plan, const struct build *b,
                             struct fusor_error *err);

#endif
