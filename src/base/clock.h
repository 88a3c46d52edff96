/* Time, passed in so that tests and the simulated network can turn it by hand.
 * Everything that waits or measures takes a struct clock_source. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock_source {
    int64_t (*now_ns)(void *self); // monotonic
    void *self;
};

/** The machine's monotonic clock. */
extern const struct clock_source clock_real;

/** A clock that stands still until it is set. */
struct clock_manual {
    int64_t ns;
};
struct clock_source clock_manual_source(struct clock_manual *m);

static inline int64_t clock_now_ns(const struct clock_source *c)
{
    return c->now_ns(c->self);
}

static inline int64_t clock_now_ms(const struct clock_source *c)
{
    return c->now_ns(c->self) / 1000000;
}

/** Seconds of the machine's monotonic clock: for reports, not for decisions. */
double clock_seconds(void);

#endif
