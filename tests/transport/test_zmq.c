/* transport/zmq: what only sockets can get wrong. A raw libzmq socket plays the
 * misbehaving peer. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <zmq.h>

#include "base/mem.h"
#include "harness.h"
#include "transport/zmq.h"

#define PATIENCE_MS 5000
#define JOB 99

static const struct peer shard = {PEER_SHARD, 0, 1};

static struct transport *make(struct transport_zmq_options o)
{
    struct transport *t;

    if (!o.job)
        o.job = JOB;
    REQUIRE(transport_zmq_create(&o, &t, NULL) == FUSOR_OK);
    return t;
}

static struct transport *serve(void)
{
    return make((struct transport_zmq_options){
        .self = shard, .bind = "tcp://127.0.0.1:0", .listen_fd = -1});
}

static struct transport *serve_fd(int fd)
{
    return make((struct transport_zmq_options){.self = shard, .listen_fd = fd});
}

static struct transport *join(uint32_t number, const char *endpoint)
{
    struct transport *t = make((struct transport_zmq_options){
        .self = {PEER_WORKER, number, 1}, .listen_fd = -1});

    REQUIRE(transport_connect(t, shard, endpoint, NULL) == FUSOR_OK);
    return t;
}

static enum fusor_status say(struct transport *t, struct peer to,
                             const char *text)
{
    struct payload p = {.data = text, .size = strlen(text)};

    return transport_send(t, to, "h", 1, &p, NULL);
}

static int heard(struct transport *t, const char *text)
{
    struct delivery d;

    return transport_receive(t, &d, PATIENCE_MS, NULL) == FUSOR_OK &&
           d.payload_size == strlen(text) &&
           !memcmp(d.payload, text, d.payload_size);
}

/* A peer that does not use our code. */
struct raw {
    void *context;
    void *socket;
};

static struct raw raw_open(const char *endpoint, const void *id, size_t size)
{
    struct raw r = {zmq_ctx_new(), NULL};
    int zero = 0;

    r.socket = zmq_socket(r.context, ZMQ_DEALER);
    zmq_setsockopt(r.socket, ZMQ_LINGER, &zero, sizeof(zero));
    if (size)
        zmq_setsockopt(r.socket, ZMQ_ROUTING_ID, id, size);
    REQUIRE(!zmq_connect(r.socket, endpoint));
    return r;
}

static void raw_close(struct raw r)
{
    zmq_close(r.socket);
    zmq_ctx_term(r.context);
}

static void raw_send(struct raw r, int n_frames, size_t size)
{
    static char bytes[2 << 20];

    for (int i = 0; i < n_frames; i++)
        REQUIRE(zmq_send(r.socket, bytes, size,
                         i < n_frames - 1 ? ZMQ_SNDMORE : 0) >= 0);
}

/* The routing id of worker number, incarnation 1, of a job. */
static void routing(uint8_t out[20], uint32_t number, uint64_t job)
{
    const uint32_t one = 1;

    memset(out, 0, 20);
    out[0] = 'F', out[1] = 1, out[2] = PEER_WORKER;
    memcpy(out + 4, &number, 4);
    memcpy(out + 8, &one, 4);
    memcpy(out + 12, &job, 8);
}

static void a_malformed_message_costs_its_sender_only(void)
{
    static const struct {
        int n_frames;
        size_t size;
    } bad[] = {{1, 5}, {3, 5}, {2, 0}, {2, 300}, {40, 1}};
    struct transport *server = serve();
    const char *at = transport_zmq_endpoint(server);
    struct transport *good = join(1, at);
    struct delivery d;

    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fusor_error err;
        uint8_t id[20];
        struct raw r;

        routing(id, 10 + i, JOB);
        r = raw_open(at, id, sizeof(id));
        raw_send(r, bad[i].n_frames, bad[i].size);
        CHECK(transport_receive(server, &d, PATIENCE_MS, &err) == FUSOR_EPROTO);
        CHECK(strstr(err.text, "worker 1") != NULL);
        CHECK(d.from.number == 10 + i);
        raw_send(r, 2, 8); // now well formed, but nobody listens any more
        CHECK(transport_receive(server, &d, 20, NULL) == FUSOR_EAGAIN);
        CHECK(say(server, d.from, "x") == FUSOR_ECLOSED);
        raw_close(r);
        CHECK(say(good, shard, "still here") == FUSOR_OK);
        CHECK(heard(server, "still here"));
    }
    CHECK(transport_zmq_stats(server).malformed == 5);
    CHECK(transport_zmq_stats(server).ignored == 5);
    transport_destroy(good);
    transport_destroy(server);
}

static void strangers_are_not_heard(void)
{
    struct transport *server = serve();
    const char *at = transport_zmq_endpoint(server);
    struct delivery d;
    uint8_t id[20];
    struct raw r[3];

    r[0] = raw_open(at, NULL, 0); // libzmq makes an id of its own
    routing(id, 1, JOB + 1);
    r[1] = raw_open(at, id, sizeof(id)); // another job
    routing(id, 1, JOB);
    id[2] = 77;
    r[2] = raw_open(at, id, sizeof(id)); // no such kind
    for (int i = 0; i < 3; i++)
        raw_send(r[i], 2, 8);
    for (int i = 0; i < 500 && transport_zmq_stats(server).ignored < 3; i++)
        CHECK(transport_receive(server, &d, 10, NULL) == FUSOR_EAGAIN);
    CHECK(transport_zmq_stats(server).ignored == 3);
    for (int i = 0; i < 3; i++)
        raw_close(r[i]);
    transport_destroy(server);
}

static void an_oversized_frame_costs_the_connection(void)
{
    struct transport *server = serve();
    const char *at = transport_zmq_endpoint(server);
    struct transport *good = join(1, at);
    struct delivery d;
    uint8_t id[20];
    struct raw r;

    routing(id, 5, JOB);
    r = raw_open(at, id, sizeof(id));
    raw_send(r, 2, (1 << 20) + 8192);
    CHECK(transport_receive(server, &d, 50, NULL) == FUSOR_EAGAIN);
    CHECK(say(good, shard, "fine") == FUSOR_OK);
    CHECK(heard(server, "fine"));
    raw_close(r);
    transport_destroy(good);
    transport_destroy(server);
}

/* What a client does: ask again until it is answered. */
static int ask_until_heard(struct transport *client, struct transport *server)
{
    struct delivery d;

    for (int i = 0; i < 100; i++) {
        say(client, shard, "again");
        if (transport_receive(server, &d, 50, NULL) == FUSOR_OK)
            return 1;
    }
    return 0;
}

static void a_listener_outlives_its_process(void)
{
    char at[TRANSPORT_ENDPOINT_MAX];
    struct transport *server, *client;
    struct delivery d;
    int fd;

    REQUIRE(transport_zmq_listen(NULL, 0, &fd, at, NULL) == FUSOR_OK);
    server = serve_fd(fd);
    CHECK(!strcmp(transport_zmq_endpoint(server), at));
    client = join(1, at);
    REQUIRE(say(client, shard, "one") == FUSOR_OK);
    REQUIRE(heard(server, "one"));
    for (int life = 0; life < 3; life++) {
        transport_destroy(server);
        server = serve_fd(fd);
        CHECK(ask_until_heard(client, server));
        while (transport_receive(server, &d, 0, NULL) == FUSOR_OK)
            ;
        REQUIRE(say(server, (struct peer){PEER_WORKER, 1, 1}, "two") ==
                FUSOR_OK);
        CHECK(heard(client, "two"));
    }
    transport_destroy(client);
    transport_destroy(server);
    close(fd);
}

static void requests_wait_for_a_server_that_starts_late(void)
{
    char at[TRANSPORT_ENDPOINT_MAX];
    struct transport *server, *client;
    int fd;

    REQUIRE(transport_zmq_listen("127.0.0.1", 0, &fd, at, NULL) == FUSOR_OK);
    client = join(1, at);
    REQUIRE(say(client, shard, "early") == FUSOR_OK);
    server = serve_fd(fd);
    CHECK(heard(server, "early"));
    transport_destroy(client);
    transport_destroy(server);
    close(fd);
}

static void a_peer_can_move(void)
{
    struct transport *first = serve(), *second = serve();
    struct transport *client = join(1, transport_zmq_endpoint(first));

    REQUIRE(say(client, shard, "one") == FUSOR_OK);
    REQUIRE(heard(first, "one"));
    REQUIRE(transport_connect(client, shard, transport_zmq_endpoint(second),
                              NULL) == FUSOR_OK);
    REQUIRE(say(client, shard, "two") == FUSOR_OK);
    CHECK(heard(second, "two"));
    transport_destroy(client);
    transport_destroy(first);
    transport_destroy(second);
}

static void a_client_that_left_cannot_be_sent_to(void)
{
    struct transport *server = serve();
    struct transport *client = join(1, transport_zmq_endpoint(server));
    enum fusor_status rc = FUSOR_OK;
    struct delivery d;

    REQUIRE(say(client, shard, "one") == FUSOR_OK);
    REQUIRE(heard(server, "one"));
    transport_destroy(client);
    for (int i = 0; i < 500 && rc == FUSOR_OK; i++) {
        rc = say(server, (struct peer){PEER_WORKER, 1, 0}, "x");
        transport_receive(server, &d, 10, NULL);
    }
    CHECK(rc == FUSOR_ECLOSED);
    transport_destroy(server);
}

static void a_port_in_use_is_said_with_its_cure(void)
{
    char at[TRANSPORT_ENDPOINT_MAX], other[TRANSPORT_ENDPOINT_MAX];
    struct transport_zmq_options o = {.job = JOB, .listen_fd = -1, .bind = at};
    struct fusor_error err;
    struct transport *t;
    unsigned port;
    int fd, second;

    REQUIRE(transport_zmq_listen(NULL, 0, &fd, at, NULL) == FUSOR_OK);
    CHECK(transport_zmq_create(&o, &t, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, at) && strstr(err.text, "another port"));
    REQUIRE(sscanf(at, "tcp://127.0.0.1:%u", &port) == 1);
    CHECK(transport_zmq_listen(NULL, port, &second, other, &err) ==
          FUSOR_ECLUSTER);
    CHECK(strstr(err.text, at) && strstr(err.text, "another port"));
    o.bind = "tcp://203.0.113.1:0"; // RFC 5737: nobody's address
    CHECK(transport_zmq_create(&o, &t, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "no interface") != NULL);
    close(fd);
}

static void bad_addresses_are_refused(void)
{
    static const char *const bad[] = {"", "nonsense", "tcp://",
                                      "tcp://127.0.0.1:5 shortkey"};
    struct transport_zmq_options o = {.job = JOB, .listen_fd = 0, .bind = ""};
    struct transport *client = join(1, "tcp://127.0.0.1:1");
    char at[TRANSPORT_ENDPOINT_MAX];
    struct transport *t;
    int fd;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(transport_connect(client, (struct peer){PEER_SHARD, 9, 0}, bad[i],
                                NULL) == FUSOR_EINVAL);
    CHECK(say(client, (struct peer){PEER_SHARD, 9, 0}, "x") == FUSOR_ECLOSED);
    CHECK(transport_zmq_create(&o, &t, NULL) == FUSOR_EINVAL); // no socket
    CHECK(transport_zmq_listen("no.host", 0, &fd, at, NULL) == FUSOR_EINVAL);
    CHECK(transport_zmq_listen(NULL, 70000, &fd, at, NULL) == FUSOR_EINVAL);
    transport_destroy(client);
}

static void a_flush_delivers_what_was_sent(void)
{
    struct transport *server = serve();
    struct transport *client = make((struct transport_zmq_options){
        .self = {PEER_WORKER, 1, 1}, .listen_fd = -1, .flush_ms = PATIENCE_MS});

    REQUIRE(transport_connect(client, shard, transport_zmq_endpoint(server),
                              NULL) == FUSOR_OK);
    REQUIRE(say(client, shard, "last words") == FUSOR_OK);
    transport_destroy(client);
    CHECK(heard(server, "last words"));
    transport_destroy(server);
}

static void failed_memory_is_reported(void)
{
    struct transport_zmq_options o = {.job = JOB,
                                      .self = shard,
                                      .bind = "tcp://127.0.0.1:0",
                                      .listen_fd = -1};
    size_t before = mem_used();
    struct transport *t;

    for (long n = 1; n <= 4; n++) {
        mem_fail_after(n);
        CHECK(transport_zmq_create(&o, &t, NULL) == FUSOR_ENOMEM);
        CHECK(mem_used() == before);
    }
    mem_fail_after(0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a malformed message costs its sender only",
         a_malformed_message_costs_its_sender_only},
        {"strangers are not heard", strangers_are_not_heard},
        {"an oversized frame costs the connection",
         an_oversized_frame_costs_the_connection},
        {"a listener outlives its process", a_listener_outlives_its_process},
        {"requests wait for a server that starts late",
         requests_wait_for_a_server_that_starts_late},
        {"a peer can move", a_peer_can_move},
        {"a client that left cannot be sent to",
         a_client_that_left_cannot_be_sent_to},
        {"a port in use is said with its cure",
         a_port_in_use_is_said_with_its_cure},
        {"bad addresses are refused", bad_addresses_are_refused},
        {"a flush delivers what was sent", a_flush_delivers_what_was_sent},
        {"failed memory is reported", failed_memory_is_reported},
    };
    return TEST_RUN("transport.zmq", cases);
}
