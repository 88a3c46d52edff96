/* wire/assembler: chunks in any order become messages, within a budget, never
 * mixing two attempts. */
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "wire/chunk.h"

#define MB WIRE_CHUNK_BYTES

static struct payload_pool *pool;
static struct assembler *assembler;
static uint8_t bytes[MB];

static void start(size_t max_bytes, size_t per_sender)
{
    struct assembler_options o = {.max_bytes = max_bytes,
                                  .max_bytes_per_sender = per_sender,
                                  .max_open = 4,
                                  .max_open_per_sender = 2,
                                  .timeout_ms = 100};

    REQUIRE(payload_pool_create(64 * MB, &pool, NULL) == FUSOR_OK);
    o.pool = pool;
    REQUIRE(assembler_create(&o, &assembler, NULL) == FUSOR_OK);
}

static void finish(void)
{
    assembler_destroy(assembler);
    payload_pool_destroy(pool);
}

/* Chunk c of a message of 2.5 MB filled with fill. */
static enum fusor_status add(uint64_t sender, uint64_t request,
                             uint32_t attempt, uint32_t c, int fill,
                             int64_t now_ms, struct wire_message *out)
{
    struct wire_header h = {.kind = WIRE_PUSH,
                            .request = request,
                            .attempt = attempt,
                            .chunk = c,
                            .n_chunks = 3,
                            .total_bytes = 2 * MB + MB / 2};
    size_t size = c == 2 ? MB / 2 : MB;

    memset(bytes, fill, size);
    return assembler_add(assembler, sender, &h, bytes, size, now_ms, out, NULL);
}

static void one_chunk_passes_uncopied(void)
{
    struct wire_header h = {.kind = WIRE_ACK, .n_chunks = 1, .total_bytes = 10};
    struct wire_message m;

    start(8 * MB, 8 * MB);
    REQUIRE(assembler_add(assembler, 1, &h, bytes, 10, 0, &m, NULL) ==
            FUSOR_OK);
    CHECK(m.payload == bytes && m.size == 10 && m.buffer == NULL);
    finish();
}

static void chunks_come_in_any_order(void)
{
    static const uint32_t orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}};
    struct wire_message m;

    start(8 * MB, 8 * MB);
    for (size_t i = 0; i < 3; i++) {
        for (int k = 0; k < 2; k++)
            CHECK(add(1, i, 0, orders[i][k], (int)orders[i][k], 0, &m) ==
                  FUSOR_EAGAIN);
        REQUIRE(add(1, i, 0, orders[i][2], (int)orders[i][2], 0, &m) ==
                FUSOR_OK);
        REQUIRE(m.buffer && m.size == 2 * MB + MB / 2);
        for (size_t b = 0; b < m.size; b += 4096)
            CHECK(((const uint8_t *)m.payload)[b] == b / MB);
        payload_buffer_unref(m.buffer);
    }
    CHECK(assembler_stats(assembler).open == 0);
    CHECK(assembler_stats(assembler).open_bytes == 0);
    finish();
}

static void senders_and_requests_do_not_mix(void)
{
    struct wire_message m;

    start(20 * MB, 20 * MB);
    for (uint32_t c = 0; c < 3; c++)
        for (uint64_t sender = 1; sender <= 2; sender++)
            for (uint64_t request = 1; request <= 2; request++) {
                int fill = (int)(sender * 10 + request);
                enum fusor_status rc = add(sender, request, 0, c, fill, 0, &m);

                CHECK(rc == (c == 2 ? FUSOR_OK : FUSOR_EAGAIN));
                if (rc != FUSOR_OK)
                    continue;
                CHECK(((const uint8_t *)m.payload)[0] == fill);
                CHECK(((const uint8_t *)m.payload)[m.size - 1] == fill);
                payload_buffer_unref(m.buffer);
            }
    finish();
}

static void duplicates_are_dropped(void)
{
    struct wire_message m;

    start(8 * MB, 8 * MB);
    add(1, 1, 0, 0, 7, 0, &m);
    CHECK(add(1, 1, 0, 0, 9, 0, &m) == FUSOR_EAGAIN);
    add(1, 1, 0, 1, 7, 0, &m);
    REQUIRE(add(1, 1, 0, 2, 7, 0, &m) == FUSOR_OK);
    CHECK(((const uint8_t *)m.payload)[0] == 7);
    payload_buffer_unref(m.buffer);
    /* A copy that comes after the end opens nothing. */
    CHECK(add(1, 1, 0, 1, 7, 0, &m) == FUSOR_EAGAIN);
    CHECK(assembler_stats(assembler).open == 0);
    CHECK(assembler_stats(assembler).duplicates == 2);
    finish();
}

static void a_resent_request_starts_over(void)
{
    struct wire_message m;

    start(8 * MB, 8 * MB);
    add(1, 1, 0, 0, 1, 0, &m);
    add(1, 1, 0, 1, 1, 0, &m);
    CHECK(add(1, 1, 1, 2, 2, 0, &m) == FUSOR_EAGAIN);
    CHECK(add(1, 1, 0, 2, 1, 0, &m) == FUSOR_EAGAIN); // late
    add(1, 1, 1, 0, 2, 0, &m);
    REQUIRE(add(1, 1, 1, 1, 2, 0, &m) == FUSOR_OK);
    for (size_t b = 0; b < m.size; b += 4096)
        CHECK(((const uint8_t *)m.payload)[b] == 2);
    payload_buffer_unref(m.buffer);
    CHECK(assembler_stats(assembler).late == 1);
    CHECK(assembler_stats(assembler).restarted == 1);
    finish();
}

static void budgets_hold(void)
{
    struct wire_message m;

    start(6 * MB, 3 * MB);
    CHECK(add(1, 1, 0, 0, 1, 0, &m) == FUSOR_EAGAIN);
    add(1, 2, 0, 0, 1, 0, &m); // over the sender's share
    CHECK(assembler_stats(assembler).open == 1);
    add(2, 1, 0, 0, 1, 0, &m);
    add(3, 1, 0, 0, 1, 0, &m); // over the whole
    CHECK(assembler_stats(assembler).open == 2);
    CHECK(assembler_stats(assembler).refused == 2);
    CHECK(assembler_stats(assembler).open_bytes == 5 * MB);
    /* What is under way goes on. */
    add(1, 1, 0, 1, 1, 0, &m);
    REQUIRE(add(1, 1, 0, 2, 1, 0, &m) == FUSOR_OK);
    payload_buffer_unref(m.buffer);
    CHECK(add(3, 1, 0, 0, 1, 0, &m) == FUSOR_EAGAIN);
    CHECK(assembler_stats(assembler).open == 2);
    finish();
}

static void a_message_that_can_never_fit_is_an_error(void)
{
    struct wire_message m;

    start(8 * MB, 2 * MB);
    CHECK(add(1, 1, 0, 0, 1, 0, &m) == FUSOR_EPROTO);
    finish();
}

static void the_silent_are_given_up(void)
{
    struct wire_message m;

    start(8 * MB, 8 * MB);
    add(1, 1, 0, 0, 1, 1000, &m);
    add(2, 1, 0, 0, 1, 1050, &m);
    CHECK(assembler_expire(assembler, 1100) == 0);
    CHECK(assembler_expire(assembler, 1101) == 1);
    CHECK(assembler_stats(assembler).abandoned == 1);
    add(2, 1, 0, 1, 1, 1150, &m); // progress renews the deadline
    CHECK(assembler_expire(assembler, 1200) == 0);
    /* The abandoned one may come again, whole. */
    add(1, 1, 0, 0, 1, 1200, &m);
    add(1, 1, 0, 1, 1, 1200, &m);
    REQUIRE(add(1, 1, 0, 2, 1, 1200, &m) == FUSOR_OK);
    payload_buffer_unref(m.buffer);
    finish();
}

static void a_dead_sender_is_forgotten(void)
{
    struct wire_message m;

    start(8 * MB, 8 * MB);
    add(1, 1, 0, 0, 1, 0, &m);
    add(2, 1, 0, 0, 1, 0, &m);
    assembler_forget(assembler, 1);
    CHECK(assembler_stats(assembler).open == 1);
    finish();
}

static void contradictions_are_errors(void)
{
    struct wire_header h = {
        .kind = WIRE_PUSH, .n_chunks = 2, .total_bytes = MB + 8, .chunk = 1};
    struct wire_message m;

    start(8 * MB, 8 * MB);
    CHECK(assembler_add(assembler, 1, &h, bytes, 9, 0, &m, NULL) ==
          FUSOR_EPROTO);
    CHECK(assembler_add(assembler, 1, &h, bytes, 8, 0, &m, NULL) ==
          FUSOR_EAGAIN);
    h.chunk = 0;
    h.index = 5; // another push under the same request
    CHECK(assembler_add(assembler, 1, &h, bytes, MB, 0, &m, NULL) ==
          FUSOR_EPROTO);
    CHECK(assembler_stats(assembler).open == 0);
    h.n_chunks = 1, h.total_bytes = 5;
    CHECK(assembler_add(assembler, 1, &h, bytes, 0, 0, &m, NULL) ==
          FUSOR_EPROTO);
    finish();
}

static int n_taken, n_ended;

static void end_piece(void *data, void *hint)
{
    (void)data;
    (void)hint;
    n_ended++;
}

/* Full chunks are taken where they are, the last one is copied. */
static enum fusor_status take(void *context, struct payload_buffer **out)
{
    if (n_taken == 2)
        return FUSOR_EUSAGE;
    n_taken++;
    return payload_buffer_adopt(pool, context, MB, end_piece, NULL, out, NULL);
}

static void start_taking(size_t pool_bytes)
{
    struct assembler_options o = {.max_bytes = 8 * MB,
                                  .max_bytes_per_sender = 8 * MB,
                                  .max_open = 4,
                                  .max_open_per_sender = 2,
                                  .timeout_ms = 100,
                                  .take = take,
                                  .context = bytes};

    n_taken = n_ended = 0;
    REQUIRE(payload_pool_create(pool_bytes, &pool, NULL) == FUSOR_OK);
    o.pool = pool;
    REQUIRE(assembler_create(&o, &assembler, NULL) == FUSOR_OK);
    assembler_keep_pieces(assembler, WIRE_PUSH);
}

static void a_kind_may_stay_in_pieces(void)
{
    struct wire_message m;
    struct payload_buffer *kept;

    start_taking(64 * MB);
    CHECK(add(1, 1, 0, 1, 1, 0, &m) == FUSOR_EAGAIN);
    CHECK(add(1, 1, 0, 0, 1, 0, &m) == FUSOR_EAGAIN);
    REQUIRE(add(1, 1, 0, 2, 3, 0, &m) == FUSOR_OK);
    CHECK(!m.payload && !m.buffer && m.n_pieces == 3 &&
          m.size == 2 * MB + MB / 2);
    CHECK(m.pieces[0]->data == bytes && m.pieces[2]->data != bytes &&
          m.pieces[2]->size == MB / 2 && m.pieces[2]->data[5] == 3);
    kept = payload_buffer_ref(m.pieces[1]);
    assembler_let_go(assembler);
    CHECK(n_ended == 1); // the other is held
    payload_buffer_unref(kept);
    CHECK(n_ended == 2 && assembler_stats(assembler).open_bytes == 0);
    finish();
}

static void a_piece_without_room_comes_again(void)
{
    struct wire_message m;

    start_taking(MB + MB / 2);
    CHECK(add(1, 1, 0, 0, 1, 0, &m) == FUSOR_EAGAIN);
    CHECK(add(1, 1, 0, 1, 1, 0, &m) == FUSOR_EAGAIN);
    CHECK(assembler_stats(assembler).refused == 1);
    assembler_forget(assembler, 1);
    CHECK(n_ended == 1 && payload_pool_bytes(pool) == 0);
    n_taken = 0;
    CHECK(add(1, 2, 0, 1, 1, 0, &m) == FUSOR_EAGAIN); // there is room again
    CHECK(assembler_stats(assembler).refused == 1);
    finish();
    CHECK(n_ended == 2);
}

static void nothing_leaks(void)
{
    size_t before = mem_used();
    struct wire_message m;

    start(8 * MB, 8 * MB);
    add(1, 1, 0, 0, 1, 0, &m);
    add(1, 1, 3, 0, 1, 0, &m);
    finish();
    CHECK(mem_used() == before);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"one chunk passes uncopied", one_chunk_passes_uncopied},
        {"chunks come in any order", chunks_come_in_any_order},
        {"senders and requests do not mix", senders_and_requests_do_not_mix},
        {"duplicates are dropped", duplicates_are_dropped},
        {"a resent request starts over", a_resent_request_starts_over},
        {"budgets hold", budgets_hold},
        {"a message that can never fit is an error",
         a_message_that_can_never_fit_is_an_error},
        {"the silent are given up", the_silent_are_given_up},
        {"a dead sender is forgotten", a_dead_sender_is_forgotten},
        {"contradictions are errors", contradictions_are_errors},
        {"a kind may stay in pieces", a_kind_may_stay_in_pieces},
        {"a piece without room comes again", a_piece_without_room_comes_again},
        {"nothing leaks", nothing_leaks},
    };
    return TEST_RUN("wire.assembler", cases);
}
