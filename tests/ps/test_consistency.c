/* Tests of ps/consistency: which pulls may read, which pushes are new. */
#include "ps/consistency.h"

#include "coord/lease.h"
#include "harness.h"

static void values_wait_for_the_units_their_bound_asks_for(void)
{
    CHECK(consistency_may_read(0, 5, 5) && !consistency_may_read(0, 5, 4));
    CHECK(consistency_may_read(2, 5, 3) && !consistency_may_read(2, 5, 2));
    CHECK(consistency_may_read(2, 1, 0));
    CHECK(consistency_may_read(0, 0, 0));
    CHECK(consistency_may_read(-1, UINT64_MAX, 0));
    CHECK(consistency_may_read(0, 3, UINT64_MAX));
    CHECK(!consistency_may_read(2, UINT64_MAX, 0)); // and nothing wraps
    CHECK(consistency_may_read(3, UINT64_MAX, UINT64_MAX - 1));
}

/* The model: the values lack no more units than either bound says. */
static void kept_values_serve_within_their_bound(void)
{
    for (int k = -1; k < 5; k++)
        for (uint64_t age = 0; age < 5; age++)
            for (uint64_t clock = 0; clock < 9; clock++)
                for (uint64_t read = 0; read < 9; read++) {
                    uint64_t lack = read < clock ? clock - read : 0;
                    int want = k != 0 && (k > 0 || age > 0);

                    if ((k > 0 && lack > (uint64_t)k) || (age && lack > age))
                        want = 0;
                    CHECK(!consistency_may_serve(k, age, clock, read) == !want);
                }
    CHECK(!consistency_may_serve(9, 0, UINT64_MAX, 0)); // nothing wraps
    CHECK(consistency_may_serve(9, 0, 0, UINT64_MAX));
}

static void a_push_is_new_once(void)
{
    CHECK(consistency_judge_push(1, 4, 1, 4) == PUSH_NEW);
    CHECK(consistency_judge_push(1, 4, 1, 3) == PUSH_DUPLICATE);
    CHECK(consistency_judge_push(1, 4, 1, 0) == PUSH_DUPLICATE);
    CHECK(consistency_judge_push(1, 4, 1, 5) == PUSH_GAP);
    CHECK(consistency_judge_push(1, 4, 1, UINT64_MAX) == PUSH_GAP);
}

static void a_lower_term_is_refused_whatever_it_brings(void)
{
    for (uint64_t index = 0; index < 9; index++)
        CHECK(consistency_judge_push(2, 4, 1, index) == PUSH_REFUSED);
    CHECK(consistency_judge_push(2, 4, 3, 4) == PUSH_NEW);
    CHECK(consistency_judge_push(2, 4, 3, 3) == PUSH_DUPLICATE);
}

static void requests_only_rise(void)
{
    CHECK(consistency_is_late(7, 7) && consistency_is_late(7, 1));
    CHECK(!consistency_is_late(7, 8));
}

static void units_are_counted_as_leases_deal_them_out(void)
{
    for (uint32_t n = 1; n < 9; n++)
        for (uint32_t w = 0; w < n; w++)
            for (int k = -1; k < 3; k++) {
                struct lease l = lease_make(w, n, 16, k, 0, 100);

                for (uint64_t i = 0; i < l.count; i++)
                    CHECK(consistency_unit(k, w, n, i) ==
                          l.first + i * l.stride);
            }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"values wait for the units their bound asks for",
         values_wait_for_the_units_their_bound_asks_for},
        {"kept values serve within their bound",
         kept_values_serve_within_their_bound},
        {"a push is new once", a_push_is_new_once},
        {"a lower term is refused whatever it brings",
         a_lower_term_is_refused_whatever_it_brings},
        {"requests only rise", requests_only_rise},
        {"units are counted as leases deal them out",
         units_are_counted_as_leases_deal_them_out},
    };

    return TEST_RUN("ps.consistency", cases);
}
