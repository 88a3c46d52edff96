/* Scores all items in chunks and keeps the best k in a heap whose root is the
 * worst that stays. */
#include "retrieve/recommend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct recommender {
    const struct dataset *ds;
    struct recommend_scorer scorer;
    uint32_t *items; // [chunk]
    float *scores;   // [chunk]
};

/* Does a stand before b in the result? */
static int before(const struct recommended *a, const struct recommended *b)
{
    if (a->score > b->score || a->score < b->score)
        return a->score > b->score;
    return a->item < b->item;
}

static void sift_down(struct recommended *heap, uint32_t n, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        struct recommended swap = heap[at];

        if (child >= n)
            return;
        if (child + 1 < n && before(&heap[child], &heap[child + 1]))
            child++;
        if (!before(&heap[at], &heap[child]))
            return;
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

static void keep(struct recommended *heap, uint32_t k, uint32_t *n,
                 struct recommended it)
{
    if (*n < k) {
        heap[(*n)++] = it;
        for (uint32_t at = *n / 2; *n == k && at-- > 0;)
            sift_down(heap, k, at);
    } else if (k && before(&it, &heap[0])) {
        heap[0] = it;
        sift_down(heap, k, 0);
    }
}

static int compare(const void *a, const void *b)
{
    return before(a, b) ? -1 : 1;
}

enum fusor_status recommender_create(const struct dataset *ds,
                                     const struct recommend_scorer *scorer,
                                     struct recommender **out,
                                     struct fusor_error *err)
{
    struct recommender *r;

    if (dataset_n_items(ds) == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the prepared folder has no item ids, so there is "
                          "nothing to choose from: its schema needs a "
                          "categorical field of side item");
    r = mem_alloc(1, sizeof(*r));
    if (!r)
        return mem_fail(err, "recommender", sizeof(*r));
    r->ds = ds;
    r->scorer = *scorer;
    r->items = mem_alloc_raw(scorer->chunk, sizeof(*r->items));
    r->scores = mem_alloc_raw(scorer->chunk, sizeof(*r->scores));
    if (!r->items || !r->scores) {
        recommender_destroy(r);
        return mem_fail(err, "recommender", scorer->chunk * sizeof(float));
    }
    *out = r;
    return FUSOR_OK;
}

void recommender_destroy(struct recommender *r)
{
    if (!r)
        return;
    mem_free(r->items);
    mem_free(r->scores);
    mem_free(r);
}

/* The next items that are not among the seen (ascending), up to a chunk. */
static uint32_t next_chunk(struct recommender *r, uint32_t *item,
                           const uint32_t **seen, const uint32_t *seen_end)
{
    uint64_t n_items = dataset_n_items(r->ds);
    uint32_t n = 0;

    for (; *item < n_items && n < r->scorer.chunk; ++*item) {
        while (*seen < seen_end && **seen < *item)
            ++*seen;
        if (*seen < seen_end && **seen == *item)
            continue;
        r->items[n++] = *item;
    }
    return n;
}

/* Score some items and keep the best of them and those before.
 * @param bad counts those that got no number */
static enum fusor_status take_best(struct recommender *r,
                                   const struct batcher_query *query,
                                   const uint32_t *items, uint32_t some,
                                   uint32_t k, struct recommended *out,
                                   uint32_t *n, uint32_t *bad,
                                   struct fusor_error *err)
{
    FUSOR_TRY(
        r->scorer.score(r->scorer.context, query, items, some, r->scores, err));
    for (uint32_t i = 0; i < some; i++) {
        struct recommended it = {items[i], r->scores[i]};

        if (isnan(it.score))
            ++*bad;
        else
            keep(out, k, n, it);
    }
    return FUSOR_OK;
}

static void end_list(struct recommended *out, uint32_t n, uint32_t bad,
                     uint32_t *n_bad)
{
    if (n)
        qsort(out, n, sizeof(*out), compare);
    if (n_bad)
        *n_bad = bad;
}

/* The same when the scorer must know all of them before. */
static enum fusor_status top_of_known(struct recommender *r,
                                      const struct batcher_query *query,
                                      uint32_t k, struct recommended *out,
                                      uint32_t *n, uint32_t *n_bad,
                                      struct fusor_error *err)
{
    size_t n_items = dataset_n_items(r->ds);
    uint32_t *items = mem_alloc_raw(n_items, sizeof(*items));
    uint32_t n_seen, some, item = VOCAB_UNKNOWN + 1, n_all = 0;
    const uint32_t *seen =
        dataset_seen(r->ds, SPLIT_TEST, query->query, &n_seen);
    const uint32_t *end = n_seen ? seen + n_seen : seen;
    enum fusor_status rc;

    if (!items)
        return mem_fail(err, "recommender", n_items * sizeof(*items));
    while ((some = next_chunk(r, &item, &seen, end)) > 0) {
        memcpy(items + n_all, r->items, some * sizeof(*items));
        n_all += some;
    }
    rc = recommender_among(r, query, items, n_all, k, out, n, n_bad, err);
    mem_free(items);
    return rc;
}

enum fusor_status recommender_top(struct recommender *r, uint32_t query,
                                  uint32_t k, struct recommended *out,
                                  uint32_t *n, uint32_t *n_bad,
                                  struct fusor_error *err)
{
    struct batcher_query q = {.row = BATCHER_NO_ROW, .query = query};
    uint32_t n_seen, some, item = VOCAB_UNKNOWN + 1, bad = 0;
    const uint32_t *seen = dataset_seen(r->ds, SPLIT_TEST, query, &n_seen);
    const uint32_t *end = n_seen ? seen + n_seen : seen;

    if (r->scorer.begin)
        return top_of_known(r, &q, k, out, n, n_bad, err);
    *n = 0;
    while ((some = next_chunk(r, &item, &seen, end)) > 0)
        FUSOR_TRY(take_best(r, &q, r->items, some, k, out, n, &bad, err));
    end_list(out, *n, bad, n_bad);
    return FUSOR_OK;
}

enum fusor_status recommender_among(struct recommender *r,
                                    const struct batcher_query *query,
                                    const uint32_t *items, uint32_t n_items,
                                    uint32_t k, struct recommended *out,
                                    uint32_t *n, uint32_t *n_bad,
                                    struct fusor_error *err)
{
    uint32_t bad = 0;

    *n = 0;
    if (r->scorer.begin)
        FUSOR_TRY(
            r->scorer.begin(r->scorer.context, query, items, n_items, err));
    for (uint32_t at = 0; at < n_items; at += r->scorer.chunk) {
        uint32_t some =
            n_items - at < r->scorer.chunk ? n_items - at : r->scorer.chunk;

        FUSOR_TRY(take_best(r, query, items + at, some, k, out, n, &bad, err));
    }
    end_list(out, *n, bad, n_bad);
    return FUSOR_OK;
}
