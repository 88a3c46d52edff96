/* Sums along the fixed tree of micro-batches on the worker's side. The rule of
 * the stack stands in tree.h; shards go on with the same rule (combine.c). */
#include "store/tree.h"

#include <string.h>

#include "base/mem.h"

#define AHEAD 12 /* keys */

unsigned tree_nodes(uint32_t lo, uint32_t hi,
                    struct tree_node nodes[PARAM_MAX_NODES])
{
    unsigned n = 0;

    while (lo < hi) {
        uint32_t span = lo ? lo & (0u - lo) : TREE_LEAVES_MAX;

        while (span > hi - lo)
            span /= 2;
        nodes[n++] = (struct tree_node){lo, span};
        lo += span;
    }
    return n;
}

/* Four floats at any address. */
typedef float lanes __attribute__((vector_size(16), aligned(4), may_alias));

/* A free row keeps the address of the next one in its first bytes, whatever
 * its alignment. */
static float *free_pop(struct grad_tree *t)
{
    float *row = t->free;

    memcpy(&t->free, row, sizeof(float *));
    return row;
}

static void free_push(struct grad_tree *t, float *row)
{
    memcpy(row, &t->free, sizeof(float *));
    t->free = row;
}

/* Rows are a few cache lines: a call of memset() takes longer. */
static void row_clear(float *row, uint32_t n)
{
    uint32_t i = 0;

    for (; i + 4 <= n; i += 4)
        *(lanes *)(row + i) = (lanes){0};
    for (; i < n; i++)
        row[i] = 0.0f;
}

static float *pool_take(struct grad_tree *t)
{
    float *row = t->free ? free_pop(t) : t->pool + t->n_pool++ * t->stride;

    row_clear(row, t->width);
    return row;
}

enum fusor_status grad_tree_init(struct grad_tree *t, uint32_t width,
                                 uint32_t max_keys, uint32_t max_micros,
                                 struct fusor_error *err)
{
    size_t n = (size_t)max_keys * max_micros;

    memset(t, 0, sizeof(*t));
    t->width = width;
    t->max_keys = max_keys;
    t->max_micros = max_micros;
    t->stride = width < 2 ? 2 : width; // room for the link of a free row
    t->stamps = mem_alloc(max_keys, sizeof(*t->stamps));
    t->slots = mem_alloc(max_keys, sizeof(*t->slots));
    t->pool = mem_alloc_raw(n, t->stride * sizeof(float));
    t->touched = mem_alloc_raw(n, sizeof(*t->touched));
    t->grads = mem_alloc_raw(n, sizeof(*t->grads));
    if (t->stamps && t->slots && t->pool && t->touched && t->grads)
        return FUSOR_OK;
    grad_tree_clear(t);
    return mem_fail(err, "gradient rows", n * width * sizeof(float));
}

void grad_tree_clear(struct grad_tree *t)
{
    mem_free(t->stamps);
    mem_free(t->slots);
    mem_free(t->pool);
    mem_free(t->touched);
    mem_free(t->grads);
    memset(t, 0, sizeof(*t));
}

void grad_tree_reset(struct grad_tree *t)
{
    if (t->n_open) // a step that was given up
        grad_tree_finish(t);
    t->n_pool = 0;
    t->free = NULL;
    t->n_done = 0;
}

void grad_tree_begin(struct grad_tree *t, uint32_t micro)
{
    t->micro = micro;
    if (++t->stamp == 0) { // wrapped: old stamps must not look new
        for (uint32_t u = 0; u < t->max_keys; u++)
            t->stamps[u] = 0;
        t->stamp = 1;
    }
}

static void slot_merge(struct grad_tree *t, struct grad_slot *s)
{
    tree_merge(s->rows[s->n - 2], s->rows[s->n - 1], t->width);
    free_push(t, s->rows[s->n - 1]);
    s->n--;
}

float *grad_tree_touch_first(struct grad_tree *t, uint32_t u)
{
    struct grad_slot *s = &t->slots[u];

    if (s->n == 0)
        t->touched[t->n_done + t->n_open++] = u;
    while (s->n >= 2 &&
           tree_is_complete(s->lo[s->n - 2], s->lo[s->n - 1], t->micro))
        slot_merge(t, s);
    t->stamps[u] = t->stamp;
    s->lo[s->n] = (uint8_t)t->micro;
    s->rows[s->n] = pool_take(t);
    return s->rows[s->n++];
}

struct node_rows grad_tree_finish(struct grad_tree *t)
{
    struct node_rows out = {(uint32_t)t->n_open, t->touched + t->n_done,
                            t->grads + t->n_done};

    for (size_t i = 0; i < t->n_open; i++) {
        uint32_t u = t->touched[t->n_done + i];
        struct grad_slot *s = &t->slots[u];

        if (i + AHEAD < t->n_open)
            __builtin_prefetch(&t->slots[t->touched[t->n_done + i + AHEAD]]);
        while (s->n > 1)
            slot_merge(t, s);
        t->grads[t->n_done + i] = s->rows[0];
        s->n = 0;
        t->stamps[u] = 0;
    }
    t->n_done += t->n_open;
    t->n_open = 0;
    return out;
}

enum fusor_status dense_tree_init(struct dense_tree *t, uint64_t n_dense,
                                  uint32_t max_micros, struct fusor_error *err)
{
    memset(t, 0, sizeof(*t));
    t->n_dense = n_dense;
    t->max_vectors = max_micros;
    t->stride = (size_t)(n_dense + 15) & ~(size_t)15;
    t->pool = mem_alloc_raw(max_micros, t->stride * sizeof(float));
    if (!t->pool)
        return mem_fail(err, "dense gradients",
                        max_micros * t->stride * sizeof(float));
    dense_tree_reset(t);
    return FUSOR_OK;
}

void dense_tree_clear(struct dense_tree *t)
{
    mem_free(t->pool);
    memset(t, 0, sizeof(*t));
}

void dense_tree_reset(struct dense_tree *t)
{
    t->n_open = 0;
    t->n_free = 0;
    while (t->n_free < t->max_vectors) {
        unsigned last = t->max_vectors - 1 - t->n_free;

        t->free[t->n_free++] = t->pool + last * t->stride;
    }
}

static void dense_merge(struct dense_tree *t)
{
    t->n_open--;
    tree_merge(t->open[t->n_open - 1], t->open[t->n_open], (size_t)t->n_dense);
    t->free[t->n_free++] = t->open[t->n_open];
}

float *dense_tree_begin(struct dense_tree *t, uint32_t micro)
{
    float *v;

    while (t->n_open >= 2 &&
           tree_is_complete(t->lo[t->n_open - 2], t->lo[t->n_open - 1], micro))
        dense_merge(t);
    v = t->free[--t->n_free];
    t->lo[t->n_open] = (uint8_t)micro;
    t->open[t->n_open++] = v;
    return v;
}

const float *dense_tree_finish(struct dense_tree *t)
{
    while (t->n_open > 1)
        dense_merge(t);
    if (t->n_open == 0)
        return NULL;
    t->n_open = 0;
    return t->open[0];
}
