/* Tests of ps/exchange_credit: what is held back, and when it goes. */
#include "ps/exchange.h"

#include <string.h>

#include "base/mem.h"
#include "ends.h"
#include "harness.h"
#include "ps/exchange_private.h"

#define JOB 4
#define WORKERS 2
#define SIZE 5000 /* of a request */
#define MS ((int64_t)1000000)

static struct exchange_core *core;
static uint64_t cost; // of a request of SIZE bytes
static uint64_t heard[32];
static unsigned n_heard; // requests, by number

static void open_all(void)
{
    cost = payload_buffer_cost(SIZE);
    ends_open(1, 1, 1, 4 << 20);
    REQUIRE(!exchange_core_create(workers[0], JOB, 1, 1, WORKERS, &core, NULL));
}

static void close_all(void)
{
    exchange_core_destroy(core);
    ends_close();
    CHECK(mem_used() == 0);
}

static struct exchange *make(enum wire_kind kind, unsigned of, uint64_t clock)
{
    struct exchange *x = exchange_create(1, NULL);

    REQUIRE(x != NULL);
    x->header.kind = kind;
    x->header.clock = clock;
    x->worker = of;
    REQUIRE(!payload_buffer_take(messenger_pool(workers[0]), SIZE,
                                 &x->legs[0].out, NULL));
    memset(x->legs[0].out->data, 1, SIZE);
    x->legs[0].out->size = SIZE;
    return x;
}

static struct exchange *submit(enum wire_kind kind, unsigned of, uint64_t clock)
{
    struct exchange *x = make(kind, of, clock);

    exchange_core_submit(core, x);
    return x;
}

/* What the shard has heard since the last time. */
static unsigned hear(void)
{
    struct message msg;

    n_heard = 0;
    for (int i = 0; i < 3; i++) {
        sim_advance(sim, sim_now_ns(sim) + MS);
        exchange_core_tick(core);
        while (messenger_receive(shards[0], &msg, 0, NULL) == FUSOR_OK)
            heard[n_heard++] = msg.header.request;
    }
    return n_heard;
}

static void answer(enum wire_kind kind, const struct exchange *x,
                   uint64_t credit)
{
    struct wire_header h = {.kind = kind,
                            .job = JOB,
                            .request = x->header.request,
                            .credit = credit};
    struct message msg;

    REQUIRE(!messenger_send_bytes(shards[0], (struct peer){PEER_WORKER, 0, 0},
                                  &h, "v", kind == WIRE_VALUES, NULL));
    sim_advance(sim, sim_now_ns(sim) + MS);
    for (int i = 0; i < 2; i++) // it may have been woken
        while (messenger_receive(workers[0], &msg, 0, NULL) == FUSOR_OK)
            exchange_core_on_message(core, &msg);
}

/* The shard grants so many requests of SIZE. */
static void open_with_credit(uint64_t n)
{
    struct exchange *x;

    open_all();
    x = submit(WIRE_PUSH, 0, 0);
    CHECK(hear() == 1);
    answer(WIRE_ACK, x, n * cost);
    CHECK(exchange_core_take_done(core) == x);
    exchange_destroy(x, 1);
}

static void a_stranger_gets_one_request_a_lease(void)
{
    struct exchange *x[3];

    open_all();
    for (uint64_t i = 0; i < 2; i++)
        x[i] = submit(WIRE_KEYS, 0, i);
    x[2] = submit(WIRE_KEYS, 1, 0);
    CHECK(hear() == 2 && heard[0] == x[0]->header.request &&
          heard[1] == x[2]->header.request);
    CHECK(exchange_core_counters(core).held_back == 0); // by no credit
    answer(WIRE_VALUES, x[2], 0); // it says nothing: no bound
    CHECK(hear() == 1 && heard[0] == x[1]->header.request);
    exchange_destroy(exchange_core_take_done(core), 1);
    close_all();
}

static void what_passes_the_credit_waits_for_room(void)
{
    struct exchange *x[5];

    open_with_credit(3);
    for (uint64_t i = 0; i < 5; i++)
        x[i] = submit(WIRE_KEYS, 0, i);
    CHECK(hear() == 3);
    CHECK(exchange_core_counters(core).held_back == 2 &&
          exchange_core_counters(core).bytes_held_back == 2 * cost);
    CHECK(core->account.lines[0].used == 3 * cost);
    answer(WIRE_VALUES, x[0], 3 * cost);
    CHECK(hear() == 0); // its values are still in use
    CHECK(exchange_core_take_done(core) == x[0]);
    CHECK(x[0]->let_go == 0);
    exchange_destroy(x[0], 1);
    CHECK(hear() == 1 && heard[0] == x[3]->header.request);
    CHECK(x[3]->let_go > 0);
    answer(WIRE_VALUES, x[1], 4 * cost); // the credit grew
    CHECK(hear() == 1 && heard[0] == x[4]->header.request);
    CHECK(core->account.n_held == 0);
    exchange_destroy(exchange_core_take_done(core), 1);
    close_all();
}

static void a_push_passes_keys_ahead(void)
{
    struct exchange *ahead[2], *push[2];

    open_with_credit(2);
    for (uint64_t i = 0; i < 2; i++)
        ahead[i] = submit(WIRE_KEYS, 0, 5 + i);
    CHECK(hear() == 2);
    push[0] = submit(WIRE_PUSH, 0, 4); // the oldest now: whatever the credit
    CHECK(hear() == 1 && heard[0] == push[0]->header.request);
    push[1] = submit(WIRE_PUSH, 0, 5);
    CHECK(hear() == 0 && push[1]->legs[0].held);
    answer(WIRE_ACK, push[0], 2 * cost);
    CHECK(hear() == 0); // ahead[0], of the same unit, is not over
    answer(WIRE_VALUES, ahead[0], 2 * cost);
    CHECK(hear() == 1 && heard[0] == push[1]->header.request);
    exchange_destroy(exchange_core_take_done(core), 1);
    exchange_destroy(exchange_core_take_done(core), 1);
    close_all();
}

static void nothing_of_a_lease_overtakes_what_is_held(void)
{
    struct exchange *big, *small;

    open_with_credit(2);
    submit(WIRE_KEYS, 0, 0);
    big = make(WIRE_KEYS, 0, 1);
    big->legs[0].causes = 2 * cost;
    exchange_core_submit(core, big);
    small = submit(WIRE_KEYS, 0, 2); // it would fit
    CHECK(hear() == 1 && big->legs[0].held && small->legs[0].held);
    submit(WIRE_KEYS, 1, 9); // of another lease
    CHECK(hear() == 1);
    close_all();
}

static void a_lower_credit_is_kept_to(void)
{
    struct exchange *x[3];

    open_with_credit(3);
    for (uint64_t i = 0; i < 3; i++)
        x[i] = submit(WIRE_PUSH, 0, i);
    CHECK(hear() == 3);
    answer(WIRE_ACK, x[0], cost); // others have come
    submit(WIRE_PUSH, 0, 3);
    answer(WIRE_ACK, x[1], cost);
    CHECK(hear() == 0);
    answer(WIRE_ACK, x[2], cost);
    CHECK(hear() == 1);
    for (int i = 0; i < 3; i++)
        exchange_destroy(exchange_core_take_done(core), 1);
    close_all();
}

static void who_waits_for_credit_says_so(void)
{
    struct exchange *x[2];
    enum wire_kind kind;
    uint32_t number;
    int held;

    open_with_credit(1);
    x[0] = submit(WIRE_PUSH, 0, 0);
    x[1] = submit(WIRE_PUSH, 0, 1);
    CHECK(exchange_core_waits(core, &kind, &number, &held) && !held);
    CHECK(exchange_core_timeout_ms(core) > 0);
    core->active = x[1]; // as if the first were the other thread's
    CHECK(exchange_core_waits(core, &kind, &number, &held) && held &&
          number == 0);
    core->active = x[0];
    answer(WIRE_ACK, x[1], cost); // it was never asked
    CHECK(!x[1]->legs[0].answered);
    close_all();
}

/* One that leaves while it is written is written first then. */
static void what_leaves_early_needs_credit_too(void)
{
    struct exchange *x;

    open_with_credit(1);
    submit(WIRE_PUSH, 0, 0);
    x = make(WIRE_PUSH, 0, 1);
    CHECK(exchange_core_begin(core, x, NULL) == FUSOR_EAGAIN);
    exchange_core_submit(core, x);
    CHECK(x->legs[0].held && hear() == 1);
    close_all();
}

static void a_repeat_is_not_charged_again(void)
{
    struct exchange *x;

    open_with_credit(3);
    x = submit(WIRE_PUSH, 0, 0);
    for (int i = 0; i < 2000; i++) {
        sim_advance(sim, sim_now_ns(sim) + MS);
        exchange_core_tick(core);
    }
    CHECK(hear() > 2 && core->account.lines[0].used == cost);
    answer(WIRE_ACK, x, 3 * cost);
    answer(WIRE_ACK, x, 3 * cost);
    CHECK(core->account.lines[0].used == 0);
    exchange_destroy(exchange_core_take_done(core), 1);
    close_all();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a stranger gets one request a lease",
         a_stranger_gets_one_request_a_lease},
        {"what passes the credit waits for room",
         what_passes_the_credit_waits_for_room},
        {"a push passes keys ahead", a_push_passes_keys_ahead},
        {"nothing of a lease overtakes what is held",
         nothing_of_a_lease_overtakes_what_is_held},
        {"a lower credit is kept to", a_lower_credit_is_kept_to},
        {"who waits for credit says so", who_waits_for_credit_says_so},
        {"what leaves early needs credit too",
         what_leaves_early_needs_credit_too},
        {"a repeat is not charged again", a_repeat_is_not_charged_again},
    };

    return TEST_RUN("ps.exchange_credit", cases);
}
