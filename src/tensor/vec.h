/* Loops over arrays of floats: sums, products, activations and their gradients.
 *
 * Each is written once as a plain loop and compiled for the baseline, AVX2 and
 * AVX-512; nothing is fused or reordered, and sums run in a fixed tree of
 * lanes, so that every CPU gives the same bits for the same shape and values,
 * at any alignment.
 *
 * vec_ops() asks for the CPU each time (some nanoseconds); code that works on
 * short rows keeps the table: const struct vec_ops *v = vec_ops(); v->dot(...).
 *
 * An output may be the same array as an input, never overlap it in part. n may
 * be 0. NaN in gives NaN out. Errors stated are against the exact value, tested
 * over the whole range of floats. Threads: any.
 */
#ifndef TENSOR_VEC_H
#define TENSOR_VEC_H

#include <stddef.h>

struct vec_ops {
    /** sum x[i] y[i]; sum x[i]; sum x[i]^2. 0 for n = 0.
     * Error below (n / 32 + 6) 2^-23 of the sum of magnitudes. */
    float (*dot)(const float *x, const float *y, size_t n);
    float (*sum)(const float *x, size_t n);
    float (*sum_squares)(const float *x, size_t n);
    /** The largest; -infinity for n = 0; NaNs are passed over. */
    float (*max)(const float *x, size_t n);

    void (*fill)(float *out, float a, size_t n);
    void (*scale)(float *out, float a, size_t n);                // out *= a
    void (*axpy)(float *out, float a, const float *x, size_t n); // out += a x
    void (*add)(float *out, const float *x, const float *y, size_t n);
    void (*mul)(float *out, const float *x, const float *y, size_t n);
    /** out += x y: the gradient of a product. */
    void (*mul_add)(float *out, const float *x, const float *y, size_t n);

    /** x[B,H] += bias[H] in every row; then max(., 0) in the second. */
    void (*bias_add)(float *x, const float *bias, size_t B, size_t H);
    void (*bias_relu)(float *x, const float *bias, size_t B, size_t H);
    /** out[H] += the rows of x[B,H], added in their order. */
    void (*column_sums)(float *out, const float *x, size_t B, size_t H);
    /** out[H] += sum over b of a[b] x[b,H], in the order of b. */
    void (*weighted_rows)(float *out, const float *a, const float *x, size_t B,
                          size_t H);

    /* Activations: out = f(x). */
    void (*relu)(float *out, const float *x, size_t n);
    /** Relative error below 3e-7; 0 below -86.5, infinite above 88.7228. */
    void (*exp)(float *out, const float *x, size_t n);
    /** 1 / (1 + exp(-x)): relative error below 5e-7 above -86; 0 further
     * down. */
    void (*sigmoid)(float *out, const float *x, size_t n);
    /** log(1 + exp(x)): relative error below 5e-7 above -86. */
    void (*softplus)(float *out, const float *x, size_t n);
    /** Relative error below 5e-7. */
    void (*tanh)(float *out, const float *x, size_t n);
    /** x Phi(x), Phi the normal distribution (the exact form of Hendrycks and
     * Gimpel 2016, not its tanh approximation): error below 1e-6 max(1, |x|).
     */
    void (*gelu)(float *out, const float *x, size_t n);

    /* Their gradients: dx = dy f'. y is the activation's output, x its input.
     */
    void (*relu_backward)(float *dx, const float *dy, const float *y, size_t n);
    void (*sigmoid_backward)(float *dx, const float *dy, const float *y,
                             size_t n);
    void (*tanh_backward)(float *dx, const float *dy, const float *y, size_t n);
    void (*gelu_backward)(float *dx, const float *dy, const float *x, size_t n);

    /** out = exp(x - top). @return their sum */
    float (*exp_less)(float *out, const float *x, float top, size_t n);
    /** out = exp(x - max) / sum, one row.
     * @return log sum exp(x), what a loss needs; -infinity for n = 0 */
    float (*softmax)(float *out, const float *x, size_t n);
    /** dx = y (dy - dot(dy, y)), one row. */
    void (*softmax_backward)(float *dx, const float *dy, const float *y,
                             size_t n);
};

/** The loops for cpu_level(). */
const struct vec_ops *vec_ops(void);

#endif
