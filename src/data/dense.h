/* Transforms of dense fields, as jobs write them:
 *
 *     transform: zscore
 *     transform: [{fill: 0}, log1p, {clip: [0, 16]}, minmax]
 *
 * fill    missing (NaN) becomes this
 * log1p   log(1 + x); x below 0 counts as 0
 * clip    into [low, high]
 * minmax  (x - min) / (max - min), of the train rows
 * zscore  (x - mean) / std, of the train rows
 *
 * Statistics are taken at the step where they are used, for each component of
 * a vector alone; a component that never varies becomes 0. Pure functions. */
#ifndef DATA_DENSE_H
#define DATA_DENSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/yaml.h"
#include "fusor/status.h"

#define DENSE_MAX_STEPS 8

enum dense_step_kind {
    DENSE_FILL,
    DENSE_LOG1P,
    DENSE_CLIP,
    DENSE_MINMAX,
    DENSE_ZSCORE
};

struct dense_step {
    enum dense_step_kind kind;
    double a, b; // fill: a; clip: a to b
};

struct dense_transform {
    uint32_t n;
    struct dense_step steps[DENSE_MAX_STEPS];
};

/** Read a `transform:` node: a name, a map of one entry, or a list of them. */
enum fusor_status dense_read(const struct yaml_node *node,
                             struct dense_transform *out,
                             struct fusor_error *err);

/* Values of one field that are transformed together. */
struct dense_values {
    float *v; // [n, width]
    uint64_t n;
    const uint8_t *train; // [n] 1: statistics come from this row; NULL: none
};

/** Apply in place to every array, with the statistics of the train rows of all
 * of them. What is not finite at the end becomes 0. */
void dense_apply(const struct dense_transform *t, struct dense_values *arrays,
                 size_t n_arrays, uint32_t width);

#endif
