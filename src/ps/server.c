/* The shard's state machine. One function per message kind; the decisions are
 * in consistency.c. */
#include "ps/server.h"

#include <string.h>

#include "base/mem.h"
#include "ps/consistency.h"
#include "ps/lane.h"
#include "ps/payloads.h"

#define LOG_MODULE "shard"
#include "base/log.h"

struct server {
    struct server_config config;
    struct lane *lanes; // [n_workers]
    struct unit_tracker units;
    uint64_t epoch;
    uint64_t clock;          // units applied before this epoch
    uint64_t n_units;        // of the epoch
    uint64_t n_applied;      // in this epoch
    uint64_t samples;        // in this epoch
    int open;                // between begin and cut
    struct push_view *views; // [n_workers]
    struct shard_push *pushes;
    struct shard_rows *rows; // [n_workers * PARAM_MAX_NODES * n_tables]
    uint32_t *refs;
    size_t refs_cap;
    struct server_counters counters;
};

static enum fusor_status take_memory(struct server *s, struct fusor_error *err)
{
    uint32_t w = s->config.n_workers, tables = s->config.params->n_tables;
    size_t n = (size_t)w * PARAM_MAX_NODES;

    s->lanes = mem_alloc(w, sizeof(*s->lanes));
    s->views = mem_alloc(w, sizeof(*s->views));
    s->pushes = mem_alloc(n, sizeof(*s->pushes));
    s->rows = mem_alloc(n * (tables + 1), sizeof(*s->rows));
    if (!s->lanes || !s->views || !s->pushes || !s->rows)
        return mem_fail(err, "server", n * sizeof(*s->rows));
    for (uint32_t i = 0; i < w; i++) {
        s->views[i].tables = mem_alloc((size_t)PARAM_MAX_NODES * (tables + 1),
                                       sizeof(*s->views[i].tables));
        if (!s->views[i].tables)
            return mem_fail(err, "server", n * sizeof(struct push_rows));
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
    rc = take_memory(s, err);
    if (rc != FUSOR_OK) {
        server_destroy(s);
        return rc;
    }
    *out = s;
    return FUSOR_OK;
}

void server_destroy(struct server *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->lanes && i < s->config.n_workers; i++)
        lane_reset(&s->lanes[i]);
    for (uint32_t i = 0; s->views && i < s->config.n_workers; i++)
        mem_free(s->views[i].tables);
    mem_free(s->lanes);
    mem_free(s->views);
    mem_free(s->pushes);
    mem_free(s->rows);
    mem_free(s->refs);
    mem_free(s);
}

/* The optimizer's clock: units applied so far. */
static uint64_t now_of(const struct server *s)
{
    return s->clock + s->n_applied;
}

static struct wire_header answer_to(const struct server *s,
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
        .clock = s->units.edge,
    };
}

/* A lost answer is asked for again. */
static void send_small(struct server *s, struct peer to,
                       const struct wire_header *h)
{
    messenger_send(s->config.messenger, to, h, NULL, NULL);
}

static enum fusor_status refs_room(struct server *s, size_t n,
                                   struct fusor_error *err)
{
    uint32_t *fresh;
    size_t cap = s->refs_cap ? s->refs_cap : 4096;

    if (n <= s->refs_cap)
        return FUSOR_OK;
    while (cap < n)
        cap *= 2;
    fresh = mem_alloc_raw(cap, sizeof(*fresh));
    if (!fresh)
        return mem_fail(err, "row references", cap * sizeof(*fresh));
    if (s->refs_cap)
        memcpy(fresh, s->refs, s->refs_cap * sizeof(*fresh));
    mem_free(s->refs);
    s->refs = fresh;
    s->refs_cap = cap;
    return FUSOR_OK;
}

/* Resolve all keys of a pull; the references end up one table after another.
 * @return FUSOR_EPROTO when the payload is not one */
static enum fusor_status resolve_pull(struct server *s, const void *data,
                                      size_t size, enum resolve_mode mode,
                                      size_t *n_floats, struct fusor_error *err)
{
    const struct param_spec *p = s->config.params;
    struct payload_reader r;
    size_t used = 0;

    *n_floats = 0;
    payload_reader_init(&r, data, size);
    for (uint32_t t = 0; t < p->n_tables; t++) {
        size_t n;
        const uint64_t *keys = payload_get_u64s(&r, &n);

        if (r.failed)
            break;
        FUSOR_TRY(refs_room(s, used + n, err));
        FUSOR_TRY(shard_resolve(s->config.shard, t, keys, n, mode, now_of(s),
                                s->refs + used, err));
        used += n;
        *n_floats += n * p->tables[t].width;
    }
    return payload_reader_finish(&r, "keys", err);
}

static void copy_rows(struct server *s, uint32_t table, const uint32_t *refs,
                      size_t n, float *out)
{
    uint32_t width = s->config.params->tables[table].width;
    unsigned char *base = shard_base(s->config.shard);

    for (size_t i = 0; i < n; i++)
        memcpy(out + i * width, shard_row_values(base, refs[i]),
               width * sizeof(float));
}

static enum fusor_status fill_values(struct server *s,
                                     const struct lane_pull *pull,
                                     struct payload_buffer *out,
                                     struct fusor_error *err)
{
    const struct param_spec *p = s->config.params;
    int dense = (pull->header.flags & PS_WANT_DENSE) != 0;
    int peek = (pull->header.flags & PS_PEEK) != 0;
    size_t n_dense = dense ? shard_dense_size(s->config.shard) : 0, used = 0;
    struct payload_writer w;
    struct payload_reader r;

    payload_writer_init_buffer(&w, out);
    payload_reader_init(&r, pull->body->data, pull->body->size);
    for (uint32_t t = 0; t < p->n_tables; t++) {
        size_t n;
        float *rows;

        payload_get_u64s(&r, &n);
        rows = payload_reserve_f32s(&w, n * p->tables[t].width);
        if (!peek)
            shard_catch_up(s->config.shard, t, s->refs + used, n, now_of(s));
        if (rows)
            copy_rows(s, t, s->refs + used, n, rows);
        used += n;
    }
    payload_put_f32s(&w, n_dense ? shard_dense(s->config.shard) : NULL,
                     n_dense);
    return payload_writer_finish(&w, out, err);
}

static enum fusor_status answer_pull(struct server *s,
                                     const struct lane_pull *pull,
                                     struct fusor_error *err)
{
    int peek = (pull->header.flags & PS_PEEK) != 0;
    struct wire_header h = answer_to(s, &pull->header, WIRE_VALUES);
    size_t n_floats, room;
    struct payload_buffer *b;
    enum fusor_status rc;

    /* Rows were made when the keys came; this look-up finds them again. */
    FUSOR_TRY(resolve_pull(s, pull->body->data, pull->body->size,
                           peek ? RESOLVE_PEEK : RESOLVE_PUSH, &n_floats, err));
    room = (n_floats + shard_dense_size(s->config.shard)) * sizeof(float) +
           16 * ((size_t)s->config.params->n_tables + 2);
    FUSOR_TRY(payload_buffer_take(messenger_pool(s->config.messenger), room, &b,
                                  err));
    rc = fill_values(s, pull, b, err);
    if (rc == FUSOR_OK)
        messenger_send(s->config.messenger, pull->peer, &h, b, NULL);
    payload_buffer_unref(b);
    if (!peek)
        lane_note_read(&s->lanes[pull->header.lease], pull->header.clock,
                       s->n_applied);
    s->counters.pulls++;
    return rc;
}

/* Answer what the clock now allows. */
static enum fusor_status serve_pulls(struct server *s, struct fusor_error *err)
{
    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        struct lane *l = &s->lanes[w];

        for (uint32_t i = 0; i < l->n_pulls;) {
            struct lane_pull *pull = &l->pulls[i];

            if (!consistency_may_read(s->config.staleness, pull->header.clock,
                                      s->units.edge)) {
                i++;
                continue;
            }
            FUSOR_TRY(answer_pull(s, pull, err));
            lane_remove_pull(l, i);
        }
    }
    return FUSOR_OK;
}

static enum fusor_status on_keys(struct server *s, const struct message *msg,
                                 struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct lane *l = &s->lanes[h->lease];
    struct lane_pull pull = {msg->from, *h, NULL};
    enum fusor_status rc;
    size_t n_floats;

    if (lane_note_repeat(l, h))
        return FUSOR_OK;
    pull.body = lane_keep(s->config.messenger, msg, err);
    if (!pull.body)
        return FUSOR_ENOMEM;
    if (h->flags & PS_PEEK) {
        rc = answer_pull(s, &pull, err);
        payload_buffer_unref(pull.body);
        return rc;
    }
    rc = resolve_pull(s, pull.body->data, pull.body->size, RESOLVE_TRAIN,
                      &n_floats, err);
    if (rc != FUSOR_OK || lane_add_pull(l, msg, pull.body) != 0) {
        payload_buffer_unref(pull.body);
        return rc;
    }
    return serve_pulls(s, err);
}

/* Turn the pushes of some leases into what the store applies.
 * @param lanes which; staleness 0: all. Nodes come out in ascending order,
 * because leases are numbered in the order of their micro-batches. */
static enum fusor_status gather_pushes(struct server *s, uint32_t first,
                                       uint32_t n, size_t *n_pushes,
                                       struct fusor_error *err)
{
    const struct param_spec *p = s->config.params;
    size_t used = 0, out = 0;

    for (uint32_t w = first; w < first + n; w++)
        for (uint32_t i = 0; i < s->views[w].n_nodes; i++)
            for (uint32_t t = 0; t < p->n_tables; t++)
                used += s->views[w].nodes[i].tables[t].n;
    FUSOR_TRY(refs_room(s, used, err));
    used = 0;
    for (uint32_t w = first; w < first + n; w++) {
        for (uint32_t i = 0; i < s->views[w].n_nodes; i++) {
            const struct push_node *node = &s->views[w].nodes[i];
            struct shard_rows *rows = s->rows + out * p->n_tables;

            for (uint32_t t = 0; t < p->n_tables; t++) {
                const struct push_rows *r = &node->tables[t];

                FUSOR_TRY(shard_resolve(s->config.shard, t, r->keys, r->n,
                                        RESOLVE_PUSH, now_of(s), s->refs + used,
                                        err));
                rows[t] = (struct shard_rows){
                    .n = r->n, .refs = s->refs + used, .packed = r->grads};
                used += r->n;
            }
            s->pushes[out++] = (struct shard_push){node->lo, node->dense, rows};
        }
    }
    *n_pushes = out;
    return FUSOR_OK;
}

static void count_staleness(struct server *s, const struct lane *l,
                            uint64_t clock)
{
    uint64_t edge, stale;

    if (!lane_find_read(l, clock, &edge))
        return;
    stale = s->n_applied - edge;
    s->counters.staleness_count[stale < 63 ? stale : 63]++;
}

static enum fusor_status apply(struct server *s, uint32_t first, uint32_t n,
                               struct fusor_error *err)
{
    size_t n_pushes;

    FUSOR_TRY(gather_pushes(s, first, n, &n_pushes, err));
    FUSOR_TRY(
        shard_apply(s->config.shard, s->pushes, n_pushes, now_of(s), err));
    s->n_applied++;
    return FUSOR_OK;
}

static void acknowledge(struct server *s, struct peer to,
                        const struct wire_header *h)
{
    struct wire_header ack = answer_to(s, h, WIRE_ACK);

    send_small(s, to, &ack);
    s->counters.pushes++;
}

/* Staleness 0: all parts of the unit are here. */
static enum fusor_status apply_unit(struct server *s, struct fusor_error *err)
{
    for (uint32_t w = 0; w < s->config.n_workers; w++)
        count_staleness(s, &s->lanes[w], s->lanes[w].push_header.clock);
    FUSOR_TRY(apply(s, 0, s->config.n_workers, err));
    unit_tracker_mark(&s->units, s->units.edge);
    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        struct lane *l = &s->lanes[w];

        s->samples += l->push_header.samples;
        acknowledge(s, l->push_peer, &l->push_header);
        payload_buffer_unref(l->push);
        l->push = NULL;
    }
    return serve_pulls(s, err);
}

static int all_parts_here(const struct server *s)
{
    for (uint32_t w = 0; w < s->config.n_workers; w++)
        if (!s->lanes[w].push)
            return 0;
    return 1;
}

static enum fusor_status take_push(struct server *s, const struct message *msg,
                                   struct fusor_error *err)
{
    struct lane *l = &s->lanes[msg->header.lease];
    struct push_view *view = &s->views[msg->header.lease];
    struct payload_buffer *body = lane_keep(s->config.messenger, msg, err);
    enum fusor_status rc;

    if (!body)
        return FUSOR_ENOMEM;
    rc = push_view_read(s->config.params, body->data, body->size,
                        shard_dense_size(s->config.shard), view, err);
    if (rc != FUSOR_OK) {
        payload_buffer_unref(body);
        return rc;
    }
    l->next++;
    l->term = msg->header.term;
    if (s->config.staleness == 0) {
        l->push = body;
        l->push_peer = msg->from;
        l->push_header = msg->header;
        return all_parts_here(s) ? apply_unit(s, err) : FUSOR_OK;
    }
    count_staleness(s, l, msg->header.clock);
    rc = apply(s, msg->header.lease, 1, err);
    payload_buffer_unref(body);
    if (rc != FUSOR_OK)
        return rc;
    s->samples += msg->header.samples;
    unit_tracker_mark(&s->units, msg->header.clock);
    acknowledge(s, msg->from, &msg->header);
    return serve_pulls(s, err);
}

static enum fusor_status on_push(struct server *s, const struct message *msg,
                                 struct fusor_error *err)
{
    const struct wire_header *h = &msg->header;
    struct lane *l = &s->lanes[h->lease];
    struct wire_header refused;

    if (!s->open || h->epoch != (uint32_t)s->epoch)
        return FUSOR_OK; // of an epoch that is over: its answer was lost
    switch (consistency_judge_push(l->term, l->next, h->term, h->index)) {
    case PUSH_NEW:
        return take_push(s, msg, err);
    case PUSH_DUPLICATE:
        s->counters.duplicates++;
        if (s->config.staleness == 0 && l->push && h->index + 1 == l->next)
            l->push_header.attempt = h->attempt; // not applied yet
        else
            acknowledge(s, msg->from, h);
        return FUSOR_OK;
    case PUSH_REFUSED:
        s->counters.refused++;
        refused = answer_to(s, h, WIRE_REFUSED);
        send_small(s, msg->from, &refused);
        return FUSOR_OK;
    case PUSH_GAP:
        return FUSOR_OK; // the one before was lost and is sent again first
    }
    return FUSOR_OK;
}

enum fusor_status server_on_message(struct server *s, const struct message *msg,
                                    struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_OK;

    if (msg->header.job != s->config.job ||
        msg->header.lease >= s->config.n_workers)
        return FUSOR_OK;
    if (msg->header.kind == WIRE_KEYS)
        rc = on_keys(s, msg, err);
    else if (msg->header.kind == WIRE_PUSH)
        rc = on_push(s, msg, err);
    if (rc != FUSOR_EPROTO && rc != FUSOR_EINVAL)
        return rc;
    s->counters.malformed++;
    log_warn("dropped a malformed %s from worker process %u: %s",
             wire_kind_name(msg->header.kind), msg->from.number,
             err ? err->text : "");
    return FUSOR_OK;
}

enum fusor_status server_begin(struct server *s, const struct command *c,
                               struct fusor_error *err)
{
    struct optim_span span = {c->clock, c->epoch, c->lr_factor};

    FUSOR_TRY(shard_begin_span(s->config.shard, &span, c->n_units, err));
    for (uint32_t w = 0; w < s->config.n_workers; w++)
        lane_reset(&s->lanes[w]);
    s->epoch = c->epoch;
    s->clock = c->clock;
    s->n_units = c->n_units;
    s->n_applied = 0;
    s->samples = 0;
    s->open = 1;
    unit_tracker_init(&s->units, c->clock);
    return FUSOR_OK;
}

enum fusor_status server_cut(struct server *s, struct fusor_error *err)
{
    struct shard_position position = shard_position(s->config.shard);

    if (!s->open)
        return FUSOR_OK; // the command came again
    if (s->units.edge != s->clock + s->n_units)
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "epoch %llu ends, but only %llu of its %llu units "
                          "are applied",
                          (unsigned long long)s->epoch + 1,
                          (unsigned long long)(s->units.edge - s->clock),
                          (unsigned long long)s->n_units);
    shard_catch_up_all(s->config.shard, now_of(s));
    position.epoch = s->epoch + 1;
    position.clock = now_of(s);
    position.samples_done += s->samples;
    shard_set_position(s->config.shard, position);
    s->clock = now_of(s);
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

    if (!s->open || s->config.staleness != 0)
        return p;
    for (uint32_t w = 0; w < s->config.n_workers; w++) {
        if (s->lanes[w].push)
            continue;
        p.reason = WAIT_PUSHES;
        p.waits_for = w;
        break;
    }
    return p;
}

struct server_counters server_counters(const struct server *s)
{
    return s->counters;
}
