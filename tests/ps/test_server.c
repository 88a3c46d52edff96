/* Tests of ps/server alone: one shard, hand-made messages of two workers. */
#include "ps/server.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "hand.h"
#include "harness.h"

static void a_cut_with_a_unit_missing_says_so(void)
{
    struct fusor_error err;

    hand_open(-1);
    hand_begin(0, 0, 3);
    hand_push(0, hand_push_of(0, 0, 0, 1), 0);
    CHECK(server_cut(server, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "only 1 of its 3 units") != NULL);
    one_shard_close();
}

static void what_is_malformed_is_counted_and_leaves_no_trace(void)
{
    struct wire_header h;

    hand_open(0);
    hand_begin(0, 0, 2);
    one_shard_tell(0, &(struct wire_header){.kind = WIRE_PUSH, .job = HAND_JOB},
                   "", 0);
    h = hand_push_of(0, 0, 0, 1);
    one_shard_tell(0, &h, "12345678", 8);
    h.lease = HAND_WORKERS;
    hand_push(0, h, 0);
    hand_push(0, hand_push_of(0, 0, 1, 1), 0); // not the unit of index 0
    hand_push(0, hand_push_of(0, 0, 0, 1), 2); // micro-batch of the other lease
    hand_push(0, hand_push_of(0, 0, 0, 1), 9);
    h = hand_header(WIRE_KEYS, 0, 2, 1); // beyond the epoch
    hand_keys(0, h);
    h.clock = 0;
    one_shard_tell(0, &h, "1234567", 7);
    CHECK(server_counters(server).malformed == 8);
    CHECK(hand_heard(0) == WIRE_NONE);
    hand_push(0, hand_push_of(0, 0, 0, 1), 1); // the true one still counts
    hand_push(1, hand_push_of(1, 0, 0, 1), 3);
    CHECK(hand_heard(0) == WIRE_ACK && hand_heard(1) == WIRE_ACK);
    CHECK(shard_dense(shard)[0] == 2);
    one_shard_close();
}

static void messages_of_no_concern_are_ignored(void)
{
    struct wire_header h = hand_push_of(0, 0, 0, 1);
    struct message msg = {.from = {PEER_COORDINATOR, 0, 1}, .header = h};

    hand_open(0);
    hand_push(0, h, 0); // before any epoch
    hand_begin(0, 0, 1);
    CHECK(server_on_message(server, &msg, NULL) == FUSOR_OK);
    h.job = HAND_JOB + 1;
    hand_push(0, h, 0);
    h.job = HAND_JOB;
    h.epoch = 3;
    hand_push(0, h, 0);
    h = hand_header(WIRE_KEYS, 0, 0, 4);
    h.epoch = 3;
    hand_keys(0, h);
    CHECK(hand_heard(0) == WIRE_NONE);
    CHECK(server_counters(server).malformed == 0);
    CHECK(shard_dense(shard)[0] == 0 && shard_counters(shard).rows == 0);
    one_shard_close();
}

static void frozen_blocks_stay(void)
{
    unsigned char frozen[2] = {1, 0};

    hand_open(-1);
    server_set_frozen(server, frozen);
    hand_begin(0, 0, 4);
    hand_push(0, hand_push_of(0, 0, 0, 1), 0);
    CHECK(shard_dense(shard)[0] == 0 && shard_dense(shard)[2] == 1);
    server_set_frozen(server, NULL);
    hand_push(1, hand_push_of(1, 0, 1, 1), 0);
    CHECK(shard_dense(shard)[0] == 1 && shard_dense(shard)[2] == 2);
    one_shard_close();
}

static void memory_that_is_out_at_the_start_is_reported(void)
{
    struct server_config config = {.params = &hand_params,
                                   .n_workers = HAND_WORKERS};
    struct server *s;
    size_t used;
    long nth = 1;

    hand_open(0);
    config.shard = shard;
    config.messenger = shards[0];
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
    one_shard_close();
}

/* What it has of a request of several chunks: nothing yet, and later all. */
static void who_asks_is_told_what_is_missing(void)
{
    struct wire_header ask = hand_header(WIRE_ASK, 0, 0, 7);

    hand_open(0);
    hand_begin(0, 0, 4);
    ask.b = WIRE_PUSH;
    one_shard_tell(0, &ask, NULL, 0);
    CHECK(hand_heard(0) == WIRE_MISSING && hand_answer.header.request == 7 &&
          hand_answer.size == 0);
    hand_push(0, hand_header(WIRE_PUSH, 0, 0, 7), 0);
    one_shard_tell(0, &ask, NULL, 0); // it waits for the other worker's
    CHECK(hand_heard(0) == WIRE_NONE);
    hand_push(1, hand_header(WIRE_PUSH, 1, 0, 7), 2);
    CHECK(hand_heard(0) == WIRE_ACK);
    one_shard_tell(0, &ask, NULL, 0); // the answer was lost
    CHECK(hand_heard(0) == WIRE_ACK && server_counters(server).duplicates == 2);
    ask.b = WIRE_KEYS;
    one_shard_tell(0, &ask, NULL, 0);
    CHECK(hand_heard(0) == WIRE_MISSING);
    ask.b = WIRE_ACK; // no request
    one_shard_tell(0, &ask, NULL, 0);
    CHECK(hand_heard(0) == WIRE_NONE && server_counters(server).asked == 5);
    one_shard_close();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a cut with a unit missing says so",
         a_cut_with_a_unit_missing_says_so},
        {"what is malformed is counted and leaves no trace",
         what_is_malformed_is_counted_and_leaves_no_trace},
        {"messages of no concern are ignored",
         messages_of_no_concern_are_ignored},
        {"frozen blocks stay", frozen_blocks_stay},
        {"memory that is out at the start is reported",
         memory_that_is_out_at_the_start_is_reported},
        {"who asks is told what is missing", who_asks_is_told_what_is_missing},
    };

    log_set_level(LOG_ERROR);
    return TEST_RUN("ps.server", cases);
}
