/* Tests of ps/server alone: one shard, hand-made messages of two workers. */
#include "ps/server.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "harness.h"
#include "ps/payloads.h"
#include "store/shard_private.h"
#include "transport/sim.h"

#define JOB 4
#define WORKERS 2
#define MS ((int64_t)1000000)

static struct table_spec table = {.name = "t", .width = 1};
static struct block_spec blocks[2] = {{.name = "w", .size = 2},
                                      {.name = "b", .offset = 2, .size = 1}};
static struct param_spec params = {.n_tables = 1,
                                   .tables = &table,
                                   .n_blocks = 2,
                                   .blocks = blocks,
                                   .n_dense = 3};
static struct optim_spec optims[2];
static struct sim *sim;
static struct transport *ends[1 + WORKERS];
static struct messenger *messengers[1 + WORKERS]; // the shard's first
static struct shard *shard;
static struct server *server;
static struct message answer; // newest
static float values[16];      // of it
static size_t n_values;

static void open_server(int staleness)
{
    struct shard_config shard_config = {.params = &params,
                                        .table_optim = optims,
                                        .block_optim = optims,
                                        .n_shards = 1,
                                        .fd = -1};
    struct server_config config = {.params = &params,
                                   .job = JOB,
                                   .staleness = staleness,
                                   .n_workers = WORKERS,
                                   .micro_batches = 4};

    for (int i = 0; i < 2; i++) {
        optim_spec_default(OPTIM_SGD, &optims[i]);
        optims[i].lr = 1;
    }
    REQUIRE(!sim_create(1, &sim, NULL));
    for (uint32_t i = 0; i <= WORKERS; i++) {
        struct peer self = {i ? PEER_WORKER : PEER_SHARD, i ? i - 1 : 0, 1};

        REQUIRE(!sim_endpoint(sim, self, &ends[i], NULL));
        REQUIRE(!messenger_create(ends[i], 1 << 20, &messengers[i], NULL));
        if (i)
            REQUIRE(!transport_connect(ends[i], (struct peer){PEER_SHARD, 0, 0},
                                       "", NULL));
    }
    REQUIRE(!shard_create(&shard_config, &shard, NULL));
    config.shard = shard;
    config.messenger = messengers[0];
    REQUIRE(!server_create(&config, &server, NULL));
}

static void close_server(void)
{
    server_destroy(server);
    shard_destroy(shard);
    for (int i = 0; i <= WORKERS; i++)
        messenger_destroy(messengers[i]);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

static void begin(uint64_t epoch, uint64_t clock, uint64_t n_units)
{
    struct command c = {.kind = COMMAND_BEGIN,
                        .epoch = epoch,
                        .clock = clock,
                        .n_units = n_units,
                        .lr_factor = 1};

    REQUIRE(!server_begin(server, &c, NULL));
}

/* Let a message through the network into the server. */
static void deliver(uint32_t worker, const struct wire_header *h,
                    const void *data, size_t size)
{
    struct message msg;

    REQUIRE(!messenger_send_bytes(messengers[1 + worker],
                                  (struct peer){PEER_SHARD, 0, 0}, h, data,
                                  size, NULL));
    sim_advance(sim, sim_now_ns(sim) + MS);
    while (messenger_receive(messengers[0], &msg, 0, NULL) == FUSOR_OK)
        CHECK(server_on_message(server, &msg, NULL) == FUSOR_OK);
    sim_advance(sim, sim_now_ns(sim) + MS);
}

/* What a worker hears; the values of it. */
static enum wire_kind heard(uint32_t worker)
{
    struct payload_reader r;
    const float *v;

    if (messenger_receive(messengers[1 + worker], &answer, 0, NULL) != FUSOR_OK)
        return WIRE_NONE;
    if (answer.header.kind != WIRE_VALUES)
        return answer.header.kind;
    payload_reader_init(&r, answer.data, answer.size);
    v = payload_get_f32s(&r, &n_values);
    if (n_values)
        memcpy(values, v, n_values * sizeof(float));
    v = payload_get_f32s(&r, &n_values);
    if (n_values)
        memcpy(values + 10, v, n_values * sizeof(float));
    CHECK(payload_reader_finish(&r, "values", NULL) == FUSOR_OK);
    return WIRE_VALUES;
}

static struct wire_header header(enum wire_kind kind, uint32_t lease,
                                 uint64_t unit, uint64_t request)
{
    return (struct wire_header){.kind = kind,
                                .job = JOB,
                                .lease = lease,
                                .term = 1,
                                .clock = unit,
                                .request = request,
                                .flags = kind == WIRE_KEYS ? PS_WANT_DENSE : 0,
                                .samples = 10};
}

static void send_keys(uint32_t worker, struct wire_header h)
{
    static const uint64_t keys[2] = {5, 6};
    _Alignas(8) uint8_t room[64];
    struct payload_writer w;

    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64s(&w, keys, 2);
    deliver(worker, &h, room, w.used);
}

/* A gradient of -1 for key 5 and for all dense floats, at one micro-batch. */
static void send_push(uint32_t worker, struct wire_header h, uint64_t micro)
{
    static const uint64_t keys[1] = {5};
    static const float minus[3] = {-1, -1, -1};
    _Alignas(8) uint8_t room[256];
    struct payload_writer w;

    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64(&w, 1);
    payload_put_u64(&w, micro);
    payload_put_u64(&w, 1);
    payload_put_f32s(&w, minus, 3);
    payload_put_u64s(&w, keys, 1);
    payload_put_f32s(&w, minus, 1);
    deliver(worker, &h, room, w.used);
}

static struct wire_header push_of(uint32_t lease, uint64_t index, uint64_t unit,
                                  uint64_t request)
{
    struct wire_header h = header(WIRE_PUSH, lease, unit, request);

    h.index = index;
    return h;
}

static void a_unit_is_applied_when_all_its_parts_are_here(void)
{
    open_server(0);
    begin(0, 0, 2);
    send_keys(0, header(WIRE_KEYS, 0, 0, 1));
    CHECK(heard(0) == WIRE_VALUES && values[0] == 0 && values[10] == 0 &&
          n_values == 3);
    send_keys(0, header(WIRE_KEYS, 0, 1, 2)); // ahead
    CHECK(heard(0) == WIRE_NONE);
    send_push(0, push_of(0, 0, 0, 3), 0);
    CHECK(heard(0) == WIRE_NONE);
    CHECK(server_progress(server).reason == WAIT_PUSHES &&
          server_progress(server).waits_for == 1);
    send_push(1, push_of(1, 0, 0, 1), 2);
    CHECK(heard(1) == WIRE_ACK && answer.header.request == 1);
    CHECK(heard(0) == WIRE_ACK && answer.header.request == 3);
    CHECK(heard(0) == WIRE_VALUES && answer.header.request == 2);
    CHECK(values[0] == 2 && values[1] == 0 && values[12] == 2);
    CHECK(server_counters(server).staleness_count[0] == 1);
    close_server();
}

static void a_resent_push_is_answered_and_applied_once(void)
{
    open_server(0);
    begin(0, 0, 1);
    send_push(0, push_of(0, 0, 0, 3), 0);
    send_push(0, push_of(0, 0, 0, 9), 0); // not applied yet: noted
    CHECK(heard(0) == WIRE_NONE);
    send_push(1, push_of(1, 0, 0, 1), 2);
    CHECK(heard(0) == WIRE_ACK && answer.header.request == 9);
    CHECK(heard(0) == WIRE_NONE && heard(1) == WIRE_ACK);
    send_push(0, push_of(0, 0, 0, 10), 0); // the acknowledgement was lost
    CHECK(heard(0) == WIRE_ACK && answer.header.request == 10);
    CHECK(server_counters(server).duplicates == 2);
    CHECK(shard_dense(shard)[0] == 2);
    CHECK(server_cut(server, NULL) == FUSOR_OK);
    CHECK(shard_position(shard).samples_done == 20);
    close_server();
}

static void a_push_ahead_of_its_time_waits(void)
{
    open_server(0);
    begin(0, 0, 3);
    send_push(0, push_of(0, 0, 0, 1), 0);
    send_push(0, push_of(0, 1, 1, 2), 0); // unit 0 is not applied
    send_push(0, push_of(0, 2, 2, 3), 0); // a gap
    send_push(1, push_of(1, 0, 0, 1), 2);
    CHECK(heard(0) == WIRE_ACK && answer.header.request == 1);
    CHECK(heard(0) == WIRE_NONE && heard(1) == WIRE_ACK);
    send_push(0, push_of(0, 1, 1, 2), 0);
    send_push(1, push_of(1, 1, 1, 2), 2);
    CHECK(heard(0) == WIRE_ACK && answer.header.request == 2);
    CHECK(shard_dense(shard)[0] == 4);
    close_server();
}

static void a_lower_term_is_refused(void)
{
    struct wire_header h = push_of(0, 0, 0, 1);

    open_server(-1);
    begin(0, 0, 8);
    send_push(0, h, 0);
    CHECK(heard(0) == WIRE_ACK);
    h.term = 2; // a new holder asks where the lease stands
    send_push(1, h, 0);
    CHECK(heard(1) == WIRE_ACK);
    h = push_of(0, 1, 2, 2); // the old one does not know yet
    send_push(0, h, 0);
    CHECK(heard(0) == WIRE_REFUSED && answer.header.request == 2);
    CHECK(shard_dense(shard)[0] == 1);
    h.term = 2;
    send_push(1, h, 0);
    CHECK(heard(1) == WIRE_ACK && shard_dense(shard)[0] == 2);
    CHECK(server_counters(server).refused == 1);
    close_server();
}

static void a_late_copy_of_an_old_epoch_is_not_applied(void)
{
    open_server(-1);
    begin(0, 0, 2);
    send_push(0, push_of(0, 0, 0, 7), 0);
    send_push(1, push_of(1, 0, 1, 7), 0);
    CHECK(server_cut(server, NULL) == FUSOR_OK);
    CHECK(server_cut(server, NULL) == FUSOR_OK); // the command came again
    begin(0, 2, 2);                              // epoch 0 of the next stage
    send_push(0, push_of(0, 0, 0, 7), 0);
    CHECK(shard_dense(shard)[0] == 2);
    send_push(0, push_of(0, 0, 0, 8), 0);
    CHECK(shard_dense(shard)[0] == 3);
    send_push(1, push_of(1, 0, 1, 8), 0);
    CHECK(server_cut(server, NULL) == FUSOR_OK);
    CHECK(shard_position(shard).clock == 4);
    close_server();
}

static void a_cut_with_a_unit_missing_says_so(void)
{
    struct fusor_error err;

    open_server(-1);
    begin(0, 0, 3);
    send_push(0, push_of(0, 0, 0, 1), 0);
    CHECK(server_cut(server, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "only 1 of its 3 units") != NULL);
    close_server();
}

static void no_push_is_too_far_ahead_without_a_bound(void)
{
    uint64_t n = 4500;

    open_server(-1);
    begin(0, 0, 2 * n);
    for (uint64_t i = 0; i < n; i++)
        send_push(0, push_of(0, i, 2 * i, i + 1), 0);
    for (uint64_t i = 0; i < n; i++)
        send_push(1, push_of(1, i, 2 * i + 1, i + 1), 0);
    CHECK(server_counters(server).pushes == 2 * n);
    CHECK(server_cut(server, NULL) == FUSOR_OK);
    close_server();
}

static void what_is_malformed_is_counted_and_leaves_no_trace(void)
{
    struct wire_header h;

    open_server(0);
    begin(0, 0, 2);
    deliver(0, &(struct wire_header){.kind = WIRE_PUSH, .job = JOB}, "", 0);
    h = push_of(0, 0, 0, 1);
    deliver(0, &h, "12345678", 8);
    h.lease = WORKERS;
    send_push(0, h, 0);
    send_push(0, push_of(0, 0, 1, 1), 0); // not the unit of index 0
    send_push(0, push_of(0, 0, 0, 1), 2); // micro-batch of the other lease
    send_push(0, push_of(0, 0, 0, 1), 9);
    h = header(WIRE_KEYS, 0, 2, 1); // beyond the epoch
    send_keys(0, h);
    h.clock = 0;
    deliver(0, &h, "1234567", 7);
    CHECK(server_counters(server).malformed == 8);
    CHECK(heard(0) == WIRE_NONE);
    send_push(0, push_of(0, 0, 0, 1), 1); // the true one still counts
    send_push(1, push_of(1, 0, 0, 1), 3);
    CHECK(heard(0) == WIRE_ACK && heard(1) == WIRE_ACK);
    CHECK(shard_dense(shard)[0] == 2);
    close_server();
}

static void messages_of_no_concern_are_ignored(void)
{
    struct wire_header h = push_of(0, 0, 0, 1);
    struct message msg = {.from = {PEER_COORDINATOR, 0, 1}, .header = h};

    open_server(0);
    send_push(0, h, 0); // before any epoch
    begin(0, 0, 1);
    CHECK(server_on_message(server, &msg, NULL) == FUSOR_OK);
    h.job = JOB + 1;
    send_push(0, h, 0);
    h.job = JOB;
    h.epoch = 3;
    send_push(0, h, 0);
    h = header(WIRE_KEYS, 0, 0, 4);
    h.epoch = 3;
    send_keys(0, h);
    CHECK(heard(0) == WIRE_NONE);
    CHECK(server_counters(server).malformed == 0);
    CHECK(shard_dense(shard)[0] == 0 && shard_counters(shard).rows == 0);
    close_server();
}

static void a_peek_creates_nothing_at_any_time(void)
{
    struct wire_header h = header(WIRE_KEYS, 1, 0, 4);

    open_server(0);
    h.flags |= PS_PEEK;
    send_keys(1, h);
    CHECK(heard(1) == WIRE_VALUES && values[0] == 0);
    CHECK(shard_counters(shard).rows == 0);
    close_server();
}

/* Else rows that the next epoch uses might be driven out. */
static void a_peek_after_a_cut_protects_no_less(void)
{
    struct wire_header h = header(WIRE_KEYS, 1, 0, 4);

    open_server(-1);
    begin(0, 0, 2);
    send_push(0, push_of(0, 0, 0, 7), 0);
    send_push(1, push_of(1, 0, 1, 7), 0);
    CHECK(heard(0) == WIRE_ACK && heard(1) == WIRE_ACK);
    CHECK(server_cut(server, NULL) == FUSOR_OK);
    h.flags |= PS_PEEK;
    send_keys(1, h);
    CHECK(heard(1) == WIRE_VALUES);
    CHECK(shard->floor == 2);
    begin(0, 2, 2); // epoch 0 of the next stage
    h = header(WIRE_KEYS, 0, 0, 8);
    send_keys(0, h);
    CHECK(heard(0) == WIRE_VALUES);
    CHECK(shard->floor == 2);
    close_server();
}

/* A client that asks and asks and never reads: what it is owed stays within its
 * share, and the other one is served. */
static void a_flood_of_requests_takes_a_bounded_share(void)
{
    size_t before, most = 0;

    open_server(0);
    sim_set_capacity(sim, 16);
    begin(0, 0, 3);
    before = mem_used();
    for (uint64_t i = 1; i <= 3000; i++) {
        struct wire_header h = header(WIRE_KEYS, 0, 1, i);

        if (i % 2)
            h.flags |= PS_PEEK; // answered at once; the others wait
        send_keys(0, h);
        most = mem_used() > most ? mem_used() : most;
    }
    /* The pool of the shard, 2 MiB, and a little for each that waits. */
    CHECK(most - before < (3 << 20));
    CHECK(server_counters(server).pulls > 1000);
    for (uint64_t i = 1; i <= 3; i++) {
        struct wire_header h = header(WIRE_KEYS, 1, 0, i);

        h.flags |= PS_PEEK;
        send_keys(1, h);
        CHECK(heard(1) == WIRE_VALUES && answer.header.request == i);
    }
    close_server();
}

static void keys_asked_for_again_are_answered_again(void)
{
    struct wire_header h = header(WIRE_KEYS, 0, 1, 4);

    open_server(0);
    begin(0, 0, 3);
    send_keys(0, h);
    h.attempt = 1;
    send_keys(0, h); // waits: noted, not kept twice
    CHECK(heard(0) == WIRE_NONE);
    send_push(0, push_of(0, 0, 0, 5), 0);
    send_push(1, push_of(1, 0, 0, 1), 2);
    CHECK(heard(0) == WIRE_ACK);
    CHECK(heard(0) == WIRE_VALUES && answer.header.attempt == 1);
    CHECK(heard(0) == WIRE_NONE);
    h.attempt = 2;
    send_keys(0, h); // the values were lost
    CHECK(heard(0) == WIRE_VALUES && answer.header.attempt == 2);
    CHECK(shard_counters(shard).rows == 2);
    close_server();
}

static void frozen_blocks_stay(void)
{
    unsigned char frozen[2] = {1, 0};

    open_server(-1);
    server_set_frozen(server, frozen);
    begin(0, 0, 4);
    send_push(0, push_of(0, 0, 0, 1), 0);
    CHECK(shard_dense(shard)[0] == 0 && shard_dense(shard)[2] == 1);
    server_set_frozen(server, NULL);
    send_push(1, push_of(1, 0, 1, 1), 0);
    CHECK(shard_dense(shard)[0] == 1 && shard_dense(shard)[2] == 2);
    close_server();
}

/* What it has of a request of several chunks: nothing yet, and later all. */
static void who_asks_is_told_what_is_missing(void)
{
    struct wire_header ask = header(WIRE_ASK, 0, 0, 7);

    open_server(0);
    begin(0, 0, 4);
    ask.b = WIRE_PUSH;
    deliver(0, &ask, NULL, 0);
    CHECK(heard(0) == WIRE_MISSING && answer.header.request == 7 &&
          answer.size == 0);
    send_push(0, header(WIRE_PUSH, 0, 0, 7), 0);
    deliver(0, &ask, NULL, 0); // it waits for the other worker's
    CHECK(heard(0) == WIRE_NONE);
    send_push(1, header(WIRE_PUSH, 1, 0, 7), 2);
    CHECK(heard(0) == WIRE_ACK);
    deliver(0, &ask, NULL, 0); // the answer was lost
    CHECK(heard(0) == WIRE_ACK && server_counters(server).duplicates == 2);
    ask.b = WIRE_KEYS;
    deliver(0, &ask, NULL, 0);
    CHECK(heard(0) == WIRE_MISSING);
    ask.b = WIRE_ACK; // no request
    deliver(0, &ask, NULL, 0);
    CHECK(heard(0) == WIRE_NONE && server_counters(server).asked == 5);
    close_server();
}

static void memory_that_is_out_at_the_start_is_reported(void)
{
    struct server_config config = {.params = &params, .n_workers = WORKERS};
    struct shard_config shard_config = {.params = &params,
                                        .table_optim = optims,
                                        .block_optim = optims,
                                        .n_shards = 1,
                                        .fd = -1};
    struct peer self = {PEER_SHARD, 0, 1};
    struct transport *t;
    struct server *s;
    size_t used;
    long nth = 1;

    optim_spec_default(OPTIM_SGD, &optims[0]);
    optim_spec_default(OPTIM_SGD, &optims[1]);
    REQUIRE(!shard_create(&shard_config, &config.shard, NULL));
    REQUIRE(!sim_create(1, &sim, NULL));
    REQUIRE(!sim_endpoint(sim, self, &t, NULL));
    REQUIRE(!messenger_create(t, 1 << 20, &config.messenger, NULL));
    used = mem_used();

    for (; nth < 100; nth++) {
        mem_fail_after(nth);
        if (server_create(&config, &s, NULL) == FUSOR_OK)
            break;
        CHECK(mem_used() == used);
    }
    mem_fail_after(0);
    CHECK(nth > 3 && nth < 100);
    server_destroy(s);
    shard_destroy(config.shard);
    messenger_destroy(config.messenger);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a unit is applied when all its parts are here",
         a_unit_is_applied_when_all_its_parts_are_here},
        {"a resent push is answered and applied once",
         a_resent_push_is_answered_and_applied_once},
        {"a push ahead of its time waits", a_push_ahead_of_its_time_waits},
        {"a lower term is refused", a_lower_term_is_refused},
        {"a late copy of an old epoch is not applied",
         a_late_copy_of_an_old_epoch_is_not_applied},
        {"a cut with a unit missing says so",
         a_cut_with_a_unit_missing_says_so},
        {"no push is too far ahead without a bound",
         no_push_is_too_far_ahead_without_a_bound},
        {"what is malformed is counted and leaves no trace",
         what_is_malformed_is_counted_and_leaves_no_trace},
        {"messages of no concern are ignored",
         messages_of_no_concern_are_ignored},
        {"a peek creates nothing, at any time",
         a_peek_creates_nothing_at_any_time},
        {"a peek after a cut protects no less",
         a_peek_after_a_cut_protects_no_less},
        {"a flood of requests takes a bounded share",
         a_flood_of_requests_takes_a_bounded_share},
        {"keys asked for again are answered again",
         keys_asked_for_again_are_answered_again},
        {"frozen blocks stay", frozen_blocks_stay},
        {"memory that is out at the start is reported",
         memory_that_is_out_at_the_start_is_reported},
        {"who asks is told what is missing", who_asks_is_told_what_is_missing},
    };

    log_set_level(LOG_ERROR);
    return TEST_RUN("ps.server", cases);
}
