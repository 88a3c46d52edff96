/* Sparse matrices by counting sort: columns first, then rows, so that columns
 * ascend in each row and equal places stand together in their first order. */
#include "index/csr.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

static enum fusor_status take(struct csr *m, uint32_t n_rows, uint32_t n_cols,
                              uint64_t n, struct fusor_error *err)
{
    *m = (struct csr){.n_rows = n_rows, .n_cols = n_cols};
    m->offsets = mem_alloc((size_t)n_rows + 1, sizeof(*m->offsets));
    m->cols = mem_alloc_raw(n, sizeof(*m->cols));
    m->values = mem_alloc_raw(n, sizeof(*m->values));
    if (m->offsets && m->cols && m->values)
        return FUSOR_OK;
    csr_clear(m);
    return mem_fail(err, "sparse matrix", (size_t)n * 8);
}

/* Counts at [r + 1] become where rows start. */
static void add_up(uint64_t *offsets, uint32_t n_rows)
{
    for (uint32_t r = 0; r < n_rows; r++)
        offsets[r + 1] += offsets[r];
}

/* Filling has moved each row's start to its end. */
static void shift_back(uint64_t *offsets, uint32_t n_rows)
{
    memmove(offsets + 1, offsets, n_rows * sizeof(*offsets));
    offsets[0] = 0;
}

enum fusor_status csr_transpose(const struct csr *m, struct csr *out,
                                struct fusor_error *err)
{
    uint64_t n = m->offsets[m->n_rows];

    FUSOR_TRY(take(out, m->n_cols, m->n_rows, n, err));
    for (uint64_t k = 0; k < n; k++)
        out->offsets[m->cols[k] + 1]++;
    add_up(out->offsets, out->n_rows);
    for (uint32_t r = 0; r < m->n_rows; r++)
        for (uint64_t k = m->offsets[r]; k < m->offsets[r + 1]; k++) {
            uint64_t at = out->offsets[m->cols[k]]++;

            out->cols[at] = r;
            out->values[at] = m->values[k];
        }
    shift_back(out->offsets, out->n_rows);
    return FUSOR_OK;
}

/* One entry for each place. */
static void join_equal(struct csr *m, int last)
{
    uint64_t to = 0, k = 0;

    for (uint32_t r = 0; r < m->n_rows; r++) {
        uint64_t end = m->offsets[r + 1], first = to;

        for (; k < end; k++) {
            if (to > first && m->cols[to - 1] == m->cols[k]) {
                float before = last ? 0 : m->values[to - 1];

                m->values[to - 1] = before + m->values[k];
                continue;
            }
            m->cols[to] = m->cols[k];
            m->values[to++] = m->values[k];
        }
        m->offsets[r] = first;
    }
    m->offsets[m->n_rows] = to;
}

enum fusor_status csr_build(const struct csr_entry *entries, uint64_t n,
                            uint32_t n_rows, uint32_t n_cols, int last,
                            struct csr *out, struct fusor_error *err)
{
    struct csr by_col, m;
    enum fusor_status rc;

    FUSOR_TRY(take(&by_col, n_cols, n_rows, n, err));
    for (uint64_t k = 0; k < n; k++)
        by_col.offsets[entries[k].col + 1]++;
    add_up(by_col.offsets, n_cols);
    for (uint64_t k = 0; k < n; k++) {
        uint64_t at = by_col.offsets[entries[k].col]++;

        by_col.cols[at] = entries[k].row;
        by_col.values[at] = entries[k].value;
    }
    shift_back(by_col.offsets, n_cols);
    rc = csr_transpose(&by_col, &m, err);
    csr_clear(&by_col);
    if (rc != FUSOR_OK)
        return rc;
    join_equal(&m, last);
    *out = m;
    return FUSOR_OK;
}

void csr_clear(struct csr *m)
{
    mem_free(m->offsets);
    mem_free(m->cols);
    mem_free(m->values);
    memset(m, 0, sizeof(*m));
}

void csr_idf(const struct csr *m, float *idf)
{
    for (uint32_t c = 0; c < m->n_cols; c++)
        idf[c] = 0;
    for (uint64_t k = 0; k < m->offsets[m->n_rows]; k++)
        idf[m->cols[k]] += 1; // exact up to 2^24 rows
    for (uint32_t c = 0; c < m->n_cols; c++) {
        double rows = 1.0 + m->n_rows, of = 1.0 + (double)idf[c];

        idf[c] = (float)(log(rows / of) + 1.0);
    }
}

enum fusor_status csr_weigh_idf(struct csr *m, struct fusor_error *err)
{
    float *idf = mem_alloc(m->n_cols, sizeof(*idf));

    if (!idf)
        return mem_fail(err, "idf", m->n_cols * sizeof(*idf));
    csr_idf(m, idf);
    for (uint64_t k = 0; k < m->offsets[m->n_rows]; k++)
        m->values[k] *= idf[m->cols[k]];
    mem_free(idf);
    return FUSOR_OK;
}
