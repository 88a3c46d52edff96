/* Scores out of fold: what towers that never met a train row say about it, for
 * a fusion that is fitted on them (stacking: Wolpert 1992; van der Laan et al.
 * 2007). Each process that trains writes those of its share of a fold into
 * RUN/out_of_fold/FOLD-WORKER.scores, with a checksum; the stage out of fold
 * reads the files of all folds, in every process.
 *
 * A row becomes as many samples as its loss takes: itself, and its sampled
 * negatives, which for this stage are drawn once and not each epoch.
 *
 * Threads: fold_share() from each worker's own; the scores once read are
 * read-only. */
#ifndef TRAIN_FOLD_H
#define TRAIN_FOLD_H

#include "train/worker.h"

struct fold_scores {
    uint64_t n_rows; // train rows
    uint32_t n_towers;
    uint32_t each; // samples a row has room for
    float *values; // [n_rows][each][n_towers]; NaN: no such sample
};

/** The number under which negatives of the stage out of fold are drawn. */
uint64_t fold_draw_number(const struct workload *w);

/** Make the folder and remove what an earlier attempt left of this fold. */
enum fusor_status fold_clear(const struct workload *whole, const char *run_dir,
                             uint32_t fold, struct fusor_error *err);
/** Score this worker's share of the fold that its workload left out.
 * @param whole the workload with all rows
 * @param worker,n_workers number of this thread and of all in the job
 * @param out appended to, for fold_write() */
enum fusor_status fold_share(struct worker *w, const struct workload *whole,
                             uint32_t worker, uint32_t n_workers,
                             struct strbuf *out, struct fusor_error *err);
/** Write what the threads of this process found, as one file.
 * @param parts [n] of fold_share()
 * @param first number of the first of the threads in the job */
enum fusor_status fold_write(const char *run_dir, const struct workload *whole,
                             uint32_t fold, uint32_t first,
                             const struct strbuf *const *parts, size_t n,
                             struct fusor_error *err);
/** Read the scores of all folds.
 * @return FUSOR_EDATA naming the file: damaged, of another job, or rows without
 *         scores; FUSOR_EIO; FUSOR_ENOMEM */
enum fusor_status fold_read(const char *run_dir, const struct workload *whole,
                            struct fold_scores *out, struct fusor_error *err);
void fold_scores_clear(struct fold_scores *s);

/** The scores of samples, [n][n_towers], as model_step.given wants them.
 * @param rows [n] train rows, those of one row together, in the order in which
 *        negatives_expand() made them */
void fold_gather(const struct fold_scores *s, const uint32_t *rows, uint32_t n,
                 float *out);

#endif
