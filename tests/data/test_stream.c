#include "harness.h"

#include <pthread.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/stream.h"

#define N_ROWS 40000
#define BLOCK 256

static struct fusor_error err;

static void make_part(const char *name, uint32_t odd)
{
    static const struct column_spec specs[] = {{"x", COLUMN_F32, 2, 0},
                                               {"id", COLUMN_U32, 1, 0},
                                               {"wide", COLUMN_U64, 1, 0},
                                               {"label", COLUMN_F32, 1, 0}};
    struct part_writer *w;
    char path[FS_PATH_MAX];

    fs_join(path, test_tmpdir(), name);
    REQUIRE(part_create(path, specs, 4, &w, &err) == FUSOR_OK);
    for (uint32_t r = 0; r < N_ROWS; r++) {
        float x[2] = {(float)r, -1}, label = 1;
        uint32_t id = r == odd ? 5000 : r % 1000;
        uint64_t wide = (uint64_t)r << 32;

        part_add(w, 0, x, 1, &err);
        part_add(w, 1, &id, 1, &err);
        part_add(w, 2, &wide, 1, &err);
        part_add(w, 3, &label, 1, &err);
    }
    REQUIRE(part_finish(w, &err) == FUSOR_OK);
}

static int keep_label(const void *self, const struct column_spec *spec)
{
    (void)self;
    return spec->name[0] == 'l';
}

static struct part *open_part(const char *name)
{
    char path[FS_PATH_MAX];
    struct part *p = NULL;

    REQUIRE(part_open_some(fs_join(path, test_tmpdir(), name), keep_label, NULL,
                           &p, &err) == FUSOR_OK);
    return p;
}

static struct stream *open_stream(const struct part *p, struct stream_column *c)
{
    static const struct dense_transform clip = {1, {{DENSE_CLIP, 10, 20}}};
    struct stream *s = NULL;

    c[0] = (struct stream_column){0, 0, &clip, 0};
    c[1] = (struct stream_column){1, 1000, NULL, 0};
    c[2] = (struct stream_column){2, 0, NULL, 0};
    REQUIRE(stream_create(p, c, 3, BLOCK, &s, &err) == FUSOR_OK);
    return s;
}

/* @return 1 when the block holds what its rows say */
static int block_is_right(struct stream *s, const struct stream_column *c,
                          uint32_t block)
{
    const unsigned char *b = stream_hold(s, block, &err);
    int right = b != NULL;

    for (uint32_t i = 0; b && i < BLOCK && block * BLOCK + i < N_ROWS; i++) {
        uint32_t row = block * BLOCK + i;
        const float *x = (const float *)(const void *)(b + c[0].offset);
        const uint32_t *id = (const uint32_t *)(const void *)(b + c[1].offset);
        const uint64_t *w = (const uint64_t *)(const void *)(b + c[2].offset);
        float want = row < 10 ? 10 : row > 20 ? 20 : (float)row;

        right &= x[2 * i] == want && x[2 * i + 1] == 10 &&
                 id[i] == row % 1000 && w[i] == (uint64_t)row << 32;
    }
    if (b)
        stream_release(s, block);
    return right;
}

static void blocks_hold_their_rows_in_any_order(void)
{
    struct stream_column c[3];
    uint32_t order[400];
    struct part *p;
    struct stream *s;
    struct rng r = rng_stream(1, RNG_SHUFFLE, 0, 0);
    int wrong = 0;

    make_part("a.part", N_ROWS);
    p = open_part("a.part");
    CHECK(!part_column(p, 0)->held && part_column(p, 3)->held);
    s = open_stream(p, c);
    CHECK(stream_blocks(s) == 157);
    CHECK(stream_bytes(s) < 48 * (BLOCK * 20 + 192) + 157 * 12 + 1);
    for (uint32_t b = 0; b < 157; b++)
        wrong += !block_is_right(s, c, b);
    for (int i = 0; i < 400; i++)
        order[i] = (uint32_t)rng_below(&r, 157);
    REQUIRE(stream_announce(s, order, 400, &err) == FUSOR_OK);
    for (int i = 0; i < 400; i++)
        wrong += !block_is_right(s, c, order[i]);
    for (int i = 400; i-- > 0;) // not as announced
        wrong += !block_is_right(s, c, order[i]);
    CHECK(wrong == 0);
    CHECK(stream_waited_ns(s) > 0);
    stream_destroy(s);
    part_close(p);
}

struct reader {
    struct stream *s;
    const struct stream_column *c;
    uint64_t seed;
    int wrong;
    pthread_t thread;
};

static void *read_many(void *arg)
{
    struct reader *r = arg;
    struct rng rng = rng_stream(r->seed, RNG_SHUFFLE, 1, 0);

    for (int i = 0; i < 300; i++)
        r->wrong += !block_is_right(r->s, r->c, (uint32_t)rng_below(&rng, 157));
    return NULL;
}

static void many_threads_share_the_blocks(void)
{
    struct stream_column c[3];
    struct reader readers[4];
    struct stream *s;
    struct part *p;

    make_part("a.part", N_ROWS);
    p = open_part("a.part");
    s = open_stream(p, c);
    for (int i = 0; i < 4; i++) {
        readers[i] = (struct reader){s, c, (uint64_t)i, 0, 0};
        REQUIRE(
            !pthread_create(&readers[i].thread, NULL, read_many, &readers[i]));
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(readers[i].thread, NULL);
        CHECK(readers[i].wrong == 0);
    }
    stream_destroy(s);
    part_close(p);
}

static void an_id_outside_is_an_error(void)
{
    struct stream_column c[3];
    struct stream *s;
    struct part *p;

    make_part("b.part", 30 * BLOCK);
    p = open_part("b.part");
    s = open_stream(p, c);
    CHECK(block_is_right(s, c, 0));
    CHECK(!stream_hold(s, 30, &err) && err.status == FUSOR_EDATA);
    CHECK(strstr(err.text, "\"id\"") != NULL);
    CHECK(!stream_hold(s, 30, &err)); // and stays one
    CHECK(block_is_right(s, c, 31));
    stream_destroy(s);
    part_close(p);
}

static void a_damaged_column_is_found_at_opening(void)
{
    char path[FS_PATH_MAX], *bytes;
    struct part *p = NULL;
    size_t n;

    make_part("a.part", N_ROWS);
    fs_join(path, test_tmpdir(), "a.part");
    REQUIRE(fs_read(path, 1 << 24, &bytes, &n, &err) == FUSOR_OK);
    bytes[1000] ^= 1;
    REQUIRE(fs_write_atomic(path, bytes, n, &err) == FUSOR_OK);
    CHECK(part_open_some(path, keep_label, NULL, &p, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "column x") != NULL);
    mem_free(bytes);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"blocks hold their rows in any order",
         blocks_hold_their_rows_in_any_order},
        {"many threads share the blocks", many_threads_share_the_blocks},
        {"an id outside is an error", an_id_outside_is_an_error},
        {"a damaged column is found at opening",
         a_damaged_column_is_found_at_opening},
    };
    return TEST_RUN("data.stream", cases);
}
