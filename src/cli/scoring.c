/* A worker of its own over the opened store: pairs in, peeked values, forward
 * pass, outputs out. */
#include "cli/scoring.h"

#include <string.h>

#include "base/mem.h"
#include "train/step.h"
#include "train/worker.h"

#define CHUNK 1024 /* items of a batch: GEMM is at full speed from 512 */

struct scoring {
    struct worker worker;
};

static enum fusor_status score(void *context, const struct batcher_query *query,
                               const uint32_t *items, uint32_t n, float *scores,
                               struct fusor_error *err)
{
    struct worker *w = &((struct scoring *)context)->worker;
    struct step *step = &w->ring[0];
    struct step_micro *m;

    step_reset(step, 0);
    m = step_next_micro(step, 0);
    FUSOR_TRY(batcher_fill_pairs(m->batcher, query, items, n, &m->batch, err));
    FUSOR_TRY(worker_score(w, m, err));
    /* The score before the output function: a clipped or saturated output
     * would make ties of items that differ. */
    memcpy(scores, w->scores, n * sizeof(*scores));
    return FUSOR_OK;
}

enum fusor_status scoring_create(struct opened *o, struct scoring **out,
                                 struct recommend_scorer *scorer,
                                 struct fusor_error *err)
{
    struct scoring *s = mem_alloc(1, sizeof(*s));
    enum fusor_status rc;

    if (!s)
        return mem_fail(err, "scoring", sizeof(*s));
    rc = worker_init(&s->worker, o->workload, o->store, 0, 1, CHUNK, err);
    if (rc != FUSOR_OK) {
        mem_free(s);
        return rc;
    }
    *scorer = (struct recommend_scorer){score, s, CHUNK};
    *out = s;
    return FUSOR_OK;
}

void scoring_destroy(struct scoring *s)
{
    if (!s)
        return;
    worker_clear(&s->worker);
    mem_free(s);
}
