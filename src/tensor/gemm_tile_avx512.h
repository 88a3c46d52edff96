/* Register tiles of a product for AVX-512: rows x vectors of 16 columns held in
 * registers while the inner dimension runs (Goto and van de Geijn 2008, section
 * 5). Private to gemm_avx512.c.
 *
 * Golden Cove and Zen 5 start two multiply-adds a cycle, each done after four:
 * 8 sums under way keep them busy. Tiles of 8 x 3 and 6 x 4 load 11 and 10
 * times for 24 multiply-adds. */
#ifndef TENSOR_GEMM_TILE_AVX512_H
#define TENSOR_GEMM_TILE_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "tensor/gemm_job.h"

#define TILE_ROWS 16
#define TILE_VECTORS 4
#define NARROW_ROWS 8
#define TILE_FN static inline __attribute__((always_inline))
#if defined(__clang__)
#define TILE_UNROLL _Pragma("unroll")
#else
#define TILE_UNROLL _Pragma("GCC unroll 16")
#endif

/* What a tile reads and writes. */
struct tile {
    size_t K;
    const float *a;
    size_t a_stride;
    const float *b; // row k at b + k * b_stride
    size_t b_stride;
    float *out;
    size_t out_stride;
    float alpha, beta;
    const float *bias; // of its columns, or NULL
    int relu;
    __mmask16 mask; // columns of the last vector
};

typedef void tile_fn(const struct tile *t);

/* Is there anything to do to a sum but to store it? */
TILE_FN int tile_is_bare(const struct tile *t)
{
    return t->alpha == 1.0f && t->beta == 0.0f && !t->bias && !t->relu;
}

/* act(alpha sum + beta out + bias) at one place. */
TILE_FN void tile_store(const struct tile *t, __m512 sum, float *out,
                        const float *bias, __mmask16 mask)
{
    sum = _mm512_mul_ps(sum, _mm512_set1_ps(t->alpha));
    if (t->beta != 0.0f)
        sum =
            _mm512_add_ps(sum, _mm512_mul_ps(_mm512_set1_ps(t->beta),
                                             _mm512_maskz_loadu_ps(mask, out)));
    if (bias)
        sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, bias));
    if (t->relu) // the second operand when one is NaN
        sum = _mm512_max_ps(_mm512_setzero_ps(), sum);
    _mm512_mask_storeu_ps(out, mask, sum);
}

/* A tile's sums, R x V vectors. */
TILE_FN void tile_store_all(const struct tile *t,
                            __m512 sum[TILE_ROWS][TILE_VECTORS], const int R,
                            const int V)
{
    const __mmask16 mask = t->mask;
    const size_t out_stride = t->out_stride;
    const float *bias = t->bias;
    float *out = t->out;

    if (tile_is_bare(t)) {
        TILE_UNROLL
        for (int r = 0; r < R; r++, out += out_stride) {
            TILE_UNROLL
            for (int v = 0; v < V - 1; v++)
                _mm512_storeu_ps(out + 16 * v, sum[r][v]);
            _mm512_mask_storeu_ps(out + 16 * (V - 1), mask, sum[r][V - 1]);
        }
        return;
    }
    TILE_UNROLL
    for (int r = 0; r < R; r++, out += out_stride)
        TILE_UNROLL
    for (int v = 0; v < V; v++)
        tile_store(t, sum[r][v], out + 16 * v, bias ? bias + 16 * v : NULL,
                   v == V - 1 ? mask : (__mmask16)0xffff);
}

/* R rows x V vectors. a_rows: rows of a lie side by side along k (a[N,M]);
 * else along the rows (a[M,N]). */
TILE_FN void tile_body(const struct tile *t, const int R, const int V,
                       const int a_rows)
{
    const size_t a_row = a_rows ? t->a_stride : 1;
    const size_t a_k = a_rows ? 1 : t->a_stride;
    const size_t b_stride = t->b_stride;
    const float *a = t->a, *b = t->b;
    __m512 sum[TILE_ROWS][TILE_VECTORS];

    TILE_UNROLL
    for (int r = 0; r < R; r++)
        TILE_UNROLL
    for (int v = 0; v < V; v++)
        sum[r][v] = _mm512_setzero_ps();
    for (size_t k = t->K; k > 0; k--, a += a_k, b += b_stride) {
        __m512 right[TILE_VECTORS];

        TILE_UNROLL
        for (int v = 0; v < V; v++)
            right[v] = _mm512_loadu_ps(b + 16 * v);
        TILE_UNROLL
        for (int r = 0; r < R; r++) {
            __m512 left = _mm512_set1_ps(a[(size_t)r * a_row]);

            TILE_UNROLL
            for (int v = 0; v < V; v++)
                sum[r][v] = _mm512_fmadd_ps(left, right[v], sum[r][v]);
        }
    }
    tile_store_all(t, sum, R, V);
}

/* P floats of a row of a, in every group of P lanes. */
TILE_FN __m512 narrow_left(const float *a, const int P)
{
    double pair;

    if (P == 4)
        return _mm512_broadcast_f32x4(_mm_loadu_ps(a));
    memcpy(&pair, a, sizeof(pair));
    return _mm512_castpd_ps(_mm512_set1_pd(pair));
}

TILE_FN void narrow_add(__m512 *sum, const float *a, size_t a_stride,
                        __m512 right, const int R, const int P)
{
    TILE_UNROLL
    for (int r = 0; r < R; r++)
        sum[r] = _mm512_fmadd_ps(narrow_left(a + (size_t)r * a_stride, P),
                                 right, sum[r]);
}

/* Add the P parts and move column c to lane c. */
TILE_FN __m512 narrow_join(__m512 sum, const int P)
{
    sum = _mm512_add_ps(sum, _mm512_permute_ps(sum, 0xb1));
    if (P == 4)
        sum = _mm512_add_ps(sum, _mm512_permute_ps(sum, 0x4e));
    return _mm512_maskz_compress_ps(P == 4 ? 0x1111 : 0x5555, sum);
}

/* R rows x 16 / P columns whose sums run in P parts, so that no lane idles:
 * lane P c + p of vector i of b is row P i + p of column c, zero beyond K. */
TILE_FN void narrow_body(const struct tile *t, const int R, const int P)
{
    const size_t rest = t->K % (size_t)P;
    const float *a = t->a, *b = t->b;
    __m512 sum[NARROW_ROWS];
    float last[NARROW_ROWS][4] = {{0}};

    TILE_UNROLL
    for (int r = 0; r < R; r++)
        sum[r] = _mm512_setzero_ps();
    for (size_t i = t->K / (size_t)P; i > 0; i--, a += P, b += 16)
        narrow_add(sum, a, t->a_stride, _mm512_loadu_ps(b), R, P);
    if (rest) {
        for (int r = 0; r < R; r++)
            for (size_t k = 0; k < rest; k++)
                last[r][k] = a[(size_t)r * t->a_stride + k];
        narrow_add(sum, last[0], 4, _mm512_loadu_ps(b), R, P);
    }
    TILE_UNROLL
    for (int r = 0; r < R; r++)
        tile_store(t, narrow_join(sum[r], P),
                   t->out + (size_t)r * t->out_stride, t->bias, t->mask);
}

/* Four columns whose rows are lanes, as rows: group g of 4 lanes of x[i] is row
 * 4 g + i. */
TILE_FN void tall_transpose(const __m512 sum[4], __m512 x[4])
{
    __m512 y0 = _mm512_unpacklo_ps(sum[0], sum[1]);
    __m512 y1 = _mm512_unpackhi_ps(sum[0], sum[1]);
    __m512 y2 = _mm512_unpacklo_ps(sum[2], sum[3]);
    __m512 y3 = _mm512_unpackhi_ps(sum[2], sum[3]);

    x[0] = _mm512_shuffle_ps(y0, y2, 0x44);
    x[1] = _mm512_shuffle_ps(y0, y2, 0xee);
    x[2] = _mm512_shuffle_ps(y1, y3, 0x44);
    x[3] = _mm512_shuffle_ps(y1, y3, 0xee);
}

/* `rows` rows of n <= 4 columns. */
TILE_FN void tall_store(const struct tile *t, const __m512 sum[4], float *out,
                        const float *bias, size_t rows, size_t n)
{
    __mmask16 mask = (__mmask16)((1u << n) - 1);
    float lane[4][16];
    __m512 x[4];

    tall_transpose(sum, x);
    for (int i = 0; i < 4; i++)
        _mm512_storeu_ps(lane[i], x[i]);
    for (size_t r = 0; r < rows; r++, out += t->out_stride)
        tile_store(
            t, _mm512_castps128_ps512(_mm_loadu_ps(&lane[r % 4][r / 4 * 4])),
            out, bias, mask);
}

/* V vectors of rows x C columns of a[M,N]^T b, b packed C floats a row: the
 * mask is of the rows in the last vector; n_columns <= C are written. */
TILE_FN void tall_body(const struct tile *t, const int V, const int C,
                       size_t n_columns)
{
    const float *a = t->a, *b = t->b;
    __m512 sum[3][8];

    TILE_UNROLL
    for (int v = 0; v < V; v++)
        TILE_UNROLL
    for (int c = 0; c < C; c++)
        sum[v][c] = _mm512_setzero_ps();
    for (size_t k = t->K; k > 0; k--, a += t->a_stride, b += C) {
        __m512 left[3];

        TILE_UNROLL
        for (int v = 0; v < V; v++)
            left[v] = _mm512_maskz_loadu_ps(
                v == V - 1 ? t->mask : (__mmask16)0xffff, a + 16 * v);
        TILE_UNROLL
        for (int c = 0; c < C; c++) {
            __m512 right = _mm512_set1_ps(b[c]);

            TILE_UNROLL
            for (int v = 0; v < V; v++)
                sum[v][c] = _mm512_fmadd_ps(left[v], right, sum[v][c]);
        }
    }
    TILE_UNROLL
    for (int v = 0; v < V; v++)
        TILE_UNROLL
    for (int c = 0; c < C; c += 4)
        if ((size_t)c < n_columns)
            tall_store(t, sum[v] + c,
                       t->out + (size_t)(16 * v) * t->out_stride + c,
                       t->bias ? t->bias + c : NULL,
                       v == V - 1 ? (size_t)__builtin_popcount(t->mask) : 16,
                       n_columns - (size_t)c < 4 ? n_columns - (size_t)c : 4);
}

#endif
