/* Scores as shares of the largest of their query: what they are, their
 * gradients, and candidates that come in several passes. */
#include "harness.h"

#include <math.h>
#include <string.h>

#include "contract/golden.h"
#include "model/fixture.h"

#define BASE                                                                   \
    "{tables: {user: 4, item: 4}, loss: mse, towers: {mf: {type: dot, query: " \
    "user, item: item}, deep: {type: mlp, inputs: [item, price], units: [4], " \
    "activation: tanh}}, fusion: {normalise: per_query_max, "

static void begin(struct fixture *f, const char *job)
{
    if (fixture_init(f, job) != FUSOR_OK) {
        fprintf(stderr, "%s\n", f->err.text);
        REQUIRE(0);
    }
}

/* Largest |score| of tower t among samples [from, to). */
static double largest(const struct fixture *f, uint32_t t, uint32_t from,
                      uint32_t to)
{
    double top = 0;

    for (uint32_t i = from; i < to; i++)
        top = fmax(top, fabs((double)model_tower_scores(f->run, t)[i]));
    return top;
}

/* Samples 0 1 2, 3 4 and 5 are of one query each. */
static void a_score_is_a_share_of_the_largest(void)
{
    static const uint32_t first[] = {0, 0, 0, 3, 3, 5};
    static const uint32_t until[] = {3, 3, 3, 5, 5, 6};
    struct fixture f;

    begin(&f, BASE "type: weighted, weights: [1, 2]}}");
    CHECK(model_normalises_queries(f.model));
    fixture_loss(&f);
    for (uint32_t i = 0; i < 6; i++) {
        double want = 0;

        for (uint32_t t = 0; t < 2; t++)
            want += (t + 1) * (double)model_tower_scores(f.run, t)[i] /
                    largest(&f, t, first[i], until[i]);
        CHECK_CLOSE((double)f.scores[i], want, 1e-6);
    }
    fixture_clear(&f);
}

static void gradients_are_differences(void)
{
    static const char *const heads[] = {
        "type: weighted, weights: free}}",
        "type: weighted, weights: softmax, over: scores}, output: sigmoid}",
        "type: concat, units: [3], activation: tanh}}",
        "type: attention, gate: {mlp: [4], activation: tanh, from: [price]}}}",
        "type: weighted, weights: free, drop: 0.3}}",
    };

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct fixture f;
        char job[1024];

        snprintf(job, sizeof(job), BASE "%s", heads[i]);
        begin(&f, job);
        CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
        f.step.training = 1;
        CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
        fixture_clear(&f);
    }
}

/* All six samples as candidates of one query, in two passes. */
static void passes_share_what_was_collected(void)
{
    static const uint32_t query_of[] = {0, 0, 0, 0, 0, 0};
    static const uint32_t query_n[] = {6};
    float whole[6], part[6];
    struct fixture f;

    begin(&f, BASE "type: weighted, weights: [1, 2]}}");
    f.batch.n_queries = 1;
    f.batch.query_of = query_of;
    f.batch.query_n = query_n;
    REQUIRE(model_forward(f.run, &f.step, whole, NULL, NULL) == FUSOR_OK);
    model_run_set_tops(f.run, TOPS_COLLECT);
    for (uint32_t n = 6; n > 2; n -= 2) { // the larger pass counts
        f.batch.n = n;
        REQUIRE(model_forward(f.run, &f.step, part, NULL, NULL) == FUSOR_OK);
    }
    model_run_set_tops(f.run, TOPS_GIVEN);
    f.batch.n = 3;
    REQUIRE(model_forward(f.run, &f.step, part, NULL, NULL) == FUSOR_OK);
    CHECK(!memcmp(part, whole, 3 * sizeof(float)));
    model_run_set_tops(f.run, TOPS_PASS);
    REQUIRE(model_forward(f.run, &f.step, part, NULL, NULL) == FUSOR_OK);
    CHECK(memcmp(part, whole, 3 * sizeof(float)) != 0);
    model_run_set_tops(f.run, TOPS_COLLECT); // forgets
    model_run_set_tops(f.run, TOPS_GIVEN);
    REQUIRE(model_forward(f.run, &f.step, part, NULL, NULL) == FUSOR_OK);
    CHECK(isfinite(part[0]));
    fixture_clear(&f);
}

static void vectors_have_no_largest(void)
{
    struct fixture f;

    CHECK(fixture_init(&f, BASE "type: weighted, over: vectors}}") ==
          FUSOR_EUSAGE);
    CHECK(strstr(f.err.text, "over vectors") != NULL);
    fixture_clear(&f);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a score is a share of the largest",
         a_score_is_a_share_of_the_largest},
        {"gradients are differences", gradients_are_differences},
        {"passes share what was collected", passes_share_what_was_collected},
        {"vectors have no largest", vectors_have_no_largest},
    };

    return TEST_RUN("contract.query_max", cases);
}
