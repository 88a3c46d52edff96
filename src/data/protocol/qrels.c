/* Judged documents of queries: each query is ranked among all documents, and
 * those without a judgement are not wanted (Voorhees and Harman 2005, section
 * 3.1). Where the source has files for several parts these are the parts; else
 * whole queries are drawn with the seed, the shares are of queries that have
 * judgements. */
#include "base/mem.h"
#include "base/rng.h"
#include "data/protocol/all.h"

static int has_parts(const struct split_facts *facts, const uint8_t *part)
{
    for (uint64_t row = 0; row < facts->n; row++)
        if (part[row] != ROW_TRAIN)
            return 1;
    return 0;
}

/* Number the queries that have rows, by id. @return how many */
static uint64_t number_queries(const struct split_facts *facts,
                               uint32_t *number)
{
    uint64_t n = 0;

    for (uint64_t row = 0; row < facts->n; row++)
        number[facts->query[row]] = 1;
    for (uint32_t q = 0; q < vocab_size(facts->queries); q++)
        if (number[q])
            number[q] = (uint32_t)n++;
    return n;
}

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err)
{
    uint64_t n, valid_from, test_from;
    struct rng_permutation p;
    uint32_t *number;

    if (facts->n == 0 || has_parts(facts, out->part))
        return FUSOR_OK;
    number = mem_alloc(vocab_size(facts->queries), sizeof(*number));
    if (!number)
        return mem_fail(err, "queries", vocab_size(facts->queries) * 4);
    n = number_queries(facts, number);
    valid_from = (uint64_t)(facts->train * (double)n + 0.5);
    test_from = (uint64_t)((facts->train + facts->valid) * (double)n + 0.5);
    p = rng_permutation_make(n, rng_stream(facts->seed, RNG_SPLIT, 3, 0));
    for (uint64_t row = 0; row < facts->n; row++) {
        uint64_t place = rng_permute(&p, number[facts->query[row]]);

        out->part[row] = place < valid_from  ? ROW_TRAIN
                         : place < test_from ? ROW_VALID
                                             : ROW_TEST;
    }
    mem_free(number);
    return FUSOR_OK;
}

const struct protocol_ops protocol_qrels = {
    .name = "qrels",
    .version = 1,
    .flags = PROTOCOL_QUERY | PROTOCOL_ITEM | PROTOCOL_RANKS_QUERIES,
    .help = "judged documents: the files' parts, or whole queries by --seed",
    .assign = assign};
