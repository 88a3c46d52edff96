/* Order of each query's events, what is before a row, and what was seen. */
#include "data/history.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"

static void events_are_in_time_order_and_ties_in_row_order(void)
{
    static const uint32_t query[] = {1, 2, 1, 1, 1};
    static const int64_t time[] = {50, 1, 30, 50, 10};
    struct history_rows train = {query, time, NULL, 5};
    struct history *h = NULL;
    uint32_t before[5];

    REQUIRE(history_build(&train, 3, &h, NULL) == FUSOR_OK);
    CHECK(h->offsets[1] == 0 && h->offsets[2] == 4 && h->offsets[3] == 5);
    CHECK(h->events[0] == 4 && h->events[1] == 2);
    CHECK(h->events[2] == 0 && h->events[3] == 3);
    history_count_before(h, &train, &train, 1, before);
    CHECK(before[0] == 2); // row 3 has the same time and stands later
    CHECK(before[3] == 3); // row 0 has the same time and stands earlier
    CHECK(before[4] == 0);
    CHECK(before[1] == 0);
    history_destroy(h);
}

static void a_row_of_another_part_sees_earlier_and_equal_times(void)
{
    static const uint32_t query[] = {1, 1, 1}, asked[] = {1, 1, 1};
    static const int64_t time[] = {10, 20, 30}, at[] = {9, 20, 99};
    struct history_rows train = {query, time, NULL, 3};
    struct history_rows rows = {asked, at, NULL, 3};
    struct history *h = NULL;
    uint32_t before[3];

    REQUIRE(history_build(&train, 2, &h, NULL) == FUSOR_OK);
    history_count_before(h, &train, &rows, 0, before);
    CHECK(before[0] == 0 && before[1] == 2 && before[2] == 3);
    history_destroy(h);
}

static void without_times_rows_are_in_row_order(void)
{
    static const uint32_t query[] = {1, 1, 1, 1};
    static const uint32_t picked[] = {0, 2}, others[] = {1, 3};
    struct history_rows train = {query, NULL, picked, 2};
    struct history_rows rows = {query, NULL, others, 2};
    struct history *h = NULL;
    uint32_t before[2];

    REQUIRE(history_build(&train, 2, &h, NULL) == FUSOR_OK);
    history_count_before(h, &train, &rows, 1, before);
    CHECK(before[0] == 1 && before[1] == 2);
    history_count_before(h, &train, &rows, 0, before);
    CHECK(before[0] == 2 && before[1] == 2);
    history_destroy(h);
}

static void strangers_share_no_history(void)
{
    static const uint32_t query[] = {0, 0, 1, UINT32_MAX};
    struct history_rows train = {query, NULL, NULL, 4};
    struct history *h = NULL;
    uint32_t before[4];

    REQUIRE(history_build(&train, 2, &h, NULL) == FUSOR_OK);
    CHECK(h->offsets[1] == 0 && h->offsets[2] == 1);
    history_count_before(h, &train, &train, 1, before);
    CHECK(before[1] == 0 && before[3] == 0);
    history_destroy(h);
}

/* Against the definition, for many sizes and with many ties. */
static void counts_agree_with_the_definition(void)
{
    enum { MOST = 60 };
    uint32_t query[MOST], before[MOST], own[MOST];
    int64_t time[MOST];

    for (uint32_t n = 1; n < MOST; n++) {
        struct rng r = rng_stream(7, RNG_TEST, n, 0);
        struct history_rows train = {query, time, NULL, n};
        struct history *h = NULL;

        for (uint32_t i = 0; i < n; i++) {
            query[i] = (uint32_t)rng_below(&r, 4);
            time[i] = (int64_t)rng_below(&r, 8);
        }
        REQUIRE(history_build(&train, 4, &h, NULL) == FUSOR_OK);
        history_count_before(h, &train, &train, 1, before);
        history_count_own(h, n, own);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t want = 0;

            for (uint32_t j = 0; j < n && query[i]; j++)
                want += query[j] == query[i] &&
                        (time[j] < time[i] || (time[j] == time[i] && j < i));
            CHECK(before[i] == want && own[i] == want);
        }
        history_destroy(h);
    }
}

static void seen_items_are_sorted_and_distinct(void)
{
    static const uint32_t query[] = {1, 1, 2, 1, 0}, item[] = {9, 3, 5, 9, 1};
    static const uint32_t more_query[] = {1, 1}, more_item[] = {3, 4};
    struct seen_rows sets[2] = {{{query, NULL, NULL, 5}, item},
                                {{more_query, NULL, NULL, 2}, more_item}};
    struct seen *s = NULL;
    const uint32_t *items;
    uint32_t n;

    REQUIRE(seen_build(sets, 1, 3, &s, NULL) == FUSOR_OK);
    items = seen_of(s, 1, &n);
    CHECK(n == 2 && items[0] == 3 && items[1] == 9);
    seen_of(s, 0, &n);
    CHECK(n == 0);
    seen_of(s, 77, &n);
    CHECK(n == 0);
    seen_destroy(s);
    REQUIRE(seen_build(sets, 2, 3, &s, NULL) == FUSOR_OK);
    items = seen_of(s, 1, &n);
    CHECK(n == 3 && items[0] == 3 && items[1] == 4 && items[2] == 9);
    seen_destroy(s);
}

static void every_failed_allocation_is_an_error(void)
{
    static const uint32_t query[] = {1, 1};
    static const int64_t time[] = {2, 1};
    struct history_rows train = {query, time, NULL, 2};
    struct seen_rows set = {train, query};
    size_t used = mem_used();

    for (int what = 0; what < 2; what++)
        for (long k = 1;; k++) {
            struct history *h = NULL;
            struct seen *s = NULL;
            enum fusor_status rc;

            mem_fail_after(k);
            rc = what ? seen_build(&set, 1, 2, &s, NULL)
                      : history_build(&train, 2, &h, NULL);
            mem_fail_after(0);
            history_destroy(h);
            seen_destroy(s);
            CHECK(mem_used() == used);
            if (rc == FUSOR_OK)
                break;
            CHECK(rc == FUSOR_ENOMEM);
        }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"events are in time order and ties in row order",
         events_are_in_time_order_and_ties_in_row_order},
        {"a row of another part sees earlier and equal times",
         a_row_of_another_part_sees_earlier_and_equal_times},
        {"without times rows are in row order",
         without_times_rows_are_in_row_order},
        {"strangers share no history", strangers_share_no_history},
        {"counts agree with the definition", counts_agree_with_the_definition},
        {"seen items are sorted and distinct",
         seen_items_are_sorted_and_distinct},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("data.history", cases);
}
