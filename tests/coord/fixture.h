/* A coordinator and members on the simulated network, turned by hand. Included
 * by one test each. */
#ifndef TESTS_COORD_FIXTURE_H
#define TESTS_COORD_FIXTURE_H

#include <string.h>

#include "base/log.h"
#include "coord/coordinator.h"
#include "coord/deadline.h"
#include "coord/member.h"
#include "harness.h"
#include "transport/sim.h"

#define JOB 9
#define MS ((int64_t)1000000)

struct end { // one process
    struct peer peer;
    struct transport *transport;
    struct messenger *messenger;
    struct member *member;
    struct command command; // newest taken
    unsigned n_commands;
    int told; // a FAIL came
    struct fusor_error why;
};

struct office {
    struct sim *sim;
    struct script script;
    enum command_kind plan[8]; // ended by 0: FINISH
    unsigned next, n_results;
    enum fusor_status next_status; // what the script answers
    struct end boss, shard, worker;
    struct coordinator *coordinator;
    enum fusor_status status; // newest of the coordinator
    struct fusor_error err;
};

static enum fusor_status office_next(struct script *s, struct command *out,
                                     struct fusor_error *err)
{
    struct office *o =
        (struct office *)(void *)((char *)s - offsetof(struct office, script));

    if (o->next_status != FUSOR_OK)
        return fusor_fail(err, o->next_status, "no way to go on");
    *out = (struct command){.kind = o->plan[o->next] ? o->plan[o->next]
                                                     : COMMAND_FINISH};
    o->next += o->plan[o->next] != 0;
    return FUSOR_OK;
}

static enum fusor_status office_result(struct script *s,
                                       const struct command *c,
                                       uint32_t process, const void *data,
                                       size_t size, struct fusor_error *err)
{
    struct office *o =
        (struct office *)(void *)((char *)s - offsetof(struct office, script));

    (void)c;
    (void)process;
    (void)err;
    CHECK(size == 2 && !memcmp(data, "ok", 2));
    o->n_results++;
    return FUSOR_OK;
}

static const struct script_ops office_ops = {.next = office_next,
                                             .result = office_result};

static void end_open(struct office *o, struct end *e, enum peer_kind kind,
                     uint32_t incarnation)
{
    struct member_config config = {.self = {kind, 0, incarnation}, .job = JOB};

    memset(e, 0, sizeof(*e));
    e->peer = config.self;
    REQUIRE(!sim_endpoint(o->sim, e->peer, &e->transport, NULL));
    REQUIRE(!messenger_create(e->transport, 1 << 20, &e->messenger, NULL));
    if (kind == PEER_COORDINATOR)
        return;
    REQUIRE(!transport_connect(
        e->transport, (struct peer){PEER_COORDINATOR, 0, 0}, "", NULL));
    config.messenger = e->messenger;
    REQUIRE(!member_create(&config, &e->member, NULL));
}

static void end_close(struct end *e)
{
    member_destroy(e->member);
    messenger_destroy(e->messenger);
    e->member = NULL;
    e->messenger = NULL;
}

static void office_open(struct office *o)
{
    struct coordinator_config config = {
        .job = JOB, .n_shards = 1, .n_workers = 1};

    memset(o, 0, sizeof(*o));
    log_set_level(LOG_ERROR);
    o->script.ops = &office_ops;
    REQUIRE(!sim_create(1, &o->sim, NULL));
    end_open(o, &o->boss, PEER_COORDINATOR, 1);
    end_open(o, &o->shard, PEER_SHARD, 1);
    end_open(o, &o->worker, PEER_WORKER, 1);
    config.messenger = o->boss.messenger;
    config.script = &o->script;
    REQUIRE(!coordinator_create(&config, &o->coordinator, NULL));
}

static void office_close(struct office *o)
{
    coordinator_destroy(o->coordinator);
    end_close(&o->boss);
    end_close(&o->shard);
    end_close(&o->worker);
    sim_destroy(o->sim);
}

/* A member reads and ticks. */
static void end_turn(struct end *e)
{
    struct message msg;

    while (e->member &&
           messenger_receive(e->messenger, &msg, 0, NULL) == FUSOR_OK) {
        int rc = member_on_message(e->member, &msg, &e->command, &e->why);

        e->n_commands += rc > 0;
        e->told |= rc < 0;
    }
    if (e->member && !e->told && member_tick(e->member, &e->why) != FUSOR_OK)
        e->told = 1;
}

static void end_finish(struct end *e)
{
    REQUIRE(!member_finish(e->member, "ok", 2, NULL));
}

#endif
