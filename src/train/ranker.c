/* Scores of candidates: the items' side once, each query once, or pair by
 * pair. */
#include "train/ranker.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "train/shortlist.h"

#define EACH UINT32_MAX /* tower that the shortlist wants */

static enum fusor_status fill(struct ranker *k,
                              const struct batcher_query *query,
                              const uint32_t *items, uint32_t n,
                              struct step_micro **m, struct fusor_error *err)
{
    struct step *step = &k->worker->ring[0];

    step_reset(step, 0);
    *m = step_next_micro(step, 0);
    return batcher_fill_pairs((*m)->batcher, query, items, n, &(*m)->batch,
                              err);
}

static enum fusor_status make_items(struct ranker *k, uint32_t n_items,
                                    struct fusor_error *err)
{
    struct batcher_query nobody = {.row = BATCHER_NO_ROW};
    struct worker *w = k->worker;

    for (uint32_t first = 0; first < n_items; first += w->micro_rows) {
        uint32_t n = n_items - first;
        struct step_micro *m;

        if (n > w->micro_rows)
            n = w->micro_rows;
        for (uint32_t i = 0; i < n; i++)
            w->items[i] = first + i;
        FUSOR_TRY(fill(k, &nobody, w->items, n, &m, err));
        FUSOR_TRY(worker_peek(w, m, &k->step, err));
        model_items_fill(k->items, w->run, &k->step, first);
    }
    return FUSOR_OK;
}

/* Those whose vectors the shortlist wants, or the only one. @return are there
 * any? */
static int choose_towers(struct ranker *k, uint32_t only)
{
    const struct model *m = k->worker->workload->model;
    const struct shortlist *list = k->worker->workload->shortlist;
    int any = 0;

    for (uint32_t t = 0; t < model_n_towers(m); t++)
        any |= k->has[t] =
            (only == EACH ? shortlist_wants(list, t) : t == only) &&
            model_tower_ranks(m, t);
    return any && model_items_bytes(m, k->has, k->n_items) <= RANKER_BYTES_MAX;
}

static enum fusor_status create(struct ranker *k, struct worker *w,
                                uint64_t n_pairs, uint32_t only,
                                struct fusor_error *err)
{
    const struct model *m = w->workload->model;
    uint64_t n_items = dataset_n_items(w->workload->data);
    enum fusor_status rc;

    *k = (struct ranker){.worker = w, .n_items = n_items};
    k->has = mem_alloc(model_n_towers(m) + 1, 1);
    if (!k->has)
        return mem_fail(err, "ranking", model_n_towers(m));
    k->whole = only == EACH && n_items > 0 && n_pairs >= n_items &&
               model_ranks(m) &&
               model_items_bytes(m, NULL, n_items) <= RANKER_BYTES_MAX;
    if (!k->whole && !choose_towers(k, only))
        return FUSOR_OK;
    rc = model_items_create(m, k->whole ? NULL : k->has, (uint32_t)n_items,
                            w->micro_rows, &k->items, err);
    if (rc == FUSOR_OK)
        rc = make_items(k, (uint32_t)n_items, err);
    if (rc != FUSOR_OK)
        ranker_clear(k);
    return rc;
}

enum fusor_status ranker_create(struct ranker *k, struct worker *w,
                                uint64_t n_pairs, struct fusor_error *err)
{
    return create(k, w, n_pairs, EACH, err);
}

enum fusor_status ranker_create_for(struct ranker *k, struct worker *w,
                                    uint32_t tower, struct fusor_error *err)
{
    return create(k, w, 0, tower, err);
}

void ranker_clear(struct ranker *k)
{
    if (k->worker)
        model_run_set_tops(k->worker->run, TOPS_PASS);
    mem_free(k->has);
    model_items_destroy(k->items);
    *k = (struct ranker){0};
}

/* The query's side, by a pass over the pair of it and any item. */
static enum fusor_status make_query(struct ranker *k,
                                    const struct batcher_query *query,
                                    const uint32_t *items,
                                    struct fusor_error *err)
{
    struct step_micro *m;

    if (k->known && query->split == k->query.split &&
        query->row == k->query.row && query->query == k->query.query)
        return FUSOR_OK;
    k->known = 0;
    FUSOR_TRY(fill(k, query, items, 1, &m, err));
    FUSOR_TRY(worker_peek(k->worker, m, &k->step, err));
    FUSOR_TRY(model_forward(k->worker->run, &k->step, NULL, NULL, err));
    k->query = *query;
    k->known = query->n_texts == 0; // whose texts may change under us
    return FUSOR_OK;
}

enum fusor_status ranker_score(struct ranker *k,
                               const struct batcher_query *query,
                               const uint32_t *items, uint32_t n, float *scores,
                               struct fusor_error *err)
{
    struct step_micro *m;

    if (n == 0)
        return FUSOR_OK;
    if (!k->whole) {
        k->known = 0; // the step is another's from here on
        FUSOR_TRY(fill(k, query, items, n, &m, err));
        FUSOR_TRY(worker_score(k->worker, m, err));
        memcpy(scores, k->worker->scores, n * sizeof(*scores));
        return FUSOR_OK;
    }
    for (uint32_t i = 0; i < n; i++)
        if (items[i] >= k->n_items)
            return fusor_fail(err, FUSOR_EINVAL,
                              "ranker: candidate %u is item %u of %llu", i,
                              items[i], (unsigned long long)k->n_items);
    FUSOR_TRY(make_query(k, query, items, err));
    model_rank(k->worker->run, &k->step, k->items, items, n, scores);
    return FUSOR_OK;
}

enum fusor_status ranker_begin(struct ranker *k,
                               const struct batcher_query *query,
                               const uint32_t *items, uint32_t n,
                               struct fusor_error *err)
{
    struct worker *w = k->worker;
    float *scores;
    enum fusor_status rc = FUSOR_OK;

    if (!model_normalises_queries(w->workload->model))
        return FUSOR_OK;
    scores = mem_alloc_raw(w->micro_rows, sizeof(*scores));
    if (!scores)
        return mem_fail(err, "ranking", w->micro_rows * sizeof(*scores));
    k->known = 0; // its pass is noted too
    model_run_set_tops(w->run, TOPS_COLLECT);
    for (uint32_t at = 0; rc == FUSOR_OK && at < n; at += w->micro_rows)
        rc = ranker_score(k, query, items + at,
                          n - at < w->micro_rows ? n - at : w->micro_rows,
                          scores, err);
    model_run_set_tops(w->run, TOPS_GIVEN);
    mem_free(scores);
    return rc;
}

/* By passes over all pairs. */
static enum fusor_status tower_pairs(struct ranker *k,
                                     const struct batcher_query *query,
                                     uint32_t tower, uint32_t first, uint32_t n,
                                     float *scores, struct fusor_error *err)
{
    struct worker *w = k->worker;
    struct step_micro *m;

    k->known = 0;
    FUSOR_TRY(fill(k, query, w->items, n, &m, err));
    FUSOR_TRY(worker_score(w, m, err));
    memcpy(scores + first, model_tower_scores(w->run, tower),
           n * sizeof(*scores));
    return FUSOR_OK;
}

enum fusor_status ranker_tower(struct ranker *k,
                               const struct batcher_query *query,
                               uint32_t tower, float *scores,
                               struct fusor_error *err)
{
    struct worker *w = k->worker;
    int made = k->items && (k->whole || k->has[tower]);

    scores[VOCAB_UNKNOWN] = NAN;
    for (uint32_t first = 1; first < k->n_items; first += w->micro_rows) {
        uint32_t n = (uint32_t)k->n_items - first;

        if (n > w->micro_rows)
            n = w->micro_rows;
        for (uint32_t i = 0; i < n; i++)
            w->items[i] = first + i;
        if (!made) {
            FUSOR_TRY(tower_pairs(k, query, tower, first, n, scores, err));
            continue;
        }
        FUSOR_TRY(make_query(k, query, w->items, err));
        model_rank_tower(w->run, &k->step, k->items, tower, w->items, n,
                         scores + first);
    }
    return FUSOR_OK;
}
