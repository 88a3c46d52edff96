/* Tests of ps/recode: payloads there and back, what rounding leaves over, and
 * bytes that are none of ours. */
#include "ps/recode.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"
#include "wire/header.h"

#define ROWS 5
#define WIDTH 3
#define DENSE 26 /* a group and a tail, then a batch statistic */
#define FUZZ 30000

static struct table_spec table = {.name = "t", .width = WIDTH};
static struct block_spec blocks[2] = {
    {.name = "w", .size = 22},
    {.name = "bn", .offset = 22, .size = 4, .bn_momentum = 0.1f}};
static struct param_spec params = {.seed = 3,
                                   .n_tables = 1,
                                   .tables = &table,
                                   .n_blocks = 2,
                                   .blocks = blocks,
                                   .n_dense = DENSE};
static struct block_segment segments[2];
static struct recode recode = {&params, segments, 2, DENSE};
static struct payload_pool *pool;
static struct payload_buffer *keys;
static float residual[DENSE], dense[DENSE], rows[ROWS * WIDTH];

static struct payload_buffer *take(size_t room, struct payload_writer *w)
{
    struct payload_buffer *b;

    REQUIRE(!payload_buffer_take(pool, room, &b, NULL));
    payload_writer_init_buffer(w, b);
    return b;
}

static void open_all(void)
{
    static const uint64_t ids[ROWS] = {11, 22, 33, 44, 55};
    struct payload_writer w;

    REQUIRE(block_slice_plan(&params, NULL, 1, 0, segments) == 2);
    REQUIRE(!payload_pool_create(1 << 20, &pool, NULL));
    keys = take(256, &w);
    payload_put_u64s(&w, ids, ROWS);
    REQUIRE(!payload_writer_finish(&w, keys, NULL));
    memset(residual, 0, sizeof(residual));
    for (int i = 0; i < DENSE; i++)
        dense[i] = 0.01f * (float)(i + 1);
    for (int i = 0; i < ROWS * WIDTH; i++)
        rows[i] = 0.37f * (float)(i + 1);
}

static void close_all(void)
{
    payload_buffer_unref(keys);
    payload_pool_destroy(pool);
    CHECK(mem_used() == 0);
}

/* Float i of what begins at `at` in a push that lies in one place. */
static float float_of(const struct push_view *v, size_t at, int i)
{
    return ((const float *)(const void *)(v->of.data + at))[i];
}

/* Encode a push of one node and decode it. */
static struct payload_buffer *through(enum encoding e, int flush,
                                      struct push_view *v, size_t *bytes)
{
    struct recode_push how = {.encoding = e,
                              .flush = flush,
                              .residual = residual,
                              .keys = keys->data,
                              .keys_size = keys->size};
    struct payload_buffer *in, *encoded, *out;
    struct payload_view view;
    uint32_t flags = recode_flags(e) | (flush ? PS_DENSE_F32 : 0);
    struct payload_writer w;

    in = take(4096, &w);
    payload_put_u64(&w, 1);
    payload_put_u64(&w, 0);
    payload_put_u64(&w, 1);
    payload_put_f32s(&w, dense, DENSE);
    payload_put_u32s(&w, NULL, 0);
    payload_put_f32s(&w, rows, ROWS * WIDTH);
    REQUIRE(!payload_writer_finish(&w, in, NULL));
    REQUIRE(!recode_push_encode(&recode, &how, in, pool, &encoded, NULL));
    *bytes = encoded->size;
    view = (struct payload_view){.data = encoded->data, .size = encoded->size};
    REQUIRE(!recode_push_decode(&recode, flags, 1, &view, pool, &out, NULL));
    view = (struct payload_view){.data = out->data, .size = out->size};
    REQUIRE(!push_view_read(&params, &view, 1, ENCODING_F32, DENSE, v, NULL));
    payload_buffer_unref(in);
    payload_buffer_unref(encoded);
    return out;
}

static void a_push_comes_back_within_a_step(void)
{
    struct push_rows view_rows[PARAM_MAX_NODES];
    struct push_view v = {.tables = view_rows};

    open_all();
    for (int e = ENCODING_BF16; e < ENCODING_END; e++) {
        struct payload_buffer *b;
        size_t bytes;

        memset(residual, 0, sizeof(residual));
        b = through((enum encoding)e, 0, &v, &bytes);
        CHECK(v.nodes[0].tables[0].n == ROWS && v.nodes[0].tables[0].all);
        for (int i = 0; i < ROWS * WIDTH; i++) {
            float most = e == ENCODING_BF16
                             ? rows[i] * 0x1p-7f
                             : 1.001f * rows[i / WIDTH * WIDTH + 2] / 127;

            CHECK(fabsf(float_of(&v, v.nodes[0].tables[0].grads, i) -
                        rows[i]) <= most);
        }
        for (int i = 0; i < DENSE; i++)
            CHECK(fabsf(float_of(&v, v.nodes[0].dense, i) - dense[i]) <=
                  0.22f / 127);
        for (int i = 22; i < DENSE; i++) // the statistic
            CHECK(float_of(&v, v.nodes[0].dense, i) == dense[i]);
        payload_buffer_unref(b);
    }
    close_all();
}

/* What went out after n pushes and a flush is n + 1 times the gradient, but for
 * the rounding of float sums: 40 additions of at most 2^-24 of the sum. */
static void what_rounding_leaves_over_comes_later(void)
{
    struct push_rows view_rows[PARAM_MAX_NODES];
    struct push_view v = {.tables = view_rows};
    size_t bytes;

    open_all();
    for (int e = ENCODING_BF16; e < ENCODING_END; e++) {
        double sum[DENSE] = {0};
        int left = 0;

        memset(residual, 0, sizeof(residual));
        for (int push = 0; push < 20; push++) {
            struct payload_buffer *b =
                through((enum encoding)e, push == 19, &v, &bytes);

            for (int i = 0; i < DENSE; i++) {
                sum[i] += (double)float_of(&v, v.nodes[0].dense, i);
                left += residual[i] != 0;
            }
            payload_buffer_unref(b);
        }
        CHECK(left > 0);
        for (int i = 0; i < DENSE; i++) {
            CHECK(residual[i] == 0);
            CHECK(fabs(sum[i] - 20 * (double)dense[i]) <=
                  40 * 0x1p-24 * 20 * (double)dense[i]);
        }
    }
    close_all();
}

static void fewer_bytes_are_fewer(void)
{
    struct push_rows view_rows[PARAM_MAX_NODES];
    struct push_view v = {.tables = view_rows};
    size_t flat, small, smaller;

    table.width = ROWS * WIDTH; // one row of 15
    open_all();
    payload_buffer_unref(through(ENCODING_F32, 0, &v, &flat));
    payload_buffer_unref(through(ENCODING_BF16, 0, &v, &small));
    payload_buffer_unref(through(ENCODING_INT8, 0, &v, &smaller));
    CHECK(smaller < small && small < flat);
    table.width = WIDTH;
    close_all();
}

static void values_come_back_and_peeks_have_no_dense(void)
{
    open_all();
    for (int with = 0; with < 2; with++) {
        for (int e = ENCODING_BF16; e < ENCODING_END; e++) {
            struct payload_buffer *encoded, *out, *none;
            struct payload_view view;
            struct payload_writer w;
            struct payload_reader r;
            const float *x;
            void *at;
            size_t n;

            encoded = take(4096, &w);
            n = encoding_bytes((enum encoding)e, ROWS, WIDTH);
            at = payload_reserve_bytes(&w, n);
            encoding_write((enum encoding)e, rows, ROWS, WIDTH, NULL, at, ROWS,
                           0);
            n = with ? recode_dense_bytes(&recode, (enum encoding)e) : 0;
            at = payload_reserve_bytes(&w, n);
            if (with)
                recode_dense_write(&recode, (enum encoding)e, dense, at);
            REQUIRE(!payload_writer_finish(&w, encoded, NULL));
            view = (struct payload_view){.data = encoded->data,
                                         .size = encoded->size};
            REQUIRE(!recode_values_decode(&recode, (enum encoding)e, &view,
                                          pool, &out, NULL));
            view.size -= 8;
            CHECK(recode_values_decode(&recode, (enum encoding)e, &view, pool,
                                       &none, NULL) == FUSOR_EPROTO);
            payload_reader_init(&r, out->data, out->size);
            x = payload_get_f32s(&r, &n);
            REQUIRE(n == ROWS * WIDTH);
            for (size_t i = 0; i < n; i++)
                CHECK(fabsf(x[i] - rows[i]) <= rows[ROWS * WIDTH - 1] / 250);
            x = payload_get_f32s(&r, &n);
            REQUIRE(n == (with ? DENSE : 0));
            for (size_t i = 0; i < n; i++)
                CHECK(fabsf(x[i] - dense[i]) <= dense[i] * 0x1p-8f);
            CHECK(payload_reader_finish(&r, "values", NULL) == FUSOR_OK);
            payload_buffer_unref(encoded);
            payload_buffer_unref(out);
        }
    }
    close_all();
}

#define MANY 300000 /* rows of 5: more than a chunk in int8 */

/* What is cut into pieces is what it is in one. */
static void rows_are_read_out_of_pieces(void)
{
    static float want[MANY * 5], got[MANY * 5];
    static _Alignas(8) uint8_t whole[MANY * 5 * sizeof(float) + 8];

    for (int e = 0; e < ENCODING_END; e++) {
        size_t size = encoding_bytes((enum encoding)e, MANY, 5) + 8;
        struct payload_buffer pieces[8], *at[8];
        struct recode_rows rows_in = {.of = {.pieces = at, .size = size},
                                      .at = 8,
                                      .n = MANY,
                                      .width = 5,
                                      .encoding = (enum encoding)e};

        for (size_t i = 0; i < MANY * 5; i++)
            want[i] = (float)(i % 911) - 400.5f;
        encoding_write((enum encoding)e, want, MANY, 5, NULL, whole + 8, MANY,
                       0);
        encoding_read((enum encoding)e, whole + 8, MANY, 5, want);
        for (size_t begin = 0; begin < size; begin += WIRE_CHUNK_BYTES) {
            uint32_t k = rows_in.of.n_pieces++;

            pieces[k].data = whole + begin;
            pieces[k].size = size - begin < WIRE_CHUNK_BYTES ? size - begin
                                                             : WIRE_CHUNK_BYTES;
            at[k] = &pieces[k];
        }
        CHECK(rows_in.of.n_pieces > 1);
        for (size_t first = 0, n; first < MANY; first += n) {
            n = MANY - first < 777 ? MANY - first : 777;
            recode_rows_read(&rows_in, first, n, got + first * 5);
        }
        CHECK(!memcmp(want, got, sizeof(got)));
        memset(got, 0, sizeof(got));
        recode_rows_read(&rows_in, 0, MANY, got);
        CHECK(!memcmp(want, got, sizeof(got)));
    }
}

static void strange_bytes_are_refused_within_their_bounds(void)
{
    struct rng r = rng_stream(5, RNG_TEST, 0, 0);
    unsigned n_good = 0;

    open_all();
    for (int i = 0; i < FUZZ; i++) {
        size_t words = (size_t)rng_below(&r, 40);
        uint64_t *bytes = mem_alloc(words, 8); // its own block
        uint32_t flags = recode_flags(i % 2 ? ENCODING_BF16 : ENCODING_INT8);
        struct payload_view view = {.data = (uint8_t *)bytes,
                                    .size = 8 * words};
        struct payload_buffer *out;

        for (size_t k = 0; k < words; k++)
            bytes[k] = rng_below(&r, 3) ? rng_below(&r, 12) : rng_u64(&r);
        if (words)
            bytes[0] = rng_below(&r, 3);
        if (recode_push_decode(&recode, flags | (i % 3 ? 0 : PS_DENSE_F32),
                               i % 5 != 0, &view, pool, &out,
                               NULL) == FUSOR_OK) {
            payload_buffer_unref(out);
            n_good++;
        }
        mem_free(bytes);
    }
    CHECK(n_good > 0 && n_good < FUZZ / 2);
    CHECK(recode_encoding(recode_flags(ENCODING_INT8)) == ENCODING_INT8);
    CHECK(recode_encoding(0x30) == ENCODING_END);
    close_all();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a push comes back within a step", a_push_comes_back_within_a_step},
        {"what rounding leaves over comes later",
         what_rounding_leaves_over_comes_later},
        {"fewer bytes are fewer", fewer_bytes_are_fewer},
        {"values come back, and peeks have no dense part",
         values_come_back_and_peeks_have_no_dense},
        {"rows are read out of pieces", rows_are_read_out_of_pieces},
        {"strange bytes are refused within their bounds",
         strange_bytes_are_refused_within_their_bounds},
    };

    return TEST_RUN("ps.recode", cases);
}
