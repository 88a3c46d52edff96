/* The steps of a local store: announce, values, push, drain over one shard a
 * thread. */
#include "store/local_private.h"

#define AHEAD 12 /* rows a prefetch runs in front */

/* What this worker's thread is told its phases to. */
static struct profile *profile_of(const struct local_store *s, unsigned worker)
{
    return s->base.profiles ? &s->base.profiles[worker] : NULL;
}

void local_store_fail(struct local_store *s, const char *text,
                      enum fusor_status rc)
{
    int expected = 0;

    if (atomic_compare_exchange_strong(&s->failed, &expected, 1)) {
        fusor_fail(&s->failure, rc, "%s", text);
        atomic_store(&s->failed, 2);
    }
    barrier_break(&s->barrier);
}

/* The calling worker failed: wake the others, pass its own error on. */
static enum fusor_status fail_all(struct local_store *s, enum fusor_status rc,
                                  struct fusor_error *err)
{
    local_store_fail(s, err ? err->text : "a worker failed", rc);
    return rc;
}

/* Somebody else failed. */
static enum fusor_status broken(struct local_store *s, struct fusor_error *err)
{
    if (atomic_load(&s->failed) == 2)
        return fusor_fail(err, s->failure.status,
                          "local store: another worker failed: %s",
                          s->failure.text);
    return fusor_fail(err, FUSOR_ECLOSED, "local store: another worker failed");
}

static enum fusor_status meet(struct local_store *s, unsigned worker,
                              struct fusor_error *err)
{
    if (s->n == 1)
        return FUSOR_OK;
    profile_enter(profile_of(s, worker), PROFILE_WAIT_THREADS);
    return barrier_wait(&s->barrier) ? broken(s, err) : FUSOR_OK;
}

enum fusor_status local_announce(struct param_store *store, unsigned worker,
                                 enum pull_mode mode, uint64_t clock,
                                 const struct step_keys *tables,
                                 struct fusor_error *err)
{
    struct local_store *s = local_of(store);
    struct local_worker *w = &s->workers[worker];
    struct local_step *step;
    enum fusor_status rc;

    if (w->n_announced == LOCAL_DEPTH_MAX)
        return fail_all(s,
                        fusor_fail(err, FUSOR_EINVAL,
                                   "local store: %d steps are announced and "
                                   "none is valued",
                                   LOCAL_DEPTH_MAX),
                        err);
    step = &w->ring[(w->head + w->n_announced) % (LOCAL_DEPTH_MAX + 1)];
    step->mode = mode;
    step->clock = clock;
    step->tables = tables;
    rc = local_group_keys(s, step, err);
    if (rc != FUSOR_OK)
        return fail_all(s, rc, err);
    w->n_announced++;
    return FUSOR_OK;
}

/* In place where a row lies as floats, else widened or made up. */
static const float *values_of(const struct shard *s, uint32_t t,
                              enum row_dtype dtype, uint64_t key, uint32_t ref,
                              float *wide)
{
    if (ref && dtype == ROW_F32)
        return shard_row_values(shard_base(s), ref);
    shard_read_rows(s, t, &key, &ref, 1, wide);
    return wide;
}

/* Shard o's part of the references of a table whose values cannot all be read
 * in place. */
static void open_values(const struct local_store *s, unsigned o,
                        const struct step_keys *in, struct local_keys *k,
                        uint32_t t, size_t n, const uint32_t *refs,
                        const float **rows)
{
    const struct table_spec *spec = &s->params->tables[t];
    uint32_t first = s->n > 1 ? k->starts[o] : 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t at = s->n > 1 ? k->at[first + i] : (uint32_t)i;

        if (i + AHEAD < n)
            shard_prefetch_values(s->shards[o], t, refs[i + AHEAD]);
        k->refs[at] = refs[i];
        rows[at] = values_of(s->shards[o], t, spec->dtype, in->keys[at],
                             refs[i], k->wide + (size_t)at * spec->width);
    }
}

/* Shard o's part of one table of one worker's step: references, then where
 * the values are. */
static enum fusor_status resolve_group(struct local_store *s, unsigned o,
                                       struct local_step *step, uint32_t t,
                                       const float **rows,
                                       struct fusor_error *err)
{
    struct local_keys *k = &step->keys[t];
    uint32_t first = s->n > 1 ? k->starts[o] : 0;
    size_t n = s->n > 1 ? k->starts[o + 1] - first : step->tables[t].n;
    const uint64_t *keys = s->n > 1 ? k->keys + first : step->tables[t].keys;
    uint32_t *refs = s->n > 1 ? k->found + first : k->refs;
    unsigned char *base = shard_base(s->shards[o]);
    int train = step->mode == PULL_TRAIN;
    uint64_t clock = s->first_clock + step->clock;

    if (train)
        shard_set_floor(s->shards[o], clock); // all before is applied
    FUSOR_TRY(shard_resolve(s->shards[o], t, keys, n,
                            train ? RESOLVE_TRAIN : RESOLVE_PEEK, clock, refs,
                            err));
    if (train)
        shard_catch_up(s->shards[o], t, refs, n, clock);
    if (k->wide) {
        open_values(s, o, &step->tables[t], k, t, n, refs, rows);
        return FUSOR_OK;
    }
    if (s->n == 1) {
        for (size_t i = 0; i < n; i++)
            rows[i] = shard_row_values(base, refs[i]);
        return FUSOR_OK;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t at = k->at[first + i];

        k->refs[at] = refs[i];
        rows[at] = shard_row_values(base, refs[i]);
    }
    return FUSOR_OK;
}

static enum fusor_status resolve_step(struct local_store *s, unsigned o,
                                      struct local_worker *w,
                                      struct fusor_error *err)
{
    for (uint32_t t = 0; t < s->params->n_tables; t++)
        FUSOR_TRY(resolve_group(s, o, w->valued, t, w->out[t].rows, err));
    return FUSOR_OK;
}

/* All nodes of all pushes as shard o sees them, ascending. */
static enum fusor_status collect_pushes(struct local_store *s, unsigned o,
                                        size_t *n, struct fusor_error *err)
{
    struct shard_push *pushes = s->workers[o].pushes;
    uint32_t n_tables = s->params->n_tables;

    *n = 0;
    for (unsigned i = 0; i < s->n; i++) {
        const struct local_worker *w = &s->workers[i];

        for (uint32_t k = 0; w->pushed && k < w->pushed->n_nodes; k++) {
            size_t at = *n;

            if (*n == TREE_LEAVES_MAX)
                return fusor_fail(err, FUSOR_EINVAL,
                                  "local store: over %d nodes in a unit",
                                  TREE_LEAVES_MAX);
            for (; at && pushes[at - 1].lo > w->pushed->nodes[k].lo; at--)
                pushes[at] = pushes[at - 1];
            pushes[at] = (struct shard_push){
                .lo = w->pushed->nodes[k].lo,
                .dense = w->pushed->nodes[k].dense,
                .tables = w->rows + ((size_t)k * s->n + o) * n_tables};
            ++*n;
        }
    }
    return FUSOR_OK;
}

/* Keys without a row in one worker's push to shard o are counted, and get their
 * rows if it is time. */
static enum fusor_status admit(struct local_store *s, unsigned o,
                               struct local_worker *w, uint64_t clock,
                               struct fusor_error *err)
{
    uint32_t n_tables = s->params->n_tables;

    for (uint32_t t = 0; t < n_tables; t++) {
        const struct local_grads *g = &w->grads[t];

        for (uint32_t k = 0; g->keys && k < w->pushed->n_nodes; k++) {
            const struct shard_rows *rows =
                &w->rows[((size_t)k * s->n + o) * n_tables + t];
            size_t first = (size_t)(rows->refs - g->refs);

            FUSOR_TRY(shard_resolve(s->shards[o], t, g->keys + first, rows->n,
                                    RESOLVE_PUSH, clock, g->refs + first, err));
        }
    }
    return FUSOR_OK;
}

static enum fusor_status apply_unit(struct local_store *s, unsigned o,
                                    struct fusor_error *err)
{
    struct shard_position position = shard_position(s->shards[o]);
    uint64_t samples = 0, clock = 0;
    size_t n;
    int any = 0;

    for (unsigned i = 0; i < s->n; i++) {
        const struct step_grads *g = s->workers[i].pushed;

        if (!g)
            continue;
        any = 1;
        clock = s->first_clock + g->clock;
        samples += g->n_samples;
    }
    if (!any)
        return FUSOR_OK;
    for (unsigned i = 0; i < s->n; i++)
        if (s->workers[i].pushed)
            FUSOR_TRY(admit(s, o, &s->workers[i], clock, err));
    FUSOR_TRY(collect_pushes(s, o, &n, err));
    FUSOR_TRY(shard_apply(s->shards[o], s->workers[o].pushes, n, clock, err));
    position.clock = clock + 1;
    position.samples_done += samples;
    shard_set_position(s->shards[o], position);
    return FUSOR_OK;
}

/* A peek: this thread looks up in every shard by itself. */
static enum fusor_status peek(struct local_store *s, struct local_worker *w,
                              struct fusor_error *err)
{
    for (unsigned o = 0; o < s->n; o++)
        FUSOR_TRY(resolve_step(s, o, w, err));
    w->valued = NULL; // a peek takes no push
    return FUSOR_OK;
}

static enum fusor_status train_values(struct local_store *s, unsigned worker,
                                      struct fusor_error *err)
{
    enum fusor_status rc;

    FUSOR_TRY(meet(s, worker, err));
    profile_enter(profile_of(s, worker), PROFILE_APPLY);
    rc = apply_unit(s, worker, err);
    profile_enter(profile_of(s, worker), PROFILE_LOOKUP);
    for (unsigned i = 0; rc == FUSOR_OK && i < s->n; i++)
        rc = resolve_step(s, worker, &s->workers[i], err);
    if (rc != FUSOR_OK)
        return fail_all(s, rc, err);
    FUSOR_TRY(meet(s, worker, err));
    s->workers[worker].pushed = NULL;
    return FUSOR_OK;
}

enum fusor_status local_values(struct param_store *store, unsigned worker,
                               struct step_rows *tables, const float **dense,
                               struct fusor_error *err)
{
    struct local_store *s = local_of(store);
    struct local_worker *w = &s->workers[worker];

    if (w->n_announced == 0)
        return fail_all(s,
                        fusor_fail(err, FUSOR_EINVAL,
                                   "local store: values of a step that was "
                                   "not announced"),
                        err);
    w->valued = &w->ring[w->head];
    w->out = tables;
    w->head = (w->head + 1) % (LOCAL_DEPTH_MAX + 1);
    w->n_announced--;
    *dense = s->dense;
    if (w->valued->mode == PULL_PEEK)
        return peek(s, w, err);
    return train_values(s, worker, err);
}

enum fusor_status local_push(struct param_store *store, unsigned worker,
                             const struct step_grads *grads,
                             struct fusor_error *err)
{
    struct local_store *s = local_of(store);
    struct local_worker *w = &s->workers[worker];
    enum fusor_status rc;

    if (!w->valued)
        rc = fusor_fail(err, FUSOR_EINVAL,
                        "local store: a push without values to train on");
    else
        rc = local_group_grads(s, w, grads, err);
    if (rc != FUSOR_OK)
        return fail_all(s, rc, err);
    w->pushed = grads;
    w->valued = NULL;
    return FUSOR_OK;
}

enum fusor_status local_drain(struct param_store *store, unsigned worker,
                              struct fusor_error *err)
{
    struct local_store *s = local_of(store);
    enum fusor_status rc;

    FUSOR_TRY(meet(s, worker, err));
    profile_enter(profile_of(s, worker), PROFILE_APPLY);
    rc = apply_unit(s, worker, err);
    if (rc != FUSOR_OK)
        return fail_all(s, rc, err);
    shard_catch_up_all(s->shards[worker],
                       shard_position(s->shards[worker]).clock);
    FUSOR_TRY(meet(s, worker, err));
    s->workers[worker].pushed = NULL;
    return FUSOR_OK;
}
