/* Initial values. */
#include <string.h>

#include "base/params.h"

#include "harness.h"

static void constants_are_constant(void)
{
    float x[3] = {5, 5, 5};

    param_init_fill(1, 0, INIT_ZERO, 9, 0, 0, x, 3);
    CHECK(x[0] == 0 && x[2] == 0);
    param_init_fill(1, 0, INIT_ONE, 9, 0, 0, x, 3);
    CHECK(x[0] == 1 && x[2] == 1);
}

static void a_cut_gives_the_same(void)
{
    static const enum param_init kinds[] = {INIT_NORMAL, INIT_UNIFORM};
    float whole[64], parts[64];

    for (int k = 0; k < 2; k++) {
        param_init_fill(7, 2, kinds[k], 0.1f, 99, 0, whole, 64);
        param_init_fill(7, 2, kinds[k], 0.1f, 99, 0, parts, 13);
        param_init_fill(7, 2, kinds[k], 0.1f, 99, 13, parts + 13, 51);
        CHECK(memcmp(whole, parts, sizeof(whole)) == 0);
    }
}

static void each_name_gives_its_own(void)
{
    float a, b, c, d;

    param_init_fill(7, 2, INIT_NORMAL, 1, 99, 0, &a, 1);
    param_init_fill(8, 2, INIT_NORMAL, 1, 99, 0, &b, 1);
    param_init_fill(7, 3, INIT_NORMAL, 1, 99, 0, &c, 1);
    param_init_fill(7, 2, INIT_NORMAL, 1, 98, 0, &d, 1);
    CHECK(a != b && a != c && a != d);
}

/* n values of scale s: mean 0 within 6 deviations of the mean; normal
 * variance s^2 (deviation s^2 sqrt(2/n)), uniform s^2/3 and never beyond s
 * (deviation below s^2 sqrt(2/n) too). */
static void spread_is_the_scale(void)
{
    static float x[20000];
    double n = 20000, s = 0.25;

    for (int k = 0; k < 2; k++) {
        double sum = 0, squares = 0, want = k ? s * s / 3 : s * s;

        param_init_fill(7, 0, k ? INIT_UNIFORM : INIT_NORMAL, (float)s, 1, 0, x,
                        20000);
        for (int i = 0; i < 20000; i++) {
            sum += (double)x[i];
            squares += (double)x[i] * (double)x[i];
            if (k)
                REQUIRE(fabs((double)x[i]) <= s);
        }
        CHECK(fabs(sum / n) < 6 * s / sqrt(n));
        CHECK(fabs(squares / n - want) < 6 * s * s * sqrt(2 / n));
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"constants are constant", constants_are_constant},
        {"any cut gives the same values", a_cut_gives_the_same},
        {"seed, place and key give their own values", each_name_gives_its_own},
        {"the spread is the scale", spread_is_the_scale},
    };

    return TEST_RUN("base.params", cases);
}
