/* Cuts of an epoch and its order. Does not know batches, workers or leases. */
#include "data/plan.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "data/stream.h"

struct plan_order {
    enum plan_order_kind kind;
    uint64_t n;
    struct rng_permutation permutation; // random
    uint64_t seed, epoch;
    uint32_t block_rows; // random, streamed; else 0
    uint32_t *blocks;    // [blocks] in order
    uint64_t n_blocks;
    uint32_t *rows; // by user
};

/* A run: rows first .. first + n - 1 of the rows sorted by query. */
struct run {
    uint32_t first;
    uint32_t n;
};

uint32_t plan_micro_batches(uint32_t global_batch)
{
    uint32_t n =
        global_batch / PLAN_MICRO_ROWS + (global_batch % PLAN_MICRO_ROWS != 0);

    if (n < 1)
        return 1;
    return n > PLAN_MICRO_BATCHES ? PLAN_MICRO_BATCHES : n;
}

enum fusor_status plan_check(const struct plan *p, struct fusor_error *err)
{
    if (p->n_rows == 0 || p->n_rows >= UINT32_MAX)
        return fusor_fail(
            err, FUSOR_EINVAL, "plan: %llu train rows, expected 1 to %lu",
            (unsigned long long)p->n_rows, (unsigned long)UINT32_MAX - 1);
    if (p->global_batch == 0)
        return fusor_fail(err, FUSOR_EINVAL,
                          "plan: global_batch must be at least 1");
    if (p->micro_batches == 0 || p->micro_batches > p->global_batch)
        return fusor_fail(err, FUSOR_EINVAL,
                          "plan: micro_batches is %u, expected 1 to "
                          "global_batch, %u",
                          p->micro_batches, p->global_batch);
    if (p->kind == PLAN_BY_USER && p->run == 0)
        return fusor_fail(err, FUSOR_EINVAL, "plan: run must be at least 1");
    return FUSOR_OK;
}

uint64_t plan_units(const struct plan *p)
{
    return (p->n_rows + p->global_batch - 1) / p->global_batch;
}

uint32_t plan_capacity(const struct plan *p)
{
    return p->global_batch / p->micro_batches +
           (p->global_batch % p->micro_batches != 0);
}

uint32_t plan_unit_rows(const struct plan *p, uint64_t unit)
{
    uint64_t start = unit * p->global_batch;
    uint64_t left = start < p->n_rows ? p->n_rows - start : 0;

    return left < p->global_batch ? (uint32_t)left : p->global_batch;
}

void plan_micro_range(const struct plan *p, uint64_t unit, uint32_t micro,
                      uint64_t *first, uint32_t *n)
{
    uint64_t rows = plan_unit_rows(p, unit), capacity = plan_capacity(p);
    uint64_t from = micro * capacity, to = from + capacity;

    if (from > rows)
        from = rows;
    if (to > rows)
        to = rows;
    *first = unit * p->global_batch + from;
    *n = (uint32_t)(to - from);
}

/* Fisher and Yates, drawing from its own stream. */
static void shuffle_rows(uint32_t *rows, uint32_t n, struct rng *r)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)rng_below(r, i), t = rows[i - 1];

        rows[i - 1] = rows[j];
        rows[j] = t;
    }
}

static void shuffle_runs(struct run *runs, uint64_t n, struct rng *r)
{
    for (uint64_t i = n; i > 1; i--) {
        uint64_t j = rng_below(r, i);
        struct run t = runs[i - 1];

        runs[i - 1] = runs[j];
        runs[j] = t;
    }
}

/* Rows sorted by query; offsets [n_queries + 1] is left at the end of
 * each query. */
static void sort_by_query(const struct dataset *ds, const struct plan *p,
                          uint64_t n_queries, uint32_t *offsets, uint32_t *rows)
{
    for (uint64_t i = 0; i < p->n_rows; i++)
        offsets[dataset_query(ds, p->split, i) + 1]++;
    for (uint64_t q = 0; q < n_queries; q++)
        offsets[q + 1] += offsets[q];
    for (uint64_t i = 0; i < p->n_rows; i++)
        rows[offsets[dataset_query(ds, p->split, i)]++] = (uint32_t)i;
}

static uint64_t count_runs(const uint32_t *ends, uint64_t n_queries,
                           uint32_t most)
{
    uint64_t n = 0;
    uint32_t start = 0;

    for (uint64_t q = 0; q < n_queries; q++) {
        n += ((uint64_t)ends[q] - start + most - 1) / most;
        start = ends[q];
    }
    return n;
}

static void make_runs(const struct plan *p, uint64_t epoch,
                      const uint32_t *ends, uint64_t n_queries, uint32_t *rows,
                      struct run *runs)
{
    uint32_t start = 0;

    for (uint64_t q = 0; q < n_queries; q++) {
        struct rng r = rng_stream(p->seed, RNG_SHUFFLE, epoch, q);

        shuffle_rows(rows + start, ends[q] - start, &r);
        while (start < ends[q]) {
            uint32_t n = ends[q] - start;

            if (n > p->run)
                n = p->run;
            *runs++ = (struct run){start, n};
            start += n;
        }
    }
}

static void join_runs(const struct run *runs, uint64_t n, const uint32_t *rows,
                      uint32_t *out)
{
    for (uint64_t i = 0; i < n; i++) {
        memcpy(out, rows + runs[i].first, runs[i].n * sizeof(*out));
        out += runs[i].n;
    }
}

/* o->rows: the runs of all queries in random order. */
static enum fusor_status order_by_user(const struct plan *p,
                                       const struct dataset *ds, uint64_t epoch,
                                       struct plan_order *o,
                                       struct fusor_error *err)
{
    uint64_t n_queries = dataset_n_queries(ds), n_runs;
    struct rng r = rng_stream(p->seed, RNG_SHUFFLE, epoch, UINT64_MAX);
    uint32_t *ends = mem_alloc(n_queries + 1, sizeof(*ends));
    uint32_t *sorted = mem_alloc_raw(p->n_rows, sizeof(*sorted));
    struct run *runs = NULL;

    o->rows = mem_alloc_raw(p->n_rows, sizeof(*o->rows));
    if (ends && sorted && o->rows) {
        sort_by_query(ds, p, n_queries, ends, sorted);
        n_runs = count_runs(ends, n_queries, p->run);
        runs = mem_alloc_raw(n_runs, sizeof(*runs));
    }
    if (runs) {
        make_runs(p, epoch, ends, n_queries, sorted, runs);
        shuffle_runs(runs, n_runs, &r);
        join_runs(runs, n_runs, sorted, o->rows);
    }
    mem_free(runs);
    mem_free(sorted);
    mem_free(ends);
    return runs ? FUSOR_OK : mem_fail(err, "plan", p->n_rows * 8);
}

/* o->blocks: the whole blocks in random order, then the short one. */
static enum fusor_status order_blocks(const struct plan *p,
                                      const struct dataset *ds, uint64_t epoch,
                                      struct plan_order *o,
                                      struct fusor_error *err)
{
    uint64_t whole = p->n_rows / o->block_rows;
    struct rng_permutation random;

    o->n_blocks = whole + (p->n_rows % o->block_rows != 0);
    o->blocks = mem_alloc_raw(o->n_blocks, sizeof(*o->blocks));
    if (!o->blocks)
        return mem_fail(err, "plan", o->n_blocks * sizeof(*o->blocks));
    if (whole)
        random = rng_permutation_make(
            whole, rng_stream(p->seed, RNG_SHUFFLE, epoch, 0));
    for (uint64_t i = 0; i < whole; i++)
        o->blocks[i] = (uint32_t)rng_permute(&random, i);
    if (o->n_blocks > whole)
        o->blocks[whole] = (uint32_t)whole;
    if (p->n_rows != dataset_rows(ds, SPLIT_TRAIN))
        return FUSOR_OK; // a plan of other rows: too few to read ahead for
    return dataset_announce(ds, o->blocks, o->n_blocks, err);
}

/* Places of one window: a permutation of its rows, block by block. */
static void window_rows(const struct plan_order *o, uint64_t window,
                        uint64_t skip, uint32_t n, uint32_t *rows)
{
    uint64_t first = window * STREAM_WINDOW * o->block_rows;
    uint64_t size = (uint64_t)STREAM_WINDOW * o->block_rows;
    struct rng_permutation random;

    if (size > o->n - first)
        size = o->n - first;
    random = rng_permutation_make(
        size, rng_stream(o->seed, RNG_SHUFFLE, o->epoch, window + 1));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = first + rng_permute(&random, skip + i);

        rows[i] =
            (uint32_t)(o->blocks[at / o->block_rows] * (uint64_t)o->block_rows +
                       at % o->block_rows);
    }
}

static void streamed_rows(const struct plan_order *o, uint64_t first,
                          uint32_t n, uint32_t *rows)
{
    uint64_t size = (uint64_t)STREAM_WINDOW * o->block_rows;

    while (n > 0) {
        uint64_t skip = first % size;
        uint32_t take = size - skip < n ? (uint32_t)(size - skip) : n;

        window_rows(o, first / size, skip, take, rows);
        first += take;
        rows += take;
        n -= take;
    }
}

enum fusor_status plan_order_build(const struct plan *p,
                                   const struct dataset *ds, uint64_t epoch,
                                   struct plan_order **out,
                                   struct fusor_error *err)
{
    struct plan_order *o;
    enum fusor_status rc = FUSOR_OK;

    FUSOR_TRY(plan_check(p, err));
    if (p->kind == PLAN_BY_USER && dataset_block_rows(ds))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "plan: order by_user needs the rows in memory: write "
                          "data: {cache: memory}, or order: random");
    if (p->kind == PLAN_BY_USER && p->n_rows != dataset_rows(ds, p->split))
        return fusor_fail(err, FUSOR_EINVAL,
                          "plan: made for %llu rows, the data set has %llu",
                          (unsigned long long)p->n_rows,
                          (unsigned long long)dataset_rows(ds, p->split));
    if (p->kind == PLAN_BY_USER && dataset_n_queries(ds) == 0)
        return fusor_fail(err, FUSOR_EINVAL,
                          "plan: order by_user needs a categorical field of "
                          "side query: write order: random");
    o = mem_alloc(1, sizeof(*o));
    if (!o)
        return mem_fail(err, "plan", sizeof(*o));
    o->kind = p->kind;
    o->n = p->n_rows;
    o->seed = p->seed;
    o->epoch = epoch;
    o->block_rows = p->kind == PLAN_RANDOM ? dataset_block_rows(ds) : 0;
    if (o->block_rows)
        rc = order_blocks(p, ds, epoch, o, err);
    else if (p->kind == PLAN_RANDOM)
        o->permutation = rng_permutation_make(
            p->n_rows, rng_stream(p->seed, RNG_SHUFFLE, epoch, 0));
    else if (p->kind == PLAN_BY_USER)
        rc = order_by_user(p, ds, epoch, o, err);
    if (rc != FUSOR_OK) {
        plan_order_destroy(o);
        return rc;
    }
    *out = o;
    return FUSOR_OK;
}

void plan_order_rows(const struct plan_order *o, uint64_t first, uint32_t n,
                     uint32_t *rows)
{
    switch (o->kind) {
    case PLAN_RANDOM:
        if (o->block_rows) {
            streamed_rows(o, first, n, rows);
            break;
        }
        for (uint32_t i = 0; i < n; i++)
            rows[i] = (uint32_t)rng_permute(&o->permutation, first + i);
        break;
    case PLAN_BY_USER:
        memcpy(rows, o->rows + first, n * sizeof(*rows));
        break;
    case PLAN_TIME:
        for (uint32_t i = 0; i < n; i++)
            rows[i] = (uint32_t)(first + i);
        break;
    }
}

void plan_order_destroy(struct plan_order *o)
{
    if (!o)
        return;
    mem_free(o->blocks);
    mem_free(o->rows);
    mem_free(o);
}
