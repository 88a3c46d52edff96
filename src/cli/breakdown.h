/* Metrics by group: a table of each metric for each value of a field, and how
 * far apart the groups lie. Threads: one. */
#ifndef CLI_BREAKDOWN_H
#define CLI_BREAKDOWN_H

#include "base/json.h"
#include "base/texttab.h"
#include "train/slicing.h"

struct breakdown_group {
    char *label;                   // the value, as people know it
    struct metric_result *results; // [n_metrics], without names
};

struct breakdown_field {
    char name[FIELD_NAME_MAX];
    size_t n; // groups in which something was judged
    struct breakdown_group *groups;
};

struct breakdown {
    size_t n_metrics;
    uint64_t min; // rows or queries below which a group is too small to tell
    uint32_t n;
    struct breakdown_field fields[SLICING_FIELDS_MAX];
};

/** Read the slices of a judged set.
 * @param s what the set was sliced by
 * @param out release with breakdown_clear(), also after a failure */
enum fusor_status breakdown_read(const struct slicing *s,
                                 const struct metric_set *set, uint64_t min,
                                 struct breakdown *out,
                                 struct fusor_error *err);
void breakdown_clear(struct breakdown *b);

/* The groups that are large enough and have a value. */
struct breakdown_gap {
    size_t n;
    const struct breakdown_group *lowest, *highest;
    double gap;   // highest - lowest
    double ratio; // lowest / highest; NaN unless both are above 0
};

/** @return 0 with *out filled, -1 when fewer than two groups can be compared */
int breakdown_compare(const struct breakdown *b, uint32_t field, size_t metric,
                      struct breakdown_gap *out);

/** The table of metrics names [n_metrics] by group. */
struct texttab *breakdown_table(const struct breakdown *b,
                                const char (*names)[METRIC_NAME_MAX]);
/** The key "by" of an object under way. */
void breakdown_json(const struct breakdown *b,
                    const char (*names)[METRIC_NAME_MAX], struct json *j);

#endif
