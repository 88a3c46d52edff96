/* Tests of coord/coordinator: commands in turn, failures told, silence and
 * standstill named. */
#include "fixture.h"

static struct office o;

static void boss_turn(void)
{
    struct message msg;

    while (messenger_receive(o.boss.messenger, &msg, 0, NULL) == FUSOR_OK)
        o.status = coordinator_on_message(o.coordinator, &msg, &o.err);
    if (o.status == FUSOR_OK)
        o.status = coordinator_tick(o.coordinator, &o.err);
}

/* Let so much time pass, all awake. */
static void office_run(int64_t ms)
{
    for (int64_t i = 0; i < ms; i++) {
        sim_advance(o.sim, sim_now_ns(o.sim) + MS);
        boss_turn();
        end_turn(&o.shard);
        end_turn(&o.worker);
    }
}

static void commands_come_one_after_the_other(void)
{
    office_open(&o);
    o.plan[0] = COMMAND_BEGIN;
    o.plan[1] = COMMAND_EPOCH;
    office_run(10);
    CHECK(o.shard.command.kind == COMMAND_BEGIN && o.worker.n_commands == 0);
    end_finish(&o.shard);
    office_run(5);
    CHECK(o.worker.command.kind == COMMAND_EPOCH && o.shard.n_commands == 1);
    end_finish(&o.worker);
    office_run(5);
    CHECK(o.worker.command.kind == COMMAND_FINISH &&
          o.shard.command.kind == COMMAND_FINISH);
    CHECK(o.shard.command.sequence == 3 && o.worker.n_commands == 2);
    end_finish(&o.worker);
    office_run(5);
    CHECK(!coordinator_is_done(o.coordinator));
    end_finish(&o.shard);
    office_run(5);
    CHECK(coordinator_is_done(o.coordinator) && o.status == FUSOR_OK);
    CHECK(member_is_idle(o.shard.member) && member_is_idle(o.worker.member));
    CHECK(o.n_results == 4);
    office_close(&o);
}

static void nothing_starts_before_all_are_there(void)
{
    office_open(&o);
    end_close(&o.worker);
    office_run(3000);
    CHECK(o.shard.n_commands == 0 && o.status == FUSOR_OK);
    office_close(&o);
}

static void who_never_comes_is_named(void)
{
    office_open(&o);
    end_close(&o.worker);
    office_run(DEADLINE_HANG_MS - 1000);
    CHECK(o.status == FUSOR_OK);
    office_run(2000);
    CHECK(o.status == FUSOR_ECLUSTER);
    CHECK(strstr(o.err.text, "worker process 0 has not shown up") != NULL);
    CHECK(o.shard.told && strstr(o.shard.why.text, "worker process 0"));
    office_close(&o);
}

static void a_command_is_sent_again_until_taken(void)
{
    office_open(&o);
    o.plan[0] = COMMAND_BEGIN;
    sim_set_loss(o.sim, 0.6);
    office_run(9000);
    CHECK(o.shard.n_commands == 1); // taken, and once
    end_finish(&o.shard);
    office_run(9000);
    CHECK(o.n_results >= 1 && o.worker.command.kind == COMMAND_FINISH);
    CHECK(o.status == FUSOR_OK);
    office_close(&o);
}

static void a_failure_of_the_script_is_told(void)
{
    office_open(&o);
    o.next_status = FUSOR_EDATA;
    office_run(10);
    CHECK(o.status == FUSOR_EDATA);
    CHECK(o.shard.told && o.worker.told);
    CHECK(o.worker.why.status == FUSOR_EDATA &&
          !strcmp(o.worker.why.text, "no way to go on"));
    office_close(&o);
}

static void a_failure_is_told_again_to_who_missed_it(void)
{
    struct fusor_error why = {FUSOR_EIO, "the disk is full"};
    struct fusor_error later = {FUSOR_EDATA, "something else"};

    office_open(&o);
    o.plan[0] = COMMAND_EPOCH;
    office_run(10);
    REQUIRE(!sim_cut(o.sim, o.boss.peer, o.worker.peer, 50 * MS, NULL));
    coordinator_fail(o.coordinator, &why);
    coordinator_fail(o.coordinator, &later); // the first cause counts
    office_run(20);
    CHECK(o.shard.told && !o.worker.told);
    office_run(1200);
    CHECK(o.worker.told && o.worker.why.status == FUSOR_EIO);
    CHECK(!strcmp(o.worker.why.text, "the disk is full"));
    CHECK(o.status == FUSOR_EIO);
    office_close(&o);
}

static void who_comes_back_without_its_state_ends_the_job(void)
{
    office_open(&o);
    o.plan[0] = COMMAND_EPOCH;
    office_run(10);
    end_close(&o.shard);
    end_open(&o, &o.shard, PEER_SHARD, 2);
    office_run(10);
    CHECK(o.status == FUSOR_ECLUSTER);
    CHECK(strstr(o.err.text, "shard 0 died and came back") != NULL);
    CHECK(o.worker.told);
    office_close(&o);
}

static void a_standstill_names_who_waits_for_whom(void)
{
    struct member_progress p = {
        .steps = 3, .reason = WAIT_VALUES, .waits_for = 7};
    struct strbuf waits = {0};

    office_open(&o);
    o.plan[0] = COMMAND_EPOCH;
    office_run(10);
    coordinator_waits(o.coordinator, &waits);
    CHECK(waits.len == 0);
    member_set_progress(o.worker.member, p);
    office_run(DEADLINE_SAY_MS + 1500);
    coordinator_waits(o.coordinator, &waits);
    REQUIRE(waits.s != NULL);
    CHECK(strstr(waits.s, "worker process 0 waits for values from shard 7") &&
          strstr(waits.s, "(epoch, epoch 1)"));
    strbuf_clear(&waits);
    office_run(DEADLINE_HANG_MS);
    CHECK(o.status == FUSOR_ECLUSTER);
    CHECK(strstr(o.err.text, "nothing has moved for 120 s: worker process 0") !=
          NULL);
    office_close(&o);
}

static void progress_puts_the_standstill_off(void)
{
    struct member_progress p = {.steps = 1};

    office_open(&o);
    o.plan[0] = COMMAND_EPOCH;
    for (int i = 0; i < 4; i++) {
        office_run(DEADLINE_HANG_MS / 2);
        p.steps++;
        member_set_progress(o.worker.member, p);
    }
    CHECK(o.status == FUSOR_OK);
    office_close(&o);
}

static void an_owner_that_was_away_suspects_nobody(void)
{
    office_open(&o);
    o.plan[0] = COMMAND_EPOCH;
    office_run(10);
    sim_advance(o.sim, sim_now_ns(o.sim) + 60000 * MS);
    CHECK(coordinator_tick(o.coordinator, &o.err) == FUSOR_OK);
    office_run(20);
    CHECK(o.status == FUSOR_OK && !o.worker.told && !o.shard.told);
    office_close(&o);
}

static void strangers_and_other_jobs_are_not_heard(void)
{
    struct message msg = {.from = {PEER_WORKER, 5, 1},
                          .header = {.kind = WIRE_FAIL, .job = JOB},
                          .data = "x",
                          .size = 1};

    office_open(&o);
    CHECK(coordinator_on_message(o.coordinator, &msg, NULL) == FUSOR_OK);
    msg.from.number = 0;
    msg.header.job = JOB + 1;
    CHECK(coordinator_on_message(o.coordinator, &msg, NULL) == FUSOR_OK);
    msg.header.job = JOB;
    CHECK(coordinator_on_message(o.coordinator, &msg, NULL) == FUSOR_ECLUSTER);
    office_close(&o);
}

static void a_coordinator_of_nobody_is_refused(void)
{
    struct coordinator_config config = {.job = JOB, .n_shards = 1};
    struct coordinator *c;

    CHECK(coordinator_create(&config, &c, NULL) == FUSOR_EINVAL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"commands come one after the other",
         commands_come_one_after_the_other},
        {"nothing starts before all are there",
         nothing_starts_before_all_are_there},
        {"who never comes is named", who_never_comes_is_named},
        {"a command is sent again until taken",
         a_command_is_sent_again_until_taken},
        {"a failure of the script is told", a_failure_of_the_script_is_told},
        {"a failure is told again to who missed it",
         a_failure_is_told_again_to_who_missed_it},
        {"who comes back without its state ends the job",
         who_comes_back_without_its_state_ends_the_job},
        {"a standstill names who waits for whom",
         a_standstill_names_who_waits_for_whom},
        {"progress puts the standstill off", progress_puts_the_standstill_off},
        {"an owner that was away suspects nobody",
         an_owner_that_was_away_suspects_nobody},
        {"strangers and other jobs are not heard",
         strangers_and_other_jobs_are_not_heard},
        {"a coordinator of nobody is refused",
         a_coordinator_of_nobody_is_refused},
    };

    return TEST_RUN("coord.coordinator", cases);
}
