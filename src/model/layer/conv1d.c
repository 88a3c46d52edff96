/* Convolution and maximum over time; Kim 2014, section 2. Only the window of
 * the maximum has a gradient, which is added by itself. */
#include "model/layer/conv1d.h"

#include "model/layer/kernel.h"
#include "tensor/tensor.h"

enum fusor_status conv1d_build(struct model *m, const char *name,
                               uint32_t window, uint32_t in, uint32_t filters,
                               struct conv1d *c, struct fusor_error *err)
{
    *c = (struct conv1d){.window = window, .in = in, .filters = filters};
    return dense_build(m, name, window * in, filters, &c->dense, err);
}

/* Of the windows that begin in rows [first, last). */
KERNEL_BODY void pool_body(const float *restrict y, uint32_t first,
                           uint32_t last, uint32_t filters,
                           const float *restrict bias, float *restrict out,
                           uint32_t *restrict at)
{
    const float *row = y + (size_t)first * filters;

    for (uint32_t f = 0; f < filters; f++) {
        out[f] = row[f];
        at[f] = first;
    }
    for (uint32_t i = first + 1; i < last; i++) {
        row += filters;
        for (uint32_t f = 0; f < filters; f++) {
            int more = row[f] > out[f]; // of equal ones the first

            out[f] = more ? row[f] : out[f];
            at[f] = more ? i : at[f];
        }
    }
    for (uint32_t f = 0; f < filters; f++)
        out[f] += bias[f];
}

KERNEL(pool,
       (const float *restrict y, uint32_t first, uint32_t last,
        uint32_t filters, const float *restrict bias, float *restrict out,
        uint32_t *restrict at),
       (y, first, last, filters, bias, out, at))

void conv1d_forward(const struct conv1d *c, const struct model_step *s,
                    const struct pack *p, const float *x, float *y, float *out,
                    uint32_t *at, size_t ld)
{
    size_t d = c->in, rows = p->rows + 1 - c->window;
    const float *w = s->dense + c->dense.weight;

    for (uint32_t k = 0; k < c->window; k++)
        blas_gemm_strided(BLAS_NT, rows, c->filters, d, 1.0f, x + k * d, d,
                          w + k * d, c->window * d, k ? 1.0f : 0.0f, y,
                          c->filters);
    for (uint32_t k = 0; k < p->n; k++) {
        uint32_t first = p->start[k], n = p->length[k];

        n = n > c->window ? n - c->window + 1 : 1;
        pool(y, first, first + n, c->filters, s->dense + c->dense.bias,
             out + k * ld, at + k * ld);
    }
}

KERNEL_BODY void add_body(const float *restrict x, const float *restrict w,
                          const float *restrict g, const uint32_t *restrict at,
                          uint32_t filters, uint32_t in, uint32_t size,
                          float *restrict dw, float *restrict dx)
{
    for (uint32_t f = 0; f < filters; f++) {
        size_t from = (size_t)at[f] * in, to = (size_t)f * size;

        if (g[f] == 0.0f) // behind a relu most are
            continue;
        row_axpy(dw + to, g[f], x + from, size);
        row_axpy(dx + from, g[f], w + to, size);
    }
}

KERNEL(add,
       (const float *restrict x, const float *restrict w,
        const float *restrict g, const uint32_t *restrict at, uint32_t filters,
        uint32_t in, uint32_t size, float *restrict dw, float *restrict dx),
       (x, w, g, at, filters, in, size, dw, dx))

void conv1d_backward(const struct conv1d *c, const struct model_step *s,
                     const struct pack *p, const float *x, const float *g,
                     const uint32_t *at, size_t ld, float *dx)
{
    const struct vec_ops *v = vec_ops();
    float *dw = s->dense_grad + c->dense.weight;
    float *db = s->dense_grad + c->dense.bias;
    uint32_t size = c->window * c->in;

    v->fill(dw, 0.0f, (size_t)c->filters * size);
    v->fill(db, 0.0f, c->filters);
    for (uint32_t k = 0; k < p->n; k++) {
        v->add(db, db, g + k * ld, c->filters);
        add(x, s->dense + c->dense.weight, g + k * ld, at + k * ld, c->filters,
            c->in, size, dw, dx);
    }
}
