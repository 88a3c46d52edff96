/* Cuts an epoch into leases; see the header for the two shapes. */
#include "coord/lease.h"

struct lease lease_make(uint32_t w, uint32_t n_workers, uint32_t micro_batches,
                        int staleness, uint64_t first_unit, uint64_t n_units)
{
    struct lease l = {.id = w, .term = 1, .first = first_unit, .stride = 1};
    uint64_t left = n_units > first_unit ? n_units - first_unit : 0;

    if (staleness == 0) {
        l.count = left;
        l.micro_lo = (uint32_t)((uint64_t)w * micro_batches / n_workers);
        l.micro_hi = (uint32_t)((uint64_t)(w + 1) * micro_batches / n_workers);
        return l;
    }
    l.first = first_unit + w;
    l.stride = n_workers;
    l.count = left > w ? (left - w + n_workers - 1) / n_workers : 0;
    l.micro_hi = micro_batches;
    return l;
}

enum fusor_status lease_check(uint32_t n_workers, uint32_t micro_batches,
                              int staleness, struct fusor_error *err)
{
    if (staleness != 0 || n_workers <= micro_batches)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EUSAGE,
                      "cluster.staleness: 0 shares each global batch among "
                      "%u workers, but train.micro_batches is %u: set "
                      "train.micro_batches to %u or more, or use fewer worker "
                      "threads",
                      n_workers, micro_batches, n_workers);
}
