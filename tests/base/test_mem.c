/* Allocation. */
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"

#include "harness.h"

static void alloc_is_zeroed_and_aligned(void)
{
    unsigned char *p = mem_alloc(100, 3);
    int sum = 0;

    REQUIRE(p != NULL);
    CHECK((uintptr_t)p % MEM_ALIGN == 0);
    for (int i = 0; i < 300; i++)
        sum += p[i];
    CHECK(sum == 0);
    mem_free(p);
}

static void nothing_is_a_valid_pointer(void)
{
    void *p = mem_alloc(0, 8);

    CHECK(p != NULL);
    mem_free(p);
    mem_free(NULL);
}

static void overflow_is_refused(void)
{
    CHECK(mem_alloc(SIZE_MAX / 2, 3) == NULL);
    CHECK(mem_alloc(SIZE_MAX, 1) == NULL);
    CHECK(mem_alloc_raw(SIZE_MAX - 100, 1) == NULL);
}

static void bytes_are_counted(void)
{
    size_t before = mem_used();
    char *a = mem_alloc(10, 10), *b = mem_strdup("four");

    CHECK(mem_used() == before + 105);
    CHECK(strcmp(b, "four") == 0);
    mem_free(a);
    mem_free(b);
    CHECK(mem_used() == before);
}

static void grow_keeps_and_zeroes(void)
{
    int *p = mem_alloc(2, sizeof(int)), *q;

    p[0] = 1;
    p[1] = 2;
    q = mem_grow(p, 2, 5, sizeof(int));
    REQUIRE(q != NULL);
    CHECK(q[0] == 1 && q[1] == 2 && q[2] == 0 && q[4] == 0);
    q = mem_grow(q, 5, 1, sizeof(int));
    CHECK(q[0] == 1);
    mem_free(q);
}

static void failed_grow_keeps_the_old(void)
{
    int *p = mem_alloc(1, sizeof(int));

    p[0] = 7;
    CHECK(mem_grow(p, 1, SIZE_MAX / 2, sizeof(int)) == NULL);
    CHECK(p[0] == 7);
    mem_free(p);
}

static void the_chosen_allocation_fails(void)
{
    void *a, *b, *c;

    mem_fail_after(2);
    a = mem_alloc(1, 1);
    b = mem_alloc(1, 1);
    c = mem_alloc(1, 1);
    CHECK(a != NULL && b == NULL && c != NULL);
    mem_fail_after(1);
    mem_fail_after(0);
    mem_free(b);
    b = mem_alloc(1, 1);
    CHECK(b != NULL);
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

static void reserve_makes_room_for_one(void)
{
    void *array = NULL;
    size_t cap = 0;

    for (size_t n = 0; n < 100; n++) {
        REQUIRE(mem_reserve(&array, n, &cap, sizeof(size_t)) == 0);
        ((size_t *)array)[n] = n;
    }
    CHECK(cap >= 100);
    for (size_t n = 0; n < 100; n++)
        CHECK(((size_t *)array)[n] == n);
    mem_fail_after(1);
    CHECK(mem_reserve(&array, cap, &cap, sizeof(size_t)) == -1);
    CHECK(((size_t *)array)[99] == 99);
    mem_free(array);
}

static void exhaustion_is_said(void)
{
    struct fusor_error err = {0};

    CHECK(mem_fail(&err, "table", 64) == FUSOR_ENOMEM);
    CHECK(strcmp(err.text, "table: no memory for 64 bytes") == 0);
}

/* Blocks of a mebibyte that come and go, as messages do. */
static long faults_of_a_round(void)
{
    struct rusage before, after;
    void *blocks[16];

    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 16; i++) {
        blocks[i] = mem_alloc_raw(1 << 20, 1);
        REQUIRE(blocks[i] != NULL);
        memset(blocks[i], 1, 1 << 20);
    }
    for (int i = 0; i < 16; i++)
        mem_free(blocks[i]);
    getrusage(RUSAGE_SELF, &after);
    return after.ru_minflt - before.ru_minflt;
}

static void what_is_freed_may_stay(void)
{
    long faults = 0;

    mem_keep_freed((size_t)64 << 20);
    for (int i = 0; i < 8; i++) // the heap finds its shape
        faults = faults_of_a_round();
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
    CHECK(faults < 100); // of 4096 pages
#else
    CHECK(faults >= 0);
#endif
}

static void large_zeros_take_no_memory_until_touched(void)
{
    struct mem_resident before = mem_resident(), after;
    size_t n = (size_t)64 << 20;
    unsigned char *p = mem_alloc(n + 100, 1), *again;

    REQUIRE(p != NULL);
    CHECK(before.all >= before.own && before.most >= before.all);
    CHECK(p[0] == 0 && p[n / 2] == 0 && p[n + 99] == 0);
#ifndef __SANITIZE_THREAD__ // it writes about every block that is made
    CHECK(mem_resident().own < before.own + n / 2);
#endif
    memset(p, 7, n + 100);
    after = mem_resident();
    CHECK(after.own >= before.own + n && after.most >= after.all);
    mem_free(p);
    /* Whether or not the same block comes back. */
    again = mem_alloc(n + 100, 1);
    REQUIRE(again != NULL);
    for (size_t i = 0; i < n + 100; i += 37)
        if (again[i])
            CHECK(again[i] == 0);
    CHECK(again[n + 99] == 0);
    mem_free(again);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"memory is zeroed and aligned", alloc_is_zeroed_and_aligned},
        {"nothing is a valid pointer", nothing_is_a_valid_pointer},
        {"a product that overflows is refused", overflow_is_refused},
        {"bytes are counted", bytes_are_counted},
        {"growing keeps the old and zeroes the new", grow_keeps_and_zeroes},
        {"a failed growth keeps the old block", failed_grow_keeps_the_old},
        {"the chosen allocation fails, no other", the_chosen_allocation_fails},
        {"an array grows one at a time", reserve_makes_room_for_one},
        {"large zeros take no memory until they are touched",
         large_zeros_take_no_memory_until_touched},
        {"exhaustion names what and how much", exhaustion_is_said},
        {"what is freed may stay", what_is_freed_may_stay},
    };

    return TEST_RUN("base.mem", cases);
}
