/* Gradients of a micro-batch sample by sample, each cut to a norm, and the
 * noise on their sum (guarantee.h).
 *
 * A sample is the micro-batch seen through a window of one; its gradient rows
 * are rows of this struct, added to the micro-batch's when their norm is known.
 *
 * Owner: one worker thread. Allocates when made; later only where one sample
 * has more values than any before. */
#ifndef TRAIN_PRIVATE_GRADS_H
#define TRAIN_PRIVATE_GRADS_H

#include "train/grads.h"
#include "train/guarantee.h"

struct private_table { // gradient rows of one sample
    float **grads;     // [cap] of the step's keys; NULL: not touched
    uint32_t cap;
    uint32_t *touched; // [room] keys
    float *pool;       // [room, width]
    uint32_t n, room;
};

struct private_grads {
    const struct model *model;
    struct guarantee privacy;
    uint64_t seed;
    struct batch batch;                    // one sample
    const float *labels[BATCH_MAX_LABELS]; // its own
    struct batch_field *fields;
    uint32_t (*offsets)[2];       // [n_fields]
    const uint32_t **positions;   // [n_lookups]
    struct private_table *tables; // [n_tables]
    struct model_tables *views;   // [n_tables]
    float *dense;                 // [n_dense]
    uint64_t *ids;                // 0, 1, .. for the longest table
    uint32_t *places;             // as many
};

enum fusor_status private_grads_init(struct private_grads *p,
                                     const struct model *model,
                                     const struct guarantee *privacy,
                                     struct fusor_error *err);
void private_grads_clear(struct private_grads *p);

/** Add every key that a trained table can have to those of the step: the one
 * that holds micro-batch 0 gives them their noise. */
enum fusor_status private_grads_add_keys(struct private_grads *p,
                                         struct step *s,
                                         struct fusor_error *err);
/** The step of sample i of a micro-batch, with gradients of its own.
 * @param whole the step of the micro-batch
 * @param out set; valid until the next */
enum fusor_status private_grads_window(struct private_grads *p,
                                       const struct step *s,
                                       const struct step_micro *m,
                                       const struct model_step *whole,
                                       uint32_t i, struct model_step *out,
                                       struct fusor_error *err);
/** The window's gradient is there: cut it, add it to the micro-batch's times
 * whole->grad_scale, forget it. */
void private_grads_add(struct private_grads *p, const struct model_step *whole);
/** Add the noise of a whole unit to the gradients of its micro-batch 0, which
 * has touched all rows (grads_touch_all()).
 * @param epoch distinct over stages */
void private_grads_noise(struct private_grads *p, const struct step *s,
                         uint64_t epoch, const struct model_step *whole);

#endif
