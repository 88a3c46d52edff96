/* From pushes as they lie in their payloads to what the store applies. A
 * payload that came in pieces is applied from those: rows and floats that stand
 * together are handed over where they are, only a row that two pieces share is
 * copied, at most one a piece. Rows in fewer bytes become floats as they are
 * applied. */
#include "base/mem.h"
#include "ps/server_private.h"

/* Encoded rows of one table of the one node there is. */
struct encoded {
    struct shard_source source; // first
    struct recode_rows rows;
};

struct server_unit {
    struct shard_push *pushes; // [n_workers * PARAM_MAX_NODES]
    struct shard_rows *rows;   // those of the pushes, then what they go on with
    size_t rows_cap;
    struct shard_part *parts;
    size_t parts_cap;
    float *joints; // rows that two pieces share
    size_t joints_cap;
    uint32_t width;          // the largest of a row
    struct encoded *encoded; // [n_tables]
    float *dense;            // of an encoded push; made when first needed
    size_t dense_cap;
    /* In use. */
    size_t n_pushes, n_rows, n_parts, n_joints;
};

enum fusor_status server_unit_create(const struct server_config *c,
                                     struct server_unit **out,
                                     struct fusor_error *err)
{
    struct server_unit *u = mem_alloc(1, sizeof(*u));

    *out = u;
    if (!u)
        return mem_fail(err, "server", sizeof(*u));
    for (uint32_t t = 0; t < c->params->n_tables; t++)
        if (c->params->tables[t].width > u->width)
            u->width = c->params->tables[t].width;
    u->pushes =
        mem_alloc((size_t)c->n_workers * PARAM_MAX_NODES, sizeof(*u->pushes));
    u->encoded = mem_alloc(c->params->n_tables, sizeof(*u->encoded));
    return u->pushes && u->encoded
               ? FUSOR_OK
               : mem_fail(err, "server",
                          (size_t)c->n_workers * PARAM_MAX_NODES *
                              sizeof(*u->pushes));
}

void server_unit_destroy(struct server_unit *u)
{
    if (!u)
        return;
    mem_free(u->pushes);
    mem_free(u->rows);
    mem_free(u->parts);
    mem_free(u->joints);
    mem_free(u->encoded);
    mem_free(u->dense);
    mem_free(u);
}

static int make_room(void **at, size_t *cap, size_t n, size_t size)
{
    void *fresh;

    if (n <= *cap)
        return 0;
    fresh = mem_alloc_raw(n + n / 2, size);
    if (!fresh)
        return -1;
    mem_free(*at);
    *at = fresh;
    *cap = n + n / 2;
    return 0;
}

/* Each end of a piece adds at most a row that is shared and those behind it. */
static enum fusor_status reserve(struct server *s, uint32_t first, uint32_t n,
                                 struct fusor_error *err)
{
    struct server_unit *u = s->unit;
    size_t nodes = 0, ends = 0;

    for (uint32_t w = first; w < first + n; w++) {
        nodes += s->views[w].n_nodes;
        ends += s->views[w].of.n_pieces;
    }
    u->n_pushes = u->n_parts = u->n_joints = 0;
    u->n_rows = nodes * s->config.params->n_tables;
    if (make_room((void **)&u->rows, &u->rows_cap, u->n_rows + 2 * ends,
                  sizeof(*u->rows)) ||
        make_room((void **)&u->parts, &u->parts_cap, nodes + ends,
                  sizeof(*u->parts)) ||
        make_room((void **)&u->joints, &u->joints_cap, ends * u->width,
                  sizeof(*u->joints)))
        return mem_fail(err, "a push in pieces", ends * sizeof(*u->rows));
    return FUSOR_OK;
}

/* Rows of one table of one node, from `out` on. */
static void add_rows(struct server_unit *u, const struct payload_view *in,
                     const struct push_rows *from, uint32_t width,
                     struct shard_rows *out)
{
    size_t bytes = width * sizeof(float), at = from->grads, together;
    uint32_t m;

    *out = (struct shard_rows){0};
    for (uint32_t i = 0; i < from->n; i += m, at += m * bytes) {
        const void *rows = payload_view_at(in, at, &together);

        m = (uint32_t)(together / bytes < from->n - i ? together / bytes
                                                      : from->n - i);
        if (m == 0) {
            float *joint = u->joints + u->n_joints;

            payload_view_copy(in, at, bytes, joint);
            u->n_joints += width;
            rows = joint;
            m = 1;
        }
        if (i) {
            out->more = &u->rows[u->n_rows];
            out = &u->rows[u->n_rows++];
        }
        *out = (struct shard_rows){
            .n = m, .refs = from->refs + i, .packed = (float *)(uintptr_t)rows};
    }
}

static void add_dense(struct server_unit *u, const struct payload_view *in,
                      size_t at, uint64_t n, struct shard_push *out)
{
    size_t together, m;

    out->parts = u->parts + u->n_parts;
    for (; n; n -= m, at += m * sizeof(float)) {
        const void *floats = payload_view_at(in, at, &together);

        m = together / sizeof(float);
        m = m < n ? m : (size_t)n;
        u->parts[u->n_parts++] = (struct shard_part){floats, m};
        out->n_parts++;
    }
}

static void read_encoded(const struct shard_source *s, uint32_t first,
                         uint32_t n, float *out)
{
    const struct encoded *e = (const struct encoded *)(const void *)s;

    recode_rows_read(&e->rows, first, n, out);
}

static void add_encoded_rows(struct server_unit *u,
                             const struct push_view *view, uint32_t table,
                             uint32_t width, struct shard_rows *out)
{
    const struct push_rows *from = &view->nodes[0].tables[table];
    struct encoded *e = &u->encoded[table];

    e->source.read = read_encoded;
    e->rows = (struct recode_rows){view->of, from->grads, from->n, width,
                                   view->encoding};
    *out = (struct shard_rows){
        .n = from->n, .refs = from->refs, .source = &e->source};
}

/* A push in fewer bytes: one node, applied by itself. */
static enum fusor_status add_encoded_push(struct server *s,
                                          const struct push_view *view,
                                          struct fusor_error *err)
{
    const struct param_spec *p = s->config.params;
    const struct push_node *node = &view->nodes[0];
    struct server_unit *u = s->unit;
    struct shard_push *out = &u->pushes[u->n_pushes++];
    struct recode r = server_recode(s);

    *out = (struct shard_push){.lo = node->lo, .tables = u->rows};
    for (uint32_t t = 0; t < p->n_tables; t++)
        add_encoded_rows(u, view, t, p->tables[t].width, &u->rows[t]);
    if (!node->has_dense)
        return FUSOR_OK;
    if (make_room((void **)&u->dense, &u->dense_cap, (size_t)r.dense_size,
                  sizeof(*u->dense)))
        return mem_fail(err, "an encoded push",
                        (size_t)r.dense_size * sizeof(*u->dense));
    recode_gradient_read(&r, view->flags, &view->of, node->dense, u->dense);
    u->parts[u->n_parts++] = (struct shard_part){u->dense, r.dense_size};
    out->parts = u->parts;
    out->n_parts = 1;
    return FUSOR_OK;
}

static void add_push(struct server *s, const struct push_view *view)
{
    const struct param_spec *p = s->config.params;
    struct server_unit *u = s->unit;

    for (uint32_t i = 0; i < view->n_nodes; i++) {
        const struct push_node *node = &view->nodes[i];
        struct shard_rows *rows = u->rows + u->n_pushes * p->n_tables;
        struct shard_push *out = &u->pushes[u->n_pushes++];

        *out = (struct shard_push){.lo = node->lo, .tables = rows};
        if (node->has_dense)
            add_dense(u, &view->of, node->dense,
                      shard_dense_size(s->config.shard), out);
        for (uint32_t t = 0; t < p->n_tables; t++)
            add_rows(u, &view->of, &node->tables[t], p->tables[t].width,
                     &rows[t]);
    }
}

/* Nodes come out in ascending order, because leases are numbered in the order
 * of their micro-batches. */
enum fusor_status server_apply(struct server *s, uint32_t first, uint32_t n,
                               struct fusor_error *err)
{
    FUSOR_TRY(reserve(s, first, n, err));
    for (uint32_t w = first; w < first + n; w++)
        if (s->views[w].encoding == ENCODING_F32)
            add_push(s, &s->views[w]);
        else
            FUSOR_TRY(add_encoded_push(s, &s->views[w], err));
    profile_enter(s->config.profile, PROFILE_APPLY);
    FUSOR_TRY(shard_apply(s->config.shard, s->unit->pushes, s->unit->n_pushes,
                          server_now(s), err));
    profile_enter(s->config.profile, PROFILE_OTHER);
    profile_step(s->config.profile);
    s->n_applied++;
    return FUSOR_OK;
}
