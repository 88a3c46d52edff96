/* Dense layers over tensor/gemm.h; a layer with one output is a vector, for
 * which a matrix product would be waste. */
#include "model/layer/dense.h"

#include <math.h>
#include <stdio.h>

#include "model/layer/kernel.h"
#include "tensor/tensor.h"

enum fusor_status dense_build(struct model *m, const char *name, uint32_t in,
                              uint32_t out, struct dense *d,
                              struct fusor_error *err)
{
    char text[PARAM_NAME_MAX];
    float limit = 1.0f / sqrtf((float)in);
    uint32_t block;

    d->in = in;
    d->out = out;
    snprintf(text, sizeof(text), "%s.weight", name);
    FUSOR_TRY(build_block(m, text, (uint64_t)in * out, INIT_UNIFORM, limit, 0,
                          &block, err));
    d->weight = m->blocks[block].offset;
    snprintf(text, sizeof(text), "%s.bias", name);
    FUSOR_TRY(build_block(m, text, out, INIT_UNIFORM, limit, 1, &block, err));
    d->bias = m->blocks[block].offset;
    return FUSOR_OK;
}

static void forward(const struct dense *d, const struct model_step *s,
                    const float *x, uint32_t n, int relu, float *y)
{
    gemm_dense((enum gemm_arithmetic)s->matmul, n, d->out, d->in, x,
               s->dense + d->weight, s->dense + d->bias, relu, y);
}

void dense_forward(const struct dense *d, const struct model_step *s,
                   const float *x, uint32_t n, float *y)
{
    forward(d, s, x, n, 0, y);
}

void dense_forward_relu(const struct dense *d, const struct model_step *s,
                        const float *x, uint32_t n, float *y)
{
    forward(d, s, x, n, 1, y);
}

/* dx [n, in] = dy w^T */
KERNEL_BODY void outer_body(const float *restrict dy, const float *restrict w,
                            uint32_t n, uint32_t in, float *restrict dx)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < in; k++)
            dx[(size_t)i * in + k] = dy[i] * w[k];
}

KERNEL(outer,
       (const float *restrict dy, const float *restrict w, uint32_t n,
        uint32_t in, float *restrict dx),
       (dy, w, n, in, dx))

void dense_backward(const struct dense *d, const struct model_step *s,
                    const float *x, const float *dy, uint32_t n, float *dx,
                    int train)
{
    const struct vec_ops *v = vec_ops();

    if (train) {
        float *dw = s->dense_grad + d->weight;
        float *db = s->dense_grad + d->bias;

        if (d->out == 1)
            blas_gemv_t(n, d->in, 1.0f, x, dy, 0.0f, dw);
        else
            gemm_product((enum gemm_arithmetic)s->matmul, BLAS_TN, d->out,
                         d->in, n, dy, x, dw);
        v->fill(db, 0.0f, d->out);
        v->column_sums(db, dy, n, d->out);
    }
    if (dx && d->out == 1)
        outer(dy, s->dense + d->weight, n, d->in, dx);
    else if (dx)
        gemm_product((enum gemm_arithmetic)s->matmul, BLAS_NN, n, d->in, d->out,
                     dy, s->dense + d->weight, dx);
}
