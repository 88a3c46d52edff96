/* The course of a job: the script that goes through stages and epochs,
 * evaluates, lowers learning rates, stops early, saves. It writes what a run
 * directory holds about training (metrics.jsonl, checkpoints, result.json) and
 * shows progress. The coordinator drives it in a distributed job,
 * course_run_script() in one process.
 *
 * Threads: one. */
#ifndef TRAIN_COURSE_H
#define TRAIN_COURSE_H

#include "base/fs.h"
#include "coord/command.h"
#include "store/shard.h"
#include "train/trainer.h"

struct course;

struct course_config {
    const struct workload *workload;
    const char *run_dir;     // exists
    const char *config_text; // effective job file, kept in every checkpoint
    uint64_t job_id;
    uint32_t n_workers; // threads of the whole job
    uint32_t n_shards;
    int resume;    // go on from run_dir's latest checkpoint
    int skip_test; // do not judge the test rows at the end
    int quiet;     // no progress on stderr
    /* Of a local run: the job's `memory` section. */
    uint64_t cap_bytes; // 0: none
    enum store_when_full when_full;
    uint64_t idle;
    const struct affinity *bind; // its threads' and shards' places, or NULL
};

enum fusor_status course_create(const struct course_config *config,
                                struct course **out, struct fusor_error *err);
void course_destroy(struct course *c);
struct script *course_script(struct course *c);
/** The job's end as JSON: best and last metrics, epochs, seconds, samples/s.
 * For result.json, status.json and the screen. */
void course_result(const struct course *c, struct strbuf *out);

/** How many of these threads a local run can use: no more than its units have
 * micro-batches. */
unsigned course_useful_threads(const struct workload *w, unsigned n_threads);
/** Train in this process: a local store with n_threads shards and threads,
 * which is what the config's n_workers and n_shards must say.
 * @param script course_script(), or one around it that passes everything on to
 * it and may end it early; its progress() is called from another thread, one
 * call at a time */
enum fusor_status course_run_script(struct course *c, struct script *script,
                                    unsigned n_threads,
                                    struct fusor_error *err);

/** The best checkpoint of a run, the newest where none is marked, or the folder
 * itself when it is one.
 * @return FUSOR_EUSAGE: none there */
enum fusor_status course_find_checkpoint(const char *run_dir,
                                         char out[FS_PATH_MAX],
                                         struct fusor_error *err);
/** Write one shard's file of a checkpoint: the SAVE command of every shard.
 * @param c its text is the folder, made by the script before
 * @param result replaced by what the script wants back from a SAVE */
enum fusor_status course_save_shard(struct shard *s, const struct command *c,
                                    struct strbuf *result,
                                    struct fusor_error *err);
/** Load one shard's part of a checkpoint; the LOAD command of every shard. */
enum fusor_status course_load_shard(struct shard *s, const struct command *c,
                                    struct fusor_error *err);

/** Take what the stage's init_from names; the WARM command of every shard. */
enum fusor_status course_warm_shard(const struct workload *w, struct shard *s,
                                    const struct command *c,
                                    struct fusor_error *err);

#endif
