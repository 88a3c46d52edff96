/* What the environment says about who started this process: mpirun, srun, or
 * nobody. The environment is looked at here only, through a function, so that
 * tests can pass another one. */
#ifndef JOB_LAUNCHER_H
#define JOB_LAUNCHER_H

#include "fusor/status.h"

/* NULL when name is not set; environment is the caller's. */
typedef const char *(*launcher_env_fn)(void *environment, const char *name);

struct launcher {
    int present;      // started by one: MPI must be initialised
    const char *name; // "mpirun", "srun"; for messages
    int size;         // ranks it says there are; 0: it does not say
    int rank;         // of this process; 0 when it does not say
    int idle_tasks;   // tasks of an allocation that nothing has started
};

struct launcher launcher_detect(launcher_env_fn env, void *environment);
/** The same of this process's own environment. */
struct launcher launcher_here(void);

/** Does MPI see as many ranks as the launcher started?
 * @param command the command line to use with srun, for the text
 * @return FUSOR_ECLUSTER with the line to use */
enum fusor_status launcher_check_size(const struct launcher *l, int mpi_size,
                                      const char *command,
                                      struct fusor_error *err);

#endif
