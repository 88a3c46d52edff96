/* The parameter server's decisions, as pure functions of facts: may this pull
 * be answered, is this push new? The shard does the I/O.
 *
 * Staleness (Ho et al. 2013, SSP; DESIGN words: values for step t hold at least
 * all units of clock < t - k; 0 = BSP; -1 = no bound). */
#ifndef PS_CONSISTENCY_H
#define PS_CONSISTENCY_H

#include <stdint.h>

#include "fusor/status.h"

/** May values for the step of this clock be read?
 * @param edge all units below it are applied */
int consistency_may_read(int staleness, uint64_t clock, uint64_t edge);

/** May values that were read at one clock, and kept since, serve the step of
 * another?
 * @param age most units they may lack; needed where staleness has no bound
 * (-1), and may be the closer bound else; 0: none given
 * @param read all units below it are in the values */
int consistency_may_serve(int staleness, uint64_t age, uint64_t clock,
                          uint64_t read);

/** The unit that push number index of a lease is for: units of an epoch count
 * from 0 and are dealt out as lease_make() does. */
static inline uint64_t consistency_unit(int staleness, uint32_t lease,
                                        uint32_t n_workers, uint64_t index)
{
    return staleness == 0 ? index : lease + index * n_workers;
}

/** Are all of the reader's own earlier units applied? Keys travel ahead, but
 * values that lack one's own last gradient cost more in convergence than the
 * round trip they save (Frappe DNN, one worker, staleness 1, four epochs: AUC
 * .9692 without, .9756 with).
 * @param unit of the step, counted in the epoch
 * @param next lowest index of the lease's pushes not yet taken */
static inline int consistency_has_own(int staleness, uint32_t lease,
                                      uint32_t n_workers, uint64_t unit,
                                      uint64_t next)
{
    return consistency_unit(staleness, lease, n_workers, next) >= unit;
}

enum push_verdict { PUSH_NEW, PUSH_DUPLICATE, PUSH_REFUSED, PUSH_GAP };

/** Is the push (lease, term, index) the next of its lease?
 * @param term newest term seen for the lease
 * @param next lowest index not yet taken
 * A lower term is refused: its holder has lost the lease. A higher index than
 * the next is a gap: the sender must start over from the next. */
enum push_verdict consistency_judge_push(uint32_t term, uint64_t next,
                                         uint32_t push_term,
                                         uint64_t push_index);

/** Requests of one process only rise. Is this push a copy of one that was sent
 * in an epoch that is over, and only arrives now?
 * @param last_request of the push taken last, from the same process */
int consistency_is_late(uint64_t last_request, uint64_t request);

#endif
