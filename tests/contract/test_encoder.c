/* Every registered encoder: gradients against central differences and against
 * the golden values of an independent implementation in double. */
#include "harness.h"

#include <string.h>

#include "contract/golden.h"
#include "model/fixture.h"
#include "model/registry.h"

#define TABLES "tables: {user: 4, item: 6}, loss: bce"
#define INPUTS "inputs: [user, item, price], activation: tanh"
#define HEAD(name, vector) \
    name ": {type: mlp, inputs: [" vector "], units: [3], activation: tanh}"
#define TWO                                                         \
    "labels: {a: {towers: [ta]}, b: {weight: 0.5, towers: [tb]}}, " \
    "towers: {" HEAD("ta", "x.a") ", " HEAD("tb", "x.b") "}"
#define THREE                                                               \
    "labels: {a: {towers: [ta]}, b: {weight: 0.5, towers: [tb]}, c: "       \
    "{weight: 0.25, towers: [tc]}}, towers: {" HEAD("ta", "x.a") ", " HEAD( \
        "tb", "x.b") ", " HEAD("tc", "x.c") "}"

/* Jobs by name; those of make_golden.py are the same by name. Every registered
 * kind appears. */
static const struct golden_job jobs[] = {
    {"encoder",
     "{" TABLES ", encoders: {net: {type: mlp, inputs: [user, price], "
     "activation: tanh, units: [5, 4]}}, towers: {" HEAD("t",
                                                         "net, item") "}}"},
    {"mmoe", "{" TABLES ", encoders: {x: {type: mmoe, experts: 3, units: [6, "
             "4], " INPUTS "}}, " TWO "}"},
    {"mmoe_gate", "{" TABLES ", encoders: {x: {type: mmoe, experts: 2, units: "
                  "[5], gate: [4], " INPUTS "}}, " THREE "}"},
    {"ple", "{" TABLES ", encoders: {x: {type: ple, levels: 1, own: 2, shared: "
            "1, units: [6, 4], " INPUTS "}}, " TWO "}"},
    {"ple_levels",
     "{" TABLES ", encoders: {x: {type: ple, levels: 3, own: 1, shared: 2, "
     "units: [4], " INPUTS "}}, " TWO "}"},
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void golden_agrees(void)
{
    golden_check_all(jobs, N_JOBS);
}

static void differences_agree(void)
{
    for (size_t i = 0; i < N_JOBS; i++)
        golden_differ(&jobs[i], 1);
}

/* Norm, dropout's mask and relu go through the same layers; a level that reads
 * dense columns alone has nobody to hand a gradient to. */
static void other_settings_run(void)
{
    static const char *const more[] = {
        "{" TABLES ", encoders: {x: {type: ple, levels: 2, own: 1, shared: 1, "
        "units: [4], norm: batch, " INPUTS "}}, " TWO "}",
        "{" TABLES ", encoders: {low: {inputs: [user, item], units: [4], "
        "activation: tanh}, x: {type: mmoe, experts: 2, units: [4], inputs: "
        "[low, price], activation: tanh}}, " TWO "}",
        "{loss: bce, encoders: {x: {type: ple, levels: 2, units: [4], inputs: "
        "price, activation: tanh}}, " TWO "}",
        "{loss: bce, encoders: {x: {type: mmoe, units: [4], inputs: "
        "price, activation: tanh}}, " TWO "}",
    };

    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        struct fixture f;

        REQUIRE(fixture_init(&f, more[i]) == FUSOR_OK);
        f.step.training = 1;
        CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
        fixture_clear(&f);
    }
}

static float *block_at(struct fixture *f, const char *name)
{
    const struct param_spec *p = model_params(f->model);

    for (uint32_t b = 0; b < p->n_blocks; b++)
        if (!strcmp(p->blocks[b].name, name))
            return f->dense + p->blocks[b].offset;
    fprintf(stderr, "no block %s\n", name);
    REQUIRE(0);
    return NULL;
}

/* A gate that says so hands on one expert alone: what that expert does then
 * decides, what another does not. */
static void a_gate_chooses(void)
{
    struct fixture f;
    float before, shared, own;

    REQUIRE(fixture_init(&f, jobs[3].text) == FUSOR_OK);
    memset(block_at(&f, "x.1.a.gate0.weight"), 0, 3 * 12 * sizeof(float));
    block_at(&f, "x.1.a.gate0.bias")[0] = -100; // own 0
    block_at(&f, "x.1.a.gate0.bias")[1] = -100; // own 1
    block_at(&f, "x.1.a.gate0.bias")[2] = 100;  // shared
    fixture_loss(&f);
    before = f.scores[0];
    block_at(&f, "x.1.a.expert1.dense1.bias")[2] += 1;
    fixture_loss(&f);
    own = f.scores[0];
    block_at(&f, "x.1.shared.expert0.dense1.bias")[2] += 1;
    fixture_loss(&f);
    shared = f.scores[0];
    CHECK(own == before);
    CHECK(shared != before);
    fixture_clear(&f);
}

/* What speaks about one label alone does not move what another's own experts
 * learn; the shared ones are moved. */
static void own_experts_learn_from_their_label(void)
{
    static const char *const only_b[] = {"tb", "x", NULL};
    struct fixture f;
    double a = 0, shared = 0;
    size_t at;

    REQUIRE(fixture_init(&f, jobs[3].text) == FUSOR_OK);
    REQUIRE(model_set_trained(f.model, only_b, &f.err) == FUSOR_OK);
    f.step.training = 1;
    fixture_pass(&f);
    at = (size_t)(block_at(&f, "x.1.a.expert0.dense0.weight") - f.dense);
    for (size_t i = 0; i < 6 * 12; i++)
        a += (double)(f.dense_grad[at + i] * f.dense_grad[at + i]);
    at = (size_t)(block_at(&f, "x.1.shared.expert0.dense0.weight") - f.dense);
    for (size_t i = 0; i < 6 * 12; i++)
        shared += (double)(f.dense_grad[at + i] * f.dense_grad[at + i]);
    CHECK(a == 0.0);
    CHECK(shared > 0.0);
    fixture_clear(&f);
}

static void it_describes_itself(void)
{
    struct fixture f;
    struct strbuf text = {0};

    REQUIRE(fixture_init(&f, jobs[4].text) == FUSOR_OK);
    model_describe(f.model, &text);
    REQUIRE(text.s != NULL);
    CHECK(strstr(text.s, "3 levels of 2 shared experts and 1 of each label, "
                         "12 -> 4 tanh, gates 12 -> 3") != NULL);
    CHECK(strstr(text.s, "[x.b]") != NULL);
    strbuf_clear(&text);
    fixture_clear(&f);
}

static const struct {
    const char *encoder, *rest, *words;
} wrong[] = {
    {"{type: mmeo, units: [4], " INPUTS "}", TWO, "did you mean mmoe?"},
    {"{type: mmoe, units: [4], levels: 2, " INPUTS "}", TWO, "levels"},
    {"{type: ple, units: [4], experts: 2, " INPUTS "}", TWO, "experts"},
    {"{experts: 2, units: [4], " INPUTS "}", TWO, "experts"},
    {"{type: mmoe, experts: 0, units: [4], " INPUTS "}", TWO, "1"},
    {"{type: ple, own: 40, units: [4], " INPUTS "}", TWO,
     "82 experts a level (40 of each of 2 labels, 2 shared)"},
    {"{type: ple, levels: 9, units: [4], " INPUTS "}", TWO, "8"},
    {"{type: mmoe, " INPUTS "}", TWO, "encoder x has no units"},
    {"{type: mmoe, units: [4], " INPUTS "}", "towers: {" HEAD("t", "x") "}",
     "shares experts between labels"},
    {"{type: mmoe, units: [4], " INPUTS "}",
     "labels: {a: {towers: [ta]}, b: {towers: [ta]}}, towers: {" HEAD("ta",
                                                                      "x") "}",
     "say which, e.g. x.a"},
    {"{type: mmoe, units: [4], " INPUTS "}",
     "labels: {apple: {towers: [ta]}, b: {towers: [ta]}}, towers: {" HEAD(
         "ta", "x.aple") "}",
     "did you mean apple?"},
    {"{type: mmoe, units: [4], " INPUTS "}",
     "labels: {a: {towers: [ta]}, b: {towers: [ta]}}, towers: {" HEAD(
         "ta", "x.a") "}",
     "no tower reads x.b"},
    {"{units: [4], " INPUTS "}",
     "labels: {a: {towers: [ta]}, b: {towers: [ta]}}, towers: {" HEAD(
         "ta", "x.a") "}",
     "encoder x gives one vector for all labels"},
};

static void wrong_jobs_say_what(void)
{
    char job[1024];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fixture f;
        int found;

        snprintf(job, sizeof(job), "{" TABLES ", encoders: {x: %s}, %s}",
                 wrong[i].encoder, wrong[i].rest);
        CHECK(fixture_init(&f, job) == FUSOR_EUSAGE);
        found = strstr(f.err.text, wrong[i].words) != NULL;
        CHECK(found);
        if (!found)
            fprintf(stderr, "%s\n  gave: %s\n", job, f.err.text);
        fixture_clear(&f);
    }
}

static void every_kind_is_here(void)
{
    const char *const *names = registry_encoder_names();

    for (size_t k = 0; names[k]; k++)
        CHECK(golden_has(jobs, N_JOBS, "type: ", names[k], ","));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every registered encoder has a job here", every_kind_is_here},
        {"scores and gradients agree with golden values", golden_agrees},
        {"gradients agree with central differences", differences_agree},
        {"norms, lower encoders and dense inputs agree too",
         other_settings_run},
        {"a gate chooses its experts", a_gate_chooses},
        {"own experts learn from their label only",
         own_experts_learn_from_their_label},
        {"it says what it is made of", it_describes_itself},
        {"a wrong job is refused with the cure", wrong_jobs_say_what},
    };

    return TEST_RUN("contract.encoder", cases);
}
