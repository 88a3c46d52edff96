/* Every registered loss: gradients against central differences and golden
 * values, weights, labels and scores far from 0. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "contract/golden.h"
#include "model/fixture.h"
#include "model/registry.h"

#define MODEL                                                                  \
    "tables: {user: 5, item: 5}, towers: {mf: {type: dot, query: user, item: " \
    "item}}}"

static const struct golden_job jobs[] = {
    {"bce", "{loss: bce, " MODEL},
    {"mse", "{loss: mse, " MODEL},
    {"mse_sigmoid", "{loss: mse, output: sigmoid, " MODEL},
    {"huber", "{loss: {huber: 0.3}, " MODEL},
    {"bpr", "{loss: bpr, " MODEL},
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void golden_agrees(void)
{
    for (size_t i = 0; i < N_JOBS; i++)
        golden_check(&jobs[i]);
}

static void differences_agree_with_weights(void)
{
    static const float weights[] = {1, 0.5f, 0, 2, 3, 0.25f};

    for (size_t i = 0; i < N_JOBS; i++) {
        struct fixture f;

        REQUIRE(fixture_init(&f, jobs[i].text) == FUSOR_OK);
        f.batch.weight = weights;
        CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
        fixture_clear(&f);
    }
}

static void every_kind_is_here(void)
{
    const char *const *names = registry_loss_names();

    for (size_t k = 0; names[k]; k++) {
        int found = 0;

        if (!registry_loss(names[k])->eval) // tests/model/test_candidates.c
            continue;
        for (size_t i = 0; i < N_JOBS; i++)
            found |= !strcmp(jobs[i].name, names[k]);
        CHECK(found);
    }
}

/* softplus(100) - 100 = 3.7e-44, softplus(100) = 100. */
static void far_scores_stay_finite(void)
{
    const float x[] = {100, 100, -100, -100}, label[] = {1, 0, 1, 0};
    float grad[4];
    const struct loss_kind *l = registry_loss("bce");

    CHECK_CLOSE(l->eval(0, x, label, NULL, 4, grad), 200, 1e-6);
    CHECK(fabsf(grad[0]) < 1e-6f && fabsf(grad[3]) < 1e-6f);
    CHECK_CLOSE(grad[1], 1, 1e-6);
    CHECK_CLOSE(grad[2], -1, 1e-6);
}

static void bce_refuses_other_labels(void)
{
    static const float label[] = {1, 0, 5, 0, 1, 0};
    struct fixture f;
    double sum;

    REQUIRE(fixture_init(&f, jobs[0].text) == FUSOR_OK);
    f.batch.label = label;
    model_forward(f.run, &f.step, NULL, NULL, &f.err);
    CHECK(model_loss(f.run, &f.step, &sum, &f.err) == FUSOR_EDATA);
    CHECK(strstr(f.err.text, "label 5") != NULL);
    CHECK(strstr(f.err.text, "map") != NULL);
    fixture_clear(&f);
}

static void bpr_refuses_half_a_pair(void)
{
    struct fixture f;
    double sum;

    REQUIRE(fixture_init(&f, jobs[4].text) == FUSOR_OK);
    CHECK(model_loss_is_pairwise(f.model));
    f.batch.n = 5;
    model_forward(f.run, &f.step, NULL, NULL, &f.err);
    CHECK(model_loss(f.run, &f.step, &sum, &f.err) == FUSOR_EINVAL);
    fixture_clear(&f);
}

/* The loss takes the score, the output is clipped. */
static void a_range_clips_outputs_only(void)
{
    struct fixture f, free;

    REQUIRE(
        fixture_init(&f, "{loss: mse, output: {range: [-0.1, 0.1]}, " MODEL) ==
        FUSOR_OK);
    REQUIRE(fixture_init(&free, jobs[1].text) == FUSOR_OK);
    CHECK(fixture_loss(&f) == fixture_loss(&free));
    for (uint32_t i = 0; i < f.batch.n; i++) {
        CHECK(f.outputs[i] >= -0.1f && f.outputs[i] <= 0.1f);
        CHECK(f.scores[i] == free.outputs[i]);
    }
    CHECK(f.outputs[4] == 0.1f);
    fixture_clear(&f);
    fixture_clear(&free);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every registered loss has a job here", every_kind_is_here},
        {"losses and gradients agree with golden values", golden_agrees},
        {"gradients agree with central differences under weights",
         differences_agree_with_weights},
        {"bce of scores far from 0 is finite", far_scores_stay_finite},
        {"bce refuses labels outside 0..1 and says what to do",
         bce_refuses_other_labels},
        {"bpr refuses half a pair", bpr_refuses_half_a_pair},
        {"a range clips outputs, not the loss", a_range_clips_outputs_only},
    };

    return TEST_RUN("contract.loss", cases);
}
