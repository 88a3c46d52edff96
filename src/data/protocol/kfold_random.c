/* k folds by a seeded permutation of the row numbers: sizes differ by at most
 * one row. */
#include "base/rng.h"
#include "data/protocol/all.h"

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err)
{
    struct rng_permutation p = rng_permutation_make(
        facts->n, rng_stream(facts->seed, RNG_SPLIT, 0, 0));

    if (facts->folds < 2 || facts->folds > facts->n)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "kfold-random: %llu folds of %llu rows: take 2 or "
                          "more folds, none of them empty",
                          (unsigned long long)facts->folds,
                          (unsigned long long)facts->n);
    for (uint64_t row = 0; row < facts->n; row++)
        out->part[row] = (uint8_t)(rng_permute(&p, row) % facts->folds);
    out->n_folds = (uint32_t)facts->folds;
    return FUSOR_OK;
}

const struct protocol_ops protocol_kfold_random = {
    .name = "kfold-random",
    .version = 1,
    .flags = PROTOCOL_FOLDS,
    .help = "k folds (--folds) of rows, drawn with --seed",
    .assign = assign};
