/* Where the threads of this host's processes run: cluster.bind applied to the
 * plan of the job. Every rank of a host works out the same.
 *
 * Threads: one. */
#ifndef JOB_BIND_H
#define JOB_BIND_H

#include "job/boot.h"
#include "job/facts.h"

struct bind_process { // a server or a worker
    uint32_t rank;
    enum role_kind role;
    struct affinity affinity;
};

struct bind {
    enum affinity_mode mode; // NONE: there are no processes
    enum affinity_why why;
    uint32_t n;
    struct bind_process *processes; // [n] of the host, in the order of ranks
};

/** Bind the servers and workers of the host of a rank.
 * @param wanted cluster.bind
 * @param machine of this host; NULL: it could not be looked at
 * @param facts [n_ranks] with on_host set
 * @return FUSOR_EUSAGE, FUSOR_ECLUSTER: what was asked for cannot be;
 * FUSOR_OK: clear with bind_clear() */
enum fusor_status bind_ranks(enum affinity_mode wanted,
                             const struct machine *machine,
                             const struct facts *facts,
                             const struct placement *plan, uint32_t rank,
                             struct bind *out, struct fusor_error *err);
/** The same for a job of one process. @param n_threads of it */
enum fusor_status bind_local(enum affinity_mode wanted,
                             const struct machine *machine,
                             const struct machine_cpus *given,
                             uint32_t n_threads, struct bind *out,
                             struct fusor_error *err);
/** Look at this host, if need be.
 * @param out NULL after AUTO could not look, and with NONE */
enum fusor_status bind_look(enum affinity_mode wanted, struct machine **out,
                            struct fusor_error *err);
void bind_clear(struct bind *b);

/** The places of one process; NULL: nothing is bound. */
struct affinity *bind_find(const struct bind *b, uint32_t rank,
                           enum role_kind role);
/** What was done on this host, after a word such as "fusor: ": "binds ...", and
 * a line for each process, up to 16. */
void bind_describe(const struct bind *b, struct strbuf *out);

#endif
