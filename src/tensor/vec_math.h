/* Elementary functions of one float, written so that a loop over them becomes
 * vector code on any CPU with the same bits: no branch, no table, no fused
 * operation. Private to src/tensor; errors are stated in vec.h.
 *
 * Polynomials: Cephes 2.8 (Moshier 1992), expf.c and tanhf.c; erfc: Press et
 * al., Numerical Recipes, 2nd ed., section 6.2. Comparisons are such that NaN
 * takes the path that keeps it.
 */
#ifndef TENSOR_VEC_MATH_H
#define TENSOR_VEC_MATH_H

#include <math.h>
#include <stdint.h>

union math_bits {
    float f;
    uint32_t u;
};

#define MATH_EXP_LOW -86.5f     /* below, 2^k would be subnormal */
#define MATH_EXP_HIGH 88.72283f /* log(FLT_MAX) */

/* exp(x) = 2^k exp(r), k = round(x / log 2), |r| <= log(2) / 2. Adding 1.5 2^23
 * rounds to an integer and leaves it in the low bits. */
static inline float math_exp(float x)
{
    float low = x < MATH_EXP_LOW ? MATH_EXP_LOW : x;
    float c = low > MATH_EXP_HIGH ? MATH_EXP_HIGH : low;
    union math_bits t = {.f = c * 1.44269504f + 12582912.0f}, power;
    float k = t.f - 12582912.0f;
    float r = (c - k * 0.693359375f) - k * -2.12194440e-4f;
    float p = 1.9875691500e-4f, e;

    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    e = (p * (r * r) + r) + 1.0f;
    power.u = (t.u - 0x4b400000u + 126u) << 23; // 2^(k - 1): k = 128 fits
    e = e * power.f * 2.0f;
    e = x < MATH_EXP_LOW ? 0.0f : e;
    return x > MATH_EXP_HIGH ? INFINITY : e;
}

static inline float math_sigmoid(float x)
{
    return 1.0f / (1.0f + math_exp(-x));
}

/* max(x, 0) + log(1 + u), u = exp(-|x|); log(1 + u) = 2 atanh(s), s = u/(2+u),
 * s <= 1/3: the series up to s^13 leaves less than 2e-8. */
static inline float math_softplus(float x)
{
    float u = math_exp(-fabsf(x)), s = u / (2.0f + u), z = s * s;
    float p = 1.0f / 13.0f;

    p = p * z + 1.0f / 11.0f;
    p = p * z + 1.0f / 9.0f;
    p = p * z + 1.0f / 7.0f;
    p = p * z + 1.0f / 5.0f;
    p = p * z + 1.0f / 3.0f;
    p = p * z + 1.0f;
    return (x < 0.0f ? 0.0f : x) + 2.0f * s * p;
}

static inline float math_tanh(float x)
{
    float a = fabsf(x), z = x * x;
    float far = 1.0f - 2.0f / (math_exp(2.0f * a) + 1.0f);
    float p = -5.70498872745e-3f;

    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    return a < 0.625f ? p * z * x + x : copysignf(far, x);
}

/* The normal distribution function, erfc(-x / sqrt(2)) / 2. */
static inline float math_normal_cdf(float x)
{
    float z = fabsf(x) * 0.707106781f, t = 1.0f / (1.0f + 0.5f * z);
    float p = 0.17087277f, tail;

    p = p * t - 0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t - 1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t - 0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t - 1.26551223f;
    tail = 0.5f * t * math_exp(p - z * z);
    return x < 0.0f ? tail : 1.0f - tail;
}

/* An infinite x has Phi = 0 or 1 and x Phi would be NaN at -infinity. */
static inline float math_gelu(float x)
{
    float y = x * math_normal_cdf(x);

    return x < -30.0f ? 0.0f : y;
}

static inline float math_gelu_slope(float x)
{
    float c = x < -30.0f ? -30.0f : x;
    float s = c > 30.0f ? 30.0f : c;

    return math_normal_cdf(s) + s * 0.398942280f * math_exp(-0.5f * s * s);
}

#endif
