/* wire/payload_view: bytes are found and read wherever a piece ends. */
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "wire/header.h"
#include "wire/payload.h"

#define MB WIRE_CHUNK_BYTES
#define N (2 * MB + 4096)

static struct payload_pool *pool;
static struct payload_buffer *whole, *pieces[3];
static struct payload_view cut;

/* Two sections, the second over both ends of pieces. */
static void start(void)
{
    size_t n = (N - 8 * 4) / 4;
    struct payload_writer w;
    uint32_t *u;

    REQUIRE(!payload_pool_create(64 * MB, &pool, NULL));
    REQUIRE(!payload_buffer_take(pool, N, &whole, NULL));
    payload_writer_init(&w, whole->data, N);
    payload_put_u64(&w, 77);
    payload_put_bytes(&w, "abc", 3);
    u = payload_reserve_u32s(&w, n);
    REQUIRE(u != NULL);
    for (uint32_t i = 0; i < n; i++)
        u[i] = i;
    REQUIRE(!payload_writer_finish(&w, whole, NULL));
    for (size_t i = 0; i < 3; i++) {
        size_t size = i < 2 ? MB : whole->size - 2 * MB;

        REQUIRE(!payload_buffer_take(pool, size, &pieces[i], NULL));
        memcpy(pieces[i]->data, whole->data + i * MB, size);
        pieces[i]->size = size;
    }
    cut = (struct payload_view){
        .pieces = pieces, .n_pieces = 3, .size = whole->size};
}

static void finish(void)
{
    payload_buffer_unref(whole);
    for (int i = 0; i < 3; i++)
        payload_buffer_unref(pieces[i]);
    payload_pool_destroy(pool);
    CHECK(mem_used() == 0);
}

static void a_byte_is_found_in_its_piece(void)
{
    struct payload_view one;
    size_t n;

    start();
    one = (struct payload_view){.data = whole->data, .size = whole->size};
    CHECK(payload_view_at(&one, MB + 8, &n) == whole->data + MB + 8 &&
          n == whole->size - MB - 8);
    CHECK(payload_view_at(&cut, MB + 8, &n) == pieces[1]->data + 8 &&
          n == MB - 8);
    CHECK(payload_view_at(&cut, 2 * MB, &n) == pieces[2]->data &&
          n == pieces[2]->size);
    finish();
}

static void copies_go_over_ends(void)
{
    struct payload_buffer *joined;
    uint8_t some[64];

    start();
    payload_view_copy(&cut, MB - 20, sizeof(some), some);
    CHECK(!memcmp(some, whole->data + MB - 20, sizeof(some)));
    REQUIRE(!payload_view_join(&cut, pool, &joined, NULL));
    CHECK(joined->size == whole->size &&
          !memcmp(joined->data, whole->data, whole->size));
    payload_buffer_unref(joined);
    finish();
}

static void sections_are_gone_over_in_pieces(void)
{
    struct payload_reader r;
    uint32_t x;
    size_t n, at;

    start();
    payload_reader_init_view(&r, &cut);
    CHECK(payload_get_u64(&r) == 77);
    CHECK(payload_skip_section(&r, 1, &n) == 16 && n == 3);
    at = payload_skip_section(&r, 4, &n);
    CHECK(at == 32 && n == (N - 32) / 4);
    CHECK(!payload_reader_finish(&r, "test", NULL));
    payload_view_copy(&cut, at + (n - 1) * 4, 4, &x);
    CHECK(x == n - 1);
    finish();
}

/* What must stand together and does not is refused, as what is not there. */
static void what_is_cut_is_not_given_as_one(void)
{
    struct payload_reader r;
    size_t n;

    start();
    payload_reader_init_view(&r, &cut);
    payload_get_u64(&r);
    payload_get_bytes(&r, &n);
    CHECK(n == 3 && !r.failed);
    CHECK(payload_get_u32s(&r, &n) == NULL && n == 0 && r.failed);
    cut.size -= 8;
    payload_reader_init_view(&r, &cut);
    payload_get_u64(&r);
    payload_skip_section(&r, 1, &n);
    CHECK(payload_skip_section(&r, 4, &n) == 0 && n == 0 && r.failed);
    CHECK(payload_reader_finish(&r, "test", NULL) == FUSOR_EPROTO);
    finish();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a byte is found in its piece", a_byte_is_found_in_its_piece},
        {"copies go over ends", copies_go_over_ends},
        {"sections are gone over in pieces", sections_are_gone_over_in_pieces},
        {"what is cut is not given as one", what_is_cut_is_not_given_as_one},
    };

    return TEST_RUN("wire.payload_view", cases);
}
