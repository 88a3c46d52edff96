/* The supervisor over stub children. */
#include "job/supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static int leave_with(void *context)
{
    return *(int *)context;
}

static int kill_self(void *context)
{
    (void)context;
    kill(getpid(), SIGKILL);
    return 0;
}

static int wait_for_ever(void *context)
{
    (void)context;
    while (pause() != 0)
        ;
    return 0;
}

/* Asks its parent, the supervisor, to stop; then waits to be stopped. */
static int stop_parent(void *context)
{
    (void)context;
    kill(getppid(), SIGTERM);
    while (pause() != 0)
        ;
    return 0;
}

static int pass_usr1(void *context)
{
    (void)context;
    signal(SIGUSR1, SIG_DFL);
    kill(getppid(), SIGUSR1);
    while (pause() != 0)
        ;
    return 0;
}

static struct supervisor_child child(const char *name, int (*start)(void *),
                                     void *context)
{
    struct supervisor_child c = {
        .log_path = "logs/x.log", .start = start, .context = context};

    snprintf(c.name, sizeof(c.name), "%s", name);
    return c;
}

static struct supervisor_config config_of(struct supervisor_child *c,
                                          uint32_t n)
{
    return (struct supervisor_config){.children = c,
                                      .n_children = n,
                                      .place = "rank 2 on node7",
                                      .grace_ms = 50,
                                      .stop_ms = 100};
}

static void children_that_end_well_are_a_success(void)
{
    int zero = 0;
    struct supervisor_child c[] = {child("server 0", leave_with, &zero),
                                   child("worker 1", leave_with, &zero)};
    struct supervisor_config config = config_of(c, 2);

    CHECK(supervisor_run(&config, NULL) == FUSOR_OK);
    CHECK(c[0].ended && c[1].ended);
}

static void a_killed_child_is_named_with_its_cause(void)
{
    struct supervisor_child c[] = {child("worker 3", kill_self, NULL),
                                   child("server 0", wait_for_ever, NULL)};
    struct supervisor_config config = config_of(c, 2);
    struct fusor_error err = {0};

    CHECK(supervisor_run(&config, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "worker 3 (rank 2 on node7, pid ") != NULL);
    CHECK(strstr(err.text, "killed by signal 9 (Killed)") != NULL);
    CHECK(strstr(err.text, "logs/x.log") != NULL);
    CHECK(WIFSIGNALED(c[1].wait_status)); // nobody is left
}

static void a_role_s_own_exit_code_is_kept_and_needs_no_word(void)
{
    int diverged = 6;
    struct supervisor_child c[] = {child("worker 0", leave_with, &diverged),
                                   child("server 0", wait_for_ever, NULL)};
    struct supervisor_config config = config_of(c, 2);
    struct fusor_error err = {0};

    CHECK(supervisor_run(&config, &err) == FUSOR_EDIVERGED);
    CHECK(err.text[0] == '\0');
}

static void an_unknown_exit_code_is_told(void)
{
    int code = 127;
    struct supervisor_child c[] = {child("worker 0", leave_with, &code)};
    struct supervisor_config config = config_of(c, 1);
    struct fusor_error err = {0};

    CHECK(supervisor_run(&config, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "exit code 127") != NULL);
}

static int hear(void *context, const struct supervisor_child *c,
                const struct fusor_error *why)
{
    *(int *)context += strcmp(c->name, "worker 0") == 0 &&
                       strstr(why->text, "signal 9") != NULL;
    return 1;
}

static void a_death_that_was_passed_on_is_not_told_again(void)
{
    struct supervisor_child c[] = {child("worker 0", kill_self, NULL)};
    struct supervisor_config config = config_of(c, 1);
    struct fusor_error err = {0};
    int heard = 0;

    config.on_death = hear;
    config.context = &heard;
    CHECK(supervisor_run(&config, &err) == FUSOR_ECLUSTER);
    CHECK(heard == 1 && err.text[0] == '\0');
}

static void note_stop(void *context, const struct fusor_error *why)
{
    *(int *)context += strstr(why->text, "signal 15") != NULL;
}

static void sigterm_stops_all_children(void)
{
    struct supervisor_child c[] = {child("worker 0", stop_parent, NULL),
                                   child("server 0", wait_for_ever, NULL)};
    struct supervisor_config config = config_of(c, 2);
    struct fusor_error err = {0};
    int stops = 0;

    config.on_stop = note_stop;
    config.context = &stops;
    CHECK(supervisor_run(&config, &err) == FUSOR_ECLUSTER);
    CHECK(err.text[0] == '\0' && stops == 1);
    CHECK(WTERMSIG(c[0].wait_status) == SIGTERM);
    CHECK(WTERMSIG(c[1].wait_status) == SIGTERM);
}

static void sigusr1_is_forwarded(void)
{
    struct supervisor_child c[] = {child("worker 0", pass_usr1, NULL)};
    struct supervisor_config config = config_of(c, 1);
    struct fusor_error err = {0};

    CHECK(supervisor_run(&config, &err) == FUSOR_ECLUSTER);
    CHECK(WTERMSIG(c[0].wait_status) == SIGUSR1);
}

/* A grandchild of the test: a supervisor that is killed. Its child must die
 * with it, which the test sees by the end of a pipe both hold. */
static void children_die_with_their_supervisor(void)
{
    int pipe_fd[2];
    pid_t pid;
    char byte;

    REQUIRE(pipe(pipe_fd) == 0);
    pid = fork();
    if (pid == 0) {
        struct supervisor_child c[] = {child("w", wait_for_ever, NULL),
                                       child("k", wait_for_ever, NULL)};
        struct supervisor_config config = config_of(c, 2);

        close(pipe_fd[0]);
        alarm(20);
        if (write(pipe_fd[1], "x", 1) == 1)
            supervisor_run(&config, NULL);
        _exit(0);
    }
    close(pipe_fd[1]);
    CHECK(read(pipe_fd[0], &byte, 1) == 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK(read(pipe_fd[0], &byte, 1) == 0); // comes when all have ended
    close(pipe_fd[0]);
}

static void exit_codes_lead_back_to_statuses(void)
{
    enum fusor_status s;

    CHECK(supervisor_status_of(75, &s) == 1 && s == FUSOR_ERESUME);
    CHECK(supervisor_status_of(5, &s) == 1 && s == FUSOR_ECLUSTER);
    CHECK(supervisor_status_of(2, &s) == 1 && s == FUSOR_EUSAGE);
    CHECK(supervisor_status_of(1, &s) == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"children that end well are a success",
         children_that_end_well_are_a_success},
        {"a killed child is named with its cause",
         a_killed_child_is_named_with_its_cause},
        {"a role's own exit code is kept and needs no word",
         a_role_s_own_exit_code_is_kept_and_needs_no_word},
        {"an unknown exit code is told", an_unknown_exit_code_is_told},
        {"a death that was passed on is not told again",
         a_death_that_was_passed_on_is_not_told_again},
        {"SIGTERM stops all children", sigterm_stops_all_children},
        {"SIGUSR1 is forwarded", sigusr1_is_forwarded},
        {"children die with their supervisor",
         children_die_with_their_supervisor},
        {"exit codes lead back to statuses", exit_codes_lead_back_to_statuses},
    };
    return TEST_RUN("job.supervisor", cases);
}
