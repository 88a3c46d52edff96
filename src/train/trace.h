/* A Chrome trace of a run (Trace Event Format, chrome://tracing, Perfetto):
 * what every thread did in the run's first steps.
 *
 * Each process writes its part into RUN/trace once an epoch is over, also one
 * that failed, until all steps that are wanted are in; parts are whole JSON and
 * replaced whole. The course and, at the end, the process that started the run
 * join them into the file that was asked for, so a process that dies leaves the
 * others' parts. RUN/trace/begin holds what all have to know: the moment that
 * times count from, and the file.
 *
 * Threads: one a part; no thread of the part may be running. */
#ifndef TRAIN_TRACE_H
#define TRAIN_TRACE_H

#include "base/profile.h"
#include "train/workload.h"

/* What a part is of: processes of the trace, in this order. */
enum trace_kind { TRACE_COURSE = 1, TRACE_WORKERS, TRACE_SHARDS };

struct trace_part {
    const char *run_dir;
    const struct workload *workload; // names of towers
    const char *process;             // what the processes of this kind are
                                     // called together
    enum trace_kind kind;
    uint32_t first;             // number of the first thread in the job
    uint32_t n;                 // threads; 0: no trace, all below do nothing
    struct profile *profiles;   // [n]
    struct profile_mark *marks; // [n] times the room of one
    int written;                // whole: nothing is added any more
};

/** Make RUN/trace afresh and see that the file can be written. Before any part.
 */
enum fusor_status trace_begin(const char *run_dir, const char *file,
                              struct fusor_error *err);

/** Take memory for the marks of so many steps.
 * @param marks_per_step about so many; a step that has more shortens the trace
 */
enum fusor_status trace_part_open(struct trace_part *p, uint64_t steps,
                                  size_t marks_per_step,
                                  struct fusor_error *err);
void trace_part_close(struct trace_part *p);
/** Write what there is now. */
enum fusor_status trace_part_write(struct trace_part *p,
                                   struct fusor_error *err);

/** Join the parts there are into the run's file. Nothing when it wants no
 * trace. */
enum fusor_status trace_join(const char *run_dir, struct fusor_error *err);

#endif
