/* The user's own split: a file for each part. Prepare sets the parts while it
 * reads; there is nothing to decide. */
#include "data/protocol/all.h"

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err)
{
    (void)facts;
    (void)out;
    (void)err;
    return FUSOR_OK;
}

const struct protocol_ops protocol_given = {
    .name = "given",
    .version = 1,
    .flags = PROTOCOL_FILES,
    .help = "train from the input, --valid and --test from files of their own",
    .assign = assign};
