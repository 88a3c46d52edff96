/* Crop, mask, reorder. */
#include "data/augment.h"

#include <string.h>

#include "base/batch.h"
#include "base/rng.h"

enum change { KEEP, CROP, MASK, REORDER };

/* What becomes of a sample; the stream goes on from there. */
static enum change choose(const struct augment *a, uint64_t epoch,
                          uint64_t sample, uint32_t n, struct rng *r)
{
    enum change some[3];
    uint32_t k = 0;

    *r = rng_stream(a->seed, RNG_AUGMENT, epoch, sample);
    if (n == 0 || rng_double(r) >= a->probability)
        return KEEP;
    if (a->crop > 0)
        some[k++] = CROP;
    if (a->mask > 0)
        some[k++] = MASK;
    if (a->reorder > 0)
        some[k++] = REORDER;
    return k ? some[rng_below(r, k)] : KEEP;
}

static uint32_t cropped(const struct augment *a, uint32_t n)
{
    uint32_t left = (uint32_t)(a->crop * n);

    return left ? left : 1;
}

/* Where a run of so many of n begins. */
static uint32_t begin(struct rng *r, uint32_t run, uint32_t n)
{
    return (uint32_t)rng_below(r, (uint64_t)n - run + 1);
}

/* So many of n, every choice as likely (Knuth, The Art of Computer Programming
 * 2, section 3.4.2, algorithm S). */
static void mask(struct rng *r, uint32_t many, uint64_t *ids, uint32_t n)
{
    for (uint32_t i = 0; many > 0; i++)
        if (rng_below(r, n - i) < many) {
            ids[i] = VOCAB_UNKNOWN;
            many--;
        }
}

static void shuffle(struct rng *r, uint64_t *ids, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t k = (uint32_t)rng_below(r, i);
        uint64_t was = ids[i - 1];

        ids[i - 1] = ids[k];
        ids[k] = was;
    }
}

uint32_t augment_events(const struct augment *a, uint64_t epoch,
                        uint64_t sample, uint64_t *ids, uint32_t n)
{
    struct rng r;
    uint32_t run;

    switch (choose(a, epoch, sample, n, &r)) {
    case CROP:
        run = cropped(a, n);
        memmove(ids, ids + begin(&r, run, n), run * sizeof(*ids));
        return run;
    case MASK:
        mask(&r, (uint32_t)(a->mask * n), ids, n);
        return n;
    case REORDER:
        run = (uint32_t)(a->reorder * n);
        shuffle(&r, ids + begin(&r, run, n), run);
        return n;
    case KEEP:
        break;
    }
    return n;
}

uint32_t augment_length(const struct augment *a, uint64_t epoch,
                        uint64_t sample, uint32_t n)
{
    struct rng r;

    return choose(a, epoch, sample, n, &r) == CROP ? cropped(a, n) : n;
}
