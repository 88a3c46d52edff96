/* What a local store is made of, and what is set for all its shards. */
#include "store/local.h"

#include "base/mem.h"
#include "store/local_private.h"

static void worker_clear(struct local_store *s, struct local_worker *w)
{
    uint32_t n_tables = s->params->n_tables;

    for (unsigned i = 0; i <= LOCAL_DEPTH_MAX; i++) {
        for (uint32_t t = 0; w->ring[i].keys && t < n_tables; t++) {
            local_keys_clear(&w->ring[i].keys[t]);
            mem_free(w->ring[i].keys[t].starts);
        }
        mem_free(w->ring[i].keys);
    }
    for (uint32_t t = 0; w->grads && t < n_tables; t++)
        local_grads_clear(&w->grads[t]);
    mem_free(w->grads);
    mem_free(w->rows);
}

static void local_destroy(struct param_store *store)
{
    struct local_store *s = local_of(store);

    if (!s)
        return;
    for (unsigned i = 0; s->workers && i < s->n; i++)
        worker_clear(s, &s->workers[i]);
    for (unsigned i = 0; s->shards && i < s->n; i++)
        shard_destroy(s->shards[i]);
    mem_free(s->workers);
    mem_free(s->shards);
    mem_free(s->dense);
    mem_free(s);
}

static enum fusor_status worker_init(struct local_store *s,
                                     struct local_worker *w,
                                     struct fusor_error *err)
{
    uint32_t n_tables = s->params->n_tables;

    w->grads = mem_alloc(n_tables, sizeof(*w->grads));
    w->rows =
        mem_alloc((size_t)PARAM_MAX_NODES * s->n * n_tables, sizeof(*w->rows));
    if (!w->grads || !w->rows)
        return mem_fail(err, "local store", n_tables * sizeof(*w->grads));
    for (unsigned i = 0; i <= LOCAL_DEPTH_MAX; i++) {
        struct local_keys *keys = mem_alloc(n_tables, sizeof(*keys));

        w->ring[i].keys = keys;
        for (uint32_t t = 0; keys && t < n_tables; t++) {
            keys[t].starts = mem_alloc(s->n + 1, sizeof(*keys[t].starts));
            if (!keys[t].starts)
                return mem_fail(err, "local store", s->n * sizeof(uint32_t));
        }
        if (!keys)
            return mem_fail(err, "local store", n_tables * sizeof(*keys));
    }
    return FUSOR_OK;
}

static enum fusor_status create_parts(struct local_store *s,
                                      const struct local_store_config *c,
                                      struct fusor_error *err)
{
    struct shard_config part = {.params = c->params,
                                .table_optim = c->table_optim,
                                .block_optim = c->block_optim,
                                .n_shards = s->n,
                                .cap_bytes = c->cap_bytes / s->n,
                                .fd = -1,
                                .huge = c->huge,
                                .job_id = c->job_id,
                                .when_full = c->when_full,
                                .idle = c->idle};

    s->dense = mem_alloc((size_t)c->params->n_dense, sizeof(float));
    s->shards = mem_alloc(s->n, sizeof(*s->shards));
    s->workers = mem_alloc(s->n, sizeof(*s->workers));
    if (!s->dense || !s->shards || !s->workers)
        return mem_fail(err, "local store",
                        (size_t)c->params->n_dense * sizeof(float));
    part.dense = s->dense;
    for (unsigned i = 0; i < s->n; i++) {
        part.shard = i;
        part.near = affinity_place(c->bind, i);
        FUSOR_TRY(shard_create(&part, &s->shards[i], err));
        FUSOR_TRY(worker_init(s, &s->workers[i], err));
    }
    return FUSOR_OK;
}

static const struct param_store_ops local_ops = {
    .announce = local_announce,
    .values = local_values,
    .push = local_push,
    .drain = local_drain,
    .destroy = local_destroy,
};

enum fusor_status local_store_create(const struct local_store_config *config,
                                     unsigned n_workers,
                                     struct param_store **out,
                                     struct fusor_error *err)
{
    struct local_store *s;
    enum fusor_status rc;

    if (n_workers < 1 || n_workers > LOCAL_WORKERS_MAX)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "local store: %u threads; 1..%d are possible",
                          n_workers, LOCAL_WORKERS_MAX);
    s = mem_alloc(1, sizeof(*s));
    if (!s)
        return mem_fail(err, "local store", sizeof(*s));
    s->base.ops = &local_ops;
    s->params = config->params;
    s->n = n_workers;
    barrier_init(&s->barrier, n_workers);
    bucket_map_default(n_workers, s->bucket_map);
    rc = create_parts(s, config, err);
    if (rc != FUSOR_OK) {
        local_destroy(&s->base);
        return rc;
    }
    *out = &s->base;
    return FUSOR_OK;
}

enum fusor_status local_store_begin_span(struct param_store *store,
                                         const struct optim_span *span,
                                         uint64_t units_per_epoch,
                                         struct fusor_error *err)
{
    struct local_store *s = local_of(store);

    for (unsigned i = 0; i < s->n; i++) {
        struct shard_position position = shard_position(s->shards[i]);

        FUSOR_TRY(shard_begin_span(s->shards[i], span, units_per_epoch, err));
        position.epoch = span->epoch;
        shard_set_position(s->shards[i], position);
    }
    return FUSOR_OK;
}

enum fusor_status local_store_set_epoch(struct param_store *store,
                                        uint64_t clock, uint64_t epoch,
                                        uint64_t units_per_epoch,
                                        double plateau_factor,
                                        struct fusor_error *err)
{
    struct optim_span span = {clock, epoch, plateau_factor};

    FUSOR_TRY(local_store_begin_span(store, &span, units_per_epoch, err));
    local_of(store)->first_clock = clock;
    return FUSOR_OK;
}

void local_store_set_frozen(struct param_store *store,
                            const unsigned char *frozen)
{
    struct local_store *s = local_of(store);

    for (unsigned i = 0; i < s->n; i++)
        shard_set_frozen(s->shards[i], frozen);
}

void local_store_set_frozen_tables(struct param_store *store,
                                   const unsigned char *frozen)
{
    struct local_store *s = local_of(store);

    for (unsigned i = 0; i < s->n; i++)
        shard_set_frozen_tables(s->shards[i], frozen);
}

void local_store_break(struct param_store *store, const char *why)
{
    local_store_fail(local_of(store), why, FUSOR_ECLOSED);
}

unsigned local_store_n_shards(const struct param_store *store)
{
    return ((const struct local_store *)(const void *)store)->n;
}

struct shard *local_store_shard(struct param_store *store, unsigned i)
{
    return local_of(store)->shards[i];
}

struct shard_counters local_store_counters(const struct param_store *store)
{
    const struct local_store *s =
        (const struct local_store *)(const void *)store;
    struct shard_counters sum = {0};

    for (unsigned i = 0; i < s->n; i++) {
        struct shard_counters c = shard_counters(s->shards[i]);

        sum.rows += c.rows;
        sum.rows_created += c.rows_created;
        sum.rows_resolved += c.rows_resolved;
        sum.rows_applied += c.rows_applied;
        sum.rows_dropped += c.rows_dropped;
        sum.rows_evicted += c.rows_evicted;
        sum.stubs += c.stubs;
        sum.units_applied += i ? 0 : c.units_applied; // each saw every unit
        sum.slab_bytes += c.slab_bytes;
        sum.index_bytes += c.index_bytes;
        sum.scratch_bytes += c.scratch_bytes;
        sum.huge_wanted += c.huge_wanted;
        sum.huge_got += c.huge_got;
    }
    return sum;
}
