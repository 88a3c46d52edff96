/* What a course says about where the time went: in the run's last line and in
 * the trace that was asked for. */
#include "train/course_private.h"
#include "train/phases.h"

#define TRACE_MARKS 4096 /* changes of command */
#define TOP 5            /* phases in the last line */

uint32_t course_phase_profiled(enum command_kind kind)
{
    switch (kind) {
    case COMMAND_EPOCH:
        return PROFILE_EPOCH;
    case COMMAND_CUT:
        return PROFILE_CUT;
    case COMMAND_EVALUATE:
    case COMMAND_SCORE:
    case COMMAND_MINE:
        return PROFILE_EVALUATE;
    case COMMAND_LOAD:
    case COMMAND_WARM:
    case COMMAND_SAVE:
        return PROFILE_CHECKPOINT;
    default:
        return PROFILE_OTHER;
    }
}

void course_say_profile(struct course *c)
{
    struct strbuf text = {0};

    profile_read(&c->profile, &c->own);
    phases_top(c->workload, &c->spent, TOP, &text);
    if (text.len)
        progress_say(&c->progress, "time of the workers: %s", text.s);
    strbuf_clear(&text);
}

enum fusor_status course_begin_trace(struct course *c, struct fusor_error *err)
{
    const char *file = c->workload->options.train.trace;

    if (!file[0])
        return FUSOR_OK;
    FUSOR_TRY(trace_begin(c->config.run_dir, file, err));
    c->trace = (struct trace_part){.run_dir = c->config.run_dir,
                                   .process = "course",
                                   .kind = TRACE_COURSE,
                                   .n = 1,
                                   .profiles = &c->profile};
    return trace_part_open(&c->trace, 1, TRACE_MARKS, err);
}

enum fusor_status course_keep_trace(struct course *c, struct fusor_error *err)
{
    if (c->trace.n == 0)
        return FUSOR_OK;
    FUSOR_TRY(trace_part_write(&c->trace, err));
    return trace_join(c->config.run_dir, err);
}
