/* One case holds, one does not: the exit status must say so. */
#include "harness.h"

static void holds(void)
{
    CHECK(1 == 1);
}

static void fails(void)
{
    CHECK(1 == 2);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"this case holds", holds},
        {"this case fails on purpose", fails},
    };

    return TEST_RUN("meta.failing_case", cases);
}
