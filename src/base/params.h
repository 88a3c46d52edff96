/* What a model asks of a parameter store: its tables and blocks, and what
 * passes between a worker and the store in one step. The model declares the
 * specs, the worker fills keys and gradients, the store (local or remote) fills
 * values; none of them includes another.
 *
 * Blocks are ranges of one flat dense vector of n_dense floats.
 */
#ifndef BASE_PARAMS_H
#define BASE_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/profile.h"
#include "fusor/status.h"

#define PARAM_NAME_MAX 64
#define PARAM_MAX_TABLES 256
#define PARAM_MAX_NODES 16 /* subtrees of 16 micro-batches one worker owns */

enum param_init { INIT_ZERO, INIT_ONE, INIT_NORMAL, INIT_UNIFORM };

/* How a row's values are kept; optimizer state is float always. */
enum row_dtype { ROW_F32, ROW_BF16 };

struct table_spec {
    char name[PARAM_NAME_MAX];
    uint32_t width;  // floats in a row's value
    uint32_t n_zero; // the first so many of them start at 0 (biases)
    enum param_init init;
    float init_scale; // standard deviation, or half width of the interval
    /* Who gets a row. Until then a key reads as its initial values, and its
     * gradients are dropped and counted. */
    uint32_t admit_count;    // in the so-many-th unit that trains it; 0, 1: all
    float admit_probability; // with this chance in each such unit; 0: all
    enum row_dtype dtype;
};

struct block_spec {
    char name[PARAM_NAME_MAX];
    uint64_t offset; // of its first float in the flat dense vector
    uint64_t size;   // floats
    enum param_init init;
    float init_scale;
    float bn_momentum; // > 0: a batch statistic; the "gradient" is the batch's
                       // value and the rule is ema with this momentum
    int is_bias;       // one-dimensional: no l2 unless asked for
};

struct param_spec {
    uint64_t seed;
    uint32_t n_tables;
    const struct table_spec *tables;
    uint32_t n_blocks;
    const struct block_spec *blocks;
    uint64_t n_dense; // floats of all blocks
};

enum pull_mode {
    PULL_TRAIN, // may create rows, counts them as touched
    PULL_PEEK   // never creates, counts or ages; unknown rows read as zeros,
                // as their initial values where admission may refuse them
};

/* The distinct keys of one table that a worker needs in one step. */
struct step_keys {
    uint32_t n;
    const uint64_t *keys; // [n] no repeats, any order
};

/* The values of one table: rows[u] is [width] floats of keys[u]. They point
 * into the store (local) or a reply (remote) and stay valid until the worker's
 * push of that step, or for a peek until its next call. */
struct step_rows {
    const float **rows; // [n], the worker's array, filled by the store
};

/* One node of the tree of micro-batches: the sum of the gradients of
 * micro-batches [lo, lo + span) that were not empty. */
struct step_node {
    uint32_t lo;
    uint32_t span;      // a power of two; lo is a multiple of it
    const float *dense; // [n_dense], or NULL when every micro-batch was empty
    struct node_rows {
        uint32_t n;
        const uint32_t *index; // [n] into the step's keys, no repeats
        float *const *grads;   // [n] each [width]; the store may scribble
    } * tables;                // [n_tables]
};

struct step_grads {
    uint64_t clock; // unit of the epoch; the store knows where that began
    uint32_t n_samples;
    uint32_t n_nodes;
    struct step_node nodes[PARAM_MAX_NODES]; // ascending lo
};

/* The contract of a parameter store towards one process's workers. worker is
 * the worker's number in this process. Steps of one worker are announced,
 * valued and pushed in order; up to depth steps may be announced before the
 * first is valued. Threads: each worker from its own thread. */
struct param_store {
    const struct param_store_ops *ops;
    struct profile *profiles; // [workers of this process] told the phases of
                              // each one's calls; NULL: nobody wants them
};

struct param_store_ops {
    /** Send the keys of a step ahead. The arrays stay the worker's and must
     * not change until the push (train) or the next call (peek).
     * Blocks: only while it has no memory for them that pushes under way will
     * give back. */
    enum fusor_status (*announce)(struct param_store *s, unsigned worker,
                                  enum pull_mode mode, uint64_t clock,
                                  const struct step_keys *tables,
                                  struct fusor_error *err);
    /** Wait until the values of the oldest announced step may be read.
     * @param dense set to [n_dense] floats, valid as the rows are */
    enum fusor_status (*values)(struct param_store *s, unsigned worker,
                                struct step_rows *tables, const float **dense,
                                struct fusor_error *err);
    /** Hand over the gradients of the step valued last. What it points to must
     * stay until the worker's next values() or drain() returns. */
    enum fusor_status (*push)(struct param_store *s, unsigned worker,
                              const struct step_grads *grads,
                              struct fusor_error *err);
    /** Wait until all this worker pushed is applied. Every worker of the
     * process must call it. */
    enum fusor_status (*drain)(struct param_store *s, unsigned worker,
                               struct fusor_error *err);
    void (*destroy)(struct param_store *s);
};

/** The initial value of a row or of part of a block: a pure function of
 * (seed, what, key).
 * @param what table number, or n_tables + block number
 * @param key row key, or 0 for a block
 * @param offset of out[0] inside the row or block */
void param_init_fill(uint64_t seed, uint32_t what, enum param_init init,
                     float scale, uint64_t key, uint64_t offset, float *out,
                     size_t n);

#endif
