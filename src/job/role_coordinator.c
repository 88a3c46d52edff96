/* The coordinator process: drives the job's course over all shards and worker
 * processes, keeps status.json, and is the one who tells the user why a job
 * fails: in one line, before anyone else hears of it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "coord/coordinator.h"
#include "job/link.h"
#include "job/role.h"
#include "job/run_dir.h"
#include "job/signals.h"
#include "job/stoppable.h"
#include "train/course.h"

#define LOG_MODULE "coordinator"
#include "base/log.h"

#define STATUS_MS 3000   /* between two writings of status.json */
#define FAREWELL_MS 1500 /* late comers hear that the job has failed */

struct places {
    char (*texts)[128];
    const char **shards, **workers; // into texts
};

struct office {
    const struct role_context *context;
    struct link line;
    struct signals signals;
    struct workload *workload;
    struct course *course;
    struct coordinator *coordinator;
    struct stoppable script;
    struct places places;
    int64_t status_ms; // when status.json is due
    int stopped_by;    // a signal that ended it; 0: none
};

static enum fusor_status make_places(const struct boot *b, struct places *p,
                                     struct fusor_error *err)
{
    uint32_t n_workers = boot_n_workers(b);

    p->texts = mem_alloc(b->n_ranks, sizeof(*p->texts));
    p->shards = mem_alloc(b->n_shards, sizeof(*p->shards));
    p->workers = mem_alloc(n_workers, sizeof(*p->workers));
    if (!p->texts || !p->shards || !p->workers)
        return mem_fail(err, "places", b->n_ranks * sizeof(*p->texts));
    for (uint32_t r = 0; r < b->n_ranks; r++)
        snprintf(p->texts[r], sizeof(p->texts[r]), "rank %u on %s", r,
                 b->ranks[r].host);
    for (uint32_t s = 0; s < b->n_shards; s++)
        p->shards[s] = p->texts[boot_rank_of_shard(b, s)];
    for (uint32_t w = 0; w < n_workers; w++)
        p->workers[w] = p->texts[boot_rank_of_worker(b, w)];
    return FUSOR_OK;
}

static enum fusor_status make_course(struct office *o, struct fusor_error *err)
{
    const struct boot *b = o->context->boot;
    struct course_config config = {
        .run_dir = b->run_dir,
        .config_text = b->job_text,
        .job_id = b->job,
        .n_workers = boot_n_threads(b),
        .n_shards = b->n_shards,
        .resume = b->resume,
        .quiet = b->quiet,
    };

    FUSOR_TRY(workload_create(o->context->job, &o->workload, err));
    config.workload = o->workload;
    FUSOR_TRY(course_create(&config, &o->course, err));
    stoppable_init(&o->script, course_script(o->course));
    return FUSOR_OK;
}

static enum fusor_status make_coordinator(struct office *o,
                                          struct fusor_error *err)
{
    const struct boot *b = o->context->boot;
    struct coordinator_config config = {
        .job = b->job,
        .n_shards = b->n_shards,
        .n_workers = boot_n_workers(b),
        .hang_ms = o->context->hang_ms,
        .messenger = o->line.messenger,
        .script = &o->script.script,
    };

    FUSOR_TRY(make_places(b, &o->places, err));
    config.shard_places = o->places.shards;
    config.worker_places = o->places.workers;
    return coordinator_create(&config, &o->coordinator, err);
}

static enum fusor_status set_up(struct office *o, struct fusor_error *err)
{
    static const int list[] = {SIGTERM, SIGINT, SIGUSR1, 0};
    const struct boot *b = o->context->boot;
    struct peer self = {PEER_COORDINATOR, 0, b->incarnation};

    FUSOR_TRY(signals_open(&o->signals, list, err));
    FUSOR_TRY(link_open(b, self, &b->coordinator, b->listeners[0],
                        MESSENGER_MEMORY, &o->line, err));
    FUSOR_TRY(make_course(o, err));
    return make_coordinator(o, err);
}

static enum fusor_status take_signals(struct office *o, struct fusor_error *err)
{
    int number = signals_take(&o->signals);

    if (number == SIGUSR1 && !o->script.wanted) {
        o->script.wanted = 1;
        log_warn("SIGUSR1: the job stops after the checkpoint of this epoch");
    }
    if (number != SIGTERM && number != SIGINT)
        return FUSOR_OK;
    o->stopped_by = number;
    return fusor_fail(err, FUSOR_ECLUSTER,
                      "stopped by signal %d through the launcher", number);
}

static void keep_status(struct office *o)
{
    int64_t now = clock_now_ms(&clock_real);
    struct fusor_error err;

    if (now < o->status_ms)
        return;
    o->status_ms = now + STATUS_MS;
    if (run_dir_update(o->context->boot->run_dir, &o->script.progress, &err) !=
        FUSOR_OK)
        log_warn("%s", err.text);
}

static enum fusor_status serve(struct office *o, struct fusor_error *err)
{
    struct message msg;

    while (!coordinator_is_done(o->coordinator)) {
        enum fusor_status rc;

        FUSOR_TRY(take_signals(o, err));
        keep_status(o);
        rc = messenger_receive(o->line.messenger, &msg,
                               coordinator_timeout_ms(o->coordinator), err);
        if (rc == FUSOR_OK)
            rc = coordinator_on_message(o->coordinator, &msg, err);
        if (rc != FUSOR_OK && rc != FUSOR_EAGAIN)
            return rc;
        FUSOR_TRY(coordinator_tick(o->coordinator, err));
    }
    return FUSOR_OK;
}

/* Everyone present has been told; whoever comes now, or speaks again because it
 * has not heard it yet, is told too. */
static void say_farewell(struct office *o, const struct fusor_error *why)
{
    struct wire_header h = {.kind = WIRE_FAIL,
                            .job = o->context->boot->job,
                            .status = (uint32_t)why->status};
    int64_t now = clock_now_ms(&clock_real), end = now + FAREWELL_MS;
    struct message msg;

    if (!o->line.messenger)
        return;
    if (o->coordinator)
        coordinator_fail(o->coordinator, why);
    for (; now < end; now = clock_now_ms(&clock_real)) {
        enum fusor_status rc =
            messenger_receive(o->line.messenger, &msg, (int)(end - now), NULL);

        if (rc == FUSOR_OK)
            messenger_send_bytes(o->line.messenger, msg.from, &h, why->text,
                                 strlen(why->text), NULL);
        else if (rc != FUSOR_EAGAIN)
            return;
    }
}

/* The job is done: the result in its file. */
static enum fusor_status leave_result(struct office *o, struct fusor_error *err)
{
    const struct boot *b = o->context->boot;
    struct strbuf result = {0};
    enum fusor_status rc;

    course_result(o->course, &result);
    rc = run_dir_write_result(b->run_dir, result.s ? result.s : "{}", err);
    if (rc == FUSOR_OK && o->script.stopped)
        rc = fusor_fail(err, FUSOR_ERESUME,
                        "stopped at a checkpoint as asked by SIGUSR1; go on "
                        "with --run-dir %s --resume",
                        b->run_dir);
    strbuf_clear(&result);
    return rc;
}

/* Tell the user, then the disk, then the others. A stop by signal is no news
 * to whoever sent it, and the launcher sends it to clean up after a failure
 * that was told elsewhere. */
static void report(struct office *o, struct fusor_error *why)
{
    const char *run_dir = o->context->boot->run_dir;
    struct fusor_error err;

    if (o->stopped_by)
        log_info("%s", why->text);
    else if (why->status == FUSOR_ERESUME)
        log_warn("%s", why->text);
    else
        log_error("%s (logs: %s/logs)", why->text, run_dir);
    if (run_dir_finish(run_dir, why, &err) != FUSOR_OK)
        log_error("%s", err.text);
    if (why->status != FUSOR_ERESUME && !o->stopped_by)
        say_farewell(o, why);
    why->text[0] = '\0';
}

static void tear_down(struct office *o)
{
    coordinator_destroy(o->coordinator);
    course_destroy(o->course);
    workload_destroy(o->workload);
    link_close(&o->line);
    mem_free(o->places.shards);
    mem_free(o->places.workers);
    mem_free(o->places.texts);
    signals_close(&o->signals);
}

static enum fusor_status run(const struct role_context *c,
                             struct fusor_error *err)
{
    struct office o = {.context = c, .signals = {.fd = -1}};
    struct fusor_error why = {.status = FUSOR_OK};
    enum fusor_status rc = set_up(&o, &why);

    if (rc == FUSOR_OK)
        rc = serve(&o, &why);
    if (rc == FUSOR_OK)
        rc = leave_result(&o, &why);
    why.status = rc;
    if (rc != FUSOR_OK)
        report(&o, &why);
    else if (run_dir_finish(c->boot->run_dir, &why, err) != FUSOR_OK)
        log_warn("%s", err->text);
    tear_down(&o);
    if (err)
        *err = why;
    return rc;
}

const struct role role_coordinator = {"coordinator", run};
