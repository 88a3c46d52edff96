/* Tests of a table against a plain array as the model. */
#include "store/table.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

#include "harness.h"

#define WIDTH 5
#define KEYS 20000

struct bench {
    struct table_spec spec[2];
    struct param_spec params;
    struct optim optim;
    struct budget budget;
    struct slab slab;
    struct table table;
};

static void bench_begin(struct bench *b, uint64_t cap)
{
    struct optim_spec spec;

    memset(b, 0, sizeof(*b));
    b->spec[1] = (struct table_spec){.name = "user",
                                     .width = WIDTH,
                                     .init = INIT_NORMAL,
                                     .init_scale = 0.1f};
    b->spec[0] = b->spec[1];
    b->params =
        (struct param_spec){.seed = 7, .n_tables = 2, .tables = b->spec};
    b->budget.cap = cap;
    optim_spec_default(OPTIM_ADAM, &spec);
    REQUIRE(!optim_init(&b->optim, &spec, NULL));
    REQUIRE(!slab_init(&b->slab, -1, 0, NULL, &b->budget, NULL));
    REQUIRE(!table_init(&b->table, &b->params, 1, &b->optim, &b->slab, NULL));
}

static void bench_end(struct bench *b)
{
    table_clear(&b->table);
    slab_clear(&b->slab);
}

static void rows_keep_key_and_alignment(void)
{
    struct bench b;
    float want[WIDTH];
    uint32_t ref, again;

    bench_begin(&b, 0);
    CHECK(b.table.state_width == 2 * WIDTH);
    CHECK(b.table.stride == 80); // 16 + 60 bytes, rounded up
    REQUIRE(!table_insert(&b.table, UINT64_MAX - 1, 9, &ref, NULL));
    REQUIRE(!table_insert(&b.table, UINT64_MAX - 1, 11, &again, NULL));
    CHECK(ref == again && table_n_rows(&b.table) == 1);
    param_init_fill(7, 1, INIT_NORMAL, 0.1f, UINT64_MAX - 1, 0, want, WIDTH);
    CHECK(memcmp(table_row(&b.table, ref)->values, want, sizeof(want)) == 0);
    CHECK(row_state(&b.table, table_row(&b.table, ref))[0] == 0.0f);
    CHECK(table_row(&b.table, ref)->last_clock == 9);
    CHECK(table_owns_ref(&b.table, ref));
    CHECK(!table_owns_ref(&b.table, ref + 1));
    CHECK(!table_owns_ref(&b.table, ref + 5)); // the next row is not made yet
    CHECK(!table_owns_ref(&b.table, 0) && !table_owns_ref(&b.table, ~0u));
    bench_end(&b);
}

/* The model: what each key's first value must be, 0 = no row. */
static void check_model(struct bench *b, const float *model, uint64_t first)
{
    uint64_t keys[37];
    uint32_t refs[37];
    size_t found = 0, want = 0;

    for (size_t i = 0; i < 37; i++)
        keys[i] = (first + i * 97) % KEYS;
    found = table_find(&b->table, keys, 37, refs);
    for (size_t i = 0; i < 37; i++) {
        want += model[keys[i]] != 0.0f;
        CHECK((refs[i] != 0) == (model[keys[i]] != 0.0f));
        if (refs[i])
            CHECK(table_row(&b->table, refs[i])->values[0] == model[keys[i]]);
    }
    CHECK(found == want);
}

static void random_use_equals_the_model(void)
{
    static float model[KEYS];
    struct rng r = rng_stream(5, RNG_TEST, 0, 0);
    struct bench b;

    memset(model, 0, sizeof(model));
    bench_begin(&b, 0);
    for (int i = 0; i < 60000; i++) {
        uint64_t key = rng_below(&r, KEYS);
        uint32_t ref;

        if (rng_below(&r, 4) == 0) {
            check_model(&b, model, key);
        } else if (rng_below(&r, 5000) == 0) {
            REQUIRE(!table_rebuild(&b.table, NULL));
        } else {
            REQUIRE(!table_insert(&b.table, key, 0, &ref, NULL));
            model[key] = (float)(i + 1);
            table_row(&b.table, ref)->values[0] = model[key];
        }
    }
    CHECK(b.table.n_extents == 1);
    bench_end(&b);
}

static void many_rows_fill_extents(void)
{
    struct bench b;
    uint64_t n = 60000;

    bench_begin(&b, 0);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t ref;

        REQUIRE(!table_insert(&b.table, i << 32, 0, &ref, NULL));
        CHECK(ref == table_ref_at(&b.table, i));
    }
    CHECK(b.table.n_extents == 3); // 26214 rows of 80 bytes an extent
    REQUIRE(!table_rebuild(&b.table, NULL));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = i << 32;
        uint32_t ref;

        CHECK(table_find(&b.table, &key, 1, &ref) == 1);
        CHECK(ref == table_ref_at(&b.table, i));
        CHECK(table_owns_ref(&b.table, ref));
    }
    CHECK(n <= ((uint64_t)1 << b.table.index_bits) * 7 / 10);
    bench_end(&b);
}

/* hash_tag is the low half of the hash: two keys of equal low halves share a
 * tag. Found by search over the inverse would be long; equal tags are made by
 * writing the key of a row. */
static void equal_tags_are_told_apart(void)
{
    struct bench b;
    uint64_t key = 17, other = 18;
    uint32_t ref, found;

    bench_begin(&b, 0);
    REQUIRE(!table_insert(&b.table, key, 0, &ref, NULL));
    table_row(&b.table, ref)->key = other; // as if other had key's tag
    CHECK(table_find(&b.table, &key, 1, &found) == 0 && found == 0);
    REQUIRE(!table_insert(&b.table, key, 0, &ref, NULL));
    CHECK(table_n_rows(&b.table) == 2);
    CHECK(table_find(&b.table, &key, 1, &found) == 1 && found == ref);
    bench_end(&b);
}

static void the_cap_stops_growth(void)
{
    struct bench b;
    struct fusor_error err = {0};
    enum fusor_status rc = FUSOR_OK;
    uint64_t n;
    uint32_t ref;

    bench_begin(&b, 3 * SLAB_EXTENT_BYTES + (64 << 10));
    for (n = 0; rc == FUSOR_OK && n < 200000; n++)
        rc = table_insert(&b.table, n, 0, &ref, &err);
    CHECK(rc == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "memory.per_server") != NULL);
    CHECK(table_n_rows(&b.table) == n - 1);
    CHECK(b.budget.used <= b.budget.cap);
    n = 0;
    CHECK(table_find(&b.table, &n, 1, &ref) == 1); // still in good order
    bench_end(&b);
}

static void exhaustion_changes_nothing(void)
{
    struct bench b;
    uint32_t ref;
    uint64_t n = 0;

    bench_begin(&b, 0);
    for (; n < 44; n++) // 64 places at 70 %
        REQUIRE(!table_insert(&b.table, n, 0, &ref, NULL));
    mem_fail_after(1);
    CHECK(table_insert(&b.table, n, 0, &ref, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
    CHECK(table_n_rows(&b.table) == n);
    REQUIRE(!table_insert(&b.table, n, 0, &ref, NULL));
    CHECK(b.budget.used == 2 * SLAB_EXTENT_BYTES + table_index_bytes(&b.table));
    bench_end(&b);
    CHECK(b.budget.used == 2 * SLAB_EXTENT_BYTES);
}

static void odd_widths_are_refused(void)
{
    struct bench b;
    struct table t;

    bench_begin(&b, 0);
    b.spec[0].width = 0;
    CHECK(table_init(&t, &b.params, 0, &b.optim, &b.slab, NULL) ==
          FUSOR_ESHAPE);
    b.spec[0].width = TABLE_WIDTH_MAX + 1;
    CHECK(table_init(&t, &b.params, 0, &b.optim, &b.slab, NULL) ==
          FUSOR_ESHAPE);
    bench_end(&b);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"rows keep key, initial value and alignment",
         rows_keep_key_and_alignment},
        {"random use equals the model", random_use_equals_the_model},
        {"many rows fill extents and are found again", many_rows_fill_extents},
        {"keys of one tag are told apart", equal_tags_are_told_apart},
        {"the cap stops growth with a clear error", the_cap_stops_growth},
        {"exhaustion changes nothing", exhaustion_changes_nothing},
        {"rows without or with too many floats are refused",
         odd_widths_are_refused},
    };

    return TEST_RUN("store.table", cases);
}
