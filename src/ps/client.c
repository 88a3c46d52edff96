/* The compute threads' side (announce, values, push, drain) and the network
 * thread's pump. The two meet only in queues. */
#include "ps/client.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/queue.h"
#include "coord/deadline.h"
#include "ps/exchange.h"
#include "ps/payloads.h"
#include "ps/split.h"
#include "store/block_slice.h"

#define AHEAD_MAX 10 // announced steps of one worker
#define PUSHES_MAX 4 // unacknowledged ones: what is kept for a resend
#define QUEUE_SIZE 1024

struct announced {
    struct exchange *exchange;
    const struct step_keys *keys; // [n_tables] the worker's
    struct table_split *tables;   // [n_tables]
};

struct client_worker {
    struct queue *inbox;
    struct announced ahead[AHEAD_MAX]; // ring: first is the oldest
    unsigned first, n_ahead;
    struct announced *valued; // the step whose values are in use
    unsigned pushes_open;
    struct exchange *free;
    float *dense; // [n_dense]
    struct lease lease;
    uint64_t epoch;
    uint64_t index;   // of the next push
    float **grads_at; // [n_shards] write position while a push is made
    uint64_t **keys_at;
    uint32_t *counts; // [PARAM_MAX_NODES][n_tables][n_shards]
};

struct client {
    struct param_store store; // first: the contract's handle
    struct client_config config;
    struct exchange_core *core;
    struct queue *submissions;
    struct client_worker *workers; // [n_workers]
    uint16_t map[BUCKET_COUNT];
    struct block_segment **segments; // [n_shards][n_segments]
    size_t *n_segments;
    uint64_t *dense_size;  // [n_shards]
    pthread_mutex_t mutex; // guards why
    struct fusor_error why;
};

static struct client *client_of(struct param_store *s)
{
    return (struct client *)s;
}

/* Set-up. */

static enum fusor_status init_announced(struct client *c, struct announced *a,
                                        struct fusor_error *err)
{
    uint32_t n_tables = c->config.params->n_tables;

    a->tables = mem_alloc(n_tables + 1, sizeof(*a->tables));
    if (!a->tables)
        return mem_fail(err, "client", n_tables * sizeof(*a->tables));
    for (uint32_t t = 0; t < n_tables; t++)
        FUSOR_TRY(table_split_init(&a->tables[t], c->config.n_shards, err));
    return FUSOR_OK;
}

static enum fusor_status init_worker(struct client *c, struct client_worker *w,
                                     struct fusor_error *err)
{
    uint32_t n = c->config.n_shards;

    w->inbox = queue_create(QUEUE_SIZE, err);
    if (!w->inbox)
        return FUSOR_ENOMEM;
    for (unsigned i = 0; i < AHEAD_MAX; i++)
        FUSOR_TRY(init_announced(c, &w->ahead[i], err));
    w->dense = mem_alloc(c->config.params->n_dense + 1, sizeof(float));
    w->grads_at = mem_alloc(n, sizeof(*w->grads_at));
    w->keys_at = mem_alloc(n, sizeof(*w->keys_at));
    w->counts = mem_alloc_raw((size_t)PARAM_MAX_NODES * n *
                                  (c->config.params->n_tables + 1),
                              sizeof(*w->counts));
    if (!w->dense || !w->grads_at || !w->keys_at || !w->counts)
        return mem_fail(err, "client",
                        c->config.params->n_dense * sizeof(float));
    return FUSOR_OK;
}

static enum fusor_status init_segments(struct client *c,
                                       struct fusor_error *err)
{
    const struct param_spec *p = c->config.params;
    uint32_t n = c->config.n_shards;

    c->segments = mem_alloc(n, sizeof(*c->segments));
    c->n_segments = mem_alloc(n, sizeof(*c->n_segments));
    c->dense_size = mem_alloc(n, sizeof(*c->dense_size));
    if (!c->segments || !c->n_segments || !c->dense_size)
        return mem_fail(err, "client", n * sizeof(*c->segments));
    for (uint32_t s = 0; s < n; s++) {
        c->segments[s] = mem_alloc(p->n_blocks + 1, sizeof(**c->segments));
        if (!c->segments[s])
            return mem_fail(err, "client", p->n_blocks * 40);
        c->n_segments[s] =
            block_slice_plan(p, c->config.whole_blocks, n, s, c->segments[s]);
        for (size_t i = 0; i < c->n_segments[s]; i++)
            c->dense_size[s] += c->segments[s][i].n;
    }
    return FUSOR_OK;
}

static enum fusor_status init_all(struct client *c, struct fusor_error *err)
{
    c->workers = mem_alloc(c->config.n_workers, sizeof(*c->workers));
    if (!c->workers)
        return mem_fail(err, "client",
                        c->config.n_workers * sizeof(*c->workers));
    FUSOR_TRY(init_segments(c, err));
    for (unsigned w = 0; w < c->config.n_workers; w++)
        FUSOR_TRY(init_worker(c, &c->workers[w], err));
    c->submissions = queue_create(QUEUE_SIZE, err);
    if (!c->submissions)
        return FUSOR_ENOMEM;
    return exchange_core_create(c->config.messenger, c->config.job,
                                c->config.n_shards, c->config.incarnation,
                                &c->core, err);
}

static void clear_worker(struct client *c, struct client_worker *w)
{
    struct exchange *x, *next;

    while (w->inbox && (x = queue_take(w->inbox, 0)) != NULL)
        exchange_destroy(x, c->config.n_shards);
    for (x = w->free; x; x = next) {
        next = x->next;
        exchange_destroy(x, c->config.n_shards);
    }
    for (unsigned i = 0; i < AHEAD_MAX; i++) {
        struct announced *a = &w->ahead[i];

        if (a->exchange && a->exchange->returned)
            exchange_destroy(a->exchange, c->config.n_shards);
        for (uint32_t t = 0; a->tables && t < c->config.params->n_tables; t++)
            table_split_clear(&a->tables[t]);
        mem_free(a->tables);
    }
    queue_destroy(w->inbox);
    mem_free(w->dense);
    mem_free(w->grads_at);
    mem_free(w->keys_at);
    mem_free(w->counts);
}

void client_destroy(struct client *c)
{
    struct exchange *x;

    if (!c)
        return;
    while (c->submissions && (x = queue_take(c->submissions, 0)) != NULL)
        exchange_destroy(x, c->config.n_shards);
    for (unsigned w = 0; c->workers && w < c->config.n_workers; w++)
        clear_worker(c, &c->workers[w]);
    for (uint32_t s = 0; c->segments && s < c->config.n_shards; s++)
        mem_free(c->segments[s]);
    exchange_core_destroy(c->core);
    queue_destroy(c->submissions);
    mem_free(c->workers);
    mem_free(c->segments);
    mem_free(c->n_segments);
    mem_free(c->dense_size);
    pthread_mutex_destroy(&c->mutex);
    mem_free(c);
}

/* Hand-over between threads. */

static enum fusor_status stopped(struct client *c, struct fusor_error *err)
{
    struct fusor_error why;

    pthread_mutex_lock(&c->mutex);
    why = c->why;
    pthread_mutex_unlock(&c->mutex);
    if (why.status == FUSOR_OK)
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "a shard did not answer in time");
    if (err)
        *err = why;
    return why.status;
}

void client_stop(struct client *c, const struct fusor_error *why)
{
    pthread_mutex_lock(&c->mutex);
    if (c->why.status == FUSOR_OK)
        c->why = *why;
    pthread_mutex_unlock(&c->mutex);
    for (unsigned w = 0; w < c->config.n_workers; w++)
        queue_close(c->workers[w].inbox);
}

static struct exchange *take_free(struct client *c, struct client_worker *w,
                                  struct fusor_error *err)
{
    struct exchange *x = w->free;

    if (!x)
        return exchange_create(c->config.n_shards, err);
    w->free = x->next;
    exchange_reset(x, c->config.n_shards);
    return x;
}

static void give_back(struct client *c, struct client_worker *w,
                      struct exchange *x)
{
    exchange_reset(x, c->config.n_shards);
    x->next = w->free;
    w->free = x;
}

static enum fusor_status submit(struct client *c, struct client_worker *w,
                                struct exchange *x, struct fusor_error *err)
{
    x->worker = (unsigned)(w - c->workers);
    if (queue_put(c->submissions, x) != 0) {
        exchange_destroy(x, c->config.n_shards);
        return stopped(c, err);
    }
    messenger_wake(c->config.messenger);
    return FUSOR_OK;
}

/* Wait for one exchange of this worker to come back. A push that returns is
 * done with; keys stay until their values have been used. */
static enum fusor_status take_one(struct client *c, struct client_worker *w,
                                  struct fusor_error *err)
{
    struct exchange *x = queue_take(w->inbox, c->config.wait_ms);
    enum fusor_status status;

    if (!x)
        return stopped(c, err);
    x->returned = 1;
    status = x->status;
    if (x->header.kind == WIRE_PUSH) {
        w->pushes_open--;
        give_back(c, w, x);
    }
    if (status == FUSOR_OK)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_ECLUSTER,
                      "a shard refused the push: the lease of worker %u is "
                      "held by somebody else",
                      w->lease.id);
}

/* Keys. */

static enum fusor_status write_keys(struct client *c, struct client_worker *w,
                                    struct announced *a,
                                    struct fusor_error *err)
{
    uint32_t n_tables = c->config.params->n_tables, n = c->config.n_shards;
    struct payload_writer writer[SHARD_MAX];

    for (uint32_t s = 0; s < n; s++) {
        size_t room = 8;

        for (uint32_t t = 0; t < n_tables; t++)
            room += payload_section_bytes(a->tables[t].n_of[s], 8);
        FUSOR_TRY(payload_buffer_take(messenger_pool(c->config.messenger), room,
                                      &a->exchange->legs[s].out, err));
        payload_writer_init_buffer(&writer[s], a->exchange->legs[s].out);
    }
    for (uint32_t t = 0; t < n_tables; t++) {
        const struct table_split *split = &a->tables[t];

        for (uint32_t s = 0; s < n; s++)
            w->keys_at[s] = payload_reserve_u64s(&writer[s], split->n_of[s]);
        for (uint32_t i = 0; i < split->n; i++)
            w->keys_at[split->shard[i]][split->place[i]] = a->keys[t].keys[i];
    }
    for (uint32_t s = 0; s < n; s++)
        FUSOR_TRY(
            payload_writer_finish(&writer[s], a->exchange->legs[s].out, err));
    return FUSOR_OK;
}

static enum fusor_status client_announce(struct param_store *store,
                                         unsigned worker, enum pull_mode mode,
                                         uint64_t clock,
                                         const struct step_keys *tables,
                                         struct fusor_error *err)
{
    struct client *c = client_of(store);
    struct client_worker *w = &c->workers[worker];
    struct announced *a = &w->ahead[(w->first + w->n_ahead) % AHEAD_MAX];
    enum fusor_status rc = FUSOR_OK;

    if (w->n_ahead == AHEAD_MAX - 1)
        return fusor_fail(err, FUSOR_EINVAL, "more than %d steps announced",
                          AHEAD_MAX - 1);
    a->exchange = take_free(c, w, err);
    if (!a->exchange)
        return FUSOR_ENOMEM;
    a->keys = tables;
    for (uint32_t t = 0; rc == FUSOR_OK && t < c->config.params->n_tables; t++)
        rc = table_split_keys(&a->tables[t], t, &tables[t], c->map,
                              c->config.n_shards, err);
    if (rc == FUSOR_OK)
        rc = write_keys(c, w, a, err);
    if (rc != FUSOR_OK) {
        give_back(c, w, a->exchange);
        a->exchange = NULL;
        return rc;
    }
    a->exchange->header = (struct wire_header){
        .kind = WIRE_KEYS,
        .epoch = (uint32_t)w->epoch,
        .lease = w->lease.id,
        .term = w->lease.term,
        .clock = clock,
        .flags = (mode == PULL_PEEK ? PS_PEEK : 0) | PS_WANT_DENSE,
    };
    w->n_ahead++;
    return submit(c, w, a->exchange, err);
}

/* Values. */

static void copy_dense(struct client *c, struct client_worker *w, uint32_t s,
                       const float *packed)
{
    for (size_t i = 0; i < c->n_segments[s]; i++) {
        const struct block_segment *g = &c->segments[s][i];

        memcpy(w->dense + g->offset, packed + g->packed, g->n * sizeof(float));
    }
}

/* Where each shard's rows of each table begin in its reply. */
static enum fusor_status read_replies(struct client *c, struct client_worker *w,
                                      struct announced *a,
                                      struct step_rows *tables,
                                      struct fusor_error *err)
{
    const struct param_spec *p = c->config.params;
    struct payload_reader readers[SHARD_MAX];
    const float *rows_of[SHARD_MAX];
    size_t n;

    for (uint32_t s = 0; s < c->config.n_shards; s++)
        payload_reader_init(&readers[s], a->exchange->legs[s].reply->data,
                            a->exchange->legs[s].reply->size);
    for (uint32_t t = 0; t < p->n_tables; t++) {
        const struct table_split *split = &a->tables[t];
        uint32_t width = p->tables[t].width;

        for (uint32_t s = 0; s < c->config.n_shards; s++) {
            rows_of[s] = payload_get_f32s(&readers[s], &n);
            if (readers[s].failed || n != (size_t)split->n_of[s] * width)
                return fusor_fail(err, FUSOR_EPROTO,
                                  "shard %u answered %zu floats of table %s "
                                  "for %u rows of %u",
                                  s, n, p->tables[t].name, split->n_of[s],
                                  width);
        }
        for (uint32_t i = 0; i < split->n; i++)
            tables[t].rows[i] =
                rows_of[split->shard[i]] + (size_t)split->place[i] * width;
    }
    for (uint32_t s = 0; s < c->config.n_shards; s++) {
        const float *dense = payload_get_f32s(&readers[s], &n);

        if (readers[s].failed || n != c->dense_size[s])
            return fusor_fail(err, FUSOR_EPROTO,
                              "shard %u answered %zu dense floats", s, n);
        copy_dense(c, w, s, dense);
    }
    return FUSOR_OK;
}

static void drop_valued(struct client *c, struct client_worker *w)
{
    if (!w->valued)
        return;
    give_back(c, w, w->valued->exchange);
    w->valued->exchange = NULL;
    w->valued = NULL;
}

static enum fusor_status client_values(struct param_store *store,
                                       unsigned worker,
                                       struct step_rows *tables,
                                       const float **dense,
                                       struct fusor_error *err)
{
    struct client *c = client_of(store);
    struct client_worker *w = &c->workers[worker];
    struct announced *a = &w->ahead[w->first];

    if (w->n_ahead == 0)
        return fusor_fail(err, FUSOR_EINVAL, "no step was announced");
    drop_valued(c, w); // a peek has no push that would end it
    while (!a->exchange->returned)
        FUSOR_TRY(take_one(c, w, err));
    w->first = (w->first + 1) % AHEAD_MAX;
    w->n_ahead--;
    w->valued = a;
    *dense = w->dense;
    return read_replies(c, w, a, tables, err);
}

/* Gradients. */

static size_t push_room(const struct client *c, uint32_t shard,
                        const struct step_grads *g)
{
    size_t room = 64;

    for (uint32_t i = 0; i < g->n_nodes; i++)
        room += 64 + payload_section_bytes(c->dense_size[shard], 4);
    return room;
}

/* Count the rows of each node, table and shard into counts
 * [n_nodes][n_tables][n_shards]. */
static void count_rows(const struct client *c, const struct announced *a,
                       const struct step_grads *g, uint32_t *counts)
{
    uint32_t n_tables = c->config.params->n_tables, n = c->config.n_shards;

    memset(counts, 0, (size_t)g->n_nodes * n_tables * n * sizeof(*counts));
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        for (uint32_t t = 0; t < n_tables; t++, counts += n) {
            const struct node_rows *rows = &g->nodes[i].tables[t];

            for (uint32_t r = 0; r < rows->n; r++)
                counts[a->tables[t].shard[rows->index[r]]]++;
        }
    }
}

static void write_node_rows(struct client *c, struct client_worker *w,
                            const struct announced *a, uint32_t table,
                            const struct node_rows *rows,
                            const uint32_t *counts,
                            struct payload_writer *writer)
{
    uint32_t width = c->config.params->tables[table].width;

    for (uint32_t s = 0; s < c->config.n_shards; s++) {
        w->keys_at[s] = payload_reserve_u64s(&writer[s], counts[s]);
        w->grads_at[s] =
            payload_reserve_f32s(&writer[s], (size_t)counts[s] * width);
    }
    for (uint32_t r = 0; r < rows->n; r++) {
        uint32_t u = rows->index[r];
        uint16_t s = a->tables[table].shard[u];

        *w->keys_at[s]++ = a->keys[table].keys[u];
        memcpy(w->grads_at[s], rows->grads[r], width * sizeof(float));
        w->grads_at[s] += width;
    }
}

static void write_node_dense(struct client *c, const float *dense,
                             struct payload_writer *writer)
{
    for (uint32_t s = 0; s < c->config.n_shards; s++) {
        float *out =
            payload_reserve_f32s(&writer[s], dense ? c->dense_size[s] : 0);

        for (size_t i = 0; dense && out && i < c->n_segments[s]; i++) {
            const struct block_segment *g = &c->segments[s][i];

            memcpy(out + g->packed, dense + g->offset, g->n * sizeof(float));
        }
    }
}

static enum fusor_status write_push(struct client *c, struct client_worker *w,
                                    const struct step_grads *g,
                                    const uint32_t *counts, struct exchange *x,
                                    struct fusor_error *err)
{
    const struct param_spec *p = c->config.params;
    uint32_t n = c->config.n_shards;
    struct payload_writer writer[SHARD_MAX];

    for (uint32_t s = 0; s < n; s++) {
        size_t room = push_room(c, s, g);

        for (uint32_t i = 0; i < g->n_nodes * p->n_tables; i++) {
            uint32_t rows = counts[(size_t)i * n + s];

            room += payload_section_bytes(rows, 8) +
                    payload_section_bytes(
                        (size_t)rows * p->tables[i % p->n_tables].width, 4);
        }
        FUSOR_TRY(payload_buffer_take(messenger_pool(c->config.messenger), room,
                                      &x->legs[s].out, err));
        payload_writer_init_buffer(&writer[s], x->legs[s].out);
        payload_put_u64(&writer[s], g->n_nodes);
    }
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        for (uint32_t s = 0; s < n; s++) {
            payload_put_u64(&writer[s], g->nodes[i].lo);
            payload_put_u64(&writer[s], g->nodes[i].span);
        }
        write_node_dense(c, g->nodes[i].dense, writer);
        for (uint32_t t = 0; t < p->n_tables; t++, counts += n)
            write_node_rows(c, w, w->valued, t, &g->nodes[i].tables[t], counts,
                            writer);
    }
    for (uint32_t s = 0; s < n; s++)
        FUSOR_TRY(payload_writer_finish(&writer[s], x->legs[s].out, err));
    return FUSOR_OK;
}

static enum fusor_status client_push(struct param_store *store, unsigned worker,
                                     const struct step_grads *g,
                                     struct fusor_error *err)
{
    struct client *c = client_of(store);
    struct client_worker *w = &c->workers[worker];
    struct exchange *x;
    enum fusor_status rc;

    while (w->pushes_open >= PUSHES_MAX)
        FUSOR_TRY(take_one(c, w, err));
    x = take_free(c, w, err);
    if (!x)
        return FUSOR_ENOMEM;
    count_rows(c, w->valued, g, w->counts);
    rc = write_push(c, w, g, w->counts, x, err);
    if (rc != FUSOR_OK) {
        give_back(c, w, x);
        return rc;
    }
    x->header = (struct wire_header){
        .kind = WIRE_PUSH,
        .epoch = (uint32_t)w->epoch,
        .lease = w->lease.id,
        .term = w->lease.term,
        .index = w->index++,
        .clock = g->clock,
        .samples = g->n_samples,
    };
    drop_valued(c, w);
    w->pushes_open++;
    return submit(c, w, x, err);
}

static enum fusor_status client_drain(struct param_store *store,
                                      unsigned worker, struct fusor_error *err)
{
    struct client *c = client_of(store);
    struct client_worker *w = &c->workers[worker];

    drop_valued(c, w);
    while (w->pushes_open > 0)
        FUSOR_TRY(take_one(c, w, err));
    return FUSOR_OK;
}

static void client_store_destroy(struct param_store *store)
{
    client_destroy(client_of(store));
}

static const struct param_store_ops client_ops = {
    .announce = client_announce,
    .values = client_values,
    .push = client_push,
    .drain = client_drain,
    .destroy = client_store_destroy,
};

enum fusor_status client_create(const struct client_config *config,
                                struct client **out, struct fusor_error *err)
{
    struct client *c;
    enum fusor_status rc;

    if (config->n_shards == 0 || config->n_shards > SHARD_MAX)
        return fusor_fail(err, FUSOR_EINVAL, "%u shards", config->n_shards);
    c = mem_alloc(1, sizeof(*c));
    if (!c)
        return mem_fail(err, "client", sizeof(*c));
    c->store.ops = &client_ops;
    c->config = *config;
    if (!c->config.wait_ms)
        c->config.wait_ms = DEADLINE_HANG_MS;
    pthread_mutex_init(&c->mutex, NULL);
    bucket_map_default(config->n_shards, c->map);
    rc = init_all(c, err);
    if (rc != FUSOR_OK) {
        client_destroy(c);
        return rc;
    }
    *out = c;
    return FUSOR_OK;
}

struct param_store *client_store(struct client *c)
{
    return &c->store;
}

void client_set_lease(struct client *c, unsigned worker,
                      const struct lease *lease, uint64_t epoch)
{
    c->workers[worker].lease = *lease;
    c->workers[worker].epoch = epoch;
    c->workers[worker].index = 0;
}

/* The network thread. */

static void deliver_done(struct client *c)
{
    struct exchange *x;

    while ((x = exchange_core_take_done(c->core)) != NULL)
        if (queue_put(c->workers[x->worker].inbox, x) != 0)
            exchange_destroy(x, c->config.n_shards); // everything stops
}

void client_pump_submissions(struct client *c)
{
    struct exchange *x;

    while ((x = queue_take(c->submissions, 0)) != NULL)
        exchange_core_submit(c->core, x);
}

void client_pump_message(struct client *c, const struct message *msg)
{
    exchange_core_on_message(c->core, msg);
    deliver_done(c);
}

int client_pump_tick(struct client *c)
{
    exchange_core_tick(c->core);
    return exchange_core_timeout_ms(c->core);
}

void client_pump_waits(const struct client *c, struct member_progress *out)
{
    enum wire_kind kind;

    if (!exchange_core_waits(c->core, &kind, &out->waits_for))
        return;
    out->reason = kind == WIRE_KEYS ? WAIT_VALUES : WAIT_ACKS;
}
