/* The decisions of consistency.h that are more than a comparison. */
#include "ps/consistency.h"

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
