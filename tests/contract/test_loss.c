/* Every registered loss: gradients against central differences and golden
 * values, weights, labels and scores far from 0. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "contract/golden.h"
#include "model/fixture.h"
#include "model/loss/lists.h"
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
    {"listnet", "{loss: listnet, " MODEL},
    {"listnet_sharp", "{loss: {listnet: 0.25}, " MODEL},
    {"listmle", "{loss: listmle, " MODEL},
    {"lambdarank", "{loss: lambdarank, " MODEL},
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void golden_agrees(void)
{
    golden_check_all(jobs, N_JOBS);
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

        if (!loss_judges_rows(registry_loss(names[k])))
            continue; // tests/model/test_candidates.c
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

/* One list of four rows, by hand: labels 0, 2, 1, 0, scores .5, 0, 1, -1. */
static const float list_x[] = {0.5f, 0, 1, -1}, list_y[] = {0, 2, 1, 0};

static double eval_list(const char *name, float param, float *grad)
{
    struct list_item order[4];
    float part[4];
    struct loss_list l = {4, list_x, list_y, grad, part, order};

    return registry_loss(name)->list(param, &l);
}

static void graded_lists_follow_their_papers(void)
{
    float grad[4];
    double sum = exp(0.5) + 1 + exp(1.0) + exp(-1.0), best, want;

    /* softmax(labels / 0.5) is softmax(0, 4, 2, 0). */
    want = log(sum) - (exp(2.0) + 0.5 - 1) / (2 + exp(4.0) + exp(2.0));
    CHECK_CLOSE(eval_list("listnet", 0.5f, grad), want, 1e-5);
    CHECK_CLOSE(grad[1], 1 / sum - exp(4.0) / (2 + exp(4.0) + exp(2.0)), 1e-5);

    /* The order is rows 1, 2, 0, 3. */
    want = log(sum) + log(exp(1.0) + exp(0.5) + exp(-1.0)) - 1 +
           log(exp(0.5) + exp(-1.0)) - 0.5;
    CHECK_CLOSE(eval_list("listmle", 0, grad), want, 1e-5);
    CHECK_CLOSE(grad[1], 1 / sum - 1, 1e-5);

    /* Places are rows 2, 0, 1, 3; gains 3, 1, 0, 0. */
    best = 3 + 1 / log2(3);
    want = (2 * (1 - 0.5) * log1p(exp(1.0)) +
            3 * (1 / log2(3) - 0.5) * log1p(exp(0.5)) +
            3 * (0.5 - 1 / log2(5)) * log1p(exp(-1.0)) +
            1 * (1 - 1 / log2(3)) * log1p(exp(-0.5)) +
            1 * (1 - 1 / log2(5)) * log1p(exp(-2.0))) /
           best;
    CHECK_CLOSE(eval_list("lambdarank", 0, grad), want, 1e-5);
    want = 1 * (1 - 1 / log2(5)) / (1 + exp(2.0)) / best +
           3 * (0.5 - 1 / log2(5)) / (1 + exp(1.0)) / best;
    CHECK_CLOSE(grad[3], want, 1e-5);
}

/* Without anything relevant there is nothing to put first; far scores stay
 * finite. */
static void odd_lists_are_harmless(void)
{
    static const char *const names[] = {"listnet", "listmle", "lambdarank"};
    static const float far[] = {300, -300, 0, 150}, none[] = {0, 0, 0, 0};

    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 2; i++) {
            struct list_item order[4];
            float grad[4], part[4];
            struct loss_list l = {
                4, i ? far : list_x, i ? list_y : none, grad, part, order};
            double sum = registry_loss(names[k])->list(1, &l);

            CHECK(isfinite(sum) && sum >= 0);
            for (int e = 0; e < 4; e++)
                CHECK(isfinite(grad[e]) && fabsf(grad[e]) <= 4);
            if (i == 0 && k == 2)
                CHECK(sum == 0 && grad[0] == 0 && grad[2] == 0);
        }
}

/* A query key says who stands together, where fields of the query differ from
 * row to row; the unknown one nobody. */
static void lists_follow_the_query_key(void)
{
    static const uint32_t one[] = {1, 1, 1, 1, 1, 1};
    static const uint32_t same[] = {7, 7, 7, 2, 2, 5};
    static const uint32_t unknown[] = {0, 0, 0, 0, 0, 0};
    struct fixture f;
    double want;

    REQUIRE(fixture_init(&f, "{loss: listnet, " MODEL) == FUSOR_OK);
    CHECK(model_loss_is_listwise(f.model));
    want = fixture_loss(&f);
    CHECK(want > 0);
    f.batch.query = same;
    CHECK(fixture_loss(&f) == want);
    f.batch.query = unknown;
    CHECK(fixture_loss(&f) == 0);
    f.batch.query = one;
    CHECK(fixture_loss(&f) != want);
    fixture_clear(&f);
}

static void lists_refuse_what_they_cannot_rank(void)
{
    static const float label[] = {1, 0, 40, 0, 1, 0};
    struct fixture f;
    double sum;

    REQUIRE(fixture_init(&f, "{loss: lambdarank, " MODEL) == FUSOR_OK);
    f.batch.label = label;
    model_forward(f.run, &f.step, NULL, NULL, &f.err);
    CHECK(model_loss(f.run, &f.step, &sum, &f.err) == FUSOR_EDATA);
    CHECK(strstr(f.err.text, "label 40") != NULL);
    fixture_clear(&f);
    CHECK(fixture_init(&f, "{loss: {listmle: 2}, " MODEL) == FUSOR_EUSAGE);
    CHECK(strstr(f.err.text, "takes no number") != NULL);
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

/* Without this, adam makes steps of what rounding leaves. */
static void order_leaves_the_bias_alone(void)
{
    static const char *const losses[] = {"mse", "bpr", "listnet", "listmle",
                                         "lambdarank"};
    char text[512];

    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        struct fixture f;
        const struct param_spec *p;
        uint32_t b = 0;

        snprintf(text, sizeof(text),
                 "{loss: %s, fusion: {type: weighted, weights: free, bias: "
                 "true}, tables: {user: 5, item: 5}, towers: {mf: {type: dot, "
                 "query: user, item: item}, lin: {type: linear, inputs: "
                 "price}}}",
                 losses[i]);
        REQUIRE(fixture_init(&f, text) == FUSOR_OK);
        p = model_params(f.model);
        while (strcmp(p->blocks[b].name, "fusion.bias") != 0)
            REQUIRE(++b < p->n_blocks);
        fixture_pass(&f);
        CHECK((f.dense_grad[p->blocks[b].offset] == 0.0f) == (i > 0));
        CHECK(model_loss_only_orders(f.model, 0) == (i > 0));
        fixture_clear(&f);
    }
}

/* e^4 / (e^4 + 99), and all where nothing says otherwise. */
static void lists_tell_how_much_they_want_of_one(void)
{
    const double e4 = 54.598150033;
    struct fixture f;

    REQUIRE(fixture_init(&f, "{loss: {listnet: 0.25}, " MODEL) == FUSOR_OK);
    CHECK_CLOSE(model_list_share(f.model, 100), e4 / (e4 + 99), 1e-6);
    CHECK_CLOSE(model_list_share(f.model, 1), 1, 1e-6);
    fixture_clear(&f);
    REQUIRE(fixture_init(&f, "{loss: lambdarank, " MODEL) == FUSOR_OK);
    CHECK_CLOSE(model_list_share(f.model, 100), 1, 1e-6);
    fixture_clear(&f);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"lists tell how much they want of one",
         lists_tell_how_much_they_want_of_one},
        {"every registered loss has a job here", every_kind_is_here},
        {"losses and gradients agree with golden values", golden_agrees},
        {"gradients agree with central differences under weights",
         differences_agree_with_weights},
        {"bce of scores far from 0 is finite", far_scores_stay_finite},
        {"bce refuses labels outside 0..1 and says what to do",
         bce_refuses_other_labels},
        {"bpr refuses half a pair", bpr_refuses_half_a_pair},
        {"lists with grades follow the formulas of their papers",
         graded_lists_follow_their_papers},
        {"lists without relevance or with far scores are harmless",
         odd_lists_are_harmless},
        {"lists follow the query key", lists_follow_the_query_key},
        {"lists refuse labels without a gain, and numbers",
         lists_refuse_what_they_cannot_rank},
        {"a loss that only orders leaves the fusion's bias alone",
         order_leaves_the_bias_alone},
        {"a range clips outputs, not the loss", a_range_clips_outputs_only},
    };

    return TEST_RUN("contract.loss", cases);
}
