/* A whole training in a test: a small prepared folder of made ratings, a job as
 * text, a run in this process, and what its checkpoints hold.
 *
 * The folder has 40 users, 30 items, about 700 train rows, 97 valid rows and 40
 * test rows; field names and side tables are those of tests/data/prepared.h. */
#ifndef TESTS_TRAIN_FIXTURE_H
#define TESTS_TRAIN_FIXTURE_H

#include "base/fs.h"
#include "base/yaml.h"
#include "data/dataset.h"
#include "store/shard.h"
#include "train/course.h"
#include "train/workload.h"

#define FIXTURE_USERS 40
#define FIXTURE_ITEMS 30

/* dropout, batch statistics, a weighted bag, l2 over a whole table */
#define FIXTURE_DEEP                                                      \
    "tables:\n"                                                           \
    "  user: 6\n"                                                         \
    "  item: 6\n"                                                         \
    "  genres: {dim: 5, l2: {value: 1.0e-3, scope: table}}\n"             \
    "towers:\n"                                                           \
    "  mf: {type: dot, query: user, item: item, bias: true}\n"            \
    "  deep: {type: mlp, inputs: [user, genres, price], units: [8, 1],\n" \
    "         norm: batch, dropout: 0.2}\n"                               \
    "fusion: {type: weighted, weights: free}\n"                           \
    "optimizer: {adam: 1.0e-2}\n"

/** Write the prepared folder under a protocol: loo-full, loo-given (each test
 * row with five candidates), time-split, or "weighted": time-split with the
 * item's id as the row's weight.
 * @return its path, valid until the next */
const char *fixture_data(const char *protocol);
/** The events behind it. */
const struct event *fixture_events(enum split split, uint64_t *n);

/** data.prepared and the label map in front of the rest of a job: a text, valid
 * until the next. */
const char *fixture_text(const char *dir, const char *map, const char *rest);
struct yaml *fixture_yaml(const char *text);
struct workload *fixture_workload(struct yaml *job);

/* One training, from its job to its last checkpoint. */
struct training {
    struct yaml *job;
    struct workload *workload;
    char run_dir[FS_PATH_MAX];
    enum fusor_status status;
    struct fusor_error err;
    struct strbuf result; // JSON
};

struct training_options {
    const char *name; // of the run directory in the test's folder
    unsigned n_threads;
    int resume;
    const char *set[8]; // "path", "value", ..., NULL
};

/** Train; t->status says how it went. training_clear() in any case.
 * @param job beginning with `data:` as fixture_text() makes it */
void training_run(struct training *t, const char *job,
                  const struct training_options *options);
void training_clear(struct training *t);

/** Load a checkpoint ("latest", "best" or a folder's name) into one shard with
 * the rules of the workload; the caller destroys it. */
struct shard *training_load(const struct training *t, const char *name);
/** One number for all that a checkpoint holds: rows, blocks, optimizer states.
 */
uint64_t training_digest(const struct training *t, const char *name);
/** Are the values of a table (or block) the same in two checkpoints? */
int training_same_table(const struct training *a, const char *name_a,
                        const struct training *b, const char *name_b,
                        const char *table);
int training_same_block(const struct training *a, const char *name_a,
                        const struct training *b, const char *name_b,
                        const char *block);
/** Whether run_dir/checkpoints/name exists. */
int training_has(const struct training *t, const char *name);
/** The number behind "key": in the text, or NaN. */
double training_number(const char *text, const char *key);
/** run_dir/metrics.jsonl, to be freed with mem_free(). */
char *training_metrics(const struct training *t);

#endif
