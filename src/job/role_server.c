/* A server process: one thread a shard, each with its own line to the job. A
 * shard's thread serves workers and obeys the coordinator; reading and writing
 * checkpoints is done by a second thread, so that the shard goes on answering
 * the coordinator meanwhile. No worker trains then, and whatever one sends
 * again is dropped: it will be sent once more. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "coord/deadline.h"
#include "job/link.h"
#include "job/role.h"
#include "ps/server.h"
#include "train/course.h"
#include "train/load.h"
#include "train/result.h"
#include "train/trace.h"

#define LOG_MODULE "server"
#include "base/log.h"

#define LOOK_MS 200 /* how soon a shard hears that another one has failed */

struct server_process {
    const struct role_context *context;
    struct workload *workload;
    atomic_int leaving; // a shard has failed: the others follow
};

struct disk_work { // LOAD, WARM or SAVE, in a thread of its own
    pthread_t thread;
    int running;
    atomic_int done;
    struct command command;
    struct strbuf result;
    enum fusor_status status;
    struct fusor_error err;
};

struct counter { // one shard and its thread
    struct server_process *process;
    uint32_t number; // of the shard in the job
    int listen_fd;
    pthread_t thread;
    int started;
    struct link line;
    struct shard *shard;
    struct server *server;
    struct profile profile;  // of the thread, from BEGIN to CUT
    struct trace_part trace; // of that
    struct disk_work disk;
    int finishing;
    int64_t leave_ms; // latest, once finishing
    enum fusor_status status;
    struct fusor_error err;
};

/* Making a shard and its line. */

static enum fusor_status make_shard(struct counter *c, struct fusor_error *err)
{
    const struct role_context *context = c->process->context;
    const struct boot *b = context->boot;
    const struct workload *w = c->process->workload;
    const struct placement_rank *place = &b->ranks[b->rank].place;
    struct shard_config config = {
        .params = w->params,
        .table_optim = w->table_optim,
        .block_optim = w->block_optim,
        .shard = c->number,
        .n_shards = b->n_shards,
        .bucket_map = b->bucket_map,
        .cap_bytes = context->options.memory.per_server / place->n_shards,
        .fd = -1,
        .huge = 1,
        .near = affinity_place(b->bind, c->number - place->first_shard),
        .job_id = b->job,
        .when_full = (enum store_when_full)context->options.memory.when_full,
        .idle = context->options.memory.idle,
    };

    return shard_create(&config, &c->shard, err);
}

/* A shard applies a step of every worker where these are not in step. */
static enum fusor_status open_trace(struct counter *c, struct fusor_error *err)
{
    const struct role_context *context = c->process->context;
    const struct train_section *o = &c->process->workload->options.train;
    uint64_t share = context->options.cluster.staleness == 0
                         ? 1
                         : boot_n_threads(context->boot);
    struct trace_part part = {.run_dir = context->boot->run_dir,
                              .process = "servers",
                              .kind = TRACE_SHARDS,
                              .first = c->number,
                              .n = 1,
                              .profiles = &c->profile};

    if (!o->trace[0])
        return FUSOR_OK;
    c->trace = part;
    return trace_part_open(&c->trace, o->trace_steps * share,
                           (size_t)(32 * boot_n_threads(context->boot)), err);
}

static enum fusor_status make_server(struct counter *c, struct fusor_error *err)
{
    const struct role_context *context = c->process->context;
    struct server_config config = {
        .shard = c->shard,
        .params = c->process->workload->params,
        .messenger = c->line.messenger,
        .job = context->boot->job,
        .number = c->number,
        .profile = &c->profile,
        .staleness = (int)context->options.cluster.staleness,
        .read_early = context->options.cluster.read == JOB_READ_EARLY,
        .n_workers = boot_n_threads(context->boot),
        .n_processes = boot_n_workers(context->boot),
        .micro_batches = context->options.micro_batches,
    };

    FUSOR_TRY(server_create(&config, &c->server, err));
    return open_trace(c, err);
}

/* Commands. */

static void *disk_main(void *arg)
{
    struct counter *c = arg;
    struct disk_work *d = &c->disk;

    (void)affinity_leave(c->process->context->boot->bind); // not the shard's
    if (d->command.kind == COMMAND_LOAD)
        d->status = course_load_shard(c->shard, &d->command, &d->err);
    else if (d->command.kind == COMMAND_WARM)
        d->status = course_warm_shard(c->process->workload, c->shard,
                                      &d->command, &d->err);
    else
        d->status =
            course_save_shard(c->shard, &d->command, &d->result, &d->err);
    atomic_store(&d->done, 1);
    messenger_wake(c->line.messenger);
    return NULL;
}

static enum fusor_status start_disk(struct counter *c,
                                    const struct command *command,
                                    struct fusor_error *err)
{
    int rc;

    c->disk.command = *command;
    atomic_store(&c->disk.done, 0);
    rc = pthread_create(&c->disk.thread, NULL, disk_main, c);
    if (rc)
        return fusor_fail(err, FUSOR_ENOMEM,
                          "cannot start a thread for the disk: %s",
                          strerror(rc));
    c->disk.running = 1;
    return FUSOR_OK;
}

static enum fusor_status end_disk(struct counter *c, struct fusor_error *err)
{
    struct disk_work *d = &c->disk;
    enum fusor_status rc = FUSOR_OK;

    pthread_join(d->thread, NULL);
    d->running = 0;
    if (d->status == FUSOR_OK)
        rc = member_finish(c->line.member, d->result.s, d->result.len, err);
    strbuf_clear(&d->result);
    if (d->status != FUSOR_OK)
        *err = d->err;
    return d->status != FUSOR_OK ? d->status : rc;
}

/* An epoch begins; what its stage does not train stays as it is. */
static enum fusor_status begin(struct counter *c, const struct command *command,
                               struct fusor_error *err)
{
    const struct workload *w = c->process->workload;

    if (command->stage >= w->options.n_stages)
        return fusor_fail(err, FUSOR_EPROTO, "stage %u of a job of %u",
                          command->stage + 1, w->options.n_stages);
    profile_begin(&c->profile);
    server_set_frozen(c->server, workload_frozen_blocks(w, command->stage));
    shard_set_frozen_tables(c->shard,
                            workload_frozen_tables(w, command->stage));
    return server_begin(c->server, command, err);
}

static void add_load(const struct counter *c, const struct server_counters *n,
                     struct strbuf *out)
{
    struct load load = {n->rows_asked, n->rows_held, n->bytes_held, {{0, 0}}};

    memcpy(load.buckets, server_load(c->server), sizeof(load.buckets));
    load_encode(&load, out);
}

/* The epoch is over: tell what this shard has counted. */
static enum fusor_status cut(struct counter *c, struct fusor_error *err)
{
    struct server_counters counters = server_counters(c->server);
    struct shard_counters rows = shard_counters(c->shard);
    struct cut_result result = {
        .rows = rows.rows,
        .evicted = rows.rows_evicted,
        .refused = rows.rows_dropped,
        .pulls = counters.pulls,
        .pushes = counters.pushes,
        .duplicates = counters.duplicates,
    };
    struct strbuf text = {0};
    enum fusor_status rc;

    _Static_assert(sizeof(result.staleness_count) ==
                       sizeof(counters.staleness_count),
                   "one count for each staleness");
    memcpy(result.staleness_count, counters.staleness_count,
           sizeof(result.staleness_count));
    profile_enter(&c->profile, PROFILE_CUT);
    FUSOR_TRY(server_cut(c->server, err));
    profile_read(&c->profile, &result.profile);
    profile_rest(&c->profile);
    FUSOR_TRY(trace_part_write(&c->trace, err));
    cut_result_encode(&result, &text);
    add_load(c, &counters, &text);
    rc = text.failed ? mem_fail(err, "result of a cut", sizeof(result))
                     : member_finish(c->line.member, text.s, text.len, err);
    strbuf_clear(&text);
    return rc;
}

static enum fusor_status obey(struct counter *c, const struct command *command,
                              struct fusor_error *err)
{
    switch (command->kind) {
    case COMMAND_LOAD:
    case COMMAND_SAVE:
    case COMMAND_WARM:
        return start_disk(c, command, err);
    case COMMAND_BEGIN:
        FUSOR_TRY(begin(c, command, err));
        break;
    case COMMAND_CUT:
        return cut(c, err);
    case COMMAND_FINISH:
        c->finishing = 1;
        c->leave_ms = clock_now_ms(&clock_real) + DEADLINE_RESEND_MAX_MS;
        break;
    default:
        return fusor_fail(err, FUSOR_EPROTO, "a shard cannot do %s",
                          command_name(command->kind));
    }
    return member_finish(c->line.member, NULL, 0, err);
}

static void tell_progress(struct counter *c)
{
    struct member_progress p = {.reason = WAIT_DISK, .waits_for = c->number};

    if (c->disk.running)
        p.steps = role_busy_ms(c->disk.thread);
    else
        p = server_progress(c->server);
    member_set_progress(c->line.member, p);
}

static int may_leave(const struct counter *c)
{
    return c->finishing && (member_is_idle(c->line.member) ||
                            clock_now_ms(&clock_real) >= c->leave_ms);
}

/* @return FUSOR_OK: finished, or another shard of the process has failed.
 * *over: the job had ended elsewhere */
static enum fusor_status serve(struct counter *c, int *over,
                               struct fusor_error *err)
{
    struct command command;
    struct message msg;

    while (!may_leave(c) && !atomic_load(&c->process->leaving)) {
        enum fusor_status rc = FUSOR_OK;

        tell_progress(c);
        profile_enter(&c->profile, PROFILE_IDLE);
        switch (link_step(&c->line, LOOK_MS, &msg, &command, err)) {
        case LINK_COMMAND:
            rc = obey(c, &command, err);
            break;
        case LINK_MESSAGE:
            profile_enter(&c->profile, PROFILE_OTHER);
            if (!c->disk.running)
                rc = server_on_message(c->server, &msg, err);
            break;
        case LINK_OVER:
            *over = 1;
            return err->status;
        case LINK_NOTHING:
            break;
        }
        if (rc == FUSOR_OK && c->disk.running && atomic_load(&c->disk.done))
            rc = end_disk(c, err);
        if (rc != FUSOR_OK)
            return rc;
    }
    return FUSOR_OK;
}

static void say_counters(const struct counter *c)
{
    struct server_counters n = server_counters(c->server);
    struct shard_counters s = shard_counters(c->shard);
    char size[16];

    log_info(
        "shard %u: %llu pulls, %llu pushes, %llu duplicates, %llu "
        "refused, %llu malformed, %llu without room; %llu rows in %s (%llu "
        "evicted, %llu "
        "gradients of keys without a row), huge pages %llu of %llu",
        c->number, (unsigned long long)n.pulls, (unsigned long long)n.pushes,
        (unsigned long long)n.duplicates, (unsigned long long)n.refused,
        (unsigned long long)n.malformed, (unsigned long long)n.no_room,
        (unsigned long long)s.rows, str_bytes((double)s.slab_bytes, size),
        (unsigned long long)s.rows_evicted, (unsigned long long)s.rows_dropped,
        (unsigned long long)s.huge_got, (unsigned long long)s.huge_wanted);
}

static void *counter_main(void *arg)
{
    struct counter *c = arg;
    const struct boot *b = c->process->context->boot;
    const struct placement_rank *place = &b->ranks[b->rank].place;
    struct peer self = {PEER_SHARD, c->number, b->incarnation};
    struct fusor_error *err = &c->err;
    int over = 0;

    if (affinity_enter(b->bind, c->number - place->first_shard) != 0)
        log_warn("cannot bind shard %u: %s", c->number, strerror(errno));
    c->status = link_open(b, self, &b->shards[c->number], c->listen_fd,
                          c->process->context->options.cluster.message_memory,
                          &c->line, err);
    if (c->status == FUSOR_OK)
        c->status = make_shard(c, err);
    if (c->status == FUSOR_OK)
        c->status = make_server(c, err);
    if (c->status == FUSOR_OK)
        c->status = serve(c, &over, err);
    if (c->disk.running)
        pthread_join(c->disk.thread, NULL);
    strbuf_clear(&c->disk.result);
    if (c->status != FUSOR_OK && !over && c->line.member) {
        log_info("shard %u: %s", c->number, err->text);
        if (link_fail(&c->line, err))
            err->text[0] = '\0';
    }
    if (c->status != FUSOR_OK)
        atomic_store(&c->process->leaving, 1);
    if (c->status != FUSOR_OK) // what there is; it may say more than the log
        (void)trace_part_write(&c->trace, NULL);
    trace_part_close(&c->trace);
    if (c->server)
        say_counters(c);
    server_destroy(c->server);
    shard_destroy(c->shard);
    link_close(&c->line);
    return NULL;
}

/* The process. */

static enum fusor_status run_counters(struct server_process *p,
                                      struct counter *counters, uint32_t n,
                                      struct fusor_error *err)
{
    const struct boot *b = p->context->boot;
    struct counter *first = NULL;

    for (uint32_t i = 0; i < n; i++) {
        struct counter *c = &counters[i];
        int rc;

        c->process = p;
        c->number = b->ranks[b->rank].place.first_shard + i;
        c->listen_fd = b->listeners[i];
        rc = pthread_create(&c->thread, NULL, counter_main, c);
        c->started = rc == 0;
        if (rc) {
            c->status = fusor_fail(&c->err, FUSOR_ENOMEM,
                                   "cannot start a thread for shard %u: %s",
                                   c->number, strerror(rc));
            atomic_store(&p->leaving, 1);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (counters[i].started)
            pthread_join(counters[i].thread, NULL);
        if (counters[i].status != FUSOR_OK && !first)
            first = &counters[i];
    }
    if (!first)
        return FUSOR_OK;
    *err = first->err;
    return first->status;
}

/* Nothing of this process is on the air yet: report as its first shard. */
static void report_early(const struct role_context *context,
                         struct fusor_error *err)
{
    const struct boot *b = context->boot;
    struct peer self = {PEER_SHARD, b->ranks[b->rank].place.first_shard,
                        b->incarnation};
    struct link line;

    log_info("%s", err->text);
    if (link_open(b, self, NULL, -1, MESSENGER_MEMORY, &line, NULL) != FUSOR_OK)
        return;
    if (link_fail(&line, err))
        err->text[0] = '\0';
    link_close(&line);
}

static enum fusor_status run(const struct role_context *context,
                             struct fusor_error *err)
{
    const struct boot *b = context->boot;
    uint32_t n = b->ranks[b->rank].place.n_shards;
    struct server_process p = {.context = context};
    struct counter *counters = mem_alloc(n, sizeof(*counters));
    enum fusor_status rc;

    if (!counters)
        return mem_fail(err, "shards", n * sizeof(*counters));
    if (b->n_listeners != n)
        rc = fusor_fail(err, FUSOR_EPROTO,
                        "boot record: %u listeners for %u shards",
                        b->n_listeners, n);
    else
        rc = workload_create_outline(context->job, &p.workload, err);
    if (rc != FUSOR_OK)
        report_early(context, err);
    else
        rc = run_counters(&p, counters, n, err);
    workload_destroy(p.workload);
    mem_free(counters);
    return rc;
}

const struct role role_server = {"server", run};
