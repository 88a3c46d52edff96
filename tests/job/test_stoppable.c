/* A course that is asked to stop. */
#include "job/stoppable.h"

#include <math.h>

#include "harness.h"

/* A course of epochs: BEGIN, EPOCH, CUT, SAVE, and again. */
struct course {
    struct script script;
    unsigned turn;
    int results;
    uint64_t samples;
};

static enum fusor_status course_next(struct script *s, struct command *out,
                                     struct fusor_error *err)
{
    static const enum command_kind kinds[] = {COMMAND_BEGIN, COMMAND_EPOCH,
                                              COMMAND_CUT, COMMAND_SAVE};
    struct course *c = (struct course *)s;

    (void)err;
    *out = (struct command){.kind = kinds[c->turn % 4], .epoch = c->turn / 4};
    c->turn++;
    return FUSOR_OK;
}

static enum fusor_status course_result(struct script *s,
                                       const struct command *cmd,
                                       uint32_t process, const void *data,
                                       size_t size, struct fusor_error *err)
{
    (void)cmd;
    (void)process;
    (void)data;
    (void)size;
    (void)err;
    ((struct course *)s)->results++;
    return FUSOR_OK;
}

static void course_progress(struct script *s, const struct command *cmd,
                            uint64_t samples, double loss_sum)
{
    (void)cmd;
    (void)loss_sum;
    ((struct course *)s)->samples = samples;
}

static const struct script_ops ops = {course_next, course_result,
                                      course_progress};

static enum command_kind next_of(struct stoppable *s)
{
    struct command c = {0};

    CHECK(s->script.ops->next(&s->script, &c, NULL) == FUSOR_OK);
    return c.kind;
}

static void it_ends_after_the_next_whole_checkpoint(void)
{
    struct course course = {.script = {&ops}};
    struct stoppable s;

    stoppable_init(&s, &course.script);
    s.wanted = 1; // before anything is saved
    CHECK(next_of(&s) == COMMAND_BEGIN);
    CHECK(next_of(&s) == COMMAND_EPOCH);
    CHECK(next_of(&s) == COMMAND_CUT);
    CHECK(next_of(&s) == COMMAND_SAVE);
    CHECK(!s.stopped);
    CHECK(next_of(&s) == COMMAND_FINISH);
    CHECK(s.stopped);
}

static void unasked_it_changes_nothing(void)
{
    struct course course = {.script = {&ops}};
    struct stoppable s;

    stoppable_init(&s, &course.script);
    for (int i = 0; i < 8; i++)
        CHECK(next_of(&s) != COMMAND_FINISH);
    CHECK(next_of(&s) == COMMAND_BEGIN);
}

static void results_and_progress_pass_through(void)
{
    struct course course = {.script = {&ops}};
    struct command c = {.kind = COMMAND_EPOCH};
    struct stoppable s;

    stoppable_init(&s, &course.script);
    CHECK(isnan(s.progress.loss));
    s.script.ops->result(&s.script, &c, 0, NULL, 0, NULL);
    s.script.ops->progress(&s.script, &c, 10, 5.0);
    CHECK(course.results == 1 && course.samples == 10);
    CHECK_CLOSE(s.progress.loss, 0.5, 1e-12);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"it ends after the next whole checkpoint",
         it_ends_after_the_next_whole_checkpoint},
        {"unasked it changes nothing", unasked_it_changes_nothing},
        {"results and progress pass through",
         results_and_progress_pass_through},
    };
    return TEST_RUN("job.stoppable", cases);
}
