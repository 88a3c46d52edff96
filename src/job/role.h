/* The role processes: what `fusor role NAME --boot FD` runs. Each reads its
 * boot record and the effective job file, opens its log, and works until the
 * coordinator says FINISH or the job fails.
 *
 * A role is one file and one line in the table of role.c. */
#ifndef JOB_ROLE_H
#define JOB_ROLE_H

#include "job/boot.h"
#include "job/options.h"

struct role_context {
    const struct boot *boot;
    struct yaml *job;
    struct job_options options;
    int64_t hang_ms;
};

struct role {
    const char *name;
    /** @return FUSOR_OK: the job is done. Else why; the text is "" when the
     * user was told already */
    enum fusor_status (*run)(const struct role_context *c,
                             struct fusor_error *err);
};

extern const struct role role_server, role_worker, role_coordinator;

/** The hidden sub-command: argv is {..., "role", NAME, "--boot", FD} of main.
 * @return the exit code */
int job_role_main(int argc, char **argv);

/** Milliseconds of processor time a thread has used: a number that rises while
 * it works and stands still while it waits. */
uint64_t role_busy_ms(unsigned long thread);

#endif
