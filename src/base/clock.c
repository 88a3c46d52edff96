/* The real clock and the one that tests turn. */
#include "base/clock.h"

#include <time.h>

static int64_t real_now(void *self)
{
    struct timespec t;

    (void)self;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

const struct clock_source clock_real = {real_now, 0};

static int64_t manual_now(void *self)
{
    return ((struct clock_manual *)self)->ns;
}

struct clock_source clock_manual_source(struct clock_manual *m)
{
    return (struct clock_source){manual_now, m};
}

double clock_seconds(void)
{
    return (double)real_now(0) * 1e-9;
}
