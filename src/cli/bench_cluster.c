/* Servers in processes of their own and a client here; see the header. */
#include "cli/bench_cluster.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/mem.h"

#define UNITS ((uint64_t)1 << 40) /* as bench_server.c has it */
#define WAIT_MS 20000             /* a server that is silent is dead */

struct bench_cluster {
    struct bench_server servers[BENCH_SERVERS_MAX];
    uint32_t n_servers; // running
    struct transport *transport;
    struct messenger *messenger;
    struct client *client;
    pthread_t network;
    int has_network;
    atomic_int over;
};

/* As job/role_worker.c's, without a coordinator. */
static void *network_main(void *arg)
{
    struct bench_cluster *b = arg;

    while (!atomic_load(&b->over)) {
        struct fusor_error err = {0};
        struct message msg;
        enum fusor_status rc = client_pump_rest(b->client, &err);

        client_pump_submissions(b->client);
        if (rc == FUSOR_OK)
            rc = messenger_receive(b->messenger, &msg,
                                   client_pump_tick(b->client), &err);
        if (rc == FUSOR_OK)
            client_pump_message(b->client, &msg);
        else if (rc != FUSOR_EAGAIN) {
            client_stop(b->client, &err);
            break;
        }
    }
    return NULL;
}

static enum fusor_status start_servers(struct bench_cluster *b,
                                       const struct bench_cluster_config *c,
                                       struct fusor_error *err)
{
    struct bench_server_config config = {
        .params = c->params,
        .table_optim = c->table_optim,
        .block_optim = c->block_optim,
        .n_servers = c->n_servers,
        .transport = c->transport,
    };

    while (b->n_servers < c->n_servers) {
        config.number = b->n_servers;
        FUSOR_TRY(bench_server_start(&config, b->servers, b->n_servers,
                                     &b->servers[b->n_servers], err));
        b->n_servers++;
    }
    return FUSOR_OK;
}

static enum fusor_status start_client(struct bench_cluster *b,
                                      const struct bench_cluster_config *c,
                                      struct fusor_error *err)
{
    struct peer self = {PEER_WORKER, 0, 1};
    struct client_config config = {.params = c->params,
                                   .job = BENCH_JOB,
                                   .incarnation = 1,
                                   .n_shards = c->n_servers,
                                   .n_workers = 1,
                                   .encoding = c->encoding,
                                   .wait_ms = WAIT_MS};
    struct lease lease = lease_make(0, 1, 1, 0, 0, UNITS);

    FUSOR_TRY(
        bench_transport_create(c->transport, self, NULL, &b->transport, err));
    FUSOR_TRY(messenger_create(b->transport, MESSENGER_MEMORY / 2,
                               &b->messenger, err));
    for (uint32_t s = 0; s < b->n_servers; s++)
        FUSOR_TRY(transport_connect(
            b->transport, (struct peer){.kind = PEER_SHARD, .number = s},
            bench_address_text(&b->servers[s].address, c->transport), err));
    config.messenger = b->messenger;
    FUSOR_TRY(client_create(&config, &b->client, err));
    client_set_lease(b->client, 0, &lease, 0);
    return FUSOR_OK;
}

static enum fusor_status start_network(struct bench_cluster *b,
                                       struct fusor_error *err)
{
    int failed = pthread_create(&b->network, NULL, network_main, b);

    if (failed)
        return fusor_fail(err, FUSOR_ENOMEM, "cannot start a thread: %s",
                          strerror(failed));
    b->has_network = 1;
    return FUSOR_OK;
}

enum fusor_status bench_cluster_create(const struct bench_cluster_config *c,
                                       struct bench_cluster **out,
                                       struct fusor_error *err)
{
    struct bench_cluster *b;
    enum fusor_status rc;

    if (c->n_servers < 1 || c->n_servers > BENCH_SERVERS_MAX)
        return fusor_fail(err, FUSOR_EINVAL, "bench: %u servers", c->n_servers);
    b = mem_alloc(1, sizeof(*b));
    if (!b)
        return mem_fail(err, "bench", sizeof(*b));
    rc = start_servers(b, c, err);
    if (rc == FUSOR_OK)
        rc = start_client(b, c, err);
    if (rc == FUSOR_OK)
        rc = start_network(b, err);
    if (rc != FUSOR_OK) {
        bench_cluster_destroy(b);
        return rc;
    }
    *out = b;
    return FUSOR_OK;
}

struct param_store *bench_cluster_store(struct bench_cluster *b)
{
    return client_store(b->client);
}

double bench_cluster_client_cpu(const struct bench_cluster *b)
{
    struct timespec t = {0};

    (void)b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_cluster_server_cpu(const struct bench_cluster *b)
{
    double sum = 0;

    for (uint32_t s = 0; s < b->n_servers; s++)
        sum += bench_server_cpu_seconds(&b->servers[s]);
    return sum;
}

static void stop_network(struct bench_cluster *b)
{
    if (!b->has_network)
        return;
    atomic_store(&b->over, 1);
    messenger_wake(b->messenger);
    pthread_join(b->network, NULL);
    b->has_network = 0;
}

enum fusor_status bench_cluster_stop(struct bench_cluster *b,
                                     struct bench_usage *out,
                                     struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_OK;
    struct rusage usage;

    memset(out, 0, sizeof(*out));
    stop_network(b);
    for (uint32_t s = 0; s < b->n_servers; s++) {
        struct bench_server_report r = {0};
        enum fusor_status ended =
            bench_server_stop(&b->servers[s], &r, rc == FUSOR_OK ? err : NULL);

        rc = rc == FUSOR_OK ? ended : rc;
        out->rows += r.rows;
        out->server_rss_bytes += r.rss_bytes;
        out->huge_wanted += r.huge_wanted;
        out->huge_got += r.huge_got;
    }
    getrusage(RUSAGE_SELF, &usage);
    out->client_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    return rc;
}

void bench_cluster_destroy(struct bench_cluster *b)
{
    struct bench_usage usage;

    if (!b)
        return;
    bench_cluster_stop(b, &usage, NULL);
    client_destroy(b->client);
    messenger_destroy(b->messenger);
    transport_destroy(b->transport);
    mem_free(b);
}
