/* Forks a server and runs its loop in the child: messages to the shard's state
 * machine (ps/server.h), as job/role_server.c does for a job. */
#include "cli/bench_server.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ps/server.h"

#define UNITS ((uint64_t)1 << 40) /* more than any run asks for */

/* In the child. */

struct life {
    int control;
    struct messenger *messenger;
    atomic_int over;
};

/* Ends with the parent's end of the socket. */
static void *watch(void *arg)
{
    struct life *l = arg;
    char byte;

    while (recv(l->control, &byte, 1, 0) < 0 && errno == EINTR)
        ;
    atomic_store(&l->over, 1);
    messenger_wake(l->messenger);
    return NULL;
}

static enum fusor_status serve(struct life *l, struct server *s,
                               struct fusor_error *err)
{
    struct message msg;

    while (!atomic_load(&l->over)) {
        enum fusor_status rc = messenger_receive(l->messenger, &msg, -1, err);

        if (rc == FUSOR_OK)
            rc = server_on_message(s, &msg, err);
        if (rc != FUSOR_OK && rc != FUSOR_EAGAIN)
            return rc;
    }
    return FUSOR_OK;
}

static enum fusor_status watch_and_serve(int control, struct messenger *m,
                                         struct server *s,
                                         struct fusor_error *err)
{
    struct life l = {.control = control, .messenger = m};
    struct command begin = {.kind = COMMAND_BEGIN,
                            .n_units = UNITS,
                            .n_workers = 1,
                            .lr_factor = 1};
    enum fusor_status rc;
    pthread_t thread;
    int failed;

    FUSOR_TRY(server_begin(s, &begin, err));
    failed = pthread_create(&thread, NULL, watch, &l);
    if (failed)
        return fusor_fail(err, FUSOR_ENOMEM, "cannot start a thread: %s",
                          strerror(failed));
    rc = serve(&l, s, err);
    if (rc != FUSOR_OK)
        shutdown(control, SHUT_RD); // lets watch() return
    pthread_join(thread, NULL);
    return rc;
}

static enum fusor_status make_and_serve(const struct bench_server_config *c,
                                        int control, struct transport *t,
                                        struct bench_server_report *report,
                                        struct fusor_error *err)
{
    struct shard_config shard_config = {.params = c->params,
                                        .table_optim = c->table_optim,
                                        .block_optim = c->block_optim,
                                        .shard = c->number,
                                        .n_shards = c->n_servers,
                                        .fd = -1,
                                        .huge = 1,
                                        .job_id = BENCH_JOB};
    struct server_config config = {.params = c->params,
                                   .job = BENCH_JOB,
                                   .number = c->number,
                                   .n_workers = 1};
    struct shard_counters counters;
    struct server *server = NULL;
    enum fusor_status rc;

    rc = messenger_create(t, MESSENGER_MEMORY / 2, &config.messenger, err);
    if (rc == FUSOR_OK)
        rc = shard_create(&shard_config, &config.shard, err);
    if (rc == FUSOR_OK)
        rc = server_create(&config, &server, err);
    if (rc == FUSOR_OK)
        rc = watch_and_serve(control, config.messenger, server, err);
    if (rc == FUSOR_OK) {
        counters = shard_counters(config.shard);
        report->rows = counters.rows;
        report->huge_wanted = counters.huge_wanted;
        report->huge_got = counters.huge_got;
    }
    server_destroy(server);
    shard_destroy(config.shard);
    messenger_destroy(config.messenger);
    return rc;
}

static void child(const struct bench_server_config *c,
                  const struct bench_address *address, int control)
{
    struct peer self = {PEER_SHARD, c->number, 1};
    struct bench_server_report report = {0};
    struct fusor_error *err = &report.failure;
    struct transport *t = NULL;
    struct rusage usage;
    enum fusor_status rc;

    rc = bench_transport_create(c->transport, self, address, &t, err);
    if (rc == FUSOR_OK)
        rc = make_and_serve(c, control, t, &report, err);
    transport_destroy(t);
    err->status = rc;
    getrusage(RUSAGE_SELF, &usage);
    report.rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    send(control, &report, sizeof(report), MSG_NOSIGNAL);
}

/* In the parent. */

static enum fusor_status open_sockets(struct bench_server *s, uint32_t number,
                                      int control[2], struct fusor_error *err)
{
    FUSOR_TRY(bench_address_open(number, &s->address, err));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0)
        return FUSOR_OK;
    close(s->address.tcp_fd);
    return fusor_fail(err, FUSOR_ECLUSTER, "bench: no socket: %s",
                      strerror(errno));
}

enum fusor_status bench_server_start(const struct bench_server_config *config,
                                     const struct bench_server *others,
                                     uint32_t n_others,
                                     struct bench_server *out,
                                     struct fusor_error *err)
{
    int control[2], failed;

    memset(out, 0, sizeof(*out));
    FUSOR_TRY(open_sockets(out, config->number, control, err));
    out->pid = fork();
    failed = errno;
    if (out->pid == 0) {
        close(control[0]);
        for (uint32_t i = 0; i < n_others; i++)
            close(others[i].control);
        child(config, &out->address, control[1]);
        _exit(0);
    }
    close(out->address.tcp_fd);
    close(control[1]);
    out->control = control[0];
    if (out->pid > 0)
        return FUSOR_OK;
    close(control[0]);
    out->pid = 0;
    return fusor_fail(err, FUSOR_ENOMEM, "bench: cannot start a server: %s",
                      strerror(failed));
}

double bench_server_cpu_seconds(const struct bench_server *s)
{
    struct timespec t = {0};
    clockid_t clock;

    if (clock_getcpuclockid(s->pid, &clock) == 0)
        clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum fusor_status bench_server_stop(struct bench_server *s,
                                    struct bench_server_report *report,
                                    struct fusor_error *err)
{
    struct bench_server_report r = {0};
    ssize_t n;

    if (s->pid == 0)
        return FUSOR_OK;
    shutdown(s->control, SHUT_WR);
    do
        n = recv(s->control, &r, sizeof(r), 0);
    while (n < 0 && errno == EINTR);
    close(s->control);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    s->pid = 0;
    if (n != (ssize_t)sizeof(r))
        return fusor_fail(err, FUSOR_ECLUSTER, "bench: a server died");
    if (report)
        *report = r;
    if (r.failure.status == FUSOR_OK)
        return FUSOR_OK;
    return fusor_fail(err, r.failure.status, "bench: a server failed: %s",
                      r.failure.text);
}
