/* Ascending lists: against a look at every value. */
#include "base/sorted.h"

#include "harness.h"

static void keys_are_counted_and_found(void)
{
    static const uint32_t values[] = {2, 3, 3, 7, UINT32_MAX};

    for (uint32_t n = 0; n <= 5; n++)
        for (uint64_t key = 0; key < 10; key++) {
            uint32_t below = 0, place = n;

            for (uint32_t i = n; i-- > 0;) {
                below += values[i] < key;
                place = values[i] == key ? i : place;
            }
            CHECK(sorted_below(values, n, key) == below);
            CHECK(sorted_place(values, n, (uint32_t)key) == place);
        }
}

static void keys_reach_beyond_the_values(void)
{
    static const uint32_t values[] = {2, UINT32_MAX};

    CHECK(sorted_below(values, 2, UINT32_MAX) == 1);
    CHECK(sorted_below(values, 2, (uint64_t)UINT32_MAX + 1) == 2);
    CHECK(sorted_place(values, 2, UINT32_MAX) == 1);
    CHECK(sorted_place(NULL, 0, 0) == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"keys are counted and found", keys_are_counted_and_found},
        {"keys reach beyond the values", keys_reach_beyond_the_values},
    };

    return TEST_RUN("base.sorted", cases);
}
