/* BM25 and BM25F as weights of a sparse matrix; the header has the formulas. */
#include "index/bm25.h"

#include <math.h>

#include "base/mem.h"

/* A document's number of terms in a field. */
static double length_of(const struct csr *m, uint32_t row)
{
    double sum = 0;

    for (uint64_t k = m->offsets[row]; k < m->offsets[row + 1]; k++)
        sum += m->values[k];
    return sum;
}

static double mean_length(const struct csr *m)
{
    double sum = 0;

    for (uint32_t row = 1; row < m->n_rows; row++)
        sum += length_of(m, row);
    return m->n_rows > 1 && sum > 0 ? sum / (m->n_rows - 1) : 1;
}

/* 1 - b + b len / mean len */
static double shape(const struct bm25 *p, double length, double mean)
{
    return 1 - p->b + p->b * length / mean;
}

/* What the formula calls tf of every term, term 0 included. */
static enum fusor_status join_fields(const struct bm25 *p, struct csr *out,
                                     struct fusor_error *err)
{
    uint64_t n = 0, at = 0;
    struct csr_entry *entries;
    enum fusor_status rc;

    for (uint32_t f = 0; f < p->n; f++)
        n += p->counts[f].offsets[p->counts[f].n_rows];
    entries = mem_alloc_raw(n, sizeof(*entries));
    if (!entries)
        return mem_fail(err, "terms", n * sizeof(*entries));
    for (uint32_t f = 0; f < p->n; f++) {
        const struct csr *m = &p->counts[f];
        double mean = mean_length(m);

        for (uint32_t row = 1; row < m->n_rows; row++) {
            double scale = p->weights[f];

            if (p->form == BM25_FIELDS)
                scale /= fmax(shape(p, length_of(m, row), mean), 1e-9);
            for (uint64_t k = m->offsets[row]; k < m->offsets[row + 1]; k++)
                entries[at++] = (struct csr_entry){
                    row, m->cols[k], (float)(scale * (double)m->values[k])};
        }
    }
    rc = csr_build(entries, at, p->counts[0].n_rows, p->counts[0].n_cols, 0,
                   out, err);
    mem_free(entries);
    return rc;
}

static void find_idf(const struct csr *m, float *idf)
{
    double documents = m->n_rows > 1 ? (double)m->n_rows - 1 : 0;

    for (uint32_t t = 0; t < m->n_cols; t++)
        idf[t] = 0;
    for (uint64_t k = 0; k < m->offsets[m->n_rows]; k++)
        idf[m->cols[k]] += m->values[k] > 0;
    for (uint32_t t = 1; t < m->n_cols; t++) {
        double df = (double)idf[t];

        idf[t] = (float)log(1 + (documents - df + 0.5) / (df + 0.5));
    }
    if (m->n_cols)
        idf[0] = 0;
}

/* tf becomes w; terms that score nothing go. */
static void saturate(const struct bm25 *p, const float *idf, struct csr *m)
{
    double mean = mean_length(m);
    uint64_t to = 0, from = 0;

    for (uint32_t row = 0; row < m->n_rows; row++) {
        double norm = p->k1;

        m->offsets[row] = from; // where it began: its first terms may be gone
        if (p->form == BM25_FLAT)
            norm *= shape(p, length_of(m, row), mean);
        m->offsets[row] = to;
        for (; from < m->offsets[row + 1]; from++) {
            uint32_t t = m->cols[from];
            double tf = (double)m->values[from];

            if (t == 0 || !(tf > 0))
                continue;
            m->cols[to] = t;
            m->values[to++] =
                (float)((double)idf[t] * (p->k1 + 1) * tf / (tf + norm));
        }
    }
    m->offsets[m->n_rows] = to;
}

enum fusor_status bm25_weigh(const struct bm25 *p, float *idf, struct csr *out,
                             struct fusor_error *err)
{
    FUSOR_TRY(join_fields(p, out, err));
    find_idf(out, idf);
    saturate(p, idf, out);
    return FUSOR_OK;
}
