/* The loops of bf16_loop.h with AVX-512 and AVX2: the same operations lane by
 * lane, hence the same bits. Private to src/optim.
 *
 * Compilers vectorise the plain loops too, but not for rows: what is left over
 * by their vectors of 32 halves is most of a row. A rest is done by the last
 * whole vector that fits, which does some elements twice; it comes first, so
 * that whoever reads the floats in whole vectors meets whole stores. */
#ifndef OPTIM_BF16_X86_H
#define OPTIM_BF16_X86_H

#include <immintrin.h>

#include "optim/bf16_loop.h"

OPTIM_AVX2 OPTIM_LOOP bf16_widen8_avx2(const uint16_t *in, float *out)
{
    __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)in);

    _mm256_storeu_si256((__m256i *)(void *)out,
                        _mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

/* @param a of the first element */
OPTIM_AVX2 OPTIM_LOOP bf16_round8_avx2(const float *in, uint16_t *out,
                                       uint32_t a, uint32_t b)
{
    __m256i lanes =
        _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                           _mm256_set1_epi32((int)BF16_GOLDEN));
    __m256 values = _mm256_loadu_ps(in);
    __m256i bits = _mm256_castps_si256(values);
    __m256 nan = _mm256_cmp_ps(values, values, _CMP_UNORD_Q);
    __m256i x =
        _mm256_xor_si256(_mm256_add_epi32(lanes, _mm256_set1_epi32((int)a)),
                         _mm256_set1_epi32((int)b));
    __m256i sum, quiet;

    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 15));
    x = _mm256_mullo_epi32(x, _mm256_set1_epi32(BF16_MIX));
    sum = _mm256_add_epi32(bits, _mm256_srli_epi32(x, 16));
    quiet = _mm256_or_si256(bits, _mm256_set1_epi32(BF16_QUIET));
    sum = _mm256_castps_si256(_mm256_blendv_ps(
        _mm256_castsi256_ps(sum), _mm256_castsi256_ps(quiet), nan));
    sum = _mm256_srli_epi32(sum, 16);
    _mm_storeu_si128((__m128i *)(void *)out,
                     _mm_packus_epi32(_mm256_castsi256_si128(sum),
                                      _mm256_extracti128_si256(sum, 1)));
}

OPTIM_AVX2 OPTIM_LOOP bf16_widen_avx2(const uint16_t *in, float *out, size_t n)
{
    if (n < 8) {
        bf16_widen_few(in, out, n);
        return;
    }
    if (n % 8)
        bf16_widen8_avx2(in + n - 8, out + n - 8);
    for (size_t i = 0; i + 8 <= n; i += 8)
        bf16_widen8_avx2(in + i, out + i);
}

OPTIM_AVX2 OPTIM_LOOP bf16_round_avx2(const float *in, uint16_t *out, size_t n,
                                      uint64_t stream)
{
    uint32_t a = (uint32_t)stream, b = (uint32_t)(stream >> 32);

    if (n < 8) {
        bf16_round_few(in, out, n, stream);
        return;
    }
    if (n % 8)
        bf16_round8_avx2(in + n - 8, out + n - 8,
                         a + (uint32_t)(n - 8) * BF16_GOLDEN, b);
    for (size_t i = 0; i + 8 <= n; i += 8)
        bf16_round8_avx2(in + i, out + i, a + (uint32_t)i * BF16_GOLDEN, b);
}

OPTIM_AVX512 OPTIM_LOOP bf16_widen16_avx512(const uint16_t *in, float *out)
{
    __m256i halves = _mm256_loadu_si256((const __m256i *)(const void *)in);

    _mm512_storeu_si512(out,
                        _mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

OPTIM_AVX512 OPTIM_LOOP bf16_round16_avx512(const float *in, uint16_t *out,
                                            uint32_t a, uint32_t b)
{
    __m512i lanes = _mm512_mullo_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_set1_epi32((int)BF16_GOLDEN));
    __m512 values = _mm512_loadu_ps(in);
    __m512i bits = _mm512_castps_si512(values);
    __mmask16 nan = _mm512_fpclass_ps_mask(values, 0x81); // quiet, signalling
    __m512i x =
        _mm512_xor_si512(_mm512_add_epi32(lanes, _mm512_set1_epi32((int)a)),
                         _mm512_set1_epi32((int)b));
    __m512i sum;

    x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 15));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32(BF16_MIX));
    sum = _mm512_add_epi32(bits, _mm512_srli_epi32(x, 16));
    sum = _mm512_mask_or_epi32(sum, nan, bits, _mm512_set1_epi32(BF16_QUIET));
    _mm256_storeu_si256((__m256i *)(void *)out,
                        _mm512_cvtepi32_epi16(_mm512_srli_epi32(sum, 16)));
}

OPTIM_AVX512 OPTIM_LOOP bf16_widen_avx512(const uint16_t *in, float *out,
                                          size_t n)
{
    if (n < 16) {
        bf16_widen_avx2(in, out, n);
        return;
    }
    if (n % 16)
        bf16_widen16_avx512(in + n - 16, out + n - 16);
    for (size_t i = 0; i + 16 <= n; i += 16)
        bf16_widen16_avx512(in + i, out + i);
}

OPTIM_AVX512 OPTIM_LOOP bf16_round_avx512(const float *in, uint16_t *out,
                                          size_t n, uint64_t stream)
{
    uint32_t a = (uint32_t)stream, b = (uint32_t)(stream >> 32);

    if (n < 16) {
        bf16_round_avx2(in, out, n, stream);
        return;
    }
    if (n % 16)
        bf16_round16_avx512(in + n - 16, out + n - 16,
                            a + (uint32_t)(n - 16) * BF16_GOLDEN, b);
    for (size_t i = 0; i + 16 <= n; i += 16)
        bf16_round16_avx512(in + i, out + i, a + (uint32_t)i * BF16_GOLDEN, b);
}

#endif
