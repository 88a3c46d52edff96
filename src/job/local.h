/* A job in one process: the same course over a local store, in a run directory
 * of its own. */
#ifndef JOB_LOCAL_H
#define JOB_LOCAL_H

#include "job/options.h"

/** Train to the end; the result is written to result.json. SIGINT
 * and SIGTERM leave status.json saying so.
 * @param job_text the effective job file
 * @return FUSOR_OK, or why */
enum fusor_status job_run_local(const struct job_options *options,
                                struct yaml *job, const char *job_text,
                                struct fusor_error *err);

#endif
