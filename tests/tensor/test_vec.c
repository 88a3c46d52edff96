/* Every loop of vec.h against the plain formula in double, for all lengths
 * 0..70 and every alignment, and every CPU level against the baseline. */
#include "tensor/vec.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "harness.h"
#include "tensor/tensor.h"

#define N_MAX 70
#define ROOM (N_MAX + 32)
#define ULP 0x1p-23

/* Three arrays, each moved by its own number of floats. */
struct arrays {
    float x_room[ROOM], y_room[ROOM], out_room[ROOM];
    float *x, *y, *out;
    size_t n;
};

static void arrays_fill(struct arrays *a, size_t n, size_t shift)
{
    struct rng g = rng_stream(n, RNG_TEST, 1, 0);

    memset(a, 0, sizeof(*a));
    a->n = n;
    a->x = a->x_room + shift % 17;
    a->y = a->y_room + (shift * 5) % 17;
    a->out = a->out_room + (shift * 7) % 17;
    for (size_t i = 0; i < n; i++) {
        a->x[i] = (float)(3 * rng_normal(&g));
        a->y[i] = (float)rng_normal(&g);
        a->out[i] = (float)rng_normal(&g);
    }
}

/* Nothing before out or after it was written. */
static void check_bounds(const struct arrays *a)
{
    for (size_t i = 0; i < ROOM; i++) {
        const float *p = a->out_room + i;

        if (p < a->out || p >= a->out + a->n)
            CHECK(*p == 0);
    }
}

static void reductions_equal_the_plain_sums(void)
{
    const struct vec_ops *v = vec_ops();
    struct arrays a;

    for (size_t n = 0; n <= N_MAX; n++) {
        double dot = 0, sum = 0, square = 0, all_dot = 0, all = 0;
        double top = -INFINITY, bound = ((double)n / 32 + 6) * ULP;

        arrays_fill(&a, n, n);
        for (size_t i = 0; i < n; i++) {
            double x = a.x[i], y = a.y[i];

            dot += x * y;
            all_dot += fabs(x * y);
            sum += x;
            all += fabs(x);
            square += x * x;
            top = x > top ? x : top;
        }
        CHECK(fabs(v->dot(a.x, a.y, n) - dot) <= bound * all_dot);
        CHECK(fabs(v->sum(a.x, n) - sum) <= bound * all);
        CHECK(fabs(v->sum_squares(a.x, n) - square) <= bound * square);
        CHECK(v->max(a.x, n) == (float)top);
    }
}

static void max_passes_over_nan(void)
{
    float x[19];

    for (int i = 0; i < 19; i++)
        x[i] = i == 3 || i == 17 ? NAN : (float)-i;
    CHECK(vec_ops()->max(x, 19) == 0);
    CHECK(isnan(vec_ops()->sum(x, 19)));
}

static void arithmetic_is_exact(void)
{
    const struct vec_ops *v = vec_ops();
    struct arrays a, b;

    for (size_t n = 0; n <= N_MAX; n++) {
        arrays_fill(&a, n, n + 3);
#define SAME(call, value)               \
    do {                                \
        arrays_fill(&b, n, n + 3);      \
        call;                           \
        for (size_t i = 0; i < n; i++)  \
            CHECK(b.out[i] == (value)); \
        check_bounds(&b);               \
    } while (0)
        SAME(v->fill(b.out, 2.5f, n), 2.5f);
        SAME(v->scale(b.out, 2.5f, n), a.out[i] * 2.5f);
        SAME(v->axpy(b.out, 0.3f, b.x, n), a.out[i] + 0.3f * a.x[i]);
        SAME(v->add(b.out, b.x, b.y, n), a.x[i] + a.y[i]);
        SAME(v->mul(b.out, b.x, b.y, n), a.x[i] * a.y[i]);
        SAME(v->mul(b.out, b.out, b.y, n), a.out[i] * a.y[i]);
        SAME(v->mul_add(b.out, b.x, b.y, n), a.out[i] + a.x[i] * a.y[i]);
        SAME(v->relu(b.out, b.x, n), a.x[i] > 0 ? a.x[i] : 0);
        SAME(v->relu(b.out, b.out, n), a.out[i] > 0 ? a.out[i] : 0);
        SAME(v->relu_backward(b.out, b.x, b.y, n), a.y[i] > 0 ? a.x[i] : 0);
#undef SAME
    }
}

static void rows_take_a_bias(void)
{
    const struct vec_ops *v = vec_ops();
    struct arrays a, b;

    for (size_t H = 1; H <= 14; H++) {
        arrays_fill(&a, 5 * H, H);
        b = a;
        v->bias_add(b.x_room + H % 17, a.y, 5, H);
        for (size_t i = 0; i < 5 * H; i++)
            CHECK(b.x_room[H % 17 + i] == a.x[i] + a.y[i % H]);
        b = a;
        v->bias_relu(b.x_room + H % 17, a.y, 5, H);
        for (size_t i = 0; i < 5 * H; i++)
            CHECK(b.x_room[H % 17 + i] == fmaxf(a.x[i] + a.y[i % H], 0));
    }
}

static void columns_are_added_in_row_order(void)
{
    const struct vec_ops *v = vec_ops();
    struct arrays a, b;

    for (size_t B = 0; B <= 7; B++)
        for (size_t H = 1; H <= 10; H++) {
            arrays_fill(&a, B * H, B + H);
            arrays_fill(&b, H, H);
            v->column_sums(b.out, a.x, B, H);
            for (size_t h = 0; h < H; h++) {
                struct arrays c;
                float sum;

                arrays_fill(&c, H, H);
                sum = c.out[h];
                for (size_t r = 0; r < B; r++)
                    sum += a.x[r * H + h];
                CHECK(b.out[h] == sum);
            }
        }
}

static void rows_are_weighted_in_order(void)
{
    const struct vec_ops *v = vec_ops();
    struct arrays a, b, c;

    for (size_t B = 0; B <= 7; B++)
        for (size_t H = 1; H <= 10; H++) {
            arrays_fill(&a, B * H, B + H);
            arrays_fill(&b, H, H);
            arrays_fill(&c, H, H);
            v->weighted_rows(b.out, a.y, a.x, B, H);
            for (size_t h = 0; h < H; h++) {
                float sum = c.out[h];

                for (size_t r = 0; r < B; r++)
                    sum += a.y[r] * a.x[r * H + h];
                CHECK(b.out[h] == sum);
            }
            check_bounds(&b);
        }
}

static double gelu_of(double x)
{
    return 0.5 * x * erfc(-x / sqrt(2));
}

static double gelu_slope_of(double x)
{
    return 0.5 * erfc(-x / sqrt(2)) +
           x * exp(-0.5 * x * x) / sqrt(2 * acos(-1));
}

static void activations_follow_their_formulas(void)
{
    const struct vec_ops *v = vec_ops();
    struct arrays a;

    for (size_t n = 0; n <= N_MAX; n++) {
#define NEAR(call, value, tol)                                  \
    do {                                                        \
        arrays_fill(&a, n, n + 5);                              \
        call;                                                   \
        for (size_t i = 0; i < n; i++) {                        \
            double x = a.x[i], y = a.y[i];                      \
                                                                \
            (void)y;                                            \
            CHECK(test_close(a.out[i], (value), 1e-30, (tol))); \
        }                                                       \
        check_bounds(&a);                                       \
    } while (0)
        NEAR(v->exp(a.out, a.x, n), exp(x), 3e-7);
        NEAR(v->sigmoid(a.out, a.x, n), 1 / (1 + exp(-x)), 5e-7);
        NEAR(v->softplus(a.out, a.x, n), log1p(exp(x)), 5e-7);
        NEAR(v->tanh(a.out, a.x, n), tanh(x), 5e-7);
        NEAR(v->sigmoid_backward(a.out, a.x, a.y, n), x * y * (1 - y), 5e-7);
        NEAR(v->tanh_backward(a.out, a.x, a.y, n), x * (1 - y * y), 5e-5);
#undef NEAR
        arrays_fill(&a, n, n + 5);
        v->gelu(a.out, a.x, n);
        for (size_t i = 0; i < n; i++)
            CHECK(test_close(a.out[i], gelu_of(a.x[i]), 1e-6, 1e-6));
        v->gelu_backward(a.out, a.y, a.x, n);
        for (size_t i = 0; i < n; i++)
            CHECK(test_close(a.out[i], a.y[i] * gelu_slope_of(a.x[i]), 2e-6,
                             1e-6));
    }
}

static void softmax_sums_to_one(void)
{
    const struct vec_ops *v = vec_ops();
    struct arrays a;

    for (size_t n = 1; n <= N_MAX; n++) {
        double sum = 0, total = 0, dot = 0;
        float lse;

        arrays_fill(&a, n, n);
        for (size_t i = 0; i < n; i++)
            sum += exp(a.x[i]);
        lse = v->softmax(a.out, a.x, n);
        CHECK_CLOSE(lse, log(sum), 1e-6);
        for (size_t i = 0; i < n; i++) {
            /* the rounding of x - max, up to 20, is in the exponent */
            CHECK_CLOSE(a.out[i], exp(a.x[i]) / sum, 2e-6);
            total += a.out[i];
            dot += (double)a.y[i] * a.out[i];
        }
        CHECK_CLOSE(total, 1, 1e-6);
        v->softmax_backward(a.x, a.y, a.out, n);
        for (size_t i = 0; i < n; i++)
            CHECK_CLOSE(a.x[i], a.out[i] * (a.y[i] - dot), 1e-6);
        check_bounds(&a);
        arrays_fill(&a, n, n);
        CHECK_CLOSE(v->exp_less(a.out, a.x, a.x[0], n), sum / exp(a.x[0]),
                    2e-6 * sum / exp(a.x[0]));
        CHECK(a.out[0] == 1);
        CHECK_CLOSE(a.out[n - 1], exp(a.x[n - 1] - a.x[0]),
                    2e-6 * exp(a.x[n - 1] - a.x[0]));
        check_bounds(&a);
    }
    CHECK(v->softmax(a.out, a.x, 0) == -INFINITY);
}

static void softmax_of_huge_scores_is_finite(void)
{
    float x[3] = {1e30f, -1e30f, 1e30f}, y[3];

    CHECK(vec_ops()->softmax(y, x, 3) == 1e30f);
    CHECK(y[0] == 0.5f && y[1] == 0 && y[2] == 0.5f);
    x[1] = NAN;
    vec_ops()->softmax(y, x, 3);
    CHECK(isnan(y[0]) && isnan(y[1]));
}

/* All results of all loops on one input, one after the other. */
static size_t run_all(const struct vec_ops *v, size_t n, size_t shift,
                      float *all)
{
    void (*const unary[])(float *, const float *, size_t) = {
        v->relu, v->exp, v->sigmoid, v->softplus, v->tanh, v->gelu};
    void (*const binary[])(float *, const float *, const float *,
                           size_t) = {v->add,
                                      v->mul,
                                      v->mul_add,
                                      v->relu_backward,
                                      v->sigmoid_backward,
                                      v->tanh_backward,
                                      v->gelu_backward,
                                      v->softmax_backward};
    struct arrays a;
    float *p = all;

#define KEEP(call)                           \
    do {                                     \
        arrays_fill(&a, n, shift);           \
        call;                                \
        memcpy(p, a.out, n * sizeof(float)); \
        p += n;                              \
    } while (0)
    for (size_t i = 0; i < sizeof(unary) / sizeof(unary[0]); i++)
        KEEP(unary[i](a.out, a.x, n));
    for (size_t i = 0; i < sizeof(binary) / sizeof(binary[0]); i++)
        KEEP(binary[i](a.out, a.x, a.y, n));
    KEEP(v->axpy(a.out, 0.7f, a.x, n));
    KEEP(*p = v->exp_less(a.out, a.x, 0.7f, n));
    KEEP(v->scale(a.out, 0.7f, n));
    KEEP(v->column_sums(a.out, a.x, n > 5 ? 1 : n, n > 5 ? n : 1));
    KEEP(*p = v->softmax(a.out, a.x, n));
#undef KEEP
    *p++ = v->softmax(a.out, a.x, n);
    *p++ = v->dot(a.x, a.y, n);
    *p++ = v->sum(a.x, n);
    *p++ = v->sum_squares(a.y, n);
    *p++ = v->max(a.y, n);
    return (size_t)(p - all);
}

static void every_level_gives_the_same_bits(void)
{
    static float want[32 * N_MAX], got[32 * N_MAX];

    for (size_t n = 0; n <= N_MAX; n++) {
        size_t count, again;

        cpu_limit_level(CPU_PLAIN);
        count = run_all(vec_ops(), n, 0, want);
        for (int level = CPU_PLAIN; level <= CPU_AVX512; level++) {
            cpu_limit_level((enum cpu_level)level);
            again = run_all(vec_ops(), n, n, got);
            CHECK(again == count);
            CHECK(!memcmp(want, got, count * sizeof(float)));
        }
    }
    cpu_limit_level(CPU_AVX512);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"reductions equal the plain sums within their bound",
         reductions_equal_the_plain_sums},
        {"max passes over NaN, sum does not", max_passes_over_nan},
        {"arithmetic is exact and stays in bounds", arithmetic_is_exact},
        {"rows take a bias", rows_take_a_bias},
        {"columns are added in the order of rows",
         columns_are_added_in_row_order},
        {"rows are weighted in their order", rows_are_weighted_in_order},
        {"activations and gradients follow their formulas",
         activations_follow_their_formulas},
        {"softmax sums to one", softmax_sums_to_one},
        {"softmax of huge scores is finite", softmax_of_huge_scores_is_finite},
        {"every CPU level and alignment gives the same bits",
         every_level_gives_the_same_bits},
    };

    return TEST_RUN("tensor.vec", cases);
}
