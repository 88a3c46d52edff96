/* A training job from its job file to its exit code: in this process, or under
 * a launcher (mpirun, srun) over all ranks. What the command line calls. */
#ifndef JOB_JOB_H
#define JOB_JOB_H

#include "job/options.h"
#include "job/role.h"

/** Train. Collective under a launcher: every rank calls it or job_give_up().
 * @param job the job's tree, with the command line's values put in
 * @param options from job_options_read(), then name, run_dir, resume, quiet
 * @param argc,argv of main, for messages
 * @return FUSOR_OK, or why. The caller prints the text unless it is "": then
 * another process says it or has said it. The exit code is the status's. */
enum fusor_status job_train(struct yaml *job, const struct job_options *options,
                            int argc, char **argv, struct fusor_error *err);

/** Instead of job_train(), when the job cannot even be read: under a launcher
 * all ranks leave together with the same code and one says why.
 * @return as job_train() */
enum fusor_status job_give_up(const struct fusor_error *why, int argc,
                              char **argv, struct fusor_error *err);

/** Was this process started by a launcher, so that job_train() is collective?
 */
int job_is_under_mpi(void);
/** Is this the one process that does what is not collective: rank 0 of a
 * launcher, or a process that nobody launched? */
int job_is_first(void);

#endif
