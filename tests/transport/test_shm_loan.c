/* Payloads that are lent: read where they are, given back once, by whoever and
 * however their reader ends. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "transport/messenger.h"
#include "transport/shm_endpoint.h"

#define PATIENCE_MS 5000
#define POOL_BYTES ((size_t)16 << 20)
#define BYTES ((size_t)3 << 20)

static const struct peer shard = {PEER_SHARD, 3, 1};
static const struct peer worker = {PEER_WORKER, 7, 1};
static struct transport *server, *client;
static struct messenger *serving, *asking;

static void make_side(struct peer self, const char *bind, struct transport **t,
                      struct messenger **m)
{
    struct transport_shm_options o = {.job = 9, .self = self, .bind = bind};

    REQUIRE(transport_shm_create(&o, t, NULL) == FUSOR_OK);
    REQUIRE(messenger_create(*t, POOL_BYTES, m, NULL) == FUSOR_OK);
}

static struct payload_buffer *filled(struct messenger *m, size_t n, int value)
{
    struct payload_buffer *b;

    REQUIRE(payload_buffer_take(messenger_pool(m), n, &b, NULL) == FUSOR_OK);
    memset(b->data, value, n);
    b->size = n;
    return b;
}

static void send_body(struct messenger *m, struct peer to, uint64_t request,
                      struct payload_buffer *b)
{
    struct wire_header h = {.kind = WIRE_PUSH, .request = request};

    REQUIRE(messenger_send(m, to, &h, b, NULL) == FUSOR_OK);
}

static struct message expect(struct messenger *m)
{
    struct message got = {0};

    REQUIRE(messenger_receive(m, &got, PATIENCE_MS, NULL) == FUSOR_OK);
    return got;
}

static struct shm_conn *conn_of(struct transport *t)
{
    struct shm_endpoint *e = shm_endpoint_of(t);

    return e->n_conns ? e->conns[0] : NULL;
}

/* Let an endpoint do what it has to. */
static void turn(struct messenger *m)
{
    struct message got;

    CHECK(messenger_receive(m, &got, 0, NULL) == FUSOR_EAGAIN);
}

/* Both sides, and a word each way: from then on they lend. */
static void open_pair(void)
{
    char text[SHM_TEXT_MAX];

    snprintf(text, sizeof(text), "shm:fusor-test-loan-%d key", (int)getpid());
    make_side(shard, text, &server, &serving);
    make_side(worker, NULL, &client, &asking);
    REQUIRE(transport_connect(client, shard, text, NULL) == FUSOR_OK);
    send_body(asking, shard, 1, NULL);
    expect(serving);
    send_body(serving, worker, 1, NULL);
    expect(asking);
}

static void close_client(void)
{
    messenger_destroy(asking);
    transport_destroy(client);
    asking = NULL;
    client = NULL;
}

static void close_pair(void)
{
    close_client();
    messenger_destroy(serving);
    transport_destroy(server);
}

static void a_large_message_is_read_where_it_is(void)
{
    struct payload_buffer *b;
    struct message got;

    open_pair();
    b = filled(asking, BYTES, 5);
    send_body(asking, shard, 2, b);
    CHECK(conn_of(client)->lent.n == 1);
    got = expect(serving);
    CHECK(got.size == BYTES && got.header.n_chunks == 3);
    REQUIRE(got.buffer && got.buffer->give_back);
    CHECK(((const uint8_t *)got.data)[BYTES - 1] == 5);
    b->data[BYTES - 1] = 6; // one memory
    CHECK(((const uint8_t *)got.data)[BYTES - 1] == 6);
    turn(serving); // the next receive gives it back
    turn(asking);
    CHECK(conn_of(client)->lent.n == 0 && conn_of(client)->lent.bytes == 0);
    CHECK(atomic_load(&b->refs) == 1);
    payload_buffer_unref(b);
    close_pair();
}

static void a_small_message_is_copied(void)
{
    struct payload_buffer *b;

    open_pair();
    b = filled(asking, 8000, 5);
    send_body(asking, shard, 2, b);
    CHECK(conn_of(client)->lent.n == 0);
    CHECK(expect(serving).size == 8000);
    payload_buffer_unref(b);
    close_pair();
}

static void loans_come_back_in_any_order(void)
{
    struct payload_buffer *sent[8], *held[8];

    open_pair();
    for (int i = 0; i < 8; i++) {
        sent[i] = filled(serving, 20000 + (size_t)i, i);
        send_body(serving, worker, 2 + (uint64_t)i, sent[i]);
        held[i] = payload_buffer_ref(expect(asking).buffer);
    }
    turn(asking);
    for (int i = 0; i < 8; i++) {
        int at = i * 3 % 8;

        CHECK(held[at]->size == 20000 + (size_t)at);
        CHECK(held[at]->data[19999] == at);
        payload_buffer_unref(held[at]);
        turn(serving);
        CHECK(conn_of(server)->lent.n == 7u - (unsigned)i);
        CHECK(atomic_load(&sent[at]->refs) == 1);
    }
    for (int i = 0; i < 8; i++)
        payload_buffer_unref(sent[i]);
    close_pair();
}

static void who_borrows_too_much_gets_copies(void)
{
    struct payload_buffer *b, *held;
    struct message got;

    open_pair();
    shm_endpoint_of(client)->shared.most = BYTES + 100;
    b = filled(asking, BYTES, 5);
    send_body(asking, shard, 2, b);
    held = payload_buffer_ref(expect(serving).buffer);
    send_body(asking, shard, 3, b);
    CHECK(conn_of(client)->lent.n == 1);
    got = expect(serving);
    CHECK(got.size == BYTES && got.buffer && !got.buffer->give_back);
    CHECK(((const uint8_t *)got.data)[BYTES - 1] == 5);
    payload_buffer_unref(held);
    send_body(asking, shard, 4, b); // room again
    CHECK(conn_of(client)->lent.n == 1);
    got = expect(serving);
    CHECK(got.buffer->give_back != NULL);
    payload_buffer_unref(b);
    close_pair();
}

static void what_is_borrowed_outlives_both_endpoints(void)
{
    struct payload_buffer *b, *held;

    open_pair();
    b = filled(asking, BYTES, 5);
    send_body(asking, shard, 2, b);
    held = payload_buffer_ref(expect(serving).buffer);
    payload_buffer_unref(b);
    close_pair();
    CHECK(held->data[BYTES - 1] == 5);
    payload_buffer_unref(held);
}

static void who_dies_gives_everything_back(void)
{
    struct payload_buffer *b;

    open_pair();
    b = filled(serving, BYTES, 5);
    send_body(serving, worker, 2, b);
    CHECK(atomic_load(&b->refs) == 2);
    close_client(); // it never looked
    for (int i = 0; i < 100 && atomic_load(&b->refs) > 1; i++)
        turn(serving);
    CHECK(atomic_load(&b->refs) == 1);
    payload_buffer_unref(b);
    close_pair();
}

static void check_cut_off(struct shm_loan_note note)
{
    struct fusor_error err;
    struct delivery d;

    open_pair();
    REQUIRE(shm_sender_put_loan(&conn_of(client)->out, "head", 4, &note) ==
            FUSOR_OK);
    CHECK(transport_receive(server, &d, 0, &err) == FUSOR_EPROTO);
    CHECK(strstr(err.text, "not heard any more") != NULL);
    close_pair();
}

static void a_note_of_nowhere_cuts_its_sender_off(void)
{
    uint64_t size = POOL_BYTES * 32; // of the region

    check_cut_off((struct shm_loan_note){size, 8, 0});
    check_cut_off((struct shm_loan_note){0, size + 8, 0});
    check_cut_off((struct shm_loan_note){UINT64_MAX - 7, 16, 0});
    check_cut_off((struct shm_loan_note){4, 16, 0});
    check_cut_off((struct shm_loan_note){0, 16, SHM_LOANS});
}

static void a_header_of_another_size_is_dropped(void)
{
    struct wire_header h = {.kind = WIRE_PUSH, .request = 2, .n_chunks = 1};
    struct payload_buffer *b;
    uint8_t bytes[WIRE_HEADER_MAX];
    struct payload p;

    open_pair();
    b = filled(asking, 20000, 5);
    h.total_bytes = 19999;
    p = (struct payload){b->data, b->size, payload_buffer_release,
                         payload_buffer_ref(b)};
    REQUIRE(client->ops->lend(client, shard, bytes,
                              wire_header_encode(&h, bytes), &p,
                              NULL) == FUSOR_OK);
    turn(serving);
    CHECK(messenger_malformed(serving) == 1);
    turn(asking);
    CHECK(atomic_load(&b->refs) == 1);
    payload_buffer_unref(b);
    close_pair();
}

static void memory_of_ours_alone_is_not_lent(void)
{
    static uint8_t mine[20000];
    struct payload p = {.data = mine, .size = sizeof(mine)};

    open_pair();
    CHECK(!transport_may_lend(client, shard, &p));
    CHECK(client->ops->lend(client, shard, "h", 1, &p, NULL) == FUSOR_EUSAGE);
    CHECK(!transport_may_lend(client, worker, &p)); // nobody we know
    close_pair();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a large message is read where it is",
         a_large_message_is_read_where_it_is},
        {"a small message is copied", a_small_message_is_copied},
        {"loans come back in any order", loans_come_back_in_any_order},
        {"who borrows too much gets copies", who_borrows_too_much_gets_copies},
        {"what is borrowed outlives both endpoints",
         what_is_borrowed_outlives_both_endpoints},
        {"who dies gives everything back", who_dies_gives_everything_back},
        {"a note of nowhere cuts its sender off",
         a_note_of_nowhere_cuts_its_sender_off},
        {"a header of another size is dropped",
         a_header_of_another_size_is_dropped},
        {"memory of ours alone is not lent", memory_of_ours_alone_is_not_lent},
    };

    return TEST_RUN("transport.shm_loan", cases);
}
