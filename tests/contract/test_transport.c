/* What every transport promises, run over each of the networks; of payloads see
 * test_transport_payload.c. */
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "pair.h"

static int peer_is(struct peer a, struct peer b)
{
    return a.kind == b.kind && a.number == b.number &&
           a.incarnation == b.incarnation;
}

static void a_message_arrives_with_its_sender(void)
{
    struct payload p = {.data = "payload", .size = 7};
    struct delivery d;

    pair_open();
    REQUIRE(transport_send(client, shard, "header", 6, &p, NULL) == FUSOR_OK);
    REQUIRE(transport_receive(server, &d, PAIR_PATIENCE_MS, NULL) == FUSOR_OK);
    CHECK(peer_is(d.from, worker));
    CHECK(d.header_size == 6 && !memcmp(d.header, "header", 6));
    CHECK(d.payload_size == 7 && !memcmp(d.payload, "payload", 7));
    pair_close();
}

static void who_was_heard_can_be_answered(void)
{
    struct peer newest = {worker.kind, worker.number, 0};
    struct delivery d;

    pair_open();
    pair_greet();
    CHECK(pair_say(server, worker, "one") == FUSOR_OK);
    CHECK(pair_say(server, newest, "two") == FUSOR_OK);
    REQUIRE(pair_heard(client, &d, "one"));
    CHECK(peer_is(d.from, shard));
    CHECK(pair_heard(client, &d, "two"));
    pair_close();
}

static void no_payload_arrives_as_none(void)
{
    struct delivery d;

    pair_open();
    REQUIRE(transport_send(client, shard, "x", 1, NULL, NULL) == FUSOR_OK);
    REQUIRE(transport_receive(server, &d, PAIR_PATIENCE_MS, NULL) == FUSOR_OK);
    CHECK(d.header_size == 1 && d.payload_size == 0);
    pair_close();
}

static void a_pair_keeps_its_order(void)
{
    int sent = 0, got = 0;
    struct delivery d;

    pair_open();
    while (got < 300) {
        struct payload p = {.data = &sent, .size = sizeof(sent)};

        pair_send(client, shard, &p);
        sent++;
        if (sent - got < NETWORK_CAPACITY && sent < 300)
            continue;
        do {
            REQUIRE(transport_receive(server, &d, PAIR_PATIENCE_MS, NULL) ==
                    FUSOR_OK);
            CHECK(!memcmp(d.payload, &got, sizeof(got)));
            got++;
        } while (got < sent);
    }
    pair_close();
}

static void a_stranger_cannot_be_sent_to(void)
{
    static const struct peer other = {PEER_WORKER, 8, 0};
    struct peer older = worker, newer = worker;
    struct fusor_error err;

    pair_open();
    CHECK(pair_say(server, worker, "x") == FUSOR_ECLOSED); // not yet heard
    pair_greet();
    CHECK(transport_send(server, other, "h", 1, NULL, &err) == FUSOR_ECLOSED);
    CHECK(strstr(err.text, "worker 8") != NULL);
    older.incarnation = 9, newer.incarnation = 2;
    CHECK(pair_say(server, older, "x") == FUSOR_ECLOSED);
    CHECK(pair_say(server, newer, "x") == FUSOR_ECLOSED);
    pair_close();
}

static void who_was_cut_off_is_not_heard(void)
{
    struct delivery d;

    pair_open();
    pair_greet();
    transport_cut(server, worker);
    CHECK(pair_say(server, worker, "x") == FUSOR_ECLOSED);
    CHECK(pair_say(client, shard, "again") == FUSOR_OK);
    CHECK(transport_receive(server, &d, 30, NULL) == FUSOR_EAGAIN);
    pair_close();
}

static void only_the_newest_incarnation_is_heard(void)
{
    struct peer next = {worker.kind, worker.number, 2};
    struct transport *second;
    struct delivery d;

    pair_open();
    pair_greet();
    second = net->join(next);
    REQUIRE(transport_connect(second, shard, net->endpoint(server), NULL) ==
            FUSOR_OK);
    REQUIRE(pair_say(second, shard, "new") == FUSOR_OK);
    REQUIRE(pair_heard(server, &d, "new"));
    CHECK(d.from.incarnation == 2);
    pair_say(client, shard, "old");
    CHECK(transport_receive(server, &d, 30, NULL) == FUSOR_EAGAIN);
    CHECK(pair_say(server, worker, "x") == FUSOR_ECLOSED);
    REQUIRE(pair_say(server, next, "you") == FUSOR_OK);
    CHECK(pair_heard(second, &d, "you"));
    transport_destroy(second);
    pair_close();
}

static void a_wait_ends_in_time(void)
{
    struct delivery d;
    int64_t before;

    pair_open();
    before = clock_now_ms(transport_clock(client));
    CHECK(transport_receive(client, &d, 0, NULL) == FUSOR_EAGAIN);
    CHECK(transport_receive(client, &d, 20, NULL) == FUSOR_EAGAIN);
    /* poll(2) counts from a coarser clock: 1 ms. */
    CHECK(clock_now_ms(transport_clock(client)) - before >= 19);
    pair_close();
}

static void *wake_it(void *t)
{
    transport_wake(t);
    return NULL;
}

static void a_wake_ends_a_wait(void)
{
    pthread_t thread;
    struct delivery d;

    pair_open();
    transport_wake(client);
    CHECK(transport_receive(client, &d, -1, NULL) == FUSOR_EAGAIN);
    for (int i = 0; i < 50; i++) {
        REQUIRE(!pthread_create(&thread, NULL, wake_it, client));
        CHECK(transport_receive(client, &d, -1, NULL) == FUSOR_EAGAIN);
        pthread_join(thread, NULL);
        transport_receive(client, &d, 0, NULL); // a late second sign of it
    }
    pair_greet();
    pair_close();
}

static void many_clients_are_told_apart(void)
{
    struct transport *others[6];
    int seen[6] = {0};
    struct delivery d;

    pair_open();
    for (uint32_t i = 0; i < 6; i++) {
        others[i] = net->join((struct peer){PEER_WORKER, 20 + i, 1});
        REQUIRE(transport_connect(others[i], shard, net->endpoint(server),
                                  NULL) == FUSOR_OK);
        REQUIRE(pair_say(others[i], shard, "in") == FUSOR_OK);
    }
    for (int i = 0; i < 6; i++) {
        REQUIRE(pair_heard(server, &d, "in"));
        REQUIRE(d.from.number >= 20 && d.from.number < 26);
        seen[d.from.number - 20]++;
        CHECK(pair_say(server, d.from, "out") == FUSOR_OK);
    }
    for (int i = 0; i < 6; i++) {
        CHECK(seen[i] == 1);
        CHECK(pair_heard(others[i], &d, "out"));
        transport_destroy(others[i]);
    }
    pair_close();
}

static void a_client_hears_all_its_servers(void)
{
    struct peer other = {PEER_COORDINATOR, 0, 1};
    struct transport *second;
    struct delivery d;
    int from_shard = 0;

    pair_open();
    if (net->one_server) {
        pair_close();
        return;
    }
    second = net->serve(other);
    REQUIRE(transport_connect(client, other, net->endpoint(second), NULL) ==
            FUSOR_OK);
    pair_greet();
    REQUIRE(pair_say(client, other, "hello") == FUSOR_OK);
    REQUIRE(pair_heard(second, &d, "hello"));
    CHECK(pair_say(server, worker, "x") == FUSOR_OK);
    CHECK(pair_say(second, worker, "x") == FUSOR_OK);
    for (int i = 0; i < 2; i++) {
        REQUIRE(pair_heard(client, &d, "x"));
        from_shard += d.from.kind == PEER_SHARD;
    }
    CHECK(from_shard == 1);
    transport_destroy(second);
    pair_close();
}

static void nothing_is_left_behind(void)
{
    size_t before = mem_used();

    pair_open();
    pair_greet();
    pair_close();
    CHECK(mem_used() == before);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a message arrives with its sender",
         a_message_arrives_with_its_sender},
        {"who was heard can be answered", who_was_heard_can_be_answered},
        {"no payload arrives as none", no_payload_arrives_as_none},
        {"a pair keeps its order", a_pair_keeps_its_order},
        {"a stranger cannot be sent to", a_stranger_cannot_be_sent_to},
        {"who was cut off is not heard", who_was_cut_off_is_not_heard},
        {"only the newest incarnation is heard",
         only_the_newest_incarnation_is_heard},
        {"a wait ends in time", a_wait_ends_in_time},
        {"a wake ends a wait", a_wake_ends_a_wait},
        {"many clients are told apart", many_clients_are_told_apart},
        {"a client hears all its servers", a_client_hears_all_its_servers},
        {"nothing is left behind", nothing_is_left_behind},
    };

    return PAIR_RUN(cases);
}
