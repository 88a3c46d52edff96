/* Metrics of the lists that would be shown, whatever of them is relevant:
 * novelty and diversity are means over lists; coverage and gini look at how
 * often each item is in one. */
#include "model/metric/mean.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

static uint32_t length(uint32_t k, const struct metric_group *g)
{
    return k < g->n_list ? k : g->n_list;
}

static int novelty_group(uint32_t k, const struct metric_group *g,
                         double *value, double *weight)
{
    uint32_t n = length(k, g);
    double sum = 0;

    if (n == 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        sum += metric_items_information(g->items, g->list[i]);
    *value = sum / n;
    *weight = 1;
    return 0;
}

/* Mean over the pairs of a list (Ziegler et al. 2005, "Improving recommendation
 * lists through topic diversification"). */
static int diversity_group(uint32_t k, const struct metric_group *g,
                           double *value, double *weight)
{
    uint32_t n = length(k, g);
    double sum = 0;

    if (n < 2)
        return -1;
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = 0; j < i; j++)
            sum += metric_items_distance(g->items, g->list[j], g->list[i]);
    *value = sum / ((double)n * (n - 1) / 2);
    *weight = 1;
    return 0;
}

/* How often each item was shown: a table of those that were, by hash. */
struct shown {
    uint32_t item; // 0: free
    uint64_t count;
};

struct counts {
    uint32_t n_items; // of the catalogue, id 0 included; 0: no list yet
    struct shown *table;
    size_t cap; // a power of two, or 0
    size_t used;
    uint64_t total;
    uint64_t n_lists;
    uint64_t n_empty;
};

static void *counts_create(const struct metric_spec *spec)
{
    (void)spec;
    return mem_alloc(1, sizeof(struct counts));
}

static void counts_destroy(void *state)
{
    struct counts *c = state;

    if (c)
        mem_free(c->table);
    mem_free(c);
}

static struct shown *slot_of(const struct counts *c, uint32_t item)
{
    size_t i = hash_mix(item) & (c->cap - 1);

    while (c->table[i].item && c->table[i].item != item)
        i = (i + 1) & (c->cap - 1);
    return &c->table[i];
}

static enum fusor_status grow(struct counts *c, struct fusor_error *err)
{
    struct counts bigger = {.cap = c->cap ? 2 * c->cap : 256};

    bigger.table = mem_alloc(bigger.cap, sizeof(*bigger.table));
    if (!bigger.table)
        return mem_fail(err, "metric: items shown",
                        bigger.cap * sizeof(*bigger.table));
    for (size_t i = 0; i < c->cap; i++)
        if (c->table[i].item)
            *slot_of(&bigger, c->table[i].item) = c->table[i];
    mem_free(c->table);
    c->table = bigger.table;
    c->cap = bigger.cap;
    return FUSOR_OK;
}

static enum fusor_status count(struct counts *c, uint32_t item, uint64_t times,
                               struct fusor_error *err)
{
    struct shown *s;

    if (2 * (c->used + 1) > c->cap)
        FUSOR_TRY(grow(c, err));
    s = slot_of(c, item);
    c->used += s->item == 0;
    s->item = item;
    s->count += times;
    c->total += times;
    return FUSOR_OK;
}

static enum fusor_status counts_list(void *state,
                                     const struct metric_spec *spec,
                                     const struct metric_group *g,
                                     struct fusor_error *err)
{
    struct counts *c = state;
    uint32_t n = length(spec->k, g);

    c->n_items = g->items->n;
    for (uint32_t i = 0; i < n; i++)
        FUSOR_TRY(count(c, g->list[i], 1, err));
    *(n ? &c->n_lists : &c->n_empty) += 1;
    return FUSOR_OK;
}

static enum fusor_status counts_merge(void *into, const void *from,
                                      struct fusor_error *err)
{
    struct counts *a = into;
    const struct counts *b = from;

    if (a->n_items && b->n_items && a->n_items != b->n_items)
        return fusor_fail(err, FUSOR_EDATA,
                          "metric: lists of %u and of %u items cannot be "
                          "merged",
                          a->n_items, b->n_items);
    if (b->n_items)
        a->n_items = b->n_items;
    for (size_t i = 0; i < b->cap; i++)
        if (b->table[i].item)
            FUSOR_TRY(count(a, b->table[i].item, b->table[i].count, err));
    a->n_lists += b->n_lists;
    a->n_empty += b->n_empty;
    return FUSOR_OK;
}

static int compare_shown(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;

    return (x->item > y->item) - (x->item < y->item);
}

/* By ascending item, so that the bytes do not depend on the table. */
static void counts_write(const void *state, struct strbuf *out)
{
    const struct counts *c = state;
    struct shown *sorted = mem_alloc_raw(c->used, sizeof(*sorted));
    size_t n = 0;

    if (!sorted) {
        out->failed = 1;
        return;
    }
    for (size_t i = 0; i < c->cap; i++)
        if (c->table[i].item)
            sorted[n++] = c->table[i];
    qsort(sorted, n, sizeof(*sorted), compare_shown);
    bytes_put(out, c->n_items, 4);
    bytes_put(out, c->n_lists, 8);
    bytes_put(out, c->n_empty, 8);
    bytes_put(out, n, 4);
    for (size_t i = 0; i < n; i++) {
        bytes_put_varint(out, sorted[i].item - (i ? sorted[i - 1].item : 0));
        bytes_put_varint(out, sorted[i].count);
    }
    mem_free(sorted);
}

static enum fusor_status counts_read(void *state, struct bytes *in,
                                     struct fusor_error *err)
{
    struct counts *c = state;
    uint64_t used, item = 0;

    c->n_items = (uint32_t)bytes_get(in, 4);
    c->n_lists = bytes_get(in, 8);
    c->n_empty = bytes_get(in, 8);
    used = bytes_get(in, 4);
    if (used > in->left / 2 || c->n_lists >> 56 || c->n_empty >> 56)
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: lists");
    for (uint64_t i = 0; i < used && !in->bad; i++) {
        uint64_t step = bytes_get_varint(in), times = bytes_get_varint(in);

        if (in->bad)
            break;
        if (step == 0 || step >= c->n_items || item + step >= c->n_items ||
            times == 0 || times > c->n_lists)
            return fusor_fail(err, FUSOR_EPROTO, "metric bytes: item shown");
        item += step;
        FUSOR_TRY(count(c, (uint32_t)item, times, err));
    }
    return FUSOR_OK;
}

static int describe(const struct counts *c, struct metric_result *out)
{
    out->n = c->n_lists;
    out->n_skipped = c->n_empty;
    out->weight = (double)c->n_lists;
    if (c->n_items < 2 || c->n_lists == 0 || c->total == 0)
        return 0;
    out->defined = 1;
    out->error = 0x1p-50;
    return 1;
}

static enum fusor_status coverage_result(const void *state,
                                         const struct metric_spec *spec,
                                         struct metric_result *out,
                                         struct fusor_error *err)
{
    const struct counts *c = state;

    (void)spec;
    (void)err;
    if (describe(c, out))
        out->value = (double)c->used / (c->n_items - 1);
    return FUSOR_OK;
}

static int compare_counts(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* sum_i (2 i - n - 1) x_i / (n sum x) over all items of the catalogue, i their
 * places by ascending x: those never shown come first and add nothing. */
static enum fusor_status gini_result(const void *state,
                                     const struct metric_spec *spec,
                                     struct metric_result *out,
                                     struct fusor_error *err)
{
    const struct counts *c = state;
    int64_t n = (int64_t)c->n_items - 1;
    metric_i128 sum = 0;
    uint64_t *sorted;
    size_t at = 0;

    (void)spec;
    if (!describe(c, out))
        return FUSOR_OK;
    sorted = mem_alloc_raw(c->used, sizeof(*sorted));
    if (!sorted)
        return mem_fail(err, "metric: gini", c->used * sizeof(*sorted));
    for (size_t i = 0; i < c->cap; i++)
        if (c->table[i].item)
            sorted[at++] = c->table[i].count;
    qsort(sorted, at, sizeof(*sorted), compare_counts);
    for (size_t i = 0; i < at; i++) {
        int64_t place = n - (int64_t)at + (int64_t)i + 1;

        sum += (metric_i128)(2 * place - n - 1) * (metric_i128)sorted[i];
    }
    mem_free(sorted);
    out->value = (double)sum / ((double)n * (double)c->total);
    return FUSOR_OK;
}

static const struct metric_state_ops coverage_state = {
    .create = counts_create,
    .destroy = counts_destroy,
    .list = counts_list,
    .merge = counts_merge,
    .write = counts_write,
    .read = counts_read,
    .result = coverage_result,
};

static const struct metric_state_ops gini_state = {
    .create = counts_create,
    .destroy = counts_destroy,
    .list = counts_list,
    .merge = counts_merge,
    .write = counts_write,
    .read = counts_read,
    .result = gini_result,
};

const struct metric_ops metric_coverage = {
    .name = "coverage",
    .help = "share of all items that is in the first k of some list",
    .cut = METRIC_NEEDS_K,
    .k_max = METRIC_LIST_MAX,
    .higher_is_better = 1,
    .over_lists = 1,
    .state = &coverage_state,
};

const struct metric_ops metric_gini = {
    .name = "gini",
    .help = "how unequally items are shown: 0 all alike, 1 one item",
    .cut = METRIC_NEEDS_K,
    .k_max = METRIC_LIST_MAX,
    .over_lists = 1,
    .state = &gini_state,
};

const struct metric_ops metric_novelty = {
    .name = "novelty",
    .help = "mean of -log2(share of train rows) of the first k",
    .cut = METRIC_NEEDS_K,
    .k_max = METRIC_LIST_MAX,
    .higher_is_better = 1,
    .over_lists = 1,
    .state = &metric_mean_state,
    .group = novelty_group,
};

const struct metric_ops metric_diversity = {
    .name = "diversity",
    .help = "mean distance of pairs in the first k; @k/FIELD of the items",
    .cut = METRIC_NEEDS_K,
    .k_max = METRIC_LIST_MAX,
    .higher_is_better = 1,
    .over_lists = 1,
    .takes_field = 1,
    .state = &metric_mean_state,
    .group = diversity_group,
};
