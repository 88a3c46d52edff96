/* Trains a few units over a local store and looks at what was allocated. */
#include "train/rehearse.h"

#include <string.h>

#include "base/mem.h"
#include "store/local.h"
#include "train/evaluate.h"
#include "train/trainer.h"

struct rehearsing {
    const struct workload *workload;
    struct param_store *store;
    struct trainer *trainer;
    struct command command;
};

static void on_failure(void *context, const struct fusor_error *why)
{
    local_store_break(((struct rehearsing *)context)->store, why->text);
}

static enum fusor_status open_parts(struct rehearsing *r, unsigned n_threads,
                                    struct fusor_error *err)
{
    const struct workload *w = r->workload;
    struct local_store_config store = {.params = w->params,
                                       .table_optim = w->table_optim,
                                       .block_optim = w->block_optim};
    struct trainer_config trainer = {.workload = w,
                                     .n_threads = n_threads,
                                     .n_workers = n_threads,
                                     .on_failure = on_failure,
                                     .context = r};

    FUSOR_TRY(local_store_create(&store, n_threads, &r->store, err));
    trainer.store = r->store;
    return trainer_create(&trainer, &r->trainer, err);
}

/* @return n_stages: none is trained */
static uint32_t first_trained(const struct workload *w)
{
    uint32_t s = 0;

    while (s < w->options.n_stages && w->options.stages[s].build)
        s++;
    return s;
}

static enum fusor_status train(struct rehearsing *r, struct rehearsal *out,
                               struct fusor_error *err)
{
    const struct workload *w = r->workload;
    struct command *c = &r->command;
    struct strbuf result = {0};
    struct plan plan;
    enum fusor_status rc;

    c->kind = COMMAND_EPOCH;
    c->stage = first_trained(w);
    c->lr_factor = 1;
    if (c->stage == w->options.n_stages)
        return FUSOR_OK;
    FUSOR_TRY(workload_plan(w, c->stage, &plan, err));
    c->n_units = plan_units(&plan);
    FUSOR_TRY(local_store_set_epoch(r->store, 0, 0, c->n_units, 1, err));
    local_store_set_frozen(r->store, workload_frozen_blocks(w, c->stage));
    local_store_set_frozen_tables(r->store,
                                  workload_frozen_tables(w, c->stage));
    if (c->n_units > REHEARSE_UNITS)
        c->n_units = REHEARSE_UNITS;
    rc = trainer_run(r->trainer, c, &result, err);
    strbuf_clear(&result);
    out->units = c->n_units;
    return rc;
}

/* Every thread counts in a set of its own. */
static enum fusor_status weigh_evaluation(const struct workload *w,
                                          unsigned n_threads,
                                          struct rehearsal *out,
                                          struct fusor_error *err)
{
    size_t before = mem_used();
    struct metric_set *set;

    FUSOR_TRY(evaluate_set_create(w, &set, err));
    out->evaluation = (mem_used() - before) * n_threads;
    metric_set_destroy(set);
    return FUSOR_OK;
}

enum fusor_status rehearse(const struct workload *w, unsigned n_threads,
                           struct rehearsal *out, struct fusor_error *err)
{
    struct rehearsing r = {.workload = w};
    size_t before = mem_used();
    enum fusor_status rc;

    memset(out, 0, sizeof(*out));
    rc = open_parts(&r, n_threads, err);
    if (rc == FUSOR_OK)
        rc = train(&r, out, err);
    if (rc == FUSOR_OK) {
        struct shard_counters n = local_store_counters(r.store);

        out->training = mem_used() - before - n.index_bytes;
        if (out->units)
            out->keys_per_unit = (double)n.rows_resolved / (double)out->units;
    }
    trainer_destroy(r.trainer);
    if (r.store)
        r.store->ops->destroy(r.store);
    return rc == FUSOR_OK ? weigh_evaluation(w, n_threads, out, err) : rc;
}
