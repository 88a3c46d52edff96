/* Everything a job file describes, made ready in one process: the data set, the
 * model, the parameters with their update rules, the plan. The same in every
 * process of a job, and constant, so that all of them agree without talking.
 *
 * Threads: read-only after workload_create(), shared by all threads. */
#ifndef TRAIN_WORKLOAD_H
#define TRAIN_WORKLOAD_H

#include "base/yaml.h"
#include "data/batcher.h"
#include "data/dataset.h"
#include "data/plan.h"
#include "model/metric/metric.h"
#include "model/model.h"
#include "optim/optim.h"
#include "train/objective.h"
#include "train/options.h"

struct catalogue;
struct slicing;
struct shortlist;
struct workload_share;

struct workload {
    struct yaml *job; // the caller's
    int fold;         // what workload_without() left out; -1: nothing
    struct workload_share *share;
    struct train_options options;
    struct dataset *data;
    struct model *model; // everything trained; stages take their own view
    const struct param_spec *params;
    struct optim_spec *table_optim; // [n_tables]
    struct optim_spec *block_optim; // [n_blocks]
    unsigned char *whole_blocks;    // [n_blocks] never cut over shards
    unsigned char *frozen;        // [n_stages][n_blocks + n_tables] not trained
    struct objectives objectives; // of the stages
    struct metric_spec metrics[TRAIN_MAX_METRICS];
    uint32_t n_metrics;
    struct catalogue *catalogue; // for metrics of lists, else NULL
    struct slicing *slicing;     // evaluation by group, else NULL
    struct shortlist *shortlist; // candidates of queries; NULL: all items
    uint32_t only_ordered;  // bits of labels whose scores are no estimates: the
                            // last loss only orders items
    struct strbuf warnings; // what is allowed but seldom meant, a line each
};

/** @param job stays the caller's and must live as long
 * @return FUSOR_EUSAGE with file:line:column, FUSOR_EDATA, FUSOR_EIO */
enum fusor_status workload_create(struct yaml *job, struct workload **out,
                                  struct fusor_error *err);
/** Without data: only options, model, params, rules and frozen parts may be
 * looked at. For servers, which need no rows; whether the rest of the job makes
 * sense is for others to find out. */
enum fusor_status workload_create_outline(struct yaml *job,
                                          struct workload **out,
                                          struct fusor_error *err);
void workload_destroy(struct workload *w);
/** The same job over the train rows without one fold, which are its test rows
 * (data/dataset.h): a model and plans of its own, the same parameters. Made
 * when first asked for and kept until another fold is.
 * @param fold -1: w itself
 * @param out what it held before is given back; NULL at first. Give the last
 *        back with workload_done_without(); w must live until then
 * Threads: one at a time per w. */
enum fusor_status workload_without(const struct workload *w, int fold,
                                   const struct workload **out,
                                   struct fusor_error *err);
void workload_done_without(const struct workload *w);
/** The plan of one stage; an empty split is an error that names it. */
enum fusor_status workload_plan(const struct workload *w, uint32_t stage,
                                struct plan *out, struct fusor_error *err);
/** Most samples in a micro-batch of a stage's plan, negatives included. */
uint32_t workload_capacity(const struct workload *w, uint32_t stage,
                           const struct plan *p);
/** Which blocks a stage leaves alone: [n_blocks], the workload's. */
const unsigned char *workload_frozen_blocks(const struct workload *w,
                                            uint32_t stage);
/** Which tables no trained tower of a stage reads: [n_tables], the
 * workload's. */
const unsigned char *workload_frozen_tables(const struct workload *w,
                                            uint32_t stage);
/** Append a sentence about the metrics that take scores for estimates of the
 * label where they only order items; nothing when there is none. */
void workload_say_misjudged(const struct workload *w, struct strbuf *out);
/** Names the candidates that a judgement ranks: 0 for all items. */
uint64_t workload_candidates_hash(const struct workload *w);
/** Log the warnings: by one process of a job. */
void workload_warn(const struct workload *w);
/** Shapes, rows and bytes of the whole graph, for --check. */
void workload_describe(const struct workload *w, struct strbuf *out);

#endif
