/* A job under mpirun or srun: the start-up exchange over MPI (its only home),
 * then the supervisor of this rank. MPI is over before any role process starts.
 *
 *     MPI_Init; same program everywhere? can everyone go on? who is where?
 *     plan; listeners; endpoints; barrier; MPI_Finalize; fork + exec
 *
 * Collective: every rank calls it, also one that has failed before, so that all
 * leave with the same code and one of them says why. */
#ifndef JOB_LAUNCH_H
#define JOB_LAUNCH_H

#include "job/launcher.h"
#include "job/options.h"

struct launch {
    struct launcher launcher;
    const struct job_options *options; // NULL when before is a failure
    const char *job_text;              // effective job file
    int argc;
    char **argv;
    struct fusor_error before; // what this rank failed with until now, or OK
};

/** Run the job to its end.
 * @return FUSOR_OK, or why; the text is "" on every rank but the one that has
 * to say it, or when it was said already */
enum fusor_status job_launch(const struct launch *l, struct fusor_error *err);

#endif
