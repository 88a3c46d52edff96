/* The two clocks. */
#include "base/clock.h"

#include "harness.h"

static void real_never_goes_back(void)
{
    int64_t last = clock_now_ns(&clock_real);

    CHECK(last > 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_now_ns(&clock_real);

        CHECK(now >= last);
        last = now;
    }
    CHECK(clock_seconds() >= (double)last * 1e-9);
}

static void manual_stands_until_set(void)
{
    struct clock_manual m = {5000000};
    struct clock_source c = clock_manual_source(&m);

    CHECK(clock_now_ns(&c) == 5000000 && clock_now_ns(&c) == 5000000);
    CHECK(clock_now_ms(&c) == 5);
    m.ns += 2500000;
    CHECK(clock_now_ns(&c) == 7500000 && clock_now_ms(&c) == 7);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the real clock never goes back", real_never_goes_back},
        {"the manual clock stands until it is set", manual_stands_until_set},
    };

    return TEST_RUN("base.clock", cases);
}
