/* Rows of a micro-batch to lists of one query each. */
#include "model/loss/lists.h"

#include <stdlib.h>

void lists_take(struct model_run *r)
{
    struct list_room *room = r->lists = run_take(r, 1, sizeof(*room));
    size_t n = r->max_batch;

    if (!room)
        return;
    room->x = run_take(r, n, sizeof(float));
    room->label = run_take(r, n, sizeof(float));
    room->grad = run_take(r, n, sizeof(float));
    room->part = run_take(r, n, sizeof(float));
    room->row = run_take(r, n, sizeof(*room->row));
    room->order = run_take(r, n, sizeof(*room->order));
}

static int descending(const void *a, const void *b)
{
    const struct list_item *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? 1 : -1;
    return x->at < y->at ? -1 : 1;
}

void lists_sort(const struct loss_list *l, const float *key)
{
    for (uint32_t i = 0; i < l->n; i++)
        l->order[i] = (struct list_item){key[i], i};
    qsort(l->order, l->n, sizeof(*l->order), descending);
}

/* Do two samples stand in one list? */
static int are_together(const struct batch *b, uint32_t i, uint32_t k)
{
    if (!b->query)
        return b->query_of[i] == b->query_of[k];
    return b->query[i] == b->query[k] && b->query[i] != VOCAB_UNKNOWN &&
           b->query[i] != BATCH_NO_QUERY;
}

/* Rows of the list that begins at row `first` and weigh something.
 * @param weight set to their mean @return where the next list begins */
static uint32_t gather(const struct list_room *room, const struct batch *b,
                       uint32_t first, const float *x, const float *label,
                       const float *weights, uint32_t *n, float *weight)
{
    uint32_t i = first;
    double sum = 0;

    *n = 0;
    for (; i == first || (i < b->n && are_together(b, first, i)); i++) {
        float w = weights ? weights[i] : 1.0f;

        if (!(w > 0))
            continue;
        sum += (double)w;
        room->x[*n] = x[i];
        room->label[*n] = label[i];
        room->row[(*n)++] = i;
    }
    *weight = *n ? (float)(sum / *n) : 0.0f;
    return i;
}

double lists_eval(const struct loss_kind *l, float param,
                  const struct list_room *room, const struct batch *b,
                  const float *x, const float *label, const float *weight,
                  float *grad)
{
    struct loss_list list = {.x = room->x,
                             .label = room->label,
                             .grad = room->grad,
                             .part = room->part,
                             .order = room->order};
    double sum = 0;
    float w;

    for (uint32_t i = 0; i < b->n; i++)
        grad[i] = 0.0f;
    for (uint32_t i = 0; i < b->n;) {
        i = gather(room, b, i, x, label, weight, &list.n, &w);
        if (list.n < 2)
            continue; // nothing to compare with
        sum += (double)w * l->list(param, &list);
        for (uint32_t k = 0; k < list.n; k++)
            grad[room->row[k]] = w * list.grad[k];
    }
    return sum;
}
