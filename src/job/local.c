/* Run directory, workload, course, status: one after the other. Beside them a
 * thread waits for signals: SIGUSR1 ends the course after the epoch's
 * checkpoint, SIGINT and SIGTERM end the process as soon as nothing is being
 * written. */
#include "job/local.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cpu.h"
#include "job/banner.h"
#include "job/bind.h"
#include "job/run_dir.h"
#include "job/signals.h"
#include "job/stoppable.h"
#include "train/course.h"
#include "train/trace.h"
#include "train/warm.h"

#define LOG_MODULE "job"
#include "base/log.h"

/* The thread that hears the signals. */
struct watch {
    struct signals signals;
    const char *run_dir;
    int end_fd; // written to: nothing to watch any more
    pthread_t thread;
    int started;
    atomic_int asked;        // SIGUSR1 has come
    pthread_mutex_t writing; // held while files of the run are written
};

/* Waits until what is being written is whole; then nothing else is. Ends by the
 * signal itself, which shells show as 128 + N, or, where whoever started us had
 * it ignored, by that exit code. */
static _Noreturn void end_by(struct watch *w, int number)
{
    pthread_mutex_lock(&w->writing);
    (void)run_dir_finish_signal(w->run_dir, number, NULL);
    fprintf(stderr, "%sfusor: stopped by signal %d; run directory: %s\n",
            isatty(STDERR_FILENO) ? "\n" : "", number, w->run_dir);
    signals_restore(&w->signals);
    kill(getpid(), number);
    _exit(128 + number);
}

static void on_signal(struct watch *w, int number)
{
    if (number == SIGINT || number == SIGTERM)
        end_by(w, number);
    if (number == SIGUSR1 && !atomic_exchange(&w->asked, 1))
        log_warn("SIGUSR1: the job stops after the checkpoint of this epoch");
}

static void *watch_main(void *arg)
{
    struct watch *w = arg;
    struct pollfd fds[2] = {{w->signals.fd, POLLIN, 0}, {w->end_fd, POLLIN, 0}};

    while (!(fds[1].revents & POLLIN)) {
        poll(fds, 2, -1);
        for (int n; (n = signals_take(&w->signals)) != 0;)
            on_signal(w, n);
    }
    return NULL;
}

static enum fusor_status watch_open(struct watch *w, const char *run_dir,
                                    struct fusor_error *err)
{
    static const int list[] = {SIGINT, SIGTERM, SIGUSR1, 0};

    *w = (struct watch){.run_dir = run_dir, .end_fd = -1};
    FUSOR_TRY(signals_open(&w->signals, list, err));
    pthread_mutex_init(&w->writing, NULL);
    w->end_fd = eventfd(0, EFD_CLOEXEC);
    w->started =
        w->end_fd >= 0 && pthread_create(&w->thread, NULL, watch_main, w) == 0;
    if (!w->started) // then a signal just ends the process
        signals_close(&w->signals);
    return FUSOR_OK;
}

static void watch_close(struct watch *w)
{
    uint64_t one = 1;

    if (w->started) {
        (void)!write(w->end_fd, &one, sizeof(one));
        pthread_join(w->thread, NULL);
        signals_close(&w->signals);
    }
    if (w->end_fd >= 0)
        close(w->end_fd);
    pthread_mutex_destroy(&w->writing);
}

/* The course between the signals: next() writes what an epoch leaves, and after
 * a SAVE the store writes until the following next(). */
struct guarded {
    struct script script; // first: the handle
    struct stoppable inner;
    struct watch *watch;
    int saving; // the lock is held
};

static enum fusor_status guarded_next(struct script *script,
                                      struct command *out,
                                      struct fusor_error *err)
{
    struct guarded *g = (struct guarded *)script;
    struct script *inner = &g->inner.script;
    enum fusor_status rc;

    if (!g->saving)
        pthread_mutex_lock(&g->watch->writing);
    g->inner.wanted = atomic_load(&g->watch->asked);
    rc = inner->ops->next(inner, out, err);
    g->saving = rc == FUSOR_OK && out->kind == COMMAND_SAVE;
    if (!g->saving)
        pthread_mutex_unlock(&g->watch->writing);
    return rc;
}

static enum fusor_status guarded_result(struct script *script,
                                        const struct command *c,
                                        uint32_t process, const void *data,
                                        size_t size, struct fusor_error *err)
{
    struct script *inner = &((struct guarded *)script)->inner.script;

    return inner->ops->result(inner, c, process, data, size, err);
}

static void guarded_progress(struct script *script, const struct command *c,
                             uint64_t samples, double loss_sum)
{
    struct script *inner = &((struct guarded *)script)->inner.script;

    inner->ops->progress(inner, c, samples, loss_sum);
}

static const struct script_ops guarded_ops = {
    .next = guarded_next,
    .result = guarded_result,
    .progress = guarded_progress,
};

/* Run the course; one that was asked to stop in between is FUSOR_ERESUME. */
static enum fusor_status run_guarded(struct course *c, struct watch *watch,
                                     unsigned n_threads,
                                     struct fusor_error *err)
{
    struct guarded g = {.script = {&guarded_ops}, .watch = watch};
    enum fusor_status rc;

    stoppable_init(&g.inner, course_script(c));
    rc = course_run_script(c, &g.script, n_threads, err);
    if (g.saving) // a SAVE has failed
        pthread_mutex_unlock(&watch->writing);
    if (rc == FUSOR_OK && g.inner.stopped)
        rc = fusor_fail(err, FUSOR_ERESUME,
                        "stopped at a checkpoint as asked by SIGUSR1; go on "
                        "with fusor train --resume %s",
                        watch->run_dir);
    return rc;
}

/* Asked for or there; no more than the job's steps can share. */
static unsigned choose_threads(const struct job_options *o,
                               const struct workload *w)
{
    unsigned asked = (unsigned)o->cluster.threads;
    unsigned n =
        course_useful_threads(w, asked ? asked : (unsigned)cpu_count());

    if (asked && n < asked)
        log_warn("%u of %u threads are used: a step has no more micro-batches "
                 "to share (train.micro_batches)",
                 n, asked);
    return n;
}

static void show_banner(const struct job_options *o, const char *run_dir,
                        unsigned n_threads, const struct bind *bind)
{
    struct strbuf text = {0};

    if (o->quiet)
        return;
    banner_local(run_dir, n_threads, &text);
    strbuf_add(&text, "fusor: ");
    bind_describe(bind, &text);
    if (text.s)
        fputs(text.s, stderr);
    strbuf_clear(&text);
}

/* @return end, or why the result cannot be written */
static enum fusor_status leave_result(const struct course *c,
                                      const char *run_dir,
                                      enum fusor_status end,
                                      struct fusor_error *err)
{
    struct strbuf result = {0};
    enum fusor_status rc;

    course_result(c, &result);
    rc = run_dir_write_result(run_dir, result.s ? result.s : "{}", err);
    strbuf_clear(&result);
    return rc == FUSOR_OK ? end : rc;
}

static enum fusor_status
train_bound(const struct job_options *o, const struct workload *w,
            const char *job_text, const struct run_dir *d, struct watch *watch,
            unsigned n_threads, const struct bind *bind,
            struct fusor_error *err)
{
    struct course_config config = {
        .workload = w,
        .run_dir = d->path,
        .config_text = job_text,
        .job_id = d->job,
        .n_workers = n_threads,
        .n_shards = n_threads,
        .resume = o->resume,
        .quiet = o->quiet,
        .cap_bytes = o->memory.per_server,
        .when_full = (enum store_when_full)o->memory.when_full,
        .idle = o->memory.idle,
        .bind = bind_find(bind, 0, ROLE_WORKER),
    };
    struct course *c;
    enum fusor_status rc;

    show_banner(o, d->path, n_threads, bind);
    if (affinity_leave(config.bind) != 0)
        log_warn("cannot bind this process: %s", strerror(errno));
    FUSOR_TRY(course_create(&config, &c, err));
    rc = run_guarded(c, watch, n_threads, err);
    if (rc != FUSOR_OK) // what was done until it failed
        (void)trace_join(d->path, NULL);
    if (rc == FUSOR_OK || rc == FUSOR_ERESUME)
        rc = leave_result(c, d->path, rc, err);
    course_destroy(c);
    return rc;
}

/* Where the threads of a job in this process would run. */
static enum fusor_status bind_here(const struct job_options *o,
                                   unsigned n_threads, struct bind *out,
                                   struct fusor_error *err)
{
    enum affinity_mode wanted = (enum affinity_mode)o->cluster.bind;
    struct machine_cpus given = affinity_given();
    struct machine *machine;
    enum fusor_status rc;

    FUSOR_TRY(bind_look(wanted, &machine, err));
    rc = bind_local(wanted, machine, &given, n_threads, out, err);
    machine_destroy(machine);
    return rc;
}

enum fusor_status job_describe_bind(const struct job_options *options,
                                    const struct workload *w,
                                    struct strbuf *out, struct fusor_error *err)
{
    struct bind bind;

    FUSOR_TRY(bind_here(options, choose_threads(options, w), &bind, err));
    strbuf_add(out, "one process ");
    bind_describe(&bind, out);
    bind_clear(&bind);
    return FUSOR_OK;
}

static enum fusor_status train(const struct job_options *o,
                               const struct workload *w, const char *job_text,
                               const struct run_dir *d, struct watch *watch,
                               struct fusor_error *err)
{
    unsigned n_threads = choose_threads(o, w);
    struct bind bind;
    enum fusor_status rc;

    FUSOR_TRY(bind_here(o, n_threads, &bind, err));
    rc = train_bound(o, w, job_text, d, watch, n_threads, &bind, err);
    bind_clear(&bind);
    return rc;
}

static enum fusor_status load_and_train(const struct job_options *o,
                                        struct yaml *job, const char *job_text,
                                        const struct run_dir *d,
                                        struct watch *watch,
                                        struct fusor_error *err)
{
    struct workload *w;
    enum fusor_status rc;

    FUSOR_TRY(workload_create(job, &w, err));
    workload_warn(w);
    rc = o->resume ? FUSOR_OK : warm_check(w, err);
    if (rc == FUSOR_OK)
        rc = train(o, w, job_text, d, watch, err);
    workload_destroy(w);
    return rc;
}

static enum fusor_status run_in(const struct job_options *o, struct yaml *job,
                                const char *job_text, const struct run_dir *d,
                                struct fusor_error *err)
{
    struct fusor_error end = {.status = FUSOR_OK}, trouble;
    struct watch watch;
    enum fusor_status rc;

    FUSOR_TRY(run_dir_begin(d, job_text, err));
    FUSOR_TRY(watch_open(&watch, d->path, err));
    rc = load_and_train(o, job, job_text, d, &watch, &end);
    end.status = rc;
    pthread_mutex_lock(&watch.writing);
    if (run_dir_finish(d->path, &end, &trouble) != FUSOR_OK)
        log_warn("%s", trouble.text);
    pthread_mutex_unlock(&watch.writing);
    watch_close(&watch);
    if (rc != FUSOR_OK && err)
        *err = end;
    return rc;
}

enum fusor_status job_run_local(const struct job_options *options,
                                struct yaml *job, const char *job_text,
                                struct fusor_error *err)
{
    struct run_dir d;
    enum fusor_status rc;

    FUSOR_TRY(run_dir_open(options->run_dir, options->name, options->resume, &d,
                           err));
    if (options->made)
        snprintf(options->made, FS_PATH_MAX, "%s", d.path);
    rc = run_in(options, job, job_text, &d, err);
    run_dir_close(&d);
    return rc;
}
