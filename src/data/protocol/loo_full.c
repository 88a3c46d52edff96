/* Leave one out, ranked against all items: the last row of each user by time
 * (without times: in the file) is the test row, the one before validates
 * (Kang and McAuley 2018, section IV). */
#include "data/protocol/all.h"

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err)
{
    return split_leave_last(facts, out->part, 1, facts->validation, err);
}

const struct protocol_ops protocol_loo_full = {
    .name = "loo-full",
    .version = 1,
    .flags = PROTOCOL_QUERY | PROTOCOL_ITEM | PROTOCOL_RANKS_ROWS,
    .help = "each user's last row is the test row, the one before validates",
    .assign = assign};
