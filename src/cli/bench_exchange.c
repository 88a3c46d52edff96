/* One worker's steps against real servers, timed request by request. */
#include "cli/bench_exchange.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/bench_report.h"
#include "train/keyset.h"

#define ROWS_AT_ONCE 65536 /* made by one request before anything is timed */

struct loop {
    const struct bench_exchange_config *config;
    struct bench_exchange *out;
    struct table_spec table;
    struct block_spec block;
    struct param_spec params;
    struct bench_cluster *cluster;
    struct param_store *store;
    struct rng rng;
    struct keyset keys;
    uint64_t clock;
    size_t room;         // ids of the largest request
    uint64_t *ids;       // [room]
    uint32_t *positions; // [room] of each id's key
    const float **rows;  // [room] of each key
    float *batch;        // [n_ids, width] values
    float *grads;        // [n_ids, width] one gradient an id
    float *sums;         // [n_ids, width] one gradient a key
    float **sums_at;     // [n_ids]
    uint32_t *all;       // 0, 1, 2, ...
    float *dense_grad;   // [n_dense]
    struct step_keys step_keys;
    struct node_rows node;
};

static enum fusor_status take_memory(struct loop *l, struct fusor_error *err)
{
    const struct bench_exchange_config *c = l->config;
    size_t n = c->n_ids, floats = n * c->width;

    l->out->pull.seconds = mem_alloc(c->repeats, sizeof(double));
    l->out->push.seconds = mem_alloc(c->repeats, sizeof(double));
    l->room = n && n < ROWS_AT_ONCE ? ROWS_AT_ONCE : n;
    l->ids = mem_alloc(l->room, sizeof(*l->ids));
    l->positions = mem_alloc(l->room, sizeof(*l->positions));
    l->rows = mem_alloc(l->room, sizeof(*l->rows));
    l->batch = mem_alloc(floats, sizeof(*l->batch));
    l->grads = mem_alloc(floats, sizeof(*l->grads));
    l->sums = mem_alloc(floats, sizeof(*l->sums));
    l->sums_at = mem_alloc(n, sizeof(*l->sums_at));
    l->all = mem_alloc(n, sizeof(*l->all));
    l->dense_grad = mem_alloc(c->n_dense, sizeof(float));
    if (!l->out->pull.seconds || !l->out->push.seconds || !l->ids ||
        !l->positions || !l->rows || !l->batch || !l->grads || !l->sums ||
        !l->sums_at || !l->all || !l->dense_grad)
        return mem_fail(err, "bench", (3 * floats + c->n_dense) * 4);
    for (size_t i = 0; i < n; i++) {
        l->all[i] = (uint32_t)i;
        l->sums_at[i] = l->sums + i * c->width;
    }
    for (size_t i = 0; i < floats; i++)
        l->grads[i] = 1e-3f;
    for (size_t i = 0; i < c->n_dense; i++)
        l->dense_grad[i] = 1e-3f;
    return keyset_init(&l->keys, (uint32_t)l->room, err);
}

/* What a table and a block of nothing but values need. */
static enum fusor_status start(struct loop *l, struct fusor_error *err)
{
    const struct bench_exchange_config *c = l->config;
    struct optim_spec sgd;
    struct bench_cluster_config cluster = {
        .params = &l->params,
        .table_optim = &sgd,
        .block_optim = &sgd,
        .n_servers = c->n_servers,
        .transport = c->transport,
        .encoding = c->encoding,
    };

    optim_spec_default(OPTIM_SGD, &sgd);
    l->table = (struct table_spec){.name = "rows",
                                   .width = (uint32_t)c->width,
                                   .init = INIT_UNIFORM,
                                   .init_scale = 0.01f};
    l->block = (struct block_spec){.name = "block", .size = c->n_dense};
    l->params = (struct param_spec){.seed = 1,
                                    .n_tables = c->n_ids > 0,
                                    .tables = &l->table,
                                    .n_blocks = c->n_dense > 0,
                                    .blocks = &l->block,
                                    .n_dense = c->n_dense};
    FUSOR_TRY(bench_cluster_create(&cluster, &l->cluster, err));
    l->store = bench_cluster_store(l->cluster);
    return FUSOR_OK;
}

/* The requests. */

static void draw_ids(struct loop *l)
{
    for (uint64_t i = 0; i < l->config->n_ids; i++)
        l->ids[i] = rng_below(&l->rng, l->config->distinct);
}

/* The first n ids to values in l->rows. */
static enum fusor_status fetch(struct loop *l, size_t n,
                               struct fusor_error *err)
{
    struct step_rows rows = {l->rows};
    const float *dense;

    keyset_reset(&l->keys);
    FUSOR_TRY(keyset_add(&l->keys, l->ids, n, 0, l->positions, err));
    l->step_keys = (struct step_keys){l->keys.n, l->keys.keys};
    FUSOR_TRY(l->store->ops->announce(l->store, 0, PULL_TRAIN, l->clock,
                                      &l->step_keys, err));
    return l->store->ops->values(l->store, 0, &rows, &dense, err);
}

static enum fusor_status pull(struct loop *l, struct fusor_error *err)
{
    size_t n = l->config->n_ids, width = l->config->width;

    FUSOR_TRY(fetch(l, n, err));
    for (size_t i = 0; i < n; i++)
        memcpy(l->batch + i * width, l->rows[l->positions[i]],
               width * sizeof(float));
    return FUSOR_OK;
}

static void sum_by_key(struct loop *l)
{
    size_t width = l->config->width;

    memset(l->sums, 0, l->keys.n * width * sizeof(float));
    for (size_t i = 0; i < l->config->n_ids; i++) {
        const float *g = l->grads + i * width;
        float *sum = l->sums_at[l->positions[i]];

        for (size_t k = 0; k < width; k++)
            sum[k] += g[k];
    }
}

/* @param full 0: the step ends without a gradient */
static enum fusor_status push(struct loop *l, int full, struct fusor_error *err)
{
    struct step_grads g = {.clock = l->clock++};

    if (full) {
        sum_by_key(l);
        l->node = (struct node_rows){l->keys.n, l->all, l->sums_at};
        g.n_samples = 1;
        g.n_nodes = 1;
        g.nodes[0].span = 1;
        g.nodes[0].tables = &l->node;
        g.nodes[0].dense = l->config->n_dense ? l->dense_grad : NULL;
    }
    FUSOR_TRY(l->store->ops->push(l->store, 0, &g, err));
    return l->store->ops->drain(l->store, 0, err);
}

/* Every id once, in order, so that no request creates rows. */
static enum fusor_status make_rows(struct loop *l, struct fusor_error *err)
{
    const struct bench_exchange_config *c = l->config;

    for (uint64_t at = 0; at < c->distinct; at += l->room) {
        size_t n = c->distinct - at < l->room ? c->distinct - at : l->room;

        for (size_t i = 0; i < n; i++)
            l->ids[i] = at + i;
        FUSOR_TRY(fetch(l, n, err));
        FUSOR_TRY(push(l, 0, err));
    }
    return FUSOR_OK;
}

/* Measuring. */

struct mark {
    double client_cpu, server_cpu, seconds;
};

static struct mark mark_begin(const struct loop *l)
{
    return (struct mark){bench_cluster_client_cpu(l->cluster),
                         bench_cluster_server_cpu(l->cluster), clock_seconds()};
}

static void mark_end(const struct loop *l, const struct mark *m,
                     struct bench_phase *phase, uint64_t repeat)
{
    phase->seconds[repeat] = clock_seconds() - m->seconds;
    phase->client_cpu += bench_cluster_client_cpu(l->cluster) - m->client_cpu;
    phase->server_cpu += bench_cluster_server_cpu(l->cluster) - m->server_cpu;
}

static enum fusor_status measure(struct loop *l, struct fusor_error *err)
{
    const struct bench_exchange_config *c = l->config;
    struct mark m;

    for (uint64_t i = 0; i < c->warmup; i++) {
        draw_ids(l);
        FUSOR_TRY(pull(l, err));
        FUSOR_TRY(push(l, c->with_push, err));
    }
    for (uint64_t i = 0; i < c->repeats; i++) {
        draw_ids(l);
        m = mark_begin(l);
        FUSOR_TRY(pull(l, err));
        mark_end(l, &m, &l->out->pull, i);
        l->out->keys += (double)l->keys.n / (double)c->repeats;
        m = mark_begin(l);
        FUSOR_TRY(push(l, c->with_push, err));
        mark_end(l, &m, &l->out->push, i);
    }
    return FUSOR_OK;
}

static enum fusor_status work(struct loop *l, struct fusor_error *err)
{
    const struct bench_exchange_config *c = l->config;

    FUSOR_TRY(start(l, err));
    FUSOR_TRY(take_memory(l, err));
    FUSOR_TRY(make_rows(l, err));
    FUSOR_TRY(measure(l, err));
    bench_sort(l->out->pull.seconds, c->repeats);
    bench_sort(l->out->push.seconds, c->repeats);
    return FUSOR_OK;
}

/* A server's own words say more than a client that waits in vain. */
static enum fusor_status stop(struct loop *l, enum fusor_status status,
                              struct fusor_error *err)
{
    struct fusor_error why = {0};
    enum fusor_status rc;

    if (!l->cluster)
        return status;
    rc = bench_cluster_stop(l->cluster, &l->out->usage, &why);
    if (rc != FUSOR_OK && err)
        *err = why;
    return rc != FUSOR_OK ? rc : status;
}

enum fusor_status bench_exchange_run(const struct bench_exchange_config *config,
                                     struct bench_exchange *out,
                                     struct fusor_error *err)
{
    struct loop l = {.config = &out->config, .out = out};
    enum fusor_status rc;

    memset(out, 0, sizeof(*out));
    out->config = *config;
    l.rng = rng_stream(1, RNG_GENERATE, 0, 0);
    rc = work(&l, err);
    rc = stop(&l, rc, err);
    bench_cluster_destroy(l.cluster);
    keyset_clear(&l.keys);
    mem_free(l.ids);
    mem_free(l.positions);
    mem_free(l.rows);
    mem_free(l.batch);
    mem_free(l.grads);
    mem_free(l.sums);
    mem_free(l.sums_at);
    mem_free(l.all);
    mem_free(l.dense_grad);
    return rc;
}

void bench_exchange_clear(struct bench_exchange *e)
{
    mem_free(e->pull.seconds);
    mem_free(e->push.seconds);
    memset(e, 0, sizeof(*e));
}
