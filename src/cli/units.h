/* The units of an evaluation: for every judged query or row, what each metric
 * says of it. They are what a paired test compares. As a file:
 *
 *     # fusor units 1
 *     # protocol loo-full 1
 *     # candidates 0 200 by bm25
 *     # split test
 *     fold <TAB> kind <TAB> unit <TAB> ndcg@10 <TAB> ...
 *     0 <TAB> query <TAB> 17 <TAB> 0.63 <TAB> - a number, or - where it has
 * none
 *
 * In memory units may also belong to groups; a file keeps none.
 *
 * Threads: one. */
#ifndef CLI_UNITS_H
#define CLI_UNITS_H

#include <stdint.h>

#include "base/batch.h"
#include "model/metric/metric.h"

#define UNITS_METRICS_MAX 32

#define UNITS_GROUPS_MAX 1024
#define UNITS_NO_GROUP UINT32_MAX

#define UNITS_RANKED_MAX 200

enum unit_kind { UNIT_QUERY, UNIT_ROW };

struct unit {
    uint32_t fold; // 0 without folds
    enum unit_kind kind;
    uint64_t key;    // query, or sample id
    uint32_t group;  // of u->groups, or UNITS_NO_GROUP
    double values[]; // [n_metrics]
};

struct units {
    char protocol[32];
    uint32_t protocol_version;
    uint64_t candidates;           // hash of those that the folder gives
    char ranked[UNITS_RANKED_MAX]; // what the job's candidates are; "": none
    char split[16];
    size_t n_metrics;
    char metrics[UNITS_METRICS_MAX][METRIC_NAME_MAX];
    char by[FIELD_NAME_MAX]; // field whose values are the groups, or ""
    size_t n_groups;
    char *groups[UNITS_GROUPS_MAX]; // values, as people know them
    size_t n, cap;
    unsigned char *rows; // [n] of units_stride() bytes
    int sorted;
    int failed; // memory ran out while adding
};

void units_clear(struct units *u);
struct unit *units_at(const struct units *u, size_t i);
/** Add one; values [n_metrics]. Memory running out is kept in failed.
 * @param group units_group() or UNITS_NO_GROUP */
void units_add(struct units *u, uint32_t fold, enum unit_kind kind,
               uint64_t key, uint32_t group, const double *values);
/** The group of this value, added when it is new; UNITS_NO_GROUP: too many, or
 * no memory, which is kept in failed. */
uint32_t units_group(struct units *u, const char *value);
/** Order by fold, kind and key.
 * @return FUSOR_EDATA: a unit twice; FUSOR_ENOMEM: u->failed */
enum fusor_status units_sort(struct units *u, struct fusor_error *err);
/** Its number when there is one, else UNITS_NO_GROUP. */
uint32_t units_find_group(const struct units *u, const char *value);
/** Add the units of another evaluation of the same kind (another fold).
 * @return FUSOR_EUSAGE: protocol, candidates, split or metrics differ */
enum fusor_status units_append(struct units *u, const struct units *more,
                               struct fusor_error *err);
/** Divide what k evaluations of the same units (seeds) were added up to, or add
 * one more: u becomes the mean over all. Both sorted.
 * @param k evaluations u already is the mean of
 * @return FUSOR_EUSAGE: not the same units */
enum fusor_status units_average(struct units *u, const struct units *more,
                                size_t k, struct fusor_error *err);
/** Are these evaluations of the same units, in the same groups? Both sorted.
 * @param a,b names for the error */
enum fusor_status units_match(const struct units *u, const char *a,
                              const struct units *v, const char *b,
                              struct fusor_error *err);
/** Index of a metric, or -1. */
int units_metric(const struct units *u, const char *name);

#define UNITS_TITLE_MAX 400

/** "test rows, protocol loo-full version 1", with the candidates and their hash
 * where the folder or the job lists some.
 * @param candidates 0: none are listed
 * @param ranked what the job's are, or ""
 * @return out */
const char *units_title(const char *split, const char *protocol,
                        uint32_t version, uint64_t candidates,
                        const char *ranked, char out[UNITS_TITLE_MAX]);

enum fusor_status units_write(const struct units *u, const char *path,
                              struct fusor_error *err);
/** @return FUSOR_EDATA with path:line */
enum fusor_status units_read(const char *path, struct units *out,
                             struct fusor_error *err);

#endif
