/* Ways to combine towers: the worked example of the mission, exact solutions,
 * and brute force over faces of the simplex. */
#include "harness.h"

#include <string.h>

#include "base/rng.h"
#include "model/combine/combine.h"

/* Five goods with preferences .8 .6 .4 .2 .1, and what three models say. */
static const double example[15] = {.6, 0, 0, .3, .9, 0,  .1, 0,
                                   .8, 0, 0, .1, 0,  .1, 0};
static const double wish[5] = {.8, .6, .4, .2, .1};
static const struct combine_data goods = {example, wish, 5, 3};

static struct combine_model fit(const char *name,
                                const struct combine_data *data,
                                const struct combine_options *options)
{
    const struct combine_ops *ops = combine_find(name, NULL);
    struct combine_model model = {0};
    struct fusor_error err = {0};

    REQUIRE(ops != NULL);
    REQUIRE(combine_fit(ops, data, options, &model, &err) == FUSOR_OK);
    return model;
}

static void check_scores(const struct combine_model *model, const double *want,
                         double tol)
{
    double got[5];

    combine_apply(model, example, 5, got);
    for (int i = 0; i < 5; i++)
        CHECK(fabs(got[i] - want[i]) <= tol);
}

static void the_example_is_weighted(void)
{
    static const double w[3] = {.3, .5, .2};
    static const double want[5] = {.18, .54, .19, .02, .05};
    struct combine_options o = {.weights = w};
    struct combine_model model = fit("weighted", &goods, &o);

    check_scores(&model, want, 1e-15);
}

static void the_example_is_attended(void)
{
    static const double a[3] = {.4, .5, .1};
    static const double want[5] = {.24, .57, .12, .01, .05};
    struct combine_options o = {.weights = a};
    struct combine_model model = fit("attention", &goods, &o);

    check_scores(&model, want, 1e-15);
}

static void the_example_is_solved_freely(void)
{
    static const double want[5] = {.7923, .6085, .4205, .0361, .0236};
    struct combine_model model = fit("least_squares", &goods, NULL);

    CHECK(fabs(model.weights[0] - 1.32057) <= 5e-6); // five printed digits
    CHECK(fabs(model.weights[1] - .23591) <= 5e-6);
    CHECK(fabs(model.weights[2] - .36055) <= 5e-6);
    CHECK(model.bias == 0);
    check_scores(&model, want, 5e-5);
}

static void the_example_is_solved_on_the_simplex(void)
{
    struct combine_model model = fit("simplex", &goods, NULL);
    struct combine_model soft = fit("softmax", &goods, NULL);

    CHECK(fabs(model.weights[0] - .933) <= 5e-4);
    CHECK(fabs(model.weights[1] - .052) <= 5e-4);
    CHECK(fabs(model.weights[2] - .015) <= 5e-4);
    for (int j = 0; j < 3; j++) // an inner optimum: softmax reaches it
        CHECK(fabs(model.weights[j] - soft.weights[j]) <= 1e-9);
    CHECK_CLOSE(model.loss, soft.loss, 1e-12);
}

static void the_mean_is_plain(void)
{
    struct combine_data no_targets = {example, NULL, 5, 3};
    struct combine_model model = fit("mean", &no_targets, NULL);

    CHECK(model.weights[0] == 1.0 / 3 && model.weights[2] == 1.0 / 3);
    CHECK(isnan(model.loss));
}

#define N 80
#define M 5

static double scores[N * M], targets[N];

/* Towers that share a signal, each with noise, and targets around it. */
static struct combine_data noisy(uint64_t seed)
{
    struct rng r = rng_stream(seed, RNG_TEST, 0, 0);

    for (size_t i = 0; i < N; i++) {
        double signal = rng_normal(&r);

        targets[i] = signal + 3;
        for (size_t j = 0; j < M; j++)
            scores[i * M + j] =
                signal + (double)(j + 1) * .4 * rng_normal(&r) + (double)j;
    }
    return (struct combine_data){scores, targets, N, M};
}

static double squares(const struct combine_data *d, const double *w, double b)
{
    double sum = 0;

    for (size_t i = 0; i < d->n; i++) {
        double e = b - d->targets[i];

        for (size_t j = 0; j < d->m; j++)
            e += w[j] * d->scores[i * d->m + j];
        sum += e * e;
    }
    return sum / (double)d->n;
}

/* At the minimum, every derivative of squares()/2 + ridge/2 |w|^2 is 0. */
static void least_squares_leaves_no_slope(void)
{
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct combine_data d = noisy(seed);
        struct combine_options o = {.intercept = 1, .ridge = seed % 2 ? .1 : 0};
        struct combine_model m = fit("least_squares", &d, &o);

        CHECK_CLOSE(m.loss, squares(&d, m.weights, m.bias), 1e-12);
        for (size_t j = 0; j <= M; j++) {
            double slope = j < M ? o.ridge * m.weights[j] : 0;

            for (size_t i = 0; i < N; i++) {
                double e = m.bias - targets[i];

                for (size_t k = 0; k < M; k++)
                    e += m.weights[k] * scores[i * M + k];
                slope += e * (j < M ? scores[i * M + j] : 1) / N;
            }
            CHECK(fabs(slope) <= 1e-12);
        }
    }
}

/* Karush-Kuhn-Tucker: gradients agree where w > 0 and are no lower elsewhere;
 * for a convex objective that is the optimum. */
static void check_simplex_optimum(const struct combine_data *d, const double *w)
{
    double g[COMBINE_MAX] = {0}, level = 0, sum = 0;

    for (size_t i = 0; i < d->n; i++) {
        double e = -d->targets[i];

        for (size_t j = 0; j < d->m; j++)
            e += w[j] * d->scores[i * d->m + j];
        for (size_t j = 0; j < d->m; j++)
            g[j] += e * d->scores[i * d->m + j] / (double)d->n;
    }
    for (size_t j = 0; j < d->m; j++) {
        CHECK(w[j] >= 0);
        sum += w[j];
        level += w[j] * g[j];
    }
    CHECK(fabs(sum - 1) <= 1e-12);
    for (size_t j = 0; j < d->m; j++) {
        CHECK(g[j] >= level - 1e-10);
        if (w[j] > 0)
            CHECK(fabs(g[j] - level) <= 1e-10);
    }
}

static void the_simplex_is_solved_exactly(void)
{
    int inner = 0, border = 0;

    for (uint64_t seed = 0; seed < 60; seed++) {
        struct combine_data d = noisy(seed);
        struct combine_model m;
        size_t zeros = 0;

        for (size_t i = 0; i < N && seed % 2; i++)
            targets[i] = scores[i * M] * .3 + scores[i * M + 1] * .7 +
                         (double)(seed % 5) * .1;
        m = fit("simplex", &d, NULL);
        check_simplex_optimum(&d, m.weights);
        for (size_t j = 0; j < M; j++)
            zeros += m.weights[j] == 0;
        inner += zeros == 0;
        border += zeros > 0;
    }
    CHECK(border > 5);
    CHECK(inner + border == 60);
}

static void the_simplex_recovers_a_mixture(void)
{
    struct combine_data d = noisy(3);
    struct combine_model m;

    for (size_t i = 0; i < N; i++)
        targets[i] = scores[i * M] * .25 + scores[i * M + 3] * .75;
    m = fit("simplex", &d, NULL);
    CHECK(fabs(m.weights[0] - .25) <= 1e-9);
    CHECK(fabs(m.weights[3] - .75) <= 1e-9);
    CHECK(fabs(m.weights[1]) + fabs(m.weights[2]) + fabs(m.weights[4]) <= 1e-9);
}

static void the_simplex_bears_copies_of_a_tower(void)
{
    struct combine_data d = noisy(4);
    struct combine_model m;

    for (size_t i = 0; i < N; i++) {
        scores[i * M + 1] = scores[i * M];
        scores[i * M + 4] = scores[i * M];
    }
    m = fit("simplex", &d, NULL);
    check_simplex_optimum(&d, m.weights);
}

static void softmax_comes_near_the_border(void)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct combine_data d = noisy(seed);
        struct combine_model exact = fit("simplex", &d, NULL);
        struct combine_model soft = fit("softmax", &d, NULL);

        for (size_t j = 0; j < M; j++)
            CHECK(soft.weights[j] > 0);
        CHECK(soft.loss >= exact.loss - 1e-12);
        CHECK(soft.loss <= exact.loss + 1e-7);
    }
}

static void dependent_towers_are_named(void)
{
    struct combine_data d = noisy(5), few = {example, wish, 2, 3};
    const struct combine_ops *ops = combine_find("least_squares", NULL);
    struct combine_options ridge = {.ridge = 1e-6};
    struct combine_model model;
    struct fusor_error err;

    for (size_t i = 0; i < N; i++)
        scores[i * M + 3] = scores[i * M] * 2 - scores[i * M + 1];
    CHECK(combine_fit(ops, &d, NULL, &model, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "tower 4 adds nothing") != NULL);
    CHECK(combine_fit(ops, &d, &ridge, &model, &err) == FUSOR_OK);
    CHECK(combine_fit(ops, &few, NULL, &model, &err) == FUSOR_EDATA);
    for (size_t i = 0; i < N; i++)
        scores[i * M + 3] = 0;
    CHECK(combine_fit(ops, &d, NULL, &model, &err) == FUSOR_EDATA);
    ops = combine_find("logistic", NULL);
    for (size_t i = 0; i < N; i++)
        targets[i] = i % 2;
    CHECK(combine_fit(ops, &d, NULL, &model, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "tower 4") != NULL);
}

/* Labels drawn with known odds. */
static struct combine_data binary(uint64_t seed)
{
    struct combine_data d = noisy(seed);
    struct rng r = rng_stream(seed, RNG_TEST, 1, 0);

    for (size_t i = 0; i < N; i++)
        targets[i] = rng_double(&r) < 1 / (1 + exp(-scores[i * M] + .3));
    return d;
}

static void logistic_leaves_no_slope(void)
{
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct combine_data d = binary(seed);
        struct combine_options o = {.intercept = 1,
                                    .ridge = seed % 2 ? .01 : 0};
        struct combine_model m = fit("logistic", &d, &o);
        double p[N], loss = 0;

        combine_apply(&m, scores, N, p);
        for (size_t j = 0; j <= M; j++) {
            double slope = j < M ? o.ridge * m.weights[j] : 0;

            for (size_t i = 0; i < N; i++)
                slope +=
                    (p[i] - targets[i]) * (j < M ? scores[i * M + j] : 1) / N;
            CHECK(fabs(slope) <= 1e-8);
        }
        for (size_t i = 0; i < N; i++)
            loss -= log(targets[i] > 0 ? p[i] : 1 - p[i]) / N;
        CHECK_CLOSE(m.loss, loss, 1e-10);
    }
}

static void separable_classes_need_a_ridge(void)
{
    struct combine_data d = noisy(1);
    const struct combine_ops *ops = combine_find("logistic", NULL);
    struct combine_options o = {.intercept = 1};
    struct combine_model model;
    struct fusor_error err;

    for (size_t i = 0; i < N; i++)
        targets[i] = scores[i * M] > 0;
    CHECK(combine_fit(ops, &d, &o, &model, &err) == FUSOR_EDIVERGED);
    CHECK(strstr(err.text, "ridge") != NULL);
    for (size_t i = 0; i < N; i++)
        targets[i] = 1;
    CHECK(combine_fit(ops, &d, &o, &model, &err) == FUSOR_EDIVERGED);
    o.ridge = 1e-3;
    for (size_t i = 0; i < N; i++)
        targets[i] = scores[i * M] > 0;
    CHECK(combine_fit(ops, &d, &o, &model, &err) == FUSOR_OK);
}

static void bad_input_is_refused(void)
{
    static const double over[3] = {.5, .6, .1}, below[3] = {-.1, .6, .5};
    struct combine_data bare = {example, NULL, 5, 3}, nan_row = noisy(1);
    struct combine_options none = {0}, o = {.weights = over};
    struct combine_options minus = {.ridge = -1};
    struct combine_data many = {example, wish, 0, COMBINE_MAX + 1};
    const struct combine_ops *free_ls = combine_find("least_squares", NULL);
    const struct combine_ops *att = combine_find("attention", NULL);
    struct combine_model m = {.bias = 7};
    struct fusor_error err;

    CHECK(combine_find("simplx", &err) == NULL);
    CHECK(strstr(err.text, "did you mean simplex") != NULL);
    CHECK(combine_find("zzz", &err) == NULL && err.status == FUSOR_EUSAGE);
    CHECK(combine_fit(free_ls, &bare, &none, &m, &err) == FUSOR_EINVAL);
    CHECK(combine_fit(free_ls, &goods, &minus, &m, &err) == FUSOR_EINVAL);
    CHECK(combine_fit(free_ls, &many, &none, &m, &err) == FUSOR_EINVAL);
    CHECK(combine_fit(att, &goods, &none, &m, &err) == FUSOR_EINVAL);
    CHECK(combine_fit(att, &goods, &o, &m, &err) == FUSOR_EINVAL);
    CHECK(strstr(err.text, "sum to 1.2") != NULL);
    o.weights = below;
    CHECK(combine_fit(att, &goods, &o, &m, &err) == FUSOR_EINVAL);
    scores[7] = NAN;
    CHECK(combine_fit(free_ls, &nan_row, &none, &m, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "row 2, tower 3") != NULL);
    CHECK(combine_fit(combine_find("logistic", NULL), &goods, &none, &m,
                      &err) == FUSOR_OK);
    m.bias = 7;
    nan_row = noisy(1);
    CHECK(combine_fit(combine_find("logistic", NULL), &nan_row, &none, &m,
                      &err) == FUSOR_EDATA);
    CHECK(m.bias == 7); // untouched on failure
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the example is weighted", the_example_is_weighted},
        {"the example is attended", the_example_is_attended},
        {"the example is solved freely", the_example_is_solved_freely},
        {"the example is solved on the simplex",
         the_example_is_solved_on_the_simplex},
        {"the mean is plain", the_mean_is_plain},
        {"least squares leaves no slope", least_squares_leaves_no_slope},
        {"the simplex is solved exactly", the_simplex_is_solved_exactly},
        {"the simplex recovers a mixture", the_simplex_recovers_a_mixture},
        {"the simplex bears copies of a tower",
         the_simplex_bears_copies_of_a_tower},
        {"softmax comes near the border", softmax_comes_near_the_border},
        {"dependent towers are named", dependent_towers_are_named},
        {"logistic leaves no slope", logistic_leaves_no_slope},
        {"separable classes need a ridge", separable_classes_need_a_ridge},
        {"bad input is refused", bad_input_is_refused},
    };

    return TEST_RUN("model.combine", cases);
}
