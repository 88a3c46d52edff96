/* One query against many items: for models whose towers all know the query
 * without the item and the item without the query. The items' side is made
 * once, the query's by one model_forward(), and a pair costs what is between
 * the two: a product of vectors and the fusion. In the same bits as a forward
 * pass over the pairs.
 *
 * Threads: struct model_items is read-only once filled; a run is one
 * thread's. */
#ifndef MODEL_RANK_H
#define MODEL_RANK_H

#include "model/model.h"

/** Can it be used so? Every tower has vectors of both sides (registry.h,
 * ranks), the fusion joins their scores and reads no field of the sample. */
int model_ranks(const struct model *m);
/** Can one tower be used so, whatever the others are? */
int model_tower_ranks(const struct model *m, uint32_t tower);
/** Bytes of the items' side.
 * @param towers [n_towers] of which; NULL: of all */
size_t model_items_bytes(const struct model *m, const unsigned char *towers,
                         size_t n);

struct model_items;

/** @param towers [n_towers] whose vectors; NULL: all, as model_rank() needs
 * @param n items there are, the unknown one counted
 * @param max_batch most of one model_items_fill() */
enum fusor_status model_items_create(const struct model *m,
                                     const unsigned char *towers, uint32_t n,
                                     uint32_t max_batch,
                                     struct model_items **out,
                                     struct fusor_error *err);
void model_items_destroy(struct model_items *v);
/** Make the vectors of items first, first + 1, ...: the samples of s. */
void model_items_fill(struct model_items *v, const struct model_run *r,
                      const struct model_step *s, uint32_t first);

/** Scores of items by one tower for the query of the first sample of the run's
 * last model_forward(). @param scores [n] */
void model_rank_tower(struct model_run *r, const struct model_step *s,
                      const struct model_items *v, uint32_t tower,
                      const uint32_t *which, uint32_t n, float *scores);
/** Scores of items for the query of the first sample of the run's last
 * model_forward().
 * @param s the step of that pass
 * @param which [n] items, n at most the run's max_batch
 * @param scores [n] before the output function; those of other labels are
 * model_scores()' */
void model_rank(struct model_run *r, const struct model_step *s,
                const struct model_items *v, const uint32_t *which, uint32_t n,
                float *scores);

#endif
