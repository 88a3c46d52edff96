/* Events of each query in time order, by counting sort over queries and
 * a sort inside a query only where rows are not in time order already. Does
 * not know fields. */
#include "data/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/batch.h"
#include "base/mem.h"

struct stamped {
    int64_t time;
    uint32_t position;
};

static uint32_t row_at(const struct history_rows *r, uint64_t position)
{
    return r->select ? r->select[position] : (uint32_t)position;
}

static int64_t time_at(const struct history_rows *r, uint64_t position)
{
    return r->time ? r->time[row_at(r, position)] : 0;
}

static int is_known(uint32_t query, uint64_t n_queries)
{
    return query != VOCAB_UNKNOWN && query < n_queries;
}

/* offsets[q + 1] += rows of q. */
static void count_rows(const struct history_rows *r, uint64_t n_queries,
                       uint64_t *offsets)
{
    for (uint64_t i = 0; i < r->n; i++) {
        uint32_t q = r->query[row_at(r, i)];

        if (is_known(q, n_queries))
            offsets[q + 1]++;
    }
}

static void sum_up(uint64_t *offsets, uint64_t n_queries)
{
    for (uint64_t q = 0; q < n_queries; q++)
        offsets[q + 1] += offsets[q];
}

static int compare_stamped(const void *a, const void *b)
{
    const struct stamped *x = a, *y = b;

    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

static int in_order(const struct history_rows *rows, const uint32_t *events,
                    uint64_t n)
{
    for (uint64_t i = 1; i < n; i++)
        if (time_at(rows, events[i]) < time_at(rows, events[i - 1]))
            return 0;
    return 1;
}

static void sort_query(const struct history_rows *rows, uint32_t *events,
                       uint64_t n, struct stamped *scratch)
{
    if (in_order(rows, events, n))
        return;
    for (uint64_t i = 0; i < n; i++)
        scratch[i] = (struct stamped){time_at(rows, events[i]), events[i]};
    qsort(scratch, n, sizeof(*scratch), compare_stamped);
    for (uint64_t i = 0; i < n; i++)
        events[i] = scratch[i].position;
}

static void place_events(const struct history_rows *rows, struct history *h,
                         uint64_t *next)
{
    for (uint64_t q = 0; q < h->n_queries; q++)
        next[q] = h->offsets[q];
    for (uint64_t i = 0; i < rows->n; i++) {
        uint32_t q = rows->query[row_at(rows, i)];

        if (is_known(q, h->n_queries))
            h->events[next[q]++] = (uint32_t)i;
    }
}

/* @return 0, or -1: no memory */
static int sort_all(const struct history_rows *rows, struct history *h)
{
    struct stamped *scratch;
    uint64_t most = 0;

    for (uint64_t q = 0; q < h->n_queries; q++)
        if (h->offsets[q + 1] - h->offsets[q] > most)
            most = h->offsets[q + 1] - h->offsets[q];
    scratch = mem_alloc_raw(most, sizeof(*scratch));
    if (!scratch)
        return -1;
    for (uint64_t q = 0; q < h->n_queries; q++)
        sort_query(rows, h->events + h->offsets[q],
                   h->offsets[q + 1] - h->offsets[q], scratch);
    mem_free(scratch);
    return 0;
}

enum fusor_status history_build(const struct history_rows *rows,
                                uint64_t n_queries, struct history **out,
                                struct fusor_error *err)
{
    struct history *h = mem_alloc(1, sizeof(*h));
    uint64_t *next = mem_alloc_raw(n_queries, sizeof(*next));
    int ok = 0;

    if (!h || !next)
        goto out;
    h->n_queries = n_queries;
    h->offsets = mem_alloc(n_queries + 1, sizeof(*h->offsets));
    if (!h->offsets)
        goto out;
    count_rows(rows, n_queries, h->offsets);
    sum_up(h->offsets, n_queries);
    h->events = mem_alloc_raw(h->offsets[n_queries], sizeof(*h->events));
    if (!h->events)
        goto out;
    place_events(rows, h, next);
    ok = !rows->time || sort_all(rows, h) == 0;
out:
    mem_free(next);
    if (!ok) {
        history_destroy(h);
        return mem_fail(err, "history", (n_queries + rows->n) * 8);
    }
    *out = h;
    return FUSOR_OK;
}

void history_destroy(struct history *h)
{
    if (!h)
        return;
    mem_free(h->events);
    mem_free(h->offsets);
    mem_free(h);
}

void history_count_own(const struct history *h, uint64_t n_rows,
                       uint32_t *before)
{
    memset(before, 0, n_rows * sizeof(*before));
    for (uint64_t q = 0; q < h->n_queries; q++)
        for (uint64_t k = h->offsets[q]; k < h->offsets[q + 1]; k++)
            before[h->events[k]] = (uint32_t)(k - h->offsets[q]);
}

struct moment {
    int64_t time;
    uint32_t row;
    int same_part;
};

static int is_before(const struct history_rows *events, uint32_t event,
                     const struct moment *m)
{
    int64_t t = time_at(events, event);

    if (t != m->time)
        return t < m->time;
    return !m->same_part || row_at(events, event) < m->row;
}

static uint32_t count_before(const struct history_rows *events,
                             const uint32_t *list, uint64_t n,
                             const struct moment *m)
{
    uint64_t lo = 0, hi = n;

    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;

        if (is_before(events, list[mid], m))
            lo = mid + 1;
        else
            hi = mid;
    }
    return (uint32_t)lo;
}

void history_count_before(const struct history *h,
                          const struct history_rows *events,
                          const struct history_rows *rows, int same_part,
                          uint32_t *before)
{
    for (uint64_t i = 0; i < rows->n; i++) {
        uint32_t row = row_at(rows, i), q = rows->query[row];
        struct moment m = {0, row, same_part};

        before[i] = 0;
        if (!is_known(q, h->n_queries))
            continue;
        if (events->time && rows->time)
            m.time = rows->time[row];
        before[i] = count_before(events, h->events + h->offsets[q],
                                 h->offsets[q + 1] - h->offsets[q], &m);
    }
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void place_items(const struct seen_rows *set, struct seen *s)
{
    for (uint64_t i = 0; i < set->rows.n; i++) {
        uint32_t row = row_at(&set->rows, i), q = set->rows.query[row];

        if (is_known(q, s->n_queries) && set->item[row] != UINT32_MAX)
            s->items[s->offsets[q] + s->count[q]++] = set->item[row];
    }
}

static void sort_distinct(struct seen *s)
{
    for (uint64_t q = 0; q < s->n_queries; q++) {
        uint32_t *items = s->items + s->offsets[q], n = 0;

        qsort(items, s->count[q], sizeof(*items), compare_u32);
        for (uint32_t i = 0; i < s->count[q]; i++)
            if (n == 0 || items[n - 1] != items[i])
                items[n++] = items[i];
        s->count[q] = n;
    }
}

enum fusor_status seen_build(const struct seen_rows *sets, size_t n_sets,
                             uint64_t n_queries, struct seen **out,
                             struct fusor_error *err)
{
    struct seen *s = mem_alloc(1, sizeof(*s));

    if (!s)
        return mem_fail(err, "seen items", sizeof(*s));
    s->n_queries = n_queries;
    s->offsets = mem_alloc(n_queries + 1, sizeof(*s->offsets));
    s->count = mem_alloc(n_queries, sizeof(*s->count));
    if (!s->offsets || !s->count)
        goto fail;
    for (size_t i = 0; i < n_sets; i++)
        count_rows(&sets[i].rows, n_queries, s->offsets);
    sum_up(s->offsets, n_queries);
    s->items = mem_alloc_raw(s->offsets[n_queries], sizeof(*s->items));
    if (!s->items)
        goto fail;
    for (size_t i = 0; i < n_sets; i++)
        place_items(&sets[i], s);
    sort_distinct(s);
    *out = s;
    return FUSOR_OK;
fail:
    seen_destroy(s);
    return mem_fail(err, "seen items", n_queries * 16);
}

const uint32_t *seen_of(const struct seen *s, uint32_t query, uint32_t *n)
{
    if (!is_known(query, s->n_queries)) {
        *n = 0;
        return s->items;
    }
    *n = s->count[query];
    return s->items + s->offsets[query];
}

void seen_destroy(struct seen *s)
{
    if (!s)
        return;
    mem_free(s->items);
    mem_free(s->count);
    mem_free(s->offsets);
    mem_free(s);
}
