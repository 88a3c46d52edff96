/* Tests of transport/messenger: whole messages of any size, order kept through
 * full pipes, nothing lost or leaked when a peer goes. */
#include "transport/messenger.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "transport/sim.h"

#define MS ((int64_t)1000000)
#define MAX_BYTES ((size_t)16 << 20)

static struct sim *sim;
static struct transport *transports[3]; // shard 0, worker 0, worker 1
static struct messenger *ends[3];
static const struct peer shard = {PEER_SHARD, 0, 0};

static void open_end(int i, struct peer self)
{
    REQUIRE(!sim_endpoint(sim, self, &transports[i], NULL));
    REQUIRE(!messenger_create(transports[i], MAX_BYTES, &ends[i], NULL));
    if (i)
        REQUIRE(!transport_connect(transports[i], shard, "", NULL));
}

static void open_all(void)
{
    REQUIRE(!sim_create(1, &sim, NULL));
    open_end(0, (struct peer){PEER_SHARD, 0, 1});
    open_end(1, (struct peer){PEER_WORKER, 0, 1});
    open_end(2, (struct peer){PEER_WORKER, 1, 1});
}

static void close_all(void)
{
    for (int i = 0; i < 3; i++)
        messenger_destroy(ends[i]);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

static void pass(int64_t ms)
{
    sim_advance(sim, sim_now_ns(sim) + ms * MS);
}

static enum fusor_status say(int end, struct peer to, uint64_t request,
                             size_t size)
{
    struct wire_header h = {.kind = WIRE_PUSH, .request = request};
    struct payload_buffer *b;
    enum fusor_status rc;

    FUSOR_TRY(payload_buffer_take(messenger_pool(ends[end]), size ? size : 1,
                                  &b, NULL));
    for (size_t i = 0; i < size; i++)
        b->data[i] = (uint8_t)(i * 7 + request);
    b->size = size;
    rc = messenger_send(ends[end], to, &h, b, NULL);
    payload_buffer_unref(b);
    return rc;
}

static int is_intact(const struct message *m)
{
    const uint8_t *p = m->data;

    for (size_t i = 0; i < m->size; i++)
        if (p[i] != (uint8_t)(i * 7 + m->header.request))
            return 0;
    return 1;
}

static void messages_of_any_size_arrive_whole(void)
{
    static const size_t sizes[] = {0, 1, 8, 1 << 20, (1 << 20) + 1, 5000000};
    struct message m;

    open_all();
    for (uint64_t i = 0; i < 6; i++) {
        REQUIRE(say(1, shard, i + 1, sizes[i]) == FUSOR_OK);
        pass(2);
        REQUIRE(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK);
        CHECK(m.size == sizes[i] && is_intact(&m));
        CHECK(m.header.request == i + 1 && m.from.kind == PEER_WORKER);
        CHECK((m.buffer != NULL) == (sizes[i] > 1 << 20));
        CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_EAGAIN);
    }
    close_all();
}

static void a_kind_may_stay_in_pieces(void)
{
    struct message m;
    struct payload_view v;
    uint8_t some[3000];

    open_all();
    messenger_keep_pieces(ends[0], WIRE_PUSH);
    REQUIRE(say(1, shard, 3, 2500000) == FUSOR_OK);
    REQUIRE(say(1, shard, 4, 100) == FUSOR_OK);
    pass(2);
    REQUIRE(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK);
    CHECK(!m.data && m.n_pieces == 3 && m.size == 2500000);
    v = message_view(&m);
    payload_view_copy(&v, (1 << 20) - 1000, sizeof(some), some);
    for (size_t i = 0; i < sizeof(some); i++)
        CHECK(some[i] == (uint8_t)(((1 << 20) - 1000 + i) * 7 + 3));
    REQUIRE(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK);
    CHECK(m.data && !m.pieces && m.size == 100 && is_intact(&m));
    close_all();
}

static void a_full_pipe_keeps_the_order(void)
{
    struct message m;
    uint64_t next = 1;

    open_all();
    sim_set_capacity(sim, 2);
    for (uint64_t i = 1; i <= 50; i++)
        REQUIRE(say(1, shard, i, i % 7 ? 100 : 3000000) == FUSOR_OK);
    CHECK(messenger_is_waiting(ends[1]));
    for (int round = 0; round < 1000 && next <= 50; round++) {
        pass(1);
        CHECK(messenger_receive(ends[1], &m, 0, NULL) == FUSOR_EAGAIN);
        while (messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK) {
            CHECK(m.header.request == next++ && is_intact(&m));
        }
    }
    CHECK(next == 51 && !messenger_is_waiting(ends[1]));
    close_all();
}

/* Chunks leave as they fill; the bytes behind them are written later. */
static void a_message_leaves_while_it_is_written(void)
{
    size_t chunk = WIRE_CHUNK_BYTES, size = 3 * chunk + 5;
    struct wire_header h = {.kind = WIRE_VALUES, .request = 7};
    struct messenger_stream s;
    struct payload_buffer *b;
    struct message msg;

    open_all();
    REQUIRE(!payload_buffer_take(messenger_pool(ends[1]), size, &b, NULL));
    b->size = size;
    for (int attempt = 0; attempt < 2; attempt++) {
        h.attempt = (uint32_t)attempt;
        memset(b->data, 0, size);
        REQUIRE(!messenger_stream_begin(&s, shard, &h, b, NULL));
        messenger_stream_advance(ends[1], &s, chunk - 1);
        CHECK(s.source.next == 0);
        memset(b->data, attempt + 1, 2 * chunk + 9);
        messenger_stream_advance(ends[1], &s, 2 * chunk + 9);
        CHECK(s.source.next == 2);
        pass(20);
        CHECK(messenger_receive(ends[0], &msg, 0, NULL) == FUSOR_EAGAIN);
    } // the first attempt is never ended
    memset(b->data + 2 * chunk, 2, size - 2 * chunk);
    REQUIRE(!messenger_stream_end(ends[1], &s, NULL));
    payload_buffer_unref(b);
    pass(20);
    REQUIRE(!messenger_receive(ends[0], &msg, 0, NULL));
    CHECK(msg.size == size && msg.header.attempt == 1);
    for (size_t i = 0, wrong = 0; i < size; i++) {
        wrong += ((const uint8_t *)msg.data)[i] != 2;
        if (i + 1 == size)
            CHECK(wrong == 0);
    }
    close_all();
}

/* What waits for the same peer goes first. */
static void a_message_being_written_keeps_its_place(void)
{
    size_t size = 2 * WIRE_CHUNK_BYTES;
    struct wire_header h = {.kind = WIRE_PUSH, .request = 9999};
    struct messenger_stream s;
    struct payload_buffer *b;
    struct message msg;
    uint64_t request = 0;

    open_all();
    while (!messenger_is_waiting(ends[1]))
        REQUIRE(!say(1, shard, ++request, 10));
    REQUIRE(!payload_buffer_take(messenger_pool(ends[1]), size, &b, NULL));
    b->size = size;
    REQUIRE(!messenger_stream_begin(&s, shard, &h, b, NULL));
    messenger_stream_advance(ends[1], &s, size);
    CHECK(s.source.next == 0);
    REQUIRE(!messenger_stream_end(ends[1], &s, NULL));
    payload_buffer_unref(b);
    for (uint64_t i = 1; i <= request + 1;) {
        pass(20);
        messenger_receive(ends[1], &msg, 0, NULL); // offers what waits
        if (messenger_receive(ends[0], &msg, 0, NULL) == FUSOR_OK) {
            CHECK(msg.header.request == (i > request ? 9999 : i));
            i++;
        }
    }
    close_all();
}

static void one_full_pipe_holds_up_nobody_else(void)
{
    struct peer slow = {PEER_WORKER, 0, 1}, quick = {PEER_WORKER, 1, 1};
    struct message m;
    unsigned n = 0;

    open_all();
    REQUIRE(!say(1, shard, 1, 1) && !say(2, shard, 1, 1));
    pass(2);
    while (messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK)
        n++;
    CHECK(n == 2);
    sim_set_capacity(sim, 1);
    for (uint64_t i = 1; i <= 20; i++)
        REQUIRE(!say(0, slow, i, 10) && !say(0, quick, i, 10));
    for (n = 0; n < 20; n++) {
        pass(2);
        REQUIRE(messenger_receive(ends[2], &m, 0, NULL) == FUSOR_OK);
        CHECK(m.header.request == n + 1);
        CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_EAGAIN);
    }
    CHECK(messenger_is_waiting(ends[0])); // the slow one's
    close_all();
}

static void a_resend_takes_the_place_of_what_waits(void)
{
    struct wire_header h = {.kind = WIRE_KEYS, .request = 8};
    struct message m;
    unsigned n = 0;

    open_all();
    sim_set_capacity(sim, 1);
    REQUIRE(!say(1, shard, 7, 10)); // fills the pipe
    for (h.attempt = 0; h.attempt < 5; h.attempt++)
        REQUIRE(!messenger_send_bytes(ends[1], shard, &h, "x", 1, NULL));
    h = (struct wire_header){.kind = WIRE_PING}; // these are no requests
    for (int i = 0; i < 3; i++)
        REQUIRE(!messenger_send_bytes(ends[1], shard, &h, NULL, 0, NULL));
    for (int i = 0; i < 20; i++) {
        pass(1);
        messenger_receive(ends[1], &m, 0, NULL);
        while (messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK) {
            n++;
            if (m.header.kind == WIRE_KEYS)
                CHECK(m.header.attempt == 4);
        }
    }
    CHECK(n == 1 + 1 + 3);
    close_all();
}

static void an_outbox_is_bounded(void)
{
    uint64_t n = 1;

    open_all();
    sim_set_capacity(sim, 1);
    while (n < 100000 && say(1, shard, n, 0) == FUSOR_OK)
        n++;
    CHECK(n > 1000 && n < 20000);
    close_all();
}

static void the_buffer_of_a_message_may_be_kept(void)
{
    struct payload_buffer *kept;
    struct message m;

    open_all();
    REQUIRE(!say(1, shard, 1, 2000000));
    pass(2);
    REQUIRE(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK);
    kept = payload_buffer_ref(m.buffer);
    CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_EAGAIN);
    m = (struct message){
        .header.request = 1, .data = kept->data, .size = kept->size};
    CHECK(m.size == 2000000 && is_intact(&m));
    payload_buffer_unref(kept);
    close_all();
}

static void a_message_may_be_let_go_of_before_the_next(void)
{
    struct message m;

    open_all();
    REQUIRE(!say(1, shard, 1, 2000000));
    pass(2);
    REQUIRE(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK);
    payload_buffer_ref(m.buffer);
    messenger_let_go(ends[0]);
    CHECK(atomic_load(&m.buffer->refs) == 1 && m.size == 2000000);
    payload_buffer_unref(m.buffer);
    messenger_let_go(ends[0]); // nothing is there
    CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_EAGAIN);
    CHECK(messenger_most(ends[0]) == MAX_BYTES);
    close_all();
}

static void a_peer_that_has_gone_is_said_and_forgotten(void)
{
    struct peer gone = {PEER_WORKER, 0, 1};
    struct message m;

    open_all();
    REQUIRE(!say(1, shard, 1, 1));
    pass(2);
    REQUIRE(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK);
    sim_set_capacity(sim, 1);
    for (uint64_t i = 1; i <= 5; i++)
        REQUIRE(say(0, gone, i, 10) == FUSOR_OK);
    sim_crash(sim, gone);
    CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_EAGAIN);
    CHECK(!messenger_is_waiting(ends[0]));
    CHECK(say(0, gone, 9, 10) == FUSOR_ECLOSED);
    CHECK(say(0, (struct peer){PEER_WORKER, 7, 0}, 9, 10) == FUSOR_ECLOSED);
    close_all();
}

static void dropping_a_peer_empties_its_outbox(void)
{
    struct message m;

    open_all();
    sim_set_capacity(sim, 1);
    for (uint64_t i = 1; i <= 5; i++)
        REQUIRE(say(1, shard, i, 10) == FUSOR_OK);
    messenger_drop_peer(ends[1], shard);
    CHECK(!messenger_is_waiting(ends[1]));
    pass(2);
    CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK);
    CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_EAGAIN);
    close_all();
}

/* A worker that was restarted counts its requests anew: its large message of
 * number 1 is not the old one's. */
static void a_restarted_peer_is_not_taken_for_its_old_self(void)
{
    struct message m;

    open_all();
    for (uint32_t life = 1; life <= 2; life++) {
        REQUIRE(!say(1, shard, 1, 2000000));
        pass(2);
        CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK);
        if (life == 2)
            break;
        messenger_destroy(ends[1]);
        open_end(1, (struct peer){PEER_WORKER, 0, 2});
    }
    close_all();
}

static void what_is_no_message_is_counted(void)
{
    struct message m;

    open_all();
    REQUIRE(!transport_send(transports[1], shard, "rubbish", 7, NULL, NULL));
    REQUIRE(!say(1, shard, 1, 10));
    pass(2);
    CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_OK);
    CHECK(m.header.request == 1 && messenger_malformed(ends[0]) == 1);
    close_all();
}

static void a_message_over_the_bound_is_refused(void)
{
    struct message m;

    open_all();
    CHECK(say(1, shard, 1, 3 * MAX_BYTES) == FUSOR_ENOMEM); // of its own pool
    CHECK(say(1, shard, 1, MAX_BYTES + 10) == FUSOR_OK);
    pass(2);
    CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_EAGAIN);
    CHECK(messenger_malformed(ends[0]) > 0);
    close_all();
}

static void a_wait_ends_in_time_or_when_woken(void)
{
    struct message m;
    int64_t start;

    open_all();
    start = sim_now_ns(sim);
    CHECK(messenger_receive(ends[0], &m, 20, NULL) == FUSOR_EAGAIN);
    CHECK(sim_now_ns(sim) == start + 20 * MS);
    messenger_wake(ends[0]);
    CHECK(messenger_receive(ends[0], &m, 1000, NULL) == FUSOR_EAGAIN);
    CHECK(sim_now_ns(sim) == start + 20 * MS);
    sim_crash(sim, shard);
    CHECK(messenger_receive(ends[0], &m, 0, NULL) == FUSOR_ECLOSED);
    close_all();
}

/* Chunks that never complete a message. */
static void pieces_do_not_hold_a_wait_for_ever(void)
{
    struct wire_header h = {
        .kind = WIRE_PUSH, .n_chunks = 2, .total_bytes = (1 << 20) + 8};
    struct payload p = {.data = "12345678", .size = 8};
    uint8_t bytes[WIRE_HEADER_MAX];
    struct message m;
    int64_t start;

    open_all();
    h.chunk = 1;
    sim_set_capacity(sim, 10000);
    start = sim_now_ns(sim);
    for (h.request = 1; h.request <= 600; h.request++) {
        size_t n = wire_header_encode(&h, bytes);

        REQUIRE(!transport_send(transports[1], shard, bytes, n, &p, NULL));
    }
    CHECK(messenger_receive(ends[0], &m, 30, NULL) == FUSOR_EAGAIN);
    CHECK(sim_now_ns(sim) <= start + 31 * MS);
    close_all();
}

static void memory_that_is_out_is_reported(void)
{
    struct messenger *m;
    long nth = 1;
    size_t used;

    REQUIRE(!sim_create(1, &sim, NULL));
    REQUIRE(!sim_endpoint(sim, (struct peer){PEER_SHARD, 0, 1}, &transports[0],
                          NULL));
    used = mem_used();
    for (; nth < 50; nth++) {
        mem_fail_after(nth);
        if (messenger_create(transports[0], 1000, &m, NULL) == FUSOR_OK)
            break;
        CHECK(mem_used() == used);
    }
    mem_fail_after(0);
    CHECK(nth > 2 && nth < 50);
    messenger_destroy(m);
    sim_destroy(sim);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"messages of any size arrive whole",
         messages_of_any_size_arrive_whole},
        {"a kind may stay in pieces", a_kind_may_stay_in_pieces},
        {"a full pipe keeps the order", a_full_pipe_keeps_the_order},
        {"a message leaves while it is written",
         a_message_leaves_while_it_is_written},
        {"a message being written keeps its place",
         a_message_being_written_keeps_its_place},
        {"one full pipe holds up nobody else",
         one_full_pipe_holds_up_nobody_else},
        {"a resend takes the place of what waits",
         a_resend_takes_the_place_of_what_waits},
        {"an outbox is bounded", an_outbox_is_bounded},
        {"the buffer of a message may be kept",
         the_buffer_of_a_message_may_be_kept},
        {"a message may be let go of before the next",
         a_message_may_be_let_go_of_before_the_next},
        {"a peer that has gone is said and forgotten",
         a_peer_that_has_gone_is_said_and_forgotten},
        {"dropping a peer empties its outbox",
         dropping_a_peer_empties_its_outbox},
        {"a restarted peer is not taken for its old self",
         a_restarted_peer_is_not_taken_for_its_old_self},
        {"what is no message is counted", what_is_no_message_is_counted},
        {"a message over the bound is refused",
         a_message_over_the_bound_is_refused},
        {"a wait ends in time or when woken",
         a_wait_ends_in_time_or_when_woken},
        {"pieces do not hold a wait for ever",
         pieces_do_not_hold_a_wait_for_ever},
        {"memory that is out is reported", memory_that_is_out_is_reported},
    };

    return TEST_RUN("transport.messenger", cases);
}
