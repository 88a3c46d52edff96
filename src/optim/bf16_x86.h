/* The loops of bf16_loop.h with AVX-512 and AVX2: the same operations lane by
 * lane, hence the same bits. Private to src/optim.
 *
 * Compilers vectorise the plain loops too, but not for rows: what is left over
 * by their vectors of 32 halves is most of a row. */
#ifndef OPTIM_BF16_X86_H
#define OPTIM_BF16_X86_H

#include <immintrin.h>

#include "optim/bf16_loop.h"

OPTIM_AVX512 OPTIM_INLINE __m512i bf16_lanes_avx512(void)
{
    return _mm512_mullo_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_set1_epi32((int)BF16_GOLDEN));
}

OPTIM_AVX512 OPTIM_INLINE __m256i bf16_round16_avx512(__m512 values, __m512i x)
{
    __m512i bits = _mm512_castps_si512(values);
    __mmask16 nan = _mm512_fpclass_ps_mask(values, 0x81); // quiet, signalling
    __m512i sum;

    x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 15));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32(BF16_MIX));
    sum = _mm512_add_epi32(bits, _mm512_srli_epi32(x, 16));
    sum = _mm512_mask_or_epi32(sum, nan, bits, _mm512_set1_epi32(BF16_QUIET));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(sum, 16));
}

OPTIM_AVX512 OPTIM_LOOP bf16_widen_avx512(const uint16_t *in, float *out,
                                          size_t n)
{
    for (; n >= 16; n -= 16, in += 16, out += 16) {
        __m256i halves = _mm256_loadu_si256((const __m256i *)(const void *)in);

        _mm512_storeu_si512(
            out, _mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
    }
    if (n) {
        __mmask16 rest = (__mmask16)((1u << n) - 1);
        __m256i halves = _mm256_maskz_loadu_epi16(rest, in);

        _mm512_mask_storeu_epi32(
            out, rest, _mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
    }
}

OPTIM_AVX512 OPTIM_LOOP bf16_round_avx512(const float *in, uint16_t *out,
                                          size_t n, uint64_t stream)
{
    __m512i a = _mm512_add_epi32(bf16_lanes_avx512(),
                                 _mm512_set1_epi32((int)(uint32_t)stream));
    __m512i b = _mm512_set1_epi32((int)(stream >> 32));

    for (; n >= 16; n -= 16, in += 16, out += 16) {
        _mm256_storeu_si256(
            (__m256i *)(void *)out,
            bf16_round16_avx512(_mm512_loadu_ps(in), _mm512_xor_si512(a, b)));
        a = _mm512_add_epi32(a, _mm512_set1_epi32((int)(16 * BF16_GOLDEN)));
    }
    if (n) {
        __mmask16 rest = (__mmask16)((1u << n) - 1);

        _mm256_mask_storeu_epi16(
            out, rest,
            bf16_round16_avx512(_mm512_maskz_loadu_ps(rest, in),
                                _mm512_xor_si512(a, b)));
    }
}

OPTIM_AVX2 OPTIM_INLINE __m256i bf16_lanes_avx2(void)
{
    return _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                              _mm256_set1_epi32((int)BF16_GOLDEN));
}

/* The rounded half of each lane, zeros above it. */
OPTIM_AVX2 OPTIM_INLINE __m256i bf16_round8_avx2(__m256 values, __m256i x)
{
    __m256i bits = _mm256_castps_si256(values);
    __m256 nan = _mm256_cmp_ps(values, values, _CMP_UNORD_Q);
    __m256i sum, quiet;

    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 15));
    x = _mm256_mullo_epi32(x, _mm256_set1_epi32(BF16_MIX));
    sum = _mm256_add_epi32(bits, _mm256_srli_epi32(x, 16));
    quiet = _mm256_or_si256(bits, _mm256_set1_epi32(BF16_QUIET));
    sum = _mm256_castps_si256(_mm256_blendv_ps(
        _mm256_castsi256_ps(sum), _mm256_castsi256_ps(quiet), nan));
    return _mm256_srli_epi32(sum, 16);
}

OPTIM_AVX2 OPTIM_LOOP bf16_widen_avx2(const uint16_t *in, float *out, size_t n)
{
    for (; n >= 8; n -= 8, in += 8, out += 8) {
        __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)in);

        _mm256_storeu_si256(
            (__m256i *)(void *)out,
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
    }
    for (size_t i = 0; i < n; i++)
        out[i] = bf16_float(in[i]);
}

OPTIM_AVX2 OPTIM_LOOP bf16_round_avx2(const float *in, uint16_t *out, size_t n,
                                      uint64_t stream)
{
    uint32_t a = (uint32_t)stream, b = (uint32_t)(stream >> 32);
    __m256i lanes = bf16_lanes_avx2(), high = _mm256_set1_epi32((int)b);

    for (; n >= 8; n -= 8, in += 8, out += 8) {
        __m256i x = _mm256_add_epi32(lanes, _mm256_set1_epi32((int)a));
        __m256i y =
            bf16_round8_avx2(_mm256_loadu_ps(in), _mm256_xor_si256(x, high));

        _mm_storeu_si128((__m128i *)(void *)out,
                         _mm_packus_epi32(_mm256_castsi256_si128(y),
                                          _mm256_extracti128_si256(y, 1)));
        a += 8 * BF16_GOLDEN;
    }
    for (size_t i = 0; i < n; i++, a += BF16_GOLDEN)
        out[i] = bf16_cut(in[i], bf16_noise(a ^ b));
}

#endif
