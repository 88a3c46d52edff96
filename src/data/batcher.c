/* Micro-batches: the keys of all samples first, then the queries they make,
 * then each field (gather.c). */
#include "data/batcher_private.h"

#include <string.h>

#include "base/mem.h"

#define PREFETCH_AHEAD 16 /* rows; a miss is about that many gathers long */

static int side_create(struct side *s, uint32_t capacity)
{
    s->row = mem_alloc(capacity, sizeof(*s->row));
    s->query = mem_alloc(capacity, sizeof(*s->query));
    s->item = mem_alloc(capacity, sizeof(*s->item));
    for (int k = 0; k < N_EVENT_SETS; k++)
        s->before[k] = mem_alloc(capacity, sizeof(*s->before[k]));
    return s->row && s->query && s->item && s->before[EVENTS_TRAIN] &&
                   s->before[EVENTS_VALID]
               ? 0
               : -1;
}

static void side_clear(struct side *s)
{
    mem_free(s->row);
    mem_free(s->query);
    mem_free(s->item);
    for (int k = 0; k < N_EVENT_SETS; k++)
        mem_free(s->before[k]);
}

static int buffers_create(struct batcher *b)
{
    size_t n = b->ds->n_fields;
    int bad = side_create(&b->samples, b->capacity) ||
              side_create(&b->queries, b->capacity) ||
              block_lists_create(b->ds, b->capacity, &b->lists);

    b->query_of = mem_alloc(b->capacity, sizeof(*b->query_of));
    b->query_n = mem_alloc(b->capacity, sizeof(*b->query_n));
    for (uint32_t k = 0; k < b->ds->n_labels; k++) {
        b->labels[k] = mem_alloc(b->capacity, sizeof(*b->labels[k]));
        bad |= b->labels[k] == NULL;
    }
    b->weight = mem_alloc(b->capacity, sizeof(*b->weight));
    b->sample_id = mem_alloc(b->capacity, sizeof(*b->sample_id));
    b->buffers = mem_alloc(n, sizeof(*b->buffers));
    b->fields = mem_alloc(n, sizeof(*b->fields));
    if (bad || !b->query_of || !b->query_n || !b->weight || !b->sample_id ||
        !b->buffers || !b->fields)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (field_buffer_create(b->ds, i, b->capacity, &b->buffers[i]))
            return -1;
    return 0;
}

enum fusor_status batcher_create(const struct dataset *ds, uint32_t capacity,
                                 struct batcher **out, struct fusor_error *err)
{
    struct batcher *b;

    if (capacity == 0)
        return fusor_fail(err, FUSOR_EINVAL, "batcher: a capacity of 0");
    b = mem_alloc(1, sizeof(*b));
    if (!b)
        return mem_fail(err, "batcher", sizeof(*b));
    b->ds = ds;
    b->capacity = capacity;
    if (buffers_create(b)) {
        batcher_destroy(b);
        return fusor_fail(err, FUSOR_ENOMEM,
                          "batcher: no memory for %u samples of %zu fields",
                          capacity, ds->n_fields);
    }
    *out = b;
    return FUSOR_OK;
}

void batcher_destroy(struct batcher *b)
{
    if (!b)
        return;
    for (size_t i = 0; b->buffers && i < b->ds->n_fields; i++)
        field_buffer_clear(&b->buffers[i]);
    mem_free(b->buffers);
    mem_free(b->fields);
    mem_free(b->sample_id);
    mem_free(b->weight);
    for (uint32_t k = 0; k < BATCH_MAX_LABELS; k++)
        mem_free(b->labels[k]);
    mem_free(b->query_n);
    mem_free(b->query_of);
    block_lists_clear(&b->lists);
    side_clear(&b->queries);
    side_clear(&b->samples);
    mem_free(b);
}

uint64_t batcher_growths(const struct batcher *b)
{
    uint64_t n = 0;

    for (size_t i = 0; i < b->ds->n_fields; i++)
        n += b->buffers[i].growths;
    return n;
}

static void gather_u32(const uint32_t *column, const uint32_t *index,
                       uint32_t n, uint32_t *out)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i + PREFETCH_AHEAD < n)
            __builtin_prefetch(&column[index[i + PREFETCH_AHEAD]]);
        out[i] = column[index[i]];
    }
}

static void gather_f32(const float *column, const uint32_t *index, uint32_t n,
                       float *out)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i + PREFETCH_AHEAD < n)
            __builtin_prefetch(&column[index[i + PREFETCH_AHEAD]]);
        out[i] = column[index[i]];
    }
}

/* Do samples i - 1 and i have the same query side? Those of one row do
 * (negatives), and without fields that change from row to row those of one
 * known query. */
static int is_same_query(const struct side *s, int is_static, uint32_t i)
{
    uint32_t key = s->query[i];

    if (s->row[i] == s->row[i - 1])
        return 1;
    return is_static && key == s->query[i - 1] && key != NO_KEY &&
           key != VOCAB_UNKNOWN;
}

/* Adjacent samples of the same query side become one query. */
static void join_queries(struct batcher *b)
{
    const struct side *s = &b->samples;
    struct side *q = &b->queries;
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        if (i == 0 || !is_same_query(s, b->ds->query_static, i)) {
            q->row[n] = s->row[i];
            q->query[n] = s->query[i];
            for (int k = 0; k < N_EVENT_SETS; k++)
                q->before[k][n] = s->before[k][i];
            b->query_n[n++] = 0;
        }
        b->query_of[i] = n - 1;
        b->query_n[n - 1]++;
    }
    q->n = n;
}

enum fusor_status batcher_finish(struct batcher *b, int weighted,
                                 struct batch *out, struct fusor_error *err)
{
    if (b->ds->block_rows) {
        FUSOR_TRY(gather_streamed(b->ds, b->part, &b->samples, 0, &b->lists,
                                  b->buffers, err));
        FUSOR_TRY(gather_streamed(b->ds, b->part, &b->queries, 1, &b->lists,
                                  b->buffers, err));
    }
    gather_packed(b->ds->parts[b->part].packed, &b->samples, 0, b->buffers);
    gather_packed(b->ds->parts[b->part].packed, &b->queries, 1, b->buffers);
    for (size_t i = 0; i < b->ds->n_fields; i++)
        FUSOR_TRY(gather_field(b->ds, i, b->part,
                               b->ds->specs[i].side == SIDE_QUERY ? &b->queries
                                                                  : &b->samples,
                               &b->buffers[i], &b->fields[i], err));
    *out = (struct batch){.n = b->samples.n,
                          .n_queries = b->queries.n,
                          .query_of = b->query_of,
                          .query_n = b->query_n,
                          .query = b->samples.query,
                          .n_fields = (uint32_t)b->ds->n_fields,
                          .fields = b->fields,
                          .label = b->labels[0],
                          .n_labels = b->ds->n_labels,
                          .labels = (const float *const *)b->labels,
                          .weight = weighted ? b->weight : NULL,
                          .sample_id = b->sample_id};
    return FUSOR_OK;
}

static enum fusor_status check_rows(const struct batcher *b, enum split split,
                                    const uint32_t *rows, uint32_t n,
                                    struct fusor_error *err)
{
    uint64_t limit = b->ds->splits[split].n;

    if (n > b->capacity)
        return fusor_fail(err, FUSOR_EINVAL,
                          "batcher: %u samples, made for at most %u", n,
                          b->capacity);
    for (uint32_t i = 0; i < n; i++)
        if (rows[i] >= limit)
            return fusor_fail(err, FUSOR_EINVAL,
                              "batcher: row %u of a split of %llu rows",
                              rows[i], (unsigned long long)limit);
    return FUSOR_OK;
}

/* Row numbers and keys of the samples. */
static void gather_keys(struct batcher *b, const struct split_rows *split,
                        const uint32_t *rows, uint32_t n)
{
    const struct row_part *p = &b->ds->parts[split->part];
    struct side *s = &b->samples;

    s->n = n;
    b->part = split->part;
    if (split->select)
        gather_u32(split->select, rows, n, s->row);
    else
        memcpy(s->row, rows, n * sizeof(*rows));
    if (b->ds->n_queries)
        gather_u32(p->query, s->row, n, s->query);
    else
        memset(s->query, 0xff, n * sizeof(*s->query));
    if (b->ds->n_items)
        gather_u32(p->item, s->row, n, s->item);
    for (int k = 0; k < N_EVENT_SETS; k++)
        if (split->before[k])
            gather_u32(split->before[k], rows, n, s->before[k]);
        else if (b->ds->history[k])
            memset(s->before[k], 0, n * sizeof(*s->before[k]));
}

/* Put other items in the place of the rows' own. */
static void replace_items(struct batcher *b, const uint32_t *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (items[i] == BATCHER_OWN_ITEM)
            continue;
        b->samples.item[i] = items[i];
        for (uint32_t k = 0; k < b->ds->n_labels; k++)
            b->labels[k][i] = 0;
    }
}

static enum fusor_status fill_rows(struct batcher *b, enum split split,
                                   const uint32_t *rows, const uint32_t *items,
                                   uint32_t n, struct batch *out,
                                   struct fusor_error *err)
{
    const struct split_rows *from = &b->ds->splits[split];
    const struct row_part *p = &b->ds->parts[from->part];
    const struct side *s = &b->samples;

    FUSOR_TRY(check_rows(b, split, rows, n, err));
    gather_keys(b, from, rows, n);
    join_queries(b);
    for (uint32_t k = 0; k < b->ds->n_labels; k++) {
        gather_f32(p->labels[k], s->row, n, b->labels[k]);
        label_apply_all(&b->ds->labels[k].spec, b->labels[k], n);
    }
    if (p->weight)
        gather_f32(p->weight, s->row, n, b->weight);
    for (uint32_t i = 0; i < n; i++)
        b->sample_id[i] = s->row[i];
    if (items)
        replace_items(b, items, n);
    return batcher_finish(b, p->weight != NULL, out, err);
}

enum fusor_status batcher_fill(struct batcher *b, enum split split,
                               const uint32_t *rows, uint32_t n,
                               struct batch *out, struct fusor_error *err)
{
    return fill_rows(b, split, rows, NULL, n, out, err);
}

void batcher_augment(struct batcher *b, const struct augment *a, uint64_t epoch)
{
    const struct dataset *ds = b->ds;

    for (size_t i = 0; i < ds->n_fields; i++)
        if (ds->fields[i].origin == ORIGIN_HISTORY)
            b->fields[i].n_values = gather_augment(
                ds->specs[i].side == SIDE_QUERY ? &b->queries : &b->samples,
                &b->buffers[i], a, epoch);
}

static enum fusor_status check_items(const struct batcher *b,
                                     const uint32_t *items, uint32_t n,
                                     struct fusor_error *err)
{
    for (uint32_t i = 0; i < n; i++)
        if (items[i] >= b->ds->n_items && items[i] != BATCHER_OWN_ITEM)
            return fusor_fail(err, FUSOR_EINVAL,
                              "batcher: item %u, expected below %llu", items[i],
                              (unsigned long long)b->ds->n_items);
    return FUSOR_OK;
}

enum fusor_status batcher_fill_items(struct batcher *b, enum split split,
                                     const uint32_t *rows,
                                     const uint32_t *items, uint32_t n,
                                     struct batch *out, struct fusor_error *err)
{
    FUSOR_TRY(check_items(b, items, n, err));
    return fill_rows(b, split, rows, items, n, out, err);
}
