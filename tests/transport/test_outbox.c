/* Tests of transport/outbox: order a peer, a request sent again, both bounds,
 * peers that go; every reference is given back. */
#include "transport/outbox.h"

#include "base/mem.h"
#include "harness.h"
#include "transport/sim.h"

#define KB ((size_t)1024)
#define MAX_BYTES (64 * KB) /* what may wait for one peer */

static const struct peer self = {PEER_SHARD, 0, 1};
static const struct peer near = {PEER_WORKER, 0, 1}, far = {PEER_WORKER, 1, 1};
static struct sim *sim;
static struct transport *from, *ends[2]; // near, far
static struct payload_pool *pool;
static struct outboxes boxes;

/* A peer speaks first, so that when it dies it has gone. */
static void join(int end, struct peer who)
{
    struct delivery d;

    REQUIRE(sim_endpoint(sim, who, &ends[end], NULL) == FUSOR_OK);
    REQUIRE(transport_connect(ends[end], self, "", NULL) == FUSOR_OK);
    REQUIRE(transport_send(ends[end], self, "h", 1, NULL, NULL) == FUSOR_OK);
    REQUIRE(transport_receive(from, &d, 10, NULL) == FUSOR_OK);
}

static void start(unsigned capacity)
{
    REQUIRE(sim_create(1, &sim, NULL) == FUSOR_OK);
    sim_set_capacity(sim, capacity);
    REQUIRE(sim_endpoint(sim, self, &from, NULL) == FUSOR_OK);
    join(0, near);
    join(1, far);
    REQUIRE(payload_pool_create(16 * 1024 * KB, &pool, NULL) == FUSOR_OK);
    boxes = (struct outboxes){.max_bytes = MAX_BYTES};
}

static void finish(void)
{
    outboxes_clear(&boxes);
    CHECK(!boxes.first);
    sim_destroy(sim);
    payload_pool_destroy(pool);
    CHECK(mem_used() == 0);
}

static struct payload_buffer *body_of(size_t size)
{
    struct payload_buffer *b;

    REQUIRE(payload_buffer_take(pool, size, &b, NULL) == FUSOR_OK);
    b->size = size;
    return b;
}

/* One message of a kind and request, its attempt as given; size 0: no body. */
static enum fusor_status keep(struct peer to, enum wire_kind kind,
                              uint64_t request, uint32_t attempt, size_t size)
{
    struct wire_header h = {
        .kind = kind, .request = request, .attempt = attempt};
    struct payload_buffer *b = size ? body_of(size) : NULL;
    struct chunk_source source;
    enum fusor_status rc;

    REQUIRE(chunk_source_init(&source, &h, b, NULL) == FUSOR_OK);
    rc = outboxes_keep(&boxes, to, &source, NULL);
    payload_buffer_unref(b);
    return rc;
}

/* The next message at an end. @return 0: none has come */
static int hear(int end, struct wire_header *h)
{
    struct delivery d;

    if (transport_receive(ends[end], &d, 10, NULL) != FUSOR_OK)
        return 0;
    return wire_header_decode(d.header, d.header_size, h, NULL) == FUSOR_OK;
}

static void what_waits_leaves_in_its_order(void)
{
    struct wire_header h;

    start(2);
    for (uint64_t i = 1; i <= 9; i++)
        REQUIRE(keep(near, WIRE_PUSH, i, 0, i % 2 * KB) == FUSOR_OK);
    for (uint64_t i = 1; i <= 9; i++) {
        outboxes_flush(&boxes, from);
        CHECK(outboxes_hold(&boxes, near) == (i + 2 <= 9));
        REQUIRE(hear(0, &h));
        CHECK(h.request == i);
    }
    outboxes_flush(&boxes, from);
    CHECK(!boxes.first && !hear(0, &h));
    finish();
}

static void a_full_pipe_holds_up_its_own_peer_only(void)
{
    struct wire_header h;

    start(1);
    for (uint64_t i = 1; i <= 3; i++) {
        REQUIRE(keep(near, WIRE_PUSH, i, 0, 0) == FUSOR_OK);
        REQUIRE(keep(far, WIRE_PUSH, 10 + i, 0, 0) == FUSOR_OK);
    }
    for (uint64_t i = 1; i <= 3; i++) { // near takes nothing in
        outboxes_flush(&boxes, from);
        REQUIRE(hear(1, &h));
        CHECK(h.request == 10 + i);
    }
    CHECK(outboxes_hold(&boxes, near) && !outboxes_hold(&boxes, far));
    finish();
}

static void a_message_half_out_goes_on_where_it_was(void)
{
    struct wire_header h;
    uint32_t chunk = 0;

    start(2);
    REQUIRE(keep(near, WIRE_PUSH, 1, 0, 5 * 1024 * KB) == FUSOR_OK);
    outboxes_flush(&boxes, from);
    CHECK(outboxes_hold_request(&boxes, near, 1));
    REQUIRE(keep(near, WIRE_PUSH, 1, 1, KB) == FUSOR_OK); // comes too late
    while (hear(0, &h)) {
        CHECK(h.attempt == 0 && h.n_chunks == 5 && h.chunk == chunk);
        chunk++;
        outboxes_flush(&boxes, from);
    }
    CHECK(chunk == 5 && !boxes.first);
    finish();
}

static void a_request_kept_again_takes_the_place_of_its_first_copy(void)
{
    static const uint64_t order[] = {7, 8, 9, 8, 0, 0};
    struct wire_header h;

    start(16);
    REQUIRE(keep(near, WIRE_KEYS, 7, 0, 0) == FUSOR_OK);
    for (uint32_t attempt = 0; attempt < 5; attempt++)
        REQUIRE(keep(near, WIRE_KEYS, 8, attempt, KB << attempt) == FUSOR_OK);
    REQUIRE(keep(near, WIRE_KEYS, 9, 0, 0) == FUSOR_OK);
    REQUIRE(keep(near, WIRE_PUSH, 8, 0, 0) == FUSOR_OK); // another kind
    REQUIRE(keep(near, WIRE_PING, 0, 0, 0) == FUSOR_OK); // are no requests
    REQUIRE(keep(near, WIRE_PING, 0, 0, 0) == FUSOR_OK);
    outboxes_flush(&boxes, from);
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
        REQUIRE(hear(0, &h));
        CHECK(h.request == order[i] && h.attempt == (i == 1 ? 4 : 0));
        CHECK(h.total_bytes == (i == 1 ? 16 * KB : 0));
    }
    CHECK(!hear(0, &h));
    finish();
}

static void so_many_messages_wait_for_one_peer(void)
{
    start(1);
    for (uint64_t i = 1; i <= OUTBOX_MAX; i++)
        REQUIRE(keep(near, WIRE_PUSH, i, 0, 0) == FUSOR_OK);
    CHECK(keep(near, WIRE_PUSH, OUTBOX_MAX + 1, 0, 0) == FUSOR_ECLUSTER);
    CHECK(!outboxes_hold_request(&boxes, near, OUTBOX_MAX + 1));
    CHECK(keep(near, WIRE_PUSH, 5, 1, 0) == FUSOR_OK); // takes a place
    CHECK(keep(far, WIRE_PUSH, 1, 0, 0) == FUSOR_OK);  // has its own
    outboxes_flush(&boxes, from);
    CHECK(keep(near, WIRE_PUSH, OUTBOX_MAX + 1, 0, 0) == FUSOR_OK);
    finish();
}

static void so_many_bytes_wait_for_one_peer(void)
{
    start(1);
    for (uint64_t i = 1; i <= 4; i++)
        REQUIRE(keep(near, WIRE_PUSH, i, 0, MAX_BYTES / 4) == FUSOR_OK);
    CHECK(keep(near, WIRE_PUSH, 5, 0, 1) == FUSOR_ECLUSTER);
    CHECK(keep(near, WIRE_PUSH, 5, 0, 0) == FUSOR_OK);
    CHECK(keep(far, WIRE_PUSH, 5, 0, 1) == FUSOR_OK);
    outboxes_flush(&boxes, from); // the first leaves
    CHECK(keep(near, WIRE_PUSH, 6, 0, MAX_BYTES / 4) == FUSOR_OK);
    CHECK(keep(near, WIRE_PUSH, 7, 0, 1) == FUSOR_ECLUSTER);
    CHECK(keep(near, WIRE_PUSH, 6, 1, 1) == FUSOR_OK); // a smaller copy
    CHECK(keep(near, WIRE_PUSH, 7, 0, 1) == FUSOR_OK);
    finish();
}

static void one_message_alone_may_be_of_any_size(void)
{
    start(1);
    CHECK(keep(near, WIRE_PUSH, 1, 0, 2 * MAX_BYTES) == FUSOR_OK);
    CHECK(keep(near, WIRE_PUSH, 2, 0, 1) == FUSOR_ECLUSTER);
    finish();
}

static void what_waits_is_for_one_incarnation(void)
{
    struct peer later = near;

    later.incarnation++;
    start(1);
    REQUIRE(keep(near, WIRE_PUSH, 1, 0, KB) == FUSOR_OK);
    CHECK(!outboxes_hold(&boxes, later));
    CHECK(!outboxes_hold_request(&boxes, later, 1));
    REQUIRE(keep(later, WIRE_PUSH, 2, 0, KB) == FUSOR_OK);
    outboxes_drop(&boxes, near);
    CHECK(!outboxes_hold(&boxes, near) && outboxes_hold(&boxes, later));
    outboxes_drop(&boxes, near); // nothing is left of it
    outboxes_drop(&boxes, later);
    CHECK(!boxes.first);
    finish();
}

static void what_a_lost_peer_was_to_get_is_dropped(void)
{
    struct wire_header h;
    struct payload_buffer *b;
    struct chunk_source source;

    start(1);
    b = body_of(KB);
    for (uint64_t i = 1; i <= 3; i++) {
        h = (struct wire_header){.kind = WIRE_PUSH, .request = i};
        REQUIRE(chunk_source_init(&source, &h, b, NULL) == FUSOR_OK);
        REQUIRE(outboxes_keep(&boxes, near, &source, NULL) == FUSOR_OK);
    }
    REQUIRE(keep(far, WIRE_PUSH, 9, 0, 0) == FUSOR_OK);
    CHECK(atomic_load(&b->refs) == 4);
    sim_crash(sim, near);
    outboxes_flush(&boxes, from);
    CHECK(!boxes.first && atomic_load(&b->refs) == 1);
    CHECK(hear(1, &h) && h.request == 9);
    payload_buffer_unref(b);
    finish();
}

static void nothing_is_kept_without_memory(void)
{
    struct chunk_source source;
    struct wire_header h = {.kind = WIRE_PUSH, .request = 1};
    struct payload_buffer *b;

    start(1);
    b = body_of(KB);
    REQUIRE(chunk_source_init(&source, &h, b, NULL) == FUSOR_OK);
    for (long nth = 1; nth <= 2; nth++) { // the message, then the outbox
        mem_fail_after(nth);
        CHECK(outboxes_keep(&boxes, near, &source, NULL) == FUSOR_ENOMEM);
        CHECK(!boxes.first && atomic_load(&b->refs) == 1);
    }
    mem_fail_after(0);
    CHECK(outboxes_keep(&boxes, near, &source, NULL) == FUSOR_OK);
    payload_buffer_unref(b);
    finish();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"what waits leaves in its order", what_waits_leaves_in_its_order},
        {"a full pipe holds up its own peer only",
         a_full_pipe_holds_up_its_own_peer_only},
        {"a message half out goes on where it was",
         a_message_half_out_goes_on_where_it_was},
        {"a request kept again takes the place of its first copy",
         a_request_kept_again_takes_the_place_of_its_first_copy},
        {"so many messages wait for one peer",
         so_many_messages_wait_for_one_peer},
        {"so many bytes wait for one peer", so_many_bytes_wait_for_one_peer},
        {"one message alone may be of any size",
         one_message_alone_may_be_of_any_size},
        {"what waits is for one incarnation",
         what_waits_is_for_one_incarnation},
        {"what a lost peer was to get is dropped",
         what_a_lost_peer_was_to_get_is_dropped},
        {"nothing is kept without memory", nothing_is_kept_without_memory},
    };

    return TEST_RUN("transport.outbox", cases);
}
