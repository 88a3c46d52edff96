/* Scores the queries a worker owns: rows as they stand. Those among candidates
 * are evaluate_rank.c's. */
#include "train/evaluate_private.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "data/protocol.h"
#include "train/catalogue.h"

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
    struct metric_options options = {.score_lo = INFINITY,
                                     .score_hi = -INFINITY};

    for (uint32_t k = 0; k < model_n_labels(w->model); k++) {
        double lo = 0, hi = 1, around = 0;

        if (!model_output_is_probability(w->model, k)) {
            dataset_label_range(w->data, k, &lo, &hi);
            around = 0.5 * (hi - lo + 1);
        }
        options.score_lo = fmin(options.score_lo, lo - around);
        options.score_hi = fmax(options.score_hi, hi + around);
    }
    FUSOR_TRY(metric_set_create(w->metrics, w->n_metrics, &options, out, err));
    if (w->catalogue)
        metric_set_items(*out, &w->catalogue->items);
    return FUSOR_OK;
}

int share_owns(const struct share *s, uint64_t row)
{
    uint64_t key = dataset_n_queries(s->ds)
                       ? dataset_query(s->ds, s->order->split, row)
                       : row;

    return hash_mix(key + 1) % s->n_workers == s->worker;
}

enum fusor_status share_make_room(struct judged_rows *r, size_t n,
                                  struct fusor_error *err)
{
    size_t cap = r->cap ? r->cap : 1024;
    float **const columns[] = {&r->scores, &r->labels, &r->weights};
    uint32_t *items;

    if (n <= r->cap)
        return FUSOR_OK;
    while (cap < n)
        cap *= 2;
    for (int c = 0; c < 3; c++) {
        float *column = mem_grow(*columns[c], r->cap, cap, sizeof(*column));

        if (!column)
            return mem_fail(err, "group", cap * sizeof(*column));
        *columns[c] = column;
    }
    items = mem_grow(r->items, r->cap, cap, sizeof(*items));
    if (!items)
        return mem_fail(err, "group", cap * sizeof(*items));
    r->items = items;
    r->cap = cap;
    return FUSOR_OK;
}

static void clear_rows(struct judged_rows *r)
{
    mem_free(r->scores);
    mem_free(r->labels);
    mem_free(r->weights);
    mem_free(r->items);
}

static const char *label_name(const struct share *s, uint32_t label)
{
    return model_label_name(s->w->workload->model, label);
}

/* Take the values of the label's metrics from part, or of all when it is the
 * first. */
static void take_values(struct share *s, uint32_t label)
{
    const struct workload *w = s->w->workload;

    for (uint32_t m = 0; m < w->n_metrics; m++)
        if (!strcmp(w->metrics[m].label, label_name(s, label)))
            s->values[m] = s->part[m];
}

static void forget_values(struct share *s)
{
    for (uint32_t m = 0; m < s->w->workload->n_metrics; m++)
        s->values[m] = NAN;
}

static uint32_t n_slicings(const struct share *s)
{
    return s->slicer.slicing ? s->slicer.slicing->n : 0;
}

void share_slice_group(struct share *s, uint32_t i)
{
    for (uint32_t f = 0; f < n_slicings(s); f++)
        s->group_slices[f] = slicer_of(&s->slicer, f, i);
}

/* What one label says of the gathered group. */
static enum fusor_status close_label(struct share *s, uint32_t label,
                                     uint64_t key, struct fusor_error *err)
{
    struct judged_rows *g = &s->groups[label];

    metric_set_about(s->set, label_name(s, label));
    FUSOR_TRY(metric_set_shown(s->set, key, g->scores, g->labels, g->items,
                               g->n, s->part, err));
    take_values(s, label);
    for (uint32_t f = 0; f < n_slicings(s); f++) {
        struct metric_set *slice;

        FUSOR_TRY(metric_set_slice(s->set, s->group_slices[f], &slice, err));
        FUSOR_TRY(metric_set_shown(slice, key, g->scores, g->labels, g->items,
                                   g->n, NULL, err));
    }
    g->n = 0;
    return FUSOR_OK;
}

enum fusor_status share_close_group(struct share *s, uint64_t key,
                                    struct fusor_error *err)
{
    uint32_t any = 0;

    forget_values(s);
    for (uint32_t k = 0; k < s->n_labels; k++) {
        if (s->n_labels > 1 && s->groups[k].n == 0)
            continue; // nothing of this label is known here
        any |= s->groups[k].n > 0;
        FUSOR_TRY(close_label(s, k, key, err));
    }
    if (s->sink && any)
        s->sink->unit(s->sink, key, s->group_slices, s->values);
    s->n_group = 0;
    return FUSOR_OK;
}

/* The rows that have the label, side by side. */
static void choose_rows(struct share *s, uint32_t label, const struct batch *b)
{
    const float *outputs = model_outputs(s->w->run, label);
    const float *values = b->labels[label];
    struct judged_rows *r = &s->rows;

    r->n = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        if (isnan(values[i]))
            continue;
        r->scores[r->n] = outputs[i];
        r->labels[r->n] = values[i];
        r->weights[r->n] = b->weight ? b->weight[i] : 1.0f;
        r->items[r->n++] = i; // its place in the batch
    }
}

static enum fusor_status slice_rows(struct share *s, struct fusor_error *err)
{
    const struct judged_rows *r = &s->rows;

    for (uint32_t f = 0; f < n_slicings(s); f++)
        for (size_t i = 0; i < r->n; i++) {
            struct metric_set *slice;

            FUSOR_TRY(metric_set_slice(
                s->set, slicer_of(&s->slicer, f, r->items[i]), &slice, err));
            FUSOR_TRY(metric_set_rows(slice, &r->scores[i], &r->labels[i],
                                      &r->weights[i], 1, err));
        }
    return FUSOR_OK;
}

/* Tell of each row by itself. */
static void sink_rows(struct share *s, const struct batch *b)
{
    const struct workload *w = s->w->workload;

    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t slices[SLICING_FIELDS_MAX];

        for (uint32_t f = 0; f < n_slicings(s); f++)
            slices[f] = slicer_of(&s->slicer, f, i);
        forget_values(s);
        for (uint32_t k = 0; k < s->n_labels; k++) {
            if (isnan(b->labels[k][i]))
                continue;
            for (uint32_t m = 0; m < w->n_metrics; m++)
                s->part[m] = metric_row_value(
                    s->set, m, model_outputs(s->w->run, k)[i], b->labels[k][i]);
            take_values(s, k);
        }
        s->sink->unit(s->sink, b->sample_id[i], slices, s->values);
    }
}

static enum fusor_status add_rows(struct share *s, const struct batch *b,
                                  struct fusor_error *err)
{
    const struct judged_rows *r = &s->rows;

    FUSOR_TRY(share_make_room(&s->rows, b->n, err));
    for (uint32_t k = 0; k < s->n_labels; k++) {
        choose_rows(s, k, b);
        metric_set_about(s->set, label_name(s, k));
        FUSOR_TRY(metric_set_rows(s->set, r->scores, r->labels, r->weights,
                                  r->n, err));
        FUSOR_TRY(slice_rows(s, err));
    }
    if (s->sink && !s->has_groups)
        sink_rows(s, b);
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

/* Sample i of the batch joins the label's group. */
static enum fusor_status group_row(struct share *s, uint32_t label,
                                   uint32_t row, const struct batch *b,
                                   uint32_t i, struct fusor_error *err)
{
    struct judged_rows *g = &s->groups[label];

    if (isnan(b->labels[label][i]))
        return FUSOR_OK;
    FUSOR_TRY(share_make_room(g, g->n + 1, err));
    /* Outputs may be cut to a range. */
    g->scores[g->n] = model_scores(s->w->run, label)[i];
    g->items[g->n] = dataset_item(s->ds, s->order->split, row);
    g->labels[g->n++] = b->labels[label][i];
    return FUSOR_OK;
}

static enum fusor_status group_rows(struct share *s, const uint32_t *rows,
                                    const struct batch *b, uint32_t *query,
                                    struct fusor_error *err)
{
    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t q = dataset_query(s->ds, s->order->split, rows[i]);

        if (s->n_group && q != *query)
            FUSOR_TRY(share_close_group(s, *query, err));
        *query = q;
        if (s->n_group++ == 0)
            share_slice_group(s, i);
        for (uint32_t k = 0; k < s->n_labels; k++)
            FUSOR_TRY(group_row(s, k, rows[i], b, i, err));
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
        if (share_owns(s, s->order->rows[i]))
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
    return s->n_group ? share_close_group(s, query, err) : FUSOR_OK;
}

/* What the protocol says of ranking; 0 when there is nothing to rank. */
static unsigned ranks(const struct dataset *ds)
{
    const struct protocol_ops *p =
        protocol_find(dataset_schema(ds)->protocol, NULL);

    if (!p || dataset_n_items(ds) == 0)
        return 0;
    return p->flags & (PROTOCOL_RANKS_ROWS | PROTOCOL_RANKS_QUERIES);
}

int evaluate_ranks_candidates(const struct dataset *ds)
{
    return ranks(ds) == PROTOCOL_RANKS_ROWS;
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
                      .n_workers = n_workers,
                      .n_labels = model_n_labels(w->workload->model)};
    unsigned ranking = ranks(s.ds);
    enum fusor_status rc = FUSOR_OK;

    for (uint32_t i = 0; i < w->workload->n_metrics; i++)
        *(metric_over_groups(&w->workload->metrics[i]) ? &s.has_groups
                                                       : &s.has_rows) = 1;
    s.values = mem_alloc(w->workload->n_metrics + 1, sizeof(*s.values));
    s.part = mem_alloc(w->workload->n_metrics + 1, sizeof(*s.part));
    if (!s.values || !s.part)
        rc = mem_fail(err, "evaluation", sizeof(*s.values));
    if (rc == FUSOR_OK)
        rc = slicer_init(&s.slicer, w->workload->slicing, w->micro_rows, err);
    if (rc == FUSOR_OK && (s.has_rows || (s.has_groups && !ranking)))
        rc = judge_rows(&s, s.has_groups && !ranking, err);
    if (rc == FUSOR_OK && s.has_groups && ranking == PROTOCOL_RANKS_ROWS)
        rc = share_rank_rows(&s, err);
    if (rc == FUSOR_OK && s.has_groups && ranking == PROTOCOL_RANKS_QUERIES)
        rc = share_rank_queries(&s, err);
    slicer_clear(&s.slicer);
    mem_free(s.values);
    mem_free(s.part);
    clear_rows(&s.rows);
    for (uint32_t k = 0; k < BATCH_MAX_LABELS; k++)
        clear_rows(&s.groups[k]);
    return rc;
}
