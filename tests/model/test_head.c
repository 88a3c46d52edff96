/* Several labels and auxiliary losses: gradients, missing labels, what a run
 * tells of each, what is refused. */
#include "harness.h"

#include <string.h>

#include "model/fixture.h"

#define TABLES "tables: {user: 4, item: 4}, loss: bce"
#define MF "mf: {type: dot, query: user, item: item}"
#define A "a: {type: mlp, inputs: [user, price], units: [4], activation: tanh}"
#define B "b: {type: mlp, inputs: [item, net], units: [3], activation: tanh}"
#define NET "encoders: {net: {inputs: [price], units: [3], activation: tanh}}"
#define TOWERS "towers: {" MF ", " A ", " B "}"

static const char two[] =
    "{" TABLES ", " NET ", " TOWERS
    ", labels: {x: {towers: [mf, a], fusion: {type: weighted, weights: free}}, "
    "y: {towers: [mf, b], weight: 0.5, fusion: {type: concat}}}}";

/* Towers shared and not, over logits, scores and vectors, with different losses
 * and outputs, with auxiliary losses. */
static const char *const jobs[] = {
    two,
    "{" TABLES ", " NET ", " TOWERS
    ", labels: {x: {}, y: {loss: mse, output: sigmoid, weight: 2}}, "
    "fusion: {type: attention, over: scores}}",
    "{" TABLES ", " NET ", " TOWERS
    ", labels: {x: {}, y: {weight: 0.3}}, fusion: {type: concat, over: "
    "vectors, units: [4], activation: tanh}}",
    "{" TABLES ", " NET ", " TOWERS
    ", labels: {x: {towers: [a]}, y: {towers: [b, mf], loss: {huber: 0.4}}}, "
    "fusion: {type: weighted, weights: softmax}}",
    "{" TABLES ", " NET ", towers: {" MF ", a: {type: mlp, inputs: [user, "
    "net], units: [4], activation: tanh, aux: {label: y, weight: 0.7}}, " B
    "}, labels: {x: {towers: [mf, a]}, y: {towers: [a, b]}}, fusion: {type: "
    "weighted, weights: free}}",
    "{" TABLES ", towers: {" MF ", a: {type: mlp, inputs: [user, price], "
    "units: [4], activation: tanh, aux: {loss: mse, weight: 0.4}}}, fusion: "
    "{type: weighted, weights: free}}",
    "{" TABLES ", towers: {mf: {type: dot, query: user, item: item, aux: "
    "{weight: 0.2}}, " A "}, fusion: {type: attention, over: scores}}",
    /* experts: shared and own, a gate for each label */
    "{" TABLES ", towers: {e: {type: mlp, inputs: [user, price], units: [3], "
    "activation: tanh}, f: {type: mlp, inputs: [item, price], units: [3], "
    "activation: tanh}, g: {type: mlp, inputs: [price], units: [3], "
    "activation: tanh}}, labels: {x: {towers: [e, f]}, y: {towers: [e, f, g], "
    "weight: 0.5}}, fusion: {type: attention, over: vectors, gate: {mlp: [], "
    "from: [user, price]}}}",
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static const float first[] = {1, 0, 1, 0, 1, 0};
static const float second[] = {0, NAN, 1, 1, NAN, 0};
static const float *const both[] = {first, second};

static void start(struct fixture *f, const char *job)
{
    enum fusor_status rc = fixture_init(f, job);

    if (rc != FUSOR_OK)
        fprintf(stderr, "%s\n", f->err.text);
    REQUIRE(rc == FUSOR_OK);
    f->batch.n_labels = 2;
    f->batch.labels = both;
}

static void gradients_agree(void)
{
    for (size_t i = 0; i < N_JOBS; i++)
        for (int training = 0; training < 2; training++) {
            struct fixture f;
            double off;

            start(&f, jobs[i]);
            f.step.training = training;
            off = fixture_gradient_error(&f, 1e-2f);
            CHECK(off < 1e-3);
            if (off >= 1e-3)
                fprintf(stderr, "job %zu: off by %g\n", i, off);
            fixture_clear(&f);
        }
}

static double bce(double score, double label)
{
    return log1p(exp(-fabs(score))) + fmax(score, 0) - label * score;
}

/* The sum over both labels of the rows that have them, times weights. */
static void missing_labels_add_nothing(void)
{
    struct fixture f;
    double sum, want = 0;

    start(&f, two);
    sum = fixture_loss(&f);
    for (int i = 0; i < 6; i++) {
        want += bce((double)model_scores(f.run, 0)[i], (double)first[i]);
        if (!isnan(second[i]))
            want +=
                .5 * bce((double)model_scores(f.run, 1)[i], (double)second[i]);
    }
    CHECK_CLOSE(sum, want, 1e-5);
    CHECK(model_n_labels(f.model) == 2);
    fixture_clear(&f);
}

/* The fused loss and that of the tower by itself. */
static void auxiliary_losses_add_up(void)
{
    struct fixture f;
    double sum, want = 0;

    start(&f, jobs[6]);
    sum = fixture_loss(&f);
    for (int i = 0; i < 6; i++) {
        want += bce((double)model_scores(f.run, 0)[i], (double)first[i]);
        want +=
            .2 * bce((double)model_tower_scores(f.run, 0)[i], (double)first[i]);
    }
    CHECK_CLOSE(sum, want, 1e-5);
    fixture_clear(&f);
}

static void a_frozen_tower_has_no_loss(void)
{
    static const char *const only_a[] = {"a", "fusion", NULL};
    struct fixture f;
    double all;

    start(&f, jobs[6]);
    all = fixture_loss(&f);
    REQUIRE(model_set_trained(f.model, only_a, NULL) == FUSOR_OK);
    CHECK(fixture_loss(&f) < all);
    fixture_clear(&f);
}

static void a_run_tells_of_one_label(void)
{
    struct fixture f;
    float parts[6 * 3];
    double weights[3] = {0};
    uint32_t y;

    start(&f, two);
    REQUIRE(model_find_label(f.model, "y", &y, NULL) == FUSOR_OK && y == 1);
    fixture_loss(&f);
    model_contributions(f.run, &f.step, parts);
    CHECK(parts[0] != 0 && parts[1] != 0 && parts[2] == 0);
    CHECK(model_tower_scores(f.run, 2) != NULL);
    CHECK(model_label_has_tower(f.model, 0, 1) &&
          !model_label_has_tower(f.model, 0, 2));
    CHECK(model_add_fusion_weights(f.run, 0, weights) == 1);
    CHECK(weights[0] != 0 && weights[2] == 0);
    model_run_set_label(f.run, 1);
    fixture_loss(&f);
    CHECK(!memcmp(f.scores, model_scores(f.run, 1), 6 * sizeof(float)));
    model_contributions(f.run, &f.step, parts);
    for (int i = 0; i < 6; i++)
        CHECK(parts[3 * i] != 0 && parts[3 * i + 1] == 0 &&
              parts[3 * i + 2] != 0);
    fixture_clear(&f);
}

/* A tower of another label may be missing; the label's own must not all be. */
static void missing_towers_are_the_label_s_affair(void)
{
    static const unsigned char own[] = {1, 1, 0}, other[] = {1, 0, 1};
    struct fixture f;

    start(&f, two);
    CHECK(model_run_set_missing(f.run, own, &f.err) == FUSOR_EUSAGE);
    REQUIRE(model_run_set_missing(f.run, other, &f.err) == FUSOR_OK);
    REQUIRE(model_forward(f.run, &f.step, f.scores, NULL, NULL) == FUSOR_OK);
    CHECK(isfinite(f.scores[0]) && isnan(model_scores(f.run, 1)[0]));
    fixture_clear(&f);
}

#define BAD(labels) "{" TABLES ", " NET ", " TOWERS ", " labels "}"

static void what_cannot_be_is_refused(void)
{
    static const char *const wrong[][2] = {
        {BAD("labels: [x]"), "1 to 8"},
        {BAD("labels: {x: 3}"), "labels: x"},
        {BAD("labels: {x: {towers: [mf, a, b]}}"), "no fusion"},
        {BAD("labels: {x: {towers: [mf]}}"), "speaks about no label"},
        {BAD("labels: {x: {towers: [mff]}}"), "did you mean mf"},
        {BAD("labels: {x: {towers: []}}"), "list of names"},
        {BAD("labels: {x: {loss: bpr}}"), "takes a loss over rows"},
        {BAD("labels: {x: {loss: full_softmax}}"), "takes a loss over rows"},
        {BAD("labels: {x: {weight: -1}}, fusion: {type: concat}"), "weight"},
        {BAD("labels: {x: {}, y: {fusion: {type: concat, over: vectors}}}, "
             "fusion: {type: concat}"),
         "make it two"},
        {"{" TABLES ", towers: {mf: {type: dot, query: user, item: item, aux: "
         "{loss: bpr}}}}",
         "over rows"},
        {"{" TABLES ", towers: {mf: {type: dot, query: user, item: item, aux: "
         "{label: x}}}}",
         "one label"},
        {"{" TABLES ", towers: {mf: {type: dot, query: user, item: item, aux: "
         "{wight: 2}}}}",
         "did you mean weight"},
        {"{" TABLES ", towers: {mf: {type: dot, query: user, item: item, aux: "
         "{}}}, fusion: {type: concat, over: vectors}}",
         "joined as a vector"},
        {"{" TABLES ", towers: {mf: {type: dot, query: user, item: item, aux: "
         "{label: z}}}, labels: {x: {}}}",
         "no label is named z"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fixture f;

        CHECK(fixture_init(&f, wrong[i][0]) == FUSOR_EUSAGE);
        if (!strstr(f.err.text, wrong[i][1]))
            fprintf(stderr, "%s -> %s\n", wrong[i][0], f.err.text);
        CHECK(strstr(f.err.text, wrong[i][1]) != NULL);
        fixture_clear(&f);
    }
}

static void a_stage_keeps_the_losses_of_labels(void)
{
    struct fixture f;
    struct yaml *y;
    uint32_t label;

    start(&f, two);
    REQUIRE(yaml_parse("mse", 3, "stage", &y, NULL) == FUSOR_OK);
    CHECK(model_set_loss(f.model, yaml_root(y), &f.err) == FUSOR_EUSAGE);
    CHECK(model_set_loss(f.model, NULL, &f.err) == FUSOR_OK);
    CHECK(!strcmp(model_loss_name(f.model, 1), "bce"));
    CHECK(model_find_label(f.model, "z", &label, &f.err) == FUSOR_EUSAGE);
    yaml_destroy(y);
    fixture_clear(&f);
}

/* Whatever the fusion, the score is the sum of the towers in training. */
static void towers_apart_are_a_model_of_their_own(void)
{
    static const char *const only_a[] = {"a", NULL};
    static const char *const only_mf[] = {"mf", NULL};
    struct fixture f;
    double weights[3] = {0};

    start(&f, jobs[5]);
    REQUIRE(model_set_trained(f.model, only_a, NULL) == FUSOR_OK);
    REQUIRE(model_set_apart(f.model, 1, NULL) == FUSOR_OK);
    fixture_loss(&f);
    for (int i = 0; i < 6; i++)
        CHECK(f.scores[i] == model_tower_scores(f.run, 1)[i]);
    CHECK(fixture_gradient_error(&f, 1e-2f) < 1e-3);
    CHECK(model_add_fusion_weights(f.run, 0, weights) == 0);
    REQUIRE(model_set_trained(f.model, NULL, NULL) == FUSOR_OK);
    fixture_loss(&f);
    CHECK(f.scores[0] != model_tower_scores(f.run, 1)[0]);
    fixture_clear(&f);

    start(&f, two); // of both labels
    REQUIRE(model_set_trained(f.model, only_mf, NULL) == FUSOR_OK);
    REQUIRE(model_set_apart(f.model, 1, NULL) == FUSOR_OK);
    CHECK(fixture_gradient_error(&f, 1e-2f) < 1e-3);
    for (int i = 0; i < 6; i++)
        CHECK(model_scores(f.run, 0)[i] == model_scores(f.run, 1)[i]);
    fixture_clear(&f);
}

static void not_everything_can_stand_apart(void)
{
    static const char *const only_a[] = {"a", NULL};
    static const char *const with_fusion[] = {"mf", "fusion", NULL};
    struct fixture f;

    start(&f, two);
    REQUIRE(model_set_trained(f.model, only_a, NULL) == FUSOR_OK);
    CHECK(model_set_apart(f.model, 1, &f.err) == FUSOR_EUSAGE);
    CHECK(strstr(f.err.text, "label y") != NULL);
    REQUIRE(model_set_trained(f.model, with_fusion, NULL) == FUSOR_OK);
    CHECK(model_set_apart(f.model, 1, &f.err) == FUSOR_EUSAGE);
    CHECK(strstr(f.err.text, "no fusion") != NULL);
    fixture_clear(&f);
    start(&f, jobs[2]);
    REQUIRE(model_set_trained(f.model, only_a, NULL) == FUSOR_OK);
    CHECK(model_set_apart(f.model, 1, &f.err) == FUSOR_EUSAGE);
    CHECK(strstr(f.err.text, "over vectors") != NULL);
    fixture_clear(&f);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"gradients agree", gradients_agree},
        {"missing labels add nothing", missing_labels_add_nothing},
        {"auxiliary losses add up", auxiliary_losses_add_up},
        {"a frozen tower has no loss", a_frozen_tower_has_no_loss},
        {"towers apart are a model of their own",
         towers_apart_are_a_model_of_their_own},
        {"not everything can stand apart", not_everything_can_stand_apart},
        {"a run tells of one label", a_run_tells_of_one_label},
        {"missing towers are the label's affair",
         missing_towers_are_the_label_s_affair},
        {"what cannot be is refused", what_cannot_be_is_refused},
        {"a stage keeps the losses of labels",
         a_stage_keeps_the_losses_of_labels},
    };

    return TEST_RUN("model.head", cases);
}
