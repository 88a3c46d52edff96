/* Ranks of the positives of one group: counted directly when they are few,
 * looked up in the sorted scores otherwise. */
#include "model/metric/group.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/sorted.h"

#define COUNT_MAX 24 // positives up to which n counts beat sorting n keys

static enum fusor_status space_reserve(struct metric_group_space *space,
                                       size_t n, struct fusor_error *err)
{
    size_t cap = space->cap ? space->cap : 256;

    if (n <= space->cap)
        return FUSOR_OK;
    while (cap < n)
        cap *= 2;
    metric_group_space_clear(space);
    space->keys = mem_alloc_raw(cap, sizeof(*space->keys));
    space->ranked = mem_alloc_raw(cap, sizeof(*space->ranked));
    space->ideal = mem_alloc_raw(cap, sizeof(*space->ideal));
    if (!space->keys || !space->ranked || !space->ideal) {
        metric_group_space_clear(space);
        return mem_fail(err, "metric: group", cap * sizeof(*space->ranked));
    }
    space->cap = cap;
    return FUSOR_OK;
}

static int compare_keys(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* By rank, tied ones by label: sums then do not depend on candidate order. */
static int compare_ranked(const void *a, const void *b)
{
    const struct metric_ranked *x = a, *y = b;

    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return (x->label < y->label) - (x->label > y->label);
}

static int compare_labels(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

/* How many of keys[n] are below key, and how many equal it. */
static void count_below(const uint32_t *keys, uint32_t n, uint32_t key,
                        uint32_t *below, uint32_t *equal)
{
    uint32_t less = 0, same = 0;

    for (uint32_t i = 0; i < n; i++) {
        less += keys[i] < key;
        same += keys[i] == key;
    }
    *below = less;
    *equal = same;
}

/* Make the keys; each positive's key stands in ranked[].rank until it is
 * ranked. */
static void collect(struct metric_group_space *space, const float *scores,
                    const float *labels, struct metric_group *g)
{
    for (uint32_t i = 0; i < g->n; i++) {
        int positive = labels[i] > 0;

        space->keys[i] = metric_score_key(scores[i], positive);
        g->n_bad += isnan(scores[i]) != 0;
        g->graded |= labels[i] != 0 && labels[i] != 1;
        if (!positive)
            continue;
        space->ranked[g->n_pos].rank = space->keys[i];
        space->ranked[g->n_pos].label = labels[i];
        space->ideal[g->n_pos++] = labels[i];
    }
}

enum fusor_status metric_group_rank(struct metric_group_space *space,
                                    const float *scores, const float *labels,
                                    size_t n, struct metric_group *out,
                                    struct fusor_error *err)
{
    struct metric_group g = {.n = (uint32_t)n};
    uint32_t below, equal, never = metric_score_key(-INFINITY, 1);

    FUSOR_TRY(space_reserve(space, n, err));
    collect(space, scores, labels, &g);
    if (g.n_pos > COUNT_MAX)
        qsort(space->keys, n, sizeof(*space->keys), compare_keys);
    for (uint32_t i = 0; i < g.n_pos; i++) {
        uint32_t key = space->ranked[i].rank;

        if (g.n_pos > COUNT_MAX) {
            below = sorted_below(space->keys, g.n, key);
            equal = sorted_below(space->keys, g.n, (uint64_t)key + 1) - below;
        } else {
            count_below(space->keys, g.n, key, &below, &equal);
        }
        g.won2 += 2 * (uint64_t)below + equal - 1;
        space->ranked[i].rank = key == never ? METRIC_NEVER : g.n - below;
    }
    /* Each pair of positives has put 2 into won2, whoever won. */
    if (g.n_pos)
        g.won2 -= (uint64_t)g.n_pos * (g.n_pos - 1);
    if (g.n_pos > 1) {
        qsort(space->ranked, g.n_pos, sizeof(*space->ranked), compare_ranked);
        qsort(space->ideal, g.n_pos, sizeof(*space->ideal), compare_labels);
    }
    g.ranked = space->ranked;
    g.ideal = space->ideal;
    *out = g;
    return FUSOR_OK;
}

void metric_group_space_clear(struct metric_group_space *space)
{
    mem_free(space->keys);
    mem_free(space->ranked);
    mem_free(space->ideal);
    memset(space, 0, sizeof(*space));
}
