/* Opens a desk, and fills its rows. */
#include "desk.h"

#include "harness.h"
#include "store/local.h"

void desk_init(struct desk *d, const char *map, const char *rest)
{
    struct local_store_config store = {0};

    d->job = fixture_yaml(fixture_text(fixture_data("loo-full"), map, rest));
    d->w = fixture_workload(d->job);
    store.params = d->w->params;
    store.table_optim = d->w->table_optim;
    store.block_optim = d->w->block_optim;
    REQUIRE(local_store_create(&store, 1, &d->store, NULL) == FUSOR_OK);
    REQUIRE(worker_init(&d->worker, d->w, d->store, 0, 1, DESK_CHUNK, NULL) ==
            FUSOR_OK);
}

void desk_fill(struct desk *d, uint32_t period)
{
    struct shard *s = local_store_shard(d->store, 0);

    for (uint32_t t = 0; t < d->w->params->n_tables; t++)
        for (uint64_t key = 1; key < 80; key++) {
            uint32_t ref, width = d->w->params->tables[t].width;
            float *row;

            REQUIRE(shard_resolve(s, t, &key, 1, RESOLVE_TRAIN, 0, &ref,
                                  NULL) == FUSOR_OK);
            row = shard_row_values(shard_base(s), ref);
            for (uint32_t i = 0; i < width; i++)
                row[i] =
                    (float)((key % period * 7 + i * 5 + t) % 17) / 9.0f - 0.9f;
        }
}

void desk_clear(struct desk *d)
{
    worker_clear(&d->worker);
    d->store->ops->destroy(d->store);
    workload_destroy(d->w);
    yaml_destroy(d->job);
}

uint32_t desk_count_above(const float *scores, uint64_t n, uint32_t item)
{
    uint32_t above = 0;

    for (uint32_t i = 1; i < n; i++)
        above +=
            scores[i] > scores[item] || (scores[i] == scores[item] && i < item);
    return above;
}
