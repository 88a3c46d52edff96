/* A worker process: the main thread makes the workload and then runs the
 * trainer, command by command; the network thread owns the line, answers the
 * coordinator from the first moment and turns the client's pump. They meet in
 * two queues: commands one way, outcomes the other. */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "base/queue.h"
#include "coord/deadline.h"
#include "job/link.h"
#include "job/role.h"
#include "ps/client.h"
#include "train/trainer.h"

#define LOG_MODULE "worker"
#include "base/log.h"

#define QUEUE_SIZE 4 /* one command is under way at a time */

struct outcome { // of a command, or of making the workload
    enum fusor_status status;
    struct fusor_error err;
    struct strbuf result;
};

struct desk {
    const struct role_context *context;
    struct link line;
    struct queue *commands; // network -> main: struct command
    struct queue *outcomes; // main -> network: struct outcome
    pthread_t main_thread, network;
    /* Made by the main thread; the network thread sees them once ready. */
    struct workload *workload;
    struct client *client;
    struct trainer *trainer;
    atomic_int ready;
    atomic_int over; // set by the network thread: no more commands
    /* The network thread's. */
    int finishing;
    int64_t leave_ms; // latest, once finishing
    enum fusor_status status;
    struct fusor_error err;
};

/* The network thread. */

static enum fusor_status pass_command(struct desk *d,
                                      const struct command *command,
                                      struct fusor_error *err)
{
    struct command *copy;

    if (command->kind == COMMAND_FINISH) {
        d->finishing = 1;
        d->leave_ms = clock_now_ms(&clock_real) + DEADLINE_RESEND_MAX_MS;
        return member_finish(d->line.member, NULL, 0, err);
    }
    copy = mem_alloc(1, sizeof(*copy));
    if (!copy)
        return mem_fail(err, "command", sizeof(*copy));
    *copy = *command;
    if (queue_put(d->commands, copy) == 0)
        return FUSOR_OK;
    mem_free(copy);
    return fusor_fail(err, FUSOR_EPROTO, "a command before the last was done");
}

static enum fusor_status take_outcomes(struct desk *d, struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_OK;
    struct outcome *o;

    while (rc == FUSOR_OK && (o = queue_take(d->outcomes, 0)) != NULL) {
        rc = o->status;
        if (rc == FUSOR_OK)
            rc = member_finish(d->line.member, o->result.s, o->result.len, err);
        else
            *err = o->err;
        strbuf_clear(&o->result);
        mem_free(o);
    }
    return rc;
}

/* While the data is loaded, and where the trainer counts nothing, the main
 * thread's processor time shows that work is done. */
static void tell_progress(struct desk *d, int ready)
{
    struct member_progress p = {.reason = ready ? WAIT_NOTHING : WAIT_DISK};
    uint64_t steps = 0;

    if (ready) {
        trainer_progress(d->trainer, &p.samples, &p.loss_sum, &steps);
        client_pump_waits(d->client, &p);
    }
    p.steps = steps + role_busy_ms(d->main_thread);
    member_set_progress(d->line.member, p);
}

static int may_leave(const struct desk *d)
{
    return d->finishing && (member_is_idle(d->line.member) ||
                            clock_now_ms(&clock_real) >= d->leave_ms);
}

/* One turn. *over: the job has ended elsewhere. */
static enum fusor_status turn(struct desk *d, int *over,
                              struct fusor_error *err)
{
    int ready = atomic_load(&d->ready), wait = -1;
    enum fusor_status rc = FUSOR_OK;
    struct command command;
    struct message msg;

    if (ready && client_pump_rest(d->client, err) != FUSOR_OK) {
        *over = 1; // as when link_step() says so
        return err->status;
    }
    tell_progress(d, ready);
    if (ready) {
        client_pump_submissions(d->client);
        wait = client_pump_tick(d->client);
    }
    switch (link_step(&d->line, wait, &msg, &command, err)) {
    case LINK_COMMAND:
        rc = pass_command(d, &command, err);
        break;
    case LINK_MESSAGE:
        if (ready)
            client_pump_message(d->client, &msg);
        break;
    case LINK_OVER:
        *over = 1;
        return err->status;
    case LINK_NOTHING:
        break;
    }
    return rc == FUSOR_OK ? take_outcomes(d, err) : rc;
}

static void *network_main(void *arg)
{
    struct desk *d = arg;
    struct fusor_error cause = {0};
    int over = 0;

    while (d->status == FUSOR_OK && !may_leave(d))
        d->status = turn(d, &over, &d->err);
    if (d->status != FUSOR_OK) {
        cause = d->err;
        cause.status = d->status;
        /* Either this sees ready, or the main thread sees over. */
        atomic_store(&d->over, 1);
        if (atomic_load(&d->ready))
            client_stop(d->client, &cause); // lets the compute threads out
        if (!over) {
            log_info("%s", cause.text);
            if (link_fail(&d->line, &cause))
                d->err.text[0] = '\0';
        }
    }
    queue_close(d->commands);
    return NULL;
}

/* The main thread. */

static void hand_out(struct desk *d, struct outcome *o)
{
    if (queue_put(d->outcomes, o) != 0) {
        strbuf_clear(&o->result);
        mem_free(o);
    }
    messenger_wake(d->line.messenger);
}

static void set_lease(void *context, unsigned thread, const struct lease *lease,
                      uint64_t epoch)
{
    client_set_lease(context, thread, lease, epoch);
}

static void on_failure(void *context, const struct fusor_error *why)
{
    client_stop(context, why);
}

static enum fusor_status make_client(struct desk *d, struct fusor_error *err)
{
    const struct boot *b = d->context->boot;
    const struct cluster_section *o = &d->context->options.cluster;
    uint32_t n_threads = b->ranks[b->rank].place.n_threads;
    int64_t wait_ms = 10 * d->context->hang_ms;
    struct client_config config = {
        .params = d->workload->params,
        .whole_blocks = d->workload->whole_blocks,
        .messenger = d->line.messenger,
        .job = b->job,
        .incarnation = b->incarnation,
        .n_shards = b->n_shards,
        .bucket_map = b->bucket_map,
        .encoding = (enum encoding)o->wire,
        .n_workers = n_threads,
        .cache_bytes = o->cache / n_threads,
        .cache_age = o->cache_age,
        .staleness = (int)o->staleness,
        .read_early = o->read == JOB_READ_EARLY,
        /* The coordinator, who sees progress everywhere, gives up earlier and
         * knows the cause. */
        .wait_ms = wait_ms < INT_MAX ? (int)wait_ms : INT_MAX,
    };

    return client_create(&config, &d->client, err);
}

static enum fusor_status make_trainer(struct desk *d, struct fusor_error *err)
{
    const struct boot *b = d->context->boot;
    const struct placement_rank *place = &b->ranks[b->rank].place;
    struct trainer_config config = {
        .workload = d->workload,
        .store = client_store(d->client),
        .n_threads = place->n_threads,
        .bind = b->bind,
        .first_worker = place->first_thread,
        .n_workers = boot_n_threads(b),
        .staleness = (int)d->context->options.cluster.staleness,
        .run_dir = b->run_dir,
        .set_lease = set_lease,
        .on_failure = on_failure,
        .context = d->client,
    };

    return trainer_create(&config, &d->trainer, err);
}

static enum fusor_status make_parts(struct desk *d, struct fusor_error *err)
{
    FUSOR_TRY(workload_create(d->context->job, &d->workload, err));
    FUSOR_TRY(make_client(d, err));
    FUSOR_TRY(make_trainer(d, err));
    atomic_store(&d->ready, 1);
    return FUSOR_OK;
}

/* Work until the network thread closes the queue. */
static enum fusor_status work(struct desk *d, struct fusor_error *err)
{
    struct outcome *o = mem_alloc(1, sizeof(*o));
    struct command *c;

    if (!o)
        return mem_fail(err, "outcome", sizeof(*o));
    o->status = make_parts(d, &o->err);
    if (o->status != FUSOR_OK)
        hand_out(d, o);
    else
        mem_free(o);
    while ((c = queue_take(d->commands, -1)) != NULL) {
        o = mem_alloc(1, sizeof(*o));
        if (o && atomic_load(&d->ready) && !atomic_load(&d->over)) {
            if (c->kind != COMMAND_EPOCH) // perhaps of other values
                client_forget_rows(d->client);
            o->status = trainer_run(d->trainer, c, &o->result, &o->err);
            hand_out(d, o);
        } else {
            mem_free(o);
        }
        mem_free(c);
    }
    return FUSOR_OK;
}

static enum fusor_status open_desk(struct desk *d, struct fusor_error *err)
{
    const struct boot *b = d->context->boot;
    struct peer self = {PEER_WORKER, b->ranks[b->rank].place.worker,
                        b->incarnation};

    d->commands = queue_create(QUEUE_SIZE, err);
    d->outcomes = d->commands ? queue_create(QUEUE_SIZE, err) : NULL;
    if (!d->outcomes)
        return FUSOR_ENOMEM;
    FUSOR_TRY(link_open(b, self, NULL, -1,
                        d->context->options.cluster.message_memory, &d->line,
                        err));
    return link_connect_shards(&d->line, err);
}

/* Said only where it happened. */
static void say_held_back(const struct client *client)
{
    struct exchange_counters n = client_counters(client);
    char size[16];

    if (n.held_back)
        log_info("held back by credit: %llu requests to shards of %s in all",
                 (unsigned long long)n.held_back,
                 str_bytes((double)n.bytes_held_back, size));
}

static void close_desk(struct desk *d)
{
    struct outcome *o;

    if (d->client)
        say_held_back(d->client);

    while (d->outcomes && (o = queue_take(d->outcomes, 0)) != NULL) {
        strbuf_clear(&o->result);
        mem_free(o);
    }
    trainer_destroy(d->trainer);
    client_destroy(d->client);
    workload_destroy(d->workload);
    link_close(&d->line);
    queue_destroy(d->outcomes);
    queue_destroy(d->commands);
}

static enum fusor_status run(const struct role_context *context,
                             struct fusor_error *err)
{
    struct desk d = {.context = context, .main_thread = pthread_self()};
    enum fusor_status rc = open_desk(&d, err);
    int started;

    if (rc == FUSOR_OK) {
        started = pthread_create(&d.network, NULL, network_main, &d);
        if (started != 0)
            rc = fusor_fail(err, FUSOR_ENOMEM,
                            "cannot start the network thread: %s",
                            strerror(started));
    }
    if (rc == FUSOR_OK) {
        rc = work(&d, err);
        pthread_join(d.network, NULL);
        if (d.status != FUSOR_OK) {
            rc = d.status;
            *err = d.err;
        }
    }
    close_desk(&d);
    return rc;
}

const struct role role_worker = {"worker", run};
