/* Self-attention of the last row of every sequence, with the projections of
 * keys and values moved to the other side of the sums (attention.h): a
 * matrix-vector product a sequence and head over x itself. */
#include "model/layer/attention.h"

#include <math.h>
#include <string.h>

#include "model/layer/attention_rows.h"
#include "tensor/tensor.h"

void attention_last_take(const struct attention *a, struct model_run *r,
                         size_t rows, struct attention_state *st)
{
    size_t n = r->max_batch, d = a->dim, wide = a->heads * d;

    st->q = run_take(r, n * d, sizeof(float));
    st->dq = run_take(r, n * d, sizeof(float));
    st->last = run_take(r, n * d, sizeof(float));
    st->query = run_take(r, n * wide, sizeof(float));
    st->dquery = run_take(r, n * wide, sizeof(float));
    st->mean = run_take(r, n * wide, sizeof(float));
    st->dmean = run_take(r, n * wide, sizeof(float));
    st->sum = run_take(r, n * a->heads, sizeof(float));
    st->dsum = run_take(r, n * a->heads, sizeof(float));
    st->prob = run_take(r, rows * a->heads, sizeof(float));
    if (a->drop.rate > 0)
        st->mask = run_take(r, rows * a->heads, sizeof(float));
    st->p = run_take(r, rows / n * a->heads, sizeof(float));
}

KERNEL(score_rows,
       (const float *restrict query, const float *restrict x, uint32_t n,
        uint32_t dim, float *restrict p),
       (query, x, n, dim, p))
KERNEL(weigh_rows,
       (const float *restrict p, const float *restrict x, uint32_t n,
        uint32_t dim, float *restrict out),
       (p, x, n, dim, out))
KERNEL(spread_rows,
       (const float *p, const float *a, const float *ds, const float *b,
        uint32_t n, uint32_t dim, uint32_t heads, float *restrict dx),
       (p, a, ds, b, n, dim, heads, dx))

/* out [n, heads * D] = scale * each head's part of x [n, D] times its rows of
 * W: into the space of the inputs. */
static void into_inputs(const struct attention *a, enum gemm_arithmetic how,
                        uint32_t n, float scale, const float *x, const float *w,
                        float *out)
{
    size_t d = a->dim, width = d / a->heads;

    for (uint32_t h = 0; h < a->heads; h++)
        gemm_strided(how, BLAS_NN, n, d, width, scale, x + h * width, d,
                     w + h * width * d, d, 0.0f, out + h * d, a->heads * d);
}

/* out [n, D] = scale * each head's row of x [n, heads * D] times its W^T. */
static void from_inputs(const struct attention *a, enum gemm_arithmetic how,
                        uint32_t n, float scale, const float *x, const float *w,
                        float *out)
{
    size_t d = a->dim, width = d / a->heads;

    for (uint32_t h = 0; h < a->heads; h++)
        gemm_strided(how, BLAS_NT, n, width, d, scale, x + h * d, a->heads * d,
                     w + h * width * d, d, 0.0f, out + h * width, d);
}

/* dw [D, D] = scale * each head's part of g [n, D], transposed, times its row
 * of x [n, heads * D]. */
static void weight_gradient(const struct attention *a, enum gemm_arithmetic how,
                            uint32_t n, float scale, const float *g,
                            const float *x, float *dw)
{
    size_t d = a->dim, width = d / a->heads;

    for (uint32_t h = 0; h < a->heads; h++)
        gemm_strided(how, BLAS_TN, width, d, n, scale, g + h * width, d,
                     x + h * d, a->heads * d, 0.0f, dw + h * width * d, d);
}

static float scale_of(const struct attention *a)
{
    return 1.0f / sqrtf((float)(a->dim / a->heads));
}

/* softmax() without its result, a logarithm. */
static void soften(float *row, uint32_t n)
{
    const struct vec_ops *v = vec_ops();
    float sum = v->exp_less(row, row, v->max(row, n), n);

    v->scale(row, 1.0f / sum, n);
}

static void sequence_forward(const struct attention *a,
                             struct attention_state *st, const struct pack *p,
                             const float *x, uint32_t k)
{
    const struct vec_ops *v = vec_ops();
    size_t d = a->dim, first = p->start[k];
    uint32_t n = p->length[k];

    for (uint32_t h = 0; h < a->heads; h++) {
        size_t at = (size_t)k * a->heads + h, row = first * a->heads + h * n;
        float *prob = st->prob + row;

        score_rows(st->query + at * d, x + first * d, n, a->dim, prob);
        soften(prob, n);
        st->sum[at] = 1.0f;
        if (st->masked) {
            v->mul(st->p, prob, st->mask + row, n);
            st->sum[at] = v->sum(st->p, n);
            prob = st->p;
        }
        weigh_rows(prob, x + first * d, n, a->dim, st->mean + at * d);
    }
}

void attention_last_forward(const struct attention *a,
                            struct attention_state *st, uint64_t seed,
                            const struct model_step *s, const struct pack *p,
                            const float *query, const float *x, float *o)
{
    enum gemm_arithmetic how = (enum gemm_arithmetic)s->matmul;
    size_t d = a->dim, width = d / a->heads;
    const float *w = s->dense + a->weight, *b = s->dense + a->bias;

    for (uint32_t k = 0; k < p->n; k++)
        memcpy(st->last + k * d, query + (p->start[k] + p->length[k] - 1) * d,
               d * sizeof(*x));
    gemm_dense(how, p->n, d, d, st->last, w, b, 0, st->q);
    into_inputs(a, how, p->n, scale_of(a), st->q, w + d * d, st->query);
    for (uint32_t k = 0; k < p->n; k++) {
        if (st->masked)
            dropout_draw(&a->drop, seed, s, p->id[k], a->heads * p->length[k],
                         st->mask + (size_t)p->start[k] * a->heads);
        sequence_forward(a, st, p, x, k);
    }
    from_inputs(a, how, p->n, 1.0f, st->mean, w + 2 * d * d, o);
    for (uint32_t k = 0; k < p->n; k++)
        for (uint32_t h = 0; h < a->heads; h++)
            vec_ops()->axpy(o + k * d + h * width,
                            st->sum[(size_t)k * a->heads + h],
                            b + 2 * d + h * width, width);
}

/* From dmean and dsum of a head: ds [n], and dquery. What it leaves of prob is
 * what dmean meets. */
static void head_backward(const struct attention *a, struct attention_state *st,
                          const struct pack *p, const float *x, uint32_t k,
                          uint32_t h, float *ds)
{
    const struct vec_ops *v = vec_ops();
    size_t d = a->dim, at = (size_t)k * a->heads + h;
    uint32_t n = p->length[k];
    size_t row = (size_t)p->start[k] * a->heads + h * n;
    float *prob = st->prob + row;

    score_rows(st->dmean + at * d, x, n, a->dim, ds);
    if (st->masked) { // d sum_j p_j and d mean both pass the mask
        for (uint32_t t = 0; t < n; t++)
            ds[t] = (ds[t] + st->dsum[at]) * st->mask[row + t];
        v->softmax_backward(ds, ds, prob, n);
        v->mul(prob, prob, st->mask + row, n);
    } else {
        v->softmax_backward(ds, ds, prob, n);
    }
    weigh_rows(ds, x, n, a->dim, st->dquery + at * d);
}

/* From dmean and dsum: dquery, and dx but for the part of the queries. */
static void sequence_backward(const struct attention *a,
                              struct attention_state *st, const struct pack *p,
                              const float *x, uint32_t k, float *dx)
{
    size_t first = p->start[k], at = (size_t)k * a->heads * a->dim;
    uint32_t n = p->length[k];

    for (uint32_t h = 0; h < a->heads; h++)
        head_backward(a, st, p, x + first * a->dim, k, h, st->p + h * n);
    spread_rows(st->prob + first * a->heads, st->dmean + at, st->p,
                st->query + at, n, a->dim, a->heads, dx + first * a->dim);
}

/* The values' bias meets sum_j p_j. */
static void bias_gradient(const struct attention *a, struct attention_state *st,
                          const struct model_step *s, uint32_t n,
                          const float *d_o)
{
    const struct vec_ops *v = vec_ops();
    size_t d = a->dim, width = d / a->heads;
    const float *b = s->dense + a->bias + 2 * d;
    float *db = s->dense_grad + a->bias;

    v->fill(db, 0.0f, 3 * d);
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t h = 0; h < a->heads; h++) {
            size_t at = (size_t)k * a->heads + h;
            const float *g = d_o + k * d + h * width;

            st->dsum[at] = v->dot(g, b + h * width, width);
            v->axpy(db + 2 * d + h * width, st->sum[at], g, width);
        }
}

void attention_last_backward(const struct attention *a,
                             struct attention_state *st,
                             const struct model_step *s, const struct pack *p,
                             const float *x, const float *d_o, float *dquery,
                             float *dx)
{
    enum gemm_arithmetic how = (enum gemm_arithmetic)s->matmul;
    size_t d = a->dim;
    uint32_t n = p->n;
    const float *w = s->dense + a->weight;
    float *dw = s->dense_grad + a->weight;

    bias_gradient(a, st, s, n, d_o);
    weight_gradient(a, how, n, 1.0f, d_o, st->mean, dw + 2 * d * d);
    into_inputs(a, how, n, 1.0f, d_o, w + 2 * d * d, st->dmean);
    for (uint32_t k = 0; k < n; k++)
        sequence_backward(a, st, p, x, k, dx);
    weight_gradient(a, how, n, scale_of(a), st->q, st->dquery, dw + d * d);
    from_inputs(a, how, n, scale_of(a), st->dquery, w + d * d, st->dq);
    gemm_product(how, BLAS_TN, d, d, n, st->dq, st->last, dw);
    vec_ops()->column_sums(s->dense_grad + a->bias, st->dq, n, d);
    gemm_product(how, BLAS_NN, n, d, d, st->dq, w, st->last);
    if (dquery)
        vec_ops()->fill(dquery, 0.0f, p->rows * d);
    for (uint32_t k = 0; k < n; k++) {
        float *to =
            (dquery ? dquery : dx) + (p->start[k] + p->length[k] - 1) * d;

        vec_ops()->add(to, to, st->last + k * d, d);
    }
}
