/* Tests of ps/exchange: one request to all shards, each leg until answered. */
#include "ps/exchange.h"

#include <string.h>

#include "base/mem.h"
#include "coord/deadline.h"
#include "ends.h"
#include "harness.h"
#include "ps/payloads.h"

#define JOB 4
#define SHARDS 2
#define MS ((int64_t)1000000)

static struct exchange_core *core;
static struct message last[SHARDS]; // what each shard heard last

static void close_all(void)
{
    exchange_core_destroy(core);
    ends_close();
    CHECK(mem_used() == 0);
}

static struct exchange *submit(enum wire_kind kind)
{
    struct exchange *x = exchange_create(SHARDS, NULL);

    REQUIRE(x != NULL);
    x->header.kind = kind;
    exchange_core_submit(core, x);
    return x;
}

/* Let time pass; count what a shard hears. */
static unsigned hear(uint32_t shard, int64_t ms)
{
    unsigned n = 0;

    for (; ms > 0; ms--) {
        sim_advance(sim, sim_now_ns(sim) + MS);
        exchange_core_tick(core);
        while (messenger_receive(shards[shard], &last[shard], 0, NULL) ==
               FUSOR_OK)
            n++;
    }
    return n;
}

static void answer(uint32_t shard, enum wire_kind kind, uint64_t request,
                   const char *text)
{
    struct wire_header h = {.kind = kind, .job = JOB, .request = request};
    struct message msg;

    REQUIRE(!messenger_send_bytes(shards[shard],
                                  (struct peer){PEER_WORKER, 0, 0}, &h, text,
                                  strlen(text), NULL));
    sim_advance(sim, sim_now_ns(sim) + MS);
    while (messenger_receive(workers[0], &msg, 0, NULL) == FUSOR_OK)
        exchange_core_on_message(core, &msg);
}

static void open_all(void)
{
    ends_open(1, SHARDS, 1, 4 << 20);
    REQUIRE(!exchange_core_create(workers[0], JOB, SHARDS, 1, 1, &core, NULL));
    for (uint32_t i = 0; i < SHARDS; i++) { // without a word about credit
        struct message msg = {.from = {PEER_SHARD, i, 1},
                              .header = {.kind = WIRE_ACK, .job = JOB}};

        exchange_core_on_message(core, &msg);
    }
}

static void done_when_every_shard_has_answered(void)
{
    struct exchange *x;
    enum wire_kind kind;
    uint32_t shard;
    int held;

    open_all();
    CHECK(!exchange_core_waits(core, &kind, &shard, &held));
    CHECK(exchange_core_timeout_ms(core) == DEADLINE_PING_MS);
    x = submit(WIRE_KEYS);
    CHECK(hear(0, 3) == 1 && hear(1, 1) == 1);
    CHECK(last[1].header.kind == WIRE_KEYS && last[1].header.shard == 1 &&
          last[1].header.incarnation == 1 && last[1].header.job == JOB);
    answer(0, WIRE_VALUES, x->header.request, "first");
    answer(0, WIRE_VALUES, x->header.request, "again"); // not taken twice
    CHECK(exchange_core_take_done(core) == NULL);
    CHECK(exchange_core_waits(core, &kind, &shard, &held) &&
          kind == WIRE_KEYS && shard == 1 && !held);
    answer(1, WIRE_VALUES, x->header.request, "second");
    CHECK(exchange_core_take_done(core) == x);
    CHECK(exchange_core_take_done(core) == NULL);
    CHECK(x->n_open == 0 && x->status == FUSOR_OK);
    CHECK(x->legs[0].reply.view.size == 5 &&
          !memcmp(x->legs[0].reply.view.data, "first", 5));
    exchange_destroy(x, SHARDS);
    close_all();
}

static void a_leg_goes_again_alone_with_longer_pauses(void)
{
    struct exchange *x;

    open_all();
    x = submit(WIRE_PUSH);
    CHECK(hear(1, 3) == 1);
    answer(1, WIRE_ACK, x->header.request, "");
    CHECK(hear(0, 10) == 1);
    CHECK(hear(0, 1000) == 2); // after 200 and 600 ms
    CHECK(last[0].header.attempt == 2);
    CHECK(hear(1, 1) == 0);
    CHECK(hear(0, 20000) >= 9 && hear(0, 20000) <= 11); // every 2 s
    CHECK(exchange_core_timeout_ms(core) <= DEADLINE_RESEND_MAX_MS);
    close_all(); // the open exchange is the core's
}

static void only_the_right_answer_counts(void)
{
    struct exchange *keys, *push;

    open_all();
    keys = submit(WIRE_KEYS);
    push = submit(WIRE_PUSH);
    hear(0, 3);
    hear(1, 3);
    for (uint32_t s = 0; s < SHARDS; s++) {
        answer(s, WIRE_ACK, keys->header.request, "");
        answer(s, WIRE_VALUES, push->header.request, "");
        answer(s, WIRE_ACK, 99, "");
    }
    CHECK(exchange_core_take_done(core) == NULL);
    for (uint32_t s = 0; s < SHARDS; s++)
        answer(s, WIRE_ACK, push->header.request, "");
    CHECK(exchange_core_take_done(core) == push);
    submit(WIRE_PUSH); // the list is still whole after one left its middle
    for (uint32_t s = 0; s < SHARDS; s++)
        answer(s, WIRE_VALUES, keys->header.request, "v");
    CHECK(exchange_core_take_done(core) == keys);
    exchange_destroy(keys, SHARDS);
    exchange_destroy(push, SHARDS);
    close_all();
}

static void a_refusal_is_the_exchanges_status(void)
{
    struct exchange *x;

    open_all();
    x = submit(WIRE_PUSH);
    hear(0, 3);
    hear(1, 3);
    answer(0, WIRE_REFUSED, x->header.request, "");
    answer(1, WIRE_ACK, x->header.request, "");
    CHECK(exchange_core_take_done(core) == x && x->status == FUSOR_ECLOSED);
    exchange_reset(x, SHARDS);
    CHECK(x->status == FUSOR_OK && x->header.request == 0);
    exchange_destroy(x, SHARDS);
    close_all();
}

static void strangers_are_not_heard(void)
{
    struct message msg = {
        .from = {PEER_WORKER, 0, 1},
        .header = {.kind = WIRE_ACK, .job = JOB, .request = 1}};
    struct exchange *x;

    open_all();
    x = submit(WIRE_PUSH);
    exchange_core_on_message(core, &msg);
    msg.from = (struct peer){PEER_SHARD, SHARDS, 1};
    exchange_core_on_message(core, &msg);
    msg.from.number = 0;
    msg.header.job = JOB + 1;
    exchange_core_on_message(core, &msg);
    CHECK(x->n_open == SHARDS);
    msg.header.job = JOB;
    exchange_core_on_message(core, &msg);
    CHECK(x->n_open == SHARDS - 1);
    close_all();
}

static void a_forgotten_ticket_brings_keys_and_push_again(void)
{
    struct wire_header need = {.kind = WIRE_NEED_KEYS, .job = JOB};
    struct exchange *x = exchange_create(SHARDS, NULL);
    struct message msg;

    open_all();
    x->header.kind = WIRE_PUSH;
    x->header.a = 77;
    REQUIRE(!payload_buffer_take(messenger_pool(workers[0]), 8,
                                 &x->legs[0].keys, NULL));
    x->legs[0].keys->size = 8;
    exchange_core_submit(core, x);
    CHECK(hear(0, 3) == 1 && last[0].header.a == 77);
    need.request = x->header.request;
    for (int i = 0; i < 2; i++) { // the second one is of an older attempt
        REQUIRE(!messenger_send_bytes(
            shards[0], (struct peer){PEER_WORKER, 0, 0}, &need, "", 0, NULL));
        sim_advance(sim, sim_now_ns(sim) + MS);
        REQUIRE(!messenger_receive(workers[0], &msg, 0, NULL));
        exchange_core_on_message(core, &msg);
    }
    sim_advance(sim, sim_now_ns(sim) + MS);
    REQUIRE(!messenger_receive(shards[0], &msg, 0, NULL));
    CHECK(msg.header.kind == WIRE_KEYS && msg.header.flags == PS_RENEW &&
          msg.header.a == 77 && msg.size == 8);
    REQUIRE(!messenger_receive(shards[0], &msg, 0, NULL));
    CHECK(msg.header.kind == WIRE_PUSH && msg.header.attempt == 1);
    CHECK(messenger_receive(shards[0], &msg, 0, NULL) == FUSOR_EAGAIN);
    close_all();
}

/* The shard's answer to the ASK it heard last. */
static void tell_missing(void)
{
    struct wire_header h = {.kind = WIRE_MISSING,
                            .job = JOB,
                            .request = last[0].header.request,
                            .attempt = last[0].header.attempt};
    uint64_t had[WIRE_CHUNKS_MAX / 64];
    int any = messenger_holds(shards[0], last[0].from, h.request, WIRE_PUSH,
                              h.attempt, had);
    struct message msg;

    REQUIRE(!messenger_send_bytes(shards[0], (struct peer){PEER_WORKER, 0, 0},
                                  &h, had, any ? sizeof(had) : 0, NULL));
    sim_advance(sim, sim_now_ns(sim) + MS);
    while (messenger_receive(workers[0], &msg, 0, NULL) == FUSOR_OK)
        exchange_core_on_message(core, &msg);
}

static struct exchange *begin_large(size_t size)
{
    struct exchange *x = exchange_create(SHARDS, NULL);

    REQUIRE(x != NULL);
    x->header.kind = WIRE_PUSH;
    for (int i = 0; i < SHARDS; i++) {
        REQUIRE(!payload_buffer_take(messenger_pool(workers[0]), i ? 64 : size,
                                     &x->legs[i].out, NULL));
        x->legs[i].out->size = i ? 64 : size;
        memset(x->legs[i].out->data, 7, x->legs[i].out->size);
    }
    REQUIRE(!exchange_core_begin(core, x, NULL));
    return x;
}

/* Chunk 0 is lost on its way: it alone goes again. */
static void only_missing_chunks_go_again(void)
{
    size_t size = 2 * WIRE_CHUNK_BYTES + 8;
    struct peer a = {PEER_SHARD, 0, 0}, b = {PEER_WORKER, 0, 0};
    struct exchange *x;
    uint64_t sent;

    open_all();
    x = begin_large(size);
    REQUIRE(!sim_cut(sim, a, b, SIM_NEVER, NULL));
    exchange_core_written(core, x, 0, WIRE_CHUNK_BYTES);
    CHECK(hear(0, 3) == 0);
    REQUIRE(!sim_cut(sim, a, b, 0, NULL));
    exchange_core_end(core, x);
    CHECK(hear(0, 3) == 0);
    CHECK(hear(0, DEADLINE_RESEND_MS) == 1 && last[0].header.kind == WIRE_ASK);
    sent = sim_stats(sim).sent;
    tell_missing();
    CHECK(hear(0, 3) == 1 && last[0].header.kind == WIRE_PUSH &&
          last[0].header.attempt == 0 && last[0].size == size &&
          ((const uint8_t *)last[0].data)[5] == 7);
    CHECK(sim_stats(sim).sent == sent + 2); // the answer and one chunk
    answer(0, WIRE_ACK, x->header.request, "");
    hear(1, 1);
    answer(1, WIRE_ACK, x->header.request, "");
    CHECK(exchange_core_take_done(core) == x);
    exchange_destroy(x, SHARDS);
    close_all();
}

/* Who has nothing of it gets all of it, as another attempt. */
static void who_has_nothing_gets_all(void)
{
    size_t size = WIRE_CHUNK_BYTES + 8;
    struct exchange *x;

    open_all();
    x = begin_large(size);
    exchange_core_end(core, x);
    CHECK(hear(0, 3) == 1 && last[0].size == size);
    CHECK(hear(0, DEADLINE_RESEND_MS) == 1 && last[0].header.kind == WIRE_ASK);
    tell_missing(); // it was whole, and is not remembered
    CHECK(hear(0, 3) == 1 && last[0].size == size &&
          last[0].header.attempt == 1);
    hear(1, 1);
    answer(1, WIRE_ACK, x->header.request, "");
    answer(0, WIRE_ACK, x->header.request, "");
    CHECK(exchange_core_take_done(core) == x);
    exchange_destroy(x, SHARDS);
    close_all();
}

/* Chunks leave while the rest is written. */
static void a_request_may_leave_while_it_is_written(void)
{
    size_t size = WIRE_CHUNK_BYTES + 8;
    struct exchange *x = exchange_create(SHARDS, NULL);

    open_all();
    REQUIRE(x != NULL);
    x->header.kind = WIRE_PUSH;
    for (int i = 0; i < SHARDS; i++) {
        REQUIRE(!payload_buffer_take(messenger_pool(workers[0]), i ? 64 : size,
                                     &x->legs[i].out, NULL));
        x->legs[i].out->size = i ? 64 : size;
    }
    REQUIRE(!exchange_core_begin(core, x, NULL));
    memset(x->legs[0].out->data, 1, size - 8);
    exchange_core_written(core, x, 0, size - 8);
    CHECK(hear(0, 3) == 0); // a chunk is there, but not all
    memset(x->legs[0].out->data + size - 8, 2, 8);
    memset(x->legs[1].out->data, 3, 64);
    CHECK(exchange_core_timeout_ms(core) == DEADLINE_PING_MS);
    exchange_core_end(core, x);
    CHECK(hear(0, 3) == 1 && last[0].size == size && last[0].header.request);
    CHECK(((const uint8_t *)last[0].data)[size - 9] == 1 &&
          ((const uint8_t *)last[0].data)[size - 1] == 2);
    CHECK(hear(1, 3) == 1 && last[1].size == 64);
    answer(1, WIRE_ACK, x->header.request, "");
    CHECK(hear(0, DEADLINE_RESEND_MS + 2) == 1 &&
          last[0].header.kind == WIRE_ASK && last[0].header.b == WIRE_PUSH &&
          last[0].size == 0);
    answer(0, WIRE_ACK, x->header.request, "");
    CHECK(exchange_core_take_done(core) == x && x->status == FUSOR_OK);
    exchange_destroy(x, SHARDS);
    close_all();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"done when every shard has answered",
         done_when_every_shard_has_answered},
        {"a leg goes again, alone, with longer pauses",
         a_leg_goes_again_alone_with_longer_pauses},
        {"only the right answer counts", only_the_right_answer_counts},
        {"a refusal is the exchange's status",
         a_refusal_is_the_exchanges_status},
        {"strangers are not heard", strangers_are_not_heard},
        {"a forgotten ticket brings keys and push again",
         a_forgotten_ticket_brings_keys_and_push_again},
        {"a request may leave while it is written",
         a_request_may_leave_while_it_is_written},
        {"only missing chunks go again", only_missing_chunks_go_again},
        {"who has nothing gets all", who_has_nothing_gets_all},
    };

    return TEST_RUN("ps.exchange", cases);
}
