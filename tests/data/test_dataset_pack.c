/* Fields that lie side by side give the values their columns held. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "data/batcher.h"
#include "data/part.h"
#include "harness.h"

#define N_ROWS 5000
#define N_DENSE 9
#define N_IDS 8  /* of 32 bits */
#define N_WIDE 4 /* of 64 bits: 25 words in all, two groups */
#define N_FIELDS (N_DENSE + N_IDS + N_WIDE)

static struct fusor_error err;
static char dir[FS_PATH_MAX];

static float dense_of(uint32_t row, int f)
{
    return row % 7 == (uint32_t)f ? NAN : (float)(row * 31 + (uint32_t)f);
}

static uint32_t id_of(uint32_t row, int f)
{
    return row % 11 == (uint32_t)f ? UINT32_MAX : row ^ (uint32_t)f << 20;
}

static uint64_t wide_of(uint32_t row, int f)
{
    return row % 13 == (uint32_t)f ? UINT64_MAX
                                   : ((uint64_t)row << 33) + (uint64_t)f;
}

/* Kinds are mixed, so that one of two words stands at the end of a group. */
static int kind_of(int field)
{
    return field < 2 * N_WIDE ? (field % 2 ? 2 : 0)
                              : (field < N_DENSE + N_WIDE ? 0 : 1);
}

static int number_of(int field)
{
    int n = 0;

    for (int i = 0; i < field; i++)
        n += kind_of(i) == kind_of(field);
    return n;
}

static void put_schema(void)
{
    static const enum field_type types[] = {FIELD_DENSE, FIELD_CATEGORICAL,
                                            FIELD_CATEGORICAL};
    struct schema *s = mem_alloc(1, sizeof(*s));

    REQUIRE(s != NULL);
    s->version = SCHEMA_VERSION;
    snprintf(s->protocol, sizeof(s->protocol), "none");
    s->protocol_version = 1;
    s->n_train = N_ROWS;
    s->query_key = s->item_key = -1;
    s->n_fields = N_FIELDS;
    for (int i = 0; i < N_FIELDS; i++) {
        struct schema_field *f = &s->fields[i];

        snprintf(f->spec.name, sizeof(f->spec.name), "f%d", i);
        f->spec.type = types[kind_of(i)];
        f->spec.width = 1;
        f->spec.max_values = 1;
        f->spec.vocab = (uint32_t)i;
        f->std = 1;
    }
    REQUIRE(schema_write(s, dir, &err) == FUSOR_OK);
    mem_free(s);
}

static void put_value(struct part_writer *w, int field, uint32_t row)
{
    int n = number_of(field);
    float x = dense_of(row, n);
    uint32_t id = id_of(row, n);
    uint64_t wide = wide_of(row, n);
    const void *values[] = {&x, &id, &wide};

    REQUIRE(part_add(w, (size_t)field, values[kind_of(field)], 1, &err) ==
            FUSOR_OK);
}

static void put_rows(void)
{
    static const enum column_type types[] = {COLUMN_F32, COLUMN_U32,
                                             COLUMN_U64};
    struct column_spec specs[N_FIELDS + 1] = {{{0}, COLUMN_F32, 1, 0}};
    char path[FS_PATH_MAX];
    struct part_writer *w;

    for (int i = 0; i < N_FIELDS; i++) {
        specs[i] = (struct column_spec){{0}, types[kind_of(i)], 1, 0};
        snprintf(specs[i].name, sizeof(specs[i].name), "f%d", i);
    }
    specs[N_FIELDS] = (struct column_spec){"label", COLUMN_F32, 1, 0};
    fs_join(path, dir, "train.part");
    REQUIRE(part_create(path, specs, N_FIELDS + 1, &w, &err) == FUSOR_OK);
    for (uint32_t r = 0; r < N_ROWS; r++) {
        float label = (float)(r % 2);

        for (int i = 0; i < N_FIELDS; i++)
            put_value(w, i, r);
        REQUIRE(part_add(w, N_FIELDS, &label, 1, &err) == FUSOR_OK);
    }
    REQUIRE(part_finish(w, &err) == FUSOR_OK);
}

static enum fusor_status open_with(const char *fields, struct dataset **ds)
{
    struct dataset_options o = {.dir = dir, .fold = -1};
    struct yaml *y = NULL;
    enum fusor_status rc;

    if (!*dir) {
        fs_join(dir, test_tmpdir(), "parts");
        REQUIRE(fs_mkdirs(dir, &err) == FUSOR_OK);
        put_schema();
        put_rows();
    }
    if (fields)
        REQUIRE(yaml_parse(fields, strlen(fields), "job.yaml", &y, &err) ==
                FUSOR_OK);
    rc = dataset_open(&o, y ? yaml_root(y) : NULL, NULL, ds, &err);
    yaml_destroy(y);
    return rc;
}

static int same_value(const struct batch_field *f, int field, uint32_t i,
                      uint32_t row)
{
    int n = number_of(field);
    float x = dense_of(row, n);
    uint32_t id = id_of(row, n);

    if (kind_of(field) == 0)
        return f->dense[i] == (isnan(x) ? 0.0f : x); // missing is 0
    if (kind_of(field) == 1)
        return f->ids[i] == (id == UINT32_MAX ? BATCH_NO_ID : id);
    return f->ids[i] == wide_of(row, n);
}

/* Batches of every size up to a few blocks, in an order without order. */
static void compare(struct dataset *ds, uint32_t n)
{
    struct batcher *b;
    struct batch out;
    uint32_t rows[100];
    int same = 1;

    for (uint32_t i = 0; i < n; i++)
        rows[i] = (i * 2654435761u + n) % N_ROWS;
    REQUIRE(batcher_create(ds, 100, &b, &err) == FUSOR_OK);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, n, &out, &err) == FUSOR_OK);
    for (int f = 0; f < N_FIELDS; f++) {
        CHECK(kind_of(f) == 0 || out.fields[f].n_values == n);
        for (uint32_t i = 0; i < n; i++)
            same &= same_value(&out.fields[f], f, i, rows[i]);
    }
    CHECK(same);
    batcher_destroy(b);
}

static void every_value_stands_where_its_column_had_it(void)
{
    struct dataset *ds;

    REQUIRE(open_with(NULL, &ds) == FUSOR_OK);
    for (uint32_t n = 0; n <= 100; n++)
        compare(ds, n);
    dataset_close(ds);
}

static void a_field_may_stand_on_the_query_side(void)
{
    struct dataset *ds;
    char fields[N_FIELDS * 32] = "{";

    for (int i = 0; i < N_FIELDS; i++)
        sprintf(fields + strlen(fields), "f%d: {side: %s}, ", i,
                i % 3 ? "row" : "query");
    strcat(fields, "}");
    REQUIRE(open_with(fields, &ds) == FUSOR_OK);
    compare(ds, 70);
    dataset_close(ds);
}

static void a_transform_is_applied_before(void)
{
    struct dataset *ds;
    struct batcher *b;
    struct batch out;
    uint32_t row = 4999;

    REQUIRE(open_with("{f0: {transform: log1p}, f1: , f3: , f20: }", &ds) ==
            FUSOR_OK);
    REQUIRE(batcher_create(ds, 1, &b, &err) == FUSOR_OK);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, &row, 1, &out, &err) == FUSOR_OK);
    CHECK_CLOSE(out.fields[0].dense[0], log1p(dense_of(row, 0)), 1e-6);
    CHECK(same_value(&out.fields[3], 20, 0, row));
    batcher_destroy(b);
    dataset_close(ds);
}

static void columns_are_given_back(void)
{
    size_t before = mem_used(), most;
    struct dataset *ds;

    REQUIRE(open_with(NULL, &ds) == FUSOR_OK);
    most = (size_t)N_ROWS * (N_DENSE + N_IDS + 2 * N_WIDE + 1) * 4;
    CHECK(mem_used() - before < most + most / 10 + sizeof(struct schema) * 4);
    dataset_close(ds);
    CHECK(mem_used() == before);
}

static void without_memory_nothing_is_left_behind(void)
{
    struct dataset *ds = NULL;
    size_t before;
    long n = 1;

    REQUIRE(open_with(NULL, &ds) == FUSOR_OK);
    dataset_close(ds);
    before = mem_used();
    for (ds = NULL; !ds; n++) {
        enum fusor_status rc;

        mem_fail_after(n);
        rc = open_with(NULL, &ds);
        mem_fail_after(0);
        CHECK(rc == FUSOR_OK || rc == FUSOR_ENOMEM);
        CHECK(rc == FUSOR_OK || mem_used() == before);
    }
    CHECK(n > N_FIELDS); // every column once at least
    dataset_close(ds);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every value stands where its column had it",
         every_value_stands_where_its_column_had_it},
        {"a field may stand on the query side",
         a_field_may_stand_on_the_query_side},
        {"a transform is applied before", a_transform_is_applied_before},
        {"columns are given back", columns_are_given_back},
        {"without memory nothing is left behind",
         without_memory_nothing_is_left_behind},
    };
    return TEST_RUN("data.dataset_pack", cases);
}
