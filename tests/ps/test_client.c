/* Tests of ps/client with its threads: two compute threads and a network thread
 * against shard threads over sockets on the loopback. */
#include "ps/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "harness.h"
#include "ps/server.h"
#include "toy.h"
#include "transport/zmq.h"

#define JOB 4
#define SHARDS 2
#define WORKERS 2
#define POOL_BYTES ((size_t)64 << 20)

struct shard_end {
    struct transport *transport;
    struct messenger *messenger;
    struct shard *shard;
    struct server *server;
    pthread_t thread;
};

struct site {
    const struct toy *toy;
    atomic_int stop;
    int deaf; // shards read and say nothing
    struct shard_end shards[SHARDS];
    struct transport *transport;
    struct messenger *messenger;
    struct client *client;
    pthread_t network;
    atomic_int n_foreign; // messages that the network thread saw
    int foreign_wrong;
};

struct compute { // one compute thread
    struct site *site;
    unsigned number;
    struct toy_step steps[2];
    uint64_t wrong_reads;
    enum fusor_status rc;
    struct fusor_error err;
    pthread_t thread;
};

struct shard_thread {
    struct site *site;
    uint32_t number;
};

static void *shard_main(void *arg)
{
    struct shard_thread *t = arg;
    struct site *site = t->site;
    struct shard_end *e = &site->shards[t->number];
    struct message msg;

    while (!atomic_load(&site->stop)) {
        enum fusor_status rc = messenger_receive(e->messenger, &msg, 100, NULL);

        if (rc == FUSOR_OK && !site->deaf)
            rc = server_on_message(e->server, &msg, NULL);
        if (rc != FUSOR_OK && rc != FUSOR_EAGAIN)
            break;
    }
    return NULL;
}

static void take_foreign(struct site *site, const struct message *msg)
{
    int n = atomic_load(&site->n_foreign) + 1;

    if (msg->size != 4 || memcmp(msg->data, "pong", 4) != 0 ||
        msg->header.clock != (uint64_t)n)
        site->foreign_wrong++;
    atomic_store(&site->n_foreign, n);
}

static void *network_main(void *arg)
{
    struct site *site = arg;
    struct message msg;

    while (!atomic_load(&site->stop)) {
        struct fusor_error err;
        int ms;

        if (client_pump_rest(site->client, &err) != FUSOR_OK)
            break;
        client_pump_submissions(site->client);
        ms = client_pump_tick(site->client);
        if (messenger_receive(site->messenger, &msg, ms < 100 ? ms : 100,
                              NULL) != FUSOR_OK)
            continue;
        if (msg.from.kind == PEER_SHARD)
            client_pump_message(site->client, &msg);
        else
            take_foreign(site, &msg);
    }
    return NULL;
}

static void open_shard(struct site *site, uint32_t i)
{
    struct shard_end *e = &site->shards[i];
    struct transport_zmq_options zmq = {.job = JOB,
                                        .self = {PEER_SHARD, i, 1},
                                        .bind = "tcp://127.0.0.1:*",
                                        .listen_fd = -1};
    struct shard_config shard = {.params = &site->toy->params,
                                 .table_optim = site->toy->table_optim,
                                 .block_optim = site->toy->block_optim,
                                 .shard = i,
                                 .n_shards = SHARDS,
                                 .fd = -1};
    struct server_config server = {.params = &site->toy->params,
                                   .job = JOB,
                                   .number = i,
                                   .n_workers = WORKERS,
                                   .micro_batches = site->toy->micros};
    struct command c = {.n_units = site->toy->n_units, .lr_factor = 1};

    REQUIRE(!transport_zmq_create(&zmq, &e->transport, NULL));
    REQUIRE(!messenger_create(e->transport, POOL_BYTES, &e->messenger, NULL));
    REQUIRE(!shard_create(&shard, &e->shard, NULL));
    server.shard = e->shard;
    server.messenger = e->messenger;
    REQUIRE(!server_create(&server, &e->server, NULL));
    REQUIRE(!server_begin(e->server, &c, NULL));
}

static struct shard_thread shard_threads[SHARDS];

static void open_site(struct site *site, const struct toy *toy, int wait_ms)
{
    struct transport_zmq_options zmq = {
        .job = JOB, .self = {PEER_WORKER, 0, 1}, .listen_fd = -1};
    struct client_config config = {.params = &toy->params,
                                   .job = JOB,
                                   .incarnation = 1,
                                   .n_shards = SHARDS,
                                   .n_workers = WORKERS,
                                   .wait_ms = wait_ms};

    memset(site, 0, sizeof(*site));
    site->toy = toy;
    REQUIRE(!transport_zmq_create(&zmq, &site->transport, NULL));
    REQUIRE(
        !messenger_create(site->transport, POOL_BYTES, &site->messenger, NULL));
    for (uint32_t i = 0; i < SHARDS; i++) {
        open_shard(site, i);
        REQUIRE(!transport_connect(
            site->transport, (struct peer){PEER_SHARD, i, 0},
            transport_zmq_endpoint(site->shards[i].transport), NULL));
    }
    config.messenger = site->messenger;
    REQUIRE(!client_create(&config, &site->client, NULL));
}

static void start_site(struct site *site)
{
    atomic_store(&site->stop, 0);
    for (uint32_t i = 0; i < SHARDS; i++) {
        shard_threads[i] = (struct shard_thread){site, i};
        REQUIRE(!pthread_create(&site->shards[i].thread, NULL, shard_main,
                                &shard_threads[i]));
    }
    REQUIRE(!pthread_create(&site->network, NULL, network_main, site));
}

static void stop_site(struct site *site)
{
    atomic_store(&site->stop, 1);
    messenger_wake(site->messenger);
    pthread_join(site->network, NULL);
    for (int i = 0; i < SHARDS; i++) {
        messenger_wake(site->shards[i].messenger);
        pthread_join(site->shards[i].thread, NULL);
    }
}

static void close_site(struct site *site)
{
    stop_site(site);
    client_destroy(site->client);
    messenger_destroy(site->messenger);
    transport_destroy(site->transport);
    for (int i = 0; i < SHARDS; i++) {
        struct shard_end *e = &site->shards[i];

        server_destroy(e->server);
        shard_destroy(e->shard);
        messenger_destroy(e->messenger);
        transport_destroy(e->transport);
    }
}

static enum fusor_status train(struct compute *w, const struct lease *l)
{
    struct param_store *store = client_store(w->site->client);
    const float *dense;
    uint64_t announced = 0;

    for (uint64_t i = 0; i < l->count; i++) {
        struct toy_step *s = &w->steps[i % 2];

        for (; announced < l->count && announced <= i + 1; announced++) {
            struct toy_step *next = &w->steps[announced % 2];
            uint64_t unit = l->first + announced * l->stride;

            toy_step_begin(next, unit, l->micro_lo, l->micro_hi);
            FUSOR_TRY(store->ops->announce(store, w->number, PULL_TRAIN, unit,
                                           next->keys, &w->err));
        }
        FUSOR_TRY(
            store->ops->values(store, w->number, s->rows, &dense, &w->err));
        w->wrong_reads += toy_step_check(s, s->unit, 1) != 0;
        toy_step_compute(s, s->unit, dense);
        FUSOR_TRY(store->ops->push(store, w->number, &s->grads, &w->err));
    }
    return store->ops->drain(store, w->number, &w->err);
}

static void *compute_main(void *arg)
{
    struct compute *w = arg;
    const struct toy *toy = w->site->toy;
    struct lease l =
        lease_make(w->number, WORKERS, toy->micros, 0, 0, toy->n_units);

    client_set_lease(w->site->client, w->number, &l, 0);
    w->rc = train(w, &l);
    return NULL;
}

static void start_compute(struct site *site, struct compute w[WORKERS])
{
    for (unsigned i = 0; i < WORKERS; i++) {
        memset(&w[i], 0, sizeof(w[i]));
        w[i].site = site;
        w[i].number = i;
        for (int k = 0; k < 2; k++)
            REQUIRE(!toy_step_init(&w[i].steps[k], site->toy));
        REQUIRE(!pthread_create(&w[i].thread, NULL, compute_main, &w[i]));
    }
}

static void join_compute(struct compute w[WORKERS])
{
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(w[i].thread, NULL);
        for (int k = 0; k < 2; k++)
            toy_step_clear(&w[i].steps[k]);
    }
}

/* All values as an evaluation sees them. */
static void peek_all(struct site *site, struct toy_state *out)
{
    struct param_store *store = client_store(site->client);
    struct toy_step all;
    const float *dense;

    memset(&all, 0, sizeof(all));
    for (uint64_t k = 0; k < TOY_MARKS_MAX; k++)
        all.key_lists[0][k] = all.key_lists[1][k] = k;
    all.keys[0] = (struct step_keys){TOY_MARKS_MAX, all.key_lists[0]};
    all.keys[1] = (struct step_keys){TOY_SUMS, all.key_lists[1]};
    for (int t = 0; t < 2; t++)
        all.rows[t].rows = all.values[t];
    REQUIRE(!store->ops->announce(store, 0, PULL_PEEK, 0, all.keys, NULL));
    REQUIRE(!store->ops->values(store, 0, all.rows, &dense, NULL));
    for (uint32_t i = 0; i < TOY_MARKS_MAX; i++)
        out->marks[i] = all.values[0][i][0];
    for (uint32_t i = 0; i < TOY_SUMS; i++)
        memcpy(out->sums[i], all.values[1][i], sizeof(out->sums[i]));
    memcpy(out->dense, dense,
           (size_t)site->toy->params.n_dense * sizeof(float));
}

/* A block of 1.2 MB: several chunks, cut over both shards. */
static void threads_over_sockets_give_the_bits_of_home(void)
{
    static struct site site;
    static struct compute w[WORKERS];
    struct toy_state want, got;
    struct toy toy;

    toy_init(&toy, 3, 1, 8, 1, 600000);
    toy_state_init(&toy, &want);
    toy_state_init(&toy, &got);
    REQUIRE(toy_run_local(&toy, 1, &want) == FUSOR_OK);
    open_site(&site, &toy, 20000);
    start_site(&site);
    start_compute(&site, w);
    join_compute(w);
    for (int i = 0; i < WORKERS; i++)
        CHECK(w[i].rc == FUSOR_OK && w[i].wrong_reads == 0);
    stop_site(&site);
    for (int i = 0; i < SHARDS; i++)
        CHECK(server_cut(site.shards[i].server, NULL) == FUSOR_OK);
    start_site(&site);
    peek_all(&site, &got);
    CHECK(toy_state_equal(&toy, &want, &got));
    close_site(&site);
    toy_state_clear(&want);
    toy_state_clear(&got);
}

static void a_shard_that_does_not_answer_ends_the_wait(void)
{
    static struct site site;
    static struct compute w[WORKERS];
    struct toy toy;

    toy_init(&toy, 3, 0, 4, 1, 0);
    open_site(&site, &toy, 300);
    site.deaf = 1;
    start_site(&site);
    start_compute(&site, w);
    join_compute(w);
    for (int i = 0; i < WORKERS; i++)
        CHECK(w[i].rc == FUSOR_ECLUSTER);
    CHECK(strstr(w[0].err.text, "did not answer") != NULL);
    close_site(&site);
}

/* What comes for the network thread while a compute thread leads is the network
 * thread's, once and whole. */
static void a_leader_hands_on_what_is_not_its_own(void)
{
    static struct site site;
    struct peer coordinator = {PEER_COORDINATOR, 0, 1};
    struct transport_zmq_options zmq = {.job = JOB,
                                        .self = coordinator,
                                        .bind = "tcp://127.0.0.1:*",
                                        .listen_fd = -1};
    struct wire_header h = {.kind = WIRE_PING, .job = JOB};
    struct toy_state state;
    struct transport *t;
    struct messenger *m;
    struct message msg;
    struct toy toy;

    toy_init(&toy, 3, 0, 4, 1, 0);
    toy_state_init(&toy, &state);
    open_site(&site, &toy, 20000);
    REQUIRE(!transport_zmq_create(&zmq, &t, NULL));
    REQUIRE(!messenger_create(t, 1 << 20, &m, NULL));
    coordinator.incarnation = 0;
    REQUIRE(!transport_connect(site.transport, coordinator,
                               transport_zmq_endpoint(t), NULL));
    REQUIRE(
        !messenger_send_bytes(site.messenger, coordinator, &h, "?", 1, NULL));
    REQUIRE(!messenger_receive(m, &msg, 10000, NULL));
    start_site(&site);
    for (int i = 1; i <= 200; i++) {
        h.clock = (uint64_t)i;
        REQUIRE(!messenger_send_bytes(m, msg.from, &h, "pong", 4, NULL));
        peek_all(&site, &state);
    }
    while (atomic_load(&site.n_foreign) < 200) // a full pipe is emptied so
        messenger_receive(m, &msg, 1, NULL);
    CHECK(site.foreign_wrong == 0);
    close_site(&site);
    messenger_destroy(m);
    transport_destroy(t);
    toy_state_clear(&state);
}

/* Stopped while requests are under way, in queues and in use. */
static void a_stop_lets_every_wait_return_its_cause(void)
{
    static struct site site;
    static struct compute w[WORKERS];
    struct fusor_error why = {FUSOR_EIO, "the disk of shard 1 is full"};
    struct toy toy;

    toy_init(&toy, 3, 0, 100, 1, 0);
    for (int round = 0; round < 5; round++) {
        open_site(&site, &toy, 20000);
        site.deaf = round == 0;
        start_site(&site);
        start_compute(&site, w);
        client_stop(site.client, &why);
        client_stop(site.client, &(struct fusor_error){FUSOR_EDATA, "later"});
        join_compute(w);
        for (int i = 0; i < WORKERS; i++)
            CHECK(w[i].rc == FUSOR_EIO && !strcmp(w[i].err.text, why.text));
        close_site(&site);
    }
}

static void wrong_use_is_refused(void)
{
    static struct site site;
    struct toy_state state;
    struct step_grads grads = {0};
    struct toy_step step;
    struct param_store *store;
    const float *dense;
    struct toy toy;

    toy_init(&toy, 3, 0, 4, 1, 0);
    toy_state_init(&toy, &state);
    REQUIRE(!toy_step_init(&step, &toy));
    open_site(&site, &toy, 20000);
    start_site(&site);
    store = client_store(site.client);
    CHECK(store->ops->values(store, 0, step.rows, &dense, NULL) ==
          FUSOR_EINVAL);
    CHECK(store->ops->push(store, 0, &grads, NULL) == FUSOR_EINVAL);
    CHECK(store->ops->drain(store, 0, NULL) == FUSOR_OK);
    peek_all(&site, &state);
    CHECK(state.marks[0] == 0);
    toy_step_begin(&step, 3, 0, 8);
    for (int i = 0; i < 9; i++)
        REQUIRE(
            !store->ops->announce(store, 1, PULL_TRAIN, 3, step.keys, NULL));
    CHECK(store->ops->announce(store, 1, PULL_TRAIN, 3, step.keys, NULL) ==
          FUSOR_EINVAL);
    close_site(&site); // with nine pulls under way
    toy_step_clear(&step);
    toy_state_clear(&state);
}

static void memory_that_is_out_at_the_start_is_reported(void)
{
    struct transport_zmq_options zmq = {
        .job = JOB, .self = {PEER_WORKER, 0, 1}, .listen_fd = -1};
    struct client_config config = {.n_shards = 3, .n_workers = 1};
    struct transport *t;
    struct client *c;
    struct toy toy;
    size_t used;
    long nth = 1;

    toy_init(&toy, 3, 0, 4, 1, 0);
    REQUIRE(!transport_zmq_create(&zmq, &t, NULL));
    REQUIRE(!messenger_create(t, 1 << 20, &config.messenger, NULL));
    config.params = &toy.params;
    used = mem_used();
    for (; nth < 200; nth++) {
        mem_fail_after(nth);
        if (client_create(&config, &c, NULL) == FUSOR_OK)
            break;
        CHECK(mem_used() == used);
    }
    mem_fail_after(0);
    CHECK(nth > 20 && nth < 200);
    client_destroy(c);
    CHECK(mem_used() == used);
    config.n_shards = 0;
    CHECK(client_create(&config, &c, NULL) == FUSOR_EINVAL);
    messenger_destroy(config.messenger);
    transport_destroy(t);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"threads over sockets give the bits of home",
         threads_over_sockets_give_the_bits_of_home},
        {"a shard that does not answer ends the wait",
         a_shard_that_does_not_answer_ends_the_wait},
        {"a leader hands on what is not its own",
         a_leader_hands_on_what_is_not_its_own},
        {"a stop lets every wait return its cause",
         a_stop_lets_every_wait_return_its_cause},
        {"wrong use is refused", wrong_use_is_refused},
        {"memory that is out at the start is reported",
         memory_that_is_out_at_the_start_is_reported},
    };

    log_set_level(LOG_ERROR);
    return TEST_RUN("ps.client", cases);
}
