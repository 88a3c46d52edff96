/* transport/message: chunks go out until the pipe is full and go on from there;
 * every reference is given back. */
#include <string.h>

#include "harness.h"
#include "transport/message.h"
#include "transport/sim.h"

#define MB ((size_t)1 << 20)

static const struct peer a = {PEER_WORKER, 1, 1}, b = {PEER_SHARD, 1, 1};
static struct sim *sim;
static struct transport *from, *to;
static struct payload_pool *pool;
static struct payload_buffer *body;
static struct chunk_source source;

static void start(unsigned capacity)
{
    struct wire_header h = {.kind = WIRE_PUSH, .request = 1};

    REQUIRE(sim_create(1, &sim, NULL) == FUSOR_OK);
    sim_set_capacity(sim, capacity);
    REQUIRE(sim_endpoint(sim, a, &from, NULL) == FUSOR_OK);
    REQUIRE(sim_endpoint(sim, b, &to, NULL) == FUSOR_OK);
    REQUIRE(transport_connect(from, b, "", NULL) == FUSOR_OK);
    REQUIRE(payload_pool_create(16 * MB, &pool, NULL) == FUSOR_OK);
    REQUIRE(payload_buffer_take(pool, 5 * MB, &body, NULL) == FUSOR_OK);
    memset(body->data, 3, 5 * MB);
    body->size = 5 * MB;
    REQUIRE(chunk_source_init(&source, &h, body, NULL) == FUSOR_OK);
}

static void finish(void)
{
    sim_destroy(sim);
    CHECK(atomic_load(&body->refs) == 1); // all others were given back
    payload_buffer_unref(body);
    payload_pool_destroy(pool);
}

static void a_full_pipe_is_gone_on_from(void)
{
    struct delivery d;
    int got = 0;

    start(2);
    CHECK(transport_send_message(from, b, &source, NULL) == FUSOR_EAGAIN);
    CHECK(source.next == 2);
    CHECK(atomic_load(&body->refs) == 3);
    while (transport_receive(to, &d, 10, NULL) == FUSOR_OK) {
        got++;
        transport_send_message(from, b, &source, NULL);
    }
    CHECK(got == 5);
    CHECK(transport_send_message(from, b, &source, NULL) == FUSOR_OK);
    finish();
}

static void a_lost_peer_gives_the_references_back(void)
{
    start(8);
    CHECK(transport_send_message(from, b, &source, NULL) == FUSOR_OK);
    CHECK(atomic_load(&body->refs) == 6);
    sim_crash(sim, b);
    CHECK(atomic_load(&body->refs) == 1);
    finish();
}

static void an_unknown_peer_costs_nothing(void)
{
    start(8);
    CHECK(transport_send_message(from, a, &source, NULL) == FUSOR_ECLOSED);
    CHECK(source.next == 0 && atomic_load(&body->refs) == 1);
    finish();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a full pipe is gone on from", a_full_pipe_is_gone_on_from},
        {"a lost peer gives the references back",
         a_lost_peer_gives_the_references_back},
        {"an unknown peer costs nothing", an_unknown_peer_costs_nothing},
    };
    return TEST_RUN("transport.message", cases);
}
