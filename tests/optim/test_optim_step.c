/* Rates as functions of the clock. */
#include "harness.h"
#include "optim/optim.h"

static struct optim_spec spec_of(enum optim_schedule schedule)
{
    struct optim_spec s;

    optim_spec_default(OPTIM_SGD, &s);
    s.lr = 2;
    s.schedule = (int)schedule;
    return s;
}

static double rate(const struct optim_spec *s, uint64_t clock, uint64_t epoch)
{
    return optim_step_make(s, clock, epoch, 10, 1).lr;
}

static void a_constant_rate_stays(void)
{
    struct optim_spec s = spec_of(OPTIM_CONSTANT);

    CHECK(rate(&s, 0, 0) == 2);
    CHECK(rate(&s, 12345, 99) == 2);
}

static void the_plateau_factor_multiplies(void)
{
    struct optim_spec s = spec_of(OPTIM_CONSTANT);
    struct optim_step step = optim_step_make(&s, 3, 0, 10, 0.1);

    CHECK_CLOSE(step.lr, 0.2, 1e-7);
    CHECK_CLOSE(step.lr_factor, 0.1, 1e-15);
    CHECK(step.clock == 3);
}

static void a_step_schedule_falls_after_epochs(void)
{
    struct optim_spec s = spec_of(OPTIM_STEP);

    s.decay = 0.5;
    CHECK(rate(&s, 9, 0) == 2);
    CHECK(rate(&s, 10, 1) == 1);
    s.every = 3;
    CHECK(rate(&s, 29, 2) == 2);
    CHECK(rate(&s, 60, 6) == 0.5);
}

static void an_exponential_schedule_is_smooth(void)
{
    struct optim_spec s = spec_of(OPTIM_EXPONENTIAL);

    s.decay = 0.25;
    CHECK_CLOSE(rate(&s, 0, 0), 2, 1e-7);
    CHECK_CLOSE(rate(&s, 5, 0), 1, 1e-7);
    CHECK_CLOSE(rate(&s, 10, 1), 0.5, 1e-7);
}

static void warm_up_rises_over_any_schedule(void)
{
    struct optim_spec s = spec_of(OPTIM_CONSTANT);

    s.warmup = 4;
    CHECK_CLOSE(rate(&s, 0, 0), 0.5, 1e-7);
    CHECK_CLOSE(rate(&s, 3, 0), 2, 1e-7);
    CHECK_CLOSE(rate(&s, 4, 0), 2, 1e-7);
    s.schedule = OPTIM_STEP;
    s.decay = 0.5;
    CHECK_CLOSE(rate(&s, 1, 1), 0.5, 1e-7);
}

static void linear_and_cosine_reach_their_floor(void)
{
    struct optim_spec s = spec_of(OPTIM_LINEAR);

    s.warmup = 4;
    s.total = 24;
    s.floor = 0.1;
    CHECK_CLOSE(rate(&s, 4, 0), 2, 1e-7);
    CHECK_CLOSE(rate(&s, 14, 0), 2 * 0.55, 1e-7);
    CHECK_CLOSE(rate(&s, 24, 0), 0.2, 1e-7);
    CHECK_CLOSE(rate(&s, 1000, 0), 0.2, 1e-7);
    s.schedule = OPTIM_COSINE;
    CHECK_CLOSE(rate(&s, 4, 0), 2, 1e-7);
    CHECK_CLOSE(rate(&s, 9, 0), 2 * (1 - 0.9 * (0.5 - sqrt(0.125))), 1e-6);
    CHECK_CLOSE(rate(&s, 14, 0), 2 * 0.55, 1e-6);
    CHECK_CLOSE(rate(&s, 1000, 0), 0.2, 1e-7);
}

static void without_a_total_the_epochs_end_it(void)
{
    struct optim_spec s = spec_of(OPTIM_COSINE);

    s.warmup = 4;
    s.epochs = 3; // of 8 units
    CHECK_CLOSE(optim_lr_factor(&s, 14, 1, 8, 1), 0.5, 1e-12);
    CHECK_CLOSE(optim_lr_factor(&s, 24, 3, 8, 1), 0, 1e-12);
    s.warmup = 30; // longer than all of them
    CHECK_CLOSE(optim_lr_factor(&s, 14, 1, 8, 1), 0.5, 1e-12);
    s.warmup = 4;
    s.total = 44; // goes before the epochs
    CHECK_CLOSE(optim_lr_factor(&s, 24, 3, 8, 1), 0.5, 1e-12);
}

static void adams_correction_fades(void)
{
    struct optim_spec s;
    struct optim_step step;

    optim_spec_default(OPTIM_ADAM, &s);
    step = optim_step_make(&s, 0, 0, 0, 1);
    CHECK_CLOSE(step.adam_lr, 0.001 * sqrt(0.001) / 0.1, 1e-9);
    CHECK_CLOSE(step.adam_eps, 1e-8 * sqrt(0.001), 1e-15);
    step = optim_step_make(&s, 1000000, 0, 0, 1);
    CHECK_CLOSE(step.adam_lr, 0.001, 1e-9);
    CHECK_CLOSE(step.adam_eps, 1e-8, 1e-15);
}

static void a_timeline_knows_what_held_when(void)
{
    static const struct optim_span spans[] = {
        {0, 0, 1}, {10, 1, 1}, {20, 2, 0.5}};
    static const struct optim_timeline t = {spans, 3, 10};
    struct optim_spec s = spec_of(OPTIM_STEP);

    s.decay = 0.5;
    CHECK(optim_timeline_step(&s, &t, 0).lr == 2);
    CHECK(optim_timeline_step(&s, &t, 9).lr == 2);
    CHECK(optim_timeline_step(&s, &t, 10).lr == 1);
    CHECK(optim_timeline_step(&s, &t, 19).lr == 1);
    CHECK(optim_timeline_step(&s, &t, 20).lr == 0.25);
    CHECK(optim_timeline_step(&s, &t, 20).clock == 20);
}

/* The second stage, from clock 20, has the rates of the first. */
static void a_stage_begins_its_rates_anew(void)
{
    static const struct optim_span spans[] = {
        {0, 0, 1}, {10, 1, 0.1}, {20, 0, 1}, {30, 1, 1}};
    static const struct optim_timeline t = {spans, 4, 10};
    struct optim_spec s;

    optim_spec_default(OPTIM_ADAM, &s);
    for (uint64_t clock = 0; clock < 10; clock++) {
        struct optim_step a = optim_timeline_step(&s, &t, clock);
        struct optim_step b = optim_timeline_step(&s, &t, 20 + clock);

        CHECK(a.adam_lr == b.adam_lr && a.adam_eps == b.adam_eps);
        CHECK(b.clock == 20 + clock);
    }
    CHECK(optim_timeline_step(&s, &t, 30).adam_lr ==
          optim_step_make(&s, 10, 1, 10, 1).adam_lr);
    s = spec_of(OPTIM_COSINE);
    s.warmup = 4;
    s.total = 14;
    CHECK(optim_timeline_step(&s, &t, 21).lr == 1);
    CHECK(optim_timeline_step(&s, &t, 23).lr == 2);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a constant rate stays", a_constant_rate_stays},
        {"the plateau factor multiplies", the_plateau_factor_multiplies},
        {"a step schedule falls after epochs",
         a_step_schedule_falls_after_epochs},
        {"an exponential schedule is smooth",
         an_exponential_schedule_is_smooth},
        {"warm-up rises over any schedule", warm_up_rises_over_any_schedule},
        {"linear and cosine reach their floor",
         linear_and_cosine_reach_their_floor},
        {"without a total the epochs end it",
         without_a_total_the_epochs_end_it},
        {"adam's correction fades", adams_correction_fades},
        {"a timeline knows what held when", a_timeline_knows_what_held_when},
        {"a stage begins its rates anew", a_stage_begins_its_rates_anew},
    };

    return TEST_RUN("optim.optim_step", cases);
}
