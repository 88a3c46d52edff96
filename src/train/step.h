/* One step of one worker, from row numbers to keys: its micro-batches, the
 * distinct keys of every table, and where each looked-up value stands among
 * them. Reused from step to step; grows only when lists are longer than ever
 * before.
 *
 * Owner: one worker thread. */
#ifndef TRAIN_STEP_H
#define TRAIN_STEP_H

#include "data/batcher.h"
#include "model/model.h"
#include "train/candidates.h"
#include "train/keyset.h"

struct step_micro {
    struct batcher *batcher;
    struct batch batch;
    uint32_t number;                   // micro-batch of the unit
    uint32_t **positions;              // [n_lookups][n_values]
    uint32_t *n_values;                // [n_lookups]
    uint32_t *capacity;                // [n_lookups] room of each
    struct candidate_list *candidates; // of a loss over them, or NULL
    uint32_t *target;                  // [micro_rows] then: items of samples
    float *given;                      // [micro_rows][n_towers] towers' scores
};

struct step {
    const struct model *model;
    uint64_t clock;
    uint32_t n_micros; // filled ones
    uint32_t max_micros;
    uint32_t n_samples;
    float grad_scale;          // 1 / samples (weights) of the unit
    struct step_micro *micros; // [max_micros]
    uint32_t n_tables, n_lookups;
    struct keyset *sets;          // [n_tables]
    struct step_keys *keys;       // [n_tables] views of the sets
    struct step_rows *rows;       // [n_tables] filled by the store
    uint32_t *rows_cap;           // [n_tables]
    float loss_scale;             // of what is reported: positions to samples
    struct candidate_list *lists; // [n_lists] one a micro-batch, or one
    uint32_t n_lists;
    int given; // towers do not run: what only they read is left out
};

/** @param micro_rows most samples of a micro-batch */
enum fusor_status step_init(struct step *s, const struct model *model,
                            const struct dataset *ds, uint32_t max_micros,
                            uint32_t micro_rows, struct fusor_error *err);
void step_clear(struct step *s);
/** Make lists of candidates.
 * @param cap most candidates of one
 * @param whole all items are the only list wanted */
enum fusor_status step_init_candidates(struct step *s, const struct dataset *ds,
                                       uint32_t cap, int whole,
                                       uint32_t micro_rows,
                                       struct fusor_error *err);

/** Make room for scores that stand in for the towers (model_step.given). */
enum fusor_status step_init_given(struct step *s, uint32_t micro_rows,
                                  struct fusor_error *err);

/** Begin an empty step. */
void step_reset(struct step *s, uint64_t clock);
/** The batcher of the next micro-batch, to be filled by the caller. */
struct step_micro *step_next_micro(struct step *s, uint32_t number);
/** Collect the keys of the micro-batch that was just filled. */
enum fusor_status step_add_keys(struct step *s, struct step_micro *m,
                                struct fusor_error *err);
/** The list for the next micro-batch; several may get the same when it holds
 * all items. Draw it, set m->candidates, then step_add_keys(). */
struct candidate_list *step_candidates(struct step *s);
/** All micro-batches are in: make keys and rows ready for the store. */
enum fusor_status step_seal(struct step *s, struct fusor_error *err);

#endif
