/* By time: the earliest rows train, then come valid and test rows. Without
 * times the order of the file is time; rows of one time keep the file's. */
#include <stdlib.h>

#include "base/mem.h"
#include "data/protocol/all.h"

struct moment {
    int64_t time;
    uint64_t row;
};

static int by_time(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;

    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static void cut(const struct split_facts *facts, uint64_t *train_end,
                uint64_t *valid_end)
{
    double n = (double)facts->n;

    *train_end = (uint64_t)(facts->train * n + 0.5);
    *valid_end = (uint64_t)((facts->train + facts->valid) * n + 0.5);
}

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err)
{
    uint64_t n = facts->n, valid_from, test_from;
    struct moment *order = mem_alloc(n, sizeof(*order));

    if (!order)
        return mem_fail(err, "time split", n * sizeof(*order));
    cut(facts, &valid_from, &test_from);
    for (uint64_t row = 0; row < n; row++)
        order[row] = (struct moment){facts->time ? facts->time[row] : 0, row};
    if (facts->time && n)
        qsort(order, n, sizeof(*order), by_time);
    for (uint64_t i = valid_from; i < n; i++)
        out->part[order[i].row] = i < test_from ? ROW_VALID : ROW_TEST;
    mem_free(order);
    return FUSOR_OK;
}

const struct protocol_ops protocol_time_split = {
    .name = "time-split",
    .version = 1,
    .help = "earliest rows train (--train-share, --valid-share, rest test)",
    .cut = cut,
    .assign = assign};
