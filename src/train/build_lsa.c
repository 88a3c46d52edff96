/* Latent semantic analysis (Deerwester et al. 1990): with A the documents by
 * terms, weighted by tf-idf and of length 1, V the best `dim` directions of
 * terms, a document is A V and a query the same of its terms.
 *
 * V by randomised subspace iteration (Halko, Martinsson and Tropp 2011,
 * algorithm 4.4): from a random start Z <- A^T (A Z), made orthonormal after
 * each product. Their last step, which turns this basis into singular vectors,
 * is left out: cosines, all that scores are, do not see it. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/orthonormal.h"
#include "tensor/vec.h"
#include "train/build_text.h"

#define ROWS_AT_ONCE 64 /* rows in a piece of work */

/* out = m x: rows of m at a time. */
struct product {
    const struct csr *m;
    const float *x; // [n_cols, dim]
    float *out;     // [n_rows, dim]
    uint32_t dim;
};

static enum fusor_status product_rows(void *context, unsigned thread,
                                      uint64_t piece, struct fusor_error *err)
{
    const struct product *p = context;
    const struct vec_ops *v = vec_ops();
    uint64_t first = piece * ROWS_AT_ONCE, end = first + ROWS_AT_ONCE;

    (void)thread;
    (void)err;
    if (end > p->m->n_rows)
        end = p->m->n_rows;
    for (uint64_t row = first; row < end; row++) {
        float *out = p->out + row * p->dim;

        memset(out, 0, p->dim * sizeof(*out));
        for (uint64_t k = p->m->offsets[row]; k < p->m->offsets[row + 1]; k++)
            v->axpy(out, p->m->values[k], p->x + (size_t)p->m->cols[k] * p->dim,
                    p->dim);
    }
    return FUSOR_OK;
}

static enum fusor_status multiply(const struct csr *m, const float *x,
                                  uint32_t dim, const struct crew *crew,
                                  float *out, struct fusor_error *err)
{
    struct product p = {m, x, out, dim};

    return crew_run(crew, (m->n_rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE,
                    product_rows, &p, err);
}

/* (1 + log tf) idf, documents of length 1 (Manning, Raghavan and Schuetze 2008,
 * section 6.4). */
static void weigh(struct csr *m, float *idf)
{
    csr_idf(m, idf);
    for (uint32_t d = 0; d < m->n_rows; d++) {
        uint64_t first = m->offsets[d], end = m->offsets[d + 1];
        double length = 0;

        for (uint64_t k = first; k < end; k++) {
            double x = (1 + log((double)m->values[k])) * idf[m->cols[k]];

            m->values[k] = (float)x;
            length += x * x;
        }
        for (uint64_t k = first; k < end; k++)
            m->values[k] /= (float)sqrt(length);
    }
}

/* Documents and terms that are there span so many dimensions at most. */
static enum fusor_status check_dim(const struct csr *a, uint32_t dim,
                                   struct fusor_error *err)
{
    uint32_t rows = 0, cols = 0;
    unsigned char *seen = mem_alloc(a->n_cols, 1);

    if (!seen)
        return mem_fail(err, "lsa", a->n_cols);

    for (uint32_t d = 0; d < a->n_rows; d++)
        rows += a->offsets[d + 1] > a->offsets[d];
    for (uint64_t k = 0; k < a->offsets[a->n_rows]; k++) {
        cols += !seen[a->cols[k]];
        seen[a->cols[k]] = 1;
    }
    mem_free(seen);
    if (dim <= rows && dim <= cols)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EDATA,
                      "lsa: dim is %u, but the documents and their terms span "
                      "at most %u dimensions: lower dim",
                      dim, rows < cols ? rows : cols);
}

static enum fusor_status iterate(const struct csr *a, const struct csr *turned,
                                 const struct built *spec, uint64_t seed,
                                 const struct crew *crew, float *z, float *y,
                                 struct fusor_error *err)
{
    size_t terms = a->n_cols, documents = a->n_rows, dim = spec->dim;
    struct rng r = rng_stream(seed, RNG_INIT, spec->tables[0], 0);

    for (size_t i = 0; i < terms * dim; i++)
        z[i] = (float)rng_normal(&r);
    for (uint32_t i = 0; i <= spec->sweeps; i++) {
        FUSOR_TRY(multiply(a, z, spec->dim, crew, y, err));
        FUSOR_TRY(orthonormal_columns(y, documents, dim, err));
        FUSOR_TRY(multiply(turned, y, spec->dim, crew, z, err));
        FUSOR_TRY(orthonormal_columns(z, terms, dim, err));
    }
    return FUSOR_OK;
}

/* Rows of length 1; those of nothing stay 0. */
static void normalise(float *rows, size_t n, size_t dim)
{
    const struct vec_ops *v = vec_ops();

    for (size_t i = 0; i < n; i++) {
        float squares = v->sum_squares(rows + i * dim, dim);

        if (squares > 0)
            v->scale(rows + i * dim, 1 / sqrtf(squares), dim);
    }
}

static enum fusor_status find_rows(struct csr *a, const struct built *spec,
                                   uint64_t seed, const struct crew *crew,
                                   float *idf, float *terms, float *documents,
                                   struct fusor_error *err)
{
    const struct vec_ops *v = vec_ops();
    struct csr turned;
    enum fusor_status rc;

    weigh(a, idf);
    FUSOR_TRY(check_dim(a, spec->dim, err));
    FUSOR_TRY(csr_transpose(a, &turned, err));
    rc = iterate(a, &turned, spec, seed, crew, terms, documents, err);
    csr_clear(&turned);
    if (rc == FUSOR_OK)
        rc = multiply(a, terms, spec->dim, crew, documents, err);
    if (rc != FUSOR_OK)
        return rc;
    normalise(documents, spec->n_items, spec->dim);
    for (uint32_t t = 0; t < spec->n_terms; t++)
        v->scale(terms + (size_t)t * spec->dim, idf[t], spec->dim);
    return FUSOR_OK;
}

enum fusor_status build_lsa(const struct dataset *ds, const struct built *spec,
                            uint64_t seed, const struct crew *crew,
                            float *terms, float *documents,
                            struct fusor_error *err)
{
    float *idf = mem_alloc(spec->n_terms, sizeof(*idf));
    struct csr a;
    enum fusor_status rc;

    if (!idf)
        return mem_fail(err, "idf", spec->n_terms * sizeof(*idf));
    rc = build_counts(ds, spec->fields, spec->n_fields, spec->n_items,
                      spec->n_terms, &a, err);
    if (rc == FUSOR_OK) {
        rc = find_rows(&a, spec, seed, crew, idf, terms, documents, err);
        csr_clear(&a);
    }
    mem_free(idf);
    return rc;
}
