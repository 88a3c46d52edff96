/* Several tasks at once, each in a child process of its own: folds and seeds of
 * one job, which share nothing. A task that fails stops the rest.
 *
 * Threads: one; no other thread may run while tasks are started. */
#ifndef CLI_PARALLEL_H
#define CLI_PARALLEL_H

#include <stddef.h>

#include "fusor/status.h"

struct parallel {
    size_t n;
    unsigned at_once; // children alive at a time, at least 1
    void *context;
    /** One task, in the child; its failure travels to the parent. */
    enum fusor_status (*run)(void *context, size_t i, struct fusor_error *err);
    /** In the parent, for ascending i, as soon as all tasks up to i are done.
     * @param seconds that task i took */
    enum fusor_status (*done)(void *context, size_t i, double seconds,
                              struct fusor_error *err);
};

/** @return the first failure of a task or of done; the other children are
 * stopped then */
enum fusor_status parallel_run(const struct parallel *p,
                               struct fusor_error *err);

#endif
