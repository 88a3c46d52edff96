/* The loops of vec.h, compiled once for each kind of CPU by the .c file that
 * includes this: it defines VEC_TABLE, the name of its table, and its compile
 * options name the instructions. The baseline's table is the reference that
 * the others are tested against, bit for bit. */
#include <math.h>

#include "tensor/lanes.h"
#include "tensor/vec_math.h"
#include "tensor/vec_tables.h"

/* Elements of one call do not depend on each other, also when an output is an
 * input: the compiler need not look for overlaps at run time. */
#if defined(__clang__)
#define VEC_LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define VEC_LOOP _Pragma("GCC ivdep")
#endif

static float loop_dot(const float *x, const float *y, size_t n)
{
    struct lanes zero = lanes_all(0), even = zero, odd = zero;
    size_t i = 0;

    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        even = lanes_add(even, lanes_mul(lanes_load(x + i), lanes_load(y + i)));
        odd = lanes_add(odd, lanes_mul(lanes_load(x + i + LANES),
                                       lanes_load(y + i + LANES)));
    }
    if (i + LANES <= n) {
        even = lanes_add(even, lanes_mul(lanes_load(x + i), lanes_load(y + i)));
        i += LANES;
    }
    if (i < n)
        odd = lanes_add(odd, lanes_mul(lanes_load_n(x + i, n - i, zero),
                                       lanes_load_n(y + i, n - i, zero)));
    return lanes_sum(lanes_add(even, odd));
}

static float loop_sum(const float *x, size_t n)
{
    struct lanes zero = lanes_all(0), even = zero, odd = zero;
    size_t i = 0;

    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        even = lanes_add(even, lanes_load(x + i));
        odd = lanes_add(odd, lanes_load(x + i + LANES));
    }
    if (i + LANES <= n) {
        even = lanes_add(even, lanes_load(x + i));
        i += LANES;
    }
    if (i < n)
        odd = lanes_add(odd, lanes_load_n(x + i, n - i, zero));
    return lanes_sum(lanes_add(even, odd));
}

static float loop_sum_squares(const float *x, size_t n)
{
    return loop_dot(x, x, n);
}

static float loop_max(const float *x, size_t n)
{
    struct lanes least = lanes_all(-INFINITY), top = least;
    size_t i = 0;

    /* The new value comes first: a NaN in it loses the comparison. */
    for (; i + LANES <= n; i += LANES)
        top = lanes_max(lanes_load(x + i), top);
    if (i < n)
        top = lanes_max(lanes_load_n(x + i, n - i, least), top);
    return lanes_top(top);
}

static void loop_fill(float *out, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a;
}

static void loop_scale(float *out, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] *= a;
}

static void loop_axpy(float *out, float a, const float *x, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] += a * x[i];
}

static void loop_add(float *out, const float *x, const float *y, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] + y[i];
}

static void loop_mul(float *out, const float *x, const float *y, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] * y[i];
}

static void loop_mul_add(float *out, const float *x, const float *y, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] += x[i] * y[i];
}

static void loop_bias_add(float *x, const float *bias, size_t B, size_t H)
{
    for (size_t b = 0; b < B; b++, x += H) {
        VEC_LOOP
        for (size_t h = 0; h < H; h++)
            x[h] += bias[h];
    }
}

static void loop_bias_relu(float *x, const float *bias, size_t B, size_t H)
{
    for (size_t b = 0; b < B; b++, x += H) {
        VEC_LOOP
        for (size_t h = 0; h < H; h++) {
            float y = x[h] + bias[h];

            x[h] = y < 0.0f ? 0.0f : y;
        }
    }
}

/* Four rows a round: a quarter of the traffic to out, the same order. */
static void loop_column_sums(float *out, const float *x, size_t B, size_t H)
{
    size_t b = 0;

    for (; b + 4 <= B; b += 4, x += 4 * H) {
        VEC_LOOP
        for (size_t h = 0; h < H; h++)
            out[h] =
                (((out[h] + x[h]) + x[H + h]) + x[2 * H + h]) + x[3 * H + h];
    }
    for (; b < B; b++, x += H) {
        VEC_LOOP
        for (size_t h = 0; h < H; h++)
            out[h] += x[h];
    }
}

static void loop_weighted_rows(float *out, const float *a, const float *x,
                               size_t B, size_t H)
{
    size_t b = 0;

    for (; b + 4 <= B; b += 4, x += 4 * H) {
        float a0 = a[b], a1 = a[b + 1], a2 = a[b + 2], a3 = a[b + 3];

        VEC_LOOP
        for (size_t h = 0; h < H; h++)
            out[h] =
                (((out[h] + a0 * x[h]) + a1 * x[H + h]) + a2 * x[2 * H + h]) +
                a3 * x[3 * H + h];
    }
    for (; b < B; b++, x += H)
        loop_axpy(out, a[b], x, H);
}

static void loop_relu(float *out, const float *x, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] < 0.0f ? 0.0f : x[i];
}

static void loop_exp(float *out, const float *x, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = math_exp(x[i]);
}

static void loop_sigmoid(float *out, const float *x, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = math_sigmoid(x[i]);
}

static void loop_softplus(float *out, const float *x, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = math_softplus(x[i]);
}

static void loop_tanh(float *out, const float *x, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = math_tanh(x[i]);
}

static void loop_gelu(float *out, const float *x, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = math_gelu(x[i]);
}

static void loop_relu_backward(float *dx, const float *dy, const float *y,
                               size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] <= 0.0f ? 0.0f : dy[i];
}

static void loop_sigmoid_backward(float *dx, const float *dy, const float *y,
                                  size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] * (y[i] * (1.0f - y[i]));
}

static void loop_tanh_backward(float *dx, const float *dy, const float *y,
                               size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] * (1.0f - y[i] * y[i]);
}

static void loop_gelu_backward(float *dx, const float *dy, const float *x,
                               size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] * math_gelu_slope(x[i]);
}

static float loop_exp_less(float *out, const float *x, float top, size_t n)
{
    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = math_exp(x[i] - top);
    return loop_sum(out, n);
}

static float loop_softmax(float *out, const float *x, size_t n)
{
    float top = loop_max(x, n), sum;

    if (n == 0)
        return -INFINITY;
    sum = loop_exp_less(out, x, top, n);
    loop_scale(out, 1.0f / sum, n);
    return top + (float)log((double)sum);
}

static void loop_softmax_backward(float *dx, const float *dy, const float *y,
                                  size_t n)
{
    float mean = loop_dot(dy, y, n);

    VEC_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] * (dy[i] - mean);
}

#define VEC_OP(name) .name = loop_##name

const struct vec_ops VEC_TABLE = {
    VEC_OP(dot),
    VEC_OP(sum),
    VEC_OP(sum_squares),
    VEC_OP(max),
    VEC_OP(fill),
    VEC_OP(scale),
    VEC_OP(axpy),
    VEC_OP(add),
    VEC_OP(mul),
    VEC_OP(mul_add),
    VEC_OP(bias_add),
    VEC_OP(bias_relu),
    VEC_OP(column_sums),
    VEC_OP(weighted_rows),
    VEC_OP(relu),
    VEC_OP(exp),
    VEC_OP(sigmoid),
    VEC_OP(softplus),
    VEC_OP(tanh),
    VEC_OP(gelu),
    VEC_OP(relu_backward),
    VEC_OP(sigmoid_backward),
    VEC_OP(tanh_backward),
    VEC_OP(gelu_backward),
    VEC_OP(exp_less),
    VEC_OP(softmax),
    VEC_OP(softmax_backward),
};
