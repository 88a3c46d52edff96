/* No split: every row is a train row. */
#include "data/protocol/all.h"

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err)
{
    (void)facts;
    (void)out;
    (void)err;
    return FUSOR_OK; // part[] is zero: ROW_TRAIN
}

static void cut(const struct split_facts *facts, uint64_t *train_end,
                uint64_t *valid_end)
{
    *train_end = *valid_end = facts->n;
}

const struct protocol_ops protocol_none = {.name = "none",
                                           .version = 1,
                                           .help = "every row trains",
                                           .cut = cut,
                                           .assign = assign};
