/* Tests of ps/server_pull: values at any time, again, and to who never reads.
 */
#include "base/log.h"
#include "base/mem.h"
#include "hand.h"
#include "harness.h"
#include "store/shard_private.h"

static void a_peek_creates_nothing_at_any_time(void)
{
    struct wire_header h = hand_header(WIRE_KEYS, 1, 0, 4);

    hand_open(0);
    h.flags |= PS_PEEK;
    hand_keys(1, h);
    CHECK(hand_heard(1) == WIRE_VALUES && hand_values[0] == 0);
    CHECK(shard_counters(shard).rows == 0);
    one_shard_close();
}

/* Else rows that the next epoch uses might be driven out. */
static void a_peek_after_a_cut_protects_no_less(void)
{
    struct wire_header h = hand_header(WIRE_KEYS, 1, 0, 4);

    hand_open(-1);
    hand_begin(0, 0, 2);
    hand_push(0, hand_push_of(0, 0, 0, 7), 0);
    hand_push(1, hand_push_of(1, 0, 1, 7), 0);
    CHECK(hand_heard(0) == WIRE_ACK && hand_heard(1) == WIRE_ACK);
    CHECK(server_cut(server, NULL) == FUSOR_OK);
    h.flags |= PS_PEEK;
    hand_keys(1, h);
    CHECK(hand_heard(1) == WIRE_VALUES);
    CHECK(shard->floor == 2);
    hand_begin(0, 2, 2); // epoch 0 of the next stage
    h = hand_header(WIRE_KEYS, 0, 0, 8);
    hand_keys(0, h);
    CHECK(hand_heard(0) == WIRE_VALUES);
    CHECK(shard->floor == 2);
    one_shard_close();
}

/* A client that asks and asks and never reads: what it is owed stays within its
 * share, and the other one is served. */
static void a_flood_of_requests_takes_a_bounded_share(void)
{
    size_t before, most = 0;

    hand_open(0);
    sim_set_capacity(sim, 16);
    hand_begin(0, 0, 3);
    before = mem_used();
    for (uint64_t i = 1; i <= 3000; i++) {
        struct wire_header h = hand_header(WIRE_KEYS, 0, 1, i);

        if (i % 2)
            h.flags |= PS_PEEK; // answered at once; the others wait
        hand_keys(0, h);
        most = mem_used() > most ? mem_used() : most;
    }
    /* The pool of the shard, 2 MiB, and a little for each that waits. */
    CHECK(most - before < (3 << 20));
    CHECK(server_counters(server).pulls > 1000);
    for (uint64_t i = 1; i <= 3; i++) {
        struct wire_header h = hand_header(WIRE_KEYS, 1, 0, i);

        h.flags |= PS_PEEK;
        hand_keys(1, h);
        CHECK(hand_heard(1) == WIRE_VALUES && hand_answer.header.request == i);
    }
    one_shard_close();
}

static void keys_asked_for_again_are_answered_again(void)
{
    struct wire_header h = hand_header(WIRE_KEYS, 0, 1, 4);

    hand_open(0);
    hand_begin(0, 0, 3);
    hand_keys(0, h);
    h.attempt = 1;
    hand_keys(0, h); // waits: noted, not kept twice
    CHECK(hand_heard(0) == WIRE_NONE);
    hand_push(0, hand_push_of(0, 0, 0, 5), 0);
    hand_push(1, hand_push_of(1, 0, 0, 1), 2);
    CHECK(hand_heard(0) == WIRE_ACK);
    CHECK(hand_heard(0) == WIRE_VALUES && hand_answer.header.attempt == 1);
    CHECK(hand_heard(0) == WIRE_NONE);
    h.attempt = 2;
    hand_keys(0, h); // the values were lost
    CHECK(hand_heard(0) == WIRE_VALUES && hand_answer.header.attempt == 2);
    CHECK(shard_counters(shard).rows == 2);
    one_shard_close();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a peek creates nothing, at any time",
         a_peek_creates_nothing_at_any_time},
        {"a peek after a cut protects no less",
         a_peek_after_a_cut_protects_no_less},
        {"a flood of requests takes a bounded share",
         a_flood_of_requests_takes_a_bounded_share},
        {"keys asked for again are answered again",
         keys_asked_for_again_are_answered_again},
    };

    log_set_level(LOG_ERROR);
    return TEST_RUN("ps.server_pull", cases);
}
