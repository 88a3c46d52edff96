/* The decisions of consistency.h that are more than a comparison. */
#include "ps/consistency.h"

#include <string.h>

enum push_verdict consistency_judge_push(uint32_t term, uint64_t next,
                                         uint32_t push_term,
                                         uint64_t push_index)
{
    if (push_term < term)
        return PUSH_REFUSED;
    if (push_index < next)
        return PUSH_DUPLICATE;
    return push_index == next ? PUSH_NEW : PUSH_GAP;
}

void unit_tracker_init(struct unit_tracker *t, uint64_t edge)
{
    memset(t, 0, sizeof(*t));
    t->edge = edge;
}

static uint64_t *word_of(struct unit_tracker *t, uint64_t unit)
{
    return &t->bits[unit % UNIT_WINDOW / 64];
}

int unit_tracker_mark(struct unit_tracker *t, uint64_t unit)
{
    uint64_t bit = (uint64_t)1 << unit % 64;

    if (unit < t->edge || unit >= t->edge + UNIT_WINDOW)
        return -1;
    if (*word_of(t, unit) & bit)
        return -1;
    *word_of(t, unit) |= bit;
    while (*word_of(t, t->edge) & (uint64_t)1 << t->edge % 64) {
        *word_of(t, t->edge) &= ~((uint64_t)1 << t->edge % 64);
        t->edge++;
    }
    return 0;
}
