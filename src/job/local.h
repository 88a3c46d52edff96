/* A job in one process: the same course over a local store, in a run directory
 * of its own. */
#ifndef JOB_LOCAL_H
#define JOB_LOCAL_H

#include "job/options.h"
#include "train/workload.h"

/** Train to the end; the result is written to result.json. SIGUSR1 stops after
 * the checkpoint of the epoch under way: FUSOR_ERESUME. SIGINT and SIGTERM end
 * the process at once, but for a file being written, with status.json saying
 * so and exit code 128 + N.
 * @param job_text the effective job file
 * @return FUSOR_OK, or why */
enum fusor_status job_run_local(const struct job_options *options,
                                struct yaml *job, const char *job_text,
                                struct fusor_error *err);
/** What cluster.bind would do to a job in one process here, for --check. */
enum fusor_status job_describe_bind(const struct job_options *options,
                                    const struct workload *w,
                                    struct strbuf *out,
                                    struct fusor_error *err);

#endif
