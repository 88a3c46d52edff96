/* Scores of candidates: the items' side once, each query once, or pair by
 * pair. */
#include "train/ranker.h"

#include <string.h>

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

enum fusor_status ranker_create(struct ranker *k, struct worker *w,
                                uint64_t n_pairs, struct fusor_error *err)
{
    const struct model *m = w->workload->model;
    uint64_t n_items = dataset_n_items(w->workload->data);
    enum fusor_status rc;

    *k = (struct ranker){.worker = w, .n_items = n_items};
    if (n_items == 0 || n_pairs < n_items || !model_ranks(m) ||
        model_items_bytes(m, n_items) > RANKER_BYTES_MAX)
        return FUSOR_OK;
    rc =
        model_items_create(m, (uint32_t)n_items, w->micro_rows, &k->items, err);
    if (rc == FUSOR_OK)
        rc = make_items(k, (uint32_t)n_items, err);
    if (rc != FUSOR_OK)
        ranker_clear(k);
    return rc;
}

void ranker_clear(struct ranker *k)
{
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
    if (!k->items) {
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
