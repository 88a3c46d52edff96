/* Jobs that are wrong, what a model declares, and that sharing changes nothing.
 */
#include "harness.h"

#include <string.h>

#include "base/mem.h"
#include "model/fixture.h"

#define MF "mf: {type: dot, query: user, item: item}"

/* Each job fails with a text that holds the words. */
static const struct {
    const char *job;
    const char *words;
} wrong[] = {
    {"tables: {user: 4, item: 4}\ntowers:\n  mf: {type: dto, query: user}\n",
     "job.yaml:3:14: no tower type is named dto: did you mean dot?"},
    {"tables: {user: 4, item: 4}\ntowers:\n  mf: {type: dot, query: usr, item: "
     "item}\n",
     "job.yaml:3:26: no field or table is named usr: did you mean user?"},
    {"{tables: {user: 4, item: 4}, towers: {mf: {type: dot, query: user, item: "
     "item, bais: true}}}",
     "mf has no setting bais: did you mean bias?"},
    {"{tables: {user: 4, item: 4}, towers: {mf: {type: dot, item: item}}}",
     "tower mf has no query"},
    {"{tables: {user: 4, item: 5}, towers: {" MF "}}", "dim 5"},
    {"{tables: {user: 4}, towers: {" MF "}}", "no table for field item"},
    {"{tables: {user: 4, item: 4, ctx: 4}, towers: {" MF "}}",
     "table ctx is read by no tower"},
    {"{tables: {user: 0, item: 4}, towers: {" MF "}}", "dim is 1..65536"},
    {"{tables: {user: {dmi: 4}, item: 4}, towers: {" MF "}}",
     "did you mean dim?"},
    {"{tables: {user: {dim: 4, init: {normal: x}}, item: 4}, towers: {" MF "}}",
     "job.yaml:1:"},
    {"{tables: {emb: {dim: 4, fields: [user, item]}}, towers: {" MF "}}",
     "by_field: true"},
    {"{tables: {emb: {dim: 4, fields: [usr*]}}, towers: {" MF "}}",
     "no field is named usr*"},
    {"{tables: {emb: {dim: 4, by_field: true, fields: [user, item]}, b: {dim: "
     "4, fields: [item]}}, towers: {" MF "}}",
     "listed by tables emb and b"},
    {"{tables: {user: 4, item: 4}, towers: {" MF
     ", lin: {type: linear, inputs: [user]}}}",
     "2 towers and no fusion"},
    {"{tables: {user: 4, item: 4}, fusion: {type: weigthed}, towers: {" MF "}}",
     "did you mean weighted?"},
    {"{tables: {user: 4, item: 4}, fusion: {type: weighted, over: logit}, "
     "towers: {" MF "}}",
     "did you mean logits?"},
    {"{tables: {user: 4, item: 4}, fusion: {type: weighted, weights: [1, 2]}, "
     "towers: {" MF "}}",
     "2 weights for 1 towers"},
    {"{tables: {user: 4, item: 4}, fusion: {type: attention, over: vectors, "
     "bias: true}, towers: {" MF "}}",
     "always has a bias"},
    {"{tables: {user: 4, item: 4}, loss: bec, towers: {" MF "}}",
     "did you mean bce?"},
    {"{tables: {user: 4, item: 4}, loss: {huber: -1}, towers: {" MF "}}",
     "delta is above 0"},
    {"{tables: {user: 4, item: 4}, loss: bce, output: {range: [1, 5]}, towers: "
     "{" MF "}}",
     "loss bce needs output sigmoid"},
    {"{tables: {user: 4, item: 4}, output: {range: [5, 1]}, towers: {" MF "}}",
     "is empty"},
    {"{towers: {f: {type: fm, inputs: [price]}}}",
     "reads ids and encoders only"},
    {"{towers: {lin: {type: linear, inputs: [price]}}, fusion: {type: "
     "weighted, over: vectors}}",
     "no vector"},
    {"{towers: {m: {type: mlp, inputs: [price], units: [0]}}}", "1..65536"},
    {"{towers: {m: {type: mlp, inputs: [{sequence: genres}]}}}",
     "field genres is multi, not sequence"},
    {"{towers: {fusion: {type: linear, inputs: [price]}}}", "not named fusion"},
    {"{loss: mse}", "no towers"},
    {"{towers: []}", "no towers"},
};

static void wrong_jobs_say_where_and_what(void)
{
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fixture f;
        int found;

        CHECK(fixture_init(&f, wrong[i].job) == FUSOR_EUSAGE);
        found = strstr(f.err.text, wrong[i].words) != NULL;
        CHECK(found);
        if (!found)
            fprintf(stderr, "%s\n  gave: %s\n", wrong[i].job, f.err.text);
        fixture_clear(&f);
    }
}

#define WIDE                                                                 \
    "{tables: {emb: {dim: 4, fields: [user, item, hist, genres], by_field: " \
    "true, init: {uniform: 0.1}, l2: 1.0e-5}}, loss: bce, towers: {lin: "    \
    "{type: linear, inputs: [user, item, price]}, mf: {type: dot, query: "   \
    "user, item: item, bias: true}, fm: {type: fm, inputs: emb, linear: "    \
    "true}, deep: {type: mlp, inputs: [emb, price], units: [8], norm: "      \
    "batch}}, "                                                              \
    "fusion: {type: weighted, weights: ones}}"

static void towers_share_lookups_and_rows(void)
{
    struct fixture f;
    const struct model_lookup *l;
    const struct param_spec *p;
    uint32_t n;

    REQUIRE(fixture_init(&f, WIDE) == FUSOR_OK);
    l = model_lookups(f.model, &n);
    p = model_params(f.model);
    CHECK(n == 6); // user, item twice; hist, genres
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < i; k++)
            CHECK(l[i].table != l[k].table || l[i].field != l[k].field);
    CHECK(p->n_tables == 2);
    /* dot claims a float for users and one for items, fm one for all */
    CHECK(p->tables[0].width == 4 + 3);
    CHECK(model_table_columns(f.model, 0) == 3);
    CHECK(p->tables[0].init == INIT_UNIFORM);
    CHECK(model_table_node(f.model, 0) != NULL);
    CHECK(!strcmp(p->tables[1].name, "lin.weights"));
    CHECK(model_table_node(f.model, 1) == NULL);
    fixture_clear(&f);
}

static void fields_with_the_same_ids_share_rows(void)
{
    struct fixture f;
    const struct model_lookup *l;
    uint64_t salt[FIXTURE_N_FIELDS] = {0};
    uint32_t n;

    REQUIRE(fixture_init(&f, WIDE) == FUSOR_OK);
    l = model_lookups(f.model, &n);
    for (uint32_t i = 0; i < n; i++)
        salt[l[i].field] = l[i].salt;
    CHECK(salt[FIXTURE_ITEM] == salt[FIXTURE_HIST]);
    CHECK(salt[FIXTURE_ITEM] != salt[FIXTURE_USER]);
    CHECK(salt[FIXTURE_ITEM] != salt[FIXTURE_GENRES]);
    fixture_clear(&f);
}

static void blocks_fill_the_dense_vector(void)
{
    struct fixture f;
    const struct param_spec *p;
    uint64_t end = 0;

    REQUIRE(fixture_init(&f, WIDE) == FUSOR_OK);
    p = model_params(f.model);
    for (uint32_t b = 0; b < p->n_blocks; b++) {
        CHECK(p->blocks[b].offset == end);
        end += p->blocks[b].size;
    }
    CHECK(end == p->n_dense);
    fixture_pass(&f);
    for (uint64_t e = 0; e < p->n_dense; e++)
        CHECK(!isnan(f.dense_grad[e]));
    fixture_clear(&f);
}

static void a_model_describes_itself(void)
{
    static const char *const words[] = {
        "4 towers", "emb",        "uniform 0.1",
        "mlp",      "batch_norm", "weighted over logits",
        "sigmoid",  "bce",        "lin.weights"};
    struct fixture f;
    struct strbuf text = {0};

    REQUIRE(fixture_init(&f, WIDE) == FUSOR_OK);
    model_describe(f.model, &text);
    REQUIRE(text.s != NULL);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        CHECK(strstr(text.s, words[i]) != NULL);
    strbuf_clear(&text);
    fixture_clear(&f);
}

static void a_stage_trains_what_it_names(void)
{
    static const char *const only[] = {"mf", NULL}, *const bad[] = {"mv", NULL};
    struct fixture f;
    const struct param_spec *p;
    uint32_t n;

    REQUIRE(fixture_init(&f, WIDE) == FUSOR_OK);
    REQUIRE(model_set_trained(f.model, only, &f.err) == FUSOR_OK);
    p = model_params(f.model);
    for (uint32_t b = 0; b < p->n_blocks; b++)
        CHECK(!model_block_trained(f.model, b)); // mf has none
    model_lookups(f.model, &n);
    CHECK(!model_lookup_is_trained(f.model, 0)); // lin
    f.step.training = 1;
    fixture_pass(&f);
    for (uint32_t u = 0; u < f.tables[1].n; u++)
        CHECK(f.tables[1].grads[u][0] == 0.0f); // lin.weights
    CHECK(model_set_trained(f.model, bad, &f.err) == FUSOR_EUSAGE);
    CHECK(strstr(f.err.text, "did you mean mf?") != NULL);
    CHECK(model_set_trained(f.model, NULL, &f.err) == FUSOR_OK);
    CHECK(model_block_trained(f.model, 0));
    CHECK(model_lookup_is_trained(f.model, 0));
    fixture_clear(&f);
}

#define SHARED                                                                 \
    "{tables: {user: 20, item: 20, imp: 20, ctx: 3}, loss: mse, towers: {mf: " \
    "{type: dot, query: [user, {bag: hist, pool: rsqrt, table: imp}], item: "  \
    "item, bias: true, l2: 0.1}, deep: {type: mlp, inputs: [user, {bag: "      \
    "hist, "                                                                   \
    "table: imp}, ctx], units: [4], activation: tanh, l2: 0.3}}, fusion: "     \
    "{type: weighted}}"

/* The standard batch with every sample a query of its own. */
struct unshared {
    struct batch batch;
    struct batch_field fields[FIXTURE_N_FIELDS];
    uint64_t users[6], hist[32];
    uint32_t hist_at[7], query_of[6], query_n[6];
};

static void unshare(const struct batch *b, struct unshared *u)
{
    const struct batch_field *h = &b->fields[FIXTURE_HIST];

    memcpy(u->fields, b->fields, sizeof(u->fields));
    u->hist_at[0] = 0;
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t q = b->query_of[i], at = u->hist_at[i];

        u->users[i] = b->fields[FIXTURE_USER].ids[q];
        for (uint32_t j = h->offsets[q]; j < h->offsets[q + 1]; j++)
            u->hist[at++] = h->ids[j];
        u->hist_at[i + 1] = at;
        u->query_of[i] = i;
        u->query_n[i] = 1;
    }
    u->fields[FIXTURE_USER] =
        (struct batch_field){.ids = u->users, .n_values = 6};
    u->fields[FIXTURE_HIST] = (struct batch_field){
        NULL, u->hist, u->hist_at, NULL, u->hist_at[6], NULL};
    u->batch = *b;
    u->batch.n_queries = 6;
    u->batch.query_of = u->query_of;
    u->batch.query_n = u->query_n;
    u->batch.fields = u->fields;
}

static void sharing_queries_changes_nothing(void)
{
    struct fixture f, g;
    struct unshared u;
    const struct param_spec *p;

    REQUIRE(fixture_init(&f, SHARED) == FUSOR_OK);
    unshare(&f.batch, &u);
    REQUIRE(fixture_init_batch(&g, SHARED, &u.batch) == FUSOR_OK);
    CHECK_CLOSE(fixture_pass(&f), fixture_pass(&g), 1e-6);
    p = model_params(f.model);
    for (uint32_t t = 0; t < p->n_tables; t++)
        for (uint32_t k = 0; k < f.tables[t].n; k++) {
            float *same =
                fixture_grad(&g, p->tables[t].name, f.tables[t].keys[k]);

            REQUIRE(same != NULL);
            for (uint32_t e = 0; e < p->tables[t].width; e++)
                CHECK_CLOSE(f.tables[t].grads[k][e], same[e], 1e-6);
        }
    for (uint64_t e = 0; e < p->n_dense; e++)
        CHECK_CLOSE(f.dense_grad[e], g.dense_grad[e], 1e-6);
    fixture_clear(&g);
    fixture_clear(&f);
}

/* A missing id reads 0 and no row gets its gradient (sample 2 has no ctx). */
static void a_missing_id_touches_no_row(void)
{
    struct fixture f;

    REQUIRE(fixture_init(&f, "{tables: {ctx: 4, item: 4}, loss: mse, towers: "
                             "{mf: {type: dot, query: ctx, item: item, bias: "
                             "true}}}") == FUSOR_OK);
    fixture_pass(&f);
    CHECK(fixture_row(&f, "ctx", BATCH_NO_ID) == NULL);
    CHECK(f.scores[2] == fixture_row(&f, "item", 2)[0]);
    fixture_clear(&f);
}

static void too_large_a_batch_is_refused(void)
{
    struct fixture f;

    REQUIRE(fixture_init(&f, SHARED) == FUSOR_OK);
    f.batch.n = 7;
    CHECK(model_forward(f.run, &f.step, NULL, NULL, &f.err) == FUSOR_ESHAPE);
    f.batch.n = 6;
    CHECK(model_forward(f.run, &f.step, NULL, NULL, &f.err) == FUSOR_OK);
    f.batch.n = 5;
    CHECK(model_backward(f.run, &f.step, &f.err) == FUSOR_EINVAL);
    f.batch.n = 6;
    fixture_clear(&f);
}

/* Whichever allocation fails, the model says so and leaks nothing. */
static void no_memory_is_an_error(void)
{
    struct yaml *y;
    struct fusor_error err;
    size_t before;
    int failures = 0;

    REQUIRE(yaml_parse(WIDE, strlen(WIDE), "job.yaml", &y, &err) == FUSOR_OK);
    before = mem_used();
    for (long k = 1;; k++) {
        struct model *m = NULL;
        struct model_run *r = NULL;
        enum fusor_status rc;

        mem_fail_after(k);
        rc = model_create(yaml_root(y), fixture_specs, FIXTURE_N_FIELDS, 1, &m,
                          &err);
        if (rc == FUSOR_OK)
            rc = model_run_create(m, 8, &r, &err);
        mem_fail_after(0);
        model_run_destroy(r);
        model_destroy(m);
        CHECK(mem_used() == before);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
        failures++;
    }
    CHECK(failures > 20);
    yaml_destroy(y);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a wrong job is refused with place and cure",
         wrong_jobs_say_where_and_what},
        {"towers share look-ups and rows", towers_share_lookups_and_rows},
        {"fields with the same ids share rows of one table",
         fields_with_the_same_ids_share_rows},
        {"blocks fill the dense vector without gaps",
         blocks_fill_the_dense_vector},
        {"a model describes itself", a_model_describes_itself},
        {"a stage trains what it names", a_stage_trains_what_it_names},
        {"sharing queries changes no loss and no gradient",
         sharing_queries_changes_nothing},
        {"a missing id touches no row", a_missing_id_touches_no_row},
        {"too large a batch is refused", too_large_a_batch_is_refused},
        {"running out of memory is an error, not a leak",
         no_memory_is_an_error},
    };

    return TEST_RUN("model.model", cases);
}
