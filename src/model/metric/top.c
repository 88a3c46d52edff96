/* The k best items of a group, by insertion: nearly all candidates fail the
 * comparison with the last one. */
#include "model/metric/top.h"

#include "base/batch.h"
#include "base/mem.h"
#include "model/metric/group.h"

enum fusor_status metric_top_init(struct metric_top *top, uint32_t k,
                                  struct fusor_error *err)
{
    *top = (struct metric_top){.k = k};
    if (k == 0)
        return FUSOR_OK;
    top->items = mem_alloc_raw(k, sizeof(*top->items));
    top->keys = mem_alloc_raw(k, sizeof(*top->keys));
    if (top->items && top->keys)
        return FUSOR_OK;
    metric_top_clear(top);
    return mem_fail(err, "metric: list", k * sizeof(*top->items));
}

void metric_top_clear(struct metric_top *top)
{
    mem_free(top->items);
    mem_free(top->keys);
    *top = (struct metric_top){0};
}

static int stands_before(const struct metric_top *top, uint32_t place,
                         uint32_t key, uint32_t item)
{
    return top->keys[place] > key ||
           (top->keys[place] == key && top->items[place] <= item);
}

/* Where the item stands already, or n. */
static uint32_t place_of(const struct metric_top *top, uint32_t item)
{
    uint32_t i = 0;

    while (i < top->n && top->items[i] != item)
        i++;
    return i;
}

static void insert(struct metric_top *top, uint32_t key, uint32_t item)
{
    uint32_t at = place_of(top, item);

    if (at < top->n && stands_before(top, at, key, item))
        return;
    if (at == top->n)
        at = top->n < top->k ? top->n++ : top->k - 1;
    for (; at > 0 && !stands_before(top, at - 1, key, item); at--) {
        top->keys[at] = top->keys[at - 1];
        top->items[at] = top->items[at - 1];
    }
    top->keys[at] = key;
    top->items[at] = item;
}

void metric_top_fill(struct metric_top *top, const float *scores,
                     const uint32_t *items, size_t n)
{
    top->n = 0;
    for (size_t i = 0; top->k && i < n; i++) {
        uint32_t key;

        if (items[i] == VOCAB_UNKNOWN || !(scores[i] > -INFINITY))
            continue;
        key = metric_score_key(scores[i], 1);
        if (top->n == top->k && stands_before(top, top->k - 1, key, items[i]))
            continue;
        insert(top, key, items[i]);
    }
}
