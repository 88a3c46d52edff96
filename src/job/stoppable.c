/* Passes everything on to the course; a BEGIN becomes a FINISH when the job is
 * to stop and has something to go on from. */
#include "job/stoppable.h"

#include <math.h>

static struct stoppable *stoppable_of(struct script *s)
{
    return (struct stoppable *)s;
}

static enum fusor_status stoppable_next(struct script *script,
                                        struct command *out,
                                        struct fusor_error *err)
{
    struct stoppable *s = stoppable_of(script);

    FUSOR_TRY(s->inner->ops->next(s->inner, out, err));
    /* next() is called once the last command is done: so is its save. */
    s->saved |= s->last == COMMAND_SAVE;
    if (s->wanted && s->saved && out->kind == COMMAND_BEGIN) {
        *out = (struct command){.kind = COMMAND_FINISH};
        s->stopped = 1;
    }
    s->last = out->kind;
    s->progress = (struct run_progress){
        .command = command_name(out->kind),
        .stage = out->stage,
        .epoch = out->epoch,
        .loss = NAN,
    };
    return FUSOR_OK;
}

static enum fusor_status stoppable_result(struct script *script,
                                          const struct command *c,
                                          uint32_t process, const void *data,
                                          size_t size, struct fusor_error *err)
{
    struct stoppable *s = stoppable_of(script);

    return s->inner->ops->result(s->inner, c, process, data, size, err);
}

static void stoppable_progress(struct script *script, const struct command *c,
                               uint64_t samples, double loss_sum)
{
    struct stoppable *s = stoppable_of(script);

    s->progress.samples = samples;
    s->progress.loss = samples ? loss_sum / (double)samples : NAN;
    if (s->inner->ops->progress)
        s->inner->ops->progress(s->inner, c, samples, loss_sum);
}

static const struct script_ops stoppable_ops = {
    .next = stoppable_next,
    .result = stoppable_result,
    .progress = stoppable_progress,
};

void stoppable_init(struct stoppable *s, struct script *inner)
{
    *s = (struct stoppable){
        .script = {&stoppable_ops},
        .inner = inner,
        .progress = {.command = "start", .loss = NAN},
    };
}
