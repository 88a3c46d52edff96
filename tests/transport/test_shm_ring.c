/* A ring of shared memory: what goes in comes out, and no bytes of the other
 * side can make this one read outside. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"
#include "transport/shm_ring.h"

#define CAPACITY SHM_RING_MIN
#define FUZZ_ROUNDS 20000

static struct shm_control *control;
static uint8_t *bytes, *big;
static struct shm_sender out;
static struct shm_receiver in;

static void make(void)
{
    control = aligned_alloc(SHM_LINE, sizeof(*control));
    bytes = aligned_alloc(SHM_LINE, CAPACITY);
    big = mem_alloc(TRANSPORT_PAYLOAD_MAX, 1);
    REQUIRE(control && bytes && big);
    memset(control, 0, sizeof(*control));
    memset(bytes, 0, CAPACITY);
    out = (struct shm_sender){
        .control = control, .bytes = bytes, .capacity = CAPACITY};
    in = (struct shm_receiver){
        .control = control, .bytes = bytes, .capacity = CAPACITY};
}

static void drop(void)
{
    free(control);
    free(bytes);
    mem_free(big);
}

static enum fusor_status put(size_t n)
{
    struct payload p = {.data = big, .size = n};

    return shm_sender_put(&out, "head", 4, &p);
}

static void records_come_out_as_they_went_in(void)
{
    struct rng r = rng_stream(3, RNG_JOB, 0, 0);
    struct shm_record got;

    make();
    for (size_t i = 0; i < TRANSPORT_PAYLOAD_MAX; i++)
        big[i] = (uint8_t)(i * 2654435761u >> 11);
    for (int i = 0; i < 300; i++) {
        size_t most = i % 3 ? 3000 : TRANSPORT_PAYLOAD_MAX;
        size_t n = rng_u64(&r) % (most + 1);

        REQUIRE(put(n) == FUSOR_OK);
        REQUIRE(shm_receiver_take(&in, &got) == FUSOR_OK);
        CHECK(got.header_size == 4 && !memcmp(got.header, "head", 4));
        CHECK(got.payload_size == n && !memcmp(got.payload, big, n));
        CHECK(((uintptr_t)got.payload & (n >= 1024 ? 63 : 7)) == 0);
        shm_receiver_release(&in);
        CHECK(shm_receiver_take(&in, &got) == FUSOR_EAGAIN);
    }
    drop();
}

static void every_size_fits_an_empty_ring_wherever_it_stands(void)
{
    struct shm_record got;

    make();
    for (uint64_t at = 0; at < CAPACITY; at += 8192) {
        out.head = out.tail = in.tail = in.next = at;
        atomic_store(&control->head, at);
        atomic_store(&control->tail, at);
        REQUIRE(put(TRANSPORT_PAYLOAD_MAX) == FUSOR_OK);
        REQUIRE(shm_receiver_take(&in, &got) == FUSOR_OK);
        CHECK(got.payload_size == TRANSPORT_PAYLOAD_MAX);
        shm_receiver_release(&in);
    }
    drop();
}

static void a_full_ring_wakes_its_sender_once_there_is_room(void)
{
    struct shm_record got;
    int taken = 0, woken = 0;

    make();
    while (put(100000) == FUSOR_OK)
        taken++;
    CHECK(taken >= 40); // of 100,288 bytes: 41 in 4 MiB
    CHECK(!shm_sender_has_room(&out));
    for (int i = 0; i < taken; i++) {
        REQUIRE(shm_receiver_take(&in, &got) == FUSOR_OK);
        woken += shm_receiver_release(&in);
    }
    CHECK(woken == 1);
    CHECK(shm_sender_has_room(&out));
    CHECK(put(100000) == FUSOR_OK);
    drop();
}

static void a_sleeper_is_woken_once(void)
{
    make();
    REQUIRE(put(1) == FUSOR_OK);
    CHECK(!shm_sender_must_wake(&out)); // nobody sleeps
    atomic_store(&control->asleep, 1);
    REQUIRE(put(1) == FUSOR_OK);
    CHECK(shm_sender_must_wake(&out));
    CHECK(!shm_sender_must_wake(&out));
    drop();
}

/* What a take gives must lie inside. */
static void check_inside(const struct shm_record *got)
{
    const uint8_t *p = got->payload;

    CHECK(got->header_size >= 1 && got->header_size <= WIRE_HEADER_MAX);
    CHECK(p >= bytes && got->payload_size <= TRANSPORT_PAYLOAD_MAX &&
          p + got->payload_size <= bytes + CAPACITY);
}

static void random_indices_and_sizes_never_lead_outside(void)
{
    struct rng r = rng_stream(5, RNG_JOB, 0, 0);
    struct shm_record got;
    int taken = 0, refused = 0;

    make();
    for (int i = 0; i < FUZZ_ROUNDS; i++) {
        uint64_t at = rng_u64(&r) & ~(uint64_t)63, words[2];
        enum fusor_status rc;

        in.tail = in.next = at;
        words[0] = rng_u64(&r);
        words[1] = rng_u64(&r);
        if (i % 2) // small enough to be a record now and then
            words[0] &= 0x1fffff000001ffull;
        if (i % 5 == 0)
            words[0] |= UINT32_MAX; // a wrap
        memcpy(bytes + (at & (CAPACITY - 1)), words, 16);
        memcpy(bytes, &words[1], 8);
        atomic_store(&control->head,
                     i % 7 ? at + (words[1] & (2 * CAPACITY - 1) & ~63ull)
                           : rng_u64(&r));
        rc = shm_receiver_take(&in, &got);
        if (rc == FUSOR_OK) {
            check_inside(&got);
            taken++;
        } else {
            CHECK(rc == FUSOR_EPROTO || rc == FUSOR_EAGAIN);
            refused += rc == FUSOR_EPROTO;
        }
    }
    CHECK(taken > 100 && refused > 100); // both were tried
    drop();
}

static void a_receiver_s_wild_index_stops_the_sender(void)
{
    make();
    while (put(100000) == FUSOR_OK)
        ;
    atomic_store(&control->tail, out.head + 64);
    CHECK(put(1000000) == FUSOR_EPROTO);
    atomic_store(&control->tail, 1);
    CHECK(put(1000000) == FUSOR_EPROTO);
    drop();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"records come out as they went in", records_come_out_as_they_went_in},
        {"every size fits an empty ring wherever it stands",
         every_size_fits_an_empty_ring_wherever_it_stands},
        {"a full ring wakes its sender once there is room",
         a_full_ring_wakes_its_sender_once_there_is_room},
        {"a sleeper is woken once", a_sleeper_is_woken_once},
        {"random indices and sizes never lead outside",
         random_indices_and_sizes_never_lead_outside},
        {"a receiver's wild index stops the sender",
         a_receiver_s_wild_index_stops_the_sender},
    };

    return TEST_RUN("transport.shm_ring", cases);
}
