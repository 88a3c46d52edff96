/* A reusable barrier for a handful of threads that meet every few dozen
 * microseconds: a short bounded spin, then sleep in the kernel, so that nothing
 * spins for long when a thread was taken off its core. */
#ifndef BASE_BARRIER_H
#define BASE_BARRIER_H

#include <stdatomic.h>

struct barrier {
    atomic_uint arrived;
    atomic_uint round;
    atomic_uint sleepers; // in the kernel, or about to be
    atomic_int broken;
    unsigned n;
};

void barrier_init(struct barrier *b, unsigned n);
/** Wait for all n threads.
 * @return 0, or -1 when somebody broke the barrier */
int barrier_wait(struct barrier *b);
/** Let everyone waiting now or later return -1: a thread has failed. */
void barrier_break(struct barrier *b);

#endif
