/* Which rule each table and block gets. */
#include "train/rules.h"

#include <string.h>

#include "data/prepared.h"
#include "train/fixture.h"

#define MODEL                                                       \
    "towers:\n"                                                     \
    "  mf: {type: dot, query: user, item: item, bias: true}\n"      \
    "  deep: {type: mlp, inputs: [genres, price], units: [8, 1],\n" \
    "         norm: batch}\n"                                       \
    "fusion: {type: weighted, weights: free}\n"
#define TABLES "tables: {user: 6, item: 6, genres: 5}\n"

/* The data set, made once; only its rules differ. */
static struct workload *open_workload(const char *rest, struct yaml **job)
{
    *job = fixture_yaml(fixture_text(fixture_data("loo-full"), "none", rest));
    return fixture_workload(*job);
}

static const struct optim_spec *table_rule(const struct workload *w,
                                           const char *name)
{
    for (uint32_t t = 0; t < w->params->n_tables; t++)
        if (strcmp(w->params->tables[t].name, name) == 0)
            return &w->table_optim[t];
    REQUIRE(0);
    return NULL;
}

static void close_workload(struct workload *w, struct yaml *job)
{
    workload_destroy(w);
    yaml_destroy(job);
}

static void the_particular_goes_before_the_general(void)
{
    struct yaml *job;
    struct workload *w = open_workload(
        MODEL "tables: {user: 6, item: {dim: 6, optimizer: {ftrl: {}}},\n"
              "         genres: {dim: 5, l2: 0.25}}\n"
              "optimizer: {adam: 0.5, blocks: {sgd: 0.125},\n"
              "            l2: {us*: {value: 0.0625, scope: table}}}\n"
              "stages:\n"
              "  - {train: [mf], optimizer: {tables: {adagrad: 0.03125}}}\n"
              "  - {train: [deep], optimizer: {momentum: 0.75}}\n"
              "  - {train: [fusion]}\n",
        &job);
    int n_ema = 0;

    CHECK(table_rule(w, "user")->kind == OPTIM_ADAGRAD);
    CHECK(table_rule(w, "user")->lr == 0.03125);
    CHECK(table_rule(w, "user")->l2 == 0.0625); // by name, under a new rule
    CHECK(table_rule(w, "user")->l2_scope == OPTIM_L2_TABLE);
    CHECK(table_rule(w, "item")->kind == OPTIM_FTRL);
    CHECK(table_rule(w, "genres")->kind == OPTIM_MOMENTUM);
    CHECK(table_rule(w, "genres")->l2 == 0.25);
    CHECK(table_rule(w, "genres")->l2_scope == OPTIM_L2_ROW);
    for (uint32_t b = 0; b < w->params->n_blocks; b++) {
        const struct block_spec *spec = &w->params->blocks[b];
        const struct optim_spec *o = &w->block_optim[b];

        if (spec->bn_momentum > 0) {
            CHECK(o->kind == OPTIM_EMA && o->momentum == spec->bn_momentum);
            n_ema++;
        } else if (strstr(spec->name, "deep")) {
            CHECK(o->kind == OPTIM_MOMENTUM && o->lr == 0.75);
        } else if (strstr(spec->name, "fusion")) {
            CHECK(o->kind == OPTIM_SGD && o->lr == 0.125);
        }
        CHECK(!w->whole_blocks[b] ==
              (optim_elementwise(&w->block_optim[b]) != 0));
    }
    CHECK(n_ema == 2); // mean and variance of one norm
    close_workload(w, job);
}

static void without_a_word_it_is_adam_and_biases_have_no_l2(void)
{
    struct yaml *job;
    struct workload *w = open_workload(MODEL TABLES, &job);

    CHECK(table_rule(w, "user")->kind == OPTIM_ADAM);
    CHECK(table_rule(w, "user")->l2_scope == OPTIM_L2_NONE);
    close_workload(w, job);
    w = open_workload(MODEL TABLES "optimizer: {sgd: {lr: 0.5, l2: 0.5}}\n",
                      &job);
    for (uint32_t b = 0; b < w->params->n_blocks; b++) {
        if (w->params->blocks[b].is_bias) {
            CHECK(w->block_optim[b].l2_scope == OPTIM_L2_NONE);
        } else if (w->params->blocks[b].bn_momentum == 0) {
            CHECK(w->block_optim[b].l2 == 0.5);
        }
    }
    close_workload(w, job);
}

static void a_schedule_ends_with_the_longest_stage(void)
{
    struct yaml *job;
    struct workload *w = open_workload(
        MODEL TABLES "optimizer: {adam: {lr: 0.5, schedule: {kind: cosine}}}\n"
                     "stages:\n"
                     "  - {train: [mf], epochs: 3}\n"
                     "  - {train: [deep], epochs: 5}\n"
                     "  - {train: [mf, fusion], epochs: 2}\n",
        &job);

    CHECK(table_rule(w, "user")->epochs == 3);
    CHECK(table_rule(w, "genres")->epochs == 5);
    for (uint32_t b = 0; b < w->params->n_blocks; b++)
        if (strstr(w->params->blocks[b].name, "fusion"))
            CHECK(w->block_optim[b].epochs == 2);
    close_workload(w, job);
}

static void wrong_rules_name_their_place(void)
{
    static const char *const wrong[][2] = {
        {"optimizer: {adm: 1}", "adam"},
        {"optimizer: {adam: 1, sgd: 1}", "two rules"},
        {"optimizer: {tabels: {adam: 1}}", "tables"},
        {"optimizer: {adam: {lr: -1}}", "lr"},
        {"optimizer: {l2: 0.1}", "by name"},
        {"optimizer: {l2: {usr: 0.1}}", "\"user\""},
        {"stages: [{train: [mf, dep]}]", "deep"},
        {"stages: [{}, {train: [mf], optimizer: sgd}]", "stage 1 trains mf"},
        {"stages: [{train: [mf], optimizer: {fusion: 1}}]", "fusion"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fusor_error err = {0};
        struct workload *w = NULL;
        char rest[1024];
        struct yaml *job;

        snprintf(rest, sizeof(rest), "%s\n" MODEL TABLES, wrong[i][0]);
        job =
            fixture_yaml(fixture_text(fixture_data("loo-full"), "none", rest));
        CHECK(workload_create(job, &w, &err) == FUSOR_EUSAGE);
        CHECK(strncmp(err.text, "job.yaml:3:", 11) == 0);
        CHECK(strstr(err.text, wrong[i][1]) != NULL);
        if (!strstr(err.text, wrong[i][1]) ||
            strncmp(err.text, "job.yaml:3:", 11))
            fprintf(stderr, "%s -> %s\n", wrong[i][0], err.text);
        yaml_destroy(job);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the particular goes before the general",
         the_particular_goes_before_the_general},
        {"without a word it is adam, and biases have no l2",
         without_a_word_it_is_adam_and_biases_have_no_l2},
        {"a schedule ends with the longest stage",
         a_schedule_ends_with_the_longest_stage},
        {"wrong rules name their place", wrong_rules_name_their_place},
    };

    return TEST_RUN("train.rules", cases);
}
