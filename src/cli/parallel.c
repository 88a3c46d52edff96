/* Forks a child for each task; what a child has to say about its failure comes
 * back as one struct through a pipe. */
#include "cli/parallel.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

struct task {
    pid_t pid; // > 0 while it runs
    int pipe;  // where its failure comes from
    int done;
    double started, seconds;
};

static void child_main(const struct parallel *p, size_t i, int out)
{
    struct fusor_error err = {0};
    enum fusor_status rc;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    rc = p->run(p->context, i, &err);
    if (rc != FUSOR_OK)
        (void)!write(out, &err, sizeof(err));
    _exit(rc == FUSOR_OK ? 0 : fusor_exit_code(rc));
}

static enum fusor_status start(const struct parallel *p, struct task *t,
                               size_t i, struct fusor_error *err)
{
    int ends[2];

    if (pipe(ends) != 0)
        return fusor_fail(err, FUSOR_EIO, "pipe: %s", strerror(errno));
    t->started = clock_seconds();
    t->pid = fork();
    if (t->pid == 0) {
        close(ends[0]);
        child_main(p, i, ends[1]);
    }
    close(ends[1]);
    if (t->pid < 0) {
        close(ends[0]);
        t->pid = 0;
        return fusor_fail(err, FUSOR_ENOMEM, "fork: %s", strerror(errno));
    }
    t->pipe = ends[0];
    return FUSOR_OK;
}

/* What the child said, or how it died. */
static enum fusor_status failure_of(const struct task *t, int status,
                                    struct fusor_error *err)
{
    struct fusor_error said;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return FUSOR_OK;
    if (read(t->pipe, &said, sizeof(said)) == (ssize_t)sizeof(said)) {
        said.text[sizeof(said.text) - 1] = '\0';
        if (err)
            *err = said;
        return said.status;
    }
    if (WIFSIGNALED(status))
        return fusor_fail(err, FUSOR_ECLUSTER, "pid %d was killed by signal %d",
                          (int)t->pid, WTERMSIG(status));
    return fusor_fail(err, FUSOR_ECLUSTER, "pid %d ended with exit code %d",
                      (int)t->pid, WEXITSTATUS(status));
}

static enum fusor_status wait_one(struct task *tasks, size_t n,
                                  struct fusor_error *err)
{
    enum fusor_status rc;
    int status;
    pid_t pid;

    do
        pid = wait(&status);
    while (pid < 0 && errno == EINTR);
    for (size_t i = 0; i < n; i++) {
        struct task *t = &tasks[i];

        if (t->pid != pid || pid <= 0)
            continue;
        rc = failure_of(t, status, err);
        close(t->pipe);
        t->pid = 0;
        t->seconds = clock_seconds() - t->started;
        t->done = rc == FUSOR_OK;
        return rc;
    }
    return pid > 0
               ? FUSOR_OK
               : fusor_fail(err, FUSOR_ECLUSTER, "wait: %s", strerror(errno));
}

static void stop_all(struct task *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tasks[i].pid > 0)
            kill(tasks[i].pid, SIGTERM);
    for (size_t i = 0; i < n; i++) {
        if (tasks[i].pid <= 0)
            continue;
        waitpid(tasks[i].pid, NULL, 0);
        close(tasks[i].pipe);
    }
}

static enum fusor_status run_tasks(const struct parallel *p, struct task *tasks,
                                   struct fusor_error *err)
{
    size_t started = 0, reported = 0;
    unsigned alive = 0;

    while (reported < p->n) {
        while (started < p->n && alive < p->at_once) {
            FUSOR_TRY(start(p, &tasks[started], started, err));
            started++;
            alive++;
        }
        FUSOR_TRY(wait_one(tasks, p->n, err));
        alive--;
        for (; reported < p->n && tasks[reported].done; reported++)
            FUSOR_TRY(
                p->done(p->context, reported, tasks[reported].seconds, err));
    }
    return FUSOR_OK;
}

enum fusor_status parallel_run(const struct parallel *p,
                               struct fusor_error *err)
{
    struct task *tasks = mem_alloc(p->n + 1, sizeof(*tasks));
    enum fusor_status rc;

    if (!tasks)
        return mem_fail(err, "tasks", p->n * sizeof(*tasks));
    rc = run_tasks(p, tasks, err);
    if (rc != FUSOR_OK)
        stop_all(tasks, p->n);
    mem_free(tasks);
    return rc;
}
