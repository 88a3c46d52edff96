/* Loops between float and bfloat16, compiled once for each kind of CPU. The
 * random bits of element i are 16 of a 32-bit hash of (stream, i): the
 * finaliser of MurmurHash3 (Appleby), which needs no wide products. */
#include "optim/bf16.h"

#include <string.h>

#include "optim/rule.h"

#define GOLDEN 0x9e3779b9u /* 2^32 / golden ratio: spreads neighbours */

static inline __attribute__((always_inline)) uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static inline __attribute__((always_inline)) uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ (x >> 16);
}

/* Add below the cut, then cut; the rest of a NaN must not carry into its
 * exponent, nor vanish and leave an infinity. */
static inline __attribute__((always_inline)) uint16_t cut(uint32_t bits,
                                                          uint32_t add)
{
    uint32_t whole = bits & 0x7fffffffu;
    uint32_t quiet = whole > 0x7f800000u ? 0x40u : 0;
    uint32_t sum = whole >= 0x7f800000u ? bits : bits + add;

    return (uint16_t)(sum >> 16 | quiet);
}

OPTIM_LOOP widen_loop(const uint16_t *in, float *out, size_t n)
{
    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)in[i] << 16;

        memcpy(&out[i], &bits, sizeof(bits));
    }
}

OPTIM_LOOP round_loop(const float *in, uint16_t *out, size_t n, uint64_t stream)
{
    uint32_t a = (uint32_t)stream, b = (uint32_t)(stream >> 32);

    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++)
        out[i] = cut(bits_of(in[i]), mix((a + (uint32_t)i * GOLDEN) ^ b) >> 16);
}

OPTIM_LOOP nearest_loop(const float *in, uint16_t *out, size_t n)
{
    OPTIM_VECTOR
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = bits_of(in[i]);

        out[i] = cut(bits, 0x7fffu + (bits >> 16 & 1));
    }
}

#define BF16_LEVEL(level, target)                                              \
    target static void widen_##level(const uint16_t *in, float *out, size_t n) \
    {                                                                          \
        widen_loop(in, out, n);                                                \
    }                                                                          \
    target static void round_##level(const float *in, uint16_t *out, size_t n, \
                                     uint64_t stream)                          \
    {                                                                          \
        round_loop(in, out, n, stream);                                        \
    }                                                                          \
    target static void nearest_##level(const float *in, uint16_t *out,         \
                                       size_t n)                               \
    {                                                                          \
        nearest_loop(in, out, n);                                              \
    }
#define BF16_ROW(level)                               \
    {                                                 \
        widen_##level, round_##level, nearest_##level \
    }

BF16_LEVEL(plain, )
#if defined(__x86_64__)
BF16_LEVEL(avx2, __attribute__((target("avx2"))))
BF16_LEVEL(avx512,
           __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq"))))
#endif

const struct bf16_ops *bf16_ops(void)
{
    static const struct bf16_ops levels[] = {
        [CPU_PLAIN] = BF16_ROW(plain),
#if defined(__x86_64__)
        [CPU_AVX2] = BF16_ROW(avx2),
        [CPU_AVX512] = BF16_ROW(avx512),
#endif
    };

    return &levels[cpu_level()];
}
