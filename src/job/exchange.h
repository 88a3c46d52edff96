/* The start-up exchange of the ranks: MPI's only home. Each function is
 * collective, except as said; a failure of MPI itself ends all ranks by the
 * launcher's hand. Threads: the main one. */
#ifndef JOB_EXCHANGE_H
#define JOB_EXCHANGE_H

#include "job/facts.h"

struct exchange_ranks {
    int rank, size;
};

/** MPI_Init. */
enum fusor_status exchange_open(struct exchange_ranks *out,
                                struct fusor_error *err);
/** MPI_Barrier and MPI_Finalize. */
void exchange_close(void);
/** MPI_Finalize alone: not collective over what the launcher meant. */
void exchange_leave(void);

/** Gather size bytes of every rank, in the order of ranks.
 * @param all [ranks][size] */
enum fusor_status exchange_gather(const void *mine, size_t size, void *all,
                                  struct fusor_error *err);
/** Gather n_of[r] endpoints of every rank, one after the other.
 * @param all [sum of n_of] */
enum fusor_status exchange_endpoints(const struct boot_endpoint *mine,
                                     const struct exchange_ranks *ranks,
                                     const uint32_t *n_of,
                                     struct boot_endpoint *all,
                                     struct fusor_error *err);
/** Copy rank 0's bytes to every rank. */
enum fusor_status exchange_share(void *data, size_t size,
                                 struct fusor_error *err);
/** Can every rank go on?
 * @param mine this rank's failure, or FUSOR_OK
 * @return the first failure of all, the same everywhere */
enum fusor_status exchange_vote(const struct exchange_ranks *ranks,
                                const struct fusor_error *mine,
                                struct fusor_error *err);

#endif
