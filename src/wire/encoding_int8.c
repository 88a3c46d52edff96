/* int8 rows with AVX-512 and AVX2. Every operation is the plain loop's, lane by
 * lane; products and sums are not fused. */
#include "wire/encoding_int8.h"

#include <string.h>

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq")))
#define AVX2 __attribute__((target("avx2")))

/* What a row is divided by.
 * @param most bits of its largest magnitude: not finite is above all
 * @return 1, or 0: the row is zeros of *scale */
static int find_scale(uint32_t most, float *scale, float *inverse)
{
    float max;

    memcpy(&max, &most, sizeof(max));
    if (most >= 0x7f800000u || max < ENCODING_SCALE_MIN) {
        *scale = most >= 0x7f800000u ? max - max : 0.0f;
        return 0;
    }
    *inverse = 127.0f / max;
    *scale = max / 127.0f;
    return 1;
}

AVX512 static inline __m512 up_avx512(uint64_t seed, size_t j)
{
    __m512i lane =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i x = _mm512_add_epi32(lane, _mm512_set1_epi32((int)j));

    x = _mm512_mullo_epi32(x, _mm512_set1_epi32((int)0x9e3779b9u));
    x = _mm512_add_epi32(x, _mm512_set1_epi32((int)(seed >> 32)));
    x = _mm512_xor_si512(x, _mm512_set1_epi32((int)seed));
    x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32(0x7feb352d));
    x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 15));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32((int)0x846ca68bu));
    x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srli_epi32(x, 8)),
                         _mm512_set1_ps(0x1p-24f));
}

AVX512 static inline uint32_t most_avx512(const float *x, size_t n)
{
    __m512i mask = _mm512_set1_epi32(0x7fffffff), most = _mm512_setzero_si512();

    for (size_t j = 0; j < n; j += 16)
        most = _mm512_max_epu32(
            most, _mm512_and_si512(mask, _mm512_loadu_si512(x + j)));
    return _mm512_reduce_max_epu32(most);
}

AVX512 static inline void round_avx512(const float *x, float inverse, __m512 up,
                                       int8_t *out)
{
    __m512 y = _mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(inverse));
    __m512i q;

    y = _mm512_add_ps(_mm512_add_ps(y, up), _mm512_set1_ps(256.0f));
    q = _mm512_sub_epi32(_mm512_cvttps_epi32(y), _mm512_set1_epi32(256));
    q = _mm512_min_epi32(q, _mm512_set1_epi32(127));
    q = _mm512_max_epi32(q, _mm512_set1_epi32(-127));
    _mm_storeu_si128((__m128i *)(void *)out, _mm512_cvtepi32_epi8(q));
}

AVX512 void encoding_int8_write_avx512(const float *rows, size_t m,
                                       size_t width, const uint64_t *seeds,
                                       float *scales, int8_t *out)
{
    for (size_t i = 0; i < m; i++, rows += width, out += width) {
        float inverse;

        if (!find_scale(most_avx512(rows, width), &scales[i], &inverse)) {
            memset(out, 0, width);
            continue;
        }
        for (size_t j = 0; j < width; j += 16)
            round_avx512(rows + j, inverse,
                         seeds ? up_avx512(seeds[i], j) : _mm512_set1_ps(0.5f),
                         out + j);
    }
}

AVX512 void encoding_int8_read_avx512(const int8_t *in, const float *scales,
                                      size_t m, size_t width, float *rows)
{
    for (size_t i = 0; i < m; i++, in += width, rows += width) {
        __m512 scale = _mm512_set1_ps(scales[i]);

        for (size_t j = 0; j < width; j += 16) {
            __m128i q =
                _mm_loadu_si128((const __m128i *)(const void *)(in + j));

            _mm512_storeu_ps(
                rows + j,
                _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)),
                              scale));
        }
    }
}

AVX2 static inline __m256 up_avx2(uint64_t seed, size_t j)
{
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i x = _mm256_add_epi32(lane, _mm256_set1_epi32((int)j));

    x = _mm256_mullo_epi32(x, _mm256_set1_epi32((int)0x9e3779b9u));
    x = _mm256_add_epi32(x, _mm256_set1_epi32((int)(seed >> 32)));
    x = _mm256_xor_si256(x, _mm256_set1_epi32((int)seed));
    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 16));
    x = _mm256_mullo_epi32(x, _mm256_set1_epi32(0x7feb352d));
    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 15));
    x = _mm256_mullo_epi32(x, _mm256_set1_epi32((int)0x846ca68bu));
    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 16));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(x, 8)),
                         _mm256_set1_ps(0x1p-24f));
}

AVX2 static inline uint32_t most_avx2(const float *x, size_t n)
{
    __m256i mask = _mm256_set1_epi32(0x7fffffff), most = _mm256_setzero_si256();
    __m128i half;

    for (size_t j = 0; j < n; j += 8) {
        const __m256i *at = (const __m256i *)(const void *)(x + j);

        most = _mm256_max_epu32(most,
                                _mm256_and_si256(mask, _mm256_loadu_si256(at)));
    }
    half = _mm_max_epu32(_mm256_castsi256_si128(most),
                         _mm256_extracti128_si256(most, 1));
    half = _mm_max_epu32(half, _mm_srli_si128(half, 8));
    half = _mm_max_epu32(half, _mm_srli_si128(half, 4));
    return (uint32_t)_mm_cvtsi128_si32(half);
}

AVX2 static inline void round_avx2(const float *x, float inverse, __m256 up,
                                   int8_t *out)
{
    __m256 y = _mm256_mul_ps(_mm256_loadu_ps(x), _mm256_set1_ps(inverse));
    __m128i half;
    __m256i q;

    y = _mm256_add_ps(_mm256_add_ps(y, up), _mm256_set1_ps(256.0f));
    q = _mm256_sub_epi32(_mm256_cvttps_epi32(y), _mm256_set1_epi32(256));
    q = _mm256_min_epi32(q, _mm256_set1_epi32(127));
    q = _mm256_max_epi32(q, _mm256_set1_epi32(-127));
    half = _mm_packs_epi32(_mm256_castsi256_si128(q),
                           _mm256_extracti128_si256(q, 1));
    _mm_storel_epi64((__m128i *)(void *)out, _mm_packs_epi16(half, half));
}

AVX2 void encoding_int8_write_avx2(const float *rows, size_t m, size_t width,
                                   const uint64_t *seeds, float *scales,
                                   int8_t *out)
{
    for (size_t i = 0; i < m; i++, rows += width, out += width) {
        float inverse;

        if (!find_scale(most_avx2(rows, width), &scales[i], &inverse)) {
            memset(out, 0, width);
            continue;
        }
        for (size_t j = 0; j < width; j += 8)
            round_avx2(rows + j, inverse,
                       seeds ? up_avx2(seeds[i], j) : _mm256_set1_ps(0.5f),
                       out + j);
    }
}

AVX2 void encoding_int8_read_avx2(const int8_t *in, const float *scales,
                                  size_t m, size_t width, float *rows)
{
    for (size_t i = 0; i < m; i++, in += width, rows += width) {
        __m256 scale = _mm256_set1_ps(scales[i]);

        for (size_t j = 0; j < width; j += 8) {
            __m128i q =
                _mm_loadl_epi64((const __m128i *)(const void *)(in + j));

            _mm256_storeu_ps(
                rows + j,
                _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)),
                              scale));
        }
    }
}

#endif
