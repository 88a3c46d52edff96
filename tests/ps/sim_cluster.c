/* Drives the cluster of sim_cluster.h: whoever the network names reads its
 * messages, does what is due and says when it wants to be called again. */
#include "sim_cluster_private.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sim_malformed.h"

#define END_NS ((int64_t)600 * 1000000000)

static enum fusor_status script_next(struct script *base, struct command *out,
                                     struct fusor_error *err)
{
    static const enum command_kind kinds[] = {COMMAND_BEGIN, COMMAND_EPOCH,
                                              COMMAND_CUT};
    struct test_script *s = (struct test_script *)(void *)base;
    uint64_t epoch = s->next / 3;

    (void)err;
    *out = (struct command){
        .kind = epoch < s->toy->n_epochs ? kinds[s->next % 3] : COMMAND_FINISH,
        .epoch = epoch,
        .clock = epoch * s->toy->n_units,
        .n_units = s->toy->n_units,
        .n_workers = s->config->n_workers,
        .lr_factor = 1.0,
    };
    s->next++;
    s->results = 0;
    return FUSOR_OK;
}

static enum fusor_status script_result(struct script *base,
                                       const struct command *c,
                                       uint32_t process, const void *data,
                                       size_t size, struct fusor_error *err)
{
    struct test_script *s = (struct test_script *)(void *)base;
    uint32_t got = UINT32_MAX;

    if (size == sizeof(got))
        memcpy(&got, data, sizeof(got));
    if (got != process)
        return fusor_fail(err, FUSOR_EPROTO, "%s: result of %u says %u",
                          command_name(c->kind), process, got);
    s->results++;
    return FUSOR_OK;
}

static const struct script_ops script_ops = {.next = script_next,
                                             .result = script_result};

/* Members. */

static void leave(struct node *n, enum fusor_status status)
{
    n->phase = LEFT;
    n->status = status;
    if (n->client) {
        struct fusor_error why = {.status = FUSOR_ECLOSED};

        client_stop(n->client, &why);
    }
}

static void give_up(struct node *n, const struct fusor_error *why)
{
    member_fail(n->member, why);
    leave(n, why->status);
}

static void finish_command(struct node *n)
{
    struct fusor_error why;

    if (member_finish(n->member, &n->peer.number, sizeof(n->peer.number),
                      &why) != FUSOR_OK)
        give_up(n, &why);
}

static void begin_lease(struct cluster *c, struct node *n)
{
    n->lease = lease_make(n->peer.number, c->config->n_workers, c->toy->micros,
                          c->config->staleness, 0, c->toy->n_units);
    n->announced = n->done = 0;
    n->valued = 0;
    n->phase = TRAIN;
    client_set_lease(n->client, 0, &n->lease, n->command.epoch);
}

static void on_command(struct cluster *c, struct node *n)
{
    struct fusor_error why;
    enum fusor_status rc = FUSOR_OK;

    if (n->command.kind == COMMAND_EPOCH) {
        begin_lease(c, n);
        return;
    }
    if (n->command.kind == COMMAND_BEGIN)
        rc = server_begin(n->server, &n->command, &why);
    else if (n->command.kind == COMMAND_CUT)
        rc = server_cut(n->server, &why);
    if (rc == FUSOR_OK)
        finish_command(n);
    else
        give_up(n, &why);
}

/* As after a restart, or when there was no room. */
static void forget_tickets(struct server *s)
{
    for (uint32_t w = 0; w < s->config.n_workers; w++)
        ticket_book_close_upto(&s->lanes[w].tickets, UINT64_MAX);
}

/* The shard takes one row for another: all of a ticket move on by one. */
static void confuse_tickets(struct server *s)
{
    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        for (int i = 0; i < TICKETS_MAX; i++) {
            struct ticket *t = &s->lanes[w].tickets.tickets[i];
            uint32_t first;
            size_t n;
            uint32_t *refs;

            if (!t->name.id)
                continue;
            refs = ticket_refs(t, 0, &n);
            first = n ? refs[0] : 0;
            for (size_t k = 0; k + 1 < n; k++)
                refs[k] = refs[k + 1];
            if (n)
                refs[n - 1] = first;
        }
    }
}

static void to_server(struct cluster *c, struct node *n,
                      const struct message *msg)
{
    const struct sim_cluster_config *config = c->config;
    struct fusor_error why;
    struct message copy;

    if (config->forgetful > 0 && rng_double(&c->rng) < config->forgetful)
        forget_tickets(n->server);
    if (config->confused > 0 && rng_double(&c->rng) < config->confused)
        confuse_tickets(n->server);
    if (rng_double(&c->rng) < config->malformed &&
        sim_malformed_make(&c->rng, config, c->toy, n->peer.number, msg,
                           &copy)) {
        if (server_on_message(n->server, &copy, &why) != FUSOR_OK)
            give_up(n, &why);
        sim_malformed_free(&copy);
    }
    for (int i = 0; i < 2 && n->phase != LEFT; i++) {
        if (server_on_message(n->server, msg, &why) != FUSOR_OK)
            give_up(n, &why);
        if (rng_double(&c->rng) >= config->duplicated)
            break;
    }
}

static void member_message(struct cluster *c, struct node *n,
                           const struct message *msg)
{
    struct fusor_error why;
    int rc;

    if (msg->from.kind == PEER_COORDINATOR) {
        rc = member_on_message(n->member, msg, &n->command, &why);
        if (rc > 0)
            on_command(c, n);
        else if (rc < 0) {
            c->result->n_told++;
            leave(n, why.status);
        }
    } else if (n->server) {
        to_server(c, n, msg);
    } else {
        client_pump_message(n->client, msg);
    }
}

/* Workers. */

static uint64_t unit_of(const struct node *n, uint64_t i)
{
    return n->lease.first + i * n->lease.stride;
}

static enum fusor_status announce(struct cluster *c, struct node *n,
                                  struct fusor_error *err)
{
    uint64_t unit = unit_of(n, n->announced);
    struct toy_step *s = &n->ring[n->announced % (c->config->depth + 1)];
    struct param_store *store = client_store(n->client);

    toy_step_begin(s, n->command.clock + unit, n->lease.micro_lo,
                   n->lease.micro_hi);
    n->announced++;
    return store->ops->announce(store, 0, PULL_TRAIN, unit, s->keys, err);
}

static void check_read(struct cluster *c, const struct node *n,
                       const struct toy_step *s)
{
    uint64_t base = n->command.clock, unit = unit_of(n, n->done);
    int k = c->config->staleness;
    uint64_t must = base;

    if (k >= 0 && unit > (uint64_t)k)
        must = base + unit - (uint64_t)k;
    if (toy_step_check(s, must, 0))
        c->result->stale++;
    else if (k == 0 && toy_step_check(s, must, 1))
        c->result->early++;
}

/* Go as far as possible without waiting.
 * @return FUSOR_OK, or why the worker gives up */
static enum fusor_status work(struct cluster *c, struct node *n,
                              struct fusor_error *err)
{
    struct param_store *store = client_store(n->client);
    struct client_worker *w = &n->client->workers[0];
    int64_t now = sim_now_ns(c->sim);
    struct exchange *x;

    while ((x = queue_take(w->inbox, 0)) != NULL)
        FUSOR_TRY(client_accept(n->client, w, x, err));
    while (n->phase == TRAIN && n->done < n->lease.count) {
        struct toy_step *s = &n->ring[n->done % (c->config->depth + 1)];

        while (n->announced < n->lease.count &&
               n->announced <= n->done + c->config->depth)
            FUSOR_TRY(announce(c, n, err));
        if (!n->valued) {
            if (!w->ahead[w->first].exchange->returned)
                return FUSOR_OK;
            FUSOR_TRY(store->ops->values(store, 0, s->rows, &n->dense, err));
            check_read(c, n, s);
            toy_step_compute(s, unit_of(n, n->done), n->dense);
            n->valued = 1;
            n->busy_ns = now + (int64_t)rng_below(&c->rng, 3000000);
        }
        if (now < n->busy_ns || w->pushes_open >= PUSHES_MAX)
            return FUSOR_OK;
        FUSOR_TRY(store->ops->push(store, 0, &s->grads, err));
        n->valued = 0;
        n->done++;
        if (++n->steps == c->config->fail_step &&
            c->config->fail_worker == n->peer.number + 1)
            return fusor_fail(err, FUSOR_EDIVERGED, "made to fail");
    }
    if (n->phase == TRAIN)
        n->phase = DRAIN;
    if (n->phase == DRAIN && w->pushes_open == 0) {
        n->phase = IDLE;
        FUSOR_TRY(store->ops->drain(store, 0, err));
        finish_command(n);
    }
    return FUSOR_OK;
}

/* One turn of a node. */

static void worker_turn(struct cluster *c, struct node *n)
{
    struct member_progress p = {.steps = n->steps};
    struct fusor_error why;

    if (work(c, n, &why) != FUSOR_OK) {
        give_up(n, &why);
        return;
    }
    client_pump_submissions(n->client);
    client_pump_tick(n->client);
    client_pump_waits(n->client, &p);
    member_set_progress(n->member, p);
}

static int64_t member_turn(struct cluster *c, struct node *n)
{
    int64_t now = sim_now_ns(c->sim), at;
    struct message msg;
    struct fusor_error why;
    int ms;

    while (n->phase != LEFT &&
           messenger_receive(n->messenger, &msg, 0, NULL) == FUSOR_OK)
        member_message(c, n, &msg);
    if (n->phase != LEFT && n->client)
        worker_turn(c, n);
    if (n->phase != LEFT && n->server)
        member_set_progress(n->member, server_progress(n->server));
    if (n->phase != LEFT && member_tick(n->member, &why) != FUSOR_OK)
        give_up(n, &why);
    if (n->phase != LEFT && n->command.kind == COMMAND_FINISH &&
        member_is_idle(n->member))
        leave(n, FUSOR_OK);
    if (n->phase == LEFT)
        return SIM_NEVER;
    ms = member_timeout_ms(n->member);
    if (n->client && client_pump_tick(n->client) < ms)
        ms = client_pump_tick(n->client);
    if (messenger_is_waiting(n->messenger) && ms > 1)
        ms = 1;
    at = now + (int64_t)(ms > 0 ? ms : 1) * 1000000;
    return n->valued && n->busy_ns > now && n->busy_ns < at ? n->busy_ns : at;
}

static int64_t coordinator_turn(struct cluster *c, struct node *n)
{
    struct sim_cluster_result *r = c->result;
    struct fusor_error why;
    enum fusor_status rc = FUSOR_OK;
    struct message msg;
    int ms;

    while (messenger_receive(n->messenger, &msg, 0, NULL) == FUSOR_OK)
        rc = coordinator_on_message(c->coordinator, &msg, &why);
    if (rc == FUSOR_OK)
        rc = coordinator_tick(c->coordinator, &why);
    if (rc != FUSOR_OK && r->status == FUSOR_OK) {
        r->status = rc;
        r->error = why;
        r->end_ns = sim_now_ns(c->sim);
    }
    if (coordinator_is_done(c->coordinator) && !r->end_ns)
        r->end_ns = sim_now_ns(c->sim);
    ms = coordinator_timeout_ms(c->coordinator);
    if (messenger_is_waiting(n->messenger) && ms > 1)
        ms = 1;
    return sim_now_ns(c->sim) + (int64_t)(ms > 0 ? ms : 1) * 1000000;
}

static void turn(struct cluster *c, struct node *n)
{
    int64_t at = n->member ? member_turn(c, n) : coordinator_turn(c, n);

    sim_set_timer(n->transport, at);
}

/* The run. */

static int all_left(const struct cluster *c)
{
    for (unsigned i = 1; i < c->n_nodes; i++)
        if (c->nodes[i].phase != LEFT)
            return 0;
    return 1;
}

static void crash_if_due(struct cluster *c, int *crashed)
{
    const struct sim_cluster_config *config = c->config;

    if (*crashed || !config->crash.kind ||
        sim_now_ns(c->sim) < config->crash_ns)
        return;
    *crashed = 1;
    for (unsigned i = 0; i < c->n_nodes; i++) {
        struct node *n = &c->nodes[i];

        if (n->peer.kind == config->crash.kind &&
            n->peer.number == config->crash.number)
            leave(n, FUSOR_ECLOSED);
    }
    sim_crash(c->sim, config->crash);
}

static struct node *node_of(struct cluster *c, const struct transport *t)
{
    for (unsigned i = 0; i < c->n_nodes; i++)
        if (c->nodes[i].transport == t)
            return &c->nodes[i];
    return NULL;
}

static void note_standstill(struct cluster *c)
{
    size_t used = 0;

    for (unsigned i = 1; i < c->n_nodes; i++)
        if (c->nodes[i].phase != LEFT && used < sizeof(c->result->what))
            used += (size_t)snprintf(
                c->result->what + used, sizeof(c->result->what) - used,
                "%d.%u phase %d %s step %llu; ", c->nodes[i].peer.kind,
                c->nodes[i].peer.number, c->nodes[i].phase,
                command_name(c->nodes[i].command.kind),
                (unsigned long long)c->nodes[i].done);
}

static void run(struct cluster *c)
{
    int crashed = 0;

    for (unsigned i = 0; i < c->n_nodes; i++)
        turn(c, &c->nodes[i]);
    while (!(all_left(c) && c->result->end_ns)) {
        struct transport *t = sim_step(c->sim);
        struct node *n = t ? node_of(c, t) : NULL;

        crash_if_due(c, &crashed);
        if (!n || sim_now_ns(c->sim) > END_NS) {
            note_standstill(c);
            return;
        }
        if (n->phase != LEFT)
            turn(c, n);
    }
    c->result->finished = 1;
    for (unsigned i = 1; i < c->n_nodes; i++)
        c->result->finished &= c->nodes[i].status == FUSOR_OK;
}

static void sum_counters(struct server_counters *sum,
                         const struct server_counters *c)
{
    sum->pulls += c->pulls;
    sum->pushes += c->pushes;
    sum->duplicates += c->duplicates;
    sum->refused += c->refused;
    sum->malformed += c->malformed;
    sum->no_room += c->no_room;
    sum->need_keys += c->need_keys;
    sum->asked += c->asked;
    sum->rows_asked += c->rows_asked;
    sum->rows_held += c->rows_held;
    sum->bytes_held += c->bytes_held;
    for (int i = 0; i < 64; i++)
        sum->staleness_count[i] += c->staleness_count[i];
}

void sim_cluster_run(const struct toy *toy,
                     const struct sim_cluster_config *config,
                     struct sim_cluster_result *result, struct toy_state *state)
{
    struct cluster *c = mem_alloc(1, sizeof(*c));

    memset(result, 0, sizeof(*result));
    c->config = config;
    c->toy = toy;
    c->result = result;
    c->rng = rng_stream(config->seed, RNG_TEST, 1, 1);
    c->script = (struct test_script){{&script_ops}, config, toy, 0, 0};
    if (sim_cluster_build(c) == FUSOR_OK)
        run(c);
    else
        snprintf(result->what, sizeof(result->what), "it could not be built");
    for (unsigned i = 0; i < c->n_nodes; i++) {
        struct node *n = &c->nodes[i];
        struct server_counters counters;

        if (n->client)
            result->held_back += client_counters(n->client).held_back;
        if (!n->server)
            continue;
        counters = server_counters(n->server);
        sum_counters(&result->counters, &counters);
        result->rows += shard_counters(n->shard).rows;
        if (state)
            toy_read_shard(n->shard, state);
    }
    sim_cluster_tear_down(c);
    mem_free(c);
}

void sim_cluster_say(const struct sim_cluster_config *c,
                     const struct sim_cluster_result *r, const char *what)
{
    fprintf(stderr,
            "\n%s: seed %llu, %u shards, %u workers, staleness %d, depth %u, "
            "loss %g, capacity %u: finished %d, stale %llu, early %llu, "
            "pushes %llu, duplicates %llu: %s %s\n",
            what, (unsigned long long)c->seed, c->n_shards, c->n_workers,
            c->staleness, c->depth, c->loss, c->capacity, r->finished,
            (unsigned long long)r->stale, (unsigned long long)r->early,
            (unsigned long long)r->counters.pushes,
            (unsigned long long)r->counters.duplicates, r->error.text, r->what);
}
