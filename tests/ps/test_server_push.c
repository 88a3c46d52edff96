/* Tests of ps/server_push: what is applied when, and how often. */
#include "base/log.h"
#include "hand.h"
#include "harness.h"

static void a_unit_is_applied_when_all_its_parts_are_here(void)
{
    hand_open(0);
    hand_begin(0, 0, 2);
    hand_keys(0, hand_header(WIRE_KEYS, 0, 0, 1));
    CHECK(hand_heard(0) == WIRE_VALUES && hand_values[0] == 0 &&
          hand_values[10] == 0 && hand_n_values == 3);
    hand_keys(0, hand_header(WIRE_KEYS, 0, 1, 2)); // ahead
    CHECK(hand_heard(0) == WIRE_NONE);
    hand_push(0, hand_push_of(0, 0, 0, 3), 0);
    CHECK(hand_heard(0) == WIRE_NONE);
    CHECK(server_progress(server).reason == WAIT_PUSHES &&
          server_progress(server).waits_for == 1);
    hand_push(1, hand_push_of(1, 0, 0, 1), 2);
    CHECK(hand_heard(1) == WIRE_ACK && hand_answer.header.request == 1);
    CHECK(hand_heard(0) == WIRE_ACK && hand_answer.header.request == 3);
    CHECK(hand_heard(0) == WIRE_VALUES && hand_answer.header.request == 2);
    CHECK(hand_values[0] == 2 && hand_values[1] == 0 && hand_values[12] == 2);
    CHECK(server_counters(server).staleness_count[0] == 1);
    one_shard_close();
}

static void a_resent_push_is_answered_and_applied_once(void)
{
    hand_open(0);
    hand_begin(0, 0, 1);
    hand_push(0, hand_push_of(0, 0, 0, 3), 0);
    hand_push(0, hand_push_of(0, 0, 0, 9), 0); // not applied yet: noted
    CHECK(hand_heard(0) == WIRE_NONE);
    hand_push(1, hand_push_of(1, 0, 0, 1), 2);
    CHECK(hand_heard(0) == WIRE_ACK && hand_answer.header.request == 9);
    CHECK(hand_heard(0) == WIRE_NONE && hand_heard(1) == WIRE_ACK);
    hand_push(0, hand_push_of(0, 0, 0, 10), 0); // the acknowledgement was lost
    CHECK(hand_heard(0) == WIRE_ACK && hand_answer.header.request == 10);
    CHECK(server_counters(server).duplicates == 2);
    CHECK(shard_dense(shard)[0] == 2);
    CHECK(server_cut(server, NULL) == FUSOR_OK);
    CHECK(shard_position(shard).samples_done == 20);
    one_shard_close();
}

static void a_push_ahead_of_its_time_waits(void)
{
    hand_open(0);
    hand_begin(0, 0, 3);
    hand_push(0, hand_push_of(0, 0, 0, 1), 0);
    hand_push(0, hand_push_of(0, 1, 1, 2), 0); // unit 0 is not applied
    hand_push(0, hand_push_of(0, 2, 2, 3), 0); // a gap
    hand_push(1, hand_push_of(1, 0, 0, 1), 2);
    CHECK(hand_heard(0) == WIRE_ACK && hand_answer.header.request == 1);
    CHECK(hand_heard(0) == WIRE_NONE && hand_heard(1) == WIRE_ACK);
    hand_push(0, hand_push_of(0, 1, 1, 2), 0);
    hand_push(1, hand_push_of(1, 1, 1, 2), 2);
    CHECK(hand_heard(0) == WIRE_ACK && hand_answer.header.request == 2);
    CHECK(shard_dense(shard)[0] == 4);
    one_shard_close();
}

static void a_lower_term_is_refused(void)
{
    struct wire_header h = hand_push_of(0, 0, 0, 1);

    hand_open(-1);
    hand_begin(0, 0, 8);
    hand_push(0, h, 0);
    CHECK(hand_heard(0) == WIRE_ACK);
    h.term = 2; // a new holder asks where the lease stands
    hand_push(1, h, 0);
    CHECK(hand_heard(1) == WIRE_ACK);
    h = hand_push_of(0, 1, 2, 2); // the old one does not know yet
    hand_push(0, h, 0);
    CHECK(hand_heard(0) == WIRE_REFUSED && hand_answer.header.request == 2);
    CHECK(shard_dense(shard)[0] == 1);
    h.term = 2;
    hand_push(1, h, 0);
    CHECK(hand_heard(1) == WIRE_ACK && shard_dense(shard)[0] == 2);
    CHECK(server_counters(server).refused == 1);
    one_shard_close();
}

static void a_late_copy_of_an_old_epoch_is_not_applied(void)
{
    hand_open(-1);
    hand_begin(0, 0, 2);
    hand_push(0, hand_push_of(0, 0, 0, 7), 0);
    hand_push(1, hand_push_of(1, 0, 1, 7), 0);
    CHECK(server_cut(server, NULL) == FUSOR_OK);
    CHECK(server_cut(server, NULL) == FUSOR_OK); // the command came again
    hand_begin(0, 2, 2);                         // epoch 0 of the next stage
    hand_push(0, hand_push_of(0, 0, 0, 7), 0);
    CHECK(shard_dense(shard)[0] == 2);
    hand_push(0, hand_push_of(0, 0, 0, 8), 0);
    CHECK(shard_dense(shard)[0] == 3);
    hand_push(1, hand_push_of(1, 0, 1, 8), 0);
    CHECK(server_cut(server, NULL) == FUSOR_OK);
    CHECK(shard_position(shard).clock == 4);
    one_shard_close();
}

static void no_push_is_too_far_ahead_without_a_bound(void)
{
    uint64_t n = 4500;

    hand_open(-1);
    hand_begin(0, 0, 2 * n);
    for (uint64_t i = 0; i < n; i++)
        hand_push(0, hand_push_of(0, i, 2 * i, i + 1), 0);
    for (uint64_t i = 0; i < n; i++)
        hand_push(1, hand_push_of(1, i, 2 * i + 1, i + 1), 0);
    CHECK(server_counters(server).pushes == 2 * n);
    CHECK(server_cut(server, NULL) == FUSOR_OK);
    one_shard_close();
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
        {"no push is too far ahead without a bound",
         no_push_is_too_far_ahead_without_a_bound},
    };

    log_set_level(LOG_ERROR);
    return TEST_RUN("ps.server_push", cases);
}
