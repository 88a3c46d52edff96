/* The made-up model of the parameter server's tests; see the header. */
#include "toy.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "store/local.h"

void toy_init(struct toy *t, uint64_t seed, int real, uint64_t n_units,
              uint64_t n_epochs, uint64_t n_dense)
{
    static const enum optim_kind kinds[] = {OPTIM_ADAM, OPTIM_ADAGRAD,
                                            OPTIM_ADAM, OPTIM_MOMENTUM};

    memset(t, 0, sizeof(*t));
    t->seed = seed;
    t->real = real;
    t->micros = 8;
    t->n_units = n_units;
    t->n_epochs = n_epochs;
    n_dense = n_dense ? n_dense : TOY_DENSE;
    t->tables[0] = (struct table_spec){.name = "marks", .width = 1};
    t->tables[1] = (struct table_spec){.name = "sums", .width = TOY_WIDTH};
    t->blocks[0] = (struct block_spec){.name = "w", .size = n_dense};
    t->blocks[1] =
        (struct block_spec){.name = "b", .offset = n_dense, .size = 5};
    t->params = (struct param_spec){.seed = 5,
                                    .n_tables = 2,
                                    .tables = t->tables,
                                    .n_blocks = 2,
                                    .blocks = t->blocks,
                                    .n_dense = n_dense + 5};
    for (int i = 0; i < 4; i++) {
        struct optim_spec *o =
            i < 2 ? &t->table_optim[i] : &t->block_optim[i - 2];

        optim_spec_default(real && i ? kinds[i] : OPTIM_SGD, o);
        o->lr = real && i ? 0.05 : 1.0;
    }
    if (!real)
        return;
    t->tables[1].init = t->blocks[0].init = INIT_NORMAL;
    t->tables[1].init_scale = t->blocks[0].init_scale = 0.5f;
    t->table_optim[1].l2 = 0.01;
    t->table_optim[1].l2_scope = OPTIM_L2_TABLE;
}

/* Does the micro-batch touch this key of "sums"? */
static int touches(const struct toy *t, uint64_t unit, uint32_t micro,
                   uint64_t key)
{
    struct rng r = rng_stream(t->seed, RNG_TEST, unit * 16 + micro, key);

    return rng_below(&r, 4) == 0;
}

static float whole(const struct toy *t, uint64_t unit, uint32_t micro,
                   uint64_t what)
{
    struct rng r = rng_stream(t->seed, RNG_TEST, unit * 16 + micro, ~what);

    return (float)rng_below(&r, 7) - 3;
}

static float gradient(const struct toy *t, uint64_t unit, uint32_t micro,
                      uint64_t what, float value)
{
    float g = whole(t, unit, micro, what);

    return t->real ? 0.3f * value + 0.013f * g : g;
}

void toy_state_init(const struct toy *t, struct toy_state *s)
{
    memset(s, 0, sizeof(*s));
    s->dense = mem_alloc((size_t)t->params.n_dense, sizeof(float));
}

void toy_state_clear(struct toy_state *s)
{
    mem_free(s->dense);
}

int toy_state_equal(const struct toy *t, const struct toy_state *a,
                    const struct toy_state *b)
{
    return !memcmp(a->marks, b->marks, sizeof(a->marks)) &&
           !memcmp(a->sums, b->sums, sizeof(a->sums)) &&
           !memcmp(a->dense, b->dense,
                   (size_t)t->params.n_dense * sizeof(float));
}

void toy_expect(const struct toy *t, struct toy_state *out)
{
    for (uint64_t unit = 0; unit < t->n_units * t->n_epochs; unit++) {
        out->marks[unit] = (float)t->micros;
        for (uint32_t m = 0; m < t->micros; m++) {
            for (uint64_t key = 0; key < TOY_SUMS; key++)
                for (int j = 0; j < TOY_WIDTH && touches(t, unit, m, key); j++)
                    out->sums[key][j] -=
                        whole(t, unit, m, key * TOY_WIDTH + (unsigned)j);
            for (uint64_t j = 0; j < t->params.n_dense; j++)
                out->dense[j] -= whole(t, unit, m, 1000 + j);
        }
    }
}

enum fusor_status toy_step_init(struct toy_step *s, const struct toy *t)
{
    memset(s, 0, sizeof(*s));
    s->toy = t;
    for (int i = 0; i < 2; i++) {
        FUSOR_TRY(grad_tree_init(&s->trees[i], t->tables[i].width,
                                 TOY_MARKS_MAX, t->micros, NULL));
        s->rows[i].rows = s->values[i];
    }
    return dense_tree_init(&s->dense_tree, t->params.n_dense, t->micros, NULL);
}

void toy_step_clear(struct toy_step *s)
{
    grad_tree_clear(&s->trees[0]);
    grad_tree_clear(&s->trees[1]);
    dense_tree_clear(&s->dense_tree);
}

void toy_step_begin(struct toy_step *s, uint64_t unit, uint32_t micro_lo,
                    uint32_t micro_hi)
{
    const struct toy *t = s->toy;
    uint32_t n = 0;

    s->unit = unit;
    s->micro_lo = micro_lo;
    s->micro_hi = micro_hi;
    for (uint64_t mark = 0; mark < t->n_units * t->n_epochs; mark++)
        s->key_lists[0][n++] = mark;
    s->keys[0] = (struct step_keys){n, s->key_lists[0]};
    n = 0;
    for (uint64_t key = 0; key < TOY_SUMS; key++) {
        int wanted = 0;

        for (uint32_t m = micro_lo; m < micro_hi; m++)
            wanted |= touches(t, unit, m, key);
        if (wanted)
            s->key_lists[1][n++] = key;
    }
    s->keys[1] = (struct step_keys){n, s->key_lists[1]};
}

static void compute_micro(struct toy_step *s, uint32_t m, const float *dense)
{
    const struct toy *t = s->toy;
    float *d = dense_tree_begin(&s->dense_tree, m);

    for (uint64_t j = 0; j < t->params.n_dense; j++)
        d[j] = gradient(t, s->unit, m, 1000 + j, dense[j]);
    grad_tree_begin(&s->trees[0], m);
    grad_tree_touch(&s->trees[0], (uint32_t)s->unit)[0] -= 1;
    grad_tree_begin(&s->trees[1], m);
    for (uint32_t u = 0; u < s->keys[1].n; u++) {
        uint64_t key = s->key_lists[1][u];
        float *g;

        if (!touches(t, s->unit, m, key))
            continue;
        g = grad_tree_touch(&s->trees[1], u);
        for (unsigned j = 0; j < TOY_WIDTH; j++)
            g[j] += gradient(t, s->unit, m, key * TOY_WIDTH + j,
                             s->values[1][u][j]);
    }
}

void toy_step_compute(struct toy_step *s, uint64_t clock, const float *dense)
{
    struct tree_node nodes[PARAM_MAX_NODES];
    unsigned n = tree_nodes(s->micro_lo, s->micro_hi, nodes);

    grad_tree_reset(&s->trees[0]);
    grad_tree_reset(&s->trees[1]);
    dense_tree_reset(&s->dense_tree);
    s->grads.clock = clock;
    s->grads.n_nodes = n;
    s->grads.n_samples = s->micro_hi - s->micro_lo;
    for (unsigned i = 0; i < n; i++) {
        for (uint32_t m = nodes[i].lo; m < nodes[i].lo + nodes[i].span; m++)
            compute_micro(s, m, dense);
        for (int k = 0; k < 2; k++)
            s->node_rows[i][k] = grad_tree_finish(&s->trees[k]);
        s->grads.nodes[i] = (struct step_node){
            nodes[i].lo, nodes[i].span, dense_tree_finish(&s->dense_tree),
            s->node_rows[i]};
    }
}

uint64_t toy_step_check(const struct toy_step *s, uint64_t must, int exactly)
{
    float full = (float)s->toy->micros;

    for (uint64_t unit = 0; unit < s->keys[0].n; unit++) {
        float got = s->values[0][unit][0];

        if (got != full && (got != 0 || unit < must))
            return unit + 1;
        if (exactly && unit >= must && got != 0)
            return unit + 1;
    }
    return 0;
}

/* A thread of the local run. */
struct local_worker {
    const struct toy *toy;
    struct param_store *store;
    unsigned number, n;
    uint64_t epoch;
    struct toy_step step;
    enum fusor_status rc;
};

static void *local_main(void *arg)
{
    struct local_worker *w = arg;
    const struct param_store_ops *ops = w->store->ops;
    const struct toy *t = w->toy;
    uint32_t lo = w->number * t->micros / w->n;
    uint32_t hi = (w->number + 1) * t->micros / w->n;
    const float *dense;

    for (uint64_t u = 0; u < t->n_units && w->rc == FUSOR_OK; u++) {
        toy_step_begin(&w->step, w->epoch * t->n_units + u, lo, hi);
        w->rc = ops->announce(w->store, w->number, PULL_TRAIN, u, w->step.keys,
                              NULL);
        if (w->rc == FUSOR_OK)
            w->rc =
                ops->values(w->store, w->number, w->step.rows, &dense, NULL);
        if (w->rc != FUSOR_OK)
            break;
        toy_step_compute(&w->step, u, dense);
        w->rc = ops->push(w->store, w->number, &w->step.grads, NULL);
    }
    if (w->rc == FUSOR_OK)
        w->rc = ops->drain(w->store, w->number, NULL);
    return NULL;
}

static enum fusor_status local_epoch(const struct toy *t,
                                     struct param_store *store, unsigned n,
                                     uint64_t epoch)
{
    struct local_worker *w = mem_alloc(n, sizeof(*w));
    pthread_t *threads = mem_alloc(n, sizeof(*threads));
    enum fusor_status rc = FUSOR_OK;

    for (unsigned i = 0; i < n; i++) {
        w[i].toy = t;
        w[i].store = store;
        w[i].number = i;
        w[i].n = n;
        w[i].epoch = epoch;
        w[i].rc = toy_step_init(&w[i].step, t);
        pthread_create(&threads[i], NULL, local_main, &w[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        rc = rc == FUSOR_OK ? w[i].rc : rc;
        toy_step_clear(&w[i].step);
    }
    mem_free(threads);
    mem_free(w);
    return rc;
}

static void read_local(const struct toy *t, struct param_store *store,
                       struct toy_state *out)
{
    struct toy_step all;
    const float *dense;

    memset(&all, 0, sizeof(all));
    for (uint64_t k = 0; k < TOY_MARKS_MAX; k++)
        all.key_lists[0][k] = all.key_lists[1][k] = k;
    all.keys[0] = (struct step_keys){(uint32_t)(t->n_units * t->n_epochs),
                                     all.key_lists[0]};
    all.keys[1] = (struct step_keys){TOY_SUMS, all.key_lists[1]};
    all.rows[0].rows = all.values[0];
    all.rows[1].rows = all.values[1];
    if (store->ops->announce(store, 0, PULL_PEEK, 0, all.keys, NULL) ||
        store->ops->values(store, 0, all.rows, &dense, NULL))
        return;
    for (uint32_t i = 0; i < all.keys[0].n; i++)
        out->marks[i] = all.values[0][i][0];
    for (uint32_t i = 0; i < TOY_SUMS; i++)
        memcpy(out->sums[i], all.values[1][i], sizeof(out->sums[i]));
    memcpy(out->dense, dense, (size_t)t->params.n_dense * sizeof(float));
}

enum fusor_status toy_run_local(const struct toy *t, unsigned n_workers,
                                struct toy_state *out)
{
    struct local_store_config config = {.params = &t->params,
                                        .table_optim = t->table_optim,
                                        .block_optim = t->block_optim,
                                        .job_id = 7};
    struct param_store *store;
    enum fusor_status rc;

    FUSOR_TRY(local_store_create(&config, n_workers, &store, NULL));
    for (uint64_t e = 0; e < t->n_epochs; e++) {
        rc = local_store_set_epoch(store, e * t->n_units, e, t->n_units, 1.0,
                                   NULL);
        if (rc == FUSOR_OK)
            rc = local_epoch(t, store, n_workers, e);
        if (rc != FUSOR_OK)
            break;
    }
    read_local(t, store, out);
    store->ops->destroy(store);
    return rc;
}

static void read_table(struct shard *s, uint32_t table, uint64_t n,
                       uint32_t width, float *out)
{
    for (uint64_t key = 0; key < n; key++) {
        uint32_t ref;

        shard_resolve(s, table, &key, 1, RESOLVE_PEEK, 0, &ref, NULL);
        if (ref)
            memcpy(out + key * width, shard_row_values(shard_base(s), ref),
                   width * sizeof(float));
    }
}

void toy_read_shard(struct shard *s, struct toy_state *out)
{
    const struct block_segment *segments;
    size_t n;

    read_table(s, 0, TOY_MARKS_MAX, 1, out->marks);
    read_table(s, 1, TOY_SUMS, TOY_WIDTH, out->sums[0]);
    segments = shard_segments(s, &n);
    for (size_t i = 0; i < n; i++)
        memcpy(out->dense + segments[i].offset,
               shard_dense(s) + segments[i].packed,
               (size_t)segments[i].n * sizeof(float));
}
