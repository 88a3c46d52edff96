/* The worker against a plain path that shares nothing with it but the model,
 * the batches and the shard: keys by linear search, sums by recursion. */
#include "train/worker.h"

#include <string.h>

#include "base/mem.h"
#include "store/shard.h"
#include "train/fixture.h"

#include "harness.h"

#define MICROS 6
#define KEYS_MAX 160
#define TABLES_MAX 8
#define WIDTH_MAX 8

/* One unit of the plain path. */
struct plain {
    struct workload *w;
    struct shard *shard;
    struct model_run *run;
    struct batcher *batcher;
    uint32_t n_keys[TABLES_MAX];
    uint64_t keys[TABLES_MAX][KEYS_MAX];
    float *rows[TABLES_MAX][KEYS_MAX];
    float grads[MICROS][TABLES_MAX][KEYS_MAX][WIDTH_MAX];
    unsigned char touched[MICROS][TABLES_MAX][KEYS_MAX];
    float *dense[MICROS];
    unsigned char filled[MICROS];
};

static uint32_t find_key(struct plain *p, uint32_t table, uint64_t key)
{
    uint32_t i = 0;

    while (i < p->n_keys[table] && p->keys[table][i] != key)
        i++;
    if (i == p->n_keys[table]) {
        REQUIRE(i < KEYS_MAX);
        p->keys[table][p->n_keys[table]++] = key;
    }
    return i;
}

static uint32_t n_values(const struct plain *p, const struct batch *b,
                         uint32_t field)
{
    uint32_t n;
    const struct field_spec *spec = &model_fields(p->w->model, &n)[field];

    if (spec->type != FIELD_CATEGORICAL)
        return b->fields[field].n_values;
    return spec->side == SIDE_QUERY ? b->n_queries : b->n;
}

/* The keys of one micro-batch, and where its values stand. */
static void collect(struct plain *p, uint32_t micro, const struct batch *b,
                    uint32_t **positions)
{
    uint32_t n_lookups;
    const struct model_lookup *l = model_lookups(p->w->model, &n_lookups);

    for (uint32_t i = 0; i < n_lookups; i++) {
        uint32_t n = n_values(p, b, l[i].field);

        positions[i] = mem_alloc(n + 1, sizeof(uint32_t));
        for (uint32_t k = 0; k < n; k++) {
            uint64_t id = b->fields[l[i].field].ids[k];

            positions[i][k] = UINT32_MAX;
            if (id == BATCH_NO_ID)
                continue;
            positions[i][k] = find_key(p, l[i].table, id + l[i].salt);
            p->touched[micro][l[i].table][positions[i][k]] = 1;
        }
    }
}

static void resolve(struct plain *p, uint64_t clock)
{
    for (uint32_t t = 0; t < p->w->params->n_tables; t++) {
        uint32_t refs[KEYS_MAX];

        REQUIRE(shard_resolve(p->shard, t, p->keys[t], p->n_keys[t],
                              RESOLVE_TRAIN, clock, refs, NULL) == FUSOR_OK);
        shard_catch_up(p->shard, t, refs, p->n_keys[t], clock);
        for (uint32_t i = 0; i < p->n_keys[t]; i++)
            p->rows[t][i] = shard_row_values(shard_base(p->shard), refs[i]);
    }
}

static void compute(struct plain *p, uint32_t micro, const struct batch *b,
                    uint32_t **positions, float scale, uint64_t epoch)
{
    float *grads[TABLES_MAX][KEYS_MAX];
    struct model_tables views[TABLES_MAX];
    struct model_step step = {
        .batch = b,
        .positions = (const uint32_t *const *)positions,
        .tables = views,
        .dense = shard_dense(p->shard),
        .dense_grad = p->dense[micro],
        .grad_scale = scale,
        .training = 1,
        .epoch = epoch,
    };
    double loss;

    for (uint32_t t = 0; t < p->w->params->n_tables; t++) {
        for (uint32_t i = 0; i < KEYS_MAX; i++)
            grads[t][i] = p->grads[micro][t][i];
        views[t] =
            (struct model_tables){(const float *const *)p->rows[t], grads[t]};
    }
    REQUIRE(model_forward(p->run, &step, NULL, NULL, NULL) == FUSOR_OK);
    REQUIRE(model_loss(p->run, &step, &loss, NULL) == FUSOR_OK);
    REQUIRE(model_backward(p->run, &step, NULL) == FUSOR_OK);
}

/* Sum of n floats over the leaves [lo, lo + span) that have any. The floats of
 * leaf m start at at(m). @return 0 when none has */
struct leaves {
    float *at[MICROS];
    size_t n;
};

static int sum_leaves(const struct leaves *l, uint32_t lo, uint32_t span,
                      float *out)
{
    float *right;
    int has_left, has_right;

    if (lo >= MICROS || (span == 1 && !l->at[lo]))
        return 0;
    if (span == 1) {
        memcpy(out, l->at[lo], l->n * sizeof(float));
        return 1;
    }
    right = mem_alloc(l->n, sizeof(float));
    has_left = sum_leaves(l, lo, span / 2, out);
    has_right = sum_leaves(l, lo + span / 2, span / 2, has_left ? right : out);
    for (size_t i = 0; has_left && has_right && i < l->n; i++)
        out[i] += right[i];
    mem_free(right);
    return has_left || has_right;
}

static void apply(struct plain *p, uint64_t clock)
{
    const struct param_spec *spec = p->w->params;
    struct shard_rows rows[TABLES_MAX] = {0};
    struct shard_push push = {.tables = rows};
    struct leaves leaves = {.n = spec->n_dense};
    float *dense = mem_alloc(spec->n_dense, sizeof(float));
    uint32_t refs[TABLES_MAX][KEYS_MAX];

    for (int m = 0; m < MICROS; m++)
        leaves.at[m] = p->filled[m] ? p->dense[m] : NULL;
    if (sum_leaves(&leaves, 0, 16, dense))
        push.dense = dense;
    for (uint32_t t = 0; t < spec->n_tables; t++) {
        uint32_t width = spec->tables[t].width, n = p->n_keys[t];

        rows[t].packed = mem_alloc((size_t)n * width + 1, sizeof(float));
        for (uint32_t i = 0; i < n; i++) {
            leaves.n = width;
            for (int m = 0; m < MICROS; m++)
                leaves.at[m] = p->touched[m][t][i] ? p->grads[m][t][i] : NULL;
            REQUIRE(sum_leaves(&leaves, 0, 16, rows[t].packed + i * width));
        }
        REQUIRE(shard_resolve(p->shard, t, p->keys[t], n, RESOLVE_PEEK, clock,
                              refs[t], NULL) == FUSOR_OK);
        rows[t].n = n;
        rows[t].refs = refs[t];
    }
    REQUIRE(shard_apply(p->shard, &push, 1, clock, NULL) == FUSOR_OK);
    for (uint32_t t = 0; t < spec->n_tables; t++)
        mem_free(rows[t].packed);
    mem_free(dense);
}

/* Keys of the whole unit come first, as values of a unit are read at once. */
static void unit(struct plain *p, const struct plan *plan,
                 const struct plan_order *order, uint64_t u, uint64_t clock,
                 uint64_t epoch)
{
    uint32_t *positions[MICROS][64] = {0}, rows[64], n[MICROS];
    uint64_t first;
    struct batch b;

    memset(p->n_keys, 0, sizeof(p->n_keys));
    memset(p->grads, 0, sizeof(p->grads));
    memset(p->touched, 0, sizeof(p->touched));
    for (uint32_t m = 0; m < MICROS; m++) {
        plan_micro_range(plan, u, m, &first, &n[m]);
        p->filled[m] = n[m] > 0;
        plan_order_rows(order, first, n[m], rows);
        REQUIRE(batcher_fill(p->batcher, SPLIT_TRAIN, rows, n[m], &b, NULL) ==
                FUSOR_OK);
        if (n[m])
            collect(p, m, &b, positions[m]);
    }
    resolve(p, clock);
    for (uint32_t m = 0; m < MICROS; m++) {
        plan_micro_range(plan, u, m, &first, &n[m]);
        if (n[m] == 0)
            continue;
        plan_order_rows(order, first, n[m], rows);
        REQUIRE(batcher_fill(p->batcher, SPLIT_TRAIN, rows, n[m], &b, NULL) ==
                FUSOR_OK);
        compute(p, m, &b, positions[m], 1.0f / (float)plan_unit_rows(plan, u),
                epoch);
    }
    apply(p, clock);
    for (uint32_t m = 0; m < MICROS; m++)
        for (int l = 0; l < 64; l++)
            mem_free(positions[m][l]);
}

static void plain_run(struct plain *p, uint64_t n_epochs)
{
    struct plan plan;
    uint64_t clock = 0;

    REQUIRE(workload_plan(p->w, 0, &plan, NULL) == FUSOR_OK);
    for (uint64_t e = 0; e < n_epochs; e++) {
        struct plan_order *order;
        struct optim_span span = {clock, e, 1.0};

        REQUIRE(plan_order_build(&plan, p->w->data, e, &order, NULL) ==
                FUSOR_OK);
        REQUIRE(shard_begin_span(p->shard, &span, plan_units(&plan), NULL) ==
                FUSOR_OK);
        for (uint64_t u = 0; u < plan_units(&plan); u++)
            unit(p, &plan, order, u, clock++, e);
        shard_catch_up_all(p->shard, clock);
        plan_order_destroy(order);
    }
}

static struct plain *plain_create(struct workload *w)
{
    struct shard_config config = {.params = w->params,
                                  .table_optim = w->table_optim,
                                  .block_optim = w->block_optim,
                                  .n_shards = 1,
                                  .fd = -1};
    struct plain *p = mem_alloc(1, sizeof(*p));

    REQUIRE(p != NULL);
    p->w = w;
    REQUIRE(w->params->n_tables <= TABLES_MAX);
    REQUIRE(shard_create(&config, &p->shard, NULL) == FUSOR_OK);
    REQUIRE(model_run_create(w->model, 64, &p->run, NULL) == FUSOR_OK);
    REQUIRE(batcher_create(w->data, 64, &p->batcher, NULL) == FUSOR_OK);
    for (int m = 0; m < MICROS; m++)
        p->dense[m] = mem_alloc(w->params->n_dense, sizeof(float));
    return p;
}

static void plain_destroy(struct plain *p)
{
    for (int m = 0; m < MICROS; m++)
        mem_free(p->dense[m]);
    batcher_destroy(p->batcher);
    model_run_destroy(p->run);
    shard_destroy(p->shard);
    mem_free(p);
}

static void the_plain_path_gives_the_same_bits(void)
{
    const char *job =
        fixture_text(fixture_data("time-split"), "threshold, at: 3",
                     FIXTURE_DEEP "output: sigmoid\nloss: bce\n"
                                  "train: {global_batch: 96, micro_batches: 6, "
                                  "epochs: 2}\n");
    struct training_options o = {"plain", 2, 0, {NULL}};
    struct training t;
    struct plain *p;
    struct shard *got;

    training_run(&t, job, &o);
    REQUIRE(t.status == FUSOR_OK);
    got = training_load(&t, "latest");
    p = plain_create(t.workload);
    plain_run(p, 2);
    CHECK(memcmp(shard_dense(got), shard_dense(p->shard),
                 t.workload->params->n_dense * sizeof(float)) == 0);
    CHECK(shard_counters(got).rows == shard_counters(p->shard).rows);
    for (uint32_t k = 0; k < t.workload->params->n_tables; k++)
        for (uint64_t key = 0; key < 2000; key++) {
            uint32_t a = 0, b = 0;

            shard_resolve(got, k, &key, 1, RESOLVE_PEEK, 0, &a, NULL);
            shard_resolve(p->shard, k, &key, 1, RESOLVE_PEEK, 0, &b, NULL);
            CHECK(memcmp(shard_row_values(shard_base(got), a),
                         shard_row_values(shard_base(p->shard), b),
                         t.workload->params->tables[k].width * 4) == 0);
        }
    plain_destroy(p);
    shard_destroy(got);
    training_clear(&t);
}

static void every_failed_allocation_is_an_error(void)
{
    struct yaml *job = fixture_yaml(
        fixture_text(fixture_data("time-split"), "threshold, at: 3",
                     FIXTURE_DEEP "train: {global_batch: 96}\n"));
    struct workload *w = fixture_workload(job);
    size_t used = mem_used();
    enum fusor_status rc = FUSOR_ENOMEM;
    struct worker worker;

    for (long n = 1; rc != FUSOR_OK && n < 2000; n++) {
        mem_fail_after(n);
        rc = worker_init(&worker, w, NULL, 0, 2, 64, NULL);
        mem_fail_after(0);
        if (rc == FUSOR_OK)
            worker_clear(&worker);
        else
            CHECK(rc == FUSOR_ENOMEM);
        CHECK(mem_used() == used);
    }
    CHECK(rc == FUSOR_OK);
    workload_destroy(w);
    yaml_destroy(job);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the plain path gives the same bits",
         the_plain_path_gives_the_same_bits},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("train.worker", cases);
}
