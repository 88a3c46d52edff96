/* One job trained several times, once for each fold or each seed, as many at
 * once as there are cores (parallel.h), and what came of it (summary.h).
 * Threads: one; each training uses its own. */
#ifndef CLI_REPEAT_H
#define CLI_REPEAT_H

#include "cli/summary.h"
#include "job/options.h"

struct repeat {
    enum summary_over over;
    uint64_t numbers[SUMMARY_MAX]; // of the folds, or seeds
    size_t n;
};

/** Read --folds: "all" or "0,2,3".
 * @param job its data.prepared says how many there are
 * @return FUSOR_EUSAGE: no such fold, or the folder was not prepared in folds
 */
enum fusor_status repeat_folds(struct yaml *job, const char *text,
                               struct repeat *out, struct fusor_error *err);
/** n seeds from the job's train.seed (default 1) on. */
enum fusor_status repeat_seeds(struct yaml *job, int64_t n, struct repeat *out,
                               struct fusor_error *err);

/** Train all. summary.json is written after each, so that what was reached
 * survives a failure.
 * @param job its data.fold or train.seed is changed in the child that trains it
 * @param options run_dir: the directory of all, or NULL: a fresh one under
 *        runs/; made: set to it
 * @param out the summary */
enum fusor_status repeat_train(const struct repeat *r, struct yaml *job,
                               const struct job_options *options, int argc,
                               char **argv, struct summary *out,
                               struct fusor_error *err);

#endif
