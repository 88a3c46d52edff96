/* The plan of an epoch: which rows make which micro-batch. A pure
 * function of (seed, epoch, unit), so that any number of workers, in any
 * order, trains the same samples in the same micro-batches, each once.
 *
 * An epoch is n_rows positions in an order, cut into units of global_batch;
 * a unit is cut into micro_batches of one capacity. Only the last unit of an
 * epoch may be short; its last micro-batches may be short or empty.
 *
 * The order random of a data set in memory is one permutation of all rows. When
 * parts are streamed (dataset_block_rows() is not 0) it is: blocks of that many
 * rows in random order, STREAM_WINDOW of them a window, the rows of a window in
 * random order; the short block at the end comes last. A row is thus mixed with
 * rows from all over the part, some 260,000 of them at 160 bytes a row. This is
 * a pure function too, but not the same one: the bits of a run depend on
 * data.cache and on nothing of the machine.
 *
 * Threads: a plan is a value; an order is built once a process and epoch, then
 * shared read-only. */
#ifndef DATA_PLAN_H
#define DATA_PLAN_H

#include <stdint.h>

#include "data/dataset.h"
#include "fusor/status.h"

enum plan_order_kind {
    PLAN_RANDOM,  // every row anywhere; no memory, or 4 bytes a block
    PLAN_BY_USER, // runs of one query's rows, so that query work is shared
    PLAN_TIME     // as the rows stand
};

#define PLAN_MICRO_ROWS 512   /* GEMM is at full speed from here (measured) */
#define PLAN_MICRO_BATCHES 16 /* most by default */

struct plan {
    uint64_t seed;
    uint64_t n_rows;        // of the split
    uint32_t global_batch;  // rows of a unit
    uint32_t micro_batches; // of a unit
    enum plan_order_kind kind;
    uint32_t run;     // by user: most rows of one query in a row
    enum split split; // whose rows these are
};

/** Default: global_batch / 512 rounded up, within 1..16. */
uint32_t plan_micro_batches(uint32_t global_batch);

/** Can this plan be carried out? n_rows, global_batch, run at least 1;
 * micro_batches within 1..global_batch; n_rows below 2^32. */
enum fusor_status plan_check(const struct plan *p, struct fusor_error *err);

/** Units of one epoch. */
uint64_t plan_units(const struct plan *p);
/** Rows of the largest micro-batch: what to create batchers for. */
uint32_t plan_capacity(const struct plan *p);
/** Rows of a unit: global_batch, or what is left. */
uint32_t plan_unit_rows(const struct plan *p, uint64_t unit);
/** Which places of the order are this micro-batch.
 * @param unit below plan_units(), counted inside the epoch
 * @param micro below micro_batches
 * @param n set; may be 0 in the last unit, *first is then its end */
void plan_micro_range(const struct plan *p, uint64_t unit, uint32_t micro,
                      uint64_t *first, uint32_t *n);

struct plan_order;

/** The order of one epoch. By user: n_rows * 4 bytes (and as much again while
 * it is built), else none.
 * @param ds by user: has p->n_rows rows of the split; only read here. Streamed:
 * it is told the order, and by user is FUSOR_EUSAGE */
enum fusor_status plan_order_build(const struct plan *p,
                                   const struct dataset *ds, uint64_t epoch,
                                   struct plan_order **out,
                                   struct fusor_error *err);
/** Write the rows of the split at places first .. first + n - 1 of the order:
 * what batcher_fill() takes. */
void plan_order_rows(const struct plan_order *o, uint64_t first, uint32_t n,
                     uint32_t *rows);
void plan_order_destroy(struct plan_order *o);

#endif
