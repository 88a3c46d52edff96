/* From answers to rows. Values are read where they came: a row is a place in a
 * message, or in one of its pieces; only a row that two pieces share is copied,
 * at most one a piece. */

#include "base/mem.h"
#include "ps/client_private.h"

/* The rows of one table in one shard's answer. */
struct rows_in {
    const struct payload_view *of;
    const uint8_t *first; // where they stand together; NULL: in pieces
    size_t begin;         // in the payload
};

/* Answers being read. */
struct reading {
    struct client *c;
    struct client_worker *w;
    struct announced *a;
    struct payload_reader readers[SHARD_MAX];
    struct rows_in rows[SHARD_MAX]; // of the table being read
    size_t n_joints;                // floats of a->joints in use
};

static const float *join_row(struct reading *r, const struct rows_in *in,
                             size_t at, size_t bytes)
{
    float *row = r->a->joints + r->n_joints;

    payload_view_copy(in->of, at, bytes, row);
    r->n_joints += bytes / sizeof(float);
    return row;
}

static inline const float *row_at(struct reading *r, uint32_t shard,
                                  uint32_t place, size_t bytes)
{
    const struct rows_in *in = &r->rows[shard];
    const struct payload_buffer *piece;
    size_t at = place * bytes, off;

    if (in->first)
        return (const float *)(const void *)(in->first + at);
    at += in->begin;
    piece = in->of->pieces[at / WIRE_CHUNK_BYTES];
    off = at % WIRE_CHUNK_BYTES;
    if (off + bytes > piece->size)
        return join_row(r, in, at, bytes);
    return (const float *)(const void *)(piece->data + off);
}

static enum fusor_status find_rows(struct reading *r, uint32_t shard,
                                   uint32_t table, struct fusor_error *err)
{
    const struct table_spec *t = &r->c->config.params->tables[table];
    uint32_t wanted = r->a->tables[table].want_of[shard];
    struct rows_in *in = &r->rows[shard];
    size_t n, together;

    in->of = &r->readers[shard].of;
    in->begin = payload_skip_section(&r->readers[shard], sizeof(float), &n);
    in->first = NULL;
    if (r->readers[shard].failed || n != (size_t)wanted * t->width)
        return fusor_fail(err, FUSOR_EPROTO,
                          "shard %u answered %zu floats of table %s for %u "
                          "rows of %u",
                          shard, n, t->name, wanted, t->width);
    if (n == 0)
        return FUSOR_OK;
    in->first = payload_view_at(in->of, in->begin, &together);
    if (together < n * sizeof(float))
        in->first = NULL;
    return FUSOR_OK;
}

static enum fusor_status read_table(struct reading *r, uint32_t table,
                                    struct step_rows *out,
                                    struct fusor_error *err)
{
    const struct table_split *split = &r->a->tables[table];
    size_t bytes = r->c->config.params->tables[table].width * sizeof(float);

    for (uint32_t s = 0; s < r->c->config.n_shards; s++)
        FUSOR_TRY(find_rows(r, s, table, err));
    for (uint32_t i = 0; i < split->n; i++)
        out->rows[i] = split->n_held && split->entry[i] != SPLIT_WANTED
                           ? cache_row(r->w->cache, table, split->entry[i])
                           : row_at(r, split->shard[i], split->place[i], bytes);
    return FUSOR_OK;
}

static enum fusor_status read_dense(struct reading *r, uint32_t shard,
                                    struct fusor_error *err)
{
    const struct client *c = r->c;
    struct payload_reader *in = &r->readers[shard];
    size_t n, at = payload_skip_section(in, sizeof(float), &n);

    if (in->failed || n != c->dense_size[shard])
        return fusor_fail(err, FUSOR_EPROTO,
                          "shard %u answered %zu dense "
                          "floats",
                          shard, n);
    for (size_t i = 0; i < c->n_segments[shard]; i++) {
        const struct block_segment *g = &c->segments[shard][i];

        payload_view_copy(&in->of, at + g->packed * sizeof(float),
                          g->n * sizeof(float), r->w->dense + g->offset);
    }
    return FUSOR_OK;
}

/* Room for a row at each end of a piece. */
static enum fusor_status reserve_joints(const struct client *c,
                                        struct announced *a,
                                        struct fusor_error *err)
{
    uint32_t width = 0;
    size_t n = 0;
    float *fresh;

    for (uint32_t s = 0; s < c->config.n_shards; s++)
        n += a->exchange->legs[s].reply.view.n_pieces;
    for (uint32_t t = 0; t < c->config.params->n_tables; t++)
        if (c->config.params->tables[t].width > width)
            width = c->config.params->tables[t].width;
    n *= width;
    if (n <= a->joints_cap)
        return FUSOR_OK;
    fresh = mem_alloc_raw(n, sizeof(*fresh));
    if (!fresh)
        return mem_fail(err, "rows in pieces", n * sizeof(*fresh));
    mem_free(a->joints);
    a->joints = fresh;
    a->joints_cap = n;
    return FUSOR_OK;
}

/* Answers in fewer bytes are turned into what they stand for. */
static enum fusor_status decode_replies(struct client *c, struct announced *a,
                                        struct fusor_error *err)
{
    enum encoding e = recode_encoding(a->exchange->header.flags);
    struct payload_pool *pool = messenger_pool(c->config.messenger);

    for (uint32_t s = 0; e != ENCODING_F32 && s < c->config.n_shards; s++) {
        struct body *reply = &a->exchange->legs[s].reply;
        struct recode r = client_recode(c, s);
        struct payload_buffer *b;

        FUSOR_TRY(recode_values_decode(&r, e, &reply->view, pool, &b, err));
        FUSOR_TRY(body_put(reply, b, err));
    }
    return FUSOR_OK;
}

enum fusor_status client_read_values(struct client *c, struct client_worker *w,
                                     struct announced *a,
                                     struct step_rows *tables,
                                     struct fusor_error *err)
{
    struct reading r; // too large to be zeroed for a row or two

    r.c = c;
    r.w = w;
    r.a = a;
    r.n_joints = 0;
    FUSOR_TRY(decode_replies(c, a, err));
    FUSOR_TRY(reserve_joints(c, a, err));
    for (uint32_t s = 0; s < c->config.n_shards; s++)
        payload_reader_init_view(&r.readers[s],
                                 &a->exchange->legs[s].reply.view);
    for (uint32_t t = 0; t < c->config.params->n_tables; t++)
        FUSOR_TRY(read_table(&r, t, &tables[t], err));
    for (uint32_t s = 0; s < c->config.n_shards; s++)
        FUSOR_TRY(read_dense(&r, s, err));
    return FUSOR_OK;
}
