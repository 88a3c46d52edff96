/* The run directory: all that a job leaves on disk. This module makes and locks
 * it and keeps the files that say how the job stands:
 *
 *     lock         held (flock) while the job lives; names its job and process
 *     job.yaml     the effective job file
 *     status.json  the truth: state running | done | failed | stopped, cause,
 *                  exit code, times, process, progress; replaced whole
 *     result.json  the course's result, once it is done
 *     logs/        one log a role process
 *     load.json    what was asked of the servers (train/load.h)
 *
 * metrics.jsonl and checkpoints/ are the course's (train/course.h).
 *
 * Threads: one, except run_dir_finish(). */
#ifndef JOB_RUN_DIR_H
#define JOB_RUN_DIR_H

#include <stdint.h>

#include "base/fs.h"

struct run_dir {
    char path[FS_PATH_MAX];
    uint64_t job; // id
    int lock_fd;  // -1: not held by this process
};

/** Make or take over a run directory and hold it. One whose job has ended (or
 * is gone) and never wrote a whole checkpoint is used again: what that job left
 * is removed.
 * @param wanted its path, or NULL: runs/<name>-<date>-<time>-<hex>, and
 *        runs/latest points to it
 * @param resume go on with a job's directory; it keeps its id
 * @return FUSOR_EUSAGE: in use by a living job (named), holds an earlier job's
 * checkpoint and resume is 0, or nothing to resume; FUSOR_EIO */
enum fusor_status run_dir_open(const char *wanted, const char *name, int resume,
                               struct run_dir *out, struct fusor_error *err);
/** Let go of the lock. The files stay. */
void run_dir_close(struct run_dir *d);

/** Does a living process hold this run directory's lock? */
int run_dir_is_held(const char *path);

/** Write job.yaml and status.json (running). */
enum fusor_status run_dir_begin(const struct run_dir *d, const char *job_text,
                                struct fusor_error *err);

struct run_progress {
    const char *command; // "epoch"
    uint32_t stage;      // from 0
    uint64_t epoch;      // from 0
    uint64_t samples;    // of the command under way
    double loss;         // mean over them; NaN: none
};

/* What follows needs only the path, so that role processes can call it. */

/** Say that it goes on; nothing when the job has ended already. */
enum fusor_status run_dir_update(const char *path, const struct run_progress *p,
                                 struct fusor_error *err);
/** Say how it ended; the first end counts, later ones change nothing.
 * @param why its status decides the state; FUSOR_OK: done */
enum fusor_status run_dir_finish(const char *path,
                                 const struct fusor_error *why,
                                 struct fusor_error *err);
/** The same for a process that ends because of a signal: failed, "stopped by
 * signal N", exit code 128 + N. */
enum fusor_status run_dir_finish_signal(const char *path, int number,
                                        struct fusor_error *err);
/** Write result.json. */
enum fusor_status run_dir_write_result(const char *path, const char *json,
                                       struct fusor_error *err);

#endif
