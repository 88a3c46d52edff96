/* Chooses between one process and many. */
#include "job/job.h"

#include "base/mem.h"
#include "job/launch.h"
#include "job/local.h"
#include "train/warm.h"

#define LOG_MODULE "job"
#include "base/log.h"

int job_is_under_mpi(void)
{
    return launcher_here().present;
}

int job_is_first(void)
{
    return launcher_here().rank == 0;
}

enum fusor_status job_give_up(const struct fusor_error *why, int argc,
                              char **argv, struct fusor_error *err)
{
    struct launch l = {.launcher = launcher_here(),
                       .argc = argc,
                       .argv = argv,
                       .before = *why};

    if (l.launcher.present)
        return job_launch(&l, err);
    *err = *why;
    return why->status;
}

/* A mistake in the job is found while its tree still knows where the user wrote
 * what, and before anything is launched: the roles only get the effective text.
 * One rank is enough, the one that speaks. */
static enum fusor_status check_here(const struct launcher *l, struct yaml *job,
                                    int resume, struct fusor_error *err)
{
    struct workload *w;
    enum fusor_status rc;

    if (!l->present || l->rank != 0)
        return FUSOR_OK;
    FUSOR_TRY(workload_create(job, &w, err));
    workload_warn(w);
    rc = resume ? FUSOR_OK : warm_check(w, err);
    workload_destroy(w);
    return rc;
}

enum fusor_status job_train(struct yaml *job, const struct job_options *options,
                            int argc, char **argv, struct fusor_error *err)
{
    struct launch l = {.launcher = launcher_here(),
                       .options = options,
                       .argc = argc,
                       .argv = argv};
    struct strbuf text = {0};
    struct fusor_error why;
    enum fusor_status rc;

    if (check_here(&l.launcher, job, options->resume, &why) != FUSOR_OK)
        return job_give_up(&why, argc, argv, err);
    yaml_print(yaml_root(job), 0, &text);
    if (text.failed)
        mem_fail(&l.before, "job file", 0);
    l.job_text = text.s ? text.s : "";
    if (l.launcher.idle_tasks)
        log_warn("this allocation has %d tasks, but only this process runs: "
                 "put srun --mpi=pmix in front to use them",
                 l.launcher.idle_tasks);
    if (l.launcher.present)
        rc = job_launch(&l, err);
    else if (text.failed)
        rc = mem_fail(err, "job file", 0);
    else
        rc = job_run_local(options, job, l.job_text, err);
    strbuf_clear(&text);
    return rc;
}
