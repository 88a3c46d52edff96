/* The loops of bf16.h as text, for kernels that contain them: private to
 * src/optim.
 *
 * The random bits of element i are the upper half of
 *   x ^= x >> 15;  x *= c,  where x = (a + i GOLDEN) ^ b
 * and a, b are the halves of the stream, which is a good hash already. Both
 * lines are bijections, so an element's bits are as even as its stream; what
 * is left is that elements of a row look independent, which one multiplication
 * is enough for (tests/optim/test_bf16.c).
 *
 * AVX512-BF16 has no part in this: its conversion rounds to the nearest only,
 * and takes denormals for zeros. */
#ifndef OPTIM_BF16_LOOP_H
#define OPTIM_BF16_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "optim/vector.h"

#define BF16_GOLDEN 0x9e3779b9u // 2^32 / golden ratio: spreads neighbours
#define BF16_MIX 0x2c1b3c6d
#define BF16_QUIET 0x400000 // what tells a NaN from an infinity

OPTIM_INLINE uint32_t bf16_noise(uint32_t x)
{
    x ^= x >> 15;
    return x * BF16_MIX >> 16;
}

OPTIM_INLINE float bf16_float(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

OPTIM_INLINE uint32_t bf16_bits(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

/* Add below the cut, then cut; the rest of a NaN must not carry into its
 * exponent, nor vanish and leave an infinity. What lies below the cut of an
 * infinity is zero: nothing carries. */
OPTIM_INLINE uint16_t bf16_cut(float x, uint32_t add)
{
    uint32_t bits = bf16_bits(x);
    int nan = (bits & 0x7fffffffu) > 0x7f800000u;

    return (uint16_t)((nan ? bits | BF16_QUIET : bits + add) >> 16);
}

OPTIM_LOOP bf16_widen_plain(const uint16_t *in, float *out, size_t n)
{
    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++)
        out[i] = bf16_float(in[i]);
}

OPTIM_LOOP bf16_round_plain(const float *in, uint16_t *out, size_t n,
                            uint64_t stream)
{
    uint32_t a = (uint32_t)stream, b = (uint32_t)(stream >> 32);

    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++)
        out[i] =
            bf16_cut(in[i], bf16_noise((a + (uint32_t)i * BF16_GOLDEN) ^ b));
}

/* Fewer than a vector. */
OPTIM_LOOP bf16_widen_few(const uint16_t *in, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = bf16_float(in[i]);
}

OPTIM_LOOP bf16_round_few(const float *in, uint16_t *out, size_t n,
                          uint64_t stream)
{
    uint32_t a = (uint32_t)stream, b = (uint32_t)(stream >> 32);

    for (size_t i = 0; i < n; i++, a += BF16_GOLDEN)
        out[i] = bf16_cut(in[i], bf16_noise(a ^ b));
}

/* To the nearest, ties to even. */
OPTIM_LOOP bf16_nearest_loop(const float *in, uint16_t *out, size_t n)
{
    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++)
        out[i] = bf16_cut(in[i], 0x7fffu + (bf16_bits(in[i]) >> 16 & 1));
}

#if defined(__x86_64__)
#include "optim/bf16_x86.h"
#endif

#endif
