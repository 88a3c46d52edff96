/* A crew: threads that share independent pieces of work, for computations that
 * happen once (a tower that is built) and not in a step.
 *
 * A piece is a number; which thread does it is left to chance, so it may write
 * only what is its own, and then the result does not depend on the number of
 * threads. Threads live as long as the call. */
#ifndef BASE_CREW_H
#define BASE_CREW_H

#include <stdatomic.h>
#include <stdint.h>

#include "fusor/status.h"

struct crew {
    unsigned n_threads;  // 0: 1
    atomic_ullong *done; // counts pieces for those who watch; may be NULL
};

/** One piece. @param thread below n_threads: whose scratch memory to use */
typedef enum fusor_status crew_fn(void *context, unsigned thread,
                                  uint64_t piece, struct fusor_error *err);

/** Do pieces 0 .. n - 1; returns when all are done. Starts no threads for one
 * piece, and does with fewer where the system gives no more.
 * @return the failure of one of them; the rest is then left out */
enum fusor_status crew_run(const struct crew *crew, uint64_t n, crew_fn *run,
                           void *context, struct fusor_error *err);

#endif
