/* Tests of ps/room: what must fit at once, and the words where it does not. */
#include "ps/room.h"

#include <string.h>

#include "harness.h"
#include "wire/chunk.h"

static void chunks_take_what_they_have(void)
{
    CHECK(room_of_chunks(0) == 0);
    CHECK(room_of_chunks(1) == payload_buffer_cost(1));
    CHECK(room_of_chunks(WIRE_CHUNK_BYTES) == WIRE_CHUNK_BYTES);
    CHECK(room_of_chunks(9 * (uint64_t)WIRE_CHUNK_BYTES) ==
          9 * (uint64_t)WIRE_CHUNK_BYTES); // one buffer of it takes 10
    CHECK(room_of_chunks(2 * (uint64_t)WIRE_CHUNK_BYTES + 5000) ==
          2 * (uint64_t)WIRE_CHUNK_BYTES + payload_buffer_cost(5000));
}

/* Leases of 4 micro-batches over 3 are [0,1) [1,2) [2,4): a node each; of 16:
 * [0,5) is 4+1, [5,10) is 1+2+2, [10,16) is 2+4. */
static void dense_floats_come_once_a_node(void)
{
    CHECK(room_of_dense(2, 4, 100) == 200);
    CHECK(room_of_dense(3, 4, 100) == 300);
    CHECK(room_of_dense(3, 16, 100) == 700);
    CHECK(room_of_dense(16, 16, 100) == 1600);
    CHECK(room_of_dense(1, 16, 100) == 0); // applied as it lies
    CHECK(room_of_dense(2, 0, 100) == 0);  // not known
    CHECK(room_of_dense(2, 17, 100) == 0);
}

static void what_is_kept_and_needed_fits_or_not(void)
{
    struct room_facts f = {.memory = 100, .kept = 60, .need = 40};

    CHECK(room_fits(&f));
    f.need = 41;
    CHECK(!room_fits(&f));
    f.need = UINT64_MAX; // no sum of it is made
    CHECK(!room_fits(&f));
    f = (struct room_facts){.memory = 100, .kept = 101};
    CHECK(!room_fits(&f));
    f.kept = 100;
    CHECK(room_fits(&f));
}

static void a_failure_says_what_where_and_what_to_do(void)
{
    struct room_facts f = {.memory = 4 << 20, .kept = 3 << 20, .need = 2 << 20};
    struct fusor_error err;

    CHECK(room_fail_unit(&f, &err) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "5.0 MiB") != NULL);
    CHECK(strstr(err.text, "4.0 MiB") != NULL);
    CHECK(strstr(err.text, "cluster.message_memory") != NULL);
    CHECK(strstr(err.text, "cluster.staleness") != NULL);
    CHECK(room_fail_message(&f, "keys", 7, 8 << 20, &err) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "keys of shard 7") != NULL);
    CHECK(strstr(err.text, "2.0 MiB") != NULL);
    CHECK(strstr(err.text, "8.0 MiB") != NULL);
    CHECK(room_fail_step(&f, "values", &err) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "values") != NULL);
    CHECK(strstr(err.text, "3.0 MiB") != NULL);
    CHECK(strstr(err.text, "cluster.message_memory") != NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"chunks take what they have", chunks_take_what_they_have},
        {"dense floats come once a node", dense_floats_come_once_a_node},
        {"what is kept and needed fits or not",
         what_is_kept_and_needed_fits_or_not},
        {"a failure says what, where and what to do",
         a_failure_says_what_where_and_what_to_do},
    };
    return TEST_RUN("ps.room", cases);
}
