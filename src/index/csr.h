/* A sparse matrix by rows: who had what. Columns of a row ascend.
 *
 * Built once, then read-only and shared by all threads. */
#ifndef INDEX_CSR_H
#define INDEX_CSR_H

#include <stdint.h>

#include "fusor/status.h"

struct csr {
    uint32_t n_rows, n_cols;
    uint64_t *offsets; // [n_rows + 1]
    uint32_t *cols;    // [offsets[n_rows]]
    float *values;     // [offsets[n_rows]]
};

/* One entry, before they are in order. */
struct csr_entry {
    uint32_t row, col;
    float value;
};

/** Put entries in order. Those of one place are added up, or with `last` the
 * one that came last in entries stays.
 * @param entries [n] rows below n_rows, cols below n_cols; read only
 * @return FUSOR_ENOMEM */
enum fusor_status csr_build(const struct csr_entry *entries, uint64_t n,
                            uint32_t n_rows, uint32_t n_cols, int last,
                            struct csr *out, struct fusor_error *err);
/** The same matrix by columns: the inverted lists. */
enum fusor_status csr_transpose(const struct csr *m, struct csr *out,
                                struct fusor_error *err);
void csr_clear(struct csr *m);

/** How much the columns weigh: log((1 + n_rows) / (1 + rows of the column)) +
 * 1, more for what few have (smoothed inverse document frequency, as in
 * Manning, Raghavan and Schuetze 2008, section 6.2.1).
 * @param idf [n_cols] */
void csr_idf(const struct csr *m, float *idf);
/** Multiply each value by the weight of its column. */
enum fusor_status csr_weigh_idf(struct csr *m, struct fusor_error *err);

#endif
