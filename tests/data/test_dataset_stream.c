/* Rows that stay in the file give the same batches as rows in memory, in an
 * order of their own. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/batcher.h"
#include "data/part.h"
#include "data/plan.h"

#define N_ROWS 300001 /* two windows, the second short, with a short block */

static struct fusor_error err;
static char dir[FS_PATH_MAX];

static void put_field(struct schema *s, const char *name, enum field_type type,
                      uint64_t cardinality, const char *transform)
{
    struct schema_field *f = &s->fields[s->n_fields++];

    snprintf(f->spec.name, sizeof(f->spec.name), "%s", name);
    snprintf(f->transform, sizeof(f->transform), "%s", transform);
    f->spec.type = type;
    f->spec.width = 1;
    f->spec.cardinality = cardinality;
    f->spec.max_values = 1;
    f->spec.vocab = s->n_fields;
    f->std = 1;
}

static void put_schema(void)
{
    struct schema *s = mem_alloc(1, sizeof(*s));

    REQUIRE(s != NULL);
    s->version = SCHEMA_VERSION;
    snprintf(s->protocol, sizeof(s->protocol), "none");
    s->protocol_version = 1;
    s->n_train = N_ROWS;
    s->query_key = s->item_key = -1;
    put_field(s, "x", FIELD_DENSE, 0, "[{fill: 7}, log1p]");
    put_field(s, "z", FIELD_DENSE, 0, "zscore");
    put_field(s, "id", FIELD_CATEGORICAL, 1000, "");
    put_field(s, "wide", FIELD_CATEGORICAL, 0, "");
    REQUIRE(schema_write(s, dir, &err) == FUSOR_OK);
    mem_free(s);
}

static void put_rows(void)
{
    static const struct column_spec specs[] = {{"x", COLUMN_F32, 1, 0},
                                               {"z", COLUMN_F32, 1, 0},
                                               {"id", COLUMN_U32, 1, 0},
                                               {"wide", COLUMN_U64, 1, 0},
                                               {"label", COLUMN_F32, 1, 0}};
    char path[FS_PATH_MAX];
    struct part_writer *w;

    fs_join(path, dir, "train.part");
    REQUIRE(part_create(path, specs, 5, &w, &err) == FUSOR_OK);
    for (uint32_t r = 0; r < N_ROWS; r++) {
        float x = r % 5 ? (float)r : NAN, z = (float)(r % 17);
        float label = (float)(r % 2);
        uint32_t id = r % 11 ? r % 1000 : UINT32_MAX;
        uint64_t wide = r % 13 ? (uint64_t)r << 20 : UINT64_MAX;

        part_add(w, 0, &x, 1, &err);
        part_add(w, 1, &z, 1, &err);
        part_add(w, 2, &id, 1, &err);
        part_add(w, 3, &wide, 1, &err);
        part_add(w, 4, &label, 1, &err);
    }
    REQUIRE(part_finish(w, &err) == FUSOR_OK);
}

static struct dataset *opened(enum dataset_cache cache, uint64_t memory,
                              double valid)
{
    struct dataset_options o = {.dir = dir,
                                .fold = -1,
                                .cache = cache,
                                .memory = memory,
                                .valid = valid};
    struct dataset *ds = NULL;

    if (!*dir) {
        fs_join(dir, test_tmpdir(), "parts");
        REQUIRE(fs_mkdirs(dir, &err) == FUSOR_OK);
        put_schema();
        put_rows();
    }
    REQUIRE(dataset_open(&o, NULL, NULL, &ds, &err) == FUSOR_OK);
    return ds;
}

static struct plan plan_of(const struct dataset *ds)
{
    return (struct plan){.seed = 3,
                         .n_rows = dataset_rows(ds, SPLIT_TRAIN),
                         .global_batch = 4096,
                         .micro_batches = 8};
}

static int same_batch(const struct batch *a, const struct batch *b)
{
    int same = a->n == b->n &&
               !memcmp(a->label, b->label, a->n * sizeof(*a->label)) &&
               !memcmp(a->sample_id, b->sample_id, a->n * 8);

    for (int f = 0; f < 2; f++)
        same &= !memcmp(a->fields[f].dense, b->fields[f].dense, a->n * 4);
    for (int f = 2; f < 4; f++)
        same &= !memcmp(a->fields[f].ids, b->fields[f].ids, a->n * 8);
    return same;
}

static void compare(double valid, enum split split)
{
    struct dataset *memory = opened(CACHE_MEMORY, 0, valid);
    struct dataset *stream = opened(CACHE_STREAM, 0, valid);
    struct batcher *a, *b;
    struct plan p = plan_of(stream);
    struct plan_order *o;
    int wrong = 0;

    CHECK(!dataset_block_rows(memory) && dataset_block_rows(stream) == 16384);
    p.n_rows = dataset_rows(stream, split);
    REQUIRE(batcher_create(memory, 512, &a, &err) == FUSOR_OK);
    REQUIRE(batcher_create(stream, 512, &b, &err) == FUSOR_OK);
    REQUIRE(plan_order_build(&p, stream, 0, &o, &err) == FUSOR_OK);
    for (uint64_t u = 0; u < plan_units(&p); u += 3) {
        uint32_t rows[512], n;
        struct batch x, y;
        uint64_t first;

        plan_micro_range(&p, u, 0, &first, &n);
        plan_order_rows(o, first, n, rows);
        REQUIRE(batcher_fill(a, split, rows, n, &x, &err) == FUSOR_OK);
        REQUIRE(batcher_fill(b, split, rows, n, &y, &err) == FUSOR_OK);
        wrong += !same_batch(&x, &y);
    }
    CHECK(wrong == 0);
    CHECK(dataset_waited_ns(memory) == 0);
    plan_order_destroy(o);
    batcher_destroy(b);
    batcher_destroy(a);
    dataset_close(stream);
    dataset_close(memory);
}

static void batches_are_those_of_memory(void)
{
    compare(0, SPLIT_TRAIN);
}

static void a_share_held_out_is_streamed_too(void)
{
    compare(0.05, SPLIT_TRAIN);
    compare(0.05, SPLIT_VALID);
}

static void every_row_comes_once_in_every_epoch(void)
{
    struct dataset *ds = opened(CACHE_STREAM, 0, 0);
    uint8_t *count = mem_alloc(N_ROWS, 1);
    uint32_t first_row[2], rows[4096], again[100];
    struct plan p = plan_of(ds);
    struct plan_order *o;

    REQUIRE(count != NULL);
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        uint64_t near = 0;

        REQUIRE(plan_order_build(&p, ds, epoch, &o, &err) == FUSOR_OK);
        for (uint64_t at = 0; at < N_ROWS; at += 4096) {
            uint32_t n = N_ROWS - at < 4096 ? (uint32_t)(N_ROWS - at) : 4096;

            plan_order_rows(o, at, n, rows);
            first_row[epoch] = at ? first_row[epoch] : rows[0];
            for (uint32_t i = 0; i < n; i++)
                count[rows[i]]++;
            for (uint32_t i = 1; i < n; i++)
                near += rows[i] == rows[i - 1] + 1;
        }
        CHECK(near < 100); // about one in 262,144 by chance
        plan_order_rows(o, 262144 - 50, 100, again); // over a window's end
        plan_order_rows(o, 262144, 50, rows);
        CHECK(!memcmp(again + 50, rows, 50 * sizeof(*rows)));
        plan_order_destroy(o);
    }
    for (uint32_t i = 0; i < N_ROWS; i++)
        if (count[i] != 2)
            CHECK(0);
    CHECK(first_row[0] != first_row[1]);
    mem_free(count);
    dataset_close(ds);
}

static void size_decides_when_nobody_says(void)
{
    struct dataset *ds = opened(CACHE_AUTO, 1000, 0);
    struct plan p = plan_of(ds);
    struct plan_order *o;

    CHECK(dataset_block_rows(ds) > 0);
    p.kind = PLAN_BY_USER;
    p.run = 4;
    CHECK(plan_order_build(&p, ds, 0, &o, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "cache: memory") != NULL);
    dataset_close(ds);
    ds = opened(CACHE_AUTO, 0, 0);
    CHECK(dataset_block_rows(ds) == 0);
    dataset_close(ds);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"batches are those of memory", batches_are_those_of_memory},
        {"a share held out is streamed too", a_share_held_out_is_streamed_too},
        {"every row comes once in every epoch",
         every_row_comes_once_in_every_epoch},
        {"size decides when nobody says", size_decides_when_nobody_says},
    };
    return TEST_RUN("data.dataset_stream", cases);
}
