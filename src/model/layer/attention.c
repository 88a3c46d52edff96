/* Self-attention of all rows: projections of all sequences in one product, then
 * sequence by sequence and head by head, whose probabilities are made again
 * for the gradient instead of kept. Vaswani et al. 2017, section 3.2. */
#include "model/layer/attention.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/layer/product.h"
#include "tensor/tensor.h"

enum fusor_status attention_build(struct model *m, const char *name,
                                  uint32_t dim, uint32_t heads, int causal,
                                  int last, float dropout, struct attention *a,
                                  struct fusor_error *err)
{
    char text[PARAM_NAME_MAX];
    uint32_t block;
    uint64_t size = 3 * (uint64_t)dim;

    *a = (struct attention){.dim = dim,
                            .heads = heads,
                            .causal = causal,
                            .last = last,
                            .drop = {.rate = dropout}};
    snprintf(text, sizeof(text), "%s.weight", name);
    /* Glorot and Bengio 2010 with fan in D and out 3 D, as PyTorch has it. */
    FUSOR_TRY(build_block(m, text, size * dim, INIT_UNIFORM,
                          sqrtf(6.0f / (4.0f * (float)dim)), 0, &block, err));
    a->weight = m->blocks[block].offset;
    snprintf(text, sizeof(text), "%s.bias", name);
    FUSOR_TRY(build_block(m, text, size, INIT_ZERO, 0, 1, &block, err));
    a->bias = m->blocks[block].offset;
    if (dropout > 0)
        a->drop.number = build_dropout(m);
    return FUSOR_OK;
}

/* Rows of a head's square matrices begin at multiples of a register. */
static size_t stride_of(uint32_t n)
{
    return ((size_t)n + 15) & ~(size_t)15;
}

void attention_take(const struct attention *a, struct model_run *r, size_t rows,
                    uint32_t longest, struct attention_state *st)
{
    size_t stride = stride_of(longest), d = a->dim;

    if (a->last) {
        attention_last_take(a, r, rows, st);
        return;
    }
    st->qkv = run_take(r, rows * 3 * d, sizeof(float));
    st->grad = run_take(r, rows * 3 * d, sizeof(float));
    st->columns = run_take(r, d / a->heads * stride, sizeof(float));
    st->p = run_take(r, longest * stride, sizeof(float));
    st->dp = run_take(r, longest * stride, sizeof(float));
    if (a->drop.rate > 0)
        st->mask =
            run_take(r, (size_t)a->heads * longest * longest, sizeof(float));
}

KERNEL(product, (const struct product *p), (p))
KERNEL_BODY void transpose_body(const float *x, size_t x_row, uint32_t n,
                                uint32_t m, float *out, size_t stride)
{
    product_transpose(x, x_row, n, m, out, stride);
}
KERNEL(transpose,
       (const float *x, size_t x_row, uint32_t n, uint32_t m, float *out,
        size_t stride),
       (x, x_row, n, m, out, stride))

/* One head of one sequence. */
struct head {
    const struct attention *a;
    uint32_t n, width; // positions, D / heads
    size_t stride;     // of p and dp
    float scale;
    const float *q, *k, *v; // [n, width], rows 3 D apart
    size_t row;             // 3 D
    const float *mask;      // [n, n] or NULL
};

static struct head head_at(const struct attention *a,
                           const struct attention_state *st,
                           const struct pack *p, uint32_t k, uint32_t h)
{
    uint32_t n = p->length[k], width = a->dim / a->heads;
    const float *q = st->qkv + (size_t)p->start[k] * 3 * a->dim + h * width;

    return (struct head){
        .a = a,
        .n = n,
        .width = width,
        .stride = stride_of(n),
        .scale = 1.0f / sqrtf((float)width),
        .q = q,
        .k = q + a->dim,
        .v = q + 2 * (size_t)a->dim,
        .row = 3 * (size_t)a->dim,
        .mask = st->masked ? st->mask + (size_t)h * n * n : NULL,
    };
}

#define BLOCK 32 /* rows whose limits are rounded together: two registers */

/* Rows [at, at + n) look at columns [0, columns) at most, of which the rows
 * [at, ...) look at column at and later ones. */
struct block {
    uint32_t at, n, columns;
};

static int next_block(const struct head *h, struct block *b)
{
    b->at += b->n;
    if (b->at >= h->n)
        return 0;
    b->n = h->n - b->at < BLOCK ? h->n - b->at : BLOCK;
    b->columns = h->a->causal ? b->at + b->n : h->n;
    return 1;
}

/* out [n, n] = x y^T where rows look, y given as columns; beyond, up to the
 * register, anything. */
static void each_with_each(const struct head *h, const float *x, size_t x_row,
                           const float *columns, float *out)
{
    struct block b = {0};

    while (next_block(h, &b))
        product(&(struct product){
            b.n, (uint32_t)stride_of(b.columns), h->width, x + b.at * x_row,
            x_row, 1, columns, h->stride, out + b.at * h->stride, h->stride});
}

/* out [n, width] = p x */
static void weigh(const struct head *h, const float *p, const float *x,
                  size_t x_row, float *out, size_t out_row)
{
    struct block b = {0};

    while (next_block(h, &b))
        product(&(struct product){b.n, h->width, b.columns,
                                  p + b.at * h->stride, h->stride, 1, x, x_row,
                                  out + b.at * out_row, out_row});
}

/* out [n, width] = p^T x: of a causal p rows before the column's are 0. */
static void weigh_turned(const struct head *h, const float *p, const float *x,
                         size_t x_row, float *out, size_t out_row)
{
    struct block b = {0};

    while (next_block(h, &b)) {
        size_t first = h->a->causal ? b.at : 0;

        product(&(struct product){b.n, h->width, h->n - (uint32_t)first,
                                  p + first * h->stride + b.at, 1, h->stride,
                                  x + first * x_row, x_row,
                                  out + b.at * out_row, out_row});
    }
}

/* st->p = softmax(scale q k^T), zero where a row of a block does not look. */
static void probabilities(const struct head *h, struct attention_state *st)
{
    const struct vec_ops *v = vec_ops();
    struct block b = {0};

    transpose(h->k, h->row, h->n, h->width, st->columns, h->stride);
    each_with_each(h, h->q, h->row, st->columns, st->p);
    while (next_block(h, &b))
        for (uint32_t i = b.at; i < b.at + b.n; i++) {
            float *row = st->p + i * h->stride;
            uint32_t n = h->a->causal ? i + 1 : h->n;

            v->scale(row, h->scale, n);
            v->softmax(row, row, n);
            v->fill(row + n, 0.0f, b.columns - n);
        }
}

static void apply_mask(const struct head *h, float *p)
{
    for (uint32_t i = 0; h->mask && i < h->n; i++)
        dropout_apply(h->mask + (size_t)i * h->n, p + i * h->stride,
                      h->a->causal ? i + 1 : h->n);
}

static void draw_mask(const struct attention *a, struct attention_state *st,
                      uint64_t seed, const struct model_step *s,
                      const struct pack *p, uint32_t k)
{
    if (st->masked)
        dropout_draw(&a->drop, seed, s, p->id[k],
                     a->heads * p->length[k] * p->length[k], st->mask);
}

/* st->qkv: queries of one matrix, keys and values of another. */
static void project_apart(const struct attention *a, struct attention_state *st,
                          const struct model_step *s, uint32_t rows,
                          const float *query, const float *x)
{
    enum gemm_arithmetic how = (enum gemm_arithmetic)s->matmul;
    const float *w = s->dense + a->weight, *b = s->dense + a->bias;
    size_t d = a->dim;

    gemm_strided(how, BLAS_NT, rows, d, d, 1.0f, query, d, w, d, 0.0f, st->qkv,
                 3 * d);
    gemm_strided(how, BLAS_NT, rows, 2 * d, d, 1.0f, x, d, w + d * d, d, 0.0f,
                 st->qkv + d, 3 * d);
    for (uint32_t i = 0; i < rows; i++)
        vec_ops()->add(st->qkv + i * 3 * d, st->qkv + i * 3 * d, b, 3 * d);
}

static void project_apart_backward(const struct attention *a,
                                   const struct attention_state *st,
                                   const struct model_step *s, uint32_t rows,
                                   const float *query, const float *x,
                                   float *dquery, float *dx)
{
    enum gemm_arithmetic how = (enum gemm_arithmetic)s->matmul;
    const float *w = s->dense + a->weight;
    float *dw = s->dense_grad + a->weight;
    size_t d = a->dim;

    gemm_strided(how, BLAS_TN, d, d, rows, 1.0f, st->grad, 3 * d, query, d,
                 0.0f, dw, d);
    gemm_strided(how, BLAS_TN, 2 * d, d, rows, 1.0f, st->grad + d, 3 * d, x, d,
                 0.0f, dw + d * d, d);
    gemm_strided(how, BLAS_NN, rows, d, d, 1.0f, st->grad, 3 * d, w, d, 0.0f,
                 dquery, d);
    gemm_strided(how, BLAS_NN, rows, d, 2 * d, 1.0f, st->grad + d, 3 * d,
                 w + d * d, d, 0.0f, dx, d);
}

static void all_forward(const struct attention *a, struct attention_state *st,
                        uint64_t seed, const struct model_step *s,
                        const struct pack *p, const float *query,
                        const float *x, float *o)
{
    size_t d = a->dim;

    if (query == x)
        gemm_dense((enum gemm_arithmetic)s->matmul, p->rows, 3 * d, d, x,
                   s->dense + a->weight, s->dense + a->bias, 0, st->qkv);
    else
        project_apart(a, st, s, p->rows, query, x);
    for (uint32_t k = 0; k < p->n; k++) {
        draw_mask(a, st, seed, s, p, k);
        for (uint32_t i = 0; i < a->heads; i++) {
            struct head h = head_at(a, st, p, k, i);

            probabilities(&h, st);
            apply_mask(&h, st->p);
            weigh(&h, st->p, h.v, h.row, o + p->start[k] * d + i * h.width, d);
        }
    }
}

/* dp = d_o v^T, then through mask, softmax and scale. */
static void score_gradient(const struct head *h, struct attention_state *st,
                           const float *d_o)
{
    const struct vec_ops *v = vec_ops();
    struct block b = {0};

    transpose(h->v, h->row, h->n, h->width, st->columns, h->stride);
    each_with_each(h, d_o, h->a->dim, st->columns, st->dp);
    apply_mask(h, st->dp);
    while (next_block(h, &b))
        for (uint32_t i = b.at; i < b.at + b.n; i++) {
            float *row = st->dp + i * h->stride;
            uint32_t n = h->a->causal ? i + 1 : h->n;

            v->softmax_backward(row, row, st->p + i * h->stride, n);
            v->scale(row, h->scale, n);
            v->fill(row + n, 0.0f, b.columns - n);
        }
}

static void head_backward(const struct head *h, struct attention_state *st,
                          const float *d_o, float *grad)
{
    size_t d = h->a->dim, r = h->row;

    probabilities(h, st);
    score_gradient(h, st, d_o);
    weigh(h, st->dp, h->k, r, grad, r);
    weigh_turned(h, st->dp, h->q, r, grad + d, r);
    apply_mask(h, st->p);
    weigh_turned(h, st->p, d_o, d, grad + 2 * d, r);
}

static void all_backward(const struct attention *a, struct attention_state *st,
                         uint64_t seed, const struct model_step *s,
                         const struct pack *p, const float *query,
                         const float *x, const float *d_o, float *dquery,
                         float *dx)
{
    enum gemm_arithmetic how = (enum gemm_arithmetic)s->matmul;
    size_t d = a->dim;

    for (uint32_t k = 0; k < p->n; k++) {
        size_t first = p->start[k];

        draw_mask(a, st, seed, s, p, k);
        for (uint32_t i = 0; i < a->heads; i++) {
            struct head h = head_at(a, st, p, k, i);

            head_backward(&h, st, d_o + first * d + i * h.width,
                          st->grad + first * 3 * d + i * h.width);
        }
    }
    vec_ops()->fill(s->dense_grad + a->bias, 0.0f, 3 * d);
    vec_ops()->column_sums(s->dense_grad + a->bias, st->grad, p->rows, 3 * d);
    if (dquery) {
        project_apart_backward(a, st, s, p->rows, query, x, dquery, dx);
        return;
    }
    gemm_product(how, BLAS_TN, 3 * d, d, p->rows, st->grad, x,
                 s->dense_grad + a->weight);
    gemm_product(how, BLAS_NN, p->rows, d, 3 * d, st->grad,
                 s->dense + a->weight, dx);
}

void attention_forward(const struct attention *a, struct attention_state *st,
                       uint64_t seed, const struct model_step *s,
                       const struct pack *p, const float *query, const float *x,
                       int train, float *o)
{
    st->masked = train && a->drop.rate > 0;
    if (a->last)
        attention_last_forward(a, st, seed, s, p, query, x, o);
    else
        all_forward(a, st, seed, s, p, query, x, o);
}

void attention_backward(const struct attention *a, struct attention_state *st,
                        uint64_t seed, const struct model_step *s,
                        const struct pack *p, const float *query,
                        const float *x, const float *d_o, float *dquery,
                        float *dx)
{
    if (a->last)
        attention_last_backward(a, st, s, p, x, d_o, dquery, dx);
    else
        all_backward(a, st, seed, s, p, query, x, d_o, dquery, dx);
}
