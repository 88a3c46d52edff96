/* One field of the prepared folder, whatever fields the job's model reads: a
 * data set of its own with the same rows in the same places, and nothing else
 * in it. What evaluation asks when it groups by a field or compares items.
 *
 * Threads: opened by one, then read by all with a batcher of each one's. */
#ifndef TRAIN_FIELD_H
#define TRAIN_FIELD_H

#include "train/workload.h"

struct field {
    struct yaml *fields;
    struct dataset *data;
    const struct schema_field *schema; // of the data set
    const struct field_spec *spec;
};

#define FIELD_MISSING (-3e38f) /* what a dense value that is missing is */

/** Open a field of the workload's folder; dense values come as they are.
 * @return FUSOR_EUSAGE: no such field (with the nearest name) */
enum fusor_status field_open(const struct workload *w, const char *name,
                             struct field *out, struct fusor_error *err);
void field_close(struct field *f);

/** Which row of fields[0] is sample i's, in a batch of f->data. */
uint32_t field_row(const struct batch *batch, const struct field *f,
                   uint32_t i);

#endif
