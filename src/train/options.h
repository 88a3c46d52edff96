/* The job's `train`, `stages`, `evaluate` and `optimizer` sections: what is
 * trained, on which rows, how long, with which rule. */
#ifndef TRAIN_OPTIONS_H
#define TRAIN_OPTIONS_H

#include "base/option.h"
#include "data/augment.h"
#include "model/model.h"
#include "optim/optim.h"
#include "train/guarantee.h"

#define TRAIN_MAX_STAGES 16 /* in the job's list */
#define TRAIN_MAX_FOLDS 10  /* of a stage out of fold */
#define TRAIN_MAX_PASSES (TRAIN_MAX_STAGES * (TRAIN_MAX_FOLDS + 1))
#define TRAIN_MAX_METRICS 32
#define NEGATIVES_MAX 1000 /* of a positive */
#define TRAIN_MAX_NAMES 32
#define TRAIN_MAX_GROUPS 8

/* What one sample is, where a loss over candidates leaves a choice. */
enum train_samples {
    SAMPLES_AUTO, // sequences where every trained tower can
    SAMPLES_EVENTS,
    SAMPLES_SEQUENCES
};

struct train_section {
    uint64_t global_batch;
    uint64_t micro_batches; // 0: batch / 512 within 1..16
    int64_t epochs;
    uint64_t seed;
    int order; // enum plan_order_kind
    uint64_t run;
    int64_t depth;
    int64_t eval_every;
    int matmul;                 // enum gemm_arithmetic
    const char *trace;          // file of a Chrome trace; "": none
    uint64_t trace_steps;       // of a thread
    int samples;                // enum train_samples
    int window;                 // of long sequences: the last, or a random one
    uint64_t negatives;         // samples a positive brings along; bpr: at
                                // least 1
    const char *negatives_from; // uniform, popularity, search or a tower
    const char *negatives_rank; // "200", "10..200"
    struct yaml_node *stop, *plateau, *augment;
};
extern const struct option_spec train_section_specs[];

/* Stop when the metric has not improved for more than patience evaluations. */
struct stop_rule {
    char metric[32]; // "" : never
    int patience;
    struct yaml_node *node; // where the job says so
};

/* Samples of another item beside each positive row (train/negatives.h): what
 * train.negatives, negatives_from and negatives_rank say, and over that the
 * stage's own
 *
 *     negatives: {n: 16, from: bm25, rank: 10..200}
 */
struct negatives_rule {
    struct yaml_node *node; // where it is said, or NULL
    int own;                // by a stage
    uint32_t n;             // of a positive; bpr: at least 1
    const char *from;       // "uniform", "popularity", "search" or a tower
    uint32_t first, last;   // of those found, counted from 1
};

struct plateau_rule {
    double factor; // 1: off
    int patience;
};

/* A job whose list has a stage `rows: out_of_fold(K)` becomes a longer one: the
 * stages before it K times, each time without one fold of the train rows, then
 * with all of them, then the stage itself and what follows. */
struct stage {
    const char
        *names[TRAIN_MAX_NAMES + 1]; // towers or "fusion"; all NULL: everything
    int build;                       // names are built towers: one epoch
    int apart;      // its towers are a model of their own: model_set_apart()
    uint32_t split; // enum split of its rows
    int64_t epochs;
    struct stop_rule stop;
    struct plateau_rule plateau;
    struct yaml_node *optimizer; // NULL: the job's
    struct yaml_node *loss;      // NULL: the job's
    struct yaml_node *init_from; // NULL: goes on with what there is
    struct negatives_rule negatives;
    struct yaml_node *pairs; // of texts of the item; NULL: rows as judged
    uint32_t number;         // in the job's list
    int fold;                // trains without it; -1: with all train rows
    int begins; // of the stages out of a fold, and of those with all rows after
                // them, the first: starts from the initial values
    int ends;   // the last of the stages out of a fold: the fold is scored
};

/* {by: gender, metrics: [auc], bins: 4, min_group: 10} among the metrics: each
 * also for each value of a field. */
struct group_rule {
    struct yaml_node *node; // where the job says so
    const char *field;
    uint32_t n_metrics; // 0: all
    const char *metrics[TRAIN_MAX_METRICS];
    uint64_t bins, min_group;
};

struct train_options {
    struct train_section train;
    struct negatives_rule negatives; // where a stage says nothing else
    struct augment augment;          // of sequences; probability 0: none
    struct guarantee privacy;        // clip 0: none
    uint32_t n_stages;
    struct stage stages[TRAIN_MAX_PASSES];
    uint32_t n_folds; // 0: no stage is out of fold
    uint32_t head;    // else that one: fitted on the scores of the folds
    uint32_t n_metrics;
    const char *metrics[TRAIN_MAX_METRICS];
    struct yaml_node *metric_nodes[TRAIN_MAX_METRICS];
    uint32_t n_groups;
    struct group_rule groups[TRAIN_MAX_GROUPS];
};

/** Those of the job.
 * @param train its section, or NULL, for errors */
enum fusor_status negatives_rule_of_job(const struct train_section *s,
                                        struct yaml_node *train,
                                        struct negatives_rule *out,
                                        struct fusor_error *err);
/** Read a stage's `negatives` over the job's.
 * @param node NULL: nothing changes */
enum fusor_status negatives_rule_read(struct yaml_node *node,
                                      struct negatives_rule *rule,
                                      struct fusor_error *err);
/** Are they drawn of what something finds? */
int negatives_rule_searches(const struct negatives_rule *r);
/** "stage 2", or "fold 1/5 stage 2". */
const char *train_stage_text(const struct train_options *o, uint32_t stage,
                             char out[48]);
/** Read the sections from the job's root. Texts point into the tree. */
enum fusor_status train_options_read(struct yaml_node *job,
                                     struct train_options *out,
                                     struct fusor_error *err);

#endif
