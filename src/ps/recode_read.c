/* Sections of bytes back to sections of f32, out of the pieces that a message
 * came in: runs of rows that stand together are decoded where they are, only a
 * row that two pieces share is put together first. */

#include "ps/recode_private.h"
#include "store/shard.h"

#define GROUP RECODE_GROUP

/* One row whose elements lie in two pieces. */
static void read_cut_row(const struct recode_rows *in, size_t at,
                         const void *scale, float *out)
{
    _Alignas(8) uint8_t bytes[ROW_WIDTH_MAX * sizeof(float)];

    payload_view_copy(&in->of, at,
                      encoding_bytes(in->encoding, 1, in->width) -
                          encoding_scale_bytes(in->encoding, 1),
                      bytes);
    encoding_read_apart(in->encoding, scale, bytes, 1, in->width, out);
}

void recode_rows_read(const struct recode_rows *in, size_t first, size_t n,
                      float *out)
{
    size_t scale = encoding_scale_bytes(in->encoding, 1);
    size_t row = encoding_bytes(in->encoding, 1, in->width) - scale, m;
    size_t scales = in->at + first * scale;
    size_t at = in->at + in->n * scale + first * row;

    for (; n;
         n -= m, at += m * row, scales += m * scale, out += m * in->width) {
        size_t together, known = SIZE_MAX;
        const void *elements = payload_view_at(&in->of, at, &together);
        const void *s = scale ? payload_view_at(&in->of, scales, &known) : NULL;

        m = together / row < n ? together / row : n;
        if (scale && known / scale < m)
            m = known / scale;
        if (m) {
            encoding_read_apart(in->encoding, s, elements, m, in->width, out);
            continue;
        }
        m = 1;
        read_cut_row(in, at, s, out);
    }
}

/* Groups, then what is left of a group. */
static void segment_read(enum encoding e, const struct payload_view *in,
                         size_t at, size_t n, float *x)
{
    struct recode_rows groups = {*in, at, n / GROUP, GROUP, e};
    struct recode_rows tail = {*in, at + encoding_bytes(e, n / GROUP, GROUP), 1,
                               n % GROUP, e};

    recode_rows_read(&groups, 0, groups.n, x);
    if (tail.width)
        recode_rows_read(&tail, 0, 1, x + groups.n * GROUP);
}

/* Read all segments, which begin at `at`, to x [dense_size]. */
static void blocks_read(const struct recode *r, enum encoding e,
                        const struct payload_view *in, size_t at, float *x)
{
    for (size_t i = 0; i < r->n_segments; i++) {
        const struct block_segment *s = &r->segments[i];
        enum encoding own = recode_segment_encoding(r, s, e);

        segment_read(own, in, at, (size_t)s->n, x + s->packed);
        at += recode_segment_bytes(own, (size_t)s->n);
    }
}

static enum encoding gradient_encoding(uint32_t flags)
{
    return flags & PS_DENSE_F32 ? ENCODING_F32 : recode_encoding(flags);
}

size_t recode_gradient_bytes(const struct recode *r, uint32_t flags)
{
    return recode_blocks_bytes(r, gradient_encoding(flags));
}

void recode_gradient_read(const struct recode *r, uint32_t flags,
                          const struct payload_view *in, size_t at, float *x)
{
    blocks_read(r, gradient_encoding(flags), in, at, x);
}

/* From one payload to the other. */
struct decoding {
    const struct recode *r;
    struct payload_reader in;
    struct payload_writer out;
};

/* @return FUSOR_EPROTO: it is not as long as it must be */
static enum fusor_status get_dense(struct decoding *d, enum encoding e,
                                   struct fusor_error *err)
{
    size_t n, want = recode_blocks_bytes(d->r, e);
    size_t at = payload_skip_section(&d->in, 1, &n);
    float *x;

    if (d->in.failed || (n != 0 && n != want))
        return fusor_fail(err, FUSOR_EPROTO,
                          "dense floats in %zu bytes instead of %zu", n, want);
    x = payload_reserve_f32s(&d->out, n ? (size_t)d->r->dense_size : 0);
    if (x && n)
        blocks_read(d->r, e, &d->in.of, at, x);
    return FUSOR_OK;
}

static enum fusor_status get_rows(struct decoding *d, enum encoding e,
                                  size_t width, struct fusor_error *err)
{
    size_t size, n, at = payload_skip_section(&d->in, 1, &size);
    struct recode_rows rows = {d->in.of, at, 0, width, e};
    float *out;

    if (d->in.failed || encoding_rows(e, size, width, &n) != 0)
        return fusor_fail(err, FUSOR_EPROTO,
                          "%zu bytes are no rows of %zu in %s", size, width,
                          encoding_name(e));
    rows.n = n;
    out = payload_reserve_f32s(&d->out, n * width);
    if (out && n)
        recode_rows_read(&rows, 0, n, out);
    return FUSOR_OK;
}

/* What names the rows of a push: they stay as they are. */
static void get_names(struct decoding *d, int ticket)
{
    size_t element = ticket ? sizeof(uint32_t) : sizeof(uint64_t), n;
    size_t at = payload_skip_section(&d->in, element, &n);
    void *out = ticket ? (void *)payload_reserve_u32s(&d->out, n)
                       : payload_reserve_u64s(&d->out, n);

    if (out && n)
        payload_view_copy(&d->in.of, at, n * element, out);
}

static enum fusor_status get_node(struct decoding *d, uint32_t flags,
                                  int ticket, struct fusor_error *err)
{
    payload_put_u64(&d->out, payload_get_u64(&d->in));
    payload_put_u64(&d->out, payload_get_u64(&d->in));
    FUSOR_TRY(get_dense(d, gradient_encoding(flags), err));
    for (uint32_t t = 0; t < d->r->params->n_tables; t++) {
        get_names(d, ticket);
        FUSOR_TRY(get_rows(d, recode_encoding(flags),
                           d->r->params->tables[t].width, err));
    }
    return FUSOR_OK;
}

static enum fusor_status get_push(struct decoding *d, uint32_t flags,
                                  int ticket, struct fusor_error *err)
{
    uint64_t n_nodes = payload_get_u64(&d->in);

    payload_put_u64(&d->out, n_nodes);
    if (n_nodes > PARAM_MAX_NODES)
        return fusor_fail(err, FUSOR_EPROTO, "push: %llu nodes",
                          (unsigned long long)n_nodes);
    for (uint64_t i = 0; i < n_nodes; i++)
        FUSOR_TRY(get_node(d, flags, ticket, err));
    return payload_reader_finish(&d->in, "push", err);
}

static enum fusor_status get_values(struct decoding *d, enum encoding e,
                                    struct fusor_error *err)
{
    for (uint32_t t = 0; t < d->r->params->n_tables; t++)
        FUSOR_TRY(get_rows(d, e, d->r->params->tables[t].width, err));
    FUSOR_TRY(get_dense(d, recode_dense_values(e), err));
    return payload_reader_finish(&d->in, "values", err);
}

size_t recode_decoded_bytes(const struct recode *r, enum encoding e,
                            size_t size)
{
    return (e == ENCODING_BF16 ? 2 : 4) * size + 16 * recode_sections(r);
}

/* A buffer for what `in` stands for. */
static enum fusor_status begin(struct decoding *d, enum encoding e,
                               const struct payload_view *in,
                               struct payload_pool *pool,
                               struct payload_buffer **out,
                               struct fusor_error *err)
{
    FUSOR_TRY(payload_buffer_take(pool, recode_decoded_bytes(d->r, e, in->size),
                                  out, err));
    payload_writer_init_buffer(&d->out, *out);
    payload_reader_init_view(&d->in, in);
    return FUSOR_OK;
}

static enum fusor_status end(struct decoding *d, enum fusor_status rc,
                             struct payload_buffer *b,
                             struct payload_buffer **out,
                             struct fusor_error *err)
{
    if (rc == FUSOR_OK)
        rc = payload_writer_finish(&d->out, b, err);
    if (rc == FUSOR_OK)
        *out = b;
    else
        payload_buffer_unref(b);
    return rc;
}

enum fusor_status recode_push_decode(const struct recode *r, uint32_t flags,
                                     int ticket, const struct payload_view *in,
                                     struct payload_pool *pool,
                                     struct payload_buffer **out,
                                     struct fusor_error *err)
{
    struct decoding d = {.r = r};
    struct payload_buffer *b;

    FUSOR_TRY(begin(&d, recode_encoding(flags), in, pool, &b, err));
    return end(&d, get_push(&d, flags, ticket, err), b, out, err);
}

enum fusor_status recode_values_decode(const struct recode *r, enum encoding e,
                                       const struct payload_view *in,
                                       struct payload_pool *pool,
                                       struct payload_buffer **out,
                                       struct fusor_error *err)
{
    struct decoding d = {.r = r};
    struct payload_buffer *b;

    FUSOR_TRY(begin(&d, e, in, pool, &b, err));
    return end(&d, get_values(&d, e, err), b, out, err);
}
