/* Shared memory between processes: who gets in, what a death leaves, what wild
 * bytes do. What all transports promise is in tests/contract. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"
#include "transport/shm_endpoint.h"

#define PATIENCE_MS 5000
#define KEY "c0ffee"

static const struct peer shard = {PEER_SHARD, 3, 1};
static const struct peer worker = {PEER_WORKER, 7, 1};
static struct transport *server;
static pid_t main_pid; // its children share its names

static const char *text(const char *key)
{
    static char t[SHM_TEXT_MAX];

    snprintf(t, sizeof(t), "shm:fusor-test-shm-%d %s", (int)main_pid, key);
    return t;
}

static struct transport *make(struct peer self, const char *bind, uint64_t job)
{
    struct transport_shm_options o = {.job = job, .self = self, .bind = bind};
    struct transport *t;

    REQUIRE(transport_shm_create(&o, &t, NULL) == FUSOR_OK);
    return t;
}

static void serve(void)
{
    server = make(shard, text(KEY), 99);
}

static struct transport *join(struct peer self, const char *key, uint64_t job)
{
    struct transport *t = make(self, NULL, job);

    REQUIRE(transport_connect(t, shard, text(key), NULL) == FUSOR_OK);
    return t;
}

static enum fusor_status say(struct transport *t, struct peer to,
                             const char *words)
{
    struct payload p = {.data = words, .size = strlen(words)};

    return transport_send(t, to, "h", 1, &p, NULL);
}

static int heard(struct transport *t, const char *words)
{
    struct delivery d;

    return transport_receive(t, &d, PATIENCE_MS, NULL) == FUSOR_OK &&
           d.payload_size == strlen(words) &&
           !memcmp(d.payload, words, d.payload_size);
}

static void check_refused(const char *key, uint64_t job)
{
    struct transport *client;
    struct fusor_error err;
    struct delivery d;

    serve();
    client = join(worker, key, job);
    CHECK(say(client, shard, "let me in") == FUSOR_OK);
    CHECK(transport_receive(server, &d, 20, NULL) == FUSOR_EAGAIN);
    CHECK(transport_receive(client, &d, PATIENCE_MS, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "refuses") != NULL);
    CHECK(say(client, shard, "please") == FUSOR_ECLOSED);
    CHECK(transport_receive(client, &d, 1, NULL) == FUSOR_EAGAIN); // said once
    CHECK(transport_shm_stats(server).refused == 1);
    transport_destroy(client);
    transport_destroy(server);
}

static void another_key_or_job_is_refused(void)
{
    check_refused("c0ffed", 99);
    check_refused("", 99);
    check_refused(KEY, 98);
}

static void a_name_is_taken_once(void)
{
    struct transport_shm_options o = {
        .job = 99, .self = shard, .bind = text(KEY)};
    struct transport *t;
    struct fusor_error err;

    serve();
    CHECK(transport_shm_create(&o, &t, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "cannot listen on shm:fusor-test") != NULL);
    CHECK(strstr(err.text, KEY) == NULL); // secrets are not told
    o.bind = "shm: KEY";
    CHECK(transport_shm_create(&o, &t, &err) == FUSOR_EINVAL);
    o.bind = NULL;
    o.ring_bytes = 4097;
    CHECK(transport_shm_create(&o, &t, &err) == FUSOR_EINVAL);
    transport_destroy(server);
}

static void a_server_may_come_later_and_come_again(void)
{
    struct transport *client = join(worker, KEY, 99);
    struct delivery d;

    CHECK(say(client, shard, "early") == FUSOR_OK);
    CHECK(transport_receive(client, &d, 5, NULL) == FUSOR_EAGAIN);
    serve();
    CHECK(transport_receive(client, &d, 40, NULL) == FUSOR_EAGAIN);
    CHECK(heard(server, "early"));
    CHECK(say(server, worker, "last words") == FUSOR_OK);
    transport_destroy(server);
    CHECK(heard(client, "last words"));
    serve();
    for (int i = 0; i < 100 && say(client, shard, "again") != FUSOR_OK; i++)
        transport_receive(client, &d, 10, NULL);
    for (int i = 0; i < 100; i++) {
        transport_receive(client, &d, 5, NULL);
        if (transport_receive(server, &d, 5, NULL) == FUSOR_OK)
            break;
        say(client, shard, "again"); // lost with the old server
    }
    CHECK(d.payload_size == 5 && !memcmp(d.payload, "again", 5));
    transport_destroy(client);
    transport_destroy(server);
}

static void last_words_are_heard_though_their_sender_has_gone(void)
{
    struct transport *client;
    struct delivery d;

    serve();
    client = join(worker, KEY, 99);
    CHECK(say(client, shard, "farewell") == FUSOR_OK);
    transport_destroy(client);
    CHECK(heard(server, "farewell"));
    CHECK(transport_receive(server, &d, 20, NULL) == FUSOR_EAGAIN);
    CHECK(say(server, worker, "too late") == FUSOR_ECLOSED);
    transport_destroy(server);
}

/* A process that sends numbered payloads as fast as it can until killed. */
static pid_t start_sender(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        static uint32_t body[50000];
        struct transport_shm_options o = {.job = 99, .self = worker};
        struct transport *t;
        struct delivery d;

        if (transport_shm_create(&o, &t, NULL) != FUSOR_OK ||
            transport_connect(t, shard, text(KEY), NULL) != FUSOR_OK)
            _exit(1);
        for (uint32_t i = 0;;) {
            struct payload p = {.data = body, .size = sizeof(body)};

            for (size_t k = 0; k < 50000; k++)
                body[k] = i;
            if (transport_send(t, shard, "h", 1, &p, NULL) == FUSOR_OK)
                i++;
            else
                transport_receive(t, &d, 5, NULL);
        }
    }
    return pid;
}

static int is_whole(const struct delivery *d, uint32_t number)
{
    const uint32_t *body = d->payload;
    int same = d->payload_size == 200000;

    for (size_t k = 0; same && k < 50000; k++)
        same = body[k] == number;
    return same;
}

static void a_killed_sender_leaves_whole_messages_only(void)
{
    for (int round = 0; round < 8; round++) {
        uint32_t got = 0;
        struct transport *other;
        struct delivery d;
        pid_t pid;
        int whole = 1;
        enum fusor_status rc;

        serve();
        fflush(NULL);
        pid = start_sender();
        REQUIRE(pid > 0);
        while (got < 20 + (uint32_t)round &&
               transport_receive(server, &d, PATIENCE_MS, NULL) == FUSOR_OK)
            whole &= is_whole(&d, got++);
        kill(pid, SIGKILL);
        while ((rc = transport_receive(server, &d, 20, NULL)) == FUSOR_OK)
            whole &= is_whole(&d, got++);
        CHECK(rc == FUSOR_EAGAIN && whole && got >= 20);
        waitpid(pid, NULL, 0);
        transport_receive(server, &d, 20, NULL);
        CHECK(say(server, worker, "anyone?") == FUSOR_ECLOSED);
        other = join((struct peer){PEER_WORKER, 8, 1}, KEY, 99);
        CHECK(say(other, shard, "here") == FUSOR_OK);
        CHECK(heard(server, "here"));
        transport_destroy(other);
        transport_destroy(server);
    }
}

/* A server process that takes a few messages and then dies by itself, its
 * hands full. */
static pid_t start_mortal(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct transport_shm_options o = {
            .job = 99, .self = shard, .bind = text(KEY)};
        struct transport *t;
        struct delivery d;

        if (transport_shm_create(&o, &t, NULL) != FUSOR_OK)
            _exit(1);
        for (int i = 0; i < 50; i++)
            transport_receive(t, &d, PATIENCE_MS, NULL);
        kill(getpid(), SIGKILL);
    }
    return pid;
}

static void a_killed_server_hangs_nobody(void)
{
    static uint8_t body[100000];
    struct payload p = {.data = body, .size = sizeof(body)};
    struct transport *client = join(worker, KEY, 99);
    struct delivery d;
    int sent = 0;

    for (int round = 0; round < 4; round++) {
        pid_t pid;
        int status = 0;

        fflush(NULL);
        pid = start_mortal();
        REQUIRE(pid > 0);
        for (int i = 0; i < 5000 && waitpid(pid, &status, WNOHANG) == 0; i++) {
            if (transport_send(client, shard, "h", 1, &p, NULL) == FUSOR_OK)
                sent++;
            transport_receive(client, &d, 1, NULL);
        }
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    CHECK(sent >= 4 * 50); // in a round some of the one before may count
    transport_destroy(client);
}

static struct shm_conn *conn_of(struct transport *t)
{
    return shm_endpoint_of(t)->conns[0];
}

static void wild_bytes_cost_their_sender_the_line(void)
{
    struct rng r = rng_stream(17, RNG_JOB, 0, 0);
    int malformed = 0;

    for (int round = 0; round < 60; round++) {
        struct transport *client;
        struct shm_conn *c;
        struct delivery d;
        struct fusor_error err;
        enum fusor_status rc;

        serve();
        client = join(worker, KEY, 99);
        REQUIRE(say(client, shard, "in") == FUSOR_OK);
        REQUIRE(heard(server, "in"));
        c = conn_of(client);
        for (size_t i = 0; i < 4096; i += 8) {
            uint64_t wild = rng_u64(&r);

            memcpy(c->out.bytes + i, &wild, 8);
        }
        atomic_store(&c->out.control->head,
                     round % 2 ? rng_u64(&r)
                               : c->out.head + 64 * (1 + rng_u64(&r) % 999));
        if (round % 3 == 0)
            atomic_store(&c->in.control->tail, rng_u64(&r));
        do
            rc = transport_receive(server, &d, 50, &err);
        while (rc == FUSOR_OK);
        CHECK(rc == FUSOR_EPROTO && d.from.number == worker.number);
        CHECK(strstr(err.text, "worker 7") != NULL);
        malformed += (int)transport_shm_stats(server).malformed;
        CHECK(say(server, worker, "x") == FUSOR_ECLOSED);
        CHECK(transport_receive(server, &d, 1, NULL) == FUSOR_EAGAIN);
        transport_destroy(client);
        transport_destroy(server);
    }
    CHECK(malformed == 60);
}

static void a_server_s_wild_bytes_stop_its_client(void)
{
    struct transport *client;
    struct fusor_error err;
    struct delivery d;

    serve();
    client = join(worker, KEY, 99);
    REQUIRE(say(client, shard, "in") == FUSOR_OK);
    REQUIRE(heard(server, "in"));
    atomic_store(&conn_of(server)->out.control->head, 3);
    CHECK(transport_receive(client, &d, PATIENCE_MS, &err) == FUSOR_EPROTO);
    CHECK(d.from.kind == PEER_SHARD && say(client, shard, "") == FUSOR_ECLOSED);
    transport_destroy(client);
    transport_destroy(server);
}

/* Greet the server by hand. @return the socket */
static int greet(const void *data, size_t size, const int *fds, size_t n)
{
    struct shm_address at;
    int fd;

    REQUIRE(shm_address_parse(text(KEY), &at, NULL) == FUSOR_OK);
    fd = shm_dial(&at);
    REQUIRE(fd >= 0);
    CHECK(shm_packet_send(fd, data, size, fds, n) == 0);
    return fd;
}

static void a_wrong_hello_gets_nowhere(void)
{
    struct shm_hello hello = {.magic = "FUSSHM2",
                              .job = 99,
                              .capacity = SHM_RING_MIN,
                              .kind = PEER_WORKER,
                              .key = KEY};
    struct rng r = rng_stream(23, RNG_JOB, 0, 0);
    struct delivery d;
    int pipes[3], fds[4], n = 0;

    serve();
    REQUIRE(pipe(pipes) == 0);
    pipes[2] = pipes[1];
    fds[n++] = greet("", 1, NULL, 0);
    fds[n++] = greet(&hello, sizeof(hello), NULL, 0);
    fds[n++] = greet(&hello, sizeof(hello), pipes, 3); // no memory of ours
    for (size_t i = 0; i < sizeof(hello); i++)
        ((uint8_t *)&hello)[i] = (uint8_t)rng_u64(&r);
    fds[n++] = greet(&hello, sizeof(hello), pipes, 3);
    CHECK(transport_receive(server, &d, 20, NULL) == FUSOR_EAGAIN);
    CHECK(transport_shm_stats(server).refused == 4);
    CHECK(shm_endpoint_of(server)->n_conns == 0);
    while (n > 0)
        close(fds[--n]);
    close(pipes[0]);
    close(pipes[1]);
    transport_destroy(server);
}

static void memory_that_could_shrink_is_refused(void)
{
    struct shm_segment s = {0};
    FILE *f = tmpfile();

    REQUIRE(f != NULL);
    REQUIRE(ftruncate(fileno(f), 4096 + 2 * (off_t)SHM_RING_MIN) == 0);
    CHECK(shm_segment_map(fileno(f), SHM_RING_MIN, &s, NULL) == FUSOR_EPROTO);
    CHECK(shm_segment_map(fileno(f), 1 << 12, &s, NULL) == FUSOR_EPROTO);
    CHECK(s.base == NULL);
    fclose(f);
}

static void no_memory_is_said(void)
{
    struct transport_shm_options o = {.job = 99, .self = worker};
    struct transport *t;

    mem_fail_after(1);
    CHECK(transport_shm_create(&o, &t, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
    REQUIRE(transport_shm_create(&o, &t, NULL) == FUSOR_OK);
    for (size_t i = 0; i < 3; i++) { // list, connection, table
        mem_fail_after(i ? 2 : 1);
        CHECK(transport_connect(t, shard, text(KEY), NULL) == FUSOR_ENOMEM);
        mem_fail_after(0);
    }
    transport_destroy(t);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"another key or job is refused", another_key_or_job_is_refused},
        {"a name is taken once", a_name_is_taken_once},
        {"a server may come later and come again",
         a_server_may_come_later_and_come_again},
        {"last words are heard though their sender has gone",
         last_words_are_heard_though_their_sender_has_gone},
        {"a killed sender leaves whole messages only",
         a_killed_sender_leaves_whole_messages_only},
        {"a killed server hangs nobody", a_killed_server_hangs_nobody},
        {"wild bytes cost their sender the line",
         wild_bytes_cost_their_sender_the_line},
        {"a server's wild bytes stop its client",
         a_server_s_wild_bytes_stop_its_client},
        {"a wrong hello gets nowhere", a_wrong_hello_gets_nowhere},
        {"memory that could shrink is refused",
         memory_that_could_shrink_is_refused},
        {"no memory is said", no_memory_is_said},
    };

    main_pid = getpid();
    return TEST_RUN("transport.shm", cases);
}
