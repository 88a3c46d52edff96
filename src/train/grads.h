/* The gradients of one worker's step: rows per touched key and the dense
 * vector, summed over its micro-batches along the fixed tree (store/tree.h).
 *
 * A step of a single micro-batch, the usual case with many workers or small
 * batches, needs no tree: one zeroed row per key.
 *
 * Owner: one worker thread. What grads_finish() gives stays until the next
 * grads_begin_step(). */
#ifndef TRAIN_GRADS_H
#define TRAIN_GRADS_H

#include "store/tree.h"
#include "train/step.h"

struct table_grads {
    struct grad_tree tree;
    uint32_t cap;     // keys there is room for
    int wanted;       // some trained lookup reads the table
    int only_trained; // every lookup of it is trained
    float **rows;     // [cap] where the gradient of each key goes now
    float *flat;      // [cap, width] single micro-batch
    uint32_t *all;    // [cap] 0, 1, 2, ...
};

struct grads {
    const struct model *model;
    uint32_t n_tables, max_micros;
    struct table_grads *tables;
    struct model_tables *views; // [n_tables] for the model
    struct dense_tree dense;
    struct node_rows *nodes; // [PARAM_MAX_NODES][n_tables]
    int single;              // this step has one micro-batch
};

enum fusor_status grads_init(struct grads *g, const struct model *model,
                             uint32_t max_micros, struct fusor_error *err);
void grads_clear(struct grads *g);
/** Which lookups are trained may have changed. */
void grads_set_trained(struct grads *g);
enum fusor_status grads_begin_step(struct grads *g, const struct step *s,
                                   struct fusor_error *err);
/** Make ready for one micro-batch: views for the model.
 * @param dense_grad set to [n_dense] floats that model_backward() writes */
const struct model_tables *grads_begin_micro(struct grads *g,
                                             const struct step *s,
                                             const struct step_micro *m,
                                             float **dense_grad);
/** Make a row of the micro-batch for every key of the step, of each table that
 * is trained. */
void grads_touch_all(struct grads *g, const struct step *s);
/** Close the node that the micro-batches since the last close make up. */
void grads_finish_node(struct grads *g, const struct step *s, uint32_t lo,
                       uint32_t span, struct step_grads *out);

#endif
