/* Rates as functions of the clock: schedules, and what Adam's bias correction
 * makes of them (Kingma and Ba 2015, section 2). */
#include <assert.h>
#include <math.h>

#include "optim/optim.h"

static uint64_t schedule_end(const struct optim_spec *spec,
                             uint64_t units_per_epoch)
{
    return spec->total ? spec->total : spec->epochs * units_per_epoch;
}

static double schedule_factor(const struct optim_spec *spec, uint64_t clock,
                              uint64_t epoch, uint64_t units_per_epoch)
{
    uint64_t end = schedule_end(spec, units_per_epoch);
    double done;

    switch ((enum optim_schedule)spec->schedule) {
    case OPTIM_STEP:
        return pow(spec->decay, (double)(epoch / spec->every));
    case OPTIM_EXPONENTIAL:
        assert(units_per_epoch > 0);
        return pow(spec->decay, (double)clock / (double)units_per_epoch);
    case OPTIM_LINEAR:
    case OPTIM_COSINE:
        if (clock < spec->warmup)
            return 1;
        done = clock >= end ? 1
                            : (double)(clock - spec->warmup) /
                                  (double)(end - spec->warmup);
        if (spec->schedule == OPTIM_COSINE)
            done = 0.5 - 0.5 * cos(3.14159265358979323846 * done);
        return 1 - (1 - spec->floor) * done;
    case OPTIM_CONSTANT:
        break;
    }
    return 1;
}

double optim_lr_factor(const struct optim_spec *spec, uint64_t clock,
                       uint64_t epoch, uint64_t units_per_epoch,
                       double plateau_factor)
{
    double factor =
        schedule_factor(spec, clock, epoch, units_per_epoch) * plateau_factor;

    if (clock < spec->warmup)
        factor *= (double)(clock + 1) / (double)spec->warmup;
    return factor;
}

struct optim_step optim_step_make(const struct optim_spec *spec, uint64_t clock,
                                  uint64_t epoch, uint64_t units_per_epoch,
                                  double plateau_factor)
{
    double factor =
        optim_lr_factor(spec, clock, epoch, units_per_epoch, plateau_factor);
    struct optim_step step = {
        .clock = clock, .lr_factor = factor, .lr = (float)(spec->lr * factor)};

    if (spec->kind == OPTIM_ADAM) {
        double t = (double)clock + 1;
        double root = sqrt(1 - pow(spec->beta2, t));

        step.adam_lr =
            (float)(spec->lr * factor * root / (1 - pow(spec->beta1, t)));
        step.adam_eps = (float)(spec->eps * root);
    }
    return step;
}

struct optim_step optim_timeline_step(const struct optim_spec *spec,
                                      const struct optim_timeline *timeline,
                                      uint64_t clock)
{
    const struct optim_span *span = &timeline->spans[timeline->n - 1], *first;
    struct optim_step step;

    assert(timeline->n > 0 && timeline->spans[0].from_clock == 0);
    while (span->from_clock > clock)
        span--;
    for (first = span; first->epoch > 0 && first > timeline->spans;)
        first--;
    step = optim_step_make(spec, clock - first->from_clock, span->epoch,
                           timeline->units_per_epoch, span->plateau_factor);
    step.clock = clock;
    return step;
}
