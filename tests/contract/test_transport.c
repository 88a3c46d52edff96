/* What every transport promises, run over each of the networks. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "networks.h"
#include "transport/message.h"

#define PATIENCE_MS 5000
#define MB ((size_t)1 << 20)
#define CAPACITY NETWORK_CAPACITY

static const struct network *net;
static struct transport *server, *client;
static const struct peer shard = {PEER_SHARD, 3, 1};
static const struct peer worker = {PEER_WORKER, 7, 1};

static void open_pair(void)
{
    net->open();
    server = net->serve(shard);
    client = net->join(worker);
    REQUIRE(transport_connect(client, shard, net->endpoint(server), NULL) ==
            FUSOR_OK);
}

static void close_pair(void)
{
    transport_destroy(client);
    transport_destroy(server);
    net->close();
}

static enum fusor_status say(struct transport *t, struct peer to,
                             const char *text)
{
    struct payload p = {.data = text, .size = strlen(text)};

    return transport_send(t, to, "h", 1, &p, NULL);
}

static int heard(struct transport *t, struct delivery *d, const char *text)
{
    return transport_receive(t, d, PATIENCE_MS, NULL) == FUSOR_OK &&
           d->payload_size == strlen(text) &&
           !memcmp(d->payload, text, d->payload_size);
}

static int peer_is(struct peer a, struct peer b)
{
    return a.kind == b.kind && a.number == b.number &&
           a.incarnation == b.incarnation;
}

/* The client speaks first, so that the server may speak to it. */
static void greet(void)
{
    struct delivery d;

    REQUIRE(say(client, shard, "hello") == FUSOR_OK);
    REQUIRE(heard(server, &d, "hello"));
}

static void a_message_arrives_with_its_sender(void)
{
    struct payload p = {.data = "payload", .size = 7};
    struct delivery d;

    open_pair();
    REQUIRE(transport_send(client, shard, "header", 6, &p, NULL) == FUSOR_OK);
    REQUIRE(transport_receive(server, &d, PATIENCE_MS, NULL) == FUSOR_OK);
    CHECK(peer_is(d.from, worker));
    CHECK(d.header_size == 6 && !memcmp(d.header, "header", 6));
    CHECK(d.payload_size == 7 && !memcmp(d.payload, "payload", 7));
    close_pair();
}

static void who_was_heard_can_be_answered(void)
{
    struct peer newest = {worker.kind, worker.number, 0};
    struct delivery d;

    open_pair();
    greet();
    CHECK(say(server, worker, "one") == FUSOR_OK);
    CHECK(say(server, newest, "two") == FUSOR_OK);
    REQUIRE(heard(client, &d, "one"));
    CHECK(peer_is(d.from, shard));
    CHECK(heard(client, &d, "two"));
    close_pair();
}

static void no_payload_arrives_as_none(void)
{
    struct delivery d;

    open_pair();
    REQUIRE(transport_send(client, shard, "x", 1, NULL, NULL) == FUSOR_OK);
    REQUIRE(transport_receive(server, &d, PATIENCE_MS, NULL) == FUSOR_OK);
    CHECK(d.header_size == 1 && d.payload_size == 0);
    close_pair();
}

/* Send, giving a full pipe time to drain: its sender learns of room while it
 * receives. */
static void send_patiently(struct transport *from, struct peer to,
                           const struct payload *p)
{
    enum fusor_status rc = FUSOR_EAGAIN;
    struct delivery d;

    for (int i = 0; i < PATIENCE_MS; i++) {
        rc = transport_send(from, to, "h", 1, p, NULL);
        if (rc != FUSOR_EAGAIN)
            break;
        transport_receive(from, &d, 1, NULL);
    }
    REQUIRE(rc == FUSOR_OK);
}

static void a_pair_keeps_its_order(void)
{
    int sent = 0, got = 0;
    struct delivery d;

    open_pair();
    while (got < 300) {
        struct payload p = {.data = &sent, .size = sizeof(sent)};

        send_patiently(client, shard, &p);
        sent++;
        if (sent - got < CAPACITY && sent < 300)
            continue;
        do {
            REQUIRE(transport_receive(server, &d, PATIENCE_MS, NULL) ==
                    FUSOR_OK);
            CHECK(!memcmp(d.payload, &got, sizeof(got)));
            got++;
        } while (got < sent);
    }
    close_pair();
}

static void a_mebibyte_arrives_whole(void)
{
    uint8_t *big = mem_alloc(MB, 1);
    struct payload p = {.data = big, .size = MB};
    struct delivery d;

    REQUIRE(big != NULL);
    for (size_t i = 0; i < MB; i++)
        big[i] = (uint8_t)(i * 2654435761u >> 13);
    open_pair();
    for (int i = 0; i < 3; i++) {
        REQUIRE(transport_send(client, shard, "h", 1, &p, NULL) == FUSOR_OK);
        REQUIRE(transport_receive(server, &d, PATIENCE_MS, NULL) == FUSOR_OK);
        REQUIRE(d.payload_size == MB);
        CHECK(!memcmp(d.payload, big, MB));
    }
    close_pair();
    mem_free(big);
}

static void a_payload_stands_at_a_multiple_of_8(void)
{
    uint8_t bytes[4000] = {0};

    open_pair();
    for (size_t n = 1; n < sizeof(bytes); n += 97) {
        struct payload p = {.data = bytes, .size = n};
        struct delivery d;

        bytes[n - 1] = (uint8_t)n;
        send_patiently(client, shard, &p);
        REQUIRE(transport_receive(server, &d, PATIENCE_MS, NULL) == FUSOR_OK);
        CHECK(((uintptr_t)d.payload & 7) == 0);
        CHECK(d.payload_size == n && !memcmp(d.payload, bytes, n));
    }
    close_pair();
}

/* Bytes that count how often they are let go. */
static uint8_t lent[1 << 16];
static atomic_int released;

static void count_release(void *data, void *hint)
{
    CHECK(data == lent && hint == &released);
    atomic_fetch_add((atomic_int *)hint, 1);
}

static struct payload lend(size_t size)
{
    return (struct payload){lent, size, count_release, &released};
}

static void until_released(int n)
{
    struct delivery d;

    for (int i = 0; i < 200 && atomic_load(&released) < n; i++)
        transport_receive(client, &d, 10, NULL);
    CHECK(atomic_load(&released) == n);
}

static void a_payload_is_released_once(void)
{
    static const size_t sizes[] = {0, 1, 1023, 1024, sizeof(lent)};
    struct delivery d;
    int n = 0;

    open_pair();
    atomic_store(&released, 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct payload p = lend(sizes[i]);

        send_patiently(client, shard, &p);
        n++;
        REQUIRE(transport_receive(server, &d, PATIENCE_MS, NULL) == FUSOR_OK);
        CHECK(d.payload_size == sizes[i]);
        until_released(n);
    }
    close_pair();
    CHECK(atomic_load(&released) == n);
}

static void a_payload_not_taken_stays_ours(void)
{
    static const struct peer nobody = {PEER_WORKER, 55, 0};
    struct payload small = lend(10), large = lend(sizeof(lent));

    open_pair();
    atomic_store(&released, 0);
    CHECK(transport_send(client, nobody, "h", 1, &small, NULL) ==
          FUSOR_ECLOSED);
    CHECK(transport_send(client, nobody, "h", 1, &large, NULL) ==
          FUSOR_ECLOSED);
    CHECK(transport_send(client, shard, "", 0, &large, NULL) == FUSOR_EINVAL);
    large.size = TRANSPORT_PAYLOAD_MAX + 1;
    CHECK(transport_send(client, shard, "h", 1, &large, NULL) == FUSOR_EINVAL);
    CHECK(transport_send(client, shard, lent, WIRE_HEADER_MAX + 1, &small,
                         NULL) == FUSOR_EINVAL);
    close_pair();
    CHECK(atomic_load(&released) == 0);
}

/* Send lent payloads until the pipe is full.
 * @return how many were taken */
static int fill(struct transport *from, struct peer to)
{
    struct payload p = lend(sizeof(lent));
    int taken = 0;
    enum fusor_status rc;

    while ((rc = transport_send(from, to, "h", 1, &p, NULL)) == FUSOR_OK &&
           taken < 100000)
        taken++;
    CHECK(rc == FUSOR_EAGAIN);
    return taken;
}

static void check_full_pipe(struct transport *from, struct peer to,
                            struct transport *at)
{
    struct payload p = lend(sizeof(lent));
    struct delivery d;
    int taken, got = 0;

    atomic_store(&released, 0);
    taken = fill(from, to);
    CHECK(taken >= CAPACITY / 2); // room is given back by halves
    /* More is taken again once some was received; nothing taken is lost. */
    for (int round = 0; round < 3; round++) {
        while (got < taken) {
            REQUIRE(transport_receive(at, &d, PATIENCE_MS, NULL) == FUSOR_OK);
            CHECK(d.payload_size == sizeof(lent));
            got++;
        }
        if (round < 2) {
            send_patiently(from, to, &p);
            taken += 1 + fill(from, to);
        }
    }
    CHECK(transport_receive(at, &d, 20, NULL) == FUSOR_EAGAIN);
    until_released(taken);
}

static void a_full_pipe_says_so_and_loses_nothing(void)
{
    open_pair();
    greet();
    check_full_pipe(client, shard, server);
    check_full_pipe(server, worker, client);
    close_pair();
}

static void what_was_not_sent_is_released_at_the_end(void)
{
    int taken;

    open_pair();
    atomic_store(&released, 0);
    taken = fill(client, shard);
    close_pair();
    CHECK(atomic_load(&released) == taken);
}

static void a_stranger_cannot_be_sent_to(void)
{
    static const struct peer other = {PEER_WORKER, 8, 0};
    struct peer older = worker, newer = worker;
    struct fusor_error err;

    open_pair();
    CHECK(say(server, worker, "x") == FUSOR_ECLOSED); // not yet heard
    greet();
    CHECK(transport_send(server, other, "h", 1, NULL, &err) == FUSOR_ECLOSED);
    CHECK(strstr(err.text, "worker 8") != NULL);
    older.incarnation = 9, newer.incarnation = 2;
    CHECK(say(server, older, "x") == FUSOR_ECLOSED);
    CHECK(say(server, newer, "x") == FUSOR_ECLOSED);
    close_pair();
}

static void who_was_cut_off_is_not_heard(void)
{
    struct delivery d;

    open_pair();
    greet();
    transport_cut(server, worker);
    CHECK(say(server, worker, "x") == FUSOR_ECLOSED);
    CHECK(say(client, shard, "again") == FUSOR_OK);
    CHECK(transport_receive(server, &d, 30, NULL) == FUSOR_EAGAIN);
    close_pair();
}

static void only_the_newest_incarnation_is_heard(void)
{
    struct peer next = {worker.kind, worker.number, 2};
    struct transport *second;
    struct delivery d;

    open_pair();
    greet();
    second = net->join(next);
    REQUIRE(transport_connect(second, shard, net->endpoint(server), NULL) ==
            FUSOR_OK);
    REQUIRE(say(second, shard, "new") == FUSOR_OK);
    REQUIRE(heard(server, &d, "new"));
    CHECK(d.from.incarnation == 2);
    say(client, shard, "old");
    CHECK(transport_receive(server, &d, 30, NULL) == FUSOR_EAGAIN);
    CHECK(say(server, worker, "x") == FUSOR_ECLOSED);
    REQUIRE(say(server, next, "you") == FUSOR_OK);
    CHECK(heard(second, &d, "you"));
    transport_destroy(second);
    close_pair();
}

static void a_wait_ends_in_time(void)
{
    struct delivery d;
    int64_t before;

    open_pair();
    before = clock_now_ms(transport_clock(client));
    CHECK(transport_receive(client, &d, 0, NULL) == FUSOR_EAGAIN);
    CHECK(transport_receive(client, &d, 20, NULL) == FUSOR_EAGAIN);
    /* poll(2) counts from a coarser clock: 1 ms. */
    CHECK(clock_now_ms(transport_clock(client)) - before >= 19);
    close_pair();
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

    open_pair();
    transport_wake(client);
    CHECK(transport_receive(client, &d, -1, NULL) == FUSOR_EAGAIN);
    for (int i = 0; i < 50; i++) {
        REQUIRE(!pthread_create(&thread, NULL, wake_it, client));
        CHECK(transport_receive(client, &d, -1, NULL) == FUSOR_EAGAIN);
        pthread_join(thread, NULL);
        transport_receive(client, &d, 0, NULL); // a late second sign of it
    }
    greet();
    close_pair();
}

static void many_clients_are_told_apart(void)
{
    struct transport *others[6];
    int seen[6] = {0};
    struct delivery d;

    open_pair();
    for (uint32_t i = 0; i < 6; i++) {
        others[i] = net->join((struct peer){PEER_WORKER, 20 + i, 1});
        REQUIRE(transport_connect(others[i], shard, net->endpoint(server),
                                  NULL) == FUSOR_OK);
        REQUIRE(say(others[i], shard, "in") == FUSOR_OK);
    }
    for (int i = 0; i < 6; i++) {
        REQUIRE(heard(server, &d, "in"));
        REQUIRE(d.from.number >= 20 && d.from.number < 26);
        seen[d.from.number - 20]++;
        CHECK(say(server, d.from, "out") == FUSOR_OK);
    }
    for (int i = 0; i < 6; i++) {
        CHECK(seen[i] == 1);
        CHECK(heard(others[i], &d, "out"));
        transport_destroy(others[i]);
    }
    close_pair();
}

static void a_client_hears_all_its_servers(void)
{
    struct peer other = {PEER_COORDINATOR, 0, 1};
    struct transport *second;
    struct delivery d;
    int from_shard = 0;

    open_pair();
    if (net->one_server) {
        close_pair();
        return;
    }
    second = net->serve(other);
    REQUIRE(transport_connect(client, other, net->endpoint(second), NULL) ==
            FUSOR_OK);
    greet();
    REQUIRE(say(client, other, "hello") == FUSOR_OK);
    REQUIRE(heard(second, &d, "hello"));
    CHECK(say(server, worker, "x") == FUSOR_OK);
    CHECK(say(second, worker, "x") == FUSOR_OK);
    for (int i = 0; i < 2; i++) {
        REQUIRE(heard(client, &d, "x"));
        from_shard += d.from.kind == PEER_SHARD;
    }
    CHECK(from_shard == 1);
    transport_destroy(second);
    close_pair();
}

static void a_whole_message_goes_in_chunks(void)
{
    struct wire_header h = {.kind = WIRE_PUSH, .request = 4}, got;
    struct payload_pool *pool;
    struct payload_buffer *body;
    struct chunk_source s;
    size_t bytes = 0;

    open_pair();
    REQUIRE(payload_pool_create(64 * MB, &pool, NULL) == FUSOR_OK);
    REQUIRE(payload_buffer_take(pool, 20 * MB, &body, NULL) == FUSOR_OK);
    memset(body->data, 5, 20 * MB);
    body->size = 20 * MB - 3;
    REQUIRE(chunk_source_init(&s, &h, body, NULL) == FUSOR_OK);
    while (bytes < body->size) {
        enum fusor_status rc = transport_send_message(client, shard, &s, NULL);
        struct delivery d;

        REQUIRE(rc == FUSOR_OK || rc == FUSOR_EAGAIN);
        if (rc == FUSOR_EAGAIN)
            transport_receive(client, &d, 1, NULL);
        if (transport_receive(server, &d, 1, NULL) != FUSOR_OK)
            continue;
        REQUIRE(wire_header_decode(d.header, d.header_size, &got, NULL) ==
                FUSOR_OK);
        CHECK(got.chunk == bytes / MB && got.n_chunks == 20);
        bytes += d.payload_size;
    }
    CHECK(bytes == body->size);
    payload_buffer_unref(body);
    close_pair();
    payload_pool_destroy(pool);
}

static void taken_ends(struct payload *p)
{
    p->release((void *)(uintptr_t)p->data, p->hint);
}

/* A transport that lets its memory go gives a message that outlives the next
 * receive and the endpoint. */
static void a_payload_may_be_kept(void)
{
    static const size_t sizes[] = {sizeof(lent), 10, sizeof(lent) - 3, 0};
    struct payload kept[4];
    struct delivery d;
    int n = 0;

    open_pair();
    for (size_t i = 0; i < 4; i++) {
        struct payload p = lend(sizes[i]);

        send_patiently(client, shard, &p);
        REQUIRE(transport_receive(server, &d, PATIENCE_MS, NULL) == FUSOR_OK);
        if (transport_take(server, &kept[n]) != 0)
            continue;
        CHECK(kept[n].size == sizes[i] && ((uintptr_t)kept[n].data & 7) == 0);
        CHECK(kept[n].data == d.payload);
        n++;
    }
    close_pair();
    for (int i = 0; i < n; i++) {
        CHECK(!memcmp(kept[i].data, lent, kept[i].size));
        taken_ends(&kept[i]);
    }
    CHECK(n == 0 || n >= 2); // all, or those worth it
}

static void nothing_is_left_behind(void)
{
    size_t before = mem_used();

    open_pair();
    greet();
    close_pair();
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
        {"a mebibyte arrives whole", a_mebibyte_arrives_whole},
        {"a payload stands at a multiple of 8",
         a_payload_stands_at_a_multiple_of_8},
        {"a payload is released once", a_payload_is_released_once},
        {"a payload not taken stays ours", a_payload_not_taken_stays_ours},
        {"a full pipe says so and loses nothing",
         a_full_pipe_says_so_and_loses_nothing},
        {"what was not sent is released at the end",
         what_was_not_sent_is_released_at_the_end},
        {"a stranger cannot be sent to", a_stranger_cannot_be_sent_to},
        {"who was cut off is not heard", who_was_cut_off_is_not_heard},
        {"only the newest incarnation is heard",
         only_the_newest_incarnation_is_heard},
        {"a wait ends in time", a_wait_ends_in_time},
        {"a wake ends a wait", a_wake_ends_a_wait},
        {"many clients are told apart", many_clients_are_told_apart},
        {"a client hears all its servers", a_client_hears_all_its_servers},
        {"a whole message goes in chunks", a_whole_message_goes_in_chunks},
        {"a payload may be kept", a_payload_may_be_kept},
        {"nothing is left behind", nothing_is_left_behind},
    };
    int failed = 0;

    for (size_t i = 0; i < n_networks; i++) {
        net = &networks[i];
        failed |= TEST_RUN(net->suite, cases);
    }
    return failed;
}
