/* Loops over rows, compiled once per kind of CPU. Every expression has one
 * fixed order and nothing is fused, so all versions give the same bits.
 * Private to src/model.
 *
 *   static inline void add_body(float *y, const float *x, uint32_t n) {...}
 *   KERNEL(add, (float *y, const float *x, uint32_t n), (y, x, n))
 *
 * makes a static function add() that runs the version for this CPU. The body
 * must be KERNEL_BODY. */
#ifndef MODEL_LAYER_KERNEL_H
#define MODEL_LAYER_KERNEL_H

#include <stdint.h>

#include "base/cpu.h"

#define KERNEL_BODY static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define KERNEL_AVX2 __attribute__((target("avx2,fma")))
#define KERNEL_AVX512 \
    __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq")))
#else
#define KERNEL_AVX2
#define KERNEL_AVX512
#endif

#define KERNEL(name, params, args)                 \
    static void name##_plain params                \
    {                                              \
        name##_body args;                          \
    }                                              \
    KERNEL_AVX2 static void name##_avx2 params     \
    {                                              \
        name##_body args;                          \
    }                                              \
    KERNEL_AVX512 static void name##_avx512 params \
    {                                              \
        name##_body args;                          \
    }                                              \
    static void name params                        \
    {                                              \
        enum cpu_level kernel_level = cpu_level(); \
                                                   \
        if (kernel_level == CPU_AVX512)            \
            name##_avx512 args;                    \
        else if (kernel_level == CPU_AVX2)         \
            name##_avx2 args;                      \
        else                                       \
            name##_plain args;                     \
    }

/* 16 and 4 floats at any address. */
typedef float kernel_v16
    __attribute__((vector_size(64), aligned(4), may_alias));
typedef float kernel_v4 __attribute__((vector_size(16), aligned(4), may_alias));

#define KERNEL_AT16(p) (*(kernel_v16 *)(p))
#define KERNEL_AT4(p) (*(kernel_v4 *)(p))
#define KERNEL_GET16(p) (*(const kernel_v16 *)(p))
#define KERNEL_GET4(p) (*(const kernel_v4 *)(p))

KERNEL_BODY void row_zero(float *y, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        y[i] = 0.0f;
}

KERNEL_BODY void row_copy(float *restrict y, const float *restrict x,
                          uint32_t n)
{
    uint32_t i = 0;

    for (; i + 16 <= n; i += 16)
        KERNEL_AT16(y + i) = KERNEL_GET16(x + i);
    for (; i + 4 <= n; i += 4)
        KERNEL_AT4(y + i) = KERNEL_GET4(x + i);
    for (; i < n; i++)
        y[i] = x[i];
}

/** y += a x */
KERNEL_BODY void row_axpy(float *restrict y, float a, const float *restrict x,
                          uint32_t n)
{
    uint32_t i = 0;

    for (; i + 16 <= n; i += 16)
        KERNEL_AT16(y + i) += a * KERNEL_GET16(x + i);
    for (; i + 4 <= n; i += 4)
        KERNEL_AT4(y + i) += a * KERNEL_GET4(x + i);
    for (; i < n; i++)
        y[i] += a * x[i];
}

/** y += a x + b z */
KERNEL_BODY void row_axpbz(float *restrict y, float a, const float *restrict x,
                           float b, const float *restrict z, uint32_t n)
{
    uint32_t i = 0;

    for (; i + 16 <= n; i += 16)
        KERNEL_AT16(y + i) += a * KERNEL_GET16(x + i) + b * KERNEL_GET16(z + i);
    for (; i + 4 <= n; i += 4)
        KERNEL_AT4(y + i) += a * KERNEL_GET4(x + i) + b * KERNEL_GET4(z + i);
    for (; i < n; i++)
        y[i] += a * x[i] + b * z[i];
}

/** y += x * z, element by element */
KERNEL_BODY void row_add_product(float *restrict y, const float *restrict x,
                                 const float *restrict z, uint32_t n)
{
    uint32_t i = 0;

    for (; i + 16 <= n; i += 16)
        KERNEL_AT16(y + i) += KERNEL_GET16(x + i) * KERNEL_GET16(z + i);
    for (; i + 4 <= n; i += 4)
        KERNEL_AT4(y + i) += KERNEL_GET4(x + i) * KERNEL_GET4(z + i);
    for (; i < n; i++)
        y[i] += x[i] * z[i];
}

/** The 16 lanes in a fixed tree. By address: a vector in an argument would need
 * its registers in every version. */
KERNEL_BODY float lanes_sum(const kernel_v16 *lanes)
{
    kernel_v16 a = *lanes;
    kernel_v4 b = (__builtin_shufflevector(a, a, 0, 1, 2, 3) +
                   __builtin_shufflevector(a, a, 4, 5, 6, 7)) +
                  (__builtin_shufflevector(a, a, 8, 9, 10, 11) +
                   __builtin_shufflevector(a, a, 12, 13, 14, 15));

    return (b[0] + b[2]) + (b[1] + b[3]);
}

/** x . z, summed in 16 lanes, then in a fixed tree */
KERNEL_BODY float row_dot(const float *restrict x, const float *restrict z,
                          uint32_t n)
{
    kernel_v16 a = {0.0f};
    kernel_v4 b = {0.0f};
    float c = 0.0f;
    uint32_t i = 0;

    for (; i + 16 <= n; i += 16)
        a += KERNEL_GET16(x + i) * KERNEL_GET16(z + i);
    for (; i + 4 <= n; i += 4)
        b += KERNEL_GET4(x + i) * KERNEL_GET4(z + i);
    for (; i < n; i++)
        c += x[i] * z[i];
    b += (__builtin_shufflevector(a, a, 0, 1, 2, 3) +
          __builtin_shufflevector(a, a, 4, 5, 6, 7)) +
         (__builtin_shufflevector(a, a, 8, 9, 10, 11) +
          __builtin_shufflevector(a, a, 12, 13, 14, 15));
    return c + ((b[0] + b[2]) + (b[1] + b[3]));
}

/** sum of x in 16 lanes, then in a fixed tree */
KERNEL_BODY float row_sum(const float *restrict x, uint32_t n)
{
    kernel_v16 a = {0.0f};
    float c = 0.0f;
    uint32_t i = 0;

    for (; i + 16 <= n; i += 16)
        a += KERNEL_GET16(x + i);
    for (; i < n; i++)
        c += x[i];
    return c + lanes_sum(&a);
}

KERNEL_BODY void row_prefetch(const float *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 16)
        __builtin_prefetch(p + i);
    __builtin_prefetch(p + n - 1);
}

#endif
