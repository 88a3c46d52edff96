/* Metrics by group: a table of each metric for each value of a field, and how
 * far apart the groups lie. Threads: one. */
#ifndef TRAIN_BREAKDOWN_H
#define TRAIN_BREAKDOWN_H

#include "base/json.h"
#include "base/texttab.h"
#include "base/yaml.h"
#include "train/slicing.h"

struct breakdown_group {
    char *label;                   // the value, as people know it
    struct metric_result *results; // [n_metrics], without names
};

struct breakdown_field {
    char name[FIELD_NAME_MAX];
    uint64_t min; // rows or queries below which a group is too small to tell
    uint64_t metrics; // bit of each that is shown
    size_t n;         // groups in which something was judged
    struct breakdown_group *groups;
};

struct breakdown {
    size_t n_metrics;
    char names[METRIC_SET_MAX][METRIC_NAME_MAX];
    uint32_t n;
    struct breakdown_field fields[SLICING_FIELDS_MAX];
};

/** Read the slices of a judged set.
 * @param s what the set was sliced by
 * @param out release with breakdown_clear(), also after a failure */
enum fusor_status breakdown_read(const struct slicing *s,
                                 const struct metric_set *set,
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

/** The table of metrics by group. */
struct texttab *breakdown_table(const struct breakdown *b);
/** The key "by" (or another) of an object under way. */
void breakdown_json(const struct breakdown *b, struct json *j, const char *key);
/** Read back what breakdown_json() wrote.
 * @param at its value; NULL: no groups
 * @param out release with breakdown_clear(), also after a failure
 * @return FUSOR_EDATA: it is something else */
enum fusor_status breakdown_parse(struct yaml_node *at, struct breakdown *out,
                                  struct fusor_error *err);

#endif
