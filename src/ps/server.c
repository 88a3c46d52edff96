/* The shard's state machine: its life, its epochs, which message is whose. What
 * pulls and pushes do is in server_pull.c and server_push.c, the decisions are
 * in consistency.c. */
#include "ps/server.h"

#include "base/mem.h"
#include "ps/server_private.h"

#define LOG_MODULE "shard"
#include "base/log.h"

/* Where a table admits, a key without a row is looked up again when its values
 * are read and when its gradient comes. */
static int keeps_keys(const struct server_config *c)
{
    for (uint32_t t = 0; t < c->params->n_tables; t++)
        if (shard_table_admits(c->shard, t))
            return 1;
    return 0;
}

static enum fusor_status take_memory(struct server *s, struct fusor_error *err)
{
    uint32_t w = s->config.n_workers, tables = s->config.params->n_tables;

    s->lanes = mem_alloc(w, sizeof(*s->lanes));
    s->views = mem_alloc(w, sizeof(*s->views));
    s->load = mem_alloc(BUCKET_COUNT, sizeof(*s->load));
    s->piece = mem_alloc_raw(SERVER_PIECE_BYTES / sizeof(float) + ROW_WIDTH_MAX,
                             sizeof(*s->piece));
    if (!s->piece || !s->lanes || !s->views || !s->load)
        return mem_fail(err, "server", w * sizeof(*s->lanes));
    FUSOR_TRY(server_unit_create(&s->config, &s->unit, err));
    FUSOR_TRY(ticket_book_init(&s->peeks, tables, keeps_keys(&s->config),
                               shard_budget(s->config.shard), err));
    for (uint32_t i = 0; i < w; i++) {
        FUSOR_TRY(lane_init(&s->lanes[i], tables, keeps_keys(&s->config),
                            shard_budget(s->config.shard), err));
        s->views[i].tables = mem_alloc((size_t)PARAM_MAX_NODES * (tables + 1),
                                       sizeof(*s->views[i].tables));
        if (!s->views[i].tables)
            return mem_fail(err, "server",
                            PARAM_MAX_NODES * sizeof(struct push_rows));
    }
    return FUSOR_OK;
}

enum fusor_status server_create(const struct server_config *config,
                                struct server **out, struct fusor_error *err)
{
    struct server *s = mem_alloc(1, sizeof(*s));
    enum fusor_status rc;

    if (!s)
        return mem_fail(err, "server", sizeof(*s));
    s->config = *config;
    credit_peers_init(&s->peers, config->n_processes);
    rc = take_memory(s, err);
    if (rc != FUSOR_OK) {
        server_destroy(s);
        return rc;
    }
    messenger_keep_pieces(s->config.messenger, WIRE_PUSH);
    *out = s;
    return FUSOR_OK;
}

void server_destroy(struct server *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->lanes && i < s->config.n_workers; i++)
        lane_clear(&s->lanes[i]);
    for (uint32_t i = 0; s->views && i < s->config.n_workers; i++)
        mem_free(s->views[i].tables);
    credit_peers_clear(&s->peers);
    mem_free(s->lanes);
    mem_free(s->views);
    server_unit_destroy(s->unit);
    mem_free(s->load);
    mem_free(s->piece);
    ticket_book_clear(&s->peeks);
    mem_free(s);
}

struct wire_header server_answer(const struct server *s,
                                 const struct wire_header *h,
                                 enum wire_kind kind)
{
    return (struct wire_header){
        .kind = kind,
        .job = s->config.job,
        .request = h->request,
        .attempt = h->attempt,
        .worker = h->worker,
        .shard = s->config.number,
        .clock = s->edge,
        .credit = credit_share(
            payload_pool_bound(messenger_pool(s->config.messenger)),
            credit_peers_count(&s->peers)),
    };
}

void server_set_floor(struct server *s)
{
    /* Between a cut and BEGIN the edge is the last epoch's, the clock is not.
     */
    shard_set_floor(s->config.shard, s->clock + (s->open ? s->edge : 0));
}

enum fusor_status server_resolve(struct server *s, uint32_t table,
                                 const struct payload_view *in, size_t at,
                                 size_t n, uint64_t unit, uint32_t *refs,
                                 struct fusor_error *err)
{
    size_t m;

    server_set_floor(s);
    for (; n; n -= m, refs += m, at += m * sizeof(uint64_t)) {
        size_t together;
        const void *keys = payload_view_at(in, at, &together);

        m = together / sizeof(uint64_t);
        m = m < n ? m : n;
        FUSOR_TRY(shard_resolve(s->config.shard, table, keys, m, RESOLVE_PUSH,
                                s->clock + unit, refs, err));
    }
    return FUSOR_OK;
}

enum fusor_status server_admit(struct server *s, const struct ticket *ticket,
                               uint32_t table, const struct push_rows *rows,
                               struct fusor_error *err)
{
    const uint64_t *keys = ticket_keys(ticket, table);
    size_t n;
    uint32_t *refs = ticket_refs(ticket, table, &n);

    if (!keys || !shard_table_admits(s->config.shard, table))
        return FUSOR_OK;
    server_set_floor(s);
    for (uint32_t i = 0; i < rows->n; i++) {
        uint32_t place = rows->places ? rows->places[i] : i;

        if (place < n && refs[place] == 0)
            FUSOR_TRY(shard_resolve(s->config.shard, table, &keys[place], 1,
                                    RESOLVE_PUSH, s->clock + ticket->clock,
                                    &refs[place], err));
    }
    return FUSOR_OK;
}

enum fusor_status server_use_ticket(const struct ticket *ticket, uint32_t table,
                                    struct push_rows *rows, uint32_t *out,
                                    struct fusor_error *err)
{
    const uint32_t *at = rows->places;
    size_t n;
    uint32_t *refs = ticket_refs(ticket, table, &n);

    rows->refs = at ? out : refs;
    if (!at && rows->n != 0 && rows->n != n)
        return fusor_fail(err, FUSOR_EPROTO,
                          "push: %u rows for all of a pull of %zu", rows->n, n);
    for (uint32_t i = 0; at && i < rows->n; i++) {
        if (at[i] >= n)
            return fusor_fail(err, FUSOR_EPROTO,
                              "push: row %u of a pull of %zu", at[i], n);
        out[i] = refs[at[i]];
    }
    return FUSOR_OK;
}

void server_drop(struct server *s, const struct message *msg,
                 const struct fusor_error *why)
{
    s->counters.malformed++;
    log_warn("dropped a malformed %s from worker process %u: %s",
             wire_kind_name(msg->header.kind), msg->from.number, why->text);
}

void server_tell_missing(struct server *s, const struct message *msg)
{
    const struct wire_header *h = &msg->header;
    struct wire_header missing = server_answer(s, h, WIRE_MISSING);
    uint64_t had[WIRE_CHUNKS_MAX / 64];
    int any = messenger_holds(s->config.messenger, msg->from, h->request,
                              (enum wire_kind)h->b, h->attempt, had);

    messenger_send_bytes(s->config.messenger, msg->from, &missing, had,
                         any ? sizeof(had) : 0, NULL);
}

/* A request of several chunks was not answered for a while. Has it been taken?
 * Then as if it had come twice. */
static enum fusor_status on_ask(struct server *s, const struct message *msg,
                                struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;

    s->counters.asked++;
    if (h->b == WIRE_PUSH)
        return server_on_push(s, msg, err);
    if (h->b == WIRE_KEYS &&
        !lane_note_repeat(&s->lanes[h->lease], msg->from, h))
        server_tell_missing(s, msg);
    return FUSOR_OK;
}

int server_unit_is_sound(const struct server *s, const struct wire_header *h)
{
    return h->clock < s->n_units &&
           (s->config.staleness == 0 ||
            h->clock % s->config.n_workers == h->lease);
}

enum fusor_status server_on_message(struct server *s, const struct message *msg,
                                    struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_OK;
    struct fusor_error why;

    if (msg->from.kind != PEER_WORKER || msg->header.job != s->config.job)
        return FUSOR_OK; // of no concern to this shard
    credit_peers_note(&s->peers, msg->from.number);
    if (msg->header.lease >= s->config.n_workers) {
        fusor_fail(&why, FUSOR_EPROTO, "lease %u of %u", msg->header.lease,
                   s->config.n_workers);
        server_drop(s, msg, &why);
        return FUSOR_OK;
    }
    if (msg->header.kind == WIRE_KEYS)
        return server_on_keys(s, msg, err);
    if (msg->header.kind == WIRE_ASK)
        return on_ask(s, msg, err);
    if (msg->header.kind == WIRE_PUSH) {
        rc = server_on_push(s, msg, err);
        profile_enter(s->config.profile, PROFILE_OTHER);
    }
    return rc;
}

void server_set_frozen(struct server *s, const unsigned char *frozen)
{
    shard_set_frozen(s->config.shard, frozen);
}

enum fusor_status server_begin(struct server *s, const struct command *c,
                               struct fusor_error *err)
{
    struct optim_span span = {c->clock, c->epoch, c->lr_factor};

    FUSOR_TRY(server_check_dense(s, c->n_units, err));
    FUSOR_TRY(shard_begin_span(s->config.shard, &span, c->n_units, err));
    credit_peers_turn(&s->peers);
    for (uint32_t w = 0; w < s->config.n_workers; w++)
        lane_reset(&s->lanes[w]);
    s->epoch = c->epoch;
    s->clock = c->clock;
    s->n_units = c->n_units;
    s->n_applied = 0;
    s->samples = 0;
    s->open = 1;
    s->edge = 0;
    return FUSOR_OK;
}

enum fusor_status server_cut(struct server *s, struct fusor_error *err)
{
    struct shard_position position = shard_position(s->config.shard);

    if (!s->open)
        return FUSOR_OK; // the command came again
    if (s->edge != s->n_units)
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "epoch %llu ends, but only %llu of its %llu units "
                          "are applied",
                          (unsigned long long)s->epoch + 1,
                          (unsigned long long)s->edge,
                          (unsigned long long)s->n_units);
    shard_catch_up_all(s->config.shard, server_now(s));
    position.epoch = s->epoch + 1;
    position.clock = server_now(s);
    position.samples_done += s->samples;
    shard_set_position(s->config.shard, position);
    s->clock = server_now(s);
    s->n_applied = 0;
    s->open = 0;
    return FUSOR_OK;
}

struct member_progress server_progress(const struct server *s)
{
    struct member_progress p = {
        .samples = s->samples,
        .steps = s->counters.pulls + s->counters.pushes,
    };

    if (!s->open || s->config.staleness != 0 || s->edge == s->n_units)
        return p;
    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        if (s->lanes[w].has_push)
            continue;
        p.reason = WAIT_PUSHES;
        p.waits_for = w;
        break;
    }
    return p;
}

const struct bucket_load *server_load(const struct server *s)
{
    return s->load;
}

struct server_counters server_counters(const struct server *s)
{
    struct server_counters c = s->counters;

    c.no_room += messenger_refused(s->config.messenger);
    return c;
}
