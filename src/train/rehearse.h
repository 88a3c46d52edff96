/* A few units of a job trained in memory and thrown away, to see what buffers
 * its threads take and how many rows a unit asks for: what cannot be worked out
 * without looking at the rows.
 *
 * Threads: one. */
#ifndef TRAIN_REHEARSE_H
#define TRAIN_REHEARSE_H

#include "train/workload.h"

#define REHEARSE_UNITS 4

struct rehearsal {
    uint64_t units;       // trained; 0: every stage is built, not trained
    uint64_t training;    // bytes: threads' buffers, order of samples
    uint64_t evaluation;  // bytes: what all threads count in
    double keys_per_unit; // over all tables, distinct of each thread
};

/** Train up to REHEARSE_UNITS units of the first stage that is trained, in this
 * process, from values as they begin. Memory of rows is given back.
 * @param n_threads at most course_useful_threads()
 * @return FUSOR_ENOMEM, FUSOR_EDATA, or why training fails */
enum fusor_status rehearse(const struct workload *w, unsigned n_threads,
                           struct rehearsal *out, struct fusor_error *err);

#endif
