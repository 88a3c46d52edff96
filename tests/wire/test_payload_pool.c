/* wire/payload buffers: bounded, reused, dropped by any thread. */
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "wire/payload.h"

static void a_returned_buffer_is_used_again(void)
{
    struct payload_pool *pool;
    struct payload_buffer *a, *b;
    size_t held;

    REQUIRE(payload_pool_create(1 << 20, &pool, NULL) == FUSOR_OK);
    REQUIRE(payload_buffer_take(pool, 5000, &a, NULL) == FUSOR_OK);
    CHECK(a->capacity >= 5000 && a->capacity <= 5000 * 5 / 4 + 4096);
    CHECK(((uintptr_t)a->data & (MEM_ALIGN - 1)) == 0);
    held = payload_pool_bytes(pool);
    a->size = 17;
    payload_buffer_unref(a);
    CHECK(payload_pool_bytes(pool) == held);
    REQUIRE(payload_buffer_take(pool, 5000, &b, NULL) == FUSOR_OK);
    CHECK(a == b && b->size == 0);
    payload_buffer_unref(b);
    payload_pool_destroy(pool);
}

static void the_bound_is_kept(void)
{
    struct payload_pool *pool;
    struct payload_buffer *a, *b;
    struct fusor_error err;

    REQUIRE(payload_pool_create(10000, &pool, NULL) == FUSOR_OK);
    REQUIRE(payload_buffer_take(pool, 8192, &a, NULL) == FUSOR_OK);
    CHECK(payload_buffer_take(pool, 4096, &b, &err) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "raise") != NULL);
    payload_buffer_unref(a);
    /* The idle one makes room for another size. */
    REQUIRE(payload_buffer_take(pool, 4096, &b, NULL) == FUSOR_OK);
    CHECK(payload_pool_bytes(pool) == 4096);
    payload_buffer_unref(b);
    CHECK(payload_buffer_take(pool, SIZE_MAX, &b, NULL) == FUSOR_ENOMEM);
    payload_pool_destroy(pool);
}

static void the_last_buffer_takes_the_pool_along(void)
{
    size_t before = mem_used();
    struct payload_pool *pool;
    struct payload_buffer *a, *idle;

    REQUIRE(payload_pool_create(1 << 20, &pool, NULL) == FUSOR_OK);
    REQUIRE(payload_buffer_take(pool, 100, &a, NULL) == FUSOR_OK);
    REQUIRE(payload_buffer_take(pool, 100, &idle, NULL) == FUSOR_OK);
    payload_buffer_unref(idle);
    payload_pool_destroy(pool);
    a->data[99] = 1;
    payload_buffer_ref(a);
    payload_buffer_unref(a);
    payload_buffer_release(a->data, a);
    CHECK(mem_used() == before);
}

static void large_buffers_of_a_shared_pool_lie_in_its_region(void)
{
    size_t before = mem_used();
    struct payload_pool *pool;
    struct payload_region r;
    struct payload_buffer *large, *small, *again;
    uint8_t *at;

    REQUIRE(payload_pool_create(1 << 20, &pool, NULL) == FUSOR_OK);
    REQUIRE(payload_pool_share(pool, &r, NULL) == FUSOR_OK);
    REQUIRE(payload_buffer_take(pool, 100, &small, NULL) == FUSOR_OK);
    REQUIRE(payload_buffer_take(pool, 800000, &large, NULL) == FUSOR_OK);
    CHECK(small->data < r.base || small->data >= r.base + r.size);
    CHECK(large->data >= r.base && large->data + 800000 < r.base + r.size);
    memset(large->data, 7, 800000);
    at = large->data;
    payload_buffer_unref(large);
    /* Its bytes make room for another size, its place waits for its own. */
    REQUIRE(payload_buffer_take(pool, 500000, &again, NULL) == FUSOR_OK);
    CHECK(again->data != at && at[0] == 0);
    payload_buffer_unref(again);
    REQUIRE(payload_buffer_take(pool, 800000, &large, NULL) == FUSOR_OK);
    CHECK(large->data == at);
    payload_pool_destroy(pool);
    large->data[799999] = 1; // the region goes with the last buffer
    payload_buffer_unref(large);
    payload_buffer_unref(small);
    CHECK(mem_used() == before);
}

static void count(void *data, void *hint)
{
    (void)data;
    ++*(int *)hint;
}

static void borrowed_memory_is_given_back_once(void)
{
    size_t before = mem_used();
    char words[] = "of somebody else's";
    struct payload_pool *pool;
    struct payload_buffer *a, *b;
    int returned = 0;

    REQUIRE(payload_pool_create(4096, &pool, NULL) == FUSOR_OK);
    mem_fail_after(1);
    CHECK(payload_buffer_borrow(pool, words, sizeof(words), count, &returned,
                                &a, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
    REQUIRE(payload_buffer_borrow(pool, words, sizeof(words), count, &returned,
                                  &a, NULL) == FUSOR_OK);
    CHECK((char *)a->data == words && a->size == sizeof(words));
    CHECK(payload_pool_bytes(pool) == 0);
    payload_buffer_ref(a);
    payload_buffer_unref(a);
    CHECK(returned == 0);
    payload_buffer_unref(a);
    CHECK(returned == 1);
    REQUIRE(payload_buffer_borrow(pool, words, 1, count, &returned, &b, NULL) ==
            FUSOR_OK);
    CHECK(a == b); // the shell is used again
    payload_pool_destroy(pool);
    payload_buffer_unref(b);
    CHECK(returned == 2 && mem_used() == before);
}

static void failed_memory_leaves_the_pool_sound(void)
{
    size_t before = mem_used();
    struct payload_pool *pool;
    struct payload_buffer *a;

    mem_fail_after(1);
    CHECK(payload_pool_create(1 << 20, &pool, NULL) == FUSOR_ENOMEM);
    REQUIRE(payload_pool_create(1 << 20, &pool, NULL) == FUSOR_OK);
    for (long n = 1; n <= 2; n++) {
        mem_fail_after(n);
        CHECK(payload_buffer_take(pool, 100, &a, NULL) == FUSOR_ENOMEM);
        CHECK(payload_pool_bytes(pool) == 0);
    }
    mem_fail_after(0);
    REQUIRE(payload_buffer_take(pool, 100, &a, NULL) == FUSOR_OK);
    payload_buffer_unref(a);
    payload_pool_destroy(pool);
    CHECK(mem_used() == before);
}

#define N_THREADS 4
#define N_ROUNDS 2000

static void *take_and_drop(void *arg)
{
    struct payload_pool *pool = arg;

    for (int i = 0; i < N_ROUNDS; i++) {
        struct payload_buffer *b;

        if (payload_buffer_take(pool, 1000, &b, NULL) != FUSOR_OK)
            return pool; // 4 threads never hold more than the bound
        memset(b->data, i, 1000);
        payload_buffer_unref(b);
    }
    return NULL;
}

static void threads_share_a_pool(void)
{
    pthread_t threads[N_THREADS];
    struct payload_pool *pool;

    REQUIRE(payload_pool_create(N_THREADS * 4096, &pool, NULL) == FUSOR_OK);
    for (int i = 0; i < N_THREADS; i++)
        REQUIRE(!pthread_create(&threads[i], NULL, take_and_drop, pool));
    for (int i = 0; i < N_THREADS; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        CHECK(failed == NULL);
    }
    CHECK(payload_pool_bytes(pool) <= N_THREADS * 4096);
    payload_pool_destroy(pool);
}

static void what_is_adopted_counts(void)
{
    static _Alignas(8) uint8_t words[8192];
    struct payload_pool *pool;
    struct payload_buffer *b, *c;
    int returned = 0;

    REQUIRE(payload_pool_create(10000, &pool, NULL) == FUSOR_OK);
    REQUIRE(!payload_buffer_adopt(pool, words, sizeof(words), count, &returned,
                                  &b, NULL));
    CHECK(payload_pool_bytes(pool) == sizeof(words) && !b->read_only);
    CHECK(payload_buffer_adopt(pool, words, sizeof(words), count, &returned, &c,
                               NULL) == FUSOR_ENOMEM);
    CHECK(returned == 0);
    payload_buffer_unref(b);
    CHECK(returned == 1 && payload_pool_bytes(pool) == 0);
    payload_pool_destroy(pool);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a returned buffer is used again", a_returned_buffer_is_used_again},
        {"the bound is kept", the_bound_is_kept},
        {"the last buffer takes the pool along",
         the_last_buffer_takes_the_pool_along},
        {"large buffers of a shared pool lie in its region",
         large_buffers_of_a_shared_pool_lie_in_its_region},
        {"borrowed memory is given back once",
         borrowed_memory_is_given_back_once},
        {"failed memory leaves the pool sound",
         failed_memory_leaves_the_pool_sound},
        {"threads share a pool", threads_share_a_pool},
        {"what is adopted counts", what_is_adopted_counts},
    };
    return TEST_RUN("wire.payload_pool", cases);
}
