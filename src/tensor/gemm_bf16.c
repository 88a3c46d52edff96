/* Products with bfloat16 factors and single sums: operands are rounded to
 * nearest even and arranged as AMX wants them, a block at a time, on the stack.
 * AVX512_BF16's own dot product is no way out for a CPU without AMX: measured
 * on Sapphire Rapids at half the speed of single precision. */
#include "tensor/gemm_bf16_job.h"

#include <immintrin.h>

#include "tensor/gemm_job.h"

#define BLOCK_ROWS 512  /* of a, packed: 512 KB with 512 along k, in L2 */
#define BLOCK_INNER 512 /* along k: 32 columns of b take 32 KB */
#define K_TILES (BLOCK_INNER / (2 * BF16_TILE))

static inline __mmask16 mask_of(size_t n)
{
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1);
}

/* x[16] at p, zeros beyond n. */
static inline __m512 load(const float *p, size_t n)
{
    return n >= 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(mask_of(n), p);
}

/* Pairs along k of one row of [rows, k]. */
static inline __m512i pairs_along(const float *p, size_t n_k)
{
    __m512 low = load(p, n_k);
    __m512 high = n_k > 16 ? load(p + 16, n_k - 16) : _mm512_setzero_ps();

    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Pairs of two rows of [k, columns], for 16 columns. */
static inline __m512i pairs_across(const float *p, size_t stride, size_t n_k,
                                   size_t n)
{
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
        6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512 low = n_k > 0 ? load(p, n) : _mm512_setzero_ps();
    __m512 high = n_k > 1 ? load(p + stride, n) : _mm512_setzero_ps();

    return _mm512_permutexvar_epi16(order,
                                    (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/* Four steps of the 16 x 16 transpose of 32-bit items: unpack by 1 and 2 items,
 * shuffle groups of 4 twice. */
static inline void transpose(__m512i x[16])
{
    __m512i y[16];

    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
        x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
        x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
        x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        y[i] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
        y[i + 4] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xdd);
        y[i + 8] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
        y[i + 12] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
        x[i] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0x88);
        x[i + 8] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0xdd);
    }
}

/* One operand: item (i, k), i its row or column in the product, at
 * p[i * stride + k] when along, else at p[k * stride + i]. */
struct operand {
    const float *p;
    size_t stride;
    int along;
};

/* One tile, items i0 .. of n and k0 .. of n_k; by_item: as [item][pair], else
 * as [pair][item]. */
static void pack_tile(const struct operand *o, size_t i0, size_t n, size_t k0,
                      size_t n_k, int by_item, uint32_t *out)
{
    __m512i x[16];

    for (size_t r = 0; r < 16; r++)
        if (!o->along)
            x[r] = 2 * r < n_k
                       ? pairs_across(o->p + (k0 + 2 * r) * o->stride + i0,
                                      o->stride, n_k - 2 * r, n)
                       : _mm512_setzero_si512();
        else
            x[r] = r < n ? pairs_along(o->p + (i0 + r) * o->stride + k0, n_k)
                         : _mm512_setzero_si512();
    if (o->along != by_item)
        transpose(x);
    for (size_t r = 0; r < 16; r++)
        _mm512_storeu_si512(out + 16 * r, x[r]);
}

/* Row r of a whole tile, while the lines of the next tile along k come. */
static inline __m512i whole_row(const float *p, size_t stride, int along,
                                size_t r)
{
    const float *next;

    p += (along ? r : 2 * r) * stride;
    next = p + 2 * BF16_TILE * (along ? 1 : stride);
    _mm_prefetch(next, _MM_HINT_T0);
    _mm_prefetch(next + (along ? 16 : stride), _MM_HINT_T0);
    return along ? pairs_along(p, 2 * BF16_TILE)
                 : pairs_across(p, stride, 2, BF16_TILE);
}

/* A whole tile: along and turned are constants where this is called. */
static inline __attribute__((always_inline)) void
pack_whole(const float *p, size_t stride, int along, int turned, uint32_t *out)
{
    __m512i x[16];

    if (!turned) {
        for (size_t r = 0; r < 16; r++)
            _mm512_storeu_si512(out + 16 * r, whole_row(p, stride, along, r));
        return;
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < 16; r++)
        x[r] = whole_row(p, stride, along, r);
    transpose(x);
#pragma GCC unroll 16
    for (size_t r = 0; r < 16; r++)
        _mm512_storeu_si512(out + 16 * r, x[r]);
}

/* Items i0 .. i0 + n - 1, n_k along k from k0, in groups of 16. */
static void pack(const struct operand *o, size_t i0, size_t n, size_t k0,
                 size_t n_k, int by_item, uint32_t *out)
{
    size_t s = o->stride;

    for (size_t i = 0; i < n; i += BF16_TILE)
        for (size_t k = 0; k < n_k; k += 2 * BF16_TILE, out += BF16_PAIRS) {
            const float *p = o->along ? o->p + (i0 + i) * s + k0 + k
                                      : o->p + (k0 + k) * s + i0 + i;

            if (n - i < BF16_TILE || n_k - k < 2 * BF16_TILE)
                pack_tile(o, i0 + i, n - i, k0 + k, n_k - k, by_item, out);
            else if (o->along)
                pack_whole(p, s, 1, !by_item, out);
            else
                pack_whole(p, s, 0, by_item, out);
        }
}

/* Where a square of sums goes. */
struct place {
    const struct gemm_job *job;
    size_t n0, n, h0, h;
    int first, last; // of the pieces along k
};

/* act(alpha sum + beta out + bias) of up to 16 columns. */
static inline void store_row(const struct gemm_job *j, float beta,
                             const float *sum, float *out, const float *bias,
                             int relu, size_t n)
{
    __mmask16 mask = mask_of(n);
    __m512 x = _mm512_mul_ps(_mm512_loadu_ps(sum), _mm512_set1_ps(j->alpha));

    if (beta != 0.0f)
        x = _mm512_add_ps(x, _mm512_mul_ps(_mm512_set1_ps(beta),
                                           _mm512_maskz_loadu_ps(mask, out)));
    if (bias)
        x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, bias));
    if (relu) // the second operand when one is NaN
        x = _mm512_max_ps(_mm512_setzero_ps(), x);
    _mm512_mask_storeu_ps(out, mask, x);
}

static float *out_of(const struct place *p)
{
    return p->job->out + p->n0 * p->job->out_stride + p->h0;
}

/* May the kernel write the result itself? Whole squares of bare sums. */
static int is_bare(const struct place *p)
{
    const struct gemm_job *j = p->job;

    return p->first && p->last && p->n == BF16_SQUARE && p->h == BF16_SQUARE &&
           j->alpha == 1.0f && j->beta == 0.0f && !j->bias && !j->relu;
}

static void store_square(const struct place *p, const float *sum)
{
    const struct gemm_job *j = p->job;
    float beta = p->first ? j->beta : 1.0f;
    int relu = p->last && j->relu;
    const float *bias = p->last && j->bias ? j->bias + p->h0 : NULL;

    for (size_t c = 0; c < p->h; c += 16) {
        float *out = out_of(p) + c;

        for (size_t r = 0; r < p->n; r++, out += j->out_stride)
            store_row(j, beta, sum + r * BF16_SQUARE + c, out,
                      bias ? bias + c : NULL, relu, p->h - c);
    }
}

static size_t smaller(size_t x, size_t y)
{
    return x < y ? x : y;
}

/* Rows n0 .., of which a holds p->n packed, times all columns. */
static void run_block(struct place p, const struct operand *right, size_t k0,
                      size_t n_k, const uint32_t *a)
{
    _Alignas(64) uint32_t b[2 * K_TILES * BF16_PAIRS];
    _Alignas(64) float sum[4 * BF16_PAIRS];
    size_t tiles = (n_k + 2 * BF16_TILE - 1) / (2 * BF16_TILE);
    size_t n0 = p.n0, rows = p.n;

    for (p.h0 = 0; p.h0 < p.job->H; p.h0 += p.h) {
        p.h = smaller(p.job->H - p.h0, BF16_SQUARE);
        pack(right, p.h0, p.h, k0, n_k, 0, b);
        for (size_t r = 0; r < rows; r += p.n) {
            p.n0 = n0 + r;
            p.n = smaller(rows - r, BF16_SQUARE);
            if (is_bare(&p)) {
                gemm_bf16_amx(a + r / BF16_TILE * tiles * BF16_PAIRS, b, tiles,
                              2, 2, out_of(&p), p.job->out_stride);
                continue;
            }
            gemm_bf16_amx(a + r / BF16_TILE * tiles * BF16_PAIRS, b, tiles,
                          p.n > 16 ? 2 : 1, p.h > 16 ? 2 : 1, sum, BF16_SQUARE);
            store_square(&p, sum);
        }
    }
}

void gemm_bf16_run(const struct gemm_job *j)
{
    _Alignas(64) uint32_t a[BLOCK_ROWS / BF16_TILE * K_TILES * BF16_PAIRS];
    struct operand left = {j->a, j->a_stride, j->form != BLAS_TN};
    struct operand right = {j->b, j->b_stride, j->form == BLAS_NT};
    struct place p = {.job = j};

    gemm_bf16_amx_begin();
    for (size_t n0 = 0; n0 < j->N; n0 += BLOCK_ROWS)
        for (size_t k0 = 0; k0 < j->M; k0 += BLOCK_INNER) {
            size_t n_k = smaller(j->M - k0, BLOCK_INNER);

            p.n0 = n0;
            p.n = smaller(j->N - n0, BLOCK_ROWS);
            p.first = k0 == 0;
            p.last = k0 + n_k == j->M;
            pack(&left, n0, p.n, k0, n_k, 1, a);
            run_block(p, &right, k0, n_k, a);
        }
    gemm_bf16_amx_end();
}
