/* A client's life, the hand-over between compute threads and network thread
 * (they meet only in queues), and the network thread's pump. */
#include "ps/client.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "coord/deadline.h"
#include "ps/client_private.h"

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

    w->inbox = queue_create(AHEAD_MAX + PUSHES_MAX + 1, err);
    if (!w->inbox)
        return FUSOR_ENOMEM;
    for (unsigned i = 0; i < AHEAD_MAX; i++)
        FUSOR_TRY(init_announced(c, &w->ahead[i], err));
    w->dense = mem_alloc(c->config.params->n_dense + 1, sizeof(float));
    w->residual = mem_alloc(c->config.params->n_dense + 1, sizeof(float));
    w->grads_at = mem_alloc(n, sizeof(*w->grads_at));
    w->keys_at = mem_alloc(n, sizeof(*w->keys_at));
    w->places_at = mem_alloc(n, sizeof(*w->places_at));
    w->counts = mem_alloc_raw((size_t)PARAM_MAX_NODES * n *
                                  (c->config.params->n_tables + 1),
                              sizeof(*w->counts));
    if (!w->dense || !w->residual || !w->grads_at || !w->keys_at ||
        !w->places_at || !w->counts)
        return mem_fail(err, "client",
                        c->config.params->n_dense * sizeof(float));
    if (!c->config.cache_bytes)
        return FUSOR_OK;
    return cache_create(c->config.params, c->config.cache_bytes, &w->cache,
                        err);
}

static enum fusor_status init_segments(struct client *c,
                                       struct fusor_error *err)
{
    const struct param_spec *p = c->config.params;
    uint32_t n = c->config.n_shards;

    c->segments = mem_alloc(n, sizeof(*c->segments));
    c->n_segments = mem_alloc(n, sizeof(*c->n_segments));
    c->dense_size = mem_alloc(n, sizeof(*c->dense_size));
    c->dense_at = mem_alloc((size_t)n + 1, sizeof(*c->dense_at));
    if (!c->segments || !c->n_segments || !c->dense_size || !c->dense_at)
        return mem_fail(err, "client", n * sizeof(*c->segments));
    for (uint32_t s = 0; s < n; s++) {
        c->segments[s] = mem_alloc(p->n_blocks + 1, sizeof(**c->segments));
        if (!c->segments[s])
            return mem_fail(err, "client", p->n_blocks * 40);
        c->n_segments[s] =
            block_slice_plan(p, c->config.whole_blocks, n, s, c->segments[s]);
        for (size_t i = 0; i < c->n_segments[s]; i++)
            c->dense_size[s] += c->segments[s][i].n;
        c->dense_at[s + 1] = c->dense_at[s] + c->dense_size[s];
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
    c->submissions = queue_create(
        (size_t)c->config.n_workers * (AHEAD_MAX + PUSHES_MAX), err);
    if (!c->submissions)
        return FUSOR_ENOMEM;
    return exchange_core_create(c->config.messenger, c->config.job,
                                c->config.n_shards, c->config.incarnation,
                                c->config.n_workers, &c->core, err);
}

static void destroy_list(struct client *c, struct exchange *x)
{
    struct exchange *next;

    for (; x; x = next) {
        next = x->next;
        exchange_destroy(x, c->config.n_shards);
    }
}

/* Take what the worker had back to it; the rest is on some list. */
static void take_back_valued(struct client *c, struct client_worker *w)
{
    for (unsigned i = 0; i < AHEAD_MAX; i++)
        if (w->ahead[i].exchange && w->ahead[i].exchange->returned)
            exchange_destroy(w->ahead[i].exchange, c->config.n_shards);
}

static void clear_worker(struct client *c, struct client_worker *w)
{
    void *item;

    while (w->inbox && (item = queue_take(w->inbox, 0)) != NULL)
        if (item != &w->token)
            exchange_destroy(item, c->config.n_shards);
    destroy_list(c, w->fetched);
    destroy_list(c, w->free);
    for (unsigned i = 0; i < AHEAD_MAX; i++) {
        struct announced *a = &w->ahead[i];

        for (uint32_t t = 0; a->tables && t < c->config.params->n_tables; t++)
            table_split_clear(&a->tables[t]);
        mem_free(a->tables);
        mem_free(a->joints);
    }
    queue_destroy(w->inbox);
    mem_free(w->dense);
    mem_free(w->residual);
    mem_free(w->grads_at);
    mem_free(w->keys_at);
    mem_free(w->places_at);
    mem_free(w->counts);
    cache_destroy(w->cache);
}

void client_destroy(struct client *c)
{
    struct exchange *x;

    if (!c)
        return;
    for (unsigned w = 0; c->workers && w < c->config.n_workers; w++)
        take_back_valued(c, &c->workers[w]);
    while (c->submissions && (x = queue_take(c->submissions, 0)) != NULL)
        exchange_destroy(x, c->config.n_shards);
    for (unsigned w = 0; c->workers && w < c->config.n_workers; w++)
        clear_worker(c, &c->workers[w]);
    for (uint32_t s = 0; c->segments && s < c->config.n_shards; s++)
        mem_free(c->segments[s]);
    destroy_list(c, c->stranded);
    exchange_core_destroy(c->core);
    queue_destroy(c->submissions);
    mem_free(c->workers);
    mem_free(c->segments);
    mem_free(c->n_segments);
    mem_free(c->dense_size);
    mem_free(c->dense_at);
    pthread_mutex_destroy(&c->mutex);
    lead_clear(&c->lead);
    client_room_clear(&c->room);
    mem_free(c);
}

/* Hand-over between threads. */

/* Why a wait came back with nothing. */
enum fusor_status client_stopped(struct client *c, struct fusor_error *err)
{
    struct fusor_error why;

    pthread_mutex_lock(&c->mutex);
    why = c->why;
    pthread_mutex_unlock(&c->mutex);
    if (why.status == FUSOR_OK)
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "a shard did not answer within %d s: the "
                          "coordinator's log says who waits for whom",
                          c->config.wait_ms / 1000);
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
    atomic_store(&c->stopped, 1);
    queue_close(c->submissions);
    for (unsigned w = 0; w < c->config.n_workers; w++)
        queue_close(c->workers[w].inbox);
    messenger_wake(c->config.messenger); // who leads looks at its inbox
    client_room_changed(c);
}

struct exchange *client_take_free(struct client *c, struct client_worker *w,
                                  struct fusor_error *err)
{
    struct exchange *x = w->free;

    if (!x)
        return exchange_create(c->config.n_shards, err);
    w->free = x->next;
    exchange_reset(x, c->config.n_shards);
    return x;
}

void client_give_back(struct client *c, struct client_worker *w,
                      struct exchange *x)
{
    exchange_reset(x, c->config.n_shards);
    x->next = w->free;
    w->free = x;
    client_room_changed(c);
}

enum fusor_status client_submit(struct client *c, struct client_worker *w,
                                struct exchange *x, struct fusor_error *err)
{
    x->worker = (unsigned)(w - c->workers);
    if (client_lead_submit(c, x))
        return FUSOR_OK;
    if (queue_put(c->submissions, x) != 0) {
        client_give_back(c, w, x);
        return client_stopped(c, err);
    }
    lead_call(&c->lead);
    messenger_wake(c->config.messenger);
    return FUSOR_OK;
}

void client_count_sent(const struct client *c, const struct client_worker *w,
                       const struct exchange *x)
{
    struct profile *p = client_profile(c, w);

    for (uint32_t s = 0; p && s < c->config.n_shards; s++)
        p->sent += x->legs[s].out->size;
}

void client_blame_credit(struct profile *p, uint32_t phase, uint64_t began,
                         uint64_t let_go)
{
    if (!p || let_go <= began)
        return;
    profile_move(p, phase, PROFILE_WAIT_CREDIT,
                 (uint64_t)((double)(let_go - began) * profile_scale(p).rate),
                 began);
}

enum fusor_status client_accept(struct client *c, struct client_worker *w,
                                struct exchange *x, struct fusor_error *err)
{
    enum fusor_status status = x->status;

    x->returned = 1;
    if (x->header.kind == WIRE_PUSH) {
        w->pushes_open--;
        w->push_bytes -= client_push_bytes(c, x);
        if (!w->pushes_open)
            atomic_store(&w->owed, 0);
        if (x->let_go > w->let_go)
            w->let_go = x->let_go;
        client_give_back(c, w, x);
    }
    if (status == FUSOR_OK)
        return FUSOR_OK;
    if (status == FUSOR_ENOMEM)
        return client_fail_step(
            c, "values", exchange_reply_bytes(x, c->config.n_shards), err);
    return fusor_fail(err, FUSOR_ECLUSTER,
                      "a shard refused the push: the lease of worker %u is "
                      "held by somebody else",
                      w->lease.id);
}

enum fusor_status client_take_one(struct client *c, struct client_worker *w,
                                  struct fusor_error *err)
{
    struct exchange *x = client_lead_wait(c, w);

    return x ? client_accept(c, w, x, err) : client_stopped(c, err);
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
    if (config->bucket_map)
        memcpy(c->map, config->bucket_map, sizeof(c->map));
    else
        bucket_map_default(config->n_shards, c->map);
    messenger_keep_pieces(config->messenger, WIRE_VALUES);
    rc = lead_init(&c->lead, err);
    if (rc == FUSOR_OK)
        rc = client_room_init(&c->room, err);
    if (rc == FUSOR_OK)
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
    client_forget_worker(c, &c->workers[worker]); // clocks start over
    c->workers[worker].lease = *lease;
    c->workers[worker].epoch = epoch;
    c->workers[worker].index = 0;
}

/* The network thread. */

void client_pump_submissions(struct client *c)
{
    struct exchange *x;

    while ((x = queue_take(c->submissions, 0)) != NULL)
        exchange_core_submit(c->core, x);
}

void client_pump_message(struct client *c, const struct message *msg)
{
    exchange_core_on_message(c->core, msg);
    client_deliver_done(c, NULL);
}

int client_pump_tick(struct client *c)
{
    exchange_core_tick(c->core);
    client_deliver_done(c, NULL); // what has failed
    return c->resting ? 0 : exchange_core_timeout_ms(c->core);
}

void client_pump_waits(const struct client *c, struct member_progress *out)
{
    enum wire_kind kind;
    int held;

    if (!exchange_core_waits(c->core, &kind, &out->waits_for, &held))
        return;
    out->reason = kind == WIRE_KEYS ? WAIT_VALUES : WAIT_ACKS;
    if (held)
        out->reason = WAIT_CREDIT;
}

struct exchange_counters client_counters(const struct client *c)
{
    return exchange_core_counters(c->core);
}
