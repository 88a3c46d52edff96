/* The stand-in for worker and store in tests of the model. */
#include "model/fixture.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define CAT FIELD_CATEGORICAL

const struct field_spec fixture_specs[FIXTURE_N_FIELDS] = {
    {"user", CAT, SIDE_QUERY, 1, 5, 1, 0},
    {"item", CAT, SIDE_ROW, 1, 7, 1, 1},
    {"ctx", CAT, SIDE_ROW, 1, 4, 1, 2},
    {"genres", FIELD_MULTI, SIDE_ITEM, 1, 6, 4, 3},
    {"hist", FIELD_BAG, SIDE_QUERY, 1, 7, 4, 1},
    {"price", FIELD_DENSE, SIDE_ROW, 2, 0, 1, 4},
    {"seq", FIELD_SEQUENCE, SIDE_QUERY, 1, 7, 5, 1},
    {"title", FIELD_TEXT, SIDE_ITEM, 1, 6, 5, 5},
    {"out.score", FIELD_SCORE, SIDE_ROW, 1, 0, 1, 6},
    {"part.score", FIELD_SCORE, SIDE_ROW, 1, 0, 1, 7},
};

static const uint64_t users[] = {3, 1, 4};
static const uint64_t items[] = {2, 5, 2, 6, 1, 5};
static const uint64_t ctxs[] = {1, 0, BATCH_NO_ID, 2, 1, 3};
static const uint64_t genres[] = {1, 4, 2, 0, 3, 1, 5, 2, 2};
static const uint32_t genres_at[] = {0, 2, 3, 3, 6, 7, 9};
static const float genres_w[] = {1, 0.5f, 2, 1, 1, 0.25f, 1, 1, 3};
static const uint64_t hist[] = {2, 5, 1, 6, 3, 2};
static const uint32_t hist_at[] = {0, 4, 4, 6};
static const float price[] = {0.5f, -1, 1.25f, 0,  -0.75f, 2,
                              1,    1,  0,     -2, 0.25f,  0.5f};
static const uint64_t seq[] = {2, 5, 1, 2, 6, 3, BATCH_NO_ID, 2};
static const uint32_t seq_at[] = {0, 5, 5, 8};
static const uint64_t title[] = {1, 2, 3, 4,           0, 5, 1, 2,
                                 3, 3, 2, BATCH_NO_ID, 1, 0, 5};
static const uint32_t title_at[] = {0, 3, 4, 4, 8, 10, 15};
static const float score[] = {0.5f, -1.5f, 2, 0.25f, -0.75f, 1};
static const float partly[] = {1, NAN, -0.5f, 2, NAN, 0.75f};
static const uint32_t query_of[] = {0, 0, 0, 1, 1, 2};
static const uint32_t query_n[] = {3, 2, 1};
static const float label[] = {1, 0, 1, 0, 1, 0};
static const uint64_t sample_id[] = {10, 11, 12, 13, 14, 15};

static enum fusor_status say_missing(const struct batch_source *self,
                                     uint32_t row, struct fusor_error *err)
{
    (void)self;
    return fusor_fail(err, FUSOR_EDATA, "no score of sample %u", row);
}

static void standard_batch(struct fixture *f)
{
    f->fields[FIXTURE_USER] = (struct batch_field){.ids = users, .n_values = 3};
    f->fields[FIXTURE_ITEM] = (struct batch_field){.ids = items, .n_values = 6};
    f->fields[FIXTURE_CTX] = (struct batch_field){.ids = ctxs, .n_values = 6};
    f->fields[FIXTURE_GENRES] =
        (struct batch_field){NULL, genres, genres_at, genres_w, 9, NULL};
    f->fields[FIXTURE_HIST] =
        (struct batch_field){NULL, hist, hist_at, NULL, 6, NULL};
    f->fields[FIXTURE_PRICE] = (struct batch_field){.dense = price};
    f->fields[FIXTURE_SEQ] =
        (struct batch_field){NULL, seq, seq_at, NULL, 8, NULL};
    f->fields[FIXTURE_TITLE] =
        (struct batch_field){NULL, title, title_at, NULL, 15, NULL};
    f->fields[FIXTURE_SCORE] = (struct batch_field){.dense = score};
    f->fields[FIXTURE_PARTLY] =
        (struct batch_field){.dense = partly, .source = &f->source};
    f->source.missing = say_missing;
    f->batch = (struct batch){
        .n = 6,
        .n_queries = 3,
        .query_of = query_of,
        .query_n = query_n,
        .n_fields = FIXTURE_N_FIELDS,
        .fields = f->fields,
        .label = label,
        .sample_id = sample_id,
    };
}

float fixture_value(uint32_t t, uint64_t key, uint64_t e)
{
    uint64_t mixed = (t * 7919 + (key % 100003) * 104729 + e * 1299709) % 2003;

    return (float)((double)mixed / 2002.0 - 0.5);
}

/* Position of key in the table, with its row made at first sight. */
static uint32_t place(struct fixture *f, uint32_t t, uint64_t key)
{
    struct fixture_table *table = &f->tables[t];
    uint32_t width = model_params(f->model)->tables[t].width, u = 0;

    while (u < table->n && table->keys[u] != key)
        u++;
    if (u < table->n)
        return u;
    table->keys[u] = key;
    table->rows[u] = mem_alloc(width, sizeof(float));
    table->grads[u] = mem_alloc(width, sizeof(float));
    for (uint32_t e = 0; e < width; e++)
        table->rows[u][e] = fixture_value(t, key, e);
    table->n++;
    return u;
}

static void fill(struct fixture *f)
{
    const struct param_spec *p = model_params(f->model);
    uint32_t n;
    const struct model_lookup *l = model_lookups(f->model, &n);

    f->tables = mem_alloc(p->n_tables, sizeof(*f->tables));
    f->views = mem_alloc(p->n_tables, sizeof(*f->views));
    f->positions = mem_alloc(n, sizeof(*f->positions));
    for (uint32_t i = 0; i < n; i++) {
        const struct batch_field *field = &f->batch.fields[l[i].field];

        f->positions[i] = mem_alloc(field->n_values, sizeof(uint32_t));
        for (uint32_t j = 0; j < field->n_values; j++)
            f->positions[i][j] =
                field->ids[j] == BATCH_NO_ID
                    ? UINT32_MAX
                    : place(f, l[i].table, field->ids[j] + l[i].salt);
    }
    for (uint32_t t = 0; t < p->n_tables; t++)
        f->views[t] = (struct model_tables){
            (const float *const *)f->tables[t].rows, f->tables[t].grads};
    f->dense = mem_alloc(p->n_dense, sizeof(float));
    f->dense_grad = mem_alloc(p->n_dense, sizeof(float));
    for (uint64_t e = 0; e < p->n_dense; e++)
        f->dense[e] = fixture_value(100, 0, e);
    for (uint32_t b = 0; b < p->n_blocks; b++) // a variance is positive
        if (p->blocks[b].bn_momentum > 0 && p->blocks[b].init == INIT_ONE)
            for (uint64_t e = 0; e < p->blocks[b].size; e++)
                f->dense[p->blocks[b].offset + e] += 1.0f;
}

static enum fusor_status build(struct fixture *f, const char *job)
{
    FUSOR_TRY(yaml_parse(job, strlen(job), "job.yaml", &f->yaml, &f->err));
    FUSOR_TRY(model_create(yaml_root(f->yaml), fixture_specs, FIXTURE_N_FIELDS,
                           1, &f->model, &f->err));
    FUSOR_TRY(model_run_create(f->model, f->batch.n, &f->run, &f->err));
    fill(f);
    f->step = (struct model_step){
        .batch = &f->batch,
        .positions = (const uint32_t *const *)f->positions,
        .tables = f->views,
        .dense = f->dense,
        .dense_grad = f->dense_grad,
        .grad_scale = 1.0f / 6.0f,
    };
    return FUSOR_OK;
}

enum fusor_status fixture_init(struct fixture *f, const char *job)
{
    memset(f, 0, sizeof(*f));
    standard_batch(f);
    return build(f, job);
}

enum fusor_status fixture_init_batch(struct fixture *f, const char *job,
                                     const struct batch *b)
{
    memset(f, 0, sizeof(*f));
    f->batch = *b;
    return build(f, job);
}

void fixture_clear(struct fixture *f)
{
    uint32_t n_lookups = 0;

    if (f->tables) {
        model_lookups(f->model, &n_lookups);
        for (uint32_t t = 0; t < model_params(f->model)->n_tables; t++)
            for (uint32_t u = 0; u < f->tables[t].n; u++) {
                mem_free(f->tables[t].rows[u]);
                mem_free(f->tables[t].grads[u]);
            }
    }
    for (uint32_t i = 0; i < n_lookups; i++)
        mem_free(f->positions[i]);
    mem_free(f->positions);
    mem_free(f->tables);
    mem_free(f->views);
    mem_free(f->dense);
    mem_free(f->dense_grad);
    model_run_destroy(f->run);
    model_destroy(f->model);
    yaml_destroy(f->yaml);
}

double fixture_loss(struct fixture *f)
{
    double sum = NAN;

    if (model_forward(f->run, &f->step, f->scores, f->outputs, &f->err) !=
            FUSOR_OK ||
        model_loss(f->run, &f->step, &sum, &f->err) != FUSOR_OK)
        return NAN;
    return sum;
}

double fixture_pass(struct fixture *f)
{
    const struct param_spec *p = model_params(f->model);
    double sum = fixture_loss(f);

    for (uint32_t t = 0; t < p->n_tables; t++)
        for (uint32_t u = 0; u < f->tables[t].n; u++)
            memset(f->tables[t].grads[u], 0,
                   p->tables[t].width * sizeof(float));
    for (uint64_t e = 0; e < p->n_dense; e++)
        f->dense_grad[e] = NAN; // backward writes every one
    if (model_backward(f->run, &f->step, &f->err) != FUSOR_OK)
        return NAN;
    return sum;
}

int fixture_table_number(const struct fixture *f, const char *table)
{
    const struct param_spec *p = model_params(f->model);

    for (uint32_t t = 0; t < p->n_tables; t++)
        if (!strcmp(p->tables[t].name, table))
            return (int)t;
    return -1;
}

static int find(const struct fixture *f, const char *table, uint64_t key)
{
    int t = fixture_table_number(f, table);

    for (uint32_t u = 0; t >= 0 && u < f->tables[t].n; u++)
        if (f->tables[t].keys[u] == key)
            return (int)u;
    return -1;
}

float *fixture_grad(struct fixture *f, const char *table, uint64_t key)
{
    int u = find(f, table, key);

    return u < 0 ? NULL : f->tables[fixture_table_number(f, table)].grads[u];
}

float *fixture_row(struct fixture *f, const char *table, uint64_t key)
{
    int u = find(f, table, key);

    return u < 0 ? NULL : f->tables[fixture_table_number(f, table)].rows[u];
}

static double error_at(struct fixture *f, float *value, double grad, float step)
{
    float was = *value, high = was + step, low = was - step;
    double up, down, slope;

    *value = high;
    up = fixture_loss(f);
    *value = low;
    down = fixture_loss(f);
    *value = was;
    slope =
        (up - down) * (double)f->step.grad_scale / ((double)high - (double)low);
    return fabs(slope - grad) / (1.0 + fabs(grad));
}

static void keep_worst(double *worst, double error)
{
    if (!(error <= *worst)) // a NaN stays
        *worst = error;
}

double fixture_gradient_error(struct fixture *f, float step)
{
    const struct param_spec *p = model_params(f->model);
    double worst = 0.0;

    fixture_pass(f);
    for (uint32_t t = 0; t < p->n_tables; t++)
        for (uint32_t u = 0; u < f->tables[t].n; u++)
            for (uint32_t e = 0; e < p->tables[t].width; e++)
                keep_worst(&worst,
                           error_at(f, &f->tables[t].rows[u][e],
                                    (double)f->tables[t].grads[u][e], step));
    for (uint32_t b = 0; b < p->n_blocks; b++)
        for (uint64_t e = 0;
             p->blocks[b].bn_momentum == 0 && e < p->blocks[b].size; e++) {
            uint64_t at = p->blocks[b].offset + e;

            keep_worst(&worst, error_at(f, &f->dense[at],
                                        (double)f->dense_grad[at], step));
        }
    return worst;
}
