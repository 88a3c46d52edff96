/* gauc and the ranking metrics against definitions written out plainly. */
#include "harness.h"

#include "base/rng.h"
#include "model/metric/metric.h"

#define N_MAX 200
#define K 5

static const char *const names[] = {"gauc",     "hr@5",        "ndcg@5",
                                    "recall@5", "precision@5", "mrr"};
#define N_NAMES 6

static struct metric_set *make_set(void)
{
    struct metric_spec specs[N_NAMES];
    struct metric_set *set = NULL;

    for (size_t i = 0; i < N_NAMES; i++)
        REQUIRE(metric_parse(names[i], &specs[i], NULL) == FUSOR_OK);
    REQUIRE(metric_set_create(specs, N_NAMES, NULL, &set, NULL) == FUSOR_OK);
    return set;
}

/* Does other (with label q) stand at or above mine (a positive)? */
static int beats_or_ties(float mine, float other, float q)
{
    if (isnan(mine))
        return 1;
    return isnan(other) ? !(q > 0) : other >= mine;
}

static size_t brute_rank(const float *s, const float *y, size_t n, size_t i)
{
    size_t rank = 1;

    for (size_t j = 0; j < n; j++)
        rank += j != i && beats_or_ties(s[i], s[j], y[j]);
    return rank;
}

static double brute_auc(const float *s, const float *y, size_t n)
{
    double won = 0, all = 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            if (!(y[i] > 0) || y[j] > 0)
                continue;
            all++;
            if (!beats_or_ties(s[i], s[j], y[j]))
                won++;
            else if (s[i] == s[j])
                won += .5;
        }
    }
    return all > 0 ? won / all : NAN;
}

static double gain(float label, int graded)
{
    return graded ? exp2(label) - 1 : 1;
}

/* Labels are small integers: the ideal order is counted down. */
static double brute_ideal(const float *y, size_t n, int graded)
{
    double best = 0;
    size_t place = 0;

    for (int level = 8; level > 0; level--)
        for (size_t i = 0; i < n; i++)
            if (y[i] == (float)level && ++place <= K)
                best += gain(y[i], graded) / log2((double)place + 1);
    return best;
}

static void brute(const float *s, const float *y, size_t n, double *out)
{
    double dcg = 0, hits = 0, n_pos = 0, best = 0;
    int graded = 0;

    for (size_t i = 0; i < n; i++)
        graded |= y[i] != 0 && y[i] != 1;
    for (size_t i = 0; i < n; i++) {
        size_t rank = brute_rank(s, y, n, i);

        if (!(y[i] > 0))
            continue;
        n_pos++;
        hits += rank <= K;
        best = fmax(best, 1 / (double)rank);
        if (rank <= K)
            dcg += gain(y[i], graded) / log2((double)rank + 1);
    }
    out[0] = n_pos > 0 ? brute_auc(s, y, n) : NAN;
    out[1] = n_pos > 0 ? hits > 0 : NAN;
    out[2] = n_pos > 0 ? dcg / brute_ideal(y, n, graded) : NAN;
    out[3] = n_pos > 0 ? hits / n_pos : NAN;
    out[4] = n_pos > 0 ? hits / K : NAN;
    out[5] = n_pos > 0 ? best : NAN;
}

/* A random group: sizes from 0, few or many positives, ties, grades, NaN. */
static size_t fill(struct rng *r, float *s, float *y)
{
    static const uint64_t sizes[] = {1, 2, 12, N_MAX};
    static const uint64_t levels[] = {1, 4, 1000};
    size_t n = rng_below(r, sizes[rng_below(r, 4)] + 1);
    uint64_t of = levels[rng_below(r, 3)], grades = 1 + rng_below(r, 4);
    uint64_t rare = 1 + rng_below(r, 12);
    int with_nan = rng_below(r, 4) == 0;

    for (size_t i = 0; i < n; i++) {
        s[i] = (float)rng_below(r, of) / 8 - 10;
        if (with_nan && rng_below(r, 6) == 0)
            s[i] = NAN;
        y[i] = rng_below(r, rare) ? 0 : (float)(1 + rng_below(r, grades));
    }
    return n;
}

static void groups_match_the_definitions(void)
{
    struct metric_set *set = make_set();
    struct rng r = rng_stream(11, RNG_TEST, 0, 0);
    double sum[N_NAMES] = {0}, weight[N_NAMES] = {0};
    struct metric_result results[N_NAMES];
    float s[N_MAX], y[N_MAX];

    for (int g = 0; g < 600; g++) {
        size_t n = fill(&r, s, y);
        double want[N_NAMES], got[N_NAMES];

        brute(s, y, n, want);
        REQUIRE(metric_set_group(set, (uint64_t)g, s, y, n, got, NULL) ==
                FUSOR_OK);
        for (int i = 0; i < N_NAMES; i++) {
            double w = i == 0 ? (double)n : 1;

            CHECK(isnan(got[i]) == isnan(want[i]));
            if (isnan(want[i]))
                continue;
            CHECK_CLOSE(got[i], want[i], 1e-12);
            sum[i] += w * want[i];
            weight[i] += w;
        }
    }
    REQUIRE(metric_set_results(set, results, NULL) == FUSOR_OK);
    for (int i = 0; i < N_NAMES; i++) {
        CHECK_CLOSE(results[i].value, sum[i] / weight[i], 1e-11);
        CHECK(results[i].weight == weight[i]);
        CHECK(results[i].n + results[i].n_skipped == 600);
    }
    metric_set_destroy(set);
}

static void a_constant_scorer_hits_nothing(void)
{
    struct metric_set *set = make_set();
    float s[100], y[100] = {0};
    double got[N_NAMES];

    for (size_t i = 0; i < 100; i++)
        s[i] = .5f;
    y[0] = 1; // even where a stable sort would leave it first
    REQUIRE(metric_set_group(set, 0, s, y, 100, got, NULL) == FUSOR_OK);
    CHECK(got[0] == .5);
    CHECK(got[1] == 0 && got[2] == 0 && got[3] == 0 && got[4] == 0);
    CHECK(got[5] == 0.01);
    metric_set_destroy(set);
}

static void known_groups(void)
{
    struct metric_set *set = make_set();
    float s[6] = {6, 5, 4, 3, 2, -INFINITY}, y[6] = {0, 1, 0, 1, 0, 1};
    float grades[6] = {3, 2, 3, 0, 1, 2};
    double got[N_NAMES];

    REQUIRE(metric_set_group(set, 0, s, y, 6, got, NULL) == FUSOR_OK);
    CHECK_CLOSE(got[0], 3.0 / 9, 1e-15);
    CHECK_CLOSE(got[2], (1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3) + 0.5),
                1e-15);
    CHECK_CLOSE(got[3], 2.0 / 3, 1e-15); // one was not retrieved
    CHECK_CLOSE(got[4], 0.4, 1e-15);
    CHECK(got[5] == 0.5);
    REQUIRE(metric_set_group(set, 0, s, grades, 6, got, NULL) == FUSOR_OK);
    CHECK_CLOSE(got[2],
                (7 + 3 / log2(3) + 3.5 + 1 / log2(6)) /
                    (7 + 7 / log2(3) + 1.5 + 3 / log2(5) + 1 / log2(6)),
                1e-14);
    metric_set_destroy(set);
}

static void nan_never_helps(void)
{
    struct metric_set *set = make_set();
    float s[4] = {3, NAN, 2, 1}, y[4] = {1, 0, 0, 0}, lost[4] = {0, 1, 0, 0};
    struct metric_result r[N_NAMES];
    double got[N_NAMES];

    REQUIRE(metric_set_group(set, 0, s, y, 4, got, NULL) == FUSOR_OK);
    CHECK(got[5] == 0.5);
    REQUIRE(metric_set_group(set, 0, s, lost, 4, got, NULL) == FUSOR_OK);
    CHECK(got[5] == 0.25 && got[0] == 0);
    REQUIRE(metric_set_results(set, r, NULL) == FUSOR_OK);
    CHECK(r[1].n_bad == 2);
    metric_set_destroy(set);
}

/* What nobody offered is found by no list, however long. */
static void what_was_not_offered_is_never_found(void)
{
    static const float scores[] = {2, -INFINITY, 1, -INFINITY};
    static const float labels[] = {1, 1, 0, 1};
    struct metric_set *set = make_set();
    double values[N_NAMES];

    REQUIRE(metric_set_group(set, 1, scores, labels, 4, values, NULL) ==
            FUSOR_OK);
    CHECK_CLOSE(values[1], 1, 1e-12);       // hr@5
    CHECK_CLOSE(values[3], 1.0 / 3, 1e-12); // recall@5
    CHECK_CLOSE(values[4], 1.0 / 5, 1e-12); // precision@5
    REQUIRE(metric_set_group(set, 2, scores + 1, labels + 1, 2, values, NULL) ==
            FUSOR_OK);
    CHECK(values[1] == 0 && values[3] == 0 && values[5] == 0); // mrr too
    metric_set_destroy(set);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"what was not offered is never found",
         what_was_not_offered_is_never_found},
        {"groups match the definitions", groups_match_the_definitions},
        {"a constant scorer hits nothing", a_constant_scorer_hits_nothing},
        {"known groups", known_groups},
        {"NaN never helps", nan_never_helps},
    };

    return TEST_RUN("model.metric_group", cases);
}
