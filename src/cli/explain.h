/* A run opened to be explained: scores of pairs and rows with what each tower
 * put into them, evaluations without one tower, and what gates gave to experts.
 * explain.c is the command and prints, explain_rows.c computes, explain_gates.c
 * does both for gates. Threads: one. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "base/json.h"
#include "model/stats/stats.h"
#include "train/evaluate.h"
#include "train/opened.h"

struct tower_sums { // over rows
    double weight;
    double part, size, share; // contribution, its size, its share
};

struct ablation {
    int has;                   // the metric has units
    struct stats_comparison c; // a: without the tower, b: all towers
};

struct explain {
    struct opened *opened;
    struct worker worker;
    int has_worker;
    uint32_t label;
    int only_ordered; // its scores are no estimates
    uint32_t m;       // towers, of which those of other labels are not shown
    float *parts;     // [EXPLAIN_CHUNK, m] contributions of the last batch
    struct evaluate_order order; // the rows
    uint64_t n_rows;
    struct tower_sums *sums; // [m]
    int has_weights;
    struct ablation *ablations; // [m][n_metrics]
    int ablated;
    double *gates;    // weights of experts, level by level [gates][experts]
    uint64_t n_gated; // samples in them
};

#define EXPLAIN_CHUNK 512 /* samples of a batch */

/** @param metrics names with commas instead of the job's, or NULL; of other
 * labels than this one they are left out
 * @param label whose score; NULL: the first
 * @return errors of opened_create(); FUSOR_EUSAGE: no such label */
enum fusor_status explain_open(const char *run, const char *metrics,
                               const char *label, struct explain **out,
                               struct fusor_error *err);
/** Has tower t a part in this label's score? */
int explain_shows(const struct explain *x, uint32_t t);
void explain_close(struct explain *x);

/** Score one pair with the user's train events: worker.scores[0], parts [m]. */
enum fusor_status explain_score_pair(struct explain *x, uint32_t query,
                                     uint32_t item, struct fusor_error *err);
/** Take about n rows of a split into x->order, whole queries, drawn by hash.
 * @return FUSOR_EUSAGE: there are none */
enum fusor_status explain_take_rows(struct explain *x, enum split split,
                                    uint64_t n, struct fusor_error *err);
/** Score the next rows of the order: parts and weights are set.
 * @param at moved on */
enum fusor_status explain_score_rows(struct explain *x, uint64_t *at,
                                     struct batch *out,
                                     struct fusor_error *err);
/** Judge the rows with all towers and without each: ablations. With one tower,
 * or a fusion that refuses, nothing is done but a line said. */
enum fusor_status explain_ablate(struct explain *x, struct fusor_error *err);

/** Room for the gates; nothing when the model has none. */
enum fusor_status explain_take_gates(struct explain *x,
                                     struct fusor_error *err);
/** Count what the gates gave to the n samples of the last pass. */
void explain_count_gates(struct explain *x, uint32_t n);
/** The mean weight of each expert by label; nothing without gates. */
enum fusor_status explain_gates_table(const struct explain *x,
                                      struct fusor_error *err);
void explain_gates_json(const struct explain *x, struct json *j);

#endif
