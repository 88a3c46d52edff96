/* Who does which units of an epoch: pure functions of (workers, micro-batches,
 * staleness, units). A worker here is one compute thread of the whole job,
 * numbered 0..W-1 over all worker processes.
 *
 * Staleness 0: every unit is shared; lease w is the micro-batches
 * [micro_lo, micro_hi) of every unit. Otherwise whole units: lease w is the
 * units w, w + W, w + 2W, ... so that a bound of k >= W - 1 holds nobody up. */
#ifndef COORD_LEASE_H
#define COORD_LEASE_H

#include <stdint.h>

#include "fusor/status.h"

struct lease {
    uint32_t id;   // = worker number when the epoch starts
    uint32_t term; // rises when the lease changes hands; a lower one is refused
    uint64_t first, stride, count; // units first + i * stride, i < count
    uint32_t micro_lo, micro_hi;   // share of each unit
};

/** The lease of worker w in an epoch that starts at unit first_unit.
 * @param n_units units of the whole epoch */
struct lease lease_make(uint32_t w, uint32_t n_workers, uint32_t micro_batches,
                        int staleness, uint64_t first_unit, uint64_t n_units);

/** Can this many workers share the job's units?
 * @return FUSOR_EUSAGE at staleness 0 with more workers than micro-batches */
enum fusor_status lease_check(uint32_t n_workers, uint32_t micro_batches,
                              int staleness, struct fusor_error *err);

#endif
