/* The fixed binary tree of micro-batches. The leaves of a unit are its
 * micro-batches 0..M-1; inner nodes are aligned ranges of a power of two; the
 * gradient of a key is summed along this tree, absent leaves skipped. The
 * result depends only on which micro-batches touched the key, not on who summed
 * what, so any number of workers and shards gives the same bits.
 *
 * A stack does it for partial sums that arrive in ascending order: before i is
 * put on, the two newest entries a, b are merged (a += b) while the node that
 * holds both does not hold i; at the end everything is merged from the top.
 *
 * grad_tree is the worker's side for one table, dense_tree for the flat dense
 * vector. Threads: one owner each.
 */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/params.h"

#define TREE_LEAVES_MAX 16 /* micro-batches of a unit */
#define TREE_DEPTH_MAX 5   /* entries a stack can hold: log2(16) + 1 */

/** Is the node over leaves a < b complete once leaf i > b arrives? */
static inline int tree_is_complete(unsigned a, unsigned b, unsigned i)
{
    return __builtin_clz(a ^ b) > __builtin_clz(b ^ i);
}

/** a += b, n floats. */
static inline void tree_merge(float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] += b[i];
}

struct tree_node {
    uint32_t lo, span;
};

/** Cut the leaves [lo, hi) into the fewest aligned subtrees, ascending.
 * @param nodes [PARAM_MAX_NODES] room; hi <= TREE_LEAVES_MAX
 * @return how many */
unsigned tree_nodes(uint32_t lo, uint32_t hi,
                    struct tree_node nodes[PARAM_MAX_NODES]);

/* The rows of one table. */

/* Per step key: the rows of its open stack. */
struct grad_slot {
    uint8_t n;
    uint8_t lo[TREE_DEPTH_MAX];
    float *rows[TREE_DEPTH_MAX];
};

struct grad_tree {
    uint32_t width;
    uint32_t max_keys;
    uint32_t max_micros;
    uint32_t stride;         // floats of a pool row
    uint32_t *stamps;        // [max_keys] micro-batch that touched it last
    struct grad_slot *slots; // [max_keys]
    float *pool;             // [max_keys * max_micros, stride], touched lazily
    size_t n_pool;           // rows used, free ones included
    float *free;             // rows to use again, linked through their bytes
    uint32_t *touched;       // [max_keys * max_micros] keys of the open node;
    float **grads;           // finished nodes lie in front, one after another
    size_t n_done;           // entries of finished nodes
    size_t n_open;           // entries of the open node
    uint32_t stamp;
    uint32_t micro;
};

/** @param max_keys most keys of one step
 * @param max_micros most micro-batches this worker computes in one step */
enum fusor_status grad_tree_init(struct grad_tree *t, uint32_t width,
                                 uint32_t max_keys, uint32_t max_micros,
                                 struct fusor_error *err);
void grad_tree_clear(struct grad_tree *t);
/** Begin a step: everything handed out before is taken back. */
void grad_tree_reset(struct grad_tree *t);
/** Begin micro-batch `micro` (ascending inside a step). */
void grad_tree_begin(struct grad_tree *t, uint32_t micro);
/** The row's first touch in this micro-batch; use grad_tree_touch(). */
float *grad_tree_touch_first(struct grad_tree *t, uint32_t u);
/** Has this micro-batch touched the key? */
static inline int grad_tree_is_touched(const struct grad_tree *t, uint32_t u)
{
    return t->stamps[u] == t->stamp;
}
/** [width] the gradient of step key u < max_keys in this micro-batch, zeroed
 * at first touch; add to it. */
static inline float *grad_tree_touch(struct grad_tree *t, uint32_t u)
{
    struct grad_slot *s = &t->slots[u];

    return grad_tree_is_touched(t, u) ? s->rows[s->n - 1]
                                      : grad_tree_touch_first(t, u);
}
/** Close the node the micro-batches since the last finish (or reset) make up.
 * What it gives stays until the next reset. */
struct node_rows grad_tree_finish(struct grad_tree *t);

/* The flat dense vector. */

struct dense_tree {
    uint64_t n_dense;
    uint32_t max_vectors;
    float *pool; // [max_vectors, stride]
    size_t stride;
    float *free[TREE_LEAVES_MAX];
    unsigned n_free;
    float *open[TREE_DEPTH_MAX];
    uint8_t lo[TREE_DEPTH_MAX];
    unsigned n_open;
};

/** @param max_micros most micro-batches this worker computes in one step */
enum fusor_status dense_tree_init(struct dense_tree *t, uint64_t n_dense,
                                  uint32_t max_micros, struct fusor_error *err);
void dense_tree_clear(struct dense_tree *t);
void dense_tree_reset(struct dense_tree *t);
/** [n_dense] gradient of micro-batch `micro` (ascending), to be written whole:
 * it holds what an earlier one left. */
float *dense_tree_begin(struct dense_tree *t, uint32_t micro);
/** Close the node; NULL when it had no micro-batch. */
const float *dense_tree_finish(struct dense_tree *t);

#endif
