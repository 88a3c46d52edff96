/* One endpoint over two transports: near and far peers at once, one wait. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"
#include "transport/mux.h"

#define PATIENCE_MS 5000

static const struct peer shard = {PEER_SHARD, 0, 1};
static const struct peer near_peer = {PEER_WORKER, 1, 1};
static const struct peer far_peer = {PEER_WORKER, 2, 1};
static struct transport *server, *near_end, *far_end;

static const char *text(void)
{
    static char t[SHM_TEXT_MAX];

    snprintf(t, sizeof(t), "shm:fusor-test-mux-%d", (int)getpid());
    return t;
}

static struct transport *make(struct peer self, const char *shm,
                              const char *tcp)
{
    struct transport_shm_options s = {.job = 5, .self = self, .bind = shm};
    struct transport_zmq_options z = {
        .job = 5, .self = self, .bind = tcp, .listen_fd = -1};
    struct transport *t;

    REQUIRE(transport_mux_create(&s, &z, &t, NULL) == FUSOR_OK);
    return t;
}

static void open_three(void)
{
    server = make(shard, text(), "tcp://127.0.0.1:*");
    near_end = make(near_peer, NULL, NULL);
    far_end = make(far_peer, NULL, NULL);
    REQUIRE(transport_connect(near_end, shard, text(), NULL) == FUSOR_OK);
    REQUIRE(transport_connect(far_end, shard,
                              transport_mux_zmq_endpoint(server),
                              NULL) == FUSOR_OK);
}

static void close_three(void)
{
    transport_destroy(near_end);
    transport_destroy(far_end);
    transport_destroy(server);
}

/* Wait for one message. @return who sent it, or 0 */
static uint32_t hear(struct transport *t)
{
    struct delivery d;

    if (transport_receive(t, &d, PATIENCE_MS, NULL) != FUSOR_OK)
        return 0;
    return d.from.number;
}

static void both_sides_are_served(void)
{
    uint32_t from[3] = {0};
    struct delivery d;

    open_three();
    for (int i = 0; i < 100; i++) {
        REQUIRE(transport_send(near_end, shard, "n", 1, NULL, NULL) ==
                FUSOR_OK);
        REQUIRE(transport_send(far_end, shard, "f", 1, NULL, NULL) == FUSOR_OK);
        for (int k = 0; k < 2; k++) {
            uint32_t who = hear(server);

            REQUIRE(who == 1 || who == 2);
            from[who]++;
            CHECK(transport_send(server, (struct peer){PEER_WORKER, who, 1},
                                 "a", 1, NULL, NULL) == FUSOR_OK);
        }
        CHECK(transport_send(server, (struct peer){PEER_WORKER, 3, 0}, "a", 1,
                             NULL, NULL) == FUSOR_ECLOSED);
        REQUIRE(transport_receive(near_end, &d, PATIENCE_MS, NULL) == FUSOR_OK);
        REQUIRE(transport_receive(far_end, &d, PATIENCE_MS, NULL) == FUSOR_OK);
    }
    CHECK(from[1] == 100 && from[2] == 100);
    close_three();
}

/* A near or a far peer that speaks only when the server sleeps. */
static void *echo(void *end)
{
    struct delivery d;

    for (int i = 0; i < 200; i++) {
        if (transport_send(end, shard, "q", 1, NULL, NULL) != FUSOR_OK ||
            transport_receive(end, &d, PATIENCE_MS, NULL) != FUSOR_OK)
            return end;
    }
    return NULL;
}

static void no_message_is_slept_through(void)
{
    pthread_t a, b;
    void *bad_a, *bad_b;

    open_three();
    REQUIRE(!pthread_create(&a, NULL, echo, near_end));
    REQUIRE(!pthread_create(&b, NULL, echo, far_end));
    for (int i = 0; i < 400; i++) {
        struct delivery d;
        enum fusor_status rc = transport_receive(server, &d, PATIENCE_MS, NULL);

        CHECK(rc == FUSOR_OK);
        if (rc == FUSOR_OK)
            CHECK(transport_send(server, d.from, "a", 1, NULL, NULL) ==
                  FUSOR_OK);
    }
    pthread_join(a, &bad_a);
    pthread_join(b, &bad_b);
    CHECK(!bad_a && !bad_b);
    close_three();
}

static void a_cut_reaches_either_side(void)
{
    struct delivery d;

    open_three();
    REQUIRE(transport_send(near_end, shard, "n", 1, NULL, NULL) == FUSOR_OK);
    REQUIRE(hear(server) == 1);
    REQUIRE(transport_send(far_end, shard, "f", 1, NULL, NULL) == FUSOR_OK);
    REQUIRE(hear(server) == 2);
    transport_cut(server, near_peer);
    transport_cut(server, far_peer);
    CHECK(transport_send(server, near_peer, "x", 1, NULL, NULL) ==
          FUSOR_ECLOSED);
    CHECK(transport_send(server, far_peer, "x", 1, NULL, NULL) ==
          FUSOR_ECLOSED);
    CHECK(transport_receive(server, &d, 10, NULL) == FUSOR_EAGAIN);
    close_three();
}

static void a_failed_half_leaves_nothing(void)
{
    struct transport_shm_options s = {.self = shard, .bind = "nonsense"};
    struct transport_zmq_options z = {.self = shard, .listen_fd = -1};
    size_t before = mem_used();
    struct transport *t;

    CHECK(transport_mux_create(&s, &z, &t, NULL) == FUSOR_EINVAL);
    s.bind = NULL;
    z.bind = "tcp://203.0.113.9:1";
    CHECK(transport_mux_create(&s, &z, &t, NULL) == FUSOR_ECLUSTER);
    CHECK(mem_used() == before);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"both sides are served", both_sides_are_served},
        {"no message is slept through", no_message_is_slept_through},
        {"a cut reaches either side", a_cut_reaches_either_side},
        {"a failed half leaves nothing", a_failed_half_leaves_nothing},
    };

    return TEST_RUN("transport.mux", cases);
}
