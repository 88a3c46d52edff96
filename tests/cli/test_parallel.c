/* Tests of tasks in child processes: order, failures, deaths. */
#include "cli/parallel.h"

#include <signal.h>
#include <string.h>

#include "harness.h"

struct seen {
    size_t order[16];
    size_t n;
    size_t fails; // which task fails; 99: none
    int dies;     // it is killed instead
};

static enum fusor_status run(void *context, size_t i, struct fusor_error *err)
{
    const struct seen *s = context;

    if (i != s->fails)
        return FUSOR_OK;
    if (s->dies)
        raise(SIGKILL);
    return fusor_fail(err, FUSOR_EDATA, "task %zu has bad data", i);
}

static enum fusor_status done(void *context, size_t i, double seconds,
                              struct fusor_error *err)
{
    struct seen *s = context;

    (void)err;
    CHECK(seconds >= 0);
    s->order[s->n++] = i;
    return FUSOR_OK;
}

static enum fusor_status run_all(struct seen *s, unsigned at_once,
                                 struct fusor_error *err)
{
    struct parallel p = {
        .n = 9, .at_once = at_once, .context = s, .run = run, .done = done};

    return parallel_run(&p, err);
}

static void results_come_in_order(void)
{
    for (unsigned at_once = 1; at_once < 12; at_once += 3) {
        struct seen s = {.fails = 99};

        CHECK(run_all(&s, at_once, NULL) == FUSOR_OK);
        CHECK(s.n == 9);
        for (size_t i = 0; i < s.n; i++)
            CHECK(s.order[i] == i);
    }
}

static void a_failure_comes_back_in_its_own_words(void)
{
    struct seen s = {.fails = 4};
    struct fusor_error err = {0};

    CHECK(run_all(&s, 2, &err) == FUSOR_EDATA);
    CHECK(strcmp(err.text, "task 4 has bad data") == 0);
    CHECK(s.n <= 8);
    for (size_t i = 0; i < s.n; i++)
        CHECK(s.order[i] < 4);
}

static void a_killed_task_is_told(void)
{
    struct seen s = {.fails = 0, .dies = 1};
    struct fusor_error err = {0};

    CHECK(run_all(&s, 3, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "killed by signal 9") != NULL);
    CHECK(s.n == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"results come in order", results_come_in_order},
        {"a failure comes back in its own words",
         a_failure_comes_back_in_its_own_words},
        {"a killed task is told", a_killed_task_is_told},
    };

    return TEST_RUN("cli.parallel", cases);
}
