/* What the local store keeps: for local*.c only. */
#ifndef STORE_LOCAL_PRIVATE_H
#define STORE_LOCAL_PRIVATE_H

#include <stdatomic.h>

#include "base/barrier.h"
#include "store/local.h"

/* Keys of one table of one announced step, grouped by the shard that owns
 * them. With one worker only refs is used, in the order of the keys. */
struct local_keys {
    size_t cap;
    uint64_t *keys;   // [cap] grouped
    uint32_t *at;     // [cap] place of grouped key j in the step's keys
    uint32_t *refs;   // [cap] by place in the step's keys
    uint32_t *found;  // [cap] references in grouped order
    uint8_t *owner;   // [cap] by place
    uint32_t *starts; // [n_shards + 1] of the groups
    float *wide;      // [cap, width] values that cannot be read in place, by
                      // place; NULL: all can
};

struct local_step {
    enum pull_mode mode;
    uint64_t clock;
    const struct step_keys *tables; // the worker's
    struct local_keys *keys;        // [n_tables]
};

/* Gradient rows of one table over all nodes of a push, grouped by owner inside
 * each node. */
struct local_grads {
    size_t cap;
    uint32_t *refs; // [cap]
    uint64_t *keys; // [cap] of refs, where the table admits; else NULL
    float **grads;  // [cap]
};

struct local_worker {
    struct local_step ring[LOCAL_DEPTH_MAX + 1]; // one is being trained on
    unsigned head, n_announced;
    struct local_step *valued;       // the step a push belongs to
    struct step_rows *out;           // where its values go, for the owners
    struct local_grads *grads;       // [n_tables]
    struct shard_rows *rows;         // [PARAM_MAX_NODES, n_shards, n_tables]
    const struct step_grads *pushed; // NULL: nothing to apply
    /* as the owner of a shard */
    struct shard_push pushes[TREE_LEAVES_MAX];
};

struct local_store {
    struct param_store base; // first: the handle
    const struct param_spec *params;
    unsigned n;            // workers and shards
    struct shard **shards; // [n]
    uint16_t bucket_map[BUCKET_COUNT];
    float *dense;                 // [n_dense]
    struct local_worker *workers; // [n]
    uint64_t first_clock;         // of unit 0 on the optimizer's clock
    struct barrier barrier;
    atomic_int failed; // 0, 1 being written, 2 text is there
    struct fusor_error failure;
};

static inline struct local_store *local_of(struct param_store *store)
{
    return (struct local_store *)(void *)store;
}

/* local_step.c: param_store_ops. */
enum fusor_status local_announce(struct param_store *store, unsigned worker,
                                 enum pull_mode mode, uint64_t clock,
                                 const struct step_keys *tables,
                                 struct fusor_error *err);
enum fusor_status local_values(struct param_store *store, unsigned worker,
                               struct step_rows *tables, const float **dense,
                               struct fusor_error *err);
enum fusor_status local_push(struct param_store *store, unsigned worker,
                             const struct step_grads *grads,
                             struct fusor_error *err);
enum fusor_status local_drain(struct param_store *store, unsigned worker,
                              struct fusor_error *err);
/** Record the first failure and wake everybody. */
void local_store_fail(struct local_store *s, const char *text,
                      enum fusor_status rc);

/* local_group.c */

/** Group the keys of a step by owner.
 * @return FUSOR_ENOMEM */
enum fusor_status local_group_keys(struct local_store *s,
                                   struct local_step *step,
                                   struct fusor_error *err);
/** Group the gradients of a push by owner; checks its nodes.
 * @return FUSOR_ENOMEM, FUSOR_EINVAL */
enum fusor_status local_group_grads(struct local_store *s,
                                    struct local_worker *w,
                                    const struct step_grads *grads,
                                    struct fusor_error *err);
void local_keys_clear(struct local_keys *k);
void local_grads_clear(struct local_grads *g);

#endif
