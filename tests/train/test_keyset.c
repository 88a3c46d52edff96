/* Distinct keys of a step. */
#include "train/keyset.h"

#include <string.h>

#include "base/batch.h"
#include "base/mem.h"
#include "base/rng.h"

#include "harness.h"

static void keys_keep_the_order_of_first_appearance(void)
{
    static const uint64_t ids[] = {9, 4, 9, BATCH_NO_ID, 7, 4, 0};
    static const uint32_t want[] = {0, 1, 0, KEYSET_NONE, 2, 1, 3};
    uint32_t at[7], more[2];
    struct keyset s;

    REQUIRE(keyset_init(&s, 16, NULL) == FUSOR_OK);
    REQUIRE(keyset_add(&s, ids, 7, 100, at, NULL) == FUSOR_OK);
    CHECK(s.n == 4 && memcmp(at, want, sizeof(want)) == 0);
    CHECK(s.keys[0] == 109 && s.keys[3] == 100);
    /* another field of the table: the salt tells ids apart */
    REQUIRE(keyset_add(&s, ids, 2, 105, more, NULL) == FUSOR_OK);
    CHECK(s.n == 5 && more[0] == 4 && more[1] == 0); // 4 + 105 = 9 + 100
    keyset_reset(&s);
    REQUIRE(keyset_add(&s, ids + 4, 1, 0, at, NULL) == FUSOR_OK);
    CHECK(s.n == 1 && at[0] == 0 && s.keys[0] == 7);
    keyset_clear(&s);
}

static void it_agrees_with_a_plain_search_and_grows(void)
{
    uint64_t ids[3000];
    uint32_t at[3000];
    struct keyset s;

    REQUIRE(keyset_init(&s, 4, NULL) == FUSOR_OK);
    for (int step = 0; step < 3; step++) {
        struct rng r = rng_stream(1, RNG_TEST, (uint64_t)step, 0);

        keyset_reset(&s);
        for (int i = 0; i < 3000; i++)
            ids[i] = rng_below(&r, step ? 500 : 1ull << 60);
        REQUIRE(keyset_add(&s, ids, 3000, 0, at, NULL) == FUSOR_OK);
        for (uint32_t i = 0; i < 3000; i++) {
            uint32_t first = 0;

            while (ids[first] != ids[i])
                first++;
            CHECK(at[i] == at[first] && at[i] < s.n && s.keys[at[i]] == ids[i]);
        }
    }
    keyset_clear(&s);
}

static void a_step_number_that_wraps_forgets_all(void)
{
    static const uint64_t ids[] = {5, 6};
    uint32_t at[2];
    struct keyset s;

    REQUIRE(keyset_init(&s, 4, NULL) == FUSOR_OK);
    REQUIRE(keyset_add(&s, ids, 2, 0, at, NULL) == FUSOR_OK); // of step 1
    s.step = UINT32_MAX;
    keyset_reset(&s);
    CHECK(s.step == 1 && s.n == 0);
    REQUIRE(keyset_add(&s, ids + 1, 1, 0, at, NULL) == FUSOR_OK);
    CHECK(s.n == 1 && at[0] == 0);
    keyset_clear(&s);
}

static void a_failed_growth_leaves_it_as_it_was(void)
{
    uint64_t ids[200];
    uint32_t at[200];
    struct keyset s;

    for (uint64_t i = 0; i < 200; i++)
        ids[i] = i;
    for (long n = 1; n <= 2; n++) {
        mem_fail_after(n);
        CHECK(keyset_init(&s, 4, NULL) == FUSOR_ENOMEM);
        mem_fail_after(0);
    }
    REQUIRE(keyset_init(&s, 4, NULL) == FUSOR_OK);
    REQUIRE(keyset_add(&s, ids, 10, 0, at, NULL) == FUSOR_OK);
    mem_fail_after(2);
    CHECK(keyset_add(&s, ids, 200, 0, at, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
    CHECK(s.n == 10);
    REQUIRE(keyset_add(&s, ids, 200, 0, at, NULL) == FUSOR_OK);
    CHECK(s.n == 200 && at[199] == 199);
    keyset_clear(&s);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"keys keep the order of first appearance",
         keys_keep_the_order_of_first_appearance},
        {"it agrees with a plain search and grows",
         it_agrees_with_a_plain_search_and_grows},
        {"a step number that wraps forgets all",
         a_step_number_that_wraps_forgets_all},
        {"a failed growth leaves it as it was",
         a_failed_growth_leaves_it_as_it_was},
    };

    return TEST_RUN("train.keyset", cases);
}
