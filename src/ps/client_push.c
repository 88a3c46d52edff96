/* The compute threads' side of a push: gradients cut over the shards, the way
 * their keys went. A row is named by its place among the keys that its shard
 * was sent; where a node has all rows in order, nothing names them. */
#include <string.h>

#include "ps/client_private.h"
#include "ps/payloads.h"
#include "ps/row.h"

#define AHEAD 8 /* rows a prefetch runs in front */

static size_t push_room(const struct client *c, uint32_t shard,
                        const struct step_grads *g)
{
    size_t room = 64;

    for (uint32_t i = 0; i < g->n_nodes; i++)
        room += 64 + payload_section_bytes(c->dense_size[shard], 4);
    return room;
}

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
    const struct table_split *split = &a->tables[table];
    int all = has_all_in_order(split, rows);

    for (uint32_t s = 0; s < c->config.n_shards; s++) {
        w->places_at[s] = payload_reserve_u32s(&writer[s], all ? 0 : counts[s]);
        w->grads_at[s] =
            payload_reserve_f32s(&writer[s], (size_t)counts[s] * width);
    }
    for (uint32_t r = 0; r < rows->n && !all; r++) {
        uint32_t u = rows->index[r];

        *w->places_at[split->shard[u]]++ = split->place[u];
    }
    for (uint32_t r = 0; r < rows->n; r++) {
        uint32_t u = rows->index[r];
        uint16_t s = split->shard[u];

        if (r + AHEAD < rows->n)
            __builtin_prefetch(rows->grads[r + AHEAD]);
        if (all) { // the order of the keys, where held ones come last
            row_copy(w->grads_at[s] + (size_t)split->place[u] * width,
                     rows->grads[r], width);
            continue;
        }
        row_copy(w->grads_at[s], rows->grads[r], width);
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

            room += payload_section_bytes(rows, 4) +
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
        FUSOR_TRY(recode_push_encode(
            &r, &how, leg->out, messenger_pool(c->config.messenger), &b, err));
        payload_buffer_unref(leg->out);
        leg->out = b;
    }
    return FUSOR_OK;
}

enum fusor_status client_push(struct param_store *store, unsigned worker,
                              const struct step_grads *g,
                              struct fusor_error *err)
{
    struct client *c = client_of(store);
    struct client_worker *w = &c->workers[worker];
    struct exchange *x;
    enum fusor_status rc;

    if (!w->valued)
        return fusor_fail(err, FUSOR_EINVAL,
                          "a push without values to train on");
    if (w->pushes_open >= PUSHES_MAX)
        profile_enter(client_profile(c, w), PROFILE_WAIT_ACKS);
    while (w->pushes_open >= PUSHES_MAX)
        FUSOR_TRY(client_take_one(c, w, err));
    profile_enter(client_profile(c, w), PROFILE_PUSH);
    x = client_take_free(c, w, err);
    if (!x)
        return FUSOR_ENOMEM;
    count_rows(c, w->valued, g, w->counts);
    rc = write_push(c, w, g, w->counts, x, err);
    if (rc != FUSOR_OK) {
        client_give_back(c, w, x);
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
        .a = w->valued->exchange->header.request, // the ticket
    };
    x->keys_flags = w->valued->exchange->header.flags & PS_HELD;
    for (uint32_t s = 0; s < c->config.n_shards; s++)
        x->legs[s].keys = payload_buffer_ref(w->valued->exchange->legs[s].out);
    rc = encode_push(c, w, x, err);
    if (rc != FUSOR_OK) {
        client_give_back(c, w, x);
        return rc;
    }
    client_drop_valued(c, w);
    client_count_sent(c, w, x);
    rc = client_submit(c, w, x, err);
    if (rc == FUSOR_OK)
        w->pushes_open++;
    return rc;
}

enum fusor_status client_drain(struct param_store *store, unsigned worker,
                               struct fusor_error *err)
{
    struct client *c = client_of(store);
    struct client_worker *w = &c->workers[worker];

    client_drop_valued(c, w);
    profile_enter(client_profile(c, w), PROFILE_WAIT_ACKS);
    while (w->pushes_open > 0)
        FUSOR_TRY(client_take_one(c, w, err));
    return FUSOR_OK;
}
