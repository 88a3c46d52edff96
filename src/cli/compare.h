/* What fusor compare has judged and found: the sides, and a row for each metric
 * of each, of all units or of those of one group. compare.c is the command,
 * compare_rows.c finds the rows, compare_report.c prints them. Threads: one. */
#ifndef CLI_COMPARE_H
#define CLI_COMPARE_H

#include "cli/args.h"
#include "cli/units.h"
#include "model/stats/stats.h"

#define SIDES_MAX 32

/* Of the runs of one side that name the same value of the field. */
struct side_group {
    size_t n_runs;
    uint64_t n[UNITS_METRICS_MAX]; // rows or queries, of all runs
    double means[UNITS_METRICS_MAX];
};

/* One of the things compared: means over its seeds, units of all its folds. */
struct side {
    const char *name;
    size_t n_runs;
    struct units units;
    /* Mean over runs of each metric's result; n_results 0: a file of units. */
    size_t n_results;
    double means[UNITS_METRICS_MAX];
    struct side_group *groups; // [UNITS_GROUPS_MAX] by units.groups, or NULL
};

enum row_kind {
    ROW_ALL,   // every unit
    ROW_GROUP, // those of one group
    ROW_GAP    // the largest of the groups less the smallest
};

struct row { // one metric of one side
    const struct side *side;
    size_t metric; // in sides[0].units
    enum row_kind kind;
    const char *group; // its value
    struct stats_comparison test;
    int tested;  // 0: no unit has a number
    double mean; // when it was not tested; NaN: there is none
    uint64_t n;  // units of that mean
    int small;   // a group too small to tell
};

struct compare {
    struct side sides[SIDES_MAX];
    size_t n_sides;
    const char *by; // field, or NULL
    uint64_t min_group;
    unsigned char skip[UNITS_METRICS_MAX]; // metrics that are not asked about
    struct row *rows;
    size_t n_rows;
};

/** Is the row compared with the first side? */
int compare_is_test(const struct compare *c, const struct row *r);
/** Its mean, or NaN. */
double compare_mean(const struct row *r);

/** Find all rows: tests against the first side, corrected by Holm. */
enum fusor_status compare_test(struct compare *c,
                               struct stats_comparison_options *o,
                               struct fusor_error *err);
enum fusor_status compare_print(const struct compare *c,
                                struct fusor_error *err);
enum fusor_status compare_print_json(const struct compare *c,
                                     struct fusor_error *err);

#endif
