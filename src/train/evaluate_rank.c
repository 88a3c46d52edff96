/* Scores rows and queries among candidates: a row among those its protocol
 * gives it, a query among all items. */
#include "train/evaluate_private.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "train/ranker.h"

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

/* The first candidate is the one to find, unless the row says no to one label
 * of several. */
static void label_candidates(struct share *s, uint32_t label, uint64_t row,
                             const uint32_t *items, uint32_t n)
{
    struct judged_rows *g = &s->groups[label];

    g->n = 0;
    if (s->n_labels > 1 &&
        !(dataset_label(s->ds, label, s->order->split, row) > 0))
        return;
    memcpy(g->items, items, n * sizeof(*g->items));
    memset(g->labels, 0, n * sizeof(*g->labels));
    g->labels[0] = 1;
    if (items[0] == VOCAB_UNKNOWN) // nobody could have offered it: a miss
        g->scores[0] = -INFINITY;
    g->n = n;
}

/* Scores of items for the query of a row, of every label. */
static enum fusor_status score_items(struct share *s, struct ranker *k,
                                     uint64_t row, const uint32_t *items,
                                     uint32_t n, struct fusor_error *err)
{
    struct batcher_query query = {.split = s->order->split, .row = row};

    for (uint32_t l = 0; l < s->n_labels; l++)
        FUSOR_TRY(share_make_room(&s->groups[l], n, err));
    for (uint32_t at = 0; at < n; at += s->w->micro_rows) {
        uint32_t some = n - at < s->w->micro_rows ? n - at : s->w->micro_rows;

        FUSOR_TRY(ranker_score(k, &query, items + at, some,
                               s->groups[0].scores + at, err));
        for (uint32_t l = 1; l < s->n_labels; l++)
            memcpy(s->groups[l].scores + at, model_scores(s->w->run, l),
                   some * sizeof(float));
    }
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
        if (share_owns(s, i))
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
    uint32_t n = candidates_of(s, row, items);

    FUSOR_TRY(slicer_find(&s->slicer, s->order->split, &row, 1, err));
    share_slice_group(s, 0);
    FUSOR_TRY(score_items(s, k, row, items, n, err));
    for (uint32_t l = 0; l < s->n_labels; l++)
        label_candidates(s, l, row, items, n);
    return share_close_group(s, dataset_sample_id(s->ds, s->order->split, row),
                             err);
}

enum fusor_status share_rank_rows(struct share *s, struct fusor_error *err)
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
        if (share_owns(s, s->order->rows[i]))
            rc = judge_candidates(s, &ranker, s->order->rows[i], items, err);
    ranker_clear(&ranker);
    mem_free(items);
    return rc;
}

/* Every known item, with the labels of those of the n rows that the query has
 * from row `first` of the order on. */
static void label_items(struct share *s, uint32_t label, uint64_t first,
                        uint64_t n)
{
    struct judged_rows *g = &s->groups[label];

    g->n = dataset_n_items(s->ds) - 1;
    for (uint32_t i = 0; i < g->n; i++)
        g->items[i] = i + 1;
    memset(g->labels, 0, g->n * sizeof(*g->labels));
    for (uint64_t k = first; k < first + n; k++) {
        uint32_t row = s->order->rows[k];
        uint32_t item = dataset_item(s->ds, s->order->split, row);
        float value = dataset_label(s->ds, label, s->order->split, row);

        if (item != VOCAB_UNKNOWN && value > 0)
            g->labels[item - 1] = value;
    }
}

/* One query among all items. */
static enum fusor_status judge_query(struct share *s, struct ranker *k,
                                     uint64_t first, uint64_t n,
                                     const uint32_t *items,
                                     struct fusor_error *err)
{
    uint32_t row = s->order->rows[first];

    FUSOR_TRY(slicer_find(&s->slicer, s->order->split, &row, 1, err));
    share_slice_group(s, 0);
    FUSOR_TRY(score_items(s, k, row, items,
                          (uint32_t)dataset_n_items(s->ds) - 1, err));
    for (uint32_t l = 0; l < s->n_labels; l++)
        label_items(s, l, first, n);
    return share_close_group(s, dataset_query(s->ds, s->order->split, row),
                             err);
}

enum fusor_status share_rank_queries(struct share *s, struct fusor_error *err)
{
    uint32_t n_items = (uint32_t)dataset_n_items(s->ds) - 1;
    uint32_t *items = mem_alloc_raw(n_items, sizeof(*items));
    struct ranker ranker = {0};
    enum fusor_status rc;
    uint64_t n;

    if (!items)
        return mem_fail(err, "candidates", n_items * sizeof(*items));
    for (uint32_t i = 0; i < n_items; i++)
        items[i] = i + 1;
    rc = ranker_create(&ranker, s->w, (uint64_t)n_items * s->order->n, err);
    for (uint64_t i = 0; rc == FUSOR_OK && i < s->order->n; i += n) {
        uint32_t query =
            dataset_query(s->ds, s->order->split, s->order->rows[i]);

        for (n = 1; i + n < s->order->n; n++)
            if (dataset_query(s->ds, s->order->split, s->order->rows[i + n]) !=
                query)
                break;
        if (share_owns(s, s->order->rows[i]))
            rc = judge_query(s, &ranker, i, n, items, err);
    }
    ranker_clear(&ranker);
    mem_free(items);
    return rc;
}
