/* wire/header: round trips, and nothing from outside gets through unless it is
 * exactly what we would have sent. */
#include <string.h>

#include "base/rng.h"
#include "harness.h"
#include "pb/fusor.pb-c.h"
#include "wire/header.h"

#define N_FUZZ 200000

static struct wire_header sample(void)
{
    return (struct wire_header){.kind = WIRE_PUSH,
                                .job = 0x1122334455667788u,
                                .epoch = 3,
                                .lease = 4,
                                .term = 5,
                                .index = 1ull << 40,
                                .clock = 77,
                                .worker = 6,
                                .shard = 7,
                                .incarnation = 8,
                                .attempt = 9,
                                .request = 10,
                                .chunk = 2,
                                .n_chunks = 3,
                                .total_bytes = 2 * WIRE_CHUNK_BYTES + 1,
                                .status = FUSOR_EAGAIN,
                                .samples = 512,
                                .flags = 12,
                                .a = UINT64_MAX,
                                .b = 13,
                                .credit = 1ull << 33};
}

static int same(const struct wire_header *x, const struct wire_header *y)
{
    return x->kind == y->kind && x->job == y->job && x->epoch == y->epoch &&
           x->lease == y->lease && x->term == y->term && x->index == y->index &&
           x->clock == y->clock && x->worker == y->worker &&
           x->shard == y->shard && x->incarnation == y->incarnation &&
           x->attempt == y->attempt && x->request == y->request &&
           x->chunk == y->chunk && x->n_chunks == y->n_chunks &&
           x->total_bytes == y->total_bytes && x->status == y->status &&
           x->samples == y->samples && x->flags == y->flags && x->a == y->a &&
           x->b == y->b && x->credit == y->credit;
}

static void every_field_comes_back(void)
{
    struct wire_header h = sample(), back;
    uint8_t bytes[WIRE_HEADER_MAX];
    size_t n = wire_header_encode(&h, bytes);

    CHECK(n <= WIRE_HEADER_MAX);
    REQUIRE(wire_header_decode(bytes, n, &back, NULL) == FUSOR_OK);
    CHECK(same(&h, &back));
}

static void the_fullest_header_fits(void)
{
    struct wire_header h, back;
    uint8_t bytes[WIRE_HEADER_MAX];
    size_t n;

    memset(&h, 0xff, sizeof(h));
    h.kind = WIRE_KIND_END - 1;
    h.n_chunks = WIRE_CHUNKS_MAX;
    h.chunk = WIRE_CHUNKS_MAX - 1;
    h.total_bytes = WIRE_TOTAL_MAX;
    h.status = FUSOR_ERESUME;
    n = wire_header_encode(&h, bytes);
    CHECK(n <= WIRE_HEADER_MAX);
    REQUIRE(wire_header_decode(bytes, n, &back, NULL) == FUSOR_OK);
    CHECK(same(&h, &back));
}

static void an_unset_number_of_chunks_is_one(void)
{
    struct wire_header h = {.kind = WIRE_PING}, back;
    uint8_t bytes[WIRE_HEADER_MAX];
    size_t n = wire_header_encode(&h, bytes);

    REQUIRE(wire_header_decode(bytes, n, &back, NULL) == FUSOR_OK);
    CHECK(back.n_chunks == 1 && back.total_bytes == 0);
    CHECK(n < 20);
}

/* Pack m behind a good prefix and decode it. */
static enum fusor_status decode_pb(const Fusor__Pb__Header *m)
{
    uint8_t bytes[WIRE_HEADER_MAX] = {WIRE_MAGIC, WIRE_VERSION};
    struct wire_header untouched = {.kind = WIRE_NONE}, h = untouched;
    size_t n = fusor__pb__header__pack(m, bytes + WIRE_PREFIX_BYTES);
    enum fusor_status rc =
        wire_header_decode(bytes, n + WIRE_PREFIX_BYTES, &h, NULL);

    if (rc != FUSOR_OK)
        CHECK(same(&h, &untouched));
    return rc;
}

static void values_out_of_range_are_refused(void)
{
    Fusor__Pb__Header good = FUSOR__PB__HEADER__INIT, m;

    good.kind = WIRE_PUSH;
    good.n_chunks = 1;
    CHECK(decode_pb(&good) == FUSOR_OK);
    m = good, m.kind = 0;
    CHECK(decode_pb(&m) == FUSOR_EPROTO);
    m = good, m.kind = WIRE_KIND_END;
    CHECK(decode_pb(&m) == FUSOR_EPROTO);
    m = good, m.n_chunks = 0;
    CHECK(decode_pb(&m) == FUSOR_EPROTO);
    m = good, m.chunk = 1;
    CHECK(decode_pb(&m) == FUSOR_EPROTO);
    m = good, m.n_chunks = 2; // but no bytes for them
    CHECK(decode_pb(&m) == FUSOR_EPROTO);
    m = good, m.total_bytes = WIRE_TOTAL_MAX + 1;
    m.n_chunks = WIRE_CHUNKS_MAX + 1;
    CHECK(decode_pb(&m) == FUSOR_EPROTO);
    m = good, m.total_bytes = UINT64_MAX; // the rounding up overflows
    CHECK(decode_pb(&m) == FUSOR_EPROTO);
    m = good, m.status = 1000;
    CHECK(decode_pb(&m) == FUSOR_EPROTO);
}

static void a_foreign_prefix_is_refused_and_named(void)
{
    struct wire_header h = sample();
    struct fusor_error err;
    uint8_t bytes[WIRE_HEADER_MAX];
    size_t n = wire_header_encode(&h, bytes);

    bytes[0] = 'G';
    CHECK(wire_header_decode(bytes, n, &h, &err) == FUSOR_EPROTO);
    CHECK(strstr(err.text, "not a fusor message") != NULL);
    bytes[0] = WIRE_MAGIC, bytes[1] = WIRE_VERSION + 1;
    CHECK(wire_header_decode(bytes, n, &h, &err) == FUSOR_EPROTO);
    CHECK(strstr(err.text, "version") != NULL);
    bytes[1] = WIRE_VERSION, bytes[3] = 0x80;
    CHECK(wire_header_decode(bytes, n, &h, &err) == FUSOR_EPROTO);
    CHECK(strstr(err.text, "feature") != NULL);
}

/* Protobuf itself takes all of these. */
static void a_second_way_to_write_it_is_refused(void)
{
    static const uint8_t kind[] = {0x0d, 1, 0, 0, 0}; // field 1, fixed32
    static const uint8_t chunks[] = {0x1d, 1, 0, 0, 0};
    static const uint8_t zero[] = {0x15, 0, 0, 0, 0};
    static const uint8_t unknown[] = {0x98, 0x06, 1}; // field 99, varint
    uint8_t bytes[64] = {WIRE_MAGIC, WIRE_VERSION};
    struct wire_header h;

    memcpy(bytes + 4, kind, 5), memcpy(bytes + 9, chunks, 5);
    CHECK(wire_header_decode(bytes, 14, &h, NULL) == FUSOR_OK);
    memcpy(bytes + 4, chunks, 5), memcpy(bytes + 9, kind, 5); // reordered
    CHECK(wire_header_decode(bytes, 14, &h, NULL) == FUSOR_EPROTO);
    memcpy(bytes + 4, kind, 5), memcpy(bytes + 9, zero, 5); // explicit zero
    memcpy(bytes + 14, chunks, 5);
    CHECK(wire_header_decode(bytes, 19, &h, NULL) == FUSOR_EPROTO);
    memcpy(bytes + 9, chunks, 5); // repeated
    CHECK(wire_header_decode(bytes, 19, &h, NULL) == FUSOR_EPROTO);
    memcpy(bytes + 14, unknown, 3);
    CHECK(wire_header_decode(bytes, 17, &h, NULL) == FUSOR_EPROTO);
}

/* Whatever is accepted must be what we would have sent. */
static void check_fuzzed(const uint8_t *bytes, size_t n)
{
    struct wire_header h;
    uint8_t again[WIRE_HEADER_MAX];

    if (wire_header_decode(bytes, n, &h, NULL) != FUSOR_OK)
        return;
    REQUIRE(wire_header_encode(&h, again) == n);
    REQUIRE(!memcmp(again, bytes, n));
}

/* A header cut between two fields is a header with less in it; libzmq's frames
 * are never cut. */
static void cut_inside_a_field_or_too_long_is_refused(void)
{
    struct wire_header h = sample();
    uint8_t bytes[2 * WIRE_HEADER_MAX] = {0};
    size_t n = wire_header_encode(&h, bytes);
    int refused = 0;

    for (size_t i = 0; i < n; i++) {
        refused += wire_header_decode(bytes, i, &h, NULL) == FUSOR_EPROTO;
        check_fuzzed(bytes, i);
    }
    CHECK(refused > (int)n - 23); // one cut a field may pass
    for (size_t i = n + 1; i < sizeof(bytes); i++)
        CHECK(wire_header_decode(bytes, i, &h, NULL) == FUSOR_EPROTO);
}

static void hostile_bytes_do_no_harm(void)
{
    struct rng r = rng_stream(1, RNG_TEST, 0, 0);
    struct wire_header good = sample();
    uint8_t bytes[WIRE_HEADER_MAX];

    for (int i = 0; i < N_FUZZ; i++) {
        size_t n = rng_below(&r, WIRE_HEADER_MAX + 1);
        uint64_t edits = 1 + rng_below(&r, 4);

        if (i % 2) { // a good header with some bytes changed, maybe cut
            n = wire_header_encode(&good, bytes);
            while (edits--)
                bytes[rng_below(&r, n)] = (uint8_t)rng_u64(&r);
            if (rng_below(&r, 4) == 0)
                n = rng_below(&r, n + 1);
        } else {
            for (size_t k = 0; k < n; k++)
                bytes[k] = (uint8_t)rng_u64(&r);
            bytes[0] = WIRE_MAGIC, bytes[1] = WIRE_VERSION;
            bytes[2] = bytes[3] = 0;
        }
        check_fuzzed(bytes, n);
    }
}

static void every_kind_has_a_name(void)
{
    for (int k = WIRE_NONE + 1; k < WIRE_KIND_END; k++)
        CHECK(strcmp(wire_kind_name((enum wire_kind)k), "?") != 0);
    CHECK(!strcmp(wire_kind_name(WIRE_COMMAND), "command"));
    CHECK(!strcmp(wire_kind_name(WIRE_NONE), "?"));
    CHECK(!strcmp(wire_kind_name((enum wire_kind)12345), "?"));
}

/* The bytes of version 2: they change with WIRE_VERSION or never. */
static void the_bytes_of_version_2_stay(void)
{
    static const uint8_t golden[] = {0xf5, 2,    0, 0, 0x0d, 2, 0,    0,
                                     0,    0x1d, 1, 0, 0,    0, 0x21, 7,
                                     0,    0,    0, 0, 0,    0, 0};
    struct wire_header h = {.kind = WIRE_PING, .request = 7};
    uint8_t bytes[WIRE_HEADER_MAX];
    size_t n = wire_header_encode(&h, bytes);

    REQUIRE(n == sizeof(golden));
    CHECK(!memcmp(bytes, golden, n));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every field comes back", every_field_comes_back},
        {"the fullest header fits", the_fullest_header_fits},
        {"an unset number of chunks is one", an_unset_number_of_chunks_is_one},
        {"values out of range are refused", values_out_of_range_are_refused},
        {"a foreign prefix is refused and named",
         a_foreign_prefix_is_refused_and_named},
        {"cut inside a field or too long is refused",
         cut_inside_a_field_or_too_long_is_refused},
        {"a second way to write it is refused",
         a_second_way_to_write_it_is_refused},
        {"hostile bytes do no harm", hostile_bytes_do_no_harm},
        {"every kind has a name", every_kind_has_a_name},
        {"the bytes of version 2 stay", the_bytes_of_version_2_stay},
    };
    return TEST_RUN("wire.header", cases);
}
