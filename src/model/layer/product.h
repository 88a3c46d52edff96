/* Products of matrices too small for a call of BLAS each (the heads of
 * attention): register-blocked loops for KERNEL bodies. Every element is summed
 * in the order of its terms, so that all CPUs give the same bits. Private to
 * src/model. */
#ifndef MODEL_LAYER_PRODUCT_H
#define MODEL_LAYER_PRODUCT_H

#include <stddef.h>

#include "model/layer/kernel.h"

/* out [n, h] = a [n, m] b [m, h]; element (i, k) of a stands at
 * a[i * a_row + k * a_column], so that a transposed a is as good. */
struct product {
    uint32_t n, h, m;
    const float *a;
    size_t a_row, a_column;
    const float *b;
    size_t b_row;
    float *out;
    size_t out_row;
};

KERNEL_BODY void product_tile_4x32(const struct product *p, const float *a,
                                   const float *b, float *out)
{
    kernel_v16 c00 = {0.0f}, c01 = c00, c10 = c00, c11 = c00;
    kernel_v16 c20 = c00, c21 = c00, c30 = c00, c31 = c00;
    size_t step = p->a_row, row = p->out_row;

    for (uint32_t k = 0; k < p->m; k++, a += p->a_column, b += p->b_row) {
        kernel_v16 b0 = KERNEL_GET16(b), b1 = KERNEL_GET16(b + 16);

        c00 += a[0] * b0;
        c01 += a[0] * b1;
        c10 += a[step] * b0;
        c11 += a[step] * b1;
        c20 += a[2 * step] * b0;
        c21 += a[2 * step] * b1;
        c30 += a[3 * step] * b0;
        c31 += a[3 * step] * b1;
    }
    KERNEL_AT16(out) = c00;
    KERNEL_AT16(out + 16) = c01;
    KERNEL_AT16(out + row) = c10;
    KERNEL_AT16(out + row + 16) = c11;
    KERNEL_AT16(out + 2 * row) = c20;
    KERNEL_AT16(out + 2 * row + 16) = c21;
    KERNEL_AT16(out + 3 * row) = c30;
    KERNEL_AT16(out + 3 * row + 16) = c31;
}

KERNEL_BODY void product_tile_1x16(const struct product *p, const float *a,
                                   const float *b, float *out)
{
    kernel_v16 c = {0.0f};

    for (uint32_t k = 0; k < p->m; k++)
        c += a[k * p->a_column] * KERNEL_GET16(b + k * p->b_row);
    KERNEL_AT16(out) = c;
}

KERNEL_BODY void product_element(const struct product *p, const float *a,
                                 const float *b, float *out)
{
    float c = 0.0f;

    for (uint32_t k = 0; k < p->m; k++)
        c += a[k * p->a_column] * b[k * p->b_row];
    *out = c;
}

KERNEL_BODY void product_body(const struct product *p)
{
    uint32_t j = 0, i;

    for (; j + 32 <= p->h; j += 32) {
        for (i = 0; i + 4 <= p->n; i += 4)
            product_tile_4x32(p, p->a + i * p->a_row, p->b + j,
                              p->out + i * p->out_row + j);
        for (; i < p->n; i++)
            for (uint32_t k = 0; k < 32; k += 16)
                product_tile_1x16(p, p->a + i * p->a_row, p->b + j + k,
                                  p->out + i * p->out_row + j + k);
    }
    for (; j + 16 <= p->h; j += 16)
        for (i = 0; i < p->n; i++)
            product_tile_1x16(p, p->a + i * p->a_row, p->b + j,
                              p->out + i * p->out_row + j);
    for (; j < p->h; j++)
        for (i = 0; i < p->n; i++)
            product_element(p, p->a + i * p->a_row, p->b + j,
                            p->out + i * p->out_row + j);
}

/** out [m, stride] = the transpose of x [n, m]; the columns from n to stride
 * are zero. */
KERNEL_BODY void product_transpose(const float *restrict x, size_t x_row,
                                   uint32_t n, uint32_t m, float *restrict out,
                                   size_t stride)
{
    for (uint32_t k = 0; k < m; k++)
        for (size_t i = 0; i < stride; i++)
            out[k * stride + i] = i < n ? x[i * x_row + k] : 0.0f;
}

#endif
