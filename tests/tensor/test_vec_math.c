/* The elementary functions over the whole range of floats, against libm in
 * double: the bounds that vec.h states. */
#include "tensor/vec_math.h"

#include <math.h>

#include "harness.h"

#define N_FLOATS 500000 /* of both signs, spread over all exponents */

struct worst {
    double error;
    float at;
};

static void keep_worst(struct worst *w, float x, double got, double want,
                       double scale)
{
    double error = fabs(got - want) / scale;

    if (!(error <= w->error)) {
        w->error = error;
        w->at = x;
    }
}

static void check_worst(const char *name, struct worst w, double bound)
{
    if (!(w.error < bound))
        fprintf(stderr, "%s(%.9g): error %.3g\n", name, w.at, w.error);
    CHECK(w.error < bound);
}

/* The i-th of them; those that are not finite become 0. */
static float float_at(uint32_t i)
{
    union math_bits b = {.u = i * (uint32_t)(UINT32_MAX / N_FLOATS)};

    return isfinite(b.f) ? b.f : 0;
}

static void exp_is_within_its_bound(void)
{
    struct worst w = {0, 0};

    for (uint32_t i = 0; i < N_FLOATS; i++) {
        float x = float_at(i);

        if (x >= -86.5f && x <= 88.7228f)
            keep_worst(&w, x, math_exp(x), exp(x), exp(x));
        else if (fabsf(x) > 88.73f)
            CHECK(math_exp(x) == (x < 0 ? 0 : INFINITY));
    }
    for (float x = -86.5f; x < 88.7f; x += 0.0037f)
        keep_worst(&w, x, math_exp(x), exp(x), exp(x));
    check_worst("exp", w, 3e-7);
}

static void sigmoid_is_within_its_bound(void)
{
    struct worst w = {0, 0};

    for (uint32_t i = 0; i < N_FLOATS; i++) {
        float x = float_at(i);
        double want = 1 / (1 + exp(-(double)x));

        keep_worst(&w, x, math_sigmoid(x), want, x > -86 ? want : 1e-30);
    }
    for (float x = -86; x < 30; x += 0.0023f)
        keep_worst(&w, x, math_sigmoid(x), 1 / (1 + exp(-(double)x)),
                   1 / (1 + exp(-(double)x)));
    check_worst("sigmoid", w, 5e-7);
}

static double softplus_of(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static void softplus_is_within_its_bound(void)
{
    struct worst w = {0, 0};

    for (uint32_t i = 0; i < N_FLOATS; i++) {
        float x = float_at(i);
        double want = softplus_of(x);

        keep_worst(&w, x, math_softplus(x), want, x > -86 ? want : 1e-30);
    }
    for (float x = -86; x < 30; x += 0.0023f)
        keep_worst(&w, x, math_softplus(x), softplus_of(x), softplus_of(x));
    check_worst("softplus", w, 5e-7);
}

static void tanh_is_within_its_bound(void)
{
    struct worst w = {0, 0};

    for (uint32_t i = 0; i < N_FLOATS; i++) {
        float x = float_at(i);

        if (fabsf(x) > 1e-30f)
            keep_worst(&w, x, math_tanh(x), tanh(x), fabs(tanh(x)));
    }
    for (float x = -10; x < 10; x += 0.00023f)
        keep_worst(&w, x, math_tanh(x), tanh(x), fabs(tanh(x)));
    check_worst("tanh", w, 5e-7);
}

static void gelu_is_within_its_bound(void)
{
    struct worst w = {0, 0}, slope = {0, 0};

    for (uint32_t i = 0; i < N_FLOATS; i++) {
        double x = float_at(i), cdf = 0.5 * erfc(-x / sqrt(2));
        double density = exp(-0.5 * x * x) / sqrt(2 * acos(-1));
        double size = fabs(x) > 1 ? fabs(x) : 1;

        keep_worst(&w, (float)x, math_gelu((float)x), x * cdf, size);
        keep_worst(&slope, (float)x, math_gelu_slope((float)x),
                   cdf + x * density, 1);
    }
    check_worst("gelu", w, 1e-6);
    check_worst("gelu'", slope, 1e-6);
}

static void infinities_and_nan_have_their_values(void)
{
    CHECK(math_exp(INFINITY) == INFINITY && math_exp(-INFINITY) == 0);
    CHECK(math_sigmoid(INFINITY) == 1 && math_sigmoid(-INFINITY) == 0);
    CHECK(math_tanh(INFINITY) == 1 && math_tanh(-INFINITY) == -1);
    CHECK(math_softplus(INFINITY) == INFINITY);
    CHECK(math_softplus(-INFINITY) == 0);
    CHECK(math_gelu(INFINITY) == INFINITY && math_gelu(-INFINITY) == 0);
    CHECK(isnan(math_exp(NAN)) && isnan(math_sigmoid(NAN)));
    CHECK(isnan(math_tanh(NAN)) && isnan(math_softplus(NAN)));
    CHECK(isnan(math_gelu(NAN)) && isnan(math_gelu_slope(NAN)));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"exp is within its bound", exp_is_within_its_bound},
        {"sigmoid is within its bound", sigmoid_is_within_its_bound},
        {"softplus is within its bound", softplus_is_within_its_bound},
        {"tanh is within its bound", tanh_is_within_its_bound},
        {"gelu and its slope are within their bounds",
         gelu_is_within_its_bound},
        {"infinities and NaN have their values",
         infinities_and_nan_have_their_values},
    };

    return TEST_RUN("tensor.vec_math", cases);
}
