/* Which processors and which memory node each thread of a job's processes gets
 * on one host. The plan is a pure function of the host's machine, of the
 * processors each process was started with and of the number of its threads, so
 * that every process of a host works out the same one. Taking a place is two
 * system calls.
 *
 * Threads: any; a struct affinity is read only once it is made. */
#ifndef BASE_AFFINITY_H
#define BASE_AFFINITY_H

#include <stddef.h>
#include <stdint.h>

#include "base/machine.h"
#include "base/str.h"

#define AFFINITY_THREADS_MAX 256

enum affinity_mode {
    AFFINITY_AUTO,
    AFFINITY_NONE,
    AFFINITY_CORE, // each thread on a core of its own, as far as they go
    AFFINITY_NODE  // each thread on the cores of one memory node
};

enum affinity_why {
    AFFINITY_ASKED,    // the job says so
    AFFINITY_SPREAD,   // auto: several nodes and cores enough
    AFFINITY_CROWDED,  // auto: several nodes, more threads than cores
    AFFINITY_ONE_NODE, // auto: memory is equally near from everywhere
    AFFINITY_LAUNCHER, // auto: started with a part of the processors
    AFFINITY_UNKNOWN   // auto: the machine cannot be looked at
};

/* A process before it has a place. */
struct affinity_process {
    struct machine_cpus given; // processors it was started with
    uint32_t n_threads;        // that compute or hold parameters
};

struct affinity_place {
    struct machine_cpus cpus;
    uint32_t node; // os number
};

/* One process's places. */
struct affinity {
    struct machine_cpus cpus; // of its other threads
    uint32_t n_threads;
    struct affinity_place threads[AFFINITY_THREADS_MAX];
};

/** What to do on this host.
 * @param machine NULL: it could not be looked at
 * @param why set
 * @return NONE, CORE or NODE */
enum affinity_mode affinity_decide(const struct machine *machine,
                                   enum affinity_mode wanted,
                                   const struct affinity_process *processes,
                                   uint32_t n, enum affinity_why *why);
/** Places of process number `which` of the n of this host. Processes take their
 * cores in order, each from the one node that has most left among the
 * processors it was given; one with more threads than a node has cores takes
 * from all. A core is shared only when all of them have a thread.
 * @param mode CORE or NODE
 * @return FUSOR_EUSAGE: more threads than AFFINITY_THREADS_MAX;
 * FUSOR_ECLUSTER: the process was given no processor that the machine has */
enum fusor_status affinity_plan(const struct machine *machine,
                                enum affinity_mode mode,
                                const struct affinity_process *processes,
                                uint32_t n, uint32_t which,
                                struct affinity *out, struct fusor_error *err);

/** Processors this process may run on now; of one with more than MACHINE_CPUS,
 * processor 0. */
struct machine_cpus affinity_given(void);
/** Thread i's place; NULL: it has none. */
const struct affinity_place *affinity_place(const struct affinity *a,
                                            uint32_t i);
/** Put the calling thread on thread i's place; threads that it starts inherit
 * it. NULL: nothing is bound.
 * @return 0, or -1: the kernel refuses (errno) */
int affinity_enter(const struct affinity *a, uint32_t i);
/** Let the calling thread run anywhere among the process's processors. */
int affinity_leave(const struct affinity *a);
/** Ask for pages of this node when the range is touched first; others are
 * taken when it is full. Only a wish: a kernel without memory nodes, or a
 * container that forbids it, changes nothing.
 * @param place NULL: no wish */
void affinity_prefer_memory(const struct affinity_place *place, void *start,
                            size_t size);

/** What was decided, in a few words: "nothing: this host has one memory
 * node". */
const char *affinity_text(enum affinity_mode mode, enum affinity_why why);
/** "processors 0-3,8 of node 1" of a process, appended. */
void affinity_describe(const struct affinity *a, struct strbuf *out);

#endif
