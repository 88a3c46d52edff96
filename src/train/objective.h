/* What each stage's loss asks of the data: rows as they stand or with sampled
 * negatives, perhaps those of a query together, or a loss over candidates,
 * there perhaps at every position of whole sequences (Kang and McAuley 2018,
 * section III-E).
 *
 * With train.samples: sequences a sample is a query's train events in time
 * order: its row is the query's last one, and each position of the sequence
 * before it should find the item of the next. Queries with a single event give
 * none. A query with more events than the field holds gives the last ones, or
 * with train.window: random those up to an event drawn each epoch.
 *
 * Threads: constant once made. */
#ifndef TRAIN_OBJECTIVE_H
#define TRAIN_OBJECTIVE_H

#include "data/dataset.h"
#include "model/model.h"
#include "train/negatives.h"
#include "train/options.h"
#include "train/pairs.h"

struct objective {
    struct negatives negatives; // of a loss over rows
    int listwise;               // a loss over the rows of a query
    float share; // of it: model_list_share() of a row and its negatives
    int over;    // a loss over candidates
    int every;   // at every position
    struct loss_setting setting;
    uint32_t own;                   // negatives of each query vector: bce, bpr
    uint32_t longest;               // every: most positions of a sequence
    unsigned char *field;           // every: [n_fields] EVERY_.. of sequences
    const struct text_pairs *pairs; // samples are of texts, or NULL: of rows
};

/* All stages'. */
struct objectives {
    struct objective stages[TRAIN_MAX_PASSES];
    uint32_t n_stages;
    uint32_t *ends; // [n_ends] the last train row of each query, or NULL
    uint64_t n_ends;
    int random_window;
    struct augment augment; // probability 0: none
    uint64_t seed;
    uint32_t *counts; // [n_items] train rows of each item; NULL: not wanted
    uint64_t n_counted;
    struct found *found[TRAIN_MAX_PASSES];      // what the words find, where a
                                                // stage is the first to ask so
    struct text_pairs *pairs[TRAIN_MAX_PASSES]; // as found
    uint32_t most_candidates; // of a micro-batch; 0: no loss over candidates
    int every;                // in any stage
};

/** Decide for every stage.
 * @param model its loss and its trained parts are changed and set back
 * @return FUSOR_EUSAGE, with the place in the job */
enum fusor_status objectives_read(struct objectives *o, struct yaml_node *job,
                                  const struct train_options *options,
                                  const struct dataset *ds, struct model *model,
                                  struct fusor_error *err);
void objectives_clear(struct objectives *o);
/** Decide what a stage's negatives are drawn from (objective_negatives.c); its
 * objective is there otherwise. */
enum fusor_status objective_negatives(struct objectives *o, uint32_t stage,
                                      const struct train_options *options,
                                      const struct dataset *ds,
                                      const struct model *model,
                                      struct fusor_error *err);
/** Tell the model how much room losses over candidates need.
 * @param micro_rows most rows of a micro-batch */
void objectives_expect(struct objectives *o, const struct dataset *ds,
                       uint32_t micro_rows, struct model *model);

/** The rows of places of a plan over sequences, in their place.
 * @param rows [n] numbers of sequences; set to train rows */
void objectives_rows(const struct objectives *o, const struct objective *stage,
                     const struct dataset *ds, uint64_t epoch, uint32_t *rows,
                     uint32_t n);
/** Positions that the rows train, times their weights.
 * @param epoch distinct over stages */
double objective_positions(const struct objectives *o,
                           const struct objective *stage,
                           const struct dataset *ds, enum split split,
                           uint64_t epoch, const uint32_t *rows, uint32_t n);

#endif
