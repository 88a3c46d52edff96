/* Encoders and shared input matrices: gradients, sharing, stages, errors. */
#include "harness.h"

#include <string.h>

#include "model/encoder.h"
#include "model/fixture.h"

#define TABLES "tables: {user: 4, item: 4, imp: 4}, loss: bce"
#define BOTTOM "net: {inputs: [price, user], units: [5, 4], activation: tanh}"
#define FM "fm: {type: fm, inputs: [net, user, item], linear: true}"
#define DEEP                                                    \
    "deep: {type: mlp, inputs: [net, user, item], units: [6], " \
    "activation: tanh}"
#define BAG                                                            \
    "bag: {type: mlp, inputs: [{bag: hist, table: imp}], units: [3], " \
    "activation: tanh}"
#define ADD "fusion: {type: weighted, over: logits, weights: ones}"

static const char both[] = "{" TABLES ", encoders: {" BOTTOM "}, towers: {" FM
                           ", " DEEP ", " BAG "}, " ADD "}";

/* Every way in which something reads an encoder. */
static const char *const jobs[] = {
    both,
    /* the network first, so that fm runs backward before it */
    "{" TABLES ", encoders: {" BOTTOM "}, towers: {" DEEP ", " FM ", " BAG
    "}, " ADD "}",
    /* two networks over one matrix: the second gradient is added */
    "{" TABLES ", encoders: {" BOTTOM "}, towers: {a: {type: mlp, inputs: "
    "[net, item], units: [3], activation: tanh}, b: {type: mlp, inputs: [net, "
    "item], units: [5], activation: gelu}, " BAG "}, " ADD "}",
    /* an encoder over an encoder, and one matrix read by both kinds of part */
    "{" TABLES ", encoders: {" BOTTOM ", top: {inputs: [net, item], units: "
    "[3], activation: sigmoid}}, towers: {a: {type: mlp, inputs: [net, item], "
    "units: [3], activation: tanh}, b: {type: mlp, inputs: [top, net], units: "
    "[4], activation: tanh}, " BAG "}, " ADD "}",
    /* vectors, norm, a linear tower and a gate */
    "{" TABLES ", encoders: {net: {inputs: [price, user], units: [4], "
    "norm: batch, activation: tanh}}, towers: {" FM ", a: {type: mlp, inputs: "
    "[net, item], units: [5], activation: tanh}, " BAG
    "}, fusion: {type: concat, over: vectors, units: [4], activation: tanh}}",
    "{" TABLES ", encoders: {" BOTTOM "}, towers: {lin: {type: linear, "
    "inputs: [net, ctx]}, a: {type: mlp, inputs: [item], units: [3], "
    "activation: tanh}, " BAG "}, fusion: {type: attention, over: logits, "
    "gate: {mlp: [], from: [net, user]}}}",
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static int smooth(const char *job)
{
    return strstr(job, "relu") == NULL;
}

static void gradients_agree(void)
{
    for (size_t i = 0; i < N_JOBS; i++) {
        struct fixture f;
        enum fusor_status rc = fixture_init(&f, jobs[i]);
        double off;

        CHECK(rc == FUSOR_OK);
        if (rc != FUSOR_OK) {
            fprintf(stderr, "job %zu: %s\n", i, f.err.text);
            continue;
        }
        CHECK(smooth(jobs[i]));
        f.step.training = 1;
        off = fixture_gradient_error(&f, 1e-2f);
        CHECK(off < 1e-3);
        if (off >= 1e-3)
            fprintf(stderr, "job %zu: off by %g\n", i, off);
        fixture_clear(&f);
    }
}

static void equal_inputs_are_one_matrix(void)
{
    struct fixture f;
    uint32_t n;

    REQUIRE(fixture_init(&f, both) == FUSOR_OK);
    CHECK(f.model->n_matrices == 3); // net's, fm's and deep's, bag's
    CHECK(f.model->matrices[1].n_readers == 2);
    CHECK(f.model->matrices[1].in.width == 12);
    model_lookups(f.model, &n);
    CHECK(n == 3);
    fixture_clear(&f);
}

/* A weight of each tower's l2 counts once, whoever shares its matrix. */
static void l2_of_readers_adds_up(void)
{
    static const char shared[] =
        "{" TABLES ", towers: {a: {type: mlp, inputs: [user, item], units: "
        "[3], l2: 0.2}, b: {type: mlp, inputs: [user, item], units: [3], l2: "
        "0.3}, " BAG "}, " ADD "}";
    static const char apart[] =
        "{" TABLES ", towers: {a: {type: mlp, inputs: [user, item], units: "
        "[3], l2: 0.2}, b: {type: mlp, inputs: [{field: user}, item, price], "
        "units: [3], l2: 0.3}, " BAG "}, " ADD "}";
    struct fixture f, g;
    const float *row, *a, *b;
    double extra = 0.0;

    REQUIRE(fixture_init(&f, shared) == FUSOR_OK);
    REQUIRE(fixture_init(&g, apart) == FUSOR_OK);
    CHECK(f.model->n_matrices == 2);
    CHECK(g.model->n_matrices == 3);
    /* With all blocks zero no loss gradient reaches the rows: l2 is left. */
    memset(f.dense, 0, model_params(f.model)->n_dense * sizeof(float));
    memset(g.dense, 0, model_params(g.model)->n_dense * sizeof(float));
    f.step.training = g.step.training = 1;
    fixture_pass(&f);
    fixture_pass(&g);
    row = fixture_row(&f, "user", f.tables[0].keys[0]);
    a = fixture_grad(&f, "user", f.tables[0].keys[0]);
    b = fixture_grad(&g, "user", f.tables[0].keys[0]);
    REQUIRE(row && a && b);
    for (int i = 0; i < 4; i++) {
        CHECK_CLOSE((double)a[i], (double)b[i], 1e-6);
        extra += (double)(a[i] * row[i]);
    }
    CHECK(extra > 0.0);
    fixture_clear(&f);
    fixture_clear(&g);
}

static void a_stage_trains_the_encoders_it_names(void)
{
    static const char *const head[] = {"deep", NULL};
    static const char *const all[] = {"deep", "net", NULL};
    static const char *const alone[] = {"net", "bag", NULL};
    struct fixture f;
    const struct param_spec *p;
    float sum[2] = {0};

    REQUIRE(fixture_init(&f, both) == FUSOR_OK);
    p = model_params(f.model);
    f.step.training = 1;
    for (int i = 0; i < 2; i++) {
        REQUIRE(model_set_trained(f.model, i ? all : head, &f.err) == FUSOR_OK);
        fixture_pass(&f);
        for (uint32_t b = 0; b < p->n_blocks; b++) {
            const struct block_spec *spec = &p->blocks[b];

            if (strncmp(spec->name, "net.", 4) != 0)
                continue;
            CHECK(model_block_trained(f.model, b) == i);
            for (uint64_t e = 0; e < spec->size; e++)
                sum[i] += f.dense_grad[spec->offset + e] *
                          f.dense_grad[spec->offset + e];
        }
    }
    CHECK(sum[0] == 0.0f);
    CHECK(sum[1] > 0.0f);
    CHECK(model_set_trained(f.model, alone, &f.err) == FUSOR_EUSAGE);
    CHECK(strstr(f.err.text, "nothing that reads it") != NULL);
    fixture_clear(&f);
}

static void it_describes_itself(void)
{
    static const char *const none[] = {"bag", NULL};
    struct fixture f;
    struct strbuf text = {0};

    REQUIRE(fixture_init(&f, both) == FUSOR_OK);
    REQUIRE(model_set_trained(f.model, none, &f.err) == FUSOR_OK);
    model_describe(f.model, &text);
    REQUIRE(text.s != NULL);
    CHECK(strstr(text.s, "encoder net") != NULL);
    CHECK(strstr(text.s,
                 "[price, user->user] 6 -> 5 tanh -> 4 tanh (frozen)") != NULL);
    CHECK(strstr(text.s, "pairs of [net, user->user, item->item], dim 4") !=
          NULL);
    strbuf_clear(&text);
    fixture_clear(&f);
}

static const struct {
    const char *encoders, *towers, *words;
} wrong[] = {
    {"[net]", DEEP, "encoders is a map"},
    {"{}", DEEP, "encoders is a map"},
    {"{net: {units: [4]}}", DEEP, "encoder net has no inputs"},
    {"{net: {inputs: price}}", DEEP, "encoder net has no units"},
    {"{net: {inputs: price, units: []}}", DEEP, "encoder net has no units"},
    {"{net: {inputs: price, units: [4], dropuot: 0.1}}", DEEP,
     "did you mean dropout?"},
    {"{user: {inputs: price, units: [4]}}", DEEP,
     "encoder user has the name of a field or a table"},
    {"{fusion: {inputs: price, units: [4]}}", DEEP, "not named fusion"},
    {"{a.b: {inputs: price, units: [4]}}", DEEP, "not named a.b"},
    {"{deep: {inputs: price, units: [4]}}", DEEP,
     "tower deep has the name of an encoder"},
    {"{net: {inputs: net, units: [4]}}", DEEP, "is named net"},
    {"{net: {inputs: price, units: [4]}}",
     "d: {type: mlp, inputs: [nett], units: [3]}",
     "no field, table or encoder is named nett: did you mean net?"},
    {"{net: {inputs: price, units: [4]}}",
     "d: {type: mlp, inputs: [item], units: [3]}",
     "encoder net is read by no tower"},
    {"{net: {inputs: price, units: [5]}}", FM,
     "net and user differ in dim: 5, 4"},
    {"{net: {inputs: price, units: [4]}}",
     "d: {type: dot, query: [user, net], item: item}", "net has no ids"},
};

static void wrong_jobs_say_what(void)
{
    char job[512];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fixture f;
        int found;

        snprintf(job, sizeof(job),
                 "{tables: {user: 4, item: 4}, encoders: %s, towers: {%s}}",
                 wrong[i].encoders, wrong[i].towers);
        CHECK(fixture_init(&f, job) == FUSOR_EUSAGE);
        found = strstr(f.err.text, wrong[i].words) != NULL;
        CHECK(found);
        if (!found)
            fprintf(stderr, "%s\n  gave: %s\n", job, f.err.text);
        fixture_clear(&f);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"gradients agree with central differences", gradients_agree},
        {"equal lists of inputs are one matrix", equal_inputs_are_one_matrix},
        {"l2 of all readers of a matrix adds up", l2_of_readers_adds_up},
        {"a stage trains the encoders it names",
         a_stage_trains_the_encoders_it_names},
        {"an encoder stands in the description", it_describes_itself},
        {"a wrong job is refused with the cure", wrong_jobs_say_what},
    };

    return TEST_RUN("model.encoder", cases);
}
