/* Looking before sleeping ends in time and backs off. */
#include "transport/spin.h"
#include "harness.h"

/* Every look at this clock moves it on. */
struct ticking {
    int64_t ns, step_ns;
};

static int64_t tick(void *self)
{
    struct ticking *t = self;

    return t->ns += t->step_ns;
}

static unsigned looks(struct spin *s)
{
    unsigned n = 0;

    if (!spin_begin(s))
        return 0;
    do
        n++;
    while (n < 100000 && spin_again(s));
    return n;
}

static unsigned sleeps_before_a_look(struct spin *s)
{
    unsigned n = 0;

    while (n < 10000 && !looks(s))
        n++;
    return n;
}

static void a_look_in_vain_ends(void)
{
    struct ticking t = {.step_ns = 500};
    struct clock_source clock = {tick, &t};
    struct spin s = {.clock = &clock};
    int64_t began = t.ns;

    CHECK(looks(&s) > 10);
    CHECK(t.ns - began >= SPIN_NS && t.ns - began <= SPIN_NS + 4 * 500);
}

static void looks_in_vain_become_rare(void)
{
    struct ticking t = {.step_ns = 500};
    struct clock_source clock = {tick, &t};
    struct spin s = {.clock = &clock};
    unsigned last = 0;

    CHECK(looks(&s) > 0);
    for (int i = 0; i < 4; i++) {
        unsigned n = sleeps_before_a_look(&s);

        CHECK(n > last);
        last = n;
    }
    CHECK(last <= 15);
    CHECK(sleeps_before_a_look(&s) == last);
}

static void a_hit_makes_them_frequent_again(void)
{
    struct ticking t = {.step_ns = 500};
    struct clock_source clock = {tick, &t};
    struct spin s = {.clock = &clock};

    for (int i = 0; i < 100; i++)
        looks(&s);
    while (!spin_begin(&s))
        ;
    spin_hit(&s);
    CHECK(spin_begin(&s));
    CHECK(spin_begin(&s));
}

static void a_core_that_others_want_is_left_at_once(void)
{
    struct ticking t = {.step_ns = 20000};
    struct clock_source clock = {tick, &t};
    struct spin s = {.clock = &clock};

    CHECK(looks(&s) == 1);
    CHECK(sleeps_before_a_look(&s) >= 100);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a look in vain ends", a_look_in_vain_ends},
        {"looks in vain become rare", looks_in_vain_become_rare},
        {"a hit makes them frequent again", a_hit_makes_them_frequent_again},
        {"a core that others want is left at once",
         a_core_that_others_want_is_left_at_once},
    };

    return TEST_RUN("transport.spin", cases);
}
