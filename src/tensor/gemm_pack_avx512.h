/* Columns of the right operand of a product side by side, as the tiles of
 * gemm_tile_avx512.h read them. Private to gemm_avx512.c. */
#ifndef TENSOR_GEMM_PACK_AVX512_H
#define TENSOR_GEMM_PACK_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "tensor/gemm_job.h"

/* Four floats of each of 16 rows, as one row of each column. Lane group g of a
 * register holds row 4 g + i, so 4 x 4 transposes inside the groups suffice. */
static inline void pack_transpose_4(const float *const row[16], size_t k,
                                    float *out, size_t out_stride)
{
    __m512 x[4], y[4];

    for (int i = 0; i < 4; i++) {
        x[i] = _mm512_castps128_ps512(_mm_loadu_ps(row[i] + k));
        x[i] = _mm512_insertf32x4(x[i], _mm_loadu_ps(row[4 + i] + k), 1);
        x[i] = _mm512_insertf32x4(x[i], _mm_loadu_ps(row[8 + i] + k), 2);
        x[i] = _mm512_insertf32x4(x[i], _mm_loadu_ps(row[12 + i] + k), 3);
    }
    y[0] = _mm512_unpacklo_ps(x[0], x[1]);
    y[1] = _mm512_unpackhi_ps(x[0], x[1]);
    y[2] = _mm512_unpacklo_ps(x[2], x[3]);
    y[3] = _mm512_unpackhi_ps(x[2], x[3]);
    _mm512_storeu_ps(out, _mm512_shuffle_ps(y[0], y[2], 0x44));
    _mm512_storeu_ps(out + out_stride, _mm512_shuffle_ps(y[0], y[2], 0xee));
    _mm512_storeu_ps(out + 2 * out_stride, _mm512_shuffle_ps(y[1], y[3], 0x44));
    _mm512_storeu_ps(out + 3 * out_stride, _mm512_shuffle_ps(y[1], y[3], 0xee));
}

/* K floats of n <= 16 rows of b as columns of out; the columns beyond n repeat
 * the last, nobody stores what comes of them. */
static inline void pack_transposed(const float *b, size_t b_stride, size_t n,
                                   size_t K, float *out, size_t out_stride)
{
    const float *row[16];
    size_t k = 0;

    for (size_t i = 0; i < 16; i++)
        row[i] = b + (i < n ? i : n - 1) * b_stride;
    for (; k + 4 <= K; k += 4)
        pack_transpose_4(row, k, out + k * out_stride, out_stride);
    for (; k < K; k++)
        for (size_t i = 0; i < 16; i++)
            out[k * out_stride + i] = row[i][k];
}

/* n columns of K rows of b[M,H] or, transposed, of b[H,M]: V vectors a row. */
static inline void pack_wide(const float *b, size_t b_stride, int transposed,
                             size_t n, size_t K, size_t V, float *out)
{
    __mmask16 mask = (__mmask16)(0xffffu >> (16 * V - n));

    if (transposed) {
        for (size_t v = 0; v < V; v++)
            pack_transposed(b + 16 * v * b_stride, b_stride,
                            v + 1 < V ? 16 : n - 16 * v, K, out + 16 * v,
                            16 * V);
        return;
    }
    for (size_t k = 0; k < K; k++, b += b_stride)
        for (size_t v = 0; v < V; v++, out += 16)
            _mm512_storeu_ps(
                out, _mm512_maskz_loadu_ps(v + 1 < V ? (__mmask16)0xffff : mask,
                                           b + 16 * v));
}

/* n columns of K rows: element (k, c) at out[k / P * 16 + c * P + k % P], zeros
 * around. */
static inline void pack_narrow(const float *b, size_t b_stride, int transposed,
                               size_t n, size_t K, size_t P, float *out)
{
    size_t b_k = transposed ? 1 : b_stride, b_c = transposed ? b_stride : 1;

    memset(out, 0, (K + P - 1) / P * 16 * sizeof(*out));
    for (size_t k = 0; k < K; k += P, out += 16)
        for (size_t c = 0; c < n; c++)
            for (size_t p = 0; p < P && k + p < K; p++)
                out[c * P + p] = b[(k + p) * b_k + c * b_c];
}

/* n <= C columns of K rows of b[M,H], C floats a row, zeros beyond n. */
static inline void pack_columns(const float *b, size_t b_stride, size_t n,
                                size_t K, size_t C, float *out)
{
    for (size_t k = 0; k < K; k++, b += b_stride)
        for (size_t c = 0; c < C; c++)
            *out++ = c < n ? b[c] : 0.0f;
}

#endif
