/* Sections of f32 to sections of bytes, in the order of payloads.h. The way
 * back is recode_read.c's. */
#include <string.h>

#include "base/rng.h"
#include "ps/recode_private.h"

#define GROUP RECODE_GROUP
#define PIECE 64 /* rows whose seeds are made at once */
#define ENCODING_SHIFT 4

uint32_t recode_flags(enum encoding e)
{
    return (uint32_t)e << ENCODING_SHIFT;
}

enum encoding recode_encoding(uint32_t flags)
{
    return (enum encoding)(flags >> ENCODING_SHIFT & 3);
}

/* Dense blocks. */

enum encoding recode_segment_encoding(const struct recode *r,
                                      const struct block_segment *s,
                                      enum encoding e)
{
    return r->params->blocks[s->block].bn_momentum > 0 ? ENCODING_F32 : e;
}

size_t recode_segment_bytes(enum encoding e, size_t n)
{
    size_t tail = n % GROUP;
    size_t bytes = encoding_bytes(e, n / GROUP, GROUP) +
                   (tail ? encoding_bytes(e, 1, tail) : 0);

    return (bytes + 7) & ~(size_t)7;
}

size_t recode_blocks_bytes(const struct recode *r, enum encoding e)
{
    size_t bytes = 0;

    for (size_t i = 0; i < r->n_segments; i++)
        bytes +=
            recode_segment_bytes(recode_segment_encoding(r, &r->segments[i], e),
                                 (size_t)r->segments[i].n);
    return bytes;
}

static void segment_write(enum encoding e, const float *x, size_t n,
                          uint8_t *out)
{
    size_t rows = n / GROUP, tail = n % GROUP;

    memset(out + recode_segment_bytes(e, n) - 8, 0, 8); // what fills up
    encoding_write(e, x, rows, GROUP, NULL, out, rows, 0);
    if (tail)
        encoding_write(e, x + rows * GROUP, 1, tail, NULL,
                       out + encoding_bytes(e, rows, GROUP), 1, 0);
}

static void dense_write(const struct recode *r, enum encoding e, const float *x,
                        uint8_t *out)
{
    for (size_t i = 0; i < r->n_segments; i++) {
        const struct block_segment *s = &r->segments[i];
        enum encoding own = recode_segment_encoding(r, s, e);

        segment_write(own, x + s->packed, (size_t)s->n, out);
        out += recode_segment_bytes(own, (size_t)s->n);
    }
}

static void gradient_write(enum encoding e, const float *x, float *left,
                           size_t n, uint8_t *out)
{
    size_t rows = n / GROUP, whole = rows * GROUP, tail = n - whole;

    memset(out + recode_segment_bytes(e, n) - 8, 0, 8); // what fills up
    encoding_write_fed(e, x, left, rows, GROUP, out, rows, 0);
    if (tail)
        encoding_write_fed(e, x + whole, left + whole, 1, tail,
                           out + encoding_bytes(e, rows, GROUP), 1, 0);
}

/* With what the pushes before left over; what is left over now is kept. */
static void put_dense_gradient(const struct recode *r,
                               const struct recode_push *how, const float *x,
                               struct payload_writer *w)
{
    enum encoding e = how->flush ? ENCODING_F32 : how->encoding;
    uint8_t *out = payload_reserve_bytes(w, recode_blocks_bytes(r, e));

    for (size_t i = 0; out && i < r->n_segments; i++) {
        const struct block_segment *s = &r->segments[i];
        enum encoding own = recode_segment_encoding(r, s, e);

        gradient_write(own, x + s->packed, how->residual + s->packed,
                       (size_t)s->n, out);
        out += recode_segment_bytes(own, (size_t)s->n);
    }
}

/* Gradient rows of one table of one node: each is rounded by a draw of its own
 * that knows neither shard nor place. */
static void put_gradients(const struct recode *r, const struct recode_push *how,
                          uint32_t table, uint64_t lo, const uint64_t *keys,
                          struct payload_reader *in, struct payload_writer *w)
{
    uint32_t width = r->params->tables[table].width;
    uint64_t seed = r->params->seed ^ hash_mix(how->epoch + 1);
    size_t n_places, n, m;
    const uint32_t *places = payload_get_u32s(in, &n_places);
    const float *rows = payload_get_f32s(in, &n);
    uint64_t seeds[PIECE];
    void *out;

    n /= width;
    payload_put_u32s(w, places, n_places);
    out = payload_reserve_bytes(w, encoding_bytes(how->encoding, n, width));
    for (size_t at = 0; out && at < n; at += m) {
        m = n - at < PIECE ? n - at : PIECE;
        for (size_t i = 0; i < m; i++) {
            uint64_t key = keys[n_places ? places[at + i] : at + i];

            seeds[i] = rng_stream(seed, RNG_WIRE, how->unit << 4 | lo,
                                  hash_key(table, key))
                           .key;
        }
        encoding_write(how->encoding, rows + at * width, m, width, seeds, out,
                       n, at);
    }
}

size_t recode_sections(const struct recode *r)
{
    return PARAM_MAX_NODES * (1 + 2 * (size_t)r->params->n_tables);
}

static enum fusor_status finish(struct payload_writer *w,
                                struct payload_buffer *b,
                                struct payload_buffer **out,
                                struct fusor_error *err)
{
    enum fusor_status rc = payload_writer_finish(w, b, err);

    if (rc == FUSOR_OK)
        *out = b;
    else
        payload_buffer_unref(b);
    return rc;
}

enum fusor_status
recode_push_encode(const struct recode *r, const struct recode_push *how,
                   const struct payload_buffer *in, struct payload_pool *pool,
                   struct payload_buffer **out, struct fusor_error *err)
{
    struct payload_reader reader, keys_reader;
    struct payload_writer w;
    struct payload_buffer *b;
    uint64_t n_nodes;
    size_t n;

    /* A row of one float grows by a quarter: its scale. */
    FUSOR_TRY(payload_buffer_take(
        pool, in->size + in->size / 4 + 16 * recode_sections(r), &b, err));
    payload_writer_init_buffer(&w, b);
    payload_reader_init(&reader, in->data, in->size);
    n_nodes = payload_get_u64(&reader);
    payload_put_u64(&w, n_nodes);
    for (uint64_t i = 0; i < n_nodes; i++) {
        uint64_t lo = payload_get_u64(&reader), span = payload_get_u64(&reader);
        const float *dense = payload_get_f32s(&reader, &n);

        payload_put_u64(&w, lo);
        payload_put_u64(&w, span);
        if (n)
            put_dense_gradient(r, how, dense, &w);
        else
            payload_put_bytes(&w, NULL, 0);
        payload_reader_init(&keys_reader, how->keys, how->keys_size);
        for (uint32_t t = 0; t < r->params->n_tables; t++)
            put_gradients(r, how, t, lo, payload_get_u64s(&keys_reader, &n),
                          &reader, &w);
    }
    return finish(&w, b, out, err);
}

/* Weights lose more by int8 than they save. */
enum encoding recode_dense_values(enum encoding e)
{
    return e == ENCODING_INT8 ? ENCODING_BF16 : e;
}

size_t recode_dense_bytes(const struct recode *r, enum encoding e)
{
    return recode_blocks_bytes(r, recode_dense_values(e));
}

size_t recode_values_bytes(const struct recode *r, enum encoding e,
                           const size_t *wanted, int dense)
{
    size_t n = dense ? (size_t)r->dense_size * sizeof(float) : 0, bytes;

    if (n && e != ENCODING_F32)
        n = recode_dense_bytes(r, e);
    bytes = payload_section_bytes(n, 1);
    for (uint32_t t = 0; t < r->params->n_tables; t++)
        bytes += payload_section_bytes(
            encoding_bytes(e, wanted[t], r->params->tables[t].width), 1);
    return bytes;
}

void recode_dense_write(const struct recode *r, enum encoding e, const float *x,
                        void *out)
{
    dense_write(r, recode_dense_values(e), x, out);
}
