/* Heads as text and back, towers left out, and the choice of a head. */
#include "harness.h"

#include <string.h>

#include "base/hash.h"
#include "model/combine/select.h"

#define N 600
#define M 3

struct rows {
    double scores[N * M], targets[N];
    uint32_t query[N];
    struct recipe_rows rows;
};

static double noise(uint64_t i, uint64_t stream)
{
    double sum = 0; // of 12 uniforms: variance 1

    for (uint64_t k = 0; k < 12; k++)
        sum += (double)(hash_mix(i * 12 + k + 1 + hash_mix(stream)) >> 11) *
               0x1p-53;
    return sum - 6;
}

/* Towers see the same hidden number, each with noise of its own. */
static void make_rows(struct rows *r, const double *spread)
{
    for (size_t i = 0; i < N; i++) {
        double hidden = noise(i, 1);

        for (size_t j = 0; j < M; j++)
            r->scores[i * M + j] = hidden + spread[j] * noise(i, 2 + j);
        r->targets[i] = hidden + 0.3 * noise(i, 9) > 0 ? 1 : 0;
        r->query[i] = (uint32_t)(i / 6);
    }
    r->rows = (struct recipe_rows){r->scores, r->targets, r->query, N, M};
}

static struct recipe_spec spec_of(const struct combine_ops *method,
                                  const char *normalise, const char *calibrate)
{
    return (struct recipe_spec){
        method, normalise, calibrate, {.intercept = 1, .ridge = 1e-6}};
}

static void a_head_reads_back_to_the_same_bits(void)
{
    static const char *const names[M] = {"a.tsv", "b \"2\".tsv", "c"};
    static const double spread[M] = {1, 1, 1};
    struct rows r;
    double before[N], after[N];

    make_rows(&r, spread);
    for (size_t k = 0; calibration_kind(k); k++) {
        struct recipe_spec spec =
            spec_of(&combine_logistic, "zscore", calibration_kind(k)->name);
        struct recipe a, b;
        struct strbuf text = {0};

        REQUIRE(recipe_fit(&spec, &r.rows, &a, NULL) == FUSOR_OK);
        recipe_write(&a, names, &text);
        REQUIRE(recipe_read(text.s, text.len, "head", &b, NULL) == FUSOR_OK);
        CHECK(recipe_apply(&a, &r.rows, before, NULL) == FUSOR_OK);
        CHECK(recipe_apply(&b, &r.rows, after, NULL) == FUSOR_OK);
        CHECK(memcmp(before, after, sizeof(before)) == 0);
        recipe_clear(&a);
        recipe_clear(&b);
        strbuf_clear(&text);
    }
}

#define HEAD(weights, scale)                                               \
    "{fusor_head: 1, normalise: none, shift: [0, 0], scale: " scale        \
    ", method: mean, weights: " weights ", constant: 0, calibrate: none, " \
    "a: 0, b: 0, x: [], y: []}"

static void a_broken_head_is_refused(void)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{fusor_head: 2}",
        "{fusor_head: 1, weights: 3}",
        HEAD("[1, .inf]", "[1, 1]"),
        HEAD("[1, 1]", "[1, 0]"),
        HEAD("[1, 1]", "[1]"),
        "{fusor_head: 1, normalise: none, shift: [0], scale: [1], method: "
        "mean, weights: [1], constant: 0, calibrate: isotonic, a: 0, b: 0, x: "
        "[2, 1], y: [0, 1]}",
        "{fusor_head: 1, normalise: none, shift: [0], scale: [1], method: "
        "mean, weights: [1], constant: 0, calibrate: isotonic, a: 0, b: 0, x: "
        "[], y: []}",
    };
    struct fusor_error err;
    struct recipe r;

    REQUIRE(recipe_read(HEAD("[.5, .5]", "[1, 1]"),
                        strlen(HEAD("[.5, .5]", "[1, 1]")), "head", &r,
                        &err) == FUSOR_OK);
    recipe_clear(&r);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        enum fusor_status rc =
            recipe_read(texts[i], strlen(texts[i]), "head", &r, &err);

        CHECK(rc == FUSOR_EUSAGE || rc == FUSOR_EDATA);
        CHECK(strstr(err.text, "head") != NULL);
    }
}

/* (.2, .5, .3) without the second: (.4, 0, .6), so that equal scores stay. */
static void weights_grow_when_a_tower_is_missing(void)
{
    static const double given[M] = {.2, .5, .3};
    static const size_t kept[2] = {0, 2}, none[1] = {0};
    static const double scores[2 * M] = {1, 1, 1, 2, 3, 4},
                                   left[4] = {1, 1, 2, 4};
    struct recipe_rows rows = {scores, NULL, NULL, 2, M};
    struct recipe_spec spec = {
        &combine_weighted, "none", "none", {given, 0, 0}};
    struct recipe r;
    double out[2];

    REQUIRE(recipe_fit(&spec, &rows, &r, NULL) == FUSOR_OK);
    REQUIRE(recipe_keep(&r, kept, 2, NULL) == FUSOR_OK);
    CHECK(recipe_apply(&r, &rows, out, NULL) == FUSOR_EINVAL);
    rows = (struct recipe_rows){left, NULL, NULL, 2, 2};
    REQUIRE(recipe_apply(&r, &rows, out, NULL) == FUSOR_OK);
    CHECK_CLOSE(out[0], 1, 1e-15);
    CHECK_CLOSE(out[1], .4 * 2 + .6 * 4, 1e-15);
    r.model.weights[0] = 0;
    CHECK(recipe_keep(&r, none, 1, NULL) == FUSOR_EDATA);
    recipe_clear(&r);
}

static const struct select_options by_logloss = {"logloss", 5, 7, 1e-6};

static void equal_towers_get_the_plain_mean(void)
{
    static const double spread[M] = {1, 1, 1};
    struct select_options options = {"ndcg@3", 5, 7, 1e-6};
    struct rows r;
    struct selection s;
    struct stats_comparison c;

    make_rows(&r, spread);
    REQUIRE(select_run(&r.rows, &options, &s, NULL) == FUSOR_OK);
    CHECK(s.n_units == N / 6);
    CHECK(s.candidates[s.chosen].spec.method == &combine_mean);
    CHECK(s.candidates[s.chosen].gap <= s.candidates[s.chosen].gap_se);
    REQUIRE(select_compare(&s, s.candidates[s.chosen].units,
                           s.candidates[s.best_single].units, &c,
                           NULL) == FUSOR_OK);
    CHECK(c.difference > 0);
    selection_clear(&s);
}

/* One tower knows all: its weight must come out largest, and the mean lose. */
static void a_good_tower_is_found(void)
{
    static const double spread[M] = {3, .1, 3};
    struct rows r;
    struct selection s;
    struct recipe head;
    struct stats_comparison c;

    make_rows(&r, spread);
    r.rows.query = NULL;
    REQUIRE(select_run(&r.rows, &by_logloss, &s, NULL) == FUSOR_OK);
    CHECK(s.n_units == N);
    CHECK(s.candidates[s.best_single].tower == 1);
    REQUIRE(select_compare(&s, s.candidates[s.chosen].units,
                           s.candidates[s.mean].units, &c, NULL) == FUSOR_OK);
    CHECK(c.low > 0);
    REQUIRE(recipe_fit(&s.candidates[s.chosen].spec, &r.rows, &head, NULL) ==
            FUSOR_OK);
    CHECK(head.model.weights[1] > 2 * fabs(head.model.weights[0]));
    recipe_clear(&head);
    selection_clear(&s);
}

/* The choice uses out-of-fold scores: pure noise cannot look good, though
 * an isotonic curve fitted and judged on the same rows would. */
static void noise_is_worth_nothing(void)
{
    static const double spread[M] = {1, 1, 1};
    struct rows r;
    struct selection s;
    double base, share = 0;

    make_rows(&r, spread);
    for (size_t i = 0; i < N; i++) {
        r.targets[i] = noise(i, 30) > 0 ? 1 : 0;
        share += r.targets[i] / N;
    }
    r.rows.query = NULL;
    base = -(share * log(share) + (1 - share) * log(1 - share));
    REQUIRE(select_run(&r.rows, &by_logloss, &s, NULL) == FUSOR_OK);
    for (size_t i = 0; i < s.n; i++)
        CHECK(!(s.candidates[i].value < base - 0.01));
    selection_clear(&s);
}

/* Least squares leaves [0, 1]: logloss has no value there, and a head may not
 * be judged on the rows that are left. */
static void a_head_without_a_value_is_out(void)
{
    static const double spread[M] = {1, 1, 1};
    struct rows r;
    struct selection s;
    size_t n_out = 0;

    make_rows(&r, spread);
    REQUIRE(select_run(&r.rows, &by_logloss, &s, NULL) == FUSOR_OK);
    for (size_t i = 0; i < s.n; i++) {
        const struct select_candidate *c = &s.candidates[i];

        if (strcmp(c->spec.calibrate, "none") ||
            c->spec.method != &combine_least_squares)
            continue;
        CHECK(isnan(c->value) && strstr(c->why, "not defined"));
        n_out++;
    }
    CHECK(n_out > 0);
    selection_clear(&s);
}

static void the_same_seed_chooses_the_same(void)
{
    static const double spread[M] = {1, 2, 1.5};
    struct rows r;
    struct selection a, b;
    double units[N], value;

    make_rows(&r, spread);
    REQUIRE(select_run(&r.rows, &by_logloss, &a, NULL) == FUSOR_OK);
    REQUIRE(select_run(&r.rows, &by_logloss, &b, NULL) == FUSOR_OK);
    CHECK(a.chosen == b.chosen);
    CHECK(a.candidates[a.chosen].value == b.candidates[b.chosen].value);
    REQUIRE(select_judge(&a, &r.rows, &by_logloss, &a.candidates[a.chosen].spec,
                         units, &value, NULL) == FUSOR_OK);
    CHECK(value == a.candidates[a.chosen].value);
    CHECK(memcmp(units, a.candidates[a.chosen].units,
                 a.n_units * sizeof(*units)) == 0);
    selection_clear(&a);
    selection_clear(&b);
}

static void what_cannot_be_judged_is_refused(void)
{
    static const double spread[M] = {1, 1, 1};
    static const struct select_options wrong[] = {{"auc", 5, 1, 0},
                                                  {"ndcg@10", 5, 1, 0},
                                                  {"nonsense", 5, 1, 0},
                                                  {"logloss", 1, 1, 0},
                                                  {"logloss", 500, 1, 0}};
    struct fusor_error err;
    struct rows r;
    struct selection s;

    make_rows(&r, spread);
    r.rows.query = NULL;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK(select_run(&r.rows, &wrong[i], &s, &err) == FUSOR_EUSAGE);
    r.rows.n = 9; // 5 folds of 2 need 10
    CHECK(select_run(&r.rows, &by_logloss, &s, &err) == FUSOR_EDATA);
    r.rows.n = N;
    r.targets[3] = 2;
    CHECK(select_run(&r.rows, &by_logloss, &s, &err) == FUSOR_EDATA);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a head reads back to the same bits",
         a_head_reads_back_to_the_same_bits},
        {"a broken head is refused", a_broken_head_is_refused},
        {"the other weights grow when a tower is missing",
         weights_grow_when_a_tower_is_missing},
        {"equal towers get the plain mean", equal_towers_get_the_plain_mean},
        {"a good tower is found", a_good_tower_is_found},
        {"noise is worth nothing", noise_is_worth_nothing},
        {"a head without a value is out", a_head_without_a_value_is_out},
        {"the same seed chooses the same", the_same_seed_chooses_the_same},
        {"what cannot be judged is refused", what_cannot_be_judged_is_refused},
    };

    return TEST_RUN("model.combine_select", cases);
}
