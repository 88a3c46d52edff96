/* Scores the queries a worker owns: rows as they stand, or each row among its
 * protocol's candidates. */
#include "train/evaluate.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "train/catalogue.h"
#include "train/ranker.h"
#include "train/slicing.h"

enum fusor_status evaluate_order_build(const struct dataset *ds,
                                       enum split split,
                                       struct evaluate_order *out,
                                       struct fusor_error *err)
{
    uint64_t n = dataset_rows(ds, split), n_queries = dataset_n_queries(ds);
    uint64_t *begin = mem_alloc(n_queries + 2, sizeof(*begin));
    uint32_t *rows = mem_alloc_raw(n + 1, sizeof(*rows));

    if (!begin || !rows) {
        mem_free(begin);
        mem_free(rows);
        return mem_fail(err, "evaluation order", n * sizeof(*rows));
    }
    for (uint64_t i = 0; i < n; i++)
        begin[n_queries ? dataset_query(ds, split, i) + 1 : 1]++;
    for (uint64_t q = 0; q <= n_queries; q++)
        begin[q + 1] += begin[q];
    for (uint64_t i = 0; i < n; i++)
        rows[begin[n_queries ? dataset_query(ds, split, i) : 0]++] =
            (uint32_t)i;
    mem_free(begin);
    *out = (struct evaluate_order){split, n, rows};
    return FUSOR_OK;
}

void evaluate_order_clear(struct evaluate_order *o)
{
    mem_free(o->rows);
    o->rows = NULL;
}

enum fusor_status evaluate_set_create(const struct workload *w,
                                      struct metric_set **out,
                                      struct fusor_error *err)
{
    struct metric_options options = {0};
    double lo, hi;

    if (!model_output_is_probability(w->model)) {
        dataset_label_range(w->data, &lo, &hi);
        options.score_lo = lo - 0.5 * (hi - lo + 1);
        options.score_hi = hi + 0.5 * (hi - lo + 1);
    }
    FUSOR_TRY(metric_set_create(w->metrics, w->n_metrics, &options, out, err));
    if (w->catalogue)
        metric_set_items(*out, &w->catalogue->items);
    return FUSOR_OK;
}

/* One share under way. */
struct share {
    struct worker *w;
    const struct dataset *ds;
    const struct evaluate_order *order;
    struct metric_set *set;
    struct evaluate_sink *sink;
    double *values; // [n_metrics] of one unit
    uint32_t worker, n_workers;
    int has_rows, has_groups; // kinds of metric asked for
    /* The group that is being gathered. */
    float *scores, *labels;
    uint32_t *items;
    size_t n, cap;
    struct slicer slicer;
    uint32_t group_slices[SLICING_FIELDS_MAX]; // of that group
};

static int owns(const struct share *s, uint64_t row)
{
    uint64_t key = dataset_n_queries(s->ds)
                       ? dataset_query(s->ds, s->order->split, row)
                       : row;

    return hash_mix(key + 1) % s->n_workers == s->worker;
}

static enum fusor_status group_room(struct share *s, size_t n,
                                    struct fusor_error *err)
{
    size_t cap = s->cap ? s->cap : 1024;
    float *scores, *labels;
    uint32_t *items;

    if (n <= s->cap)
        return FUSOR_OK;
    while (cap < n)
        cap *= 2;
    scores = mem_grow(s->scores, s->cap, cap, sizeof(*scores));
    if (scores)
        s->scores = scores;
    labels = mem_grow(s->labels, s->cap, cap, sizeof(*labels));
    if (labels)
        s->labels = labels;
    items = mem_grow(s->items, s->cap, cap, sizeof(*items));
    if (items)
        s->items = items;
    if (!scores || !labels || !items)
        return mem_fail(err, "group", cap * sizeof(*scores));
    s->cap = cap;
    return FUSOR_OK;
}

static uint32_t n_slicings(const struct share *s)
{
    return s->slicer.slicing ? s->slicer.slicing->n : 0;
}

/* The gathered group has the slices of row i of those found last. */
static void slice_group(struct share *s, uint32_t i)
{
    for (uint32_t f = 0; f < n_slicings(s); f++)
        s->group_slices[f] = slicer_of(&s->slicer, f, i);
}

static enum fusor_status close_group(struct share *s, uint64_t key,
                                     struct fusor_error *err)
{
    FUSOR_TRY(metric_set_shown(s->set, key, s->scores, s->labels, s->items,
                               s->n, s->values, err));
    for (uint32_t f = 0; f < n_slicings(s); f++) {
        struct metric_set *slice;

        FUSOR_TRY(metric_set_slice(s->set, s->group_slices[f], &slice, err));
        FUSOR_TRY(metric_set_shown(slice, key, s->scores, s->labels, s->items,
                                   s->n, NULL, err));
    }
    if (s->sink && s->n)
        s->sink->unit(s->sink, key, s->values);
    s->n = 0;
    return FUSOR_OK;
}

static enum fusor_status slice_rows(struct share *s, const struct batch *b,
                                    struct fusor_error *err)
{
    for (uint32_t f = 0; f < n_slicings(s); f++)
        for (uint32_t i = 0; i < b->n; i++) {
            struct metric_set *slice;

            FUSOR_TRY(metric_set_slice(s->set, slicer_of(&s->slicer, f, i),
                                       &slice, err));
            FUSOR_TRY(metric_set_rows(slice, &s->w->outputs[i], &b->label[i],
                                      b->weight ? &b->weight[i] : NULL, 1,
                                      err));
        }
    return FUSOR_OK;
}

static enum fusor_status add_rows(struct share *s, const struct batch *b,
                                  struct fusor_error *err)
{
    FUSOR_TRY(
        metric_set_rows(s->set, s->w->outputs, b->label, b->weight, b->n, err));
    FUSOR_TRY(slice_rows(s, b, err));
    for (uint32_t i = 0; s->sink && !s->has_groups && i < b->n; i++) {
        for (uint32_t m = 0; m < s->w->workload->n_metrics; m++)
            s->values[m] =
                metric_row_value(s->set, m, s->w->outputs[i], b->label[i]);
        s->sink->unit(s->sink, b->sample_id[i], s->values);
    }
    return FUSOR_OK;
}

/* Score up to micro_rows rows that stand together in the order. */
static enum fusor_status score_rows(struct share *s, const uint32_t *rows,
                                    uint32_t n, struct batch *out,
                                    struct fusor_error *err)
{
    struct step *step = &s->w->ring[0];
    struct step_micro *m;

    step_reset(step, 0);
    m = step_next_micro(step, 0);
    FUSOR_TRY(
        batcher_fill(m->batcher, s->order->split, rows, n, &m->batch, err));
    FUSOR_TRY(worker_score(s->w, m, err));
    *out = m->batch;
    return FUSOR_OK;
}

static enum fusor_status group_rows(struct share *s, const uint32_t *rows,
                                    const struct batch *b, uint32_t *query,
                                    struct fusor_error *err)
{
    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t q = dataset_query(s->ds, s->order->split, rows[i]);

        if (s->n && q != *query)
            FUSOR_TRY(close_group(s, *query, err));
        *query = q;
        if (s->n == 0)
            slice_group(s, i);
        FUSOR_TRY(group_room(s, s->n + 1, err));
        s->scores[s->n] = s->w->scores[i]; // outputs may be cut to a range
        s->items[s->n] = dataset_item(s->ds, s->order->split, rows[i]);
        s->labels[s->n++] = b->label[i];
    }
    return FUSOR_OK;
}

/* Rows as they stand. */
static enum fusor_status judge_rows(struct share *s, int with_groups,
                                    struct fusor_error *err)
{
    uint32_t query = 0, n = 0;
    struct batch b;

    for (uint64_t i = 0; i < s->order->n; i++) {
        if (owns(s, s->order->rows[i]))
            s->w->rows[n++] = s->order->rows[i];
        if (n == 0 || (n < s->w->micro_rows && i + 1 < s->order->n))
            continue;
        FUSOR_TRY(score_rows(s, s->w->rows, n, &b, err));
        FUSOR_TRY(slicer_find(&s->slicer, s->order->split, s->w->rows, n, err));
        if (s->has_rows)
            FUSOR_TRY(add_rows(s, &b, err));
        if (with_groups)
            FUSOR_TRY(group_rows(s, s->w->rows, &b, &query, err));
        n = 0;
    }
    return s->n ? close_group(s, query, err) : FUSOR_OK;
}

/* Candidates a file gave for this row, or NULL. */
static const uint32_t *given_of(const struct share *s, uint64_t row,
                                uint32_t *n)
{
    *n = 0;
    return s->order->split == SPLIT_TEST ? dataset_candidates(s->ds, row, n)
                                         : NULL;
}

/* The row's own item, then those it is ranked among. */
static uint32_t candidates_of(const struct share *s, uint64_t row,
                              uint32_t *items)
{
    uint32_t target = dataset_item(s->ds, s->order->split, row), n = 1;
    uint32_t n_given, n_seen;
    const uint32_t *given = given_of(s, row, &n_given), *seen;

    items[0] = target;
    if (given) {
        memcpy(items + 1, given, n_given * sizeof(*items));
        return 1 + n_given;
    }
    seen = dataset_seen(s->ds, s->order->split,
                        dataset_query(s->ds, s->order->split, row), &n_seen);
    for (uint32_t item = 1, k = 0; item < dataset_n_items(s->ds); item++) {
        while (k < n_seen && seen[k] < item) // which ascend
            k++;
        if (item != target && (k == n_seen || seen[k] != item))
            items[n++] = item;
    }
    return n;
}

static enum fusor_status score_candidates(struct share *s, struct ranker *k,
                                          uint64_t row, const uint32_t *items,
                                          uint32_t n, struct fusor_error *err)
{
    struct batcher_query query = {s->order->split, row, 0};

    FUSOR_TRY(group_room(s, n, err));
    for (uint32_t at = 0; at < n; at += s->w->micro_rows)
        FUSOR_TRY(
            ranker_score(k, &query, items + at,
                         n - at < s->w->micro_rows ? n - at : s->w->micro_rows,
                         s->scores + at, err));
    memcpy(s->items, items, n * sizeof(*s->items));
    memset(s->labels, 0, n * sizeof(*s->labels));
    s->labels[0] = 1;
    if (items[0] == VOCAB_UNKNOWN) // nobody could have offered it: a miss
        s->scores[0] = -INFINITY;
    s->n = n;
    return FUSOR_OK;
}

/* Of one row, and of this worker's rows together. */
static size_t count_candidates(const struct share *s, uint64_t *sum)
{
    size_t n_items = dataset_n_items(s->ds), most = n_items;

    *sum = 0;
    for (uint64_t i = 0; i < s->order->n; i++) {
        uint32_t n;

        if (!given_of(s, i, &n))
            n = (uint32_t)n_items;
        if (owns(s, i))
            *sum += n;
        if ((size_t)n + 1 > most)
            most = (size_t)n + 1;
    }
    return most + 1;
}

/* One row among its candidates. */
static enum fusor_status judge_candidates(struct share *s, struct ranker *k,
                                          uint32_t row, uint32_t *items,
                                          struct fusor_error *err)
{
    FUSOR_TRY(slicer_find(&s->slicer, s->order->split, &row, 1, err));
    slice_group(s, 0);
    FUSOR_TRY(
        score_candidates(s, k, row, items, candidates_of(s, row, items), err));
    return close_group(s, dataset_sample_id(s->ds, s->order->split, row), err);
}

/* Each row among its candidates. */
static enum fusor_status judge_ranking(struct share *s, struct fusor_error *err)
{
    uint64_t n_pairs;
    size_t room = count_candidates(s, &n_pairs);
    uint32_t *items = mem_alloc_raw(room, sizeof(*items));
    struct ranker ranker = {0};
    enum fusor_status rc;

    if (!items)
        return mem_fail(err, "candidates", room * sizeof(*items));
    rc = ranker_create(&ranker, s->w, n_pairs, err);
    for (uint64_t i = 0; rc == FUSOR_OK && i < s->order->n; i++)
        if (owns(s, s->order->rows[i]))
            rc = judge_candidates(s, &ranker, s->order->rows[i], items, err);
    ranker_clear(&ranker);
    mem_free(items);
    return rc;
}

int evaluate_ranks_candidates(const struct dataset *ds)
{
    return strncmp(dataset_schema(ds)->protocol, "loo-", 4) == 0 &&
           dataset_n_items(ds) > 0;
}

enum fusor_status
evaluate_share(struct worker *w, const struct evaluate_order *order,
               uint32_t worker, uint32_t n_workers, struct metric_set *set,
               struct evaluate_sink *sink, struct fusor_error *err)
{
    struct share s = {.w = w,
                      .ds = w->workload->data,
                      .order = order,
                      .set = set,
                      .sink = sink,
                      .worker = worker,
                      .n_workers = n_workers};
    int ranking = evaluate_ranks_candidates(s.ds);
    enum fusor_status rc = FUSOR_OK;

    for (uint32_t i = 0; i < w->workload->n_metrics; i++)
        *(metric_over_groups(&w->workload->metrics[i]) ? &s.has_groups
                                                       : &s.has_rows) = 1;
    s.values = mem_alloc(w->workload->n_metrics + 1, sizeof(*s.values));
    if (!s.values)
        return mem_fail(err, "evaluation", sizeof(*s.values));
    rc = slicer_init(&s.slicer, w->workload->slicing, w->micro_rows, err);
    if (rc == FUSOR_OK && (s.has_rows || (s.has_groups && !ranking)))
        rc = judge_rows(&s, s.has_groups && !ranking, err);
    if (rc == FUSOR_OK && s.has_groups && ranking)
        rc = judge_ranking(&s, err);
    slicer_clear(&s.slicer);
    mem_free(s.values);
    mem_free(s.scores);
    mem_free(s.labels);
    mem_free(s.items);
    return rc;
}
