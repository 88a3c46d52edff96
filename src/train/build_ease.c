/* EASE in closed form (Steck 2019, algorithm 1): with G = X^T X + lambda I and
 * P = G^-1, B_ij = -P_ij / P_jj off the diagonal, 0 on it. */
#include <string.h>

#include "base/mem.h"
#include "tensor/cholesky.h"
#include "train/build.h"

#define PANEL 128 /* columns of the inverse solved for at once */

struct job {
    const struct csr *by_query, *by_item;
    size_t n;
    float lambda;
    double *gram;    // [n, n], then its factor in the lower triangle
    double **panels; // [threads] -> [n, PANEL]
    float *values;   // [n, n]
};

/* Row of the Gram matrix, left of and on the diagonal. */
static enum fusor_status gram_row(void *context, unsigned thread,
                                  uint64_t piece, struct fusor_error *err)
{
    const struct job *j = context;
    const struct csr *users = j->by_item, *items = j->by_query;
    uint32_t row = (uint32_t)piece;
    double *g = j->gram + piece * j->n;

    (void)thread;
    (void)err;
    for (uint64_t a = users->offsets[row]; a < users->offsets[row + 1]; a++) {
        uint32_t user = users->cols[a];
        uint64_t b = items->offsets[user], end = items->offsets[user + 1];

        for (; b < end && items->cols[b] <= row; b++)
            g[items->cols[b]] += 1.0;
    }
    g[row] += j->lambda;
    return FUSOR_OK;
}

/* Columns of the inverse, which is symmetric: each becomes a row of the table.
 */
static enum fusor_status solve_panel(void *context, unsigned thread,
                                     uint64_t piece, struct fusor_error *err)
{
    const struct job *j = context;
    size_t first = (size_t)piece * PANEL;
    size_t width = j->n - first < PANEL ? j->n - first : PANEL;
    double *x = j->panels[thread];

    (void)err;
    memset(x, 0, j->n * width * sizeof(*x));
    for (size_t c = 0; c < width; c++)
        x[(first + c) * width + c] = 1;
    cholesky_solve(j->gram, j->n, x, width);
    for (size_t c = 0; c < width; c++) {
        size_t at = first + c;
        double diagonal = x[at * width + c];
        float *out = j->values + at * j->n;

        for (size_t i = 0; i < j->n; i++)
            out[i] = (float)(-x[i * width + c] / diagonal);
        out[at] = 0;
    }
    return FUSOR_OK;
}

static enum fusor_status take(struct job *j, unsigned n_threads,
                              struct fusor_error *err)
{
    j->gram = mem_alloc(j->n * j->n, sizeof(*j->gram));
    j->panels = mem_alloc(n_threads, sizeof(*j->panels));
    if (!j->gram || !j->panels)
        return mem_fail(err, "Gram matrix", j->n * j->n * sizeof(*j->gram));
    for (unsigned t = 0; t < n_threads; t++) {
        j->panels[t] = mem_alloc_raw(j->n * PANEL, sizeof(double));
        if (!j->panels[t])
            return mem_fail(err, "panel", j->n * PANEL * sizeof(double));
    }
    return FUSOR_OK;
}

enum fusor_status build_ease(const struct csr *events, const struct built *spec,
                             const struct crew *crew, float *values,
                             struct fusor_error *err)
{
    struct job j = {.by_query = events,
                    .n = spec->n_items,
                    .lambda = spec->lambda,
                    .values = values};
    unsigned n_threads = crew->n_threads ? crew->n_threads : 1;
    struct csr by_item = {0};
    enum fusor_status rc = csr_transpose(events, &by_item, err);

    j.by_item = &by_item;
    if (rc == FUSOR_OK)
        rc = take(&j, n_threads, err);
    if (rc == FUSOR_OK)
        rc = crew_run(crew, j.n, gram_row, &j, err);
    if (rc == FUSOR_OK)
        rc = cholesky_factor(j.gram, j.n, err);
    if (rc == FUSOR_OK)
        rc = crew_run(crew, (j.n + PANEL - 1) / PANEL, solve_panel, &j, err);
    for (unsigned t = 0; j.panels && t < n_threads; t++)
        mem_free(j.panels[t]);
    mem_free(j.panels);
    mem_free(j.gram);
    csr_clear(&by_item);
    return rc;
}
