/* The decisions of a shard; see the header. */
#include "ps/consistency.h"

int consistency_may_read(int staleness, uint64_t clock, uint64_t edge)
{
    return staleness < 0 || edge >= clock ||
           clock - edge <= (uint64_t)staleness;
}

int consistency_may_serve(int staleness, uint64_t age, uint64_t clock,
                          uint64_t read)
{
    uint64_t most = staleness < 0 ? age : (uint64_t)staleness;

    if (age && age < most)
        most = age;
    return most > 0 && (read >= clock || clock - read <= most);
}

int consistency_is_late(uint64_t last_request, uint64_t request)
{
    return request <= last_request;
}

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
