/* fusor role: what a supervisor starts; not for people. */
#include "job/role.h"

#include "cli/verb.h"

const struct verb verb_role = {
    .name = "role",
    .help = "a server, worker or coordinator process of a job",
    .synopsis = "NAME --boot FD",
    .hidden = 1,
    .collective = 1,
    .take_over = job_role_main,
};
