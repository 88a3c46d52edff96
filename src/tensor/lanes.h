/* Sixteen floats at once, in the registers the including file is compiled for.
 * Sums in lanes are what lets a reduction run in parallel in one order on every
 * CPU. Private to src/tensor. */
#ifndef TENSOR_LANES_H
#define TENSOR_LANES_H

#include <stddef.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define LANES 16

#if defined(__AVX512F__)

struct lanes {
    __m512 v;
};

static inline struct lanes lanes_all(float a)
{
    return (struct lanes){_mm512_set1_ps(a)};
}

static inline struct lanes lanes_load(const float *p)
{
    return (struct lanes){_mm512_loadu_ps(p)};
}

/* The first n < 16; the rest are those of `rest`. */
static inline struct lanes lanes_load_n(const float *p, size_t n,
                                        struct lanes rest)
{
    __mmask16 mask = (__mmask16)((1u << n) - 1);

    return (struct lanes){_mm512_mask_loadu_ps(rest.v, mask, p)};
}

static inline struct lanes lanes_add(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm512_add_ps(a.v, b.v)};
}

static inline struct lanes lanes_mul(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm512_mul_ps(a.v, b.v)};
}

/* a > b ? a : b */
static inline struct lanes lanes_max(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm512_max_ps(a.v, b.v)};
}

static inline __m256 lanes_high(struct lanes a)
{
    return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a.v), 1));
}

static inline __m256 lanes_low(struct lanes a)
{
    return _mm512_castps512_ps256(a.v);
}

#elif defined(__AVX2__)

struct lanes {
    __m256 low, high;
};

static inline struct lanes lanes_all(float a)
{
    return (struct lanes){_mm256_set1_ps(a), _mm256_set1_ps(a)};
}

static inline struct lanes lanes_load(const float *p)
{
    return (struct lanes){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

static inline __m256 lanes_load_half(const float *p, int n, __m256 rest)
{
    __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(n), index);

    return _mm256_blendv_ps(rest, _mm256_maskload_ps(p, mask),
                            _mm256_castsi256_ps(mask));
}

static inline struct lanes lanes_load_n(const float *p, size_t n,
                                        struct lanes rest)
{
    size_t first = n < 8 ? n : 8;

    return (struct lanes){
        lanes_load_half(p, (int)first, rest.low),
        lanes_load_half(p + first, (int)(n - first), rest.high)};
}

static inline struct lanes lanes_add(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm256_add_ps(a.low, b.low),
                          _mm256_add_ps(a.high, b.high)};
}

static inline struct lanes lanes_mul(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm256_mul_ps(a.low, b.low),
                          _mm256_mul_ps(a.high, b.high)};
}

static inline struct lanes lanes_max(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm256_max_ps(a.low, b.low),
                          _mm256_max_ps(a.high, b.high)};
}

static inline __m256 lanes_high(struct lanes a)
{
    return a.high;
}

static inline __m256 lanes_low(struct lanes a)
{
    return a.low;
}

#else

struct lanes {
    float v[LANES];
};

static inline struct lanes lanes_all(float a)
{
    struct lanes out;

    for (size_t j = 0; j < LANES; j++)
        out.v[j] = a;
    return out;
}

static inline struct lanes lanes_load_n(const float *p, size_t n,
                                        struct lanes rest)
{
    for (size_t j = 0; j < n; j++)
        rest.v[j] = p[j];
    return rest;
}

static inline struct lanes lanes_load(const float *p)
{
    return lanes_load_n(p, LANES, lanes_all(0));
}

static inline struct lanes lanes_add(struct lanes a, struct lanes b)
{
    for (size_t j = 0; j < LANES; j++)
        a.v[j] += b.v[j];
    return a;
}

static inline struct lanes lanes_mul(struct lanes a, struct lanes b)
{
    for (size_t j = 0; j < LANES; j++)
        a.v[j] *= b.v[j];
    return a;
}

static inline struct lanes lanes_max(struct lanes a, struct lanes b)
{
    for (size_t j = 0; j < LANES; j++)
        a.v[j] = a.v[j] > b.v[j] ? a.v[j] : b.v[j];
    return a;
}

#endif

/* Join lane j with lane j + 8, then + 4, + 2, + 1. */
#if defined(__AVX2__)

static inline float lanes_sum(struct lanes a)
{
    __m256 eight = _mm256_add_ps(lanes_low(a), lanes_high(a));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight),
                             _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float lanes_top(struct lanes a)
{
    __m256 eight = _mm256_max_ps(lanes_low(a), lanes_high(a));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight),
                             _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#else

static inline float lanes_sum(struct lanes a)
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++)
            a.v[j] += a.v[j + half];
    return a.v[0];
}

static inline float lanes_top(struct lanes a)
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++)
            a.v[j] = a.v[j] > a.v[j + half] ? a.v[j] : a.v[j + half];
    return a.v[0];
}

#endif
#endif
