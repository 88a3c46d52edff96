/* By time: the earliest rows train, then come valid and test rows. Where they
 * begin is said by shares of the rows or by dates. Without times the order of
 * the file is time; rows of one time keep the file's. */
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

static enum fusor_status by_share(const struct split_facts *facts,
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

/* With one date there is no valid part. */
static enum fusor_status by_date(const struct split_facts *facts,
                                 struct split_result *out,
                                 struct fusor_error *err)
{
    int64_t valid_from = facts->dates[0];
    int64_t test_from = facts->dates[facts->n_dates - 1];
    uint64_t n_train = 0;

    if (!facts->time)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "split_at: the rows have no time: name its column "
                          "in the schema, or split by train_share");
    for (uint64_t row = 0; row < facts->n; row++) {
        int64_t time = facts->time[row];

        out->part[row] = time >= test_from    ? ROW_TEST
                         : time >= valid_from ? ROW_VALID
                                              : ROW_TRAIN;
        n_train += out->part[row] == ROW_TRAIN;
    }
    if (n_train == 0 || n_train == facts->n)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "split_at: %s row is before the first date: the "
                          "times are seconds since 1970, or dates",
                          n_train ? "every" : "no");
    return FUSOR_OK;
}

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err)
{
    return facts->n_dates ? by_date(facts, out, err)
                          : by_share(facts, out, err);
}

const struct protocol_ops protocol_time_split = {
    .name = "time-split",
    .version = 1,
    .help = "earliest rows train (--train-share, --valid-share, rest test), or "
            "by dates (--split-at)",
    .cut = cut,
    .assign = assign};
