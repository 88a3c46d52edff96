/* wire/chunk: a message is cut at fixed places, without a copy. */
#include "harness.h"
#include "wire/chunk.h"

static void the_number_of_chunks_follows_the_size(void)
{
    CHECK(chunk_count(0) == 1);
    CHECK(chunk_count(1) == 1);
    CHECK(chunk_count(WIRE_CHUNK_BYTES) == 1);
    CHECK(chunk_count(WIRE_CHUNK_BYTES + 1) == 2);
    CHECK(chunk_count(WIRE_TOTAL_MAX) == WIRE_CHUNKS_MAX);
    CHECK(chunk_count(WIRE_TOTAL_MAX + 1) == 0);
    CHECK(chunk_count(UINT64_MAX) == 0);
}

static void chunks_point_into_the_body(void)
{
    struct wire_header h = {.kind = WIRE_PUSH, .request = 5}, got;
    struct payload_pool *pool;
    struct payload_buffer *body;
    struct chunk_source s;
    struct chunk c;
    uint32_t n = 0;

    REQUIRE(payload_pool_create(8 << 20, &pool, NULL) == FUSOR_OK);
    REQUIRE(payload_buffer_take(pool, 3 << 20, &body, NULL) == FUSOR_OK);
    body->size = 2 * WIRE_CHUNK_BYTES + 7;
    REQUIRE(chunk_source_init(&s, &h, body, NULL) == FUSOR_OK);
    while (chunk_source_peek(&s, &c)) {
        REQUIRE(wire_header_decode(c.header, c.header_size, &got, NULL) ==
                FUSOR_OK);
        CHECK(got.chunk == n && got.n_chunks == 3 && got.request == 5);
        CHECK(got.total_bytes == body->size);
        CHECK(c.data == body->data + n * WIRE_CHUNK_BYTES);
        CHECK(c.size == (n < 2 ? WIRE_CHUNK_BYTES : 7));
        CHECK(chunk_source_peek(&s, &c)); // looking does not move on
        chunk_source_advance(&s);
        n++;
    }
    CHECK(n == 3);
    payload_buffer_unref(body);
    payload_pool_destroy(pool);
}

static void no_body_is_one_empty_chunk(void)
{
    struct wire_header h = {.kind = WIRE_PING};
    struct chunk_source s;
    struct chunk c;

    REQUIRE(chunk_source_init(&s, &h, NULL, NULL) == FUSOR_OK);
    REQUIRE(chunk_source_peek(&s, &c));
    CHECK(c.size == 0 && c.data == NULL);
    chunk_source_advance(&s);
    CHECK(!chunk_source_peek(&s, &c));
}

static void a_body_too_large_is_refused(void)
{
    struct wire_header h = {.kind = WIRE_PUSH};
    struct payload_buffer body = {.size = WIRE_TOTAL_MAX + 1};
    struct chunk_source s;

    CHECK(chunk_source_init(&s, &h, &body, NULL) == FUSOR_EINVAL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the number of chunks follows the size",
         the_number_of_chunks_follows_the_size},
        {"chunks point into the body", chunks_point_into_the_body},
        {"no body is one empty chunk", no_body_is_one_empty_chunk},
        {"a body too large is refused", a_body_too_large_is_refused},
    };
    return TEST_RUN("wire.chunk", cases);
}
