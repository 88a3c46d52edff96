/* Reads the marks that launchers leave: Open MPI's mpirun sets OMPI_COMM_*,
 * PMIx launchers PMIX_RANK, older ones PMI_*, Slurm's steps SLURM_STEP_*. */
#include "job/launcher.h"

#include <stdlib.h>

#include "base/str.h"

static int number_of(launcher_env_fn env, void *environment, const char *name)
{
    const char *text = env(environment, name);
    int64_t n;

    if (!text || str_to_i64(text, &n) != 0 || n < 0 || n > 1000000)
        return -1;
    return (int)n;
}

static int first_of(launcher_env_fn env, void *environment,
                    const char *const *names)
{
    for (; *names; names++) {
        int n = number_of(env, environment, *names);

        if (n >= 0)
            return n;
    }
    return -1;
}

struct launcher launcher_detect(launcher_env_fn env, void *environment)
{
    static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK",
                                        "PMI_RANK", "SLURM_PROCID", NULL};
    struct launcher l = {.name = ""};
    int ompi = number_of(env, environment, "OMPI_COMM_WORLD_SIZE");
    int pmi = number_of(env, environment, "PMI_SIZE");
    int tasks = number_of(env, environment, "SLURM_NTASKS");
    int in_step = env(environment, "SLURM_STEP_ID") != NULL;
    int step = number_of(env, environment, "SLURM_STEP_NUM_TASKS");
    int rank = first_of(env, environment, ranks);

    if (ompi < 0 && in_step && step > 0)
        tasks = step;
    if (ompi > 0) {
        l = (struct launcher){.present = 1, .name = "mpirun", .size = ompi};
    } else if (pmi > 0) {
        l = (struct launcher){
            .present = 1, .name = "the launcher", .size = pmi};
    } else if (in_step && tasks > 0 &&
               (tasks > 1 || env(environment, "PMIX_RANK"))) {
        l = (struct launcher){.present = 1, .name = "srun", .size = tasks};
    } else if (env(environment, "PMIX_RANK")) {
        l = (struct launcher){.present = 1, .name = "the launcher"};
    } else if (tasks > 1) {
        l.idle_tasks = tasks;
    }
    if (l.present && rank > 0)
        l.rank = rank;
    return l;
}

static const char *own_env(void *environment, const char *name)
{
    (void)environment;
    return getenv(name);
}

struct launcher launcher_here(void)
{
    return launcher_detect(own_env, NULL);
}

enum fusor_status launcher_check_size(const struct launcher *l, int mpi_size,
                                      const char *command,
                                      struct fusor_error *err)
{
    if (l->size == 0 || l->size == mpi_size)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_ECLUSTER,
                      "%s started %d processes but MPI sees %d: launcher and "
                      "MPI library do not fit; under Slurm use: srun "
                      "--mpi=pmix -n %d %s",
                      l->name, l->size, mpi_size, l->size, command);
}
