/* A model that is no model: which keys a micro-batch touches, and with what
 * gradients, is a function of (seed, unit, micro-batch). It drives the local
 * store, the simulated cluster and the threaded client alike.
 *
 * With whole gradients every value is a sum of small integers under sgd with
 * lr 1, so a lost or a doubled update shows exactly:
 *   table "marks"  one row a unit: + 1 by each of its micro-batches
 *   table "sums"   random keys, random small integers
 *   block "w"      random small integers
 * With real gradients the rules are adam, adagrad and momentum, and gradients
 * depend on the values, so that a wrong bit spreads.
 *
 * Units are counted over all epochs here. Owner: one thread a step. */
#ifndef TESTS_PS_TOY_H
#define TESTS_PS_TOY_H

#include "base/params.h"
#include "optim/optim.h"
#include "store/shard.h"
#include "store/tree.h"

#define TOY_MARKS_MAX 128
#define TOY_SUMS 60 /* keys */
#define TOY_WIDTH 3
#define TOY_DENSE 37

struct toy {
    uint64_t seed;
    int real; // gradients are no integers
    uint32_t micros;
    uint64_t n_units, n_epochs; // units of one epoch
    struct table_spec tables[2];
    struct block_spec blocks[2];
    struct param_spec params;
    struct optim_spec table_optim[2], block_optim[2];
};

/** @param n_units * n_epochs at most TOY_MARKS_MAX
 * @param n_dense floats of block "w"; 0: TOY_DENSE */
void toy_init(struct toy *t, uint64_t seed, int real, uint64_t n_units,
              uint64_t n_epochs, uint64_t n_dense);

/* All values at one moment. */
struct toy_state {
    float marks[TOY_MARKS_MAX];
    float sums[TOY_SUMS][TOY_WIDTH];
    float *dense; // [n_dense]
};
/** What whole gradients must add up to. */
void toy_expect(const struct toy *t, struct toy_state *out);
int toy_state_equal(const struct toy *t, const struct toy_state *a,
                    const struct toy_state *b);
void toy_state_init(const struct toy *t, struct toy_state *s);
void toy_state_clear(struct toy_state *s);

struct toy_step { // one worker's part of one unit
    const struct toy *toy;
    uint64_t unit;
    uint32_t micro_lo, micro_hi;
    uint64_t key_lists[2][TOY_MARKS_MAX];
    struct step_keys keys[2];
    const float *values[2][TOY_MARKS_MAX];
    struct step_rows rows[2];
    struct grad_tree trees[2];
    struct dense_tree dense_tree;
    struct node_rows node_rows[PARAM_MAX_NODES][2];
    struct step_grads grads;
};

enum fusor_status toy_step_init(struct toy_step *s, const struct toy *t);
void toy_step_clear(struct toy_step *s);
/** Choose the unit and make its keys. */
void toy_step_begin(struct toy_step *s, uint64_t unit, uint32_t micro_lo,
                    uint32_t micro_hi);
/** Make grads from rows and dense.
 * @param clock what to say in grads.clock */
void toy_step_compute(struct toy_step *s, uint64_t clock, const float *dense);
/** Do the marks that were read hold all units below `must`, and nothing twice
 * or in part?
 * @param exactly also: no unit from `must` on
 * @return 0, or 1 + the first unit that is wrong */
uint64_t toy_step_check(const struct toy_step *s, uint64_t must, int exactly);

/** Read all that a shard holds into its places. */
void toy_read_shard(struct shard *s, struct toy_state *out);
/** Train all epochs on a local store of this many threads' shards, and read the
 * result. */
enum fusor_status toy_run_local(const struct toy *t, unsigned n_workers,
                                struct toy_state *out);

#endif
