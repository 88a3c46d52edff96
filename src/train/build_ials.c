/* Implicit alternating least squares (Hu, Koren and Volinsky 2008) with the
 * objective of Rendle et al. 2021, "iALS++", eq. 2:
 *
 *   sum over events (p.q - 1)^2 + alpha sum over all pairs (p.q)^2
 *     + lambda sum_u (n_u + alpha I)^e |p_u|^2  + the same for items
 *
 * A row in closed form: (alpha Q^T Q + sum q q^T + l I) p = sum q, by a
 * Cholesky factorisation in the upper triangle, whose inner loop is an axpy; or
 * nearly, by a few steps of conjugate gradients from the row of the sweep
 * before, which multiply by the matrix without making it (Takacs, Pilaszy and
 * Tikk 2011, "Applications of the conjugate gradient method for implicit
 * feedback collaborative filtering", section 3). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/blas.h"
#include "tensor/vec.h"
#include "train/build.h"

#define ROWS_AT_ONCE 16 /* rows in a piece of work */
#define GATHER 256      /* events multiplied at once */
#define INIT_SCALE 0.1f /* standard deviation of p.q at first: Rendle 2021 */

struct scratch {
    float *matrix; // [dim, dim]
    float *right;  // [dim]
    float *rows;   // [GATHER, dim]
    float *way;    // [dim] of a step
    float *moved;  // [dim] the matrix times a vector
};

/* One half sweep: rows of `out` from rows of `fixed`. */
struct half {
    const struct csr *events; // by row of out
    const struct built *spec;
    const float *fixed;
    uint32_t n_fixed;
    float *out;
    float *gram; // [dim, dim] alpha fixed^T fixed
    struct scratch *scratch;
};

static void add_events(const struct half *h, uint32_t row, struct scratch *x)
{
    const struct csr *e = h->events;
    const struct vec_ops *v = vec_ops();
    size_t dim = h->spec->dim;
    uint64_t k = e->offsets[row], end = e->offsets[row + 1];

    memset(x->right, 0, dim * sizeof(float));
    while (k < end) {
        size_t n = end - k < GATHER ? (size_t)(end - k) : GATHER;

        for (size_t i = 0; i < n; i++) {
            const float *q = h->fixed + (size_t)e->cols[k + i] * dim;

            memcpy(x->rows + i * dim, q, dim * sizeof(float));
            v->add(x->right, x->right, q, dim);
        }
        blas_gemm_tn(dim, dim, n, 1, x->rows, x->rows, 1, x->matrix);
        k += n;
    }
}

/* U^T U = a in the upper triangle, then the two triangular systems.
 * @return 0, or -1: not positive definite */
static int solve(float *a, float *b, size_t n)
{
    const struct vec_ops *v = vec_ops();

    for (size_t k = 0; k < n; k++) {
        float *row = a + k * n, pivot = row[k];

        if (!(pivot > 0 && pivot < INFINITY))
            return -1;
        v->scale(row + k, 1.0f / sqrtf(pivot), n - k);
        b[k] /= row[k]; // b becomes U^-T b on the way
        v->axpy(b + k + 1, -b[k], row + k + 1, n - k - 1);
        for (size_t i = k + 1; i < n; i++)
            v->axpy(a + i * n + i, -row[i], row + i, n - i);
    }
    for (size_t k = n; k-- > 0;) {
        const float *row = a + k * n;

        b[k] = (b[k] - v->dot(row + k + 1, b + k + 1, n - k - 1)) / row[k];
    }
    return 0;
}

/* out = (gram + sum q q^T + l I) x over the row's events. */
static void multiply(const struct half *h, uint32_t row, float l,
                     const float *x, float *out)
{
    const struct csr *e = h->events;
    const struct vec_ops *v = vec_ops();
    size_t dim = h->spec->dim;

    v->fill(out, 0.0f, dim);
    v->axpy(out, l, x, dim);
    v->weighted_rows(out, x, h->gram, dim, dim); // gram is symmetric
    for (uint64_t k = e->offsets[row]; k < e->offsets[row + 1]; k++) {
        const float *q = h->fixed + (size_t)e->cols[k] * dim;

        v->axpy(out, v->dot(q, x, dim), q, dim);
    }
}

/* Steps from what out holds (Hestenes and Stiefel 1952). The matrix is positive
 * definite, so a way that does not rise is at its end but for rounding. */
static void step_towards(const struct half *h, struct scratch *x, uint32_t row,
                         float l, float *out)
{
    const struct csr *e = h->events;
    const struct vec_ops *v = vec_ops();
    size_t dim = h->spec->dim;
    float *rest = x->right, size;

    multiply(h, row, l, out, x->moved);
    v->fill(rest, 0.0f, dim);
    for (uint64_t k = e->offsets[row]; k < e->offsets[row + 1]; k++)
        v->add(rest, rest, h->fixed + (size_t)e->cols[k] * dim, dim);
    v->axpy(rest, -1.0f, x->moved, dim);
    memcpy(x->way, rest, dim * sizeof(float));
    size = v->sum_squares(rest, dim);
    for (uint32_t s = 0; s < h->spec->steps && size > FLT_MIN; s++) {
        float before = size, rise;

        multiply(h, row, l, x->way, x->moved);
        rise = v->dot(x->way, x->moved, dim);
        if (!(rise > FLT_MIN))
            break;
        v->axpy(out, size / rise, x->way, dim);
        v->axpy(rest, -size / rise, x->moved, dim);
        size = v->sum_squares(rest, dim);
        v->scale(x->way, size / before, dim);
        v->add(x->way, x->way, rest, dim);
    }
}

static enum fusor_status solve_row(const struct half *h, struct scratch *x,
                                   uint32_t row, struct fusor_error *err)
{
    const struct csr *e = h->events;
    size_t dim = h->spec->dim;
    double n = (double)(e->offsets[row + 1] - e->offsets[row]);
    float *out = h->out + (size_t)row * dim, l;

    if (n == 0) { // all its scores are to be 0
        memset(out, 0, dim * sizeof(float));
        return FUSOR_OK;
    }
    l = (float)(h->spec->lambda * pow(n + (double)h->spec->alpha * h->n_fixed,
                                      (double)h->spec->exponent));
    if (h->spec->solver == SOLVER_CG) {
        step_towards(h, x, row, l, out);
        return FUSOR_OK;
    }
    memcpy(x->matrix, h->gram, dim * dim * sizeof(float));
    add_events(h, row, x);
    for (size_t k = 0; k < dim; k++)
        x->matrix[k * dim + k] += l;
    if (solve(x->matrix, x->right, dim) != 0)
        return fusor_fail(err, FUSOR_EDATA,
                          "row %u has no solution in single precision: raise "
                          "lambda",
                          row);
    memcpy(out, x->right, dim * sizeof(float));
    return FUSOR_OK;
}

static enum fusor_status solve_piece(void *context, unsigned thread,
                                     uint64_t piece, struct fusor_error *err)
{
    const struct half *h = context;
    uint32_t row = (uint32_t)piece * ROWS_AT_ONCE;

    for (uint32_t i = 0; i < ROWS_AT_ONCE && row < h->events->n_rows; i++)
        FUSOR_TRY(solve_row(h, &h->scratch[thread], row++, err));
    return FUSOR_OK;
}

static enum fusor_status run_half(struct half *h, const struct crew *crew,
                                  struct fusor_error *err)
{
    size_t dim = h->spec->dim;

    blas_gemm_tn(dim, dim, h->n_fixed, h->spec->alpha, h->fixed, h->fixed, 0,
                 h->gram);
    return crew_run(
        crew, ((uint64_t)h->events->n_rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE,
        solve_piece, h, err);
}

/* Rows that have events; others stay 0, and weigh nothing in the Gram matrix.
 */
static void draw_items(const struct csr *by_item, uint32_t dim, uint64_t seed,
                       float *items)
{
    double scale = INIT_SCALE / sqrt((double)dim);

    for (uint32_t i = 0; i < by_item->n_rows; i++) {
        struct rng r = rng_stream(seed, RNG_INIT, UINT32_MAX, i);

        for (uint32_t k = 0; k < dim; k++)
            items[(size_t)i * dim + k] =
                by_item->offsets[i + 1] > by_item->offsets[i]
                    ? (float)(rng_normal(&r) * scale)
                    : 0;
    }
}

static enum fusor_status take(struct scratch *x, unsigned n, size_t dim,
                              struct fusor_error *err)
{
    for (unsigned t = 0; t < n; t++) {
        x[t].matrix = mem_alloc_raw(dim * dim, sizeof(float));
        x[t].right = mem_alloc_raw(dim, sizeof(float));
        x[t].rows = mem_alloc_raw(GATHER * dim, sizeof(float));
        x[t].way = mem_alloc_raw(dim, sizeof(float));
        x[t].moved = mem_alloc_raw(dim, sizeof(float));
        if (!x[t].matrix || !x[t].right || !x[t].rows || !x[t].way ||
            !x[t].moved)
            return mem_fail(err, "least squares", (GATHER + dim) * dim * 4);
    }
    return FUSOR_OK;
}

static enum fusor_status sweep(const struct built *spec,
                               const struct crew *crew, struct half *queries,
                               struct half *items, struct fusor_error *err)
{
    for (uint32_t s = 0; s < spec->sweeps; s++) {
        FUSOR_TRY(run_half(queries, crew, err));
        FUSOR_TRY(run_half(items, crew, err));
    }
    return FUSOR_OK;
}

enum fusor_status build_ials(const struct csr *events, const struct built *spec,
                             uint64_t seed, const struct crew *crew,
                             float *queries, float *items,
                             struct fusor_error *err)
{
    unsigned n_threads = crew->n_threads ? crew->n_threads : 1;
    struct scratch *x = mem_alloc(n_threads, sizeof(*x));
    float *gram = mem_alloc_raw((size_t)spec->dim * spec->dim, sizeof(*gram));
    struct csr by_item = {0};
    struct half q = {events, spec, items, spec->n_items, queries, gram, x};
    struct half i = {&by_item, spec, queries, spec->n_queries, items, gram, x};
    enum fusor_status rc = FUSOR_OK;

    if (!x || !gram)
        rc = mem_fail(err, "least squares", (size_t)spec->dim * spec->dim * 4);
    if (rc == FUSOR_OK)
        rc = csr_transpose(events, &by_item, err);
    if (rc == FUSOR_OK)
        rc = take(x, n_threads, spec->dim, err);
    if (rc == FUSOR_OK) {
        draw_items(&by_item, spec->dim, seed, items);
        rc = sweep(spec, crew, &q, &i, err);
    }
    for (unsigned t = 0; x && t < n_threads; t++) {
        mem_free(x[t].matrix);
        mem_free(x[t].right);
        mem_free(x[t].rows);
        mem_free(x[t].way);
        mem_free(x[t].moved);
    }
    mem_free(x);
    mem_free(gram);
    csr_clear(&by_item);
    return rc;
}
