/* By user: all rows of a user are in one part, drawn with the seed. The shares
 * are of users. */
#include "base/rng.h"
#include "data/protocol/all.h"

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err)
{
    uint64_t n = vocab_size(facts->queries) - 1;
    uint64_t valid_from = (uint64_t)(facts->train * (double)n + 0.5);
    uint64_t test_from =
        (uint64_t)((facts->train + facts->valid) * (double)n + 0.5);
    struct rng_permutation p;

    (void)err;
    if (n == 0)
        return FUSOR_OK;
    p = rng_permutation_make(n, rng_stream(facts->seed, RNG_SPLIT, 2, 0));
    for (uint64_t row = 0; row < facts->n; row++) {
        uint64_t place = rng_permute(&p, facts->query[row] - 1);

        out->part[row] = place < valid_from  ? ROW_TRAIN
                         : place < test_from ? ROW_VALID
                                             : ROW_TEST;
    }
    return FUSOR_OK;
}

const struct protocol_ops protocol_user_split = {
    .name = "user-split",
    .version = 1,
    .flags = PROTOCOL_QUERY,
    .help = "whole users (--train-share, --valid-share, rest test), by --seed",
    .assign = assign};
