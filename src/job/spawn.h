/* From a boot to supervised role processes: which a rank runs, what each
 * inherits (its record, its listeners), and how each is started anew from this
 * program. */
#ifndef JOB_SPAWN_H
#define JOB_SPAWN_H

#include "job/supervisor.h"
#include "job/bind.h"

#define SPAWN_MAX_ROLES 3

struct spawn_role {
    enum role_kind role;
    int boot_fd;
    int *listeners; // borrowed
    uint32_t n_listeners;
    char fd_text[16];
    char log_path[FS_PATH_MAX];
};

struct spawn {
    struct spawn_role roles[SPAWN_MAX_ROLES];
    struct supervisor_child children[SPAWN_MAX_ROLES];
    uint32_t n;
};

/** Prepare the roles of the boot's rank.
 * @param boot its role, bind, listeners and n_listeners are overwritten
 * @param shard_listeners [shards of the rank], coordinator_listener: of rank 0,
 *        else -1; they stay the caller's and must stay open
 * @param out must not move afterwards */
enum fusor_status spawn_prepare(struct boot *boot, const struct bind *bind,
                                int *shard_listeners, int *coordinator_listener,
                                struct spawn *out, struct fusor_error *err);
void spawn_clear(struct spawn *s);

/** Pass on that a role process has died: in its name, to the coordinator.
 * @return 1: the coordinator heard it and has told the user */
int spawn_report_death(const struct boot *boot, enum role_kind role,
                       const struct fusor_error *why);

#endif
