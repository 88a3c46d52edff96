/* The items as metrics of lists see them: how many train rows each has, and,
 * when diversity is asked for, what each is made of. Made once from the data
 * set. Threads: read-only after it was made. */
#ifndef TRAIN_CATALOGUE_H
#define TRAIN_CATALOGUE_H

#include "model/metric/metric.h"
#include "train/workload.h"

struct catalogue {
    struct metric_items items; // of the arrays below
    uint64_t *counts;
    size_t *begin;
    uint64_t *values;
    float *vectors;
};

/** What the workload's metrics need to know of the items; NULL when none of
 * them looks at lists. Diversity is by the field that its name ends with
 * (diversity@10/genres), else by the first item field that is a set of values,
 * a vector or (but the key) a category.
 * @return FUSOR_EUSAGE: no item key, no such field, or two fields asked for */
enum fusor_status catalogue_create(const struct workload *w,
                                   struct catalogue **out,
                                   struct fusor_error *err);
void catalogue_destroy(struct catalogue *c);

#endif
