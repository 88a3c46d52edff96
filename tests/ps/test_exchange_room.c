/* Tests of ps/exchange_room: answers that never fit are not asked for again and
 * again. */
#include <string.h>

#include "base/mem.h"
#include "coord/deadline.h"
#include "harness.h"
#include "ps/exchange_private.h"
#include "ps/payloads.h"
#include "ps/room.h"
#include "transport/sim.h"

#define SHARDS 2
#define SIZE 5000
#define MS ((int64_t)1000000)

static struct sim *sim;
static struct messenger *messenger;
static struct exchange_core *core;
static size_t pool;

static void open_all(void)
{
    struct transport *t;

    REQUIRE(!sim_create(1, &sim, NULL));
    REQUIRE(!sim_endpoint(sim, (struct peer){PEER_WORKER, 0, 1}, &t, NULL));
    REQUIRE(!messenger_create(t, 1 << 20, &messenger, NULL));
    REQUIRE(!exchange_core_create(messenger, 1, SHARDS, 1, 2, &core, NULL));
    pool = payload_pool_bound(messenger_pool(messenger));
}

static void close_all(void)
{
    exchange_core_destroy(core);
    messenger_destroy(messenger);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

/* @param causes of each shard's part */
static struct exchange *submit(enum wire_kind kind, unsigned worker,
                               uint64_t clock, size_t causes)
{
    struct exchange *x = exchange_create(SHARDS, NULL);

    REQUIRE(x != NULL);
    x->header.kind = kind;
    x->header.clock = clock;
    x->worker = worker;
    for (uint32_t s = 0; s < SHARDS; s++) {
        REQUIRE(!payload_buffer_take(messenger_pool(messenger), SIZE,
                                     &x->legs[s].out, NULL));
        x->legs[s].out->size = SIZE;
        x->legs[s].causes = causes;
    }
    exchange_core_submit(core, x);
    return x;
}

static struct exchange *done_after_resends(void)
{
    sim_advance(sim, sim_now_ns(sim) + 2 * DEADLINE_RESEND_MS * MS);
    exchange_core_tick(core);
    return exchange_core_take_done(core);
}

static void answers_too_large_fail_once_something_lacked_room(void)
{
    struct exchange *x;

    open_all();
    x = submit(WIRE_KEYS, 0, 0, pool / 2);
    CHECK(exchange_reply_bytes(x, SHARDS) == pool);
    CHECK(done_after_resends() == NULL); // lent ones need no room here
    core->no_room++;
    CHECK(done_after_resends() == x && x->status == FUSOR_ENOMEM);
    CHECK(exchange_core_take_done(core) == NULL);
    exchange_destroy(x, SHARDS);
    close_all();
}

static void what_fits_is_asked_for_again(void)
{
    struct exchange *x;

    open_all();
    x = submit(WIRE_KEYS, 0, 0, pool / 4);
    core->no_room++;
    CHECK(done_after_resends() == NULL && x->legs[0].attempt > 1);
    close_all();
}

/* Their unit waits for the one that asks. */
static void pushes_of_the_same_unit_stay(void)
{
    struct exchange *x;
    size_t part;

    open_all();
    part = (pool - ROOM_SMALL) / SHARDS - SIZE / 2; // less than a push's
    submit(WIRE_PUSH, 1, 3, 0);
    x = submit(WIRE_KEYS, 0, 4, part);
    core->no_room++;
    CHECK(done_after_resends() == NULL);
    x->header.clock = 3;
    core->no_room++;
    CHECK(done_after_resends() == x && x->status == FUSOR_ENOMEM);
    exchange_destroy(x, SHARDS);
    x = submit(WIRE_KEYS, 0, 3, part);
    x->header.flags = PS_PEEK; // between epochs: no unit is open
    core->no_room++;
    CHECK(done_after_resends() == NULL);
    close_all();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"answers too large fail once something lacked room",
         answers_too_large_fail_once_something_lacked_room},
        {"what fits is asked for again", what_fits_is_asked_for_again},
        {"pushes of the same unit stay", pushes_of_the_same_unit_stay},
    };
    return TEST_RUN("ps.exchange_room", cases);
}
