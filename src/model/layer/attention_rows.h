/* The passes of a single query over the rows of its sequence, for KERNEL
 * bodies: what attention_last.c does a sequence and head. Every element is
 * summed in the order of its terms, a dot product in the tree of row_dot(), so
 * that all CPUs give the same bits. Private to src/model. */
#ifndef MODEL_LAYER_ATTENTION_ROWS_H
#define MODEL_LAYER_ATTENTION_ROWS_H

#include <stddef.h>

#include "model/layer/kernel.h"

/* A quarter of the tree of lanes_sum(). */
KERNEL_BODY void rows_fold(const kernel_v16 *lanes, kernel_v4 *out)
{
    kernel_v16 a = *lanes;

    *out = (__builtin_shufflevector(a, a, 0, 1, 2, 3) +
            __builtin_shufflevector(a, a, 4, 5, 6, 7)) +
           (__builtin_shufflevector(a, a, 8, 9, 10, 11) +
            __builtin_shufflevector(a, a, 12, 13, 14, 15));
}

/* p[0..4) = query . x_t of four rows, dim a multiple of 16: their last steps,
 * (b0 + b2) + (b1 + b3), side by side. */
KERNEL_BODY void rows_score_4(const float *restrict query,
                              const float *restrict x, uint32_t dim,
                              float *restrict p)
{
    const float *x1 = x + dim, *x2 = x1 + dim, *x3 = x2 + dim;
    kernel_v16 a0 = {0.0f}, a1 = a0, a2 = a0, a3 = a0;
    kernel_v4 b0, b1, b2, b3, low, high;

    for (uint32_t k = 0; k < dim; k += 16) {
        kernel_v16 q = KERNEL_GET16(query + k);

        a0 += q * KERNEL_GET16(x + k);
        a1 += q * KERNEL_GET16(x1 + k);
        a2 += q * KERNEL_GET16(x2 + k);
        a3 += q * KERNEL_GET16(x3 + k);
    }
    rows_fold(&a0, &b0);
    rows_fold(&a1, &b1);
    rows_fold(&a2, &b2);
    rows_fold(&a3, &b3);
    low = __builtin_shufflevector(b0, b1, 0, 4, 1, 5) +
          __builtin_shufflevector(b0, b1, 2, 6, 3, 7);
    high = __builtin_shufflevector(b2, b3, 0, 4, 1, 5) +
           __builtin_shufflevector(b2, b3, 2, 6, 3, 7);
    KERNEL_AT4(p) = __builtin_shufflevector(low, high, 0, 1, 4, 5) +
                    __builtin_shufflevector(low, high, 2, 3, 6, 7);
}

/** p[t] = query . x_t */
KERNEL_BODY void score_rows_body(const float *restrict query,
                                 const float *restrict x, uint32_t n,
                                 uint32_t dim, float *restrict p)
{
    uint32_t t = 0;

    for (; dim % 16 == 0 && t + 4 <= n; t += 4)
        rows_score_4(query, x + (size_t)t * dim, dim, p + t);
    for (; t < n; t++)
        p[t] = row_dot(query, x + (size_t)t * dim, dim);
}

/** out = sum_t p[t] x_t, the sums of 64 columns in registers. */
KERNEL_BODY void weigh_rows_body(const float *restrict p,
                                 const float *restrict x, uint32_t n,
                                 uint32_t dim, float *restrict out)
{
    uint32_t k = 0;

    for (; k + 64 <= dim; k += 64) {
        kernel_v16 a0 = {0.0f}, a1 = a0, a2 = a0, a3 = a0;
        const float *row = x + k;

        for (uint32_t t = 0; t < n; t++, row += dim) {
            a0 += p[t] * KERNEL_GET16(row);
            a1 += p[t] * KERNEL_GET16(row + 16);
            a2 += p[t] * KERNEL_GET16(row + 32);
            a3 += p[t] * KERNEL_GET16(row + 48);
        }
        KERNEL_AT16(out + k) = a0;
        KERNEL_AT16(out + k + 16) = a1;
        KERNEL_AT16(out + k + 32) = a2;
        KERNEL_AT16(out + k + 48) = a3;
    }
    if (k == dim)
        return;
    row_zero(out + k, dim - k);
    for (uint32_t t = 0; t < n; t++)
        row_axpy(out + k, p[t], x + (size_t)t * dim + k, dim - k);
}

/* One column block of a row: the sum over heads h of p_h a_h + ds_h b_h, whose
 * p and ds are n apart, a and b dim. */
KERNEL_BODY void rows_spread_16(const float *p, const float *a, const float *ds,
                                const float *b, uint32_t n, uint32_t dim,
                                uint32_t heads, float *restrict dx)
{
    kernel_v16 g = p[0] * KERNEL_GET16(a) + ds[0] * KERNEL_GET16(b);

    for (uint32_t h = 1; h < heads; h++) {
        p += n;
        ds += n;
        a += dim;
        b += dim;
        g += p[0] * KERNEL_GET16(a) + ds[0] * KERNEL_GET16(b);
    }
    KERNEL_AT16(dx) = g;
}

/** dx_t = sum over heads of p[h, t] a_h + ds[h, t] b_h */
KERNEL_BODY void spread_rows_body(const float *p, const float *a,
                                  const float *ds, const float *b, uint32_t n,
                                  uint32_t dim, uint32_t heads,
                                  float *restrict dx)
{
    for (uint32_t t = 0; t < n; t++, p++, ds++, dx += dim) {
        uint32_t k = 0;

        if (heads == 2) // so that the loop over them is none
            for (; k + 16 <= dim; k += 16)
                rows_spread_16(p, a + k, ds, b + k, n, dim, 2, dx + k);
        for (; k + 16 <= dim; k += 16)
            rows_spread_16(p, a + k, ds, b + k, n, dim, heads, dx + k);
        for (; k < dim; k++) {
            dx[k] = 0.0f;
            for (uint32_t h = 0; h < heads; h++)
                dx[k] += p[h * (size_t)n] * a[h * (size_t)dim + k] +
                         ds[h * (size_t)n] * b[h * (size_t)dim + k];
        }
    }
}

#endif
