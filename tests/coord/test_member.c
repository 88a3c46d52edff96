/* Tests of coord/member: hello, one command once, a result until acknowledged,
 * silence. */
#include "fixture.h"

static struct office o;

/* What a member sent last of a kind, taken from the coordinator's side. */
static unsigned count_kind(enum wire_kind kind, struct wire_header *last)
{
    struct message msg;
    unsigned n = 0;

    memset(last, 0, sizeof(*last));
    while (messenger_receive(o.boss.messenger, &msg, 0, NULL) == FUSOR_OK) {
        if (msg.header.kind != kind)
            continue;
        *last = msg.header;
        n++;
    }
    return n;
}

/* Only the shard is awake. */
static void shard_run(int64_t ms)
{
    for (int64_t i = 0; i < ms; i++) {
        sim_advance(o.sim, sim_now_ns(o.sim) + MS);
        end_turn(&o.shard);
    }
}

static void to_shard(enum wire_kind kind, uint64_t request, const void *data,
                     size_t size)
{
    struct wire_header h = {.kind = kind, .job = JOB, .request = request};

    REQUIRE(!messenger_send_bytes(o.boss.messenger,
                                  (struct peer){PEER_SHARD, 0, 0}, &h, data,
                                  size, NULL));
}

static void order(uint64_t sequence, enum command_kind kind)
{
    struct command c = {.sequence = sequence, .kind = kind};
    unsigned char bytes[COMMAND_BYTES];

    command_encode(&c, bytes);
    to_shard(WIRE_COMMAND, sequence, bytes, sizeof(bytes));
    shard_run(2);
}

/* The coordinator knows the shard, the shard knows the coordinator. */
static void introduce(void)
{
    struct wire_header h;

    office_open(&o);
    shard_run(2);
    CHECK(count_kind(WIRE_HELLO, &h) == 1);
    to_shard(WIRE_PONG, 0, NULL, 0);
    shard_run(2);
}

static void hello_is_said_until_heard(void)
{
    struct wire_header h;

    office_open(&o);
    shard_run(1100);
    CHECK(count_kind(WIRE_HELLO, &h) == 6); // at once, then every 200 ms
    CHECK(h.incarnation == 1 && h.job == JOB);
    to_shard(WIRE_PONG, 0, NULL, 0);
    shard_run(3000);
    CHECK(count_kind(WIRE_HELLO, &h) == 0);
    office_close(&o);
}

static void a_ping_tells_progress(void)
{
    struct member_progress p = {.samples = 11,
                                .loss_sum = 0.25,
                                .steps = 4,
                                .reason = WAIT_PUSHES,
                                .waits_for = 3};
    struct wire_header h;
    double loss;

    introduce();
    member_set_progress(o.shard.member, p);
    shard_run(2100);
    CHECK(count_kind(WIRE_PING, &h) >= 2);
    memcpy(&loss, &h.a, sizeof(loss));
    CHECK(loss == 0.25 && h.b == 11 && h.index == 4 &&
          h.clock >> 32 == WAIT_PUSHES && (uint32_t)h.clock == 3);
    CHECK(!strcmp(wait_reason_text(WAIT_DISK), "the disk of shard"));
    CHECK(!strcmp(wait_reason_text((enum wait_reason)88), "an unknown cause"));
    office_close(&o);
}

static void a_command_is_taken_once_and_acknowledged_each_time(void)
{
    struct wire_header h;

    introduce();
    order(1, COMMAND_BEGIN);
    order(1, COMMAND_BEGIN);
    CHECK(o.shard.n_commands == 1 && !member_is_idle(o.shard.member));
    CHECK(count_kind(WIRE_ACK, &h) == 2 && h.request == 1);
    order(5, COMMAND_CUT);
    order(4, COMMAND_BEGIN); // an old one
    CHECK(o.shard.n_commands == 2 && o.shard.command.kind == COMMAND_CUT);
    office_close(&o);
}

static void a_result_goes_again_until_acknowledged(void)
{
    struct wire_header h;

    introduce();
    order(1, COMMAND_BEGIN);
    end_finish(&o.shard);
    shard_run(1000);
    CHECK(count_kind(WIRE_RESULT, &h) == 3); // 0, 200, 600 ms
    CHECK(h.request == 1 && h.attempt == 2);
    order(1, COMMAND_BEGIN); // asked again: answered at once
    CHECK(count_kind(WIRE_RESULT, &h) == 1 && o.shard.n_commands == 1);
    to_shard(WIRE_ACK, 1, NULL, 0);
    shard_run(5000);
    CHECK(member_is_idle(o.shard.member));
    CHECK(count_kind(WIRE_RESULT, &h) == 0);
    office_close(&o);
}

static void an_acknowledgement_of_a_shard_is_not_the_coordinators(void)
{
    struct message msg = {
        .from = {PEER_SHARD, 0, 1},
        .header = {.kind = WIRE_ACK, .job = JOB, .request = 1}};
    struct command c;

    introduce();
    order(1, COMMAND_BEGIN);
    end_finish(&o.shard);
    CHECK(member_on_message(o.shard.member, &msg, &c, NULL) == 0);
    CHECK(!member_is_idle(o.shard.member));
    msg.from.kind = PEER_COORDINATOR;
    msg.header.job = JOB + 1;
    CHECK(member_on_message(o.shard.member, &msg, &c, NULL) == 0);
    CHECK(!member_is_idle(o.shard.member));
    msg.header.job = JOB;
    CHECK(member_on_message(o.shard.member, &msg, &c, NULL) == 0);
    CHECK(member_is_idle(o.shard.member));
    office_close(&o);
}

static void what_is_no_command_is_dropped(void)
{
    struct wire_header h;

    introduce();
    to_shard(WIRE_COMMAND, 1, "rubbish", 7);
    shard_run(5);
    CHECK(o.shard.n_commands == 0 && count_kind(WIRE_ACK, &h) == 0);
    office_close(&o);
}

static void a_failure_elsewhere_ends_the_member(void)
{
    introduce();
    to_shard(WIRE_FAIL, 0, "worker process 3: out of memory", 31);
    shard_run(5);
    CHECK(o.shard.told && o.shard.why.status == FUSOR_ECLUSTER);
    CHECK(!strcmp(o.shard.why.text, "worker process 3: out of memory"));
    office_close(&o);
}

static void silence_of_the_coordinator_ends_the_member(void)
{
    introduce();
    shard_run(DEADLINE_SUSPECT_MS - 100);
    CHECK(!o.shard.told);
    shard_run(200);
    CHECK(o.shard.told && o.shard.why.status == FUSOR_ECLUSTER);
    office_close(&o);
}

static void a_member_that_was_away_suspects_nobody(void)
{
    introduce();
    sim_advance(o.sim, sim_now_ns(o.sim) + 60000 * MS);
    shard_run(100);
    CHECK(!o.shard.told);
    shard_run(DEADLINE_SUSPECT_MS + 200);
    CHECK(o.shard.told);
    office_close(&o);
}

static void a_coordinator_that_has_left_after_finish_is_no_failure(void)
{
    introduce();
    order(1, COMMAND_FINISH);
    end_finish(&o.shard);
    shard_run(2000);
    CHECK(!member_is_idle(o.shard.member));
    shard_run(DEADLINE_SAY_MS);
    CHECK(member_is_idle(o.shard.member));
    shard_run(DEADLINE_SUSPECT_MS);
    CHECK(!o.shard.told);
    office_close(&o);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"hello is said until heard", hello_is_said_until_heard},
        {"a ping tells progress", a_ping_tells_progress},
        {"a command is taken once and acknowledged each time",
         a_command_is_taken_once_and_acknowledged_each_time},
        {"a result goes again until acknowledged",
         a_result_goes_again_until_acknowledged},
        {"an acknowledgement of a shard is not the coordinator's",
         an_acknowledgement_of_a_shard_is_not_the_coordinators},
        {"what is no command is dropped", what_is_no_command_is_dropped},
        {"a failure elsewhere ends the member",
         a_failure_elsewhere_ends_the_member},
        {"silence of the coordinator ends the member",
         silence_of_the_coordinator_ends_the_member},
        {"a member that was away suspects nobody",
         a_member_that_was_away_suspects_nobody},
        {"a coordinator that has left after finish is no failure",
         a_coordinator_that_has_left_after_finish_is_no_failure},
    };

    return TEST_RUN("coord.member", cases);
}
