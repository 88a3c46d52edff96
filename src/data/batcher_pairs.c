/* Micro-batches of pairs that are no rows: candidates of one query, and items
 * whose own text stands for a query. */
#include "data/batcher_private.h"

#include <string.h>

static enum fusor_status check_pairs(const struct batcher *b,
                                     const struct batcher_query *q,
                                     const uint32_t *items, uint32_t n,
                                     struct fusor_error *err)
{
    if (n > b->capacity)
        return fusor_fail(err, FUSOR_EINVAL,
                          "batcher: %u candidates, made for at most %u", n,
                          b->capacity);
    if (q->row != BATCHER_NO_ROW && q->row >= b->ds->splits[q->split].n)
        return fusor_fail(err, FUSOR_EINVAL,
                          "batcher: row %llu of a split of %llu rows",
                          (unsigned long long)q->row,
                          (unsigned long long)b->ds->splits[q->split].n);
    if (q->row == BATCHER_NO_ROW && q->query >= b->ds->n_queries)
        return fusor_fail(err, FUSOR_EINVAL,
                          "batcher: query %u, expected below %llu", q->query,
                          (unsigned long long)b->ds->n_queries);
    for (uint32_t i = 0; i < n; i++)
        if (items[i] >= b->ds->n_items)
            return fusor_fail(err, FUSOR_EINVAL,
                              "batcher: item %u, expected below %llu", items[i],
                              (unsigned long long)b->ds->n_items);
    return FUSOR_OK;
}

/* The one query of a batch of pairs: as of its row, or with all its events. */
static void set_query(struct batcher *b, const struct batcher_query *q)
{
    const struct dataset *ds = b->ds;
    const struct split_rows *split = &ds->splits[q->split];
    int has_row = q->row != BATCHER_NO_ROW;
    struct side *s = &b->queries;

    s->row[0] = NO_ROW;
    s->query[0] = q->query;
    if (has_row) {
        b->part = split->part;
        s->row[0] = split_row(split, q->row);
        s->query[0] =
            ds->n_queries ? ds->parts[b->part].query[s->row[0]] : NO_KEY;
    }
    for (int k = 0; k < N_EVENT_SETS; k++) {
        const struct history *h = ds->history[k];

        s->before[k][0] = 0;
        if (has_row && split->before[k])
            s->before[k][0] = split->before[k][q->row];
        else if (!has_row && h)
            s->before[k][0] =
                (uint32_t)(h->offsets[q->query + 1] - h->offsets[q->query]);
    }
}

/* Of the item's texts only one is to be seen. */
static void leave_texts_out(struct batcher *b, const struct batcher_pairs *p)
{
    for (size_t i = 0; i < b->ds->n_fields; i++) {
        const struct field_spec *spec = &b->ds->specs[i];

        if (spec->side != SIDE_ITEM || spec->type != FIELD_TEXT || i == p->to)
            continue;
        memset(b->buffers[i].offsets, 0,
               ((size_t)b->samples.n + 1) * sizeof(*b->buffers[i].offsets));
        b->fields[i].n_values = 0;
    }
}

enum fusor_status batcher_fill_pairs(struct batcher *b,
                                     const struct batcher_query *query,
                                     const uint32_t *items, uint32_t n,
                                     struct batch *out, struct fusor_error *err)
{
    struct side *s = &b->samples;

    FUSOR_TRY(check_pairs(b, query, items, n, err));
    b->part = 0;
    set_query(b, query);
    s->n = n;
    b->queries.n = n ? 1 : 0;
    b->query_n[0] = n;
    for (uint32_t i = 0; i < n; i++) {
        s->row[i] = b->queries.row[0];
        s->query[i] = b->queries.query[0];
        s->item[i] = items[i];
        for (int k = 0; k < N_EVENT_SETS; k++)
            s->before[k][i] = b->queries.before[k][0];
        b->query_of[i] = 0;
        for (uint32_t k = 0; k < b->ds->n_labels; k++)
            b->labels[k][i] = 0;
        b->sample_id[i] =
            query->row == BATCHER_NO_ROW ? BATCH_NO_ID : s->row[i];
    }
    FUSOR_TRY(batcher_finish(b, 0, out, err));
    if (query->pairs)
        leave_texts_out(b, query->pairs);
    for (uint32_t i = 0; i < query->n_texts; i++) {
        const struct batcher_text *t = &query->texts[i];

        FUSOR_TRY(gather_text(&b->buffers[t->field], t->terms, t->n,
                              &b->fields[t->field], err));
    }
    return FUSOR_OK;
}

/* Each item is asked for by a query of its own that nobody has sent. */
static void set_samples(struct batcher *b, const uint32_t *items, uint32_t n)
{
    struct side *s = &b->samples, *q = &b->queries;

    b->part = 0;
    s->n = q->n = n;
    for (uint32_t i = 0; i < n; i++) {
        s->row[i] = q->row[i] = NO_ROW;
        s->query[i] = q->query[i] = NO_KEY;
        s->item[i] = items[i];
        for (int k = 0; k < N_EVENT_SETS; k++)
            s->before[k][i] = q->before[k][i] = 0;
        b->query_of[i] = i;
        b->query_n[i] = 1;
        for (uint32_t k = 0; k < b->ds->n_labels; k++)
            b->labels[k][i] = 1;
        b->sample_id[i] = items[i];
    }
}

enum fusor_status batcher_fill_texts(struct batcher *b,
                                     const struct batcher_pairs *pairs,
                                     const uint32_t *items, uint32_t n,
                                     struct batch *out, struct fusor_error *err)
{
    const struct dataset *ds = b->ds;
    struct batcher_query nobody = {.row = BATCHER_NO_ROW};

    FUSOR_TRY(check_pairs(b, &nobody, items, n, err));
    set_samples(b, items, n);
    FUSOR_TRY(batcher_finish(b, 0, out, err));
    leave_texts_out(b, pairs);
    for (size_t i = 0; i < ds->n_fields; i++)
        if (ds->specs[i].side == SIDE_QUERY &&
            ds->specs[i].type == FIELD_TEXT &&
            ds->specs[i].vocab == ds->specs[pairs->from].vocab)
            FUSOR_TRY(gather_texts(ds, pairs->from, items, n, &b->buffers[i],
                                   &b->fields[i], err));
    return FUSOR_OK;
}
