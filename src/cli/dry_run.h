/* fusor train --dry-run: what a server process will hold, worked out from the
 * job and the prepared folder without taking that memory. */
#ifndef CLI_DRY_RUN_H
#define CLI_DRY_RUN_H

#include "job/options.h"
#include "train/workload.h"

/** Print, for each table and the weights, rows and bytes of one server when
 * every key of the vocabularies has its row, and what the cap says to the sum.
 * Without cluster.servers the one process is the server.
 * @param json as JSON, for programs */
enum fusor_status dry_run_print(const struct workload *w,
                                const struct job_options *o, int json,
                                struct fusor_error *err);

#endif
