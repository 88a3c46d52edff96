/* Scores rows and queries among candidates: a row among those its protocol
 * gives it, a query among all items, or both among a shortlist. */
#include "train/evaluate_private.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/sorted.h"
#include "train/ranker.h"
#include "train/shortlist.h"

/* Candidates a file gave for this row, or NULL. */
static const uint32_t *given_of(const struct share *s, uint64_t row,
                                uint32_t *n)
{
    *n = 0;
    return s->order->split == SPLIT_TEST ? dataset_candidates(s->ds, row, n)
                                         : NULL;
}

/* What one worker ranks queries with. */
struct ranking {
    struct share *share;
    struct ranker ranker;
    uint32_t *items; // candidates of the query under way
    uint32_t *list;  // room for what the shortlist finds; NULL: there is none
};

static struct batcher_query query_of(const struct share *s, uint64_t row)
{
    return (struct batcher_query){.split = s->order->split, .row = row};
}

/* Items [n] ascending without those the row's query has seen and its own,
 * behind the first of out. @return how many then */
static uint32_t add_unseen(const struct share *s, uint64_t row,
                           const uint32_t *items, uint32_t n, uint32_t *out)
{
    uint32_t n_seen, to = 1;
    const uint32_t *seen =
        dataset_seen(s->ds, s->order->split,
                     dataset_query(s->ds, s->order->split, row), &n_seen);

    for (uint32_t i = 0, k = 0; i < n; i++) {
        uint32_t item = items ? items[i] : i;

        while (k < n_seen && seen[k] < item) // which ascend
            k++;
        if (item != VOCAB_UNKNOWN && item != out[0] &&
            (k == n_seen || seen[k] != item))
            out[to++] = item;
    }
    return to;
}

/* The row's own item, then those it is ranked among.
 * @param found set: is the own item among those that were found? */
static enum fusor_status candidates_of(struct ranking *k, uint64_t row,
                                       uint32_t *n, int *found,
                                       struct fusor_error *err)
{
    const struct share *s = k->share;
    struct batcher_query query = query_of(s, row);
    uint32_t n_given, n_list;
    const uint32_t *given = given_of(s, row, &n_given);

    k->items[0] = dataset_item(s->ds, s->order->split, row);
    *found = k->items[0] != VOCAB_UNKNOWN;
    if (given) {
        memcpy(k->items + 1, given, n_given * sizeof(*given));
        *n = 1 + n_given;
    } else if (k->list) {
        FUSOR_TRY(shortlist_find(s->w->workload->shortlist, &k->ranker, &query,
                                 k->list, &n_list, err));
        *found = sorted_place(k->list, n_list, k->items[0]) < n_list;
        *n = add_unseen(s, row, k->list, n_list, k->items);
    } else {
        *n = add_unseen(s, row, NULL, (uint32_t)dataset_n_items(s->ds),
                        k->items);
    }
    return FUSOR_OK;
}

/* The first candidate is the one to find, unless the row says no to one label
 * of several. */
static void label_candidates(struct share *s, uint32_t label, uint64_t row,
                             const uint32_t *items, uint32_t n, int found)
{
    struct judged_rows *g = &s->groups[label];

    g->n = 0;
    if (s->n_labels > 1 &&
        !(dataset_label(s->ds, label, s->order->split, row) > 0))
        return;
    memcpy(g->items, items, n * sizeof(*g->items));
    memset(g->labels, 0, n * sizeof(*g->labels));
    g->labels[0] = 1;
    if (!found) // nobody has offered it: a miss
        g->scores[0] = -INFINITY;
    g->n = n;
}

/* Scores of items for the query of a row, of every label. */
static enum fusor_status score_items(struct ranking *k, uint64_t row,
                                     const uint32_t *items, uint32_t n,
                                     struct fusor_error *err)
{
    struct share *s = k->share;
    struct batcher_query query = query_of(s, row);

    for (uint32_t l = 0; l < s->n_labels; l++)
        FUSOR_TRY(share_make_room(&s->groups[l], n, err));
    FUSOR_TRY(ranker_begin(&k->ranker, &query, items, n, err));
    for (uint32_t at = 0; at < n; at += s->w->micro_rows) {
        uint32_t some = n - at < s->w->micro_rows ? n - at : s->w->micro_rows;

        FUSOR_TRY(ranker_score(&k->ranker, &query, items + at, some,
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
    const struct shortlist *list = s->w->workload->shortlist;
    size_t n_items = dataset_n_items(s->ds), most = n_items;

    *sum = 0;
    for (uint64_t i = 0; i < s->order->n; i++) {
        uint32_t n;

        if (!given_of(s, i, &n))
            n = list ? shortlist_room(list) : (uint32_t)n_items;
        if (share_owns(s, i))
            *sum += n;
        if ((size_t)n + 1 > most)
            most = (size_t)n + 1;
    }
    return most + 1;
}

/* One row among its candidates. */
static enum fusor_status judge_candidates(struct ranking *k, uint32_t row,
                                          struct fusor_error *err)
{
    struct share *s = k->share;
    uint32_t n;
    int found;

    FUSOR_TRY(candidates_of(k, row, &n, &found, err));
    FUSOR_TRY(slicer_find(&s->slicer, s->order->split, &row, 1, err));
    share_slice_group(s, 0);
    FUSOR_TRY(score_items(k, row, k->items, n, err));
    for (uint32_t l = 0; l < s->n_labels; l++)
        label_candidates(s, l, row, k->items, n, found);
    return share_close_group(s, dataset_sample_id(s->ds, s->order->split, row),
                             err);
}

static void ranking_clear(struct ranking *k)
{
    ranker_clear(&k->ranker);
    mem_free(k->items);
    mem_free(k->list);
}

/* @param room candidates of one query */
static enum fusor_status ranking_create(struct ranking *k, struct share *s,
                                        size_t room, uint64_t n_pairs,
                                        struct fusor_error *err)
{
    const struct shortlist *list = s->w->workload->shortlist;
    enum fusor_status rc;

    *k = (struct ranking){.share = s};
    k->items = mem_alloc_raw(room, sizeof(*k->items));
    if (list)
        k->list = mem_alloc_raw(shortlist_room(list), sizeof(*k->list));
    if (!k->items || (list && !k->list))
        rc = mem_fail(err, "candidates", room * sizeof(*k->items));
    else
        rc = ranker_create(&k->ranker, s->w, n_pairs, err);
    if (rc != FUSOR_OK)
        ranking_clear(k);
    return rc;
}

enum fusor_status share_rank_rows(struct share *s, struct fusor_error *err)
{
    uint64_t n_pairs;
    size_t room = count_candidates(s, &n_pairs);
    struct ranking k;
    enum fusor_status rc = FUSOR_OK;

    FUSOR_TRY(ranking_create(&k, s, room, n_pairs, err));
    for (uint64_t i = 0; rc == FUSOR_OK && i < s->order->n; i++)
        if (share_owns(s, s->order->rows[i]))
            rc = judge_candidates(&k, s->order->rows[i], err);
    ranking_clear(&k);
    return rc;
}

/* Labels for n candidates, of those of the n_rows rows that the query has from
 * row `first` of the order on. A judged item that is no candidate stands behind
 * them as one that was never offered. */
static enum fusor_status label_items(struct ranking *k, uint32_t label,
                                     uint32_t n, uint64_t first,
                                     uint64_t n_rows, struct fusor_error *err)
{
    struct share *s = k->share;
    struct judged_rows *g = &s->groups[label];

    FUSOR_TRY(share_make_room(g, n + n_rows, err));
    g->n = n;
    memcpy(g->items, k->items, n * sizeof(*g->items));
    memset(g->labels, 0, n * sizeof(*g->labels));
    for (uint64_t i = first; i < first + n_rows; i++) {
        uint32_t row = s->order->rows[i];
        uint32_t item = dataset_item(s->ds, s->order->split, row);
        float value = dataset_label(s->ds, label, s->order->split, row);
        uint32_t at = sorted_place(k->items, n, item);

        if (item == VOCAB_UNKNOWN || !(value > 0))
            continue;
        if (at < n) {
            g->labels[at] = value;
            continue;
        }
        g->items[g->n] = item;
        g->scores[g->n] = -INFINITY;
        g->labels[g->n++] = value;
    }
    return FUSOR_OK;
}

/* Those of a query's items that are to be ranked, into k->items. */
static enum fusor_status find_items(struct ranking *k, uint32_t row,
                                    uint32_t *n, struct fusor_error *err)
{
    struct batcher_query query = query_of(k->share, row);

    if (k->list)
        return shortlist_find(k->share->w->workload->shortlist, &k->ranker,
                              &query, k->items, n, err);
    *n = (uint32_t)dataset_n_items(k->share->ds) - 1;
    for (uint32_t i = 0; i < *n; i++)
        k->items[i] = i + 1;
    return FUSOR_OK;
}

/* One query among its candidates. */
static enum fusor_status judge_query(struct ranking *k, uint64_t first,
                                     uint64_t n_rows, struct fusor_error *err)
{
    struct share *s = k->share;
    uint32_t row = s->order->rows[first], n;

    FUSOR_TRY(find_items(k, row, &n, err));
    FUSOR_TRY(slicer_find(&s->slicer, s->order->split, &row, 1, err));
    share_slice_group(s, 0);
    FUSOR_TRY(score_items(k, row, k->items, n, err));
    for (uint32_t l = 0; l < s->n_labels; l++)
        FUSOR_TRY(label_items(k, l, n, first, n_rows, err));
    return share_close_group(s, dataset_query(s->ds, s->order->split, row),
                             err);
}

enum fusor_status share_rank_queries(struct share *s, struct fusor_error *err)
{
    const struct shortlist *list = s->w->workload->shortlist;
    uint64_t n_items = dataset_n_items(s->ds), n, most;
    struct ranking k;
    enum fusor_status rc = FUSOR_OK;

    most = list ? shortlist_room(list) : n_items;
    FUSOR_TRY(ranking_create(&k, s, (size_t)most, most * s->order->n, err));
    for (uint64_t i = 0; rc == FUSOR_OK && i < s->order->n; i += n) {
        uint32_t query =
            dataset_query(s->ds, s->order->split, s->order->rows[i]);

        for (n = 1; i + n < s->order->n; n++)
            if (dataset_query(s->ds, s->order->split, s->order->rows[i + n]) !=
                query)
                break;
        if (share_owns(s, s->order->rows[i]))
            rc = judge_query(&k, i, n, err);
    }
    ranking_clear(&k);
    return rc;
}
