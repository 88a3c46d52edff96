/* A worker of its own over the opened store, and its ranker. */
#include "cli/scoring.h"

#include "base/mem.h"
#include "train/ranker.h"
#include "train/shortlist.h"

#define CHUNK 1024 /* items of a batch: GEMM is at full speed from 512 */

struct scoring {
    struct worker worker;
    struct ranker ranker;
};

/* The score before the output function: a clipped or saturated output would
 * make ties of items that differ. */
static enum fusor_status score(void *context, const struct batcher_query *query,
                               const uint32_t *items, uint32_t n, float *scores,
                               struct fusor_error *err)
{
    return ranker_score(&((struct scoring *)context)->ranker, query, items, n,
                        scores, err);
}

static enum fusor_status begin(void *context, const struct batcher_query *query,
                               const uint32_t *items, uint32_t n,
                               struct fusor_error *err)
{
    return ranker_begin(&((struct scoring *)context)->ranker, query, items, n,
                        err);
}

enum fusor_status scoring_shortlist(struct scoring *s,
                                    const struct batcher_query *query,
                                    uint32_t *out, uint32_t *n,
                                    struct fusor_error *err)
{
    return shortlist_find(s->worker.workload->shortlist, &s->ranker, query, out,
                          n, err);
}

enum fusor_status scoring_create(struct opened *o, const char *label,
                                 struct scoring **out,
                                 struct recommend_scorer *scorer,
                                 struct fusor_error *err)
{
    struct scoring *s;
    uint32_t number = 0;
    enum fusor_status rc;

    if (label)
        FUSOR_TRY(fusor_wrap(
            err, model_find_label(o->workload->model, label, &number, err),
            "--label"));
    s = mem_alloc(1, sizeof(*s));
    if (!s)
        return mem_fail(err, "scoring", sizeof(*s));
    rc = worker_init(&s->worker, o->workload, o->store, 0, 1, CHUNK, err);
    if (rc == FUSOR_OK) // every item is scored for each query
        rc = ranker_create(&s->ranker, &s->worker,
                           dataset_n_items(o->workload->data), err);
    if (rc != FUSOR_OK) {
        scoring_destroy(s);
        return rc;
    }
    model_run_set_label(s->worker.run, number);
    *scorer =
        (struct recommend_scorer){.score = score, .context = s, .chunk = CHUNK};
    if (model_normalises_queries(o->workload->model))
        scorer->begin = begin;
    *out = s;
    return FUSOR_OK;
}

void scoring_destroy(struct scoring *s)
{
    if (!s)
        return;
    ranker_clear(&s->ranker);
    worker_clear(&s->worker);
    mem_free(s);
}
