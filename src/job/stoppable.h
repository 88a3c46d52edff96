/* A script around the job's course: watches where it stands, and can end it
 * early between two epochs, once a checkpoint is written.
 *
 * Threads: one, the coordinator's. */
#ifndef JOB_STOPPABLE_H
#define JOB_STOPPABLE_H

#include "coord/command.h"
#include "job/run_dir.h"

struct stoppable {
    struct script script; // first: the handle
    struct script *inner; // stays the caller's
    int wanted;           // set by the owner: end at the next chance
    int stopped;          // it ended because of that
    int saved;            // a checkpoint of this run is whole
    enum command_kind last;
    struct run_progress progress;
};

void stoppable_init(struct stoppable *s, struct script *inner);

#endif
