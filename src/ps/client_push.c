/* The compute threads' side of a push: gradients cut over the shards, the way
 * their keys went. A row is named by its place among the keys that its shard
 * was sent; where a node has all rows in order, nothing names them. */
#include <string.h>

#include "ps/client_private.h"
#include "ps/payloads.h"
#include "ps/row.h"

#define AHEAD 8 /* rows a prefetch runs in front */
#define PIECE \
    ((size_t)1 << 18) /* bytes written between looks at what is full */

/* A push being written: the payload of each shard, side by side. */
struct writing {
    struct client *c;
    struct client_worker *w;
    const struct step_grads *g;
    struct exchange *x;
    int is_large; // worth sending before all is written
    int leaves;   // it is sent as it is written
    struct payload_writer out[SHARD_MAX];
    /* [n_nodes][n_tables] all rows in order: nothing names them */
    unsigned char all[PARAM_MAX_NODES * PARAM_MAX_TABLES];
};

static int has_all_in_order(const struct table_split *split,
                            const struct node_rows *rows)
{
    if (rows->n != split->n)
        return 0;
    for (uint32_t r = 0; r < rows->n; r++)
        if (rows->index[r] != r)
            return 0;
    return 1;
}

/* Count the rows of each node, table and shard into the worker's counts
 * [n_nodes][n_tables][n_shards]. */
static void count_rows(struct writing *p)
{
    const struct announced *a = p->w->valued;
    uint32_t n_tables = p->c->config.params->n_tables;
    uint32_t n = p->c->config.n_shards, *counts = p->w->counts;

    memset(counts, 0, (size_t)p->g->n_nodes * n_tables * n * sizeof(*counts));
    for (uint32_t i = 0; i < p->g->n_nodes; i++) {
        for (uint32_t t = 0; t < n_tables; t++, counts += n) {
            const struct node_rows *rows = &p->g->nodes[i].tables[t];

            p->all[i * n_tables + t] =
                (unsigned char)has_all_in_order(&a->tables[t], rows);
            for (uint32_t r = 0; r < rows->n; r++)
                counts[a->tables[t].shard[rows->index[r]]]++;
        }
    }
}

/* Bytes of a shard's payload. */
static size_t push_size(const struct writing *p, uint32_t shard)
{
    const struct param_spec *params = p->c->config.params;
    const uint32_t *counts = p->w->counts + shard;
    size_t size = sizeof(uint64_t);

    for (uint32_t i = 0; i < p->g->n_nodes; i++) {
        int dense = p->g->nodes[i].dense != NULL;

        size += 2 * sizeof(uint64_t) +
                payload_section_bytes(dense ? p->c->dense_size[shard] : 0, 4);
        for (uint32_t t = 0; t < params->n_tables; t++) {
            int all = p->all[i * params->n_tables + t];

            size += payload_section_bytes(all ? 0 : *counts, 4) +
                    payload_section_bytes(
                        (size_t)*counts * params->tables[t].width, 4);
            counts += p->c->config.n_shards;
        }
    }
    return size;
}

static enum fusor_status take_buffers(struct writing *p,
                                      struct fusor_error *err)
{
    size_t sizes[SHARD_MAX];

    for (uint32_t s = 0; s < p->c->config.n_shards; s++)
        sizes[s] = push_size(p, s);
    if (p->c->config.encoding == ENCODING_F32) // else it gets smaller
        FUSOR_TRY(client_check_parts(p->c, "gradients", sizes, err));
    FUSOR_TRY(client_take_parts(p->c, p->w, p->x, sizes, "gradients", err));
    profile_enter(client_profile(p->c, p->w), PROFILE_PUSH);
    for (uint32_t s = 0; s < p->c->config.n_shards; s++) {
        payload_writer_init_buffer(&p->out[s], p->x->legs[s].out);
        p->x->legs[s].out->size = sizes[s];
    }
    return FUSOR_OK;
}

/* The network thread may have the endpoint: it is asked for it, and what is
 * written meanwhile leaves when it has given it up. */
static void try_leave(struct writing *p)
{
    if (p->is_large && !p->leaves)
        p->leaves = client_lead_begin(p->c, p->x);
}

/* A shard's payload will not change any more before `end`. */
static void written_up_to(struct writing *p, uint32_t s, const float *end)
{
    const uint8_t *at = (const uint8_t *)end;

    try_leave(p);
    if (p->leaves)
        exchange_core_written(p->c->core, p->x, s,
                              (size_t)(at - p->x->legs[s].out->data));
}

static void put_names(struct writing *p, uint32_t table,
                      const struct node_rows *rows)
{
    const struct table_split *split = &p->w->valued->tables[table];

    for (uint32_t r = 0; r < rows->n; r++) {
        uint32_t u = rows->index[r];

        *p->w->places_at[split->shard[u]]++ = split->place[u];
    }
}

/* Rows [at, at + n) of a node's table.
 * @param scattered where their keys stand, as held ones come last */
static void put_rows(struct writing *p, uint32_t table,
                     const struct node_rows *rows, uint32_t at, uint32_t n,
                     int scattered)
{
    const struct table_split *split = &p->w->valued->tables[table];
    uint32_t width = p->c->config.params->tables[table].width;
    float **to = p->w->grads_at;

    for (uint32_t r = at; r < at + n; r++) {
        uint32_t u = rows->index[r];
        uint16_t s = split->shard[u];

        if (r + AHEAD < rows->n)
            __builtin_prefetch(rows->grads[r + AHEAD]);
        if (scattered) {
            row_copy(to[s] + (size_t)split->place[u] * width, rows->grads[r],
                     width);
            continue;
        }
        row_copy(to[s], rows->grads[r], width);
        to[s] += width;
    }
    for (uint32_t s = 0; s < p->c->config.n_shards && !scattered; s++)
        written_up_to(p, s, to[s]);
}

static void write_node_rows(struct writing *p, uint32_t node, uint32_t table)
{
    struct client_worker *w = p->w;
    const struct node_rows *rows = &p->g->nodes[node].tables[table];
    uint32_t n_tables = p->c->config.params->n_tables;
    uint32_t width = p->c->config.params->tables[table].width;
    size_t at = (size_t)node * n_tables + table;
    const uint32_t *counts = w->counts + at * p->c->config.n_shards;
    int all = p->all[at], scattered = all && w->valued->tables[table].n_held;
    uint32_t piece = (uint32_t)(PIECE / sizeof(float) / width) + 1, m;

    for (uint32_t s = 0; s < p->c->config.n_shards; s++) {
        w->places_at[s] = payload_reserve_u32s(&p->out[s], all ? 0 : counts[s]);
        w->grads_at[s] =
            payload_reserve_f32s(&p->out[s], (size_t)counts[s] * width);
    }
    if (!all)
        put_names(p, table, rows);
    for (uint32_t r = 0; r < rows->n; r += m) {
        m = rows->n - r < piece ? rows->n - r : piece;
        put_rows(p, table, rows, r, m, scattered);
    }
}

static void write_node_dense(struct writing *p, const float *dense)
{
    const struct client *c = p->c;

    for (uint32_t s = 0; s < c->config.n_shards; s++) {
        float *out =
            payload_reserve_f32s(&p->out[s], dense ? c->dense_size[s] : 0);

        for (size_t i = 0; dense && out && i < c->n_segments[s]; i++) {
            const struct block_segment *g = &c->segments[s][i];
            size_t m;

            for (size_t at = 0; at < g->n; at += m) {
                m = PIECE / sizeof(float);
                m = g->n - at < m ? (size_t)g->n - at : m;
                memcpy(out + g->packed + at, dense + g->offset + at,
                       m * sizeof(float));
                written_up_to(p, s, out + g->packed + at + m);
            }
        }
    }
}

static enum fusor_status write_push(struct writing *p, struct fusor_error *err)
{
    uint32_t n = p->c->config.n_shards;

    for (uint32_t s = 0; s < n; s++)
        payload_put_u64(&p->out[s], p->g->n_nodes);
    for (uint32_t i = 0; i < p->g->n_nodes; i++) {
        for (uint32_t s = 0; s < n; s++) {
            payload_put_u64(&p->out[s], p->g->nodes[i].lo);
            payload_put_u64(&p->out[s], p->g->nodes[i].span);
        }
        write_node_dense(p, p->g->nodes[i].dense);
        for (uint32_t t = 0; t < p->c->config.params->n_tables; t++)
            write_node_rows(p, i, t);
    }
    for (uint32_t s = 0; s < n; s++)
        FUSOR_TRY(payload_writer_finish(&p->out[s], p->x->legs[s].out, err));
    return FUSOR_OK;
}

/* Put the floats of a finished push in fewer bytes. */
static enum fusor_status encode_push(struct client *c, struct client_worker *w,
                                     struct exchange *x,
                                     struct fusor_error *err)
{
    struct recode_push how = {.encoding = c->config.encoding,
                              .epoch = x->header.epoch,
                              .unit = x->header.clock,
                              .flush = x->header.index + 1 == w->lease.count};

    if (how.encoding == ENCODING_F32)
        return FUSOR_OK;
    x->header.flags =
        recode_flags(how.encoding) | (how.flush ? PS_DENSE_F32 : 0);
    for (uint32_t s = 0; s < c->config.n_shards; s++) {
        struct exchange_leg *leg = &x->legs[s];
        struct recode r = client_recode(c, s);
        struct payload_buffer *b;

        how.residual = w->residual + c->dense_at[s];
        how.keys = leg->keys->data;
        how.keys_size = leg->keys->size;
        leg->causes = payload_buffer_cost(leg->out->size); // if it is decoded
        FUSOR_TRY(recode_push_encode(
            &r, &how, leg->out, messenger_pool(c->config.messenger), &b, err));
        payload_buffer_unref(leg->out);
        leg->out = b;
        FUSOR_TRY(client_check_part(c, "gradients", s, b->size, err));
    }
    return FUSOR_OK;
}

/* Everything of a push but its payloads. */
static void name_push(struct writing *p)
{
    struct client_worker *w = p->w;
    struct exchange *x = p->x, *keys = w->valued->exchange;

    x->worker = (unsigned)(w - p->c->workers);
    x->header = (struct wire_header){
        .kind = WIRE_PUSH,
        .epoch = (uint32_t)w->epoch,
        .lease = w->lease.id,
        .term = w->lease.term,
        .index = w->index++,
        .clock = p->g->clock,
        .samples = p->g->n_samples,
        .a = keys->header.request, // the ticket
    };
    x->keys_flags = keys->header.flags & PS_HELD;
    for (uint32_t s = 0; s < p->c->config.n_shards; s++)
        x->legs[s].keys = payload_buffer_ref(keys->legs[s].out);
}

static int has_chunks(const struct writing *p)
{
    for (uint32_t s = 0; s < p->c->config.n_shards; s++)
        if (p->x->legs[s].out->size > WIRE_CHUNK_BYTES)
            return 1;
    return 0;
}

/* Write and send. What is encoded leaves when it is whole. */
static enum fusor_status send_push(struct writing *p, struct fusor_error *err)
{
    struct client *c = p->c;
    enum fusor_status rc;

    p->is_large = c->config.encoding == ENCODING_F32 && has_chunks(p);
    try_leave(p);
    rc = write_push(p, err);
    if (!p->leaves && rc == FUSOR_OK)
        rc = encode_push(c, p->w, p->x, err);
    if (rc == FUSOR_OK)
        client_count_sent(c, p->w, p->x);
    if (p->leaves) {
        client_lead_end(c, p->x); // sizes were measured: rc is FUSOR_OK
        return rc;
    }
    if (rc == FUSOR_OK)
        return client_submit(c, p->w, p->x, err);
    client_give_back(c, p->w, p->x);
    return rc;
}

/* While the one that was waited for had not left yet, the wait was the
 * credit's. */
enum fusor_status client_wait_acks(struct client *c, struct client_worker *w,
                                   unsigned most, struct fusor_error *err)
{
    struct profile *p = client_profile(c, w);
    uint64_t began;

    if (w->pushes_open <= most)
        return FUSOR_OK;
    profile_enter(p, PROFILE_WAIT_ACKS);
    began = profile_ticks();
    w->let_go = 0;
    while (w->pushes_open > most)
        FUSOR_TRY(client_take_one(c, w, err));
    client_blame_credit(p, PROFILE_WAIT_ACKS, began, w->let_go);
    return FUSOR_OK;
}

enum fusor_status client_push(struct param_store *store, unsigned worker,
                              const struct step_grads *g,
                              struct fusor_error *err)
{
    struct client *c = client_of(store);
    struct client_worker *w = &c->workers[worker];
    struct writing p = {.c = c, .w = w, .g = g};
    enum fusor_status rc;

    if (!w->valued)
        return fusor_fail(err, FUSOR_EINVAL,
                          "a push without values to train on");
    exchange_use_up(w->valued->exchange, c->config.n_shards);
    client_room_changed(c);
    FUSOR_TRY(client_wait_acks(c, w, PUSHES_MAX - 1, err));
    profile_enter(client_profile(c, w), PROFILE_PUSH);
    p.x = client_take_free(c, w, err);
    if (!p.x)
        return FUSOR_ENOMEM;
    count_rows(&p);
    rc = take_buffers(&p, err);
    if (rc != FUSOR_OK) {
        client_give_back(c, w, p.x);
        return rc;
    }
    name_push(&p);
    rc = send_push(&p, err);
    client_drop_valued(c, w);
    if (rc != FUSOR_OK)
        return rc;
    w->pushes_open++;
    w->push_bytes += client_push_bytes(c, p.x);
    atomic_store(&w->owed, w->index);
    client_room_changed(c);
    return FUSOR_OK;
}

enum fusor_status client_drain(struct param_store *store, unsigned worker,
                               struct fusor_error *err)
{
    struct client *c = client_of(store);
    struct client_worker *w = &c->workers[worker];

    client_drop_valued(c, w);
    return client_wait_acks(c, w, 0, err);
}
