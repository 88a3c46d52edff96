/* Evaluates a finished run on one split: what evaluate prints and compare
 * tests. Threads: one; the trainer inside uses its own. */
#ifndef CLI_JUDGE_H
#define CLI_JUDGE_H

#include "cli/units.h"
#include "train/breakdown.h"
#include "train/opened.h"

#define JUDGED_VALUES_MAX 160

struct judge_options {
    const char *run;
    const char *split;      // NULL: test rows, else validation rows
    const char *metrics;    // "auc,ndcg@10" instead of the job's, or NULL
    const char *protocol;   // must be the folder's; NULL: any
    const char *prepared;   // instead of the job's folder, or NULL
    const char *candidates; // instead of the job's, as YAML; NULL
    unsigned n_threads;     // 0: all processors
    int want_units;         // one thread then
    const char *by;         // fields to group by: "gender,age", or NULL
    uint32_t bins;          // of a dense one
    uint64_t min_group;     // rows or queries below which it is too small
};

struct judged {
    enum split split;
    size_t n_metrics;
    char names[TRAIN_MAX_METRICS][METRIC_NAME_MAX];
    struct metric_result results[TRAIN_MAX_METRICS]; // names point above
    struct metric_spec specs[TRAIN_MAX_METRICS];
    char protocol[32];
    uint32_t protocol_version;
    uint64_t candidates;            // hash
    char ranked[UNITS_RANKED_MAX];  // what the job's are; "": it names none
    char values[JUDGED_VALUES_MAX]; // which epoch's: "epoch 3 of stage 2"
    uint64_t epoch, last;           // as struct opened has them
    uint32_t stage;                 // in the job's list, from 1
    int is_best;
    struct units units; // sorted; empty unless wanted
    struct breakdown by;
    char misjudged[400]; // workload_say_misjudged()
};

/** @return FUSOR_EUSAGE: no such split or metric, no run, no metrics */
enum fusor_status judge_run(const struct judge_options *options,
                            struct judged *out, struct fusor_error *err);
void judged_clear(struct judged *j);
/** The split called so, or test (valid, when there are no test rows) for NULL.
 * @return FUSOR_EUSAGE: no such split, or it has no rows */
enum fusor_status judge_choose_split(const char *wish, const struct workload *w,
                                     enum split *out, struct fusor_error *err);
/** Append "auc,ndcg@10" as the YAML list that opened_create() takes.
 * @return FUSOR_EUSAGE: an unknown metric */
enum fusor_status judge_list_metrics(const char *text, struct strbuf *out,
                                     struct fusor_error *err);
/** "train", "valid", "test". */
const char *judge_split_name(enum split split);

#endif
