/* Towers of scores, which files bring: what they say, what becomes of samples
 * about which they say nothing, in every fusion, and the gradients of the
 * others then. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "contract/golden.h"
#include "model/fixture.h"
#include "model/registry.h"

#define TABLES "{tables: {user: 4, item: 4}, loss: bce, towers: {"
#define MF "mf: {type: dot, query: user, item: item}"
#define OUT "out: {type: scores, file: a.tsv}"
#define FUSED ", fusion: {type: weighted}}"
#define PART "part: {type: scores, file: b.tsv, missing: drop_tower}"

static int is_silent(uint32_t i)
{
    return i == 1 || i == 4; // of fixture.c
}

static void a_tower_says_what_its_file_says(void)
{
    struct fixture f;
    const float *says;

    REQUIRE(fixture_init(&f, TABLES MF ", " OUT ", " PART "}" FUSED) ==
            FUSOR_OK);
    fixture_loss(&f);
    says = model_tower_scores(f.run, 1);
    CHECK(says[0] == 0.5f && says[1] == -1.5f && says[5] == 1);
    says = model_tower_scores(f.run, 2);
    for (uint32_t i = 0; i < 6; i++)
        CHECK(is_silent(i) == (isnan(says[i]) != 0));
    CHECK(!model_tower_may_be_silent(f.model, 1));
    CHECK(model_tower_may_be_silent(f.model, 2));
    for (uint32_t b = 0; b < model_params(f.model)->n_blocks; b++)
        CHECK(!strstr(model_params(f.model)->blocks[b].name, "out"));
    fixture_clear(&f);
}

/* R = sum w_t M_t times all weights over those of the towers that speak. */
static void weights_of_the_others_grow(void)
{
    static const char *const weights[] = {"[0.5, 0.25, 1]", "softmax",
                                          "simplex", "free"};

    for (int k = 0; k < 4; k++) {
        struct fixture f;
        char job[512];
        float parts[18];
        double shared[3] = {0.5, 0.25, 1};

        snprintf(job, sizeof(job),
                 TABLES MF ", " OUT ", " PART
                           "}, fusion: {type: weighted, weights: %s}}",
                 weights[k]);
        REQUIRE(fixture_init(&f, job) == FUSOR_OK);
        fixture_loss(&f);
        for (int t = 0; k > 0 && t < 3; t++)
            shared[t] = (double)model_fusion_weights(f.run)[t]; // all speak
        model_contributions(f.run, &f.step, parts);
        for (uint32_t i = 0; i < 6; i++) {
            double kept = shared[0] + shared[1], all = kept + shared[2];
            double want = 0;

            for (uint32_t t = 0; t < 3; t++)
                if (t < 2 || !is_silent(i))
                    want += shared[t] *
                            (double)model_tower_scores(f.run, t)[i] *
                            (is_silent(i) ? all / kept : 1);
            CHECK_CLOSE(f.scores[i], want, 1e-5);
            CHECK_CLOSE(parts[3 * i] + parts[3 * i + 1] + parts[3 * i + 2],
                        want, 1e-5);
            CHECK(is_silent(i) == (parts[3 * i + 2] == 0));
        }
        fixture_clear(&f);
    }
}

/* Weights that grow are quotients, whose third derivatives are large where
 * little is kept: a third of the usual step, rounding stays below 1e-4. */
#define STEP 3e-3f

/* Both passes of every head: as it is, normalised, with dropped towers (over
 * logits: over scores the sum may then leave (0, 1), where it is cut). */
static void every_fusion_differentiates_around_silent_towers(void)
{
    static const char *const heads[] = {
        "weighted, weights: [0.5, 0.25, 1]",
        "weighted, weights: free, bias: true",
        "weighted, weights: softmax",
        "weighted, weights: simplex",
        "concat",
        "concat, units: [3], activation: tanh",
        "attention",
        "attention, gate: {mlp: [4], activation: tanh, from: [price]}",
    };
    static const char *const more[] = {
        "over: logits",
        "over: scores",
        "over: logits, drop: 0.4",
        "over: logits, normalise: zscore",
        "over: scores, normalise: zscore",
        "over: scores, normalise: per_query_max",
        "over: logits, missing: zero",
        "over: logits, normalise: per_query_max, missing: zero"};

    for (size_t h = 0; h < sizeof(heads) / sizeof(heads[0]); h++)
        for (size_t k = 0; k < sizeof(more) / sizeof(more[0]); k++) {
            struct fixture f;
            char job[512];

            snprintf(job, sizeof(job),
                     TABLES MF ", " OUT ", " PART "}, fusion: {type: %s, %s}}",
                     heads[h], more[k]);
            REQUIRE(fixture_init(&f, job) == FUSOR_OK);
            for (int training = 0; training < 2; training++) {
                f.step.training = training;
                CHECK(isfinite(fixture_loss(&f)));
                CHECK(fixture_gradient_error(&f, STEP) < GOLDEN_DIFFERENCE);
            }
            fixture_clear(&f);
        }
}

/* The mean and deviation of the four samples about which it speaks. */
static void z_scores_are_of_samples_with_a_score(void)
{
    static const double said[] = {1, -0.5, 2, 0.75};
    struct fixture f;
    double mean = 0, var = 0;
    float parts[12];

    for (int i = 0; i < 4; i++)
        mean += said[i] / 4;
    for (int i = 0; i < 4; i++)
        var += (said[i] - mean) * (said[i] - mean) / 4;
    REQUIRE(fixture_init(&f, TABLES MF ", " PART
                                       "}, fusion: {type: weighted, normalise: "
                                       "zscore, bias: false}}") == FUSOR_OK);
    f.step.training = 1;
    fixture_loss(&f);
    model_contributions(f.run, &f.step, parts);
    CHECK_CLOSE(parts[1], (1 - mean) / sqrt(var), 1e-4);
    CHECK(parts[3] == 0 && parts[9] == 0);
    CHECK_CLOSE(parts[11], (0.75 - mean) / sqrt(var), 1e-4);
    fixture_clear(&f);
}

static void a_missing_score_is_an_error_that_its_source_names(void)
{
    struct fixture f;
    float scores[6];

    REQUIRE(fixture_init(&f, TABLES MF
                         ", part: {type: scores, file: b.tsv}}" FUSED) ==
            FUSOR_OK);
    CHECK(model_forward(f.run, &f.step, scores, NULL, &f.err) == FUSOR_EDATA);
    CHECK(strstr(f.err.text, "no score of sample 1") != NULL);
    fixture_clear(&f);
}

static void a_sample_about_which_no_tower_speaks_is_an_error(void)
{
    static const char *const types[] = {"weighted", "attention", "concat"};

    for (int k = 0; k < 3; k++) {
        struct fixture f;
        float scores[6];
        char job[256];

        snprintf(job, sizeof(job),
                 "{loss: bce, towers: {" PART "}, fusion: {type: %s}}",
                 types[k]);
        REQUIRE(fixture_init(&f, job) == FUSOR_OK);
        CHECK(model_forward(f.run, &f.step, scores, NULL, &f.err) ==
              FUSOR_EDATA);
        CHECK(strstr(f.err.text, "row 11") != NULL);
        CHECK(strstr(f.err.text, "missing: a number") != NULL);
        fixture_clear(&f);
    }
}

/* With missing: zero the others do not grow. */
static void a_silent_tower_may_count_as_nothing(void)
{
    struct fixture f;

    REQUIRE(fixture_init(&f,
                         TABLES MF ", " OUT ", " PART
                                   "}, fusion: {type: weighted, missing: "
                                   "zero, weights: [1, 2, 3]}}") == FUSOR_OK);
    fixture_loss(&f);
    for (uint32_t i = 0; i < 6; i++) {
        double sum = (double)model_tower_scores(f.run, 0)[i] +
                     2 * (double)model_tower_scores(f.run, 1)[i];

        if (!is_silent(i))
            sum += 3 * (double)model_tower_scores(f.run, 2)[i];
        CHECK_CLOSE(f.scores[i], sum, 1e-5);
    }
    fixture_clear(&f);
}

/* explain leaves towers out of rows where others are silent already. */
static void towers_left_out_and_silent_ones_go_together(void)
{
    static const unsigned char missing[] = {0, 1, 0};
    struct fixture f;

    REQUIRE(fixture_init(&f, TABLES MF ", " OUT ", " PART
                                       "}, fusion: {type: weighted, weights: "
                                       "[1, 1, 1]}}") == FUSOR_OK);
    REQUIRE(model_run_set_missing(f.run, missing, NULL) == FUSOR_OK);
    fixture_loss(&f);
    for (uint32_t i = 0; i < 6; i++) {
        double mf = (double)model_tower_scores(f.run, 0)[i];
        double part = (double)model_tower_scores(f.run, 2)[i];

        CHECK_CLOSE(f.scores[i], is_silent(i) ? 3 * mf : 1.5 * (mf + part),
                    1e-5);
    }
    fixture_clear(&f);
}

static void what_makes_no_sense_is_refused(void)
{
    static const char *const names[] = {"out", NULL};
    static const char *const wrong[][2] = {
        {TABLES MF ", " OUT "}, fusion: {type: concat, over: vectors}}",
         "no vector"},
        {TABLES MF ", out: {type: scores, file: a, units: [3]}}" FUSED,
         "units"},
        {TABLES MF ", other: {type: scores, file: a}}" FUSED,
         "no scores were read"},
        {TABLES "deep: {type: mlp, inputs: [user, {field: out.score}]}, " OUT
                "}" FUSED,
         "not an input"},
    };
    struct fixture f;
    struct fusor_error err;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK(fixture_init(&f, wrong[i][0]) == FUSOR_EUSAGE);
        CHECK(strstr(f.err.text, wrong[i][1]) != NULL);
        fixture_clear(&f);
    }
    REQUIRE(fixture_init(&f, TABLES MF ", " OUT "}" FUSED) == FUSOR_OK);
    CHECK(model_set_trained(f.model, names, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "nothing to train") != NULL);
    fixture_clear(&f);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a tower says what its file says", a_tower_says_what_its_file_says},
        {"weights of the others grow", weights_of_the_others_grow},
        {"every fusion differentiates around silent towers",
         every_fusion_differentiates_around_silent_towers},
        {"z-scores are of samples with a score",
         z_scores_are_of_samples_with_a_score},
        {"a missing score is an error that its source names",
         a_missing_score_is_an_error_that_its_source_names},
        {"a sample about which no tower speaks is an error",
         a_sample_about_which_no_tower_speaks_is_an_error},
        {"a silent tower may count as nothing",
         a_silent_tower_may_count_as_nothing},
        {"towers left out and silent ones go together",
         towers_left_out_and_silent_ones_go_together},
        {"what makes no sense is refused", what_makes_no_sense_is_refused},
    };

    return TEST_RUN("contract.scores", cases);
}
