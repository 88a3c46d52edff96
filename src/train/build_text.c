/* Rows of towers over texts: how often each term stands in each document, and
 * what BM25 makes of it. */
#include "train/build_text.h"

#include <stdlib.h>

#include "base/mem.h"
#include "index/bm25.h"

static uint64_t count_terms(const struct dataset *ds, const uint32_t *fields,
                            uint32_t n, uint32_t n_documents)
{
    uint64_t sum = 0;
    uint32_t count;

    for (uint32_t f = 0; f < n; f++)
        for (uint32_t d = 1; d < n_documents; d++) {
            dataset_list(ds, fields[f], d, &count);
            sum += count;
        }
    return sum;
}

enum fusor_status build_counts(const struct dataset *ds, const uint32_t *fields,
                               uint32_t n, uint32_t n_documents,
                               uint32_t n_terms, struct csr *out,
                               struct fusor_error *err)
{
    uint64_t most = count_terms(ds, fields, n, n_documents), at = 0;
    struct csr_entry *entries = mem_alloc_raw(most, sizeof(*entries));
    enum fusor_status rc;
    uint32_t count;

    if (!entries)
        return mem_fail(err, "terms", most * sizeof(*entries));
    for (uint32_t f = 0; f < n; f++)
        for (uint32_t d = 1; d < n_documents; d++) {
            const uint32_t *terms = dataset_list(ds, fields[f], d, &count);

            for (uint32_t k = 0; k < count; k++)
                if (terms[k] < n_terms)
                    entries[at++] = (struct csr_entry){d, terms[k], 1};
        }
    rc = csr_build(entries, at, n_documents, n_terms, 0, out, err);
    mem_free(entries);
    return rc;
}

static enum fusor_status weigh(const struct dataset *ds,
                               const struct built *spec, float *idf,
                               struct csr *out, struct fusor_error *err)
{
    struct csr counts[BUILT_MAX_FIELDS] = {{0}};
    double weights[BUILT_MAX_FIELDS];
    struct bm25 p = {.form = (enum bm25_form)spec->form,
                     .k1 = (double)spec->k1,
                     .b = (double)spec->b,
                     .n = spec->n_fields,
                     .counts = counts,
                     .weights = weights};
    enum fusor_status rc = FUSOR_OK;

    for (uint32_t f = 0; rc == FUSOR_OK && f < spec->n_fields; f++) {
        weights[f] = (double)spec->weights[f];
        rc = build_counts(ds, &spec->fields[f], 1, spec->n_items, spec->n_terms,
                          &counts[f], err);
    }
    if (rc == FUSOR_OK)
        rc = bm25_weigh(&p, idf, out, err);
    for (uint32_t f = 0; f < spec->n_fields; f++)
        csr_clear(&counts[f]);
    return rc;
}

enum fusor_status build_bm25_weights(const struct dataset *ds,
                                     const struct built *spec, float *most,
                                     struct csr *out, struct fusor_error *err)
{
    float *idf = mem_alloc(spec->n_terms, sizeof(*idf));
    enum fusor_status rc;

    if (!idf)
        return mem_fail(err, "idf", spec->n_terms * sizeof(*idf));
    rc = weigh(ds, spec, idf, out, err);
    for (uint32_t t = 0; rc == FUSOR_OK && most && t < spec->n_terms; t++)
        most[t] = idf[t] * (spec->k1 + 1);
    mem_free(idf);
    return rc;
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y); // the largest first
}

/* A document's terms of the largest worths, by term, into a row.
 * @param sorted [n] scratch */
static void fill_row(const struct csr *m, uint32_t document, uint32_t most,
                     float *sorted, float *row)
{
    uint64_t first = m->offsets[document], n = m->offsets[document + 1] - first;
    float least = -1;
    uint32_t equal = 0, to = 0;

    if (n > most) {
        for (uint64_t k = 0; k < n; k++)
            sorted[k] = m->values[first + k];
        qsort(sorted, n, sizeof(*sorted), compare_floats);
        least = sorted[most - 1];
        for (uint32_t k = most; k-- > 0 && !(sorted[k] > least);)
            equal++; // so many of the least may stay
    }
    for (uint64_t k = first; k < first + n; k++) {
        float worth = m->values[k];

        if (worth < least || (!(worth > least) && equal == 0))
            continue;
        equal -= !(worth > least);
        row[to] = (float)m->cols[k];
        row[most + to++] = worth;
    }
}

static enum fusor_status fill_rows(const struct csr *m,
                                   const struct built *spec, float *values,
                                   struct fusor_error *err)
{
    float *sorted = mem_alloc_raw(m->n_cols, sizeof(*sorted));

    if (!sorted)
        return mem_fail(err, "terms", m->n_cols * sizeof(*sorted));
    for (uint32_t d = 0; d < m->n_rows; d++)
        fill_row(m, d, spec->most, sorted, values + (size_t)d * spec->width[0]);
    mem_free(sorted);
    return FUSOR_OK;
}

enum fusor_status build_bm25(const struct dataset *ds, const struct built *spec,
                             float *rows, float *most, struct fusor_error *err)
{
    struct csr m = {0};
    enum fusor_status rc = build_bm25_weights(ds, spec, most, &m, err);

    if (rc == FUSOR_OK)
        rc = fill_rows(&m, spec, rows, err);
    csr_clear(&m);
    return rc;
}
