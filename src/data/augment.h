/* Other versions of a sequence of events to train on (Xie et al. 2022,
 * "Contrastive learning for sequential recommendation", section 3.3):
 *
 *   crop     keep a run of floor(crop * n) of the n events, at least one
 *   mask     replace floor(mask * n) of them by the unknown
 *   reorder  shuffle a run of floor(reorder * n) of them
 *
 * With the given probability a sample gets one of those that are not 0, each
 * as likely. Drawn from (seed, epoch, sample): any number of workers trains the
 * same. What a sample should find stays.
 *
 * Threads: any; everything is constant. */
#ifndef DATA_AUGMENT_H
#define DATA_AUGMENT_H

#include <stdint.h>

struct augment {
    double crop, mask, reorder; // shares; 0: not this one
    double probability;         // 0: samples stay as they are
    uint64_t seed;
};

/** Change the events of one sample, oldest first, in place.
 * @param epoch distinct over stages
 * @param ids [n]
 * @return how many are left, 1 at least of 1 */
uint32_t augment_events(const struct augment *a, uint64_t epoch,
                        uint64_t sample, uint64_t *ids, uint32_t n);
/** How many would be left. */
uint32_t augment_length(const struct augment *a, uint64_t epoch,
                        uint64_t sample, uint32_t n);

#endif
