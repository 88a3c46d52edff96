/* The candidates of one micro-batch for a loss over candidates: all items, or
 * those drawn for it and the targets, each once; their fields, and where their
 * rows stand among the keys of the step.
 *
 * Draws depend on (seed, epoch, micro-batch) only: any number of workers
 * compares with the same items.
 *
 * Owner: one worker thread. Allocates when made, later only where positions
 * grow. */
#ifndef TRAIN_CANDIDATES_H
#define TRAIN_CANDIDATES_H

#include "data/batcher.h"
#include "model/model.h"
#include "train/keyset.h"
#include "train/objective.h"

struct candidate_list {
    const struct dataset *ds;
    const struct model *model;
    struct batcher *batcher;
    struct batch batch; // a sample each
    uint32_t cap;
    uint32_t n, n_negatives;
    uint32_t *ids;       // [cap]
    uint32_t *place;     // [items] where an id stands, or UINT32_MAX
    float *log_q;        // [cap]
    uint64_t *sample_id; // [cap] names the random streams of an item
    int corrected;       // log_q counts
    int whole;           // all items stand here
    int added;           // its keys are among those of the step
    const struct batcher_pairs *pairs; // of their texts only one is seen, or
                                       // NULL
    uint32_t **positions; // [n_lookups][n_values]; 0 values: not of an item
    uint32_t *n_values;   // [n_lookups]
    uint32_t *capacity;   // [n_lookups]
};

/** @param cap most candidates */
enum fusor_status candidate_list_init(struct candidate_list *l,
                                      const struct model *model,
                                      const struct dataset *ds, uint32_t cap,
                                      struct fusor_error *err);
void candidate_list_clear(struct candidate_list *l);

/** From here on candidates show only one of their texts, or all for NULL. */
void candidate_list_see(struct candidate_list *l,
                        const struct batcher_pairs *pairs);
/** Every item but the unknown. */
enum fusor_status candidate_list_all(struct candidate_list *l,
                                     struct fusor_error *err);
/** Negatives as the objective says, then the targets that are not among them.
 * @param b the micro-batch
 * @param target [b->n] item of each sample
 * @param epoch distinct over stages @param draw of the micro-batch */
enum fusor_status candidate_list_draw(struct candidate_list *l,
                                      const struct objectives *all,
                                      const struct objective *o,
                                      const struct batch *b,
                                      const uint32_t *target, uint64_t epoch,
                                      uint64_t draw, struct fusor_error *err);
/** Add the keys to those of a step.
 * @param sets [n_tables] */
enum fusor_status candidate_list_add_keys(struct candidate_list *l,
                                          struct keyset *sets,
                                          struct fusor_error *err);

#endif
