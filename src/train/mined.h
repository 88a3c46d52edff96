/* Hard negatives that a tower finds: for each query of a stage's positive rows
 * the items of rank `first` to `last` by the tower's scores among all items, as
 * they are when the stage begins (Xiong et al. 2021, "Approximate nearest
 * neighbor negative contrastive learning", mined once a stage). The query
 * stands where its last such row does: its events are those before it. Items
 * that the query is known to have keep their rank, but are left out.
 *
 * Each process that trains writes those of its share of the queries into
 * RUN/negatives/STAGE-WORKER.found; every process reads them all, also when the
 * training resumes in the middle of the stage.
 *
 * Threads: mined_share() from each worker's own; what is read is read-only. */
#ifndef TRAIN_MINED_H
#define TRAIN_MINED_H

#include "train/found.h"
#include "train/worker.h"

/** Make the folder and remove what an earlier attempt left of this stage. */
enum fusor_status mined_clear(const struct workload *w, const char *run_dir,
                              uint32_t stage, struct fusor_error *err);
/** Find for this worker's share of the queries.
 * @param worker,n_workers number of this thread and of all in the job
 * @param out appended to, for mined_write() */
enum fusor_status mined_share(struct worker *w, uint32_t stage, uint32_t worker,
                              uint32_t n_workers, struct strbuf *out,
                              struct fusor_error *err);
/** Write what the threads of this process found, as one file.
 * @param parts [n] of mined_share()
 * @param first number of the first of the threads in the job */
enum fusor_status mined_write(const struct workload *w, const char *run_dir,
                              uint32_t stage, uint32_t first,
                              const struct strbuf *const *parts, size_t n,
                              struct fusor_error *err);
/** Read what was found for all queries.
 * @return FUSOR_EDATA naming the file: damaged, of another job; FUSOR_EIO;
 *         FUSOR_ENOMEM */
enum fusor_status mined_read(const struct workload *w, const char *run_dir,
                             uint32_t stage, struct found **out,
                             struct fusor_error *err);

#endif
