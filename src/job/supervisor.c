/* fork, wait, forward, kill (CLUSTER.md, "A launch that survives"). Children
 * are not started again here: their incarnation is the caller's to count. */
#define _GNU_SOURCE /* strsignal */
#include "job/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "job/signals.h"

#define LOG_MODULE "supervisor"

#define GRACE_MS 4000 /* a failed job's word needs two network round trips */
#define STOP_MS 1500  /* mpirun gives its ranks 2 s after SIGTERM */
/* mpirun kills all ranks as soon as one has ended after its SIGTERM (seen): so
 * none ends before the coordinator could write down that the job was stopped.
 */
#define LINGER_MS 300
#define LOOK_MS 250 /* how often the parent is looked at */
#define EXIT_ORPHAN 125

struct supervisor {
    const struct supervisor_config *config;
    struct signals signals;
    pid_t parent;
    int stopping;     // a signal, or -1: the launcher has gone
    int64_t kill_ms;  // when who is left is killed; 0: not yet
    int64_t leave_ms; // not before this
    enum fusor_status status;
    struct fusor_error why;
};

int supervisor_status_of(int exit_code, enum fusor_status *status)
{
    static const struct {
        enum fusor_status status;
        int code;
    } table[] = {
#define STATUS_ROW(name, exit_code, text) {FUSOR_##name, exit_code},
        FUSOR_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
    };

    /* ECLUSTER stands first of those with 5, EUSAGE first of those with 2. */
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].code != exit_code)
            continue;
        *status = table[i].status;
        return 1;
    }
    return 0;
}

static void run_child(const struct supervisor *s,
                      const struct supervisor_child *child, pid_t me,
                      const sigset_t *mask)
{
    /* The parent may have died before prctl: then nobody sends the signal. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != me)
        _exit(EXIT_ORPHAN);
    signals_restore(&s->signals);
    sigprocmask(SIG_SETMASK, mask, NULL);
    _exit(child->start(child->context));
}

static enum fusor_status start_child(const struct supervisor *s,
                                     struct supervisor_child *child,
                                     struct fusor_error *err)
{
    pid_t me = getpid(), pid;
    sigset_t all, mask;

    /* A signal for the child that comes before it has given up this process's
     * handlers must wait, or the handler would swallow it. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask);
    pid = fork();
    if (pid == 0)
        run_child(s, child, me, &mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (pid < 0)
        return fusor_fail(err, FUSOR_ECLUSTER, "cannot start %s (%s): fork: %s",
                          child->name, s->config->place, strerror(errno));
    child->pid = pid;
    child->ended = 0;
    return FUSOR_OK;
}

static void signal_all(const struct supervisor *s, int number)
{
    for (uint32_t i = 0; i < s->config->n_children; i++)
        if (s->config->children[i].pid > 0)
            kill(s->config->children[i].pid, number);
}

static uint32_t count_running(const struct supervisor *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->config->n_children; i++)
        n += s->config->children[i].pid > 0;
    return n;
}

/* The cause of an end that is not one of fusor's own exit codes. */
static void describe_death(const struct supervisor *s,
                           const struct supervisor_child *c, pid_t pid,
                           struct fusor_error *why)
{
    char cause[96];

    if (WIFSIGNALED(c->wait_status))
        snprintf(cause, sizeof(cause), "was killed by signal %d (%s)",
                 WTERMSIG(c->wait_status), strsignal(WTERMSIG(c->wait_status)));
    else
        snprintf(cause, sizeof(cause), "ended with exit code %d%s",
                 WEXITSTATUS(c->wait_status),
                 WEXITSTATUS(c->wait_status) == 127
                     ? " (its program could not be started)"
                     : "");
    fusor_fail(why, FUSOR_ECLUSTER, "%s (%s, pid %d) %s%s%s", c->name,
               s->config->place, (int)pid, cause,
               c->log_path ? "; its log: " : "",
               c->log_path ? c->log_path : "");
}

/* The first bad end decides; whatever follows is its consequence. */
static void judge_end(struct supervisor *s, struct supervisor_child *c,
                      pid_t pid)
{
    int64_t grace = s->config->grace_ms ? s->config->grace_ms : GRACE_MS;
    int heard = 1;
    enum fusor_status status = FUSOR_ECLUSTER;

    if (WIFEXITED(c->wait_status) && WEXITSTATUS(c->wait_status) == 0)
        return;
    if (s->stopping || s->status != FUSOR_OK)
        return;
    if (WIFEXITED(c->wait_status) &&
        supervisor_status_of(WEXITSTATUS(c->wait_status), &status)) {
        s->status = status; // the role has said why
    } else {
        s->status = FUSOR_ECLUSTER;
        describe_death(s, c, pid, &s->why);
        heard = s->config->on_death &&
                s->config->on_death(s->config->context, c, &s->why);
        if (heard)
            s->why.text[0] = '\0';
    }
    /* When nobody heard it, nobody tells the others to leave. */
    s->kill_ms = clock_now_ms(&clock_real) + (heard ? grace : 0);
}

static void reap(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->config->n_children; i++) {
        struct supervisor_child *c = &s->config->children[i];
        pid_t pid = c->pid;

        if (pid <= 0 || waitpid(pid, &c->wait_status, WNOHANG) != pid)
            continue;
        c->pid = 0;
        c->ended = 1;
        judge_end(s, c, pid);
    }
}

/* At once: a launcher that ends the job gives a second, then kills. */
static void say_stop(const struct supervisor *s)
{
    struct fusor_error why;

    if (!s->config->on_stop)
        return;
    if (s->stopping > 0)
        fusor_fail(&why, FUSOR_ECLUSTER, "stopped by signal %d (%s)",
                   s->stopping, strsignal(s->stopping));
    else
        fusor_fail(&why, FUSOR_ECLUSTER,
                   "the launcher of the ranks has gone: it was killed, or its "
                   "host was lost");
    s->config->on_stop(s->config->context, &why);
}

static void stop(struct supervisor *s, int number)
{
    int64_t wait = s->config->stop_ms ? s->config->stop_ms : STOP_MS;
    int64_t now = clock_now_ms(&clock_real);

    if (s->stopping)
        return;
    s->stopping = number;
    s->kill_ms = now + wait;
    s->leave_ms = number > 0 ? now + LINGER_MS : now;
    signal_all(s, number > 0 ? SIGTERM : SIGKILL);
    if (s->status == FUSOR_OK)
        s->status = FUSOR_ECLUSTER;
    say_stop(s);
}

static void take_signals(struct supervisor *s)
{
    int number;

    while ((number = signals_take(&s->signals)) != 0) {
        if (number == SIGTERM || number == SIGINT)
            stop(s, number);
        else if (number == SIGUSR1)
            signal_all(s, SIGUSR1);
    }
}

static int wait_time(const struct supervisor *s)
{
    int64_t now = clock_now_ms(&clock_real), left = LOOK_MS;

    if (s->kill_ms > now && s->kill_ms - now < left)
        left = s->kill_ms - now;
    if (s->leave_ms > now && s->leave_ms - now < left)
        left = s->leave_ms - now;
    return (int)left;
}

static void wait_for_all(struct supervisor *s)
{
    struct pollfd p = {s->signals.fd, POLLIN, 0};

    for (;;) {
        take_signals(s);
        reap(s);
        if (count_running(s) == 0 && clock_now_ms(&clock_real) >= s->leave_ms)
            return;
        if (s->config->watch_parent && getppid() != s->parent)
            stop(s, -1);
        if (s->kill_ms && clock_now_ms(&clock_real) >= s->kill_ms)
            signal_all(s, SIGKILL);
        poll(&p, 1, wait_time(s));
    }
}

enum fusor_status supervisor_run(const struct supervisor_config *config,
                                 struct fusor_error *err)
{
    static const int list[] = {SIGTERM, SIGINT, SIGUSR1, SIGCHLD, 0};
    struct supervisor s = {.config = config, .parent = getppid()};

    FUSOR_TRY(signals_open(&s.signals, list, err));
    for (uint32_t i = 0; i < config->n_children && s.status == FUSOR_OK; i++)
        s.status = start_child(&s, &config->children[i], &s.why);
    if (s.status != FUSOR_OK)
        signal_all(&s, SIGKILL);
    wait_for_all(&s);
    signals_close(&s.signals);
    s.why.status = s.status;
    if (s.status != FUSOR_OK && err)
        *err = s.why;
    return s.status;
}
