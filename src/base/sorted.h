/* Ascending lists of numbers. Threads: any. */
#ifndef BASE_SORTED_H
#define BASE_SORTED_H

#include <stdint.h>

/** How many of the ascending values [n] are below key; a wider key may be above
 * all that there can be. */
static inline uint32_t sorted_below(const uint32_t *values, uint32_t n,
                                    uint64_t key)
{
    uint32_t lo = 0, hi = n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (values[mid] < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/** Where key stands among the ascending values [n], or n. */
static inline uint32_t sorted_place(const uint32_t *values, uint32_t n,
                                    uint32_t key)
{
    uint32_t at = sorted_below(values, n, key);

    return at < n && values[at] == key ? at : n;
}

#endif
