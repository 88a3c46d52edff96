/* wire/payload cursors: what is written is read back in place; nothing is read
 * or written beyond the end. */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"
#include "wire/payload.h"

static _Alignas(8) uint8_t room[1024];

static void sections_come_back_in_place(void)
{
    static const uint32_t small[] = {1, 2, 3};
    static const uint64_t keys[] = {UINT64_MAX, 5};
    struct payload_writer w;
    struct payload_reader r;
    const uint32_t *u;
    const uint64_t *k;
    const float *f;
    float *fill;
    size_t n;

    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64(&w, 42);
    payload_put_u32s(&w, small, 3);
    payload_put_u64s(&w, keys, 2);
    fill = payload_reserve_f32s(&w, 1);
    REQUIRE(fill != NULL);
    fill[0] = 1.5f;
    payload_put_bytes(&w, "hello", 5);
    CHECK(!w.failed && w.used % 8 == 0);

    payload_reader_init(&r, room, w.used);
    CHECK(payload_get_u64(&r) == 42);
    u = payload_get_u32s(&r, &n);
    REQUIRE(u && n == 3);
    CHECK(u[2] == 3 && (const uint8_t *)u > room);
    k = payload_get_u64s(&r, &n);
    REQUIRE(k && n == 2);
    CHECK(k[0] == UINT64_MAX);
    f = payload_get_f32s(&r, &n);
    REQUIRE(f && n == 1);
    CHECK(f[0] == 1.5f);
    CHECK(!memcmp(payload_get_bytes(&r, &n), "hello", 5) && n == 5);
    CHECK(payload_reader_finish(&r, "test", NULL) == FUSOR_OK);
}

static void the_size_of_a_section_is_known_before(void)
{
    struct payload_writer w;

    for (size_t n = 0; n < 20; n++) {
        payload_writer_init(&w, room, sizeof(room));
        REQUIRE(payload_reserve_u32s(&w, n) != NULL);
        CHECK(w.used == payload_section_bytes(n, 4));
    }
}

static void padding_is_zero(void)
{
    struct payload_writer w;

    memset(room, 0xff, sizeof(room));
    payload_writer_init(&w, room, sizeof(room));
    payload_put_bytes(&w, "a", 1);
    for (int i = 9; i < 16; i++)
        CHECK(room[i] == 0);
    CHECK(room[16] == 0xff);
}

static void a_full_writer_fails_and_stays_failed(void)
{
    struct payload_writer w;

    memset(room, 0xee, sizeof(room));
    payload_writer_init(&w, room, 20);
    CHECK(payload_reserve_u64s(&w, 2) == NULL);
    CHECK(w.failed && w.used == 0);
    payload_put_u64(&w, 1);
    CHECK(w.used == 0 && room[0] == 0xee);
    payload_writer_init(&w, room, 20);
    CHECK(payload_reserve_u64s(&w, SIZE_MAX / 4) == NULL);
    payload_writer_init(&w, room, 20);
    CHECK(payload_reserve_u32s(&w, SIZE_MAX / 4) == NULL);
}

static void a_count_that_lies_is_caught(void)
{
    static const uint64_t counts[] = {3, 1000, UINT64_MAX, UINT64_MAX / 8,
                                      1ull << 61};
    struct payload_reader r;
    size_t n;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        memcpy(room, &counts[i], 8);
        payload_reader_init(&r, room, 24);
        CHECK(payload_get_u64s(&r, &n) == NULL && n == 0);
        CHECK(payload_get_u64(&r) == 0);
        CHECK(payload_reader_finish(&r, "test", NULL) == FUSOR_EPROTO);
    }
}

static void the_padding_must_be_there_too(void)
{
    struct payload_reader r;
    uint64_t count = 1;
    size_t n;

    memcpy(room, &count, 8);
    payload_reader_init(&r, room, 12);
    CHECK(payload_get_u32s(&r, &n) == NULL && n == 0);
}

static void bytes_left_over_are_an_error(void)
{
    struct payload_reader r;
    struct fusor_error err;

    payload_reader_init(&r, room, 16);
    payload_get_u64(&r);
    CHECK(payload_reader_finish(&r, "push", &err) == FUSOR_EPROTO);
    CHECK(!strncmp(err.text, "push:", 5));
}

static void a_crooked_start_is_refused(void)
{
    struct payload_reader r;

    payload_reader_init(&r, room + 1, 16);
    CHECK(r.failed);
}

static void hostile_payloads_do_no_harm(void)
{
    struct rng g = rng_stream(2, RNG_TEST, 0, 0);

    for (int i = 0; i < 20000; i++) {
        size_t size = rng_below(&g, 257), n;
        uint8_t *p = mem_alloc_raw(size, 1); // exact, for the sanitizer
        struct payload_reader r;

        REQUIRE(p != NULL);
        for (size_t k = 0; k < size; k++)
            p[k] = rng_below(&g, 4) ? 0 : (uint8_t)rng_below(&g, 40);
        payload_reader_init(&r, p, size);
        while (!r.failed && r.used < size) {
            const uint8_t *s = payload_get_bytes(&r, &n);

            for (size_t k = 0; s && k < n; k++)
                REQUIRE(s[k] < 40);
        }
        mem_free(p);
    }
}

static void a_buffer_is_written_through_a_cursor(void)
{
    struct payload_pool *pool;
    struct payload_buffer *b;
    struct payload_writer w;

    REQUIRE(payload_pool_create(1 << 20, &pool, NULL) == FUSOR_OK);
    REQUIRE(payload_buffer_take(pool, 100, &b, NULL) == FUSOR_OK);
    payload_writer_init_buffer(&w, b);
    payload_put_u64(&w, 9);
    CHECK(payload_writer_finish(&w, b, NULL) == FUSOR_OK);
    CHECK(b->size == 8);
    CHECK(payload_reserve_u64s(&w, b->capacity) == NULL);
    CHECK(payload_writer_finish(&w, b, NULL) == FUSOR_EINVAL);
    payload_buffer_unref(b);
    payload_pool_destroy(pool);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"sections come back in place", sections_come_back_in_place},
        {"the size of a section is known before",
         the_size_of_a_section_is_known_before},
        {"padding is zero", padding_is_zero},
        {"a full writer fails and stays failed",
         a_full_writer_fails_and_stays_failed},
        {"a count that lies is caught", a_count_that_lies_is_caught},
        {"the padding must be there too", the_padding_must_be_there_too},
        {"bytes left over are an error", bytes_left_over_are_an_error},
        {"a crooked start is refused", a_crooked_start_is_refused},
        {"hostile payloads do no harm", hostile_payloads_do_no_harm},
        {"a buffer is written through a cursor",
         a_buffer_is_written_through_a_cursor},
    };
    return TEST_RUN("wire.payload", cases);
}
