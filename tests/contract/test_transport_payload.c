/* What every transport promises of payloads: they arrive whole, are released
 * once, and wait where a pipe is full. Run over each of the networks. */
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "pair.h"
#include "transport/message.h"

#define MB ((size_t)1 << 20)

static void a_mebibyte_arrives_whole(void)
{
    uint8_t *big = mem_alloc(MB, 1);
    struct payload p = {.data = big, .size = MB};
    struct delivery d;

    REQUIRE(big != NULL);
    for (size_t i = 0; i < MB; i++)
        big[i] = (uint8_t)(i * 2654435761u >> 13);
    pair_open();
    for (int i = 0; i < 3; i++) {
        REQUIRE(transport_send(client, shard, "h", 1, &p, NULL) == FUSOR_OK);
        REQUIRE(transport_receive(server, &d, PAIR_PATIENCE_MS, NULL) ==
                FUSOR_OK);
        REQUIRE(d.payload_size == MB);
        CHECK(!memcmp(d.payload, big, MB));
    }
    pair_close();
    mem_free(big);
}

static void a_payload_stands_at_a_multiple_of_8(void)
{
    uint8_t bytes[4000] = {0};

    pair_open();
    for (size_t n = 1; n < sizeof(bytes); n += 97) {
        struct payload p = {.data = bytes, .size = n};
        struct delivery d;

        bytes[n - 1] = (uint8_t)n;
        pair_send(client, shard, &p);
        REQUIRE(transport_receive(server, &d, PAIR_PATIENCE_MS, NULL) ==
                FUSOR_OK);
        CHECK(((uintptr_t)d.payload & 7) == 0);
        CHECK(d.payload_size == n && !memcmp(d.payload, bytes, n));
    }
    pair_close();
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

    pair_open();
    atomic_store(&released, 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct payload p = lend(sizes[i]);

        pair_send(client, shard, &p);
        n++;
        REQUIRE(transport_receive(server, &d, PAIR_PATIENCE_MS, NULL) ==
                FUSOR_OK);
        CHECK(d.payload_size == sizes[i]);
        until_released(n);
    }
    pair_close();
    CHECK(atomic_load(&released) == n);
}

static void a_payload_not_taken_stays_ours(void)
{
    static const struct peer nobody = {PEER_WORKER, 55, 0};
    struct payload small = lend(10), large = lend(sizeof(lent));

    pair_open();
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
    pair_close();
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
    CHECK(taken >= NETWORK_CAPACITY / 2); // room is given back by halves
    /* More is taken again once some was received; nothing taken is lost. */
    for (int round = 0; round < 3; round++) {
        while (got < taken) {
            REQUIRE(transport_receive(at, &d, PAIR_PATIENCE_MS, NULL) ==
                    FUSOR_OK);
            CHECK(d.payload_size == sizeof(lent));
            got++;
        }
        if (round < 2) {
            pair_send(from, to, &p);
            taken += 1 + fill(from, to);
        }
    }
    CHECK(transport_receive(at, &d, 20, NULL) == FUSOR_EAGAIN);
    until_released(taken);
}

static void a_full_pipe_says_so_and_loses_nothing(void)
{
    pair_open();
    pair_greet();
    check_full_pipe(client, shard, server);
    check_full_pipe(server, worker, client);
    pair_close();
}

static void what_was_not_sent_is_released_at_the_end(void)
{
    int taken;

    pair_open();
    atomic_store(&released, 0);
    taken = fill(client, shard);
    pair_close();
    CHECK(atomic_load(&released) == taken);
}

static void a_whole_message_goes_in_chunks(void)
{
    struct wire_header h = {.kind = WIRE_PUSH, .request = 4}, got;
    struct payload_pool *pool;
    struct payload_buffer *body;
    struct chunk_source s;
    size_t bytes = 0;

    pair_open();
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
    pair_close();
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

    pair_open();
    for (size_t i = 0; i < 4; i++) {
        struct payload p = lend(sizes[i]);

        pair_send(client, shard, &p);
        REQUIRE(transport_receive(server, &d, PAIR_PATIENCE_MS, NULL) ==
                FUSOR_OK);
        if (transport_take(server, &kept[n]) != 0)
            continue;
        CHECK(kept[n].size == sizes[i] && ((uintptr_t)kept[n].data & 7) == 0);
        CHECK(kept[n].data == d.payload);
        n++;
    }
    pair_close();
    for (int i = 0; i < n; i++) {
        CHECK(!memcmp(kept[i].data, lent, kept[i].size));
        taken_ends(&kept[i]);
    }
    CHECK(n == 0 || n >= 2); // all, or those worth it
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a mebibyte arrives whole", a_mebibyte_arrives_whole},
        {"a payload stands at a multiple of 8",
         a_payload_stands_at_a_multiple_of_8},
        {"a payload is released once", a_payload_is_released_once},
        {"a payload not taken stays ours", a_payload_not_taken_stays_ours},
        {"a full pipe says so and loses nothing",
         a_full_pipe_says_so_and_loses_nothing},
        {"what was not sent is released at the end",
         what_was_not_sent_is_released_at_the_end},
        {"a whole message goes in chunks", a_whole_message_goes_in_chunks},
        {"a payload may be kept", a_payload_may_be_kept},
    };

    return PAIR_RUN(cases);
}
