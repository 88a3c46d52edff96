/* Run directory, workload, course, status: one after the other. */
#include "job/local.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cpu.h"
#include "job/banner.h"
#include "job/run_dir.h"
#include "job/signals.h"
#include "train/course.h"

#define LOG_MODULE "job"
#include "base/log.h"

/* A thread that turns a signal into a word in status.json, then lets the signal
 * do what it does. */
struct watch {
    struct signals signals;
    const char *run_dir;
    int end_fd; // written to: nothing to watch any more
    pthread_t thread;
    int started;
};

static void *watch_main(void *arg)
{
    struct watch *w = arg;
    struct pollfd fds[2] = {{w->signals.fd, POLLIN, 0}, {w->end_fd, POLLIN, 0}};
    struct fusor_error why;
    int number = 0;

    while (number == 0 && !(fds[1].revents & POLLIN)) {
        poll(fds, 2, -1);
        number = signals_take(&w->signals);
    }
    if (number == 0)
        return NULL;
    fusor_fail(&why, FUSOR_ECLUSTER, "stopped by signal %d", number);
    (void)run_dir_finish(w->run_dir, &why, NULL);
    signals_restore(&w->signals);
    kill(getpid(), number);
    return NULL;
}

static enum fusor_status watch_open(struct watch *w, const char *run_dir,
                                    struct fusor_error *err)
{
    static const int list[] = {SIGINT, SIGTERM, 0};

    *w = (struct watch){.run_dir = run_dir, .end_fd = -1};
    FUSOR_TRY(signals_open(&w->signals, list, err));
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
                        unsigned n_threads)
{
    struct strbuf text = {0};

    if (o->quiet)
        return;
    banner_local(run_dir, n_threads, &text);
    if (text.s)
        fputs(text.s, stderr);
    strbuf_clear(&text);
}

static enum fusor_status leave_result(const struct course *c,
                                      const char *run_dir,
                                      struct fusor_error *err)
{
    struct strbuf result = {0};
    enum fusor_status rc;

    course_result(c, &result);
    rc = run_dir_write_result(run_dir, result.s ? result.s : "{}", err);
    strbuf_clear(&result);
    return rc;
}

static enum fusor_status train(const struct job_options *o,
                               const struct workload *w, const char *job_text,
                               const struct run_dir *d, struct fusor_error *err)
{
    unsigned n_threads = choose_threads(o, w);
    struct course_config config = {
        .workload = w,
        .run_dir = d->path,
        .config_text = job_text,
        .job_id = d->job,
        .n_workers = n_threads,
        .n_shards = n_threads,
        .resume = o->resume,
        .quiet = o->quiet,
    };
    struct course *c;
    enum fusor_status rc;

    show_banner(o, d->path, n_threads);
    FUSOR_TRY(course_create(&config, &c, err));
    rc = course_run(c, n_threads, err);
    if (rc == FUSOR_OK)
        rc = leave_result(c, d->path, err);
    course_destroy(c);
    return rc;
}

static enum fusor_status load_and_train(const struct job_options *o,
                                        struct yaml *job, const char *job_text,
                                        const struct run_dir *d,
                                        struct fusor_error *err)
{
    struct workload *w;
    enum fusor_status rc;

    FUSOR_TRY(workload_create(job, &w, err));
    rc = train(o, w, job_text, d, err);
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
    rc = load_and_train(o, job, job_text, d, &end);
    end.status = rc;
    if (run_dir_finish(d->path, &end, &trouble) != FUSOR_OK)
        log_warn("%s", trouble.text);
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
