/* Tests of ps/lead: who uses an endpoint when. */
#include "ps/lead.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "harness.h"

#define LEADERS 3

static void nudge(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

struct network {
    struct lead lead;
    pthread_t thread;
    int idle_ms, most_ms;
    atomic_int nudged, in_use, is_over;
    int users; // guarded by the lead
};

static void *rest_once(void *arg)
{
    struct network *n = arg;

    atomic_store(&n->in_use, lead_rest(&n->lead, n->idle_ms, n->most_ms, nudge,
                                       &n->nudged));
    n->users++;
    atomic_store(&n->is_over, 1);
    return NULL;
}

static int try_start(struct network *n, int idle_ms, int most_ms)
{
    *n = (struct network){.idle_ms = idle_ms, .most_ms = most_ms};
    REQUIRE(lead_init(&n->lead, NULL) == FUSOR_OK);
    CHECK(!lead_try(&n->lead)); // the network thread's from the start
    REQUIRE(!pthread_create(&n->thread, NULL, rest_once, n));
    while (!lead_try(&n->lead) && !atomic_load(&n->is_over))
        sched_yield();
    if (!atomic_load(&n->is_over))
        return 1;
    pthread_join(n->thread, NULL);
    lead_clear(&n->lead);
    return 0;
}

/* Returns with the lead. On a busy machine a rest may be over before this
 * thread runs: then begin again. */
static void start(struct network *n, int idle_ms, int most_ms)
{
    while (!try_start(n, idle_ms, most_ms))
        sched_yield();
}

static void end(struct network *n)
{
    pthread_join(n->thread, NULL);
    CHECK(!lead_try(&n->lead));
    CHECK(n->users == 1);
    lead_clear(&n->lead);
}

static void a_call_ends_the_rest(void)
{
    struct network n;

    start(&n, 100000, 1000000);
    lead_leave(&n.lead, 0);
    REQUIRE(lead_try(&n.lead)); // again and again
    lead_leave(&n.lead, 1);
    CHECK(!lead_try(&n.lead)); // on its way
    end(&n);
    CHECK(atomic_load(&n.in_use) && atomic_load(&n.nudged) == 0);
    start(&n, 100000, 1000000);
    lead_call(&n.lead);
    lead_leave(&n.lead, 0);
    end(&n);
}

static void an_unused_lead_goes_home(void)
{
    struct network n;

    start(&n, 1, 1000000);
    lead_leave(&n.lead, 0);
    end(&n);
    CHECK(!atomic_load(&n.in_use));
}

static void who_leads_long_is_nudged(void)
{
    struct network n;

    start(&n, 1, 5);
    while (atomic_load(&n.nudged) == 0)
        sched_yield();
    CHECK(n.users == 0);
    lead_leave(&n.lead, 0);
    end(&n);
    CHECK(atomic_load(&n.in_use));
}

/* A call that was made while the network thread was at work is not lost, and
 * one that it has heard does not end its next rest. */
static void calls_are_kept_until_heard(void)
{
    struct network n;
    int64_t before;

    REQUIRE(lead_init(&n.lead, NULL) == FUSOR_OK);
    lead_call(&n.lead);
    CHECK(lead_rest(&n.lead, 100000, 1000000, nudge, &n.nudged));
    lead_call(&n.lead);
    lead_heard(&n.lead);
    before = clock_now_ns(&clock_real);
    CHECK(!lead_rest(&n.lead, 5, 1000, nudge, &n.nudged));
    CHECK(clock_now_ns(&clock_real) - before >= 5000000);
    lead_clear(&n.lead);
}

/* Who leads already, or asks again, need not wake anybody. */
static void one_that_is_at_home_is_asked_for_once(void)
{
    struct network n;

    REQUIRE(lead_init(&n.lead, NULL) == FUSOR_OK);
    CHECK(!lead_heard(&n.lead));
    CHECK(lead_want(&n.lead));
    CHECK(!lead_want(&n.lead));
    CHECK(lead_heard(&n.lead));
    CHECK(!lead_heard(&n.lead));
    CHECK(lead_want(&n.lead)); // home again
    lead_clear(&n.lead);
    start(&n, 100000, 1000000);
    CHECK(!lead_want(&n.lead)); // this thread has it
    lead_leave(&n.lead, 1);
    end(&n);
}

struct crowd {
    struct lead lead;
    atomic_int nudges;
    uint64_t uses; // guarded by the lead
};

static void *leader_main(void *arg)
{
    struct crowd *c = arg;

    for (int got = 0; got < 2000;) {
        if (!lead_try(&c->lead))
            continue;
        c->uses++;
        lead_leave(&c->lead, ++got % 100 == 0);
    }
    return NULL;
}

static void only_one_leads_at_a_time(void)
{
    struct crowd c = {.uses = 0};
    pthread_t threads[LEADERS];

    REQUIRE(lead_init(&c.lead, NULL) == FUSOR_OK);
    for (int i = 0; i < LEADERS; i++)
        REQUIRE(!pthread_create(&threads[i], NULL, leader_main, &c));
    while (c.uses < LEADERS * 2000) // read with the lead
        lead_rest(&c.lead, 1, 5, nudge, &c.nudges);
    for (int i = 0; i < LEADERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(c.uses == LEADERS * 2000);
    lead_clear(&c.lead);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a call ends the rest", a_call_ends_the_rest},
        {"an unused lead goes home", an_unused_lead_goes_home},
        {"who leads long is nudged", who_leads_long_is_nudged},
        {"calls are kept until heard", calls_are_kept_until_heard},
        {"one that is at home is asked for once",
         one_that_is_at_home_is_asked_for_once},
        {"only one leads at a time", only_one_leads_at_a_time},
    };

    return TEST_RUN("ps.lead", cases);
}
