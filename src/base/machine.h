/* What a host is made of, as far as it matters where threads run: its cores and
 * the memory node each is near to. hwloc's only home.
 *
 * Threads: a machine is only read once it is made. */
#ifndef BASE_MACHINE_H
#define BASE_MACHINE_H

#include <stdint.h>

#include "fusor/status.h"

#define MACHINE_WORDS 16
#define MACHINE_CPUS (MACHINE_WORDS * 64)

/* A set of processors by the numbers the kernel gives them. */
struct machine_cpus {
    uint64_t word[MACHINE_WORDS];
};

struct machine_core {
    struct machine_cpus cpus; // its hardware threads
    uint32_t node;            // the memory node nearest, os number
};

struct machine {
    uint32_t n_nodes; // that have cores
    uint32_t n_cores;
    struct machine_core *cores; // [n_cores] neighbours side by side
};

/** Look at this host, or at one that is described.
 * @param synthetic NULL: this host, what its control group allows; else in
 * hwloc's words, such as "numa:2 core:4 pu:2"
 * @return FUSOR_ECLUSTER with hwloc's reason, or because a processor's number
 * is above MACHINE_CPUS; FUSOR_ENOMEM */
enum fusor_status machine_create(const char *synthetic, struct machine **out,
                                 struct fusor_error *err);
void machine_destroy(struct machine *m);

/** Sets: does it hold this one; is it empty; what both hold. */
int machine_cpus_has(const struct machine_cpus *set, unsigned cpu);
int machine_cpus_empty(const struct machine_cpus *set);
struct machine_cpus machine_cpus_and(const struct machine_cpus *a,
                                     const struct machine_cpus *b);
void machine_cpus_add(struct machine_cpus *set,
                      const struct machine_cpus *more);
/** Is every processor of part in whole? */
int machine_cpus_cover(const struct machine_cpus *whole,
                       const struct machine_cpus *part);

#endif
