/* Every registered fusion: gradients against central differences and golden
 * values; and what a gate is for: weights that differ by user. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "contract/golden.h"
#include "model/fixture.h"
#include "model/registry.h"

#define BASE                                                               \
    "{tables: {user: 4, item: 4, ctx: 3}, loss: bce, towers: {mf: {type: " \
    "dot, "                                                                \
    "query: user, item: item}, deep: {type: mlp, inputs: [ctx, price], "   \
    "units: "                                                              \
    "[4], activation: tanh}}, fusion: "

static const struct golden_job jobs[] = {
    {"weighted_ones", BASE "{type: weighted, over: logits}}"},
    {"weighted_ones_vectors", BASE "{type: weighted, over: vectors}}"},
    {"weighted_given",
     BASE "{type: weighted, over: scores, weights: [0.25, 0.75]}}"},
    {"weighted_free", BASE "{type: weighted, weights: free}}"},
    {"weighted_free_vectors",
     BASE "{type: weighted, over: vectors, weights: free}}"},
    {"weighted_softmax",
     BASE "{type: weighted, over: scores, weights: softmax}}"},
    {"weighted_simplex", BASE "{type: weighted, weights: simplex}}"},
    {"concat", BASE "{type: concat, over: logits, units: [3, 1], activation: "
                    "tanh}}"},
    {"concat_scores", BASE "{type: concat, over: scores}}"},
    {"concat_vectors",
     BASE "{type: concat, over: vectors, units: [5], activation: tanh}}"},
    {"attention", BASE "{type: attention, over: logits}}"},
    {"attention_gate",
     BASE "{type: attention, gate: {mlp: [4], activation: tanh, from: [user, "
          "hist.length, mf.query]}}}"},
    {"attention_scores",
     BASE "{type: attention, over: scores, gate: {mlp: [4], activation: tanh, "
          "from: [price]}}}"},
    {"attention_vectors",
     BASE "{type: attention, over: vectors, gate: {mlp: [4], activation: tanh, "
          "from: price}}}"},
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void golden_agrees(void)
{
    golden_check_all(jobs, N_JOBS);
}

/* A gate that reads a tower's query sends no gradient that way, so that its
 * difference is not its gradient: left to the golden values. */
static void differences_agree(void)
{
    for (size_t i = 0; i < N_JOBS; i++)
        if (!strstr(jobs[i].text, ".query"))
            golden_differ(&jobs[i], 0);
}

/* Masks depend on sample ids only, so a loss with dropped towers is as smooth
 * as one without. */
static void dropped_towers_differ(void)
{
    static const char *const texts[] = {
        BASE "{type: weighted, drop: 0.4}}",
        BASE "{type: concat, over: vectors, drop: 0.4}}",
        BASE "{type: attention, drop: 0.4, gate: {from: [price]}}}",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct fixture f;
        double plain, dropped;

        REQUIRE(fixture_init(&f, texts[i]) == FUSOR_OK);
        plain = fixture_loss(&f);
        f.step.training = 1;
        dropped = fixture_loss(&f);
        CHECK(plain != dropped);
        CHECK(fixture_loss(&f) == dropped);
        CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
        fixture_clear(&f);
    }
}

/* A column of six vectors may hardly vary; dividing by that multiplies the
 * rounding of the differences, seen up to 2.1e-3. */
#define BATCH_DIFFERENCE 5e-3

/* Every head over everything, as it is and normalised, with and without
 * dropped towers: by the micro-batch's statistics and by running ones. */
static void every_combination_differentiates(void)
{
    static const char *const heads[] = {
        "weighted, weights: ones",
        "weighted, weights: free",
        "weighted, weights: softmax",
        "weighted, weights: simplex",
        "concat",
        "concat, units: [3], activation: tanh",
        "attention",
        ("attention, gate: {mlp: [4], activation: tanh, from: [user, "
         "hist.length]}"),
    };
    static const char *const over[] = {"logits", "scores", "vectors"};
    static const char *const more[] = {"", ", normalise: zscore",
                                       ", normalise: zscore, drop: 0.3"};

    for (size_t h = 0; h < sizeof(heads) / sizeof(heads[0]); h++)
        for (size_t o = 0; o < 3; o++)
            for (size_t k = 0; k < 3; k++) {
                struct fixture f;
                char job[1024];

                snprintf(job, sizeof(job), BASE "{type: %s, over: %s%s}}",
                         heads[h], over[o], more[k]);
                REQUIRE(fixture_init(&f, job) == FUSOR_OK);
                CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
                f.step.training = 1;
                CHECK(golden_differences(&f) <
                      (k ? BATCH_DIFFERENCE : GOLDEN_DIFFERENCE));
                fixture_clear(&f);
            }
}

/* (x - mean) / sd over the batch has mean 0 and a sum of squares of n, whatever
 * the towers' scale. */
static void z_scores_are_of_one_scale(void)
{
    struct fixture f;
    float parts[2 * 64];
    double mean[2] = {0}, square[2] = {0};
    uint32_t n;

    REQUIRE(fixture_init(&f, BASE "{type: weighted, normalise: zscore, "
                                  "weights: [1, 3]}}") == FUSOR_OK);
    f.step.training = 1;
    fixture_loss(&f);
    n = f.batch.n;
    REQUIRE(n <= 64);
    model_contributions(f.run, &f.step, parts);
    for (uint32_t i = 0; i < 2 * n; i++) {
        mean[i % 2] += (double)parts[i] / n;
        square[i % 2] += (double)parts[i] * (double)parts[i] / n;
    }
    CHECK_CLOSE(mean[0], 0, 1e-5);
    CHECK_CLOSE(mean[1], 0, 1e-5);
    CHECK_CLOSE(square[0], 1, 1e-2); // less epsilon over the variance
    CHECK_CLOSE(square[1], 9, 9e-2);
    fixture_clear(&f);
}

/* What towers put in adds up to the score. */
static void contributions_add_up(void)
{
    static const char *const texts[] = {
        BASE "{type: weighted}}", BASE "{type: weighted, weights: softmax}}",
        BASE "{type: attention, gate: {from: [price]}}}"};

    for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
        struct fixture f;
        float parts[2 * 64];

        REQUIRE(fixture_init(&f, texts[k]) == FUSOR_OK);
        fixture_loss(&f);
        REQUIRE(f.batch.n <= 64);
        model_contributions(f.run, &f.step, parts);
        for (uint32_t i = 0; i < f.batch.n; i++)
            CHECK_CLOSE(parts[2 * i] + parts[2 * i + 1], f.scores[i], 1e-5);
        fixture_clear(&f);
    }
}

/* With one of two towers left, a weighted average is that tower, a sum is twice
 * it, and zero leaves the weights as they were. */
static void a_missing_tower_does_not_break_the_score(void)
{
    static const unsigned char first[2] = {1, 0}, both[2] = {1, 1};
    static const struct {
        const char *job;
        float factor; // of the other tower's score
    } cases[] = {
        {BASE "{type: weighted}}", 2},
        {BASE "{type: weighted, missing: zero}}", 1},
        {BASE "{type: weighted, weights: [0.25, 0.75]}}", 1},
        {BASE "{type: weighted, weights: [0.25, 0.75], missing: zero}}", 0.75f},
        {BASE "{type: attention}}", 1},
        {BASE "{type: attention, gate: {from: [price]}}}", 1},
    };
    struct fixture f;

    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        const float *other;

        REQUIRE(fixture_init(&f, cases[k].job) == FUSOR_OK);
        CHECK(model_run_set_missing(f.run, both, &f.err) == FUSOR_EUSAGE);
        REQUIRE(model_run_set_missing(f.run, first, &f.err) == FUSOR_OK);
        fixture_loss(&f);
        other = model_tower_scores(f.run, 1);
        for (uint32_t i = 0; i < f.batch.n; i++)
            CHECK_CLOSE(f.scores[i], cases[k].factor * other[i], 1e-5);
        CHECK(model_run_set_missing(f.run, NULL, &f.err) == FUSOR_OK);
        fixture_clear(&f);
    }
    REQUIRE(fixture_init(&f, BASE "{type: weighted, missing: error}}") ==
            FUSOR_OK);
    CHECK(model_run_set_missing(f.run, first, &f.err) == FUSOR_EUSAGE);
    CHECK(strstr(f.err.text, "tower mf is missing") != NULL);
    fixture_clear(&f);
}

static void a_network_does_without_a_tower(void)
{
    static const unsigned char second[2] = {0, 1};
    static const char *const jobs_of[] = {
        BASE "{type: concat, over: vectors, units: [5]}}",
        BASE "{type: concat, over: vectors, units: [5], missing: zero}}"};

    for (size_t k = 0; k < 2; k++) {
        struct fixture f;
        double whole;

        REQUIRE(fixture_init(&f, jobs_of[k]) == FUSOR_OK);
        whole = fixture_loss(&f);
        REQUIRE(model_run_set_missing(f.run, second, &f.err) == FUSOR_OK);
        CHECK(isfinite(fixture_loss(&f)) && fixture_loss(&f) != whole);
        REQUIRE(model_run_set_missing(f.run, NULL, &f.err) == FUSOR_OK);
        CHECK(fixture_loss(&f) == whole);
        fixture_clear(&f);
    }
}

/* The fusion's bias among the blocks; n_blocks: there is none. */
static uint32_t find_bias(const struct fixture *f)
{
    const struct param_spec *p = model_params(f->model);
    uint32_t b = 0;

    while (b < p->n_blocks && strcmp(p->blocks[b].name, "fusion.bias") != 0)
        b++;
    return b;
}

/* Score of the first sample with this bias. */
static float score_at(struct fixture *f, uint32_t bias, float value)
{
    f->dense[model_params(f->model)->blocks[bias].offset] = value;
    fixture_loss(f);
    return f->scores[0];
}

/* The score moves by the bias, whose gradient is the mean error. */
static void a_bias_moves_the_score(void)
{
    static const char *const texts[] = {
        BASE "{type: weighted, bias: true}}",
        BASE "{type: weighted, weights: free, bias: true}}",
        BASE "{type: weighted, over: scores, weights: softmax, bias: true}}",
        BASE "{type: attention, bias: true}}",
        BASE "{type: attention, bias: true, gate: {from: [price]}}}",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct fixture f;
        uint32_t bias;
        float before;

        REQUIRE(fixture_init(&f, texts[i]) == FUSOR_OK);
        bias = find_bias(&f);
        REQUIRE(bias < model_params(f.model)->n_blocks);
        CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
        before = score_at(&f, bias, 0.0f);
        CHECK_CLOSE(score_at(&f, bias, 0.75f), before + 0.75f, 1e-6);
        fixture_clear(&f);
    }
}

static void nobody_has_a_bias_unasked(void)
{
    static const char *const texts[] = {
        BASE "{type: weighted, weights: free}}", BASE "{type: attention}}",
        BASE "{type: weighted, bias: false}}",
        BASE "{type: concat}}", // has that of its dense layer
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct fixture f;

        REQUIRE(fixture_init(&f, texts[i]) == FUSOR_OK);
        CHECK(find_bias(&f) == model_params(f.model)->n_blocks);
        fixture_clear(&f);
    }
}

static void every_kind_is_here(void)
{
    const char *const *names = registry_fusion_names();

    for (size_t k = 0; names[k]; k++)
        CHECK(golden_has(jobs, N_JOBS, "fusion: {type: ", names[k], ""));
}

static void weights_sum_to_one(void)
{
    struct fixture f;
    const float *w;

    REQUIRE(fixture_init(&f, jobs[N_JOBS - 3].text) == FUSOR_OK);
    fixture_loss(&f);
    w = model_fusion_weights(f.run);
    REQUIRE(w != NULL);
    for (uint32_t i = 0; i < f.batch.n; i++)
        CHECK_CLOSE(w[2 * i] + w[2 * i + 1], 1, 1e-6);
    CHECK(w[0] == w[2]); // one query: one user, one history
    CHECK(w[0] != w[6]);
    fixture_clear(&f);
}

/* The p of the fixture project onto the simplex as p - (sum - 1) / 2. */
static void simplex_weights_leave_a_tower_out(void)
{
    struct fixture f;
    const struct param_spec *p;
    const float *a, *b;
    uint64_t at;

    REQUIRE(fixture_init(&f, jobs[6].text) == FUSOR_OK);
    p = model_params(f.model);
    at = p->blocks[p->n_blocks - 1].offset;
    f.dense[at] = 3.0f; // far enough ahead to have all
    f.dense[at + 1] = 1.0f;
    fixture_pass(&f);
    a = model_tower_scores(f.run, 0);
    b = model_tower_scores(f.run, 1);
    for (uint32_t i = 0; i < f.batch.n; i++)
        CHECK(f.scores[i] == a[i] && a[i] != b[i]);
    CHECK(f.dense_grad[at] == 0.0f);     // w = 1 whatever p does
    CHECK(f.dense_grad[at + 1] != 0.0f); // and yet it can come back
    fixture_clear(&f);
}

#define USERS 2
#define ROWS 32

/* Two frozen-like towers: the first one's score is price[0], the second one's
 * price[1]; users of kind 0 follow the first, of kind 1 the second. */
struct preference {
    struct batch batch;
    struct batch_field fields[FIXTURE_N_FIELDS];
    uint64_t users[USERS];
    uint32_t query_of[ROWS], query_n[USERS];
    float price[2 * ROWS], label[ROWS];
    uint64_t id[ROWS];
};

static void make_preference(struct preference *p)
{
    memset(p, 0, sizeof(*p));
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t u = i * USERS / ROWS;

        p->query_of[i] = u;
        p->query_n[u]++;
        p->price[2 * i] = i & 1 ? 2.0f : -2.0f; // independent signs
        p->price[2 * i + 1] = i & 2 ? 2.0f : -2.0f;
        p->label[i] = p->price[2 * i + u] > 0 ? 1.0f : 0.0f;
        p->id[i] = i;
    }
    p->users[1] = 1;
    p->fields[FIXTURE_USER] =
        (struct batch_field){.ids = p->users, .n_values = USERS};
    p->fields[FIXTURE_PRICE].dense = p->price;
    p->batch = (struct batch){.n = ROWS,
                              .n_queries = USERS,
                              .query_of = p->query_of,
                              .query_n = p->query_n,
                              .n_fields = FIXTURE_N_FIELDS,
                              .fields = p->fields,
                              .label = p->label,
                              .sample_id = p->id};
}

/* Weights 1 and 0, or 0 and 1, of price in the two towers. */
static void set_towers(struct fixture *f)
{
    const struct param_spec *p = model_params(f->model);

    for (uint32_t b = 0; b < p->n_blocks; b++)
        for (uint64_t e = 0; e < p->blocks[b].size; e++) {
            float *v = &f->dense[p->blocks[b].offset + e];

            if (!strcmp(p->blocks[b].name, "a.weight"))
                *v = e == 0 ? 1.0f : 0.0f;
            else if (!strcmp(p->blocks[b].name, "b.weight"))
                *v = e == 1 ? 1.0f : 0.0f;
            else if (strncmp(p->blocks[b].name, "fusion", 6))
                *v = 0.0f;
        }
}

/* Gradient descent on the fusion alone. @return the mean loss at the end */
static double fit(struct fixture *f, int steps, float rate)
{
    static const char *const fusion_only[] = {"fusion", NULL};
    const struct param_spec *p = model_params(f->model);
    double loss = 0;

    set_towers(f);
    REQUIRE(model_set_trained(f->model, fusion_only, &f->err) == FUSOR_OK);
    f->step.grad_scale = 1.0f / ROWS;
    for (int i = 0; i < steps; i++) {
        loss = fixture_pass(f) / ROWS;
        for (uint64_t e = 0; e < p->n_dense; e++)
            f->dense[e] -= rate * f->dense_grad[e];
        for (uint32_t t = 0; t < p->n_tables; t++)
            for (uint32_t u = 0; u < f->tables[t].n; u++)
                for (uint32_t e = 0; e < p->tables[t].width; e++)
                    f->tables[t].rows[u][e] -= rate * f->tables[t].grads[u][e];
    }
    return loss;
}

#define TWO                                                              \
    "loss: bce, towers: {a: {type: linear, inputs: [price]}, b: {type: " \
    "linear, inputs: [price]}}, fusion: "

static void a_gate_learns_weights_by_user(void)
{
    struct preference p;
    struct fixture plain, gated;
    const float *w;
    double one, each;

    make_preference(&p);
    REQUIRE(fixture_init_batch(&plain, "{" TWO "{type: attention}}",
                               &p.batch) == FUSOR_OK);
    REQUIRE(fixture_init_batch(&gated,
                               "{tables: {user: 4}, " TWO
                               "{type: attention, gate: {mlp: [8], activation: "
                               "tanh, from: [user]}}}",
                               &p.batch) == FUSOR_OK);
    one = fit(&plain, 400, 0.5f);
    each = fit(&gated, 400, 0.5f);
    /* softmax(alpha) can do no better than halves: bce of +-2 and 0 is .127
     * and .693, their mean .41; a right gate reaches .127. */
    CHECK(one > 0.40);
    CHECK(each < 0.16);
    w = model_fusion_weights(gated.run);
    CHECK(w[0] > 0.9f);              // user 0: the first tower
    CHECK(w[2 * (ROWS - 1)] < 0.1f); // user 1: the second
    w = model_fusion_weights(plain.run);
    CHECK_CLOSE(w[0], 0.5, 1e-3);
    fixture_clear(&gated);
    fixture_clear(&plain);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every registered fusion has a job here", every_kind_is_here},
        {"scores and gradients agree with golden values", golden_agrees},
        {"gradients agree with central differences", differences_agree},
        {"dropping towers is repeatable and differentiable",
         dropped_towers_differ},
        {"every head over everything, normalised or not, differentiates",
         every_combination_differentiates},
        {"z-scores are of one scale", z_scores_are_of_one_scale},
        {"contributions add up to the score", contributions_add_up},
        {"a missing tower does not break the score",
         a_missing_tower_does_not_break_the_score},
        {"a network does without a tower", a_network_does_without_a_tower},
        {"attention weights sum to one and follow the gate",
         weights_sum_to_one},
        {"a bias moves the score and learns", a_bias_moves_the_score},
        {"nobody has a bias unasked", nobody_has_a_bias_unasked},
        {"simplex weights leave a tower out and let it come back",
         simplex_weights_leave_a_tower_out},
        {"a gate learns weights by user where softmax cannot",
         a_gate_learns_weights_by_user},
    };

    return TEST_RUN("contract.fusion", cases);
}
