/* What a run leaves about its training: metrics.jsonl (one line an epoch), and
 * the numbers that decide about stopping. Position and history of a course are
 * written into every checkpoint as one line of JSON and read back on resume.
 *
 * Threads: one. */
#ifndef TRAIN_JOURNAL_H
#define TRAIN_JOURNAL_H

#include "base/json.h"
#include "base/yaml.h"
#include "train/load.h"
#include "train/result.h"
#include "train/workload.h"

/* Where a course stands: everything that resuming needs. */
struct course_position {
    uint32_t stage;
    uint64_t epoch;        // of the stage: epochs done
    uint64_t clock;        // units applied in the whole job
    uint64_t samples_done; // in the whole job
    double lr_factor;      // what plateaus have left
    int has_best;
    double best;         // of the stage's deciding metric
    uint64_t best_epoch; // epochs done when it was reached
    uint32_t stop_waits; // evaluations without a better value
    uint32_t plateau_waits;
    double seconds; // of training, over all sessions
};

void journal_position_json(const struct course_position *p, struct strbuf *out);
enum fusor_status journal_position_read(const char *text,
                                        struct course_position *out,
                                        struct fusor_error *err);

/** Results as {"auc": 0.79, ...} under key; undefined ones are null. */
void journal_results_json(struct json *j, const char *key,
                          const struct metric_result *results, size_t n);
/** "auc 0.7912  logloss 0.4410" */
void journal_results_text(const struct metric_result *results, size_t n,
                          struct strbuf *out);

/** "evaluate_s" and "checkpoint_s": seconds of the course's own profile. */
void journal_course_json(struct json *j, const struct profile_total *t);
/** "imbalance" of the shards' load; what kept rows have saved, if any. */
void journal_load_json(struct json *j, const struct load *l, double imbalance);

struct journal_line {
    const struct course_position *position;
    const struct epoch_result *epoch;
    double seconds;
    const struct workload *workload;    // names of towers; NULL: none
    const struct profile_total *course; // of the session until now; NULL: none
    int pairwise;                       // two samples make one loss
    const struct cut_result *cut;       // of this epoch; NULL: no servers
    const struct load *load; // of the session until now; NULL: no servers
    double imbalance;        // of that
    const struct metric_result *valid; // NULL: not evaluated
    size_t n_valid;
    const char *groups; // the same by group, as JSON; NULL: none
};

/** The mean loss of an epoch: per sample, or per pair.
 * @return NaN without a sample */
double journal_mean_loss(const struct epoch_result *e, int pairwise);

/** Append one epoch's line to run_dir/metrics.jsonl. */
enum fusor_status journal_append(const char *run_dir,
                                 const struct journal_line *line,
                                 struct fusor_error *err);

/** Take a new value of the deciding metric and count.
 * @return 1 when it is the best so far */
int journal_judge(struct course_position *p, double value,
                  int higher_is_better);

#endif
