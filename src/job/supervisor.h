/* The supervisor of a rank: starts the rank's role processes, waits for them,
 * forwards signals to them, and when one ends badly says so in one line, lets
 * the others leave for a moment and ends them. Nothing outlives it: children
 * are killed by the kernel when it dies, and it leaves when its own parent (the
 * launcher) has gone.
 *
 * Threads: one, before any other is started in this process. */
#ifndef JOB_SUPERVISOR_H
#define JOB_SUPERVISOR_H

#include <stdint.h>
#include <sys/types.h>

#include "fusor/status.h"

struct supervisor_child {
    char name[32];        // "worker 3"
    const char *log_path; // for messages; may be NULL
    /* Runs in the new process and does not come back when all is well (it
     * execs); otherwise its return value is the exit code. Only
     * async-signal-safe calls. */
    int (*start)(void *context);
    void *context;
    /* The supervisor's: */
    pid_t pid; // 0: not running
    int ended, wait_status;
};

struct supervisor_config {
    struct supervisor_child *children;
    uint32_t n_children;
    const char *place; // "rank 2 on node17"
    int watch_parent;  // leave when the parent process has gone
    int64_t grace_ms;  // for the others to leave; 0: 4000
    int64_t stop_ms;   // from SIGTERM to SIGKILL; 0: 1500
    /* A child was killed or ended in a way only its supervisor can tell. May
     * pass it on. @return 1: somebody has said it, 0: the supervisor must */
    int (*on_death)(void *context, const struct supervisor_child *child,
                    const struct fusor_error *why);
    /* The rank is stopped from outside; its children were told: by SIGTERM
     * or SIGINT, or because the launcher has gone. May be NULL. */
    void (*on_stop)(void *context, const struct fusor_error *why);
    void *context;
};

/** Start all children and wait until none is left.
 * @return FUSOR_OK: all ended with 0. Else why, with a text that is to be
 * printed, or "" when it was said already (by the role itself, by on_death, or
 * by whoever stopped the rank) */
enum fusor_status supervisor_run(const struct supervisor_config *config,
                                 struct fusor_error *err);

/** Does an exit code stand for a status?
 * @return 1 with *status set, 0: none of fusor's */
int supervisor_status_of(int exit_code, enum fusor_status *status);

#endif
