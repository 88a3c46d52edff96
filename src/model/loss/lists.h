/* Losses over lists: the rows of one query that stand together in a
 * micro-batch, compared with each other. A row that weighs nothing is in no
 * list; a list weighs the mean of its rows, whatever its length. Private to
 * src/model. */
#ifndef MODEL_LOSS_LISTS_H
#define MODEL_LOSS_LISTS_H

#include "model/registry.h"

/* A place in an order. */
struct list_item {
    float key;
    uint32_t at;
};

/* One list, and room to work in. */
struct loss_list {
    uint32_t n;
    const float *x, *label;  // [n]
    float *grad;             // [n] set to d loss / d x
    float *part;             // [n] scratch
    struct list_item *order; // [n] scratch
};

/* Of one run. */
struct list_room {
    float *x, *label, *grad, *part; // [max_batch]
    uint32_t *row;                  // [max_batch] of the batch
    struct list_item *order;        // [max_batch]
};

void lists_take(struct model_run *r);
/** The sum of the loss over the lists of the batch.
 * @param x, label [n]; weight [n] or NULL: all 1
 * @param grad [n] set, 0 for rows in no list */
double lists_eval(const struct loss_kind *l, float param,
                  const struct list_room *room, const struct batch *b,
                  const float *x, const float *label, const float *weight,
                  float *grad);

/** For kinds: l->order by key from the largest down, equal ones as they stand.
 * @param key [n] */
void lists_sort(const struct loss_list *l, const float *key);

#endif
