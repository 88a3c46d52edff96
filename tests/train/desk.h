/* A workload with its rows and one worker in this process, for tests of what
 * goes over items: nothing is trained, rows are filled with numbers. */
#ifndef TESTS_TRAIN_DESK_H
#define TESTS_TRAIN_DESK_H

#include "base/params.h"
#include "train/fixture.h"
#include "train/worker.h"

#define DESK_CHUNK 8 /* pairs of a pass: fewer than there are items */

struct desk {
    struct yaml *job;
    struct workload *w;
    struct param_store *store;
    struct worker worker;
};

/** Over the data of fixture_data("loo-full"); no row is there yet.
 * @param map, rest as of fixture_text() */
void desk_init(struct desk *d, const char *map, const char *rest);
/** Make every row. Those of keys that are equal modulo `period` are equal, so
 * that there are ties. */
void desk_fill(struct desk *d, uint32_t period);
void desk_clear(struct desk *d);

/** How many of items 1 .. n - 1 stand before this one: a larger score, or the
 * same and a smaller id. */
uint32_t desk_count_above(const float *scores, uint64_t n, uint32_t item);

#endif
