/* fusor train --dry-run: what the processes of a job will hold, worked out from
 * the job, the prepared folder and a few units of training, without taking the
 * memory of the tables. */
#ifndef CLI_DRY_RUN_H
#define CLI_DRY_RUN_H

#include "job/options.h"
#include "train/workload.h"

/* Measured by the caller around workload_create(). */
struct dry_run_memory {
    uint64_t program; // bytes of the process before
    uint64_t data;    // bytes that it took
    uint64_t loading; // most that the process took meanwhile
};

/** Print, for each table and the weights, rows and bytes of one server when
 * every key of the vocabularies has its row, what the cap says to the sum, and
 * what a server, a worker and the coordinator take in all. Without
 * cluster.servers the one process is all of them. The number of workers is that
 * of the launcher's ranks, or one.
 * @param json as JSON, for programs */
enum fusor_status dry_run_print(const struct workload *w,
                                const struct job_options *o,
                                const struct dry_run_memory *memory, int json,
                                struct fusor_error *err);

#endif
