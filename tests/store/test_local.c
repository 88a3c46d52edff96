/* Tests of the local store: the contract, equal bits for any number of threads,
 * failures that let everybody go. */
#include "store/local.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

#include "harness.h"

#define WIDTH 6
#define MICROS 8
#define KEYS 300
#define DENSE 500
#define STEPS 30

struct bench {
    struct table_spec tables[2];
    struct block_spec blocks[2];
    struct param_spec params;
    struct optim_spec table_optim[2];
    struct optim_spec block_optim[2];
    struct local_store_config config;
};

static void bench_fill(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    b->tables[0] = (struct table_spec){.name = "user",
                                       .width = WIDTH,
                                       .init = INIT_NORMAL,
                                       .init_scale = 0.1f};
    b->tables[1] = (struct table_spec){
        .name = "item", .width = 1, .init = INIT_UNIFORM, .init_scale = 0.5f};
    b->blocks[0] = (struct block_spec){
        .name = "w", .size = DENSE - 9, .init = INIT_NORMAL, .init_scale = 1};
    b->blocks[1] = (struct block_spec){
        .name = "b", .offset = DENSE - 9, .size = 9, .init = INIT_ZERO};
    b->params = (struct param_spec){.seed = 5,
                                    .n_tables = 2,
                                    .tables = b->tables,
                                    .n_blocks = 2,
                                    .blocks = b->blocks,
                                    .n_dense = DENSE};
    for (int i = 0; i < 2; i++) {
        optim_spec_default(i ? OPTIM_ROWWISE_ADAGRAD : OPTIM_ADAM,
                           &b->table_optim[i]);
        optim_spec_default(OPTIM_ADAM, &b->block_optim[i]);
    }
    b->table_optim[0].l2 = 0.01;
    b->table_optim[0].l2_scope = OPTIM_L2_TABLE;
    b->config = (struct local_store_config){.params = &b->params,
                                            .table_optim = b->table_optim,
                                            .block_optim = b->block_optim,
                                            .job_id = 1};
}

/* A made-up worker: which keys a micro-batch touches and with what gradient is
 * a function of (step, micro-batch); the gradient also depends on the values,
 * so that a wrong value spreads. */
struct worker {
    struct param_store *store;
    unsigned number, n;
    int fails_at; // step at which it breaks off, or -1
    enum fusor_status rc;
    struct fusor_error err;
    struct grad_tree rows[2];
    struct dense_tree dense;
    struct step_keys keys[2][2]; // of this step and the next
    uint64_t key_list[2][2][KEYS];
    const float *values[2][KEYS];
    struct node_rows node_rows[PARAM_MAX_NODES][2];
    struct step_grads grads;
};

static int touches(int step, unsigned micro, int table, uint64_t key)
{
    struct rng r = rng_stream(9, RNG_TEST, (uint64_t)step * 64 + micro,
                              key * 2 + (uint64_t)table);

    return rng_below(&r, 3) == 0;
}

static int is_mine(const struct worker *w, unsigned micro)
{
    return micro * w->n / MICROS == w->number;
}

static void worker_keys(struct worker *w, int step)
{
    int slot = step % 2;

    for (int t = 0; t < 2; t++) {
        uint32_t n = 0;

        for (uint64_t key = 0; key < KEYS; key++) {
            int wanted = 0;

            for (unsigned m = 0; m < MICROS; m++)
                wanted |= is_mine(w, m) && touches(step, m, t, key);
            if (wanted)
                w->key_list[slot][t][n++] = key;
        }
        w->keys[slot][t] = (struct step_keys){n, w->key_list[slot][t]};
    }
}

static void micro_run(struct worker *w, int step, unsigned m,
                      const float *dense)
{
    float *d = dense_tree_begin(&w->dense, m);

    for (int j = 0; j < DENSE; j++)
        d[j] = dense[j] * 0.1f + (float)(m + 1) * 0.01f;
    for (int t = 0; t < 2; t++) {
        const struct step_keys *keys = &w->keys[step % 2][t];

        grad_tree_begin(&w->rows[t], m);
        for (uint32_t u = 0; u < keys->n; u++) {
            float *g;

            if (!touches(step, m, t, keys->keys[u]))
                continue;
            g = grad_tree_touch(&w->rows[t], u);
            for (uint32_t j = 0; j < (t ? 1 : WIDTH); j++)
                g[j] += w->values[t][u][j] * 0.3f +
                        dense[(keys->keys[u] + m) % DENSE];
        }
    }
}

static void worker_grads(struct worker *w, int step, const float *dense)
{
    struct tree_node nodes[PARAM_MAX_NODES];
    unsigned lo = 0, hi;

    while (!is_mine(w, lo))
        lo++;
    for (hi = lo; hi < MICROS && is_mine(w, hi);)
        hi++;
    w->grads.clock = (uint64_t)step;
    w->grads.n_samples = hi - lo;
    w->grads.n_nodes = tree_nodes(lo, hi, nodes);
    dense_tree_reset(&w->dense);
    for (int t = 0; t < 2; t++)
        grad_tree_reset(&w->rows[t]);
    for (unsigned i = 0; i < w->grads.n_nodes; i++) {
        struct step_node *node = &w->grads.nodes[i];

        for (unsigned m = 0; m < nodes[i].span; m++)
            micro_run(w, step, nodes[i].lo + m, dense);
        for (int t = 0; t < 2; t++)
            w->node_rows[i][t] = grad_tree_finish(&w->rows[t]);
        *node =
            (struct step_node){nodes[i].lo, nodes[i].span,
                               dense_tree_finish(&w->dense), w->node_rows[i]};
    }
}

static enum fusor_status worker_step(struct worker *w, int step)
{
    const struct param_store_ops *ops = w->store->ops;
    struct step_rows rows[2] = {{w->values[0]}, {w->values[1]}};
    const float *dense;

    if (step + 1 < STEPS) { // keys travel one step ahead
        worker_keys(w, step + 1);
        FUSOR_TRY(ops->announce(w->store, w->number, PULL_TRAIN,
                                (uint64_t)step + 1, w->keys[(step + 1) % 2],
                                &w->err));
    }
    FUSOR_TRY(ops->values(w->store, w->number, rows, &dense, &w->err));
    worker_grads(w, step, dense);
    return ops->push(w->store, w->number, &w->grads, &w->err);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;

    worker_keys(w, 0);
    w->rc = w->store->ops->announce(w->store, w->number, PULL_TRAIN, 0,
                                    w->keys[0], &w->err);
    for (int step = 0; w->rc == FUSOR_OK && step < STEPS; step++) {
        if (step == w->fails_at) {
            local_store_break(w->store, "made to fail");
            return NULL;
        }
        w->rc = worker_step(w, step);
    }
    if (w->rc == FUSOR_OK)
        w->rc = w->store->ops->drain(w->store, w->number, &w->err);
    return NULL;
}

static struct worker *workers_create(struct param_store *store, unsigned n)
{
    struct worker *w = mem_alloc(n, sizeof(*w));

    REQUIRE(w != NULL);
    for (unsigned i = 0; i < n; i++) {
        w[i].store = store;
        w[i].number = i;
        w[i].n = n;
        w[i].fails_at = -1;
        REQUIRE(!grad_tree_init(&w[i].rows[0], WIDTH, KEYS, MICROS, NULL));
        REQUIRE(!grad_tree_init(&w[i].rows[1], 1, KEYS, MICROS, NULL));
        REQUIRE(!dense_tree_init(&w[i].dense, DENSE, MICROS, NULL));
    }
    return w;
}

static void workers_run(struct worker *w, unsigned n)
{
    pthread_t thread[8];

    for (unsigned i = 0; i < n; i++)
        REQUIRE(!pthread_create(&thread[i], NULL, worker_main, &w[i]));
    for (unsigned i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
}

static void workers_destroy(struct worker *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        grad_tree_clear(&w[i].rows[0]);
        grad_tree_clear(&w[i].rows[1]);
        dense_tree_clear(&w[i].dense);
    }
    mem_free(w);
}

struct outcome {
    float dense[DENSE];
    float rows[2][KEYS][WIDTH];
    struct shard_counters counters;
    uint64_t samples;
};

static void read_all(struct param_store *store, struct outcome *out)
{
    static uint64_t list[KEYS];
    static const float *values[2][KEYS];
    struct step_keys keys[2] = {{KEYS, list}, {KEYS, list}};
    struct step_rows rows[2] = {{values[0]}, {values[1]}};
    const float *dense;

    for (uint64_t k = 0; k < KEYS; k++)
        list[k] = k;
    REQUIRE(!store->ops->announce(store, 0, PULL_PEEK, 0, keys, NULL));
    REQUIRE(!store->ops->values(store, 0, rows, &dense, NULL));
    memcpy(out->dense, dense, sizeof(out->dense));
    for (int t = 0; t < 2; t++)
        for (int k = 0; k < KEYS; k++)
            memcpy(out->rows[t][k], values[t][k],
                   (t ? 1 : WIDTH) * sizeof(float));
}

static void run(unsigned n, struct outcome *out)
{
    struct bench b;
    struct param_store *store = NULL;
    struct worker *w;

    memset(out, 0, sizeof(*out));
    bench_fill(&b);
    REQUIRE(!local_store_create(&b.config, n, &store, NULL));
    REQUIRE(!local_store_set_epoch(store, 0, 0, 10, 1.0, NULL));
    REQUIRE(!local_store_begin_span(store, &(struct optim_span){10, 1, 0.5}, 10,
                                    NULL));
    w = workers_create(store, n);
    workers_run(w, n);
    for (unsigned i = 0; i < n; i++)
        CHECK(w[i].rc == FUSOR_OK);
    read_all(store, out);
    out->counters = local_store_counters(store);
    out->samples = shard_position(local_store_shard(store, n - 1)).samples_done;
    CHECK(shard_position(local_store_shard(store, 0)).clock == STEPS);
    workers_destroy(w, n);
    store->ops->destroy(store);
}

static void any_number_of_threads_gives_the_same_bits(void)
{
    static struct outcome one, other;

    run(1, &one);
    CHECK(one.samples == STEPS * MICROS);
    for (unsigned n = 2; n <= 5; n++) {
        run(n, &other);
        CHECK(!memcmp(one.dense, other.dense, sizeof(one.dense)));
        CHECK(!memcmp(one.rows, other.rows, sizeof(one.rows)));
        CHECK(one.counters.rows == other.counters.rows);
        CHECK(one.counters.rows_applied == other.counters.rows_applied);
        CHECK(one.counters.units_applied == STEPS);
        CHECK(other.counters.units_applied == STEPS);
        CHECK(other.samples == one.samples);
    }
}

static void a_failed_worker_lets_everybody_go(void)
{
    struct bench b;
    struct param_store *store = NULL;
    struct worker *w;

    bench_fill(&b);
    REQUIRE(!local_store_create(&b.config, 3, &store, NULL));
    REQUIRE(!local_store_set_epoch(store, 0, 0, 10, 1.0, NULL));
    w = workers_create(store, 3);
    w[1].fails_at = 7;
    workers_run(w, 3);
    CHECK(w[0].rc == FUSOR_ECLOSED && w[2].rc == FUSOR_ECLOSED);
    CHECK(strstr(w[0].err.text, "made to fail") != NULL);
    workers_destroy(w, 3);
    store->ops->destroy(store);
}

static void a_full_shard_stops_all(void)
{
    struct bench b;
    struct param_store *store = NULL;
    struct worker *w;

    bench_fill(&b);
    b.config.cap_bytes = 2 * (4 << 20) + 10000; // head, dense, no rows
    REQUIRE(!local_store_create(&b.config, 2, &store, NULL));
    REQUIRE(!local_store_set_epoch(store, 0, 0, 10, 1.0, NULL));
    w = workers_create(store, 2);
    workers_run(w, 2);
    CHECK(w[0].rc == FUSOR_ENOMEM && w[1].rc == FUSOR_ENOMEM);
    CHECK(strstr(w[0].err.text, "memory.per_server") != NULL);
    CHECK(strstr(w[1].err.text, "memory.per_server") != NULL);
    workers_destroy(w, 2);
    store->ops->destroy(store);
}

static void misuse_is_an_error(void)
{
    struct step_keys keys[2] = {{0, NULL}, {0, NULL}};
    struct step_rows rows[2] = {{NULL}, {NULL}};
    struct step_grads grads = {.n_nodes = 1};
    struct node_rows none[2] = {{0}, {0}};
    struct param_store *store = NULL;
    struct bench b;
    const float *dense;

    bench_fill(&b);
    CHECK(local_store_create(&b.config, 0, &store, NULL) == FUSOR_EUSAGE);
    CHECK(local_store_create(&b.config, 257, &store, NULL) == FUSOR_EUSAGE);
    REQUIRE(!local_store_create(&b.config, 1, &store, NULL));
    REQUIRE(!local_store_set_epoch(store, 0, 0, 10, 1.0, NULL));
    CHECK(store->ops->values(store, 0, rows, &dense, NULL) == FUSOR_EINVAL);
    CHECK(store->ops->push(store, 0, &grads, NULL) == FUSOR_EINVAL);
    for (int i = 0; i < LOCAL_DEPTH_MAX; i++)
        CHECK(!store->ops->announce(store, 0, PULL_TRAIN, 0, keys, NULL));
    CHECK(store->ops->announce(store, 0, PULL_TRAIN, 0, keys, NULL) ==
          FUSOR_EINVAL);
    CHECK(!store->ops->values(store, 0, rows, &dense, NULL));
    grads.nodes[0] = (struct step_node){3, 2, NULL, none}; // not aligned
    CHECK(store->ops->push(store, 0, &grads, NULL) == FUSOR_EINVAL);
    grads.nodes[0] = (struct step_node){14, 2, NULL, none};
    CHECK(store->ops->push(store, 0, &grads, NULL) == FUSOR_OK);
    CHECK(store->ops->drain(store, 0, NULL) == FUSOR_OK);
    store->ops->destroy(store);
}

static void every_allocation_may_fail(void)
{
    struct bench b;
    struct param_store *store = NULL;
    size_t used = mem_used();
    long i = 1;

    bench_fill(&b);
    for (; i < 200; i++) {
        enum fusor_status rc;

        mem_fail_after(i);
        rc = local_store_create(&b.config, 2, &store, NULL);
        mem_fail_after(0);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM && store == NULL && mem_used() == used);
    }
    CHECK(i > 20 && i < 200);
    store->ops->destroy(store);
    CHECK(mem_used() == used);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"any number of threads gives the same bits",
         any_number_of_threads_gives_the_same_bits},
        {"a failed worker lets everybody go",
         a_failed_worker_lets_everybody_go},
        {"a full shard stops all workers", a_full_shard_stops_all},
        {"misuse is an error", misuse_is_an_error},
        {"every allocation may fail", every_allocation_may_fail},
    };

    return TEST_RUN("store.local", cases);
}
