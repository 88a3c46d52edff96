/* What gates of experts are called, and what they give. */
#include "model/gates.h"

#include <string.h>

#include "harness.h"

#include "model/fixture.h"

#define HEAD(name, vector) \
    name ": {type: mlp, inputs: [" vector "], units: [3], activation: tanh}"
#define LABELS                                                             \
    "tables: {user: 4, item: 6}, labels: {a: {towers: [ta]}, b: {towers: " \
    "[tb]}}, towers: {" HEAD("ta", "x.a") ", " HEAD("tb", "x.b") "}"
#define INPUTS "units: [4], inputs: [user, item, price]"

static void names_are_those_of_the_blocks(void)
{
    struct fixture f;
    char name[GATES_NAME_MAX];

    REQUIRE(fixture_init(&f,
                         "{" LABELS ", encoders: {x: {type: ple, levels: "
                         "2, own: 1, shared: 2, " INPUTS "}}}") == FUSOR_OK);
    REQUIRE(gates_n_levels(f.model) == 2);
    CHECK(gates_level(f.model, 0).n_experts == 4);
    CHECK(gates_level(f.model, 0).n_gates == 3);
    CHECK(gates_level(f.model, 1).n_gates == 2);
    gates_expert_name(f.model, 0, 1, name);
    CHECK(strcmp(name, "x.1.b.expert0") == 0);
    gates_expert_name(f.model, 1, 3, name);
    CHECK(strcmp(name, "x.2.shared.expert1") == 0);
    CHECK(strcmp(gates_gate_name(f.model, 1), "b") == 0);
    CHECK(strcmp(gates_gate_name(f.model, 2), "shared") == 0);
    CHECK(gates_weigh(f.model, 0, 0, 0) && !gates_weigh(f.model, 0, 0, 1));
    CHECK(gates_weigh(f.model, 0, 1, 2) && gates_weigh(f.model, 0, 2, 1));
    fixture_clear(&f);
}

/* Each gate gives 1 to each sample, to the experts it chooses among. */
static void weights_add_up_over_samples(void)
{
    static const char *const jobs[] = {
        "{" LABELS ", encoders: {x: {type: ple, levels: 2, own: 1, shared: 2, "
        "gate: [3], " INPUTS "}}}",
        "{" LABELS ", encoders: {x: {type: mmoe, experts: 3, " INPUTS "}}}",
    };

    for (size_t k = 0; k < 2; k++) {
        struct fixture f;

        REQUIRE(fixture_init(&f, jobs[k]) == FUSOR_OK);
        fixture_loss(&f);
        REQUIRE(gates_n_levels(f.model) == 2 - k);
        for (uint32_t i = 0; i < 2 - k; i++) {
            struct gates_level l = gates_level(f.model, i);
            double sums[12] = {0};

            gates_add(f.run, i, sums);
            for (uint32_t g = 0; g < l.n_gates; g++) {
                double sum = 0;

                for (uint32_t e = 0; e < l.n_experts; e++) {
                    double each = sums[g * l.n_experts + e];

                    sum += each;
                    CHECK((each > 0) == gates_weigh(f.model, i, g, e));
                }
                CHECK_CLOSE(sum, f.batch.n, 1e-5);
            }
        }
        fixture_clear(&f);
    }
}

static void others_have_no_gates(void)
{
    struct fixture f;

    REQUIRE(fixture_init(&f, "{tables: {user: 4, item: 6}, encoders: {x: {"
                             "" INPUTS
                             "}}, towers: {" HEAD("t", "x") "}}") == FUSOR_OK);
    CHECK(gates_n_levels(f.model) == 0);
    fixture_clear(&f);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"names are those of the blocks", names_are_those_of_the_blocks},
        {"weights add up over samples", weights_add_up_over_samples},
        {"other encoders have no gates", others_have_no_gates},
    };

    return TEST_RUN("model.gates", cases);
}
