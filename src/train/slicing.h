/* Evaluation by group: rows are told apart by the value of a field, which the
 * model need not read, and each value gets a slice of the metric set.
 *
 * A categorical field has a slice for each of its values, a dense one for each
 * of some quantile bins of its train rows (2^20 of them, evenly spaced, at
 * most). Slice 0 of a field is what is missing or was never seen in training.
 *
 * Rows count in the slice of their own value. A group counts in that of its
 * query; where the protocol ranks each row among candidates, in that of the
 * row.
 *
 * Threads: made by one, then read-only; a slicer belongs to one thread. */
#ifndef TRAIN_SLICING_H
#define TRAIN_SLICING_H

#include "train/field.h"

#define SLICING_FIELDS_MAX 8
#define SLICING_VALUES_MAX 1000
#define SLICING_BINS_MAX 100

struct slicing_field {
    struct field field;
    uint32_t first;    // number of its first slice
    uint32_t n_slices; // values or bins, and 0
    uint64_t min;      // rows or queries below which a slice tells nothing
    uint64_t metrics;  // bit of each that is of interest
    uint32_t n_edges;  // dense: bin b is [edge b - 2, edge b - 1)
    float edges[SLICING_BINS_MAX];
};

struct slicing {
    uint32_t n;
    struct slicing_field fields[SLICING_FIELDS_MAX];
};

/* What to slice by. */
struct slicing_wish {
    const char *field;
    uint32_t bins;    // of a dense field, 2 to SLICING_BINS_MAX
    uint64_t min;     // see struct slicing_field
    uint64_t metrics; // 0: all
};

/** Slice the evaluations of a workload by one more field (w->slicing is made at
 * first).
 * @return FUSOR_EUSAGE: no such field, of a type or with a number of values
 * that makes no groups, one given twice or too many, or (a metric over the rows
 * of a query together) one that differs within a query */
enum fusor_status slicing_add(struct workload *w,
                              const struct slicing_wish *wish,
                              struct fusor_error *err);
/** Slice the evaluations of a workload no more. */
void slicing_forget(struct workload *w);
void slicing_destroy(struct slicing *s);
/** What slice number of a field stands for: a value, "[18, 25)", "unknown". */
enum fusor_status slicing_label(const struct slicing_field *f, uint32_t number,
                                struct strbuf *out, struct fusor_error *err);

/* The slices of rows, found by one thread. */
struct slicer {
    const struct slicing *slicing;
    struct batcher *batchers[SLICING_FIELDS_MAX];
    uint32_t *slices; // [SLICING_FIELDS_MAX][capacity]
    uint32_t capacity;
};

/** @param s NULL: there are no slices, and slicer_find() finds none
 * @param capacity most rows at a time */
enum fusor_status slicer_init(struct slicer *r, const struct slicing *s,
                              uint32_t capacity, struct fusor_error *err);
void slicer_clear(struct slicer *r);
/** Find the slices of rows [n] of a split: field f's of row i is
 * slicer_of(r, f, i). */
enum fusor_status slicer_find(struct slicer *r, enum split split,
                              const uint32_t *rows, uint32_t n,
                              struct fusor_error *err);

static inline uint32_t slicer_of(const struct slicer *r, uint32_t f, uint32_t i)
{
    return r->slices[(size_t)f * r->capacity + i];
}

#endif
