/* A run directory that holds several runs of one job: one for each fold or
 * seed, and summary.json, which names them and gives mean and standard
 * deviation of what they reached.
 *
 *     runs/x/summary.json
 *     runs/x/fold-0/ fold-1/ ...      or seed-1/ seed-2/ ...
 *
 * Threads: one. */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include "base/fs.h"
#include "base/json.h"
#include "base/yaml.h"
#include "model/metric/metric.h"
#include "model/stats/stats.h"

#define SUMMARY_FILE "summary.json"
#define SUMMARY_MAX 256 /* runs */
#define SUMMARY_VALUES_MAX 64

enum summary_over { SUMMARY_FOLDS, SUMMARY_SEEDS };

/* One number of each run: a metric on one split. */
struct summary_value {
    char split[16]; // "valid", "test"
    char name[METRIC_NAME_MAX];
    double values[SUMMARY_MAX]; // [n] NaN: that run has none
};

struct summary {
    enum summary_over over;
    size_t n;
    char dirs[SUMMARY_MAX][24]; // inside the directory
    double seconds;             // of all runs, training and judging
    size_t n_values;
    struct summary_value values[SUMMARY_VALUES_MAX];
};

/** Take one more run into the summary: what its result.json says.
 * @param dir name inside base
 * @return FUSOR_EIO, FUSOR_EDATA; FUSOR_EUSAGE: too many */
enum fusor_status summary_add(struct summary *s, const char *base,
                              const char *dir, struct fusor_error *err);
/** Mean and standard deviation over the runs that have a number. */
struct stats_summary summary_of(const struct summary *s,
                                const struct summary_value *v);
/** The whole as a JSON object, into j under key. */
void summary_json(const struct summary *s, struct json *j, const char *key);
enum fusor_status summary_write(const struct summary *s, const char *base,
                                struct fusor_error *err);
/** Read which runs a directory holds; values stay empty.
 * @return FUSOR_EIO, FUSOR_EDATA */
enum fusor_status summary_read(const char *base, struct summary *out,
                               struct fusor_error *err);

/** Take the numbers of a result.json, for one run too. */
enum fusor_status summary_result(const char *path, struct summary *s,
                                 size_t run, struct fusor_error *err);
/** Append which epoch the numbers of a result.json are of, and which one the
 * run gives to others; nothing where it does not say. */
void summary_say_judged(struct yaml_node *result, struct strbuf *out);

#endif
