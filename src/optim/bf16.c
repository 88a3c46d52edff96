/* Loops between float and bfloat16, compiled once for each kind of CPU. */
#include "optim/bf16.h"

#include "base/cpu.h"
#include "optim/bf16_loop.h"

#define BF16_LEVEL(level, target)                                              \
    target static void widen_##level(const uint16_t *in, float *out, size_t n) \
    {                                                                          \
        bf16_widen_##level(in, out, n);                                        \
    }                                                                          \
    target static void round_##level(const float *in, uint16_t *out, size_t n, \
                                     uint64_t stream)                          \
    {                                                                          \
        bf16_round_##level(in, out, n, stream);                                \
    }                                                                          \
    target static void nearest_##level(const float *in, uint16_t *out,         \
                                       size_t n)                               \
    {                                                                          \
        bf16_nearest_loop(in, out, n);                                         \
    }
#define BF16_ROW(level)                               \
    {                                                 \
        widen_##level, round_##level, nearest_##level \
    }

BF16_LEVEL(plain, OPTIM_PLAIN)
#if defined(__x86_64__)
BF16_LEVEL(avx2, OPTIM_AVX2)
BF16_LEVEL(avx512, OPTIM_AVX512)
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
