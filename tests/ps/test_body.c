/* Tests of ps/body: what a message lies in, kept. */
#include "ps/body.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "transport/sim.h"

static struct sim *sim;
static struct messenger *messenger;

static void open_all(void)
{
    struct peer self = {PEER_SHARD, 0, 1};
    struct transport *transport;

    REQUIRE(!sim_create(1, &sim, NULL));
    REQUIRE(!sim_endpoint(sim, self, &transport, NULL));
    REQUIRE(!messenger_create(transport, 1 << 20, &messenger, NULL));
}

static void close_all(void)
{
    messenger_destroy(messenger);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

static struct message small(void)
{
    return (struct message){.data = "12345678", .size = 8};
}

static void no_room_gives_nothing(void)
{
    static char large[3 << 20];
    struct message m = small();
    struct fusor_error err;
    struct body b = {0};

    open_all();
    m.data = large;
    m.size = sizeof(large); // over twice the messenger's bound
    CHECK(body_keep(&b, messenger, &m, BODY_WRITE, &err) == FUSOR_ENOMEM);
    CHECK(err.status == FUSOR_ENOMEM);
    close_all();
}

static void nothing_ends(void *data, void *hint)
{
    (void)data;
    ++*(int *)hint;
}

/* What is only read stays where it is; what is lent is copied to be written. */
static void a_message_is_copied_only_to_be_written(void)
{
    static _Alignas(8) char lent[64] = "lent";
    struct message m = small();
    struct body b = {0};
    int ended = 0;

    open_all();
    REQUIRE(!body_keep(&b, messenger, &m, BODY_BORROW, NULL));
    CHECK(b.view.data == m.data && b.n == 0);
    REQUIRE(!payload_buffer_borrow(messenger_pool(messenger), lent,
                                   sizeof(lent), nothing_ends, &ended,
                                   &m.buffer, NULL));
    m.data = lent;
    m.size = sizeof(lent);
    REQUIRE(!body_keep(&b, messenger, &m, BODY_BORROW, NULL));
    CHECK((const void *)b.view.data == lent && b.n == 1);
    REQUIRE(!body_keep(&b, messenger, &m, BODY_WRITE, NULL));
    CHECK((const void *)b.view.data != lent &&
          !memcmp(b.view.data, lent, sizeof(lent)));
    payload_buffer_unref(m.buffer);
    CHECK(ended == 1);
    body_clear(&b);
    CHECK(b.n == 0 && b.view.size == 0);
    close_all();
}

/* What is only looked at until the next receive costs nothing; what is looked
 * at later does. */
static void a_message_to_be_read_later_outlives_its_receive(void)
{
    struct message m = small();
    struct body b = {0};

    open_all();
    REQUIRE(!body_keep(&b, messenger, &m, BODY_READ, NULL));
    CHECK(b.n == 1 && b.view.data != m.data && b.view.size == 8 &&
          !memcmp(b.view.data, "12345678", 8));
    body_drop(&b);
    CHECK(b.n == 0 && b.cap == 1); // the array is used again
    body_clear(&b);
    close_all();
}

static void pieces_are_kept_by_reference(void)
{
    struct payload_buffer *pieces[3];
    struct message m = small();
    struct body b = {0};

    open_all();
    for (int i = 0; i < 3; i++) {
        REQUIRE(!payload_buffer_take(messenger_pool(messenger), 4096,
                                     &pieces[i], NULL));
        pieces[i]->size = 4096;
    }
    m.data = NULL;
    m.pieces = pieces;
    m.n_pieces = 3;
    m.size = sizeof(pieces);
    REQUIRE(!body_keep(&b, messenger, &m, BODY_WRITE, NULL));
    CHECK(b.n == 3 && b.view.pieces[2] == pieces[2] && !b.view.data);
    for (int i = 0; i < 3; i++)
        payload_buffer_unref(pieces[i]); // the body holds its own
    CHECK(atomic_load(&pieces[1]->refs) == 1);
    body_clear(&b);
    close_all();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"no room gives nothing", no_room_gives_nothing},
        {"a message is copied only to be written",
         a_message_is_copied_only_to_be_written},
        {"a message to be read later outlives its receive",
         a_message_to_be_read_later_outlives_its_receive},
        {"pieces are kept by reference", pieces_are_kept_by_reference},
    };

    return TEST_RUN("ps.body", cases);
}
