/* Tests of one shard: resolve, apply, hand-over, limits. */
#include "store/shard.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"

#include "harness.h"

#define WIDTH 4

struct bench {
    struct table_spec tables[2];
    struct block_spec blocks[3];
    struct param_spec params;
    struct optim_spec table_optim[2];
    struct optim_spec block_optim[3];
    struct shard_config config;
};

static void bench_fill(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    b->tables[0] = (struct table_spec){.name = "user",
                                       .width = WIDTH,
                                       .init = INIT_NORMAL,
                                       .init_scale = 0.1f};
    b->tables[1] = (struct table_spec){
        .name = "item", .width = 2, .init = INIT_ZERO, .init_scale = 0.0f};
    b->blocks[0] = (struct block_spec){
        .name = "w", .size = 20000, .init = INIT_UNIFORM, .init_scale = 1.0f};
    b->blocks[1] = (struct block_spec){
        .name = "b", .offset = 20000, .size = 10, .init = INIT_ONE};
    b->blocks[2] = (struct block_spec){
        .name = "c", .offset = 20010, .size = 7, .init = INIT_ZERO};
    b->params = (struct param_spec){.seed = 3,
                                    .n_tables = 2,
                                    .tables = b->tables,
                                    .n_blocks = 3,
                                    .blocks = b->blocks,
                                    .n_dense = 20017};
    for (int i = 0; i < 2; i++) {
        optim_spec_default(OPTIM_SGD, &b->table_optim[i]);
        b->table_optim[i].lr = 0.5;
    }
    for (int i = 0; i < 3; i++) {
        optim_spec_default(OPTIM_SGD, &b->block_optim[i]);
        b->block_optim[i].lr = 0.5;
    }
    b->config = (struct shard_config){.params = &b->params,
                                      .table_optim = b->table_optim,
                                      .block_optim = b->block_optim,
                                      .n_shards = 1,
                                      .fd = -1,
                                      .job_id = 77};
}

static struct shard *begin(const struct bench *b)
{
    struct optim_span span = {0, 0, 1.0};
    struct fusor_error err = {0};
    struct shard *s = NULL;

    if (shard_create(&b->config, &s, &err))
        CU_FAIL(err.text);
    REQUIRE(s != NULL);
    REQUIRE(!shard_begin_span(s, &span, 100, NULL));
    return s;
}

static void peeks_see_zeros_and_create_nothing(void)
{
    uint64_t keys[3] = {5, 6, 5};
    uint32_t refs[3];
    float want[WIDTH];
    struct bench b;
    struct shard *s;

    bench_fill(&b);
    s = begin(&b);
    REQUIRE(!shard_resolve(s, 0, keys, 3, RESOLVE_PEEK, 0, refs, NULL));
    CHECK(refs[0] == 0 && refs[1] == 0 && refs[2] == 0);
    CHECK(shard_row_values(shard_base(s), 0)[WIDTH - 1] == 0.0f);
    CHECK(shard_counters(s).rows == 0);
    REQUIRE(!shard_resolve(s, 0, keys, 3, RESOLVE_TRAIN, 0, refs, NULL));
    CHECK(refs[0] && refs[1] && refs[0] == refs[2] && refs[0] != refs[1]);
    CHECK(shard_counters(s).rows == 2 && shard_counters(s).rows_created == 2);
    param_init_fill(3, 0, INIT_NORMAL, 0.1f, 6, 0, want, WIDTH);
    CHECK(
        !memcmp(shard_row_values(shard_base(s), refs[1]), want, sizeof(want)));
    CHECK(shard_ref_is_valid(s, 0, refs[0]) && shard_ref_is_valid(s, 0, 0));
    CHECK(!shard_ref_is_valid(s, 1, refs[0]));
    CHECK(!shard_ref_is_valid(s, 9, refs[0]));
    shard_destroy(s);
}

/* Keys touched by three pushes: 1 by all, 2 by the first and third. */
static void one_step_per_key_and_segment(void)
{
    uint64_t keys[2] = {1, 2};
    uint32_t refs[2], swapped[2];
    float grad[3][2][WIDTH], before[2][WIDTH], *values;
    static float dense[3][20017], start[20017];
    struct shard_push pushes[3];
    struct shard_rows rows[3][2];
    struct bench b;
    struct shard *s;

    bench_fill(&b);
    s = begin(&b);
    REQUIRE(!shard_resolve(s, 0, keys, 2, RESOLVE_TRAIN, 0, refs, NULL));
    swapped[0] = refs[1];
    swapped[1] = refs[0];
    for (int k = 0; k < 2; k++)
        memcpy(before[k], shard_row_values(shard_base(s), refs[k]),
               sizeof(before[k]));
    memcpy(start, shard_dense(s), sizeof(start));
    CHECK(start[20000] == 1.0f && start[20010] == 0.0f);
    memset(rows, 0, sizeof(rows));
    for (int p = 0; p < 3; p++) {
        for (int j = 0; j < WIDTH; j++) {
            grad[p][0][j] = (float)(p + 1);
            grad[p][1][j] = (float)(10 * (p + 1));
        }
        for (int j = 0; j < 20017; j++)
            dense[p][j] = (float)(p + 1);
        rows[p][0] =
            (struct shard_rows){.n = 2, .refs = refs, .packed = grad[p][0]};
        pushes[p] = (struct shard_push){
            .lo = (uint32_t)p, .dense = dense[p], .tables = rows[p]};
    }
    rows[1][0].n = 1; // key 1 only
    rows[2][0].refs = swapped;
    REQUIRE(!shard_apply(s, pushes, 3, 0, NULL));
    values = shard_row_values(shard_base(s), refs[0]);
    CHECK_CLOSE(values[0], before[0][0] - 0.5 * (1 + 2 + 30), 1e-6);
    values = shard_row_values(shard_base(s), refs[1]);
    CHECK_CLOSE(values[3], before[1][3] - 0.5 * (10 + 3), 1e-6);
    CHECK_CLOSE(shard_dense(s)[0], start[0] - 3.0, 1e-6);
    CHECK_CLOSE(shard_dense(s)[20016], start[20016] - 3.0, 1e-6);
    CHECK(shard_counters(s).rows_applied == 2);
    CHECK(shard_counters(s).units_applied == 1);
    pushes[0].dense = NULL; // the next unit: one push, one dropped row
    refs[1] = 0;
    REQUIRE(!shard_apply(s, pushes, 1, 1, NULL));
    CHECK(shard_counters(s).rows_dropped == 1);
    CHECK(shard_counters(s).rows_applied == 3);
    shard_destroy(s);
}

/* The same random unit as one push per micro-batch, and as one push of the
 * sum made beforehand along the tree. */
static void frozen_blocks_keep_values_and_state(void)
{
    static float grad[20017], before[20017];
    unsigned char frozen[3] = {0, 1, 0};
    struct shard_rows none[2] = {{0}, {0}};
    struct shard_push push = {.dense = grad, .tables = none};
    struct bench b;
    struct shard *s;

    bench_fill(&b);
    for (int i = 0; i < 3; i++)
        optim_spec_default(OPTIM_MOMENTUM, &b.block_optim[i]);
    s = begin(&b);
    for (int i = 0; i < 20017; i++)
        grad[i] = 1;
    memcpy(before, shard_dense(s), sizeof(before));
    shard_set_frozen(s, frozen);
    REQUIRE(!shard_apply(s, &push, 1, 0, NULL));
    CHECK(!memcmp(before + 20000, shard_dense(s) + 20000, 10 * sizeof(float)));
    CHECK(before[0] != shard_dense(s)[0] &&
          before[20010] != shard_dense(s)[20010]);
    shard_set_frozen(s, NULL); // no velocity was gathered: the first step is
    REQUIRE(!shard_apply(s, &push, 1, 1, NULL)); // one of a fresh block
    CHECK_CLOSE(before[20000] - shard_dense(s)[20000], b.block_optim[1].lr,
                1e-6);
    shard_destroy(s);
}

static void combining_gives_the_bits_of_one_push(void)
{
    struct rng r = rng_stream(8, RNG_TEST, 0, 0);
    uint64_t keys[50];
    uint32_t refs[2][50], some[4][50];
    float grad[4][50][WIDTH], sum[50][WIDTH];
    struct shard_rows rows[4][2], one[2];
    struct shard_push pushes[4], single = {.tables = one};
    struct bench b;
    struct shard *s[2];

    bench_fill(&b);
    for (int i = 0; i < 2; i++)
        optim_spec_default(OPTIM_ADAM, &b.table_optim[i]);
    memset(rows, 0, sizeof(rows));
    memset(one, 0, sizeof(one));
    for (uint64_t k = 0; k < 50; k++)
        keys[k] = k * k;
    for (int i = 0; i < 2; i++) {
        s[i] = begin(&b);
        REQUIRE(
            !shard_resolve(s[i], 0, keys, 50, RESOLVE_TRAIN, 0, refs[i], NULL));
    }
    for (uint32_t p = 0; p < 4; p++) {
        for (int k = 0; k < 50; k++)
            for (int j = 0; j < WIDTH; j++)
                grad[p][k][j] = (float)rng_normal(&r);
        memcpy(some[p], refs[0], sizeof(some[p]));
        rows[p][0] =
            (struct shard_rows){.n = 50, .refs = some[p], .packed = grad[p][0]};
        pushes[p] = (struct shard_push){.lo = p, .tables = rows[p]};
    }
    for (int k = 0; k < 50; k++)
        for (int j = 0; j < WIDTH; j++)
            sum[k][j] = (grad[0][k][j] + grad[1][k][j]) +
                        (grad[2][k][j] + grad[3][k][j]);
    one[0] = (struct shard_rows){.n = 50, .refs = refs[1], .packed = sum[0]};
    REQUIRE(!shard_apply(s[0], pushes, 4, 0, NULL));
    REQUIRE(!shard_apply(s[1], &single, 1, 0, NULL));
    for (int k = 0; k < 50; k++)
        CHECK(!memcmp(shard_row_values(shard_base(s[0]), refs[0][k]),
                      shard_row_values(shard_base(s[1]), refs[1][k]),
                      WIDTH * sizeof(float)));
    shard_destroy(s[0]);
    shard_destroy(s[1]);
}

/* l2 over the whole table: a row left alone for 5 units equals one that got
 * zero gradients. */
static void untouched_rows_are_caught_up(void)
{
    uint64_t keys[2] = {1, 1};
    uint32_t ref[2];
    float zero[WIDTH] = {0};
    struct bench b;
    struct shard *s[2];

    bench_fill(&b);
    b.table_optim[0].l2 = 0.1;
    b.table_optim[0].l2_scope = OPTIM_L2_TABLE;
    for (int i = 0; i < 2; i++) {
        s[i] = begin(&b);
        REQUIRE(
            !shard_resolve(s[i], 0, keys, 1, RESOLVE_TRAIN, 0, &ref[i], NULL));
    }
    for (uint64_t clock = 0; clock < 5; clock++) {
        struct shard_rows rows[2] = {{.n = 1, .refs = &ref[0], .packed = zero},
                                     {0}};
        struct shard_push push = {.tables = rows};

        REQUIRE(!shard_apply(s[0], &push, 1, clock, NULL));
    }
    CHECK(memcmp(shard_row_values(shard_base(s[0]), ref[0]),
                 shard_row_values(shard_base(s[1]), ref[1]),
                 WIDTH * sizeof(float)) != 0);
    shard_catch_up(s[1], 0, &ref[1], 1, 3);
    shard_catch_up_all(s[1], 5);
    CHECK(!memcmp(shard_row_values(shard_base(s[0]), ref[0]),
                  shard_row_values(shard_base(s[1]), ref[1]),
                  WIDTH * sizeof(float)));
    shard_destroy(s[0]);
    shard_destroy(s[1]);
}

static void a_shard_owns_its_buckets_only(void)
{
    struct fusor_error err = {0};
    uint16_t map[BUCKET_COUNT];
    struct bench b;
    struct shard *s;
    uint64_t key = 0;
    uint32_t ref;
    size_t n;

    bench_fill(&b);
    b.config.n_shards = 2;
    b.config.shard = 1;
    s = begin(&b);
    bucket_map_default(2, map);
    CHECK(map[0] == 0 && map[2047] == 0 && map[2048] == 1 && map[4095] == 1);
    while (map[bucket_of_key(0, key)] == 1)
        key++;
    CHECK(shard_resolve(s, 0, &key, 1, RESOLVE_TRAIN, 0, &ref, &err) ==
          FUSOR_EINVAL);
    CHECK(strstr(err.text, "belongs to shard 0") != NULL);
    CHECK(shard_segments(s, &n)[0].block == 0 && n == 2); // half of w, and b
    CHECK(shard_dense_size(s) == 9984 + 10 || shard_dense_size(s) == 10010);
    shard_destroy(s);
}

static void a_slab_handed_over_goes_on(void)
{
    uint64_t keys[100];
    uint32_t refs[100], found[100];
    struct shard_position position = {2, 30, 4000};
    struct fusor_error err = {0};
    struct shard *s, *next = NULL;
    struct bench b;
    float w;

    for (uint64_t i = 0; i < 100; i++)
        keys[i] = i * 1000003;
    bench_fill(&b);
    s = begin(&b);
    REQUIRE(!shard_resolve(s, 1, keys, 100, RESOLVE_TRAIN, 0, refs, NULL));
    shard_row_values(shard_base(s), refs[42])[1] = 42.0f;
    shard_set_position(s, position);
    w = shard_dense(s)[7];
    b.config.fd = dup(shard_fd(s));
    shard_destroy(s);
    b.config.job_id = 78;
    CHECK(shard_create(&b.config, &next, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "job") != NULL && next == NULL);
    b.config.job_id = 77;
    b.tables[1].width = 3;
    CHECK(shard_create(&b.config, &next, &err) == FUSOR_EDATA);
    b.tables[1].width = 2;
    REQUIRE(!shard_create(&b.config, &next, &err));
    REQUIRE(!shard_resolve(next, 1, keys, 100, RESOLVE_PEEK, 0, found, NULL));
    CHECK(!memcmp(refs, found, sizeof(refs)));
    CHECK(shard_row_values(shard_base(next), found[42])[1] == 42.0f);
    CHECK(shard_position(next).clock == 30 &&
          shard_position(next).samples_done == 4000);
    CHECK(shard_dense(next)[7] == w);
    shard_destroy(next);
}

static void pushes_out_of_order_are_refused(void)
{
    struct shard_rows rows[2] = {{0}, {0}};
    struct shard_push pushes[2] = {{.lo = 3, .tables = rows},
                                   {.lo = 3, .tables = rows}};
    struct optim_span back = {0, 0, 1.0}, later = {10, 1, 1.0};
    struct bench b;
    struct shard *s = NULL;

    bench_fill(&b);
    REQUIRE(!shard_create(&b.config, &s, NULL));
    CHECK(shard_apply(s, pushes, 1, 0, NULL) == FUSOR_EINVAL); // no epoch
    CHECK(shard_begin_span(s, &later, 0, NULL) == FUSOR_EINVAL);
    REQUIRE(!shard_begin_span(s, &back, 0, NULL));
    REQUIRE(!shard_begin_span(s, &later, 0, NULL));
    CHECK(shard_begin_span(s, &back, 0, NULL) == FUSOR_EINVAL);
    CHECK(shard_apply(s, pushes, 2, 0, NULL) == FUSOR_EINVAL);
    pushes[1].lo = 16;
    CHECK(shard_apply(s, pushes, 2, 0, NULL) == FUSOR_EINVAL);
    pushes[1].lo = 15;
    CHECK(shard_apply(s, pushes, 2, 0, NULL) == FUSOR_OK);
    CHECK(shard_apply(s, pushes, 0, 1, NULL) == FUSOR_OK);
    shard_destroy(s);
}

static void a_key_twice_in_a_push_is_added_up(void)
{
    float grad[2][3][WIDTH] = {{{1}, {2}, {4}}, {{8}, {16}, {32}}}, before;
    uint64_t key = 9;
    uint32_t refs[3];
    struct shard_rows rows[2][2];
    struct shard_push pushes[2];
    struct bench b;
    struct shard *s;

    bench_fill(&b);
    s = begin(&b);
    REQUIRE(!shard_resolve(s, 0, &key, 1, RESOLVE_TRAIN, 0, refs, NULL));
    refs[2] = refs[1] = refs[0];
    before = shard_row_values(shard_base(s), refs[0])[0];
    memset(rows, 0, sizeof(rows));
    for (uint32_t p = 0; p < 2; p++) {
        rows[p][0] =
            (struct shard_rows){.n = 3, .refs = refs, .packed = grad[p][0]};
        pushes[p] = (struct shard_push){.lo = p, .tables = rows[p]};
    }
    REQUIRE(!shard_apply(s, pushes, 2, 0, NULL));
    CHECK_CLOSE(shard_row_values(shard_base(s), refs[0])[0], before - 0.5 * 63,
                1e-5);
    shard_destroy(s);
}

#define SOURCE_ROWS 2500 /* over two blocks of width 4 */

/* Row i is i + 1 throughout. */
static void read_counts(const struct shard_source *source, uint32_t first,
                        uint32_t n, float *out)
{
    (void)source;
    for (uint32_t i = 0; i < n * WIDTH; i++)
        out[i] = (float)(first + i / WIDTH + 1);
}

static void rows_may_become_floats_as_they_are_applied(void)
{
    static uint64_t keys[SOURCE_ROWS];
    static uint32_t refs[SOURCE_ROWS];
    static float before[SOURCE_ROWS];
    struct shard_source source = {.read = read_counts};
    struct shard_rows rows[2] = {
        {.n = SOURCE_ROWS, .refs = refs, .source = &source}};
    struct shard_push push = {.tables = rows};
    unsigned wrong = 0;
    struct bench b;
    struct shard *s;

    bench_fill(&b);
    s = begin(&b);
    for (uint64_t i = 0; i < SOURCE_ROWS; i++)
        keys[i] = i * 3;
    REQUIRE(
        !shard_resolve(s, 0, keys, SOURCE_ROWS, RESOLVE_TRAIN, 0, refs, NULL));
    for (uint32_t i = 0; i < SOURCE_ROWS; i++)
        before[i] = shard_row_values(shard_base(s), refs[i])[WIDTH - 1];
    REQUIRE(!shard_apply(s, &push, 1, 0, NULL));
    for (uint32_t i = 0; i < SOURCE_ROWS; i++)
        wrong += shard_row_values(shard_base(s), refs[i])[WIDTH - 1] !=
                 before[i] - 0.5f * (float)(i + 1);
    CHECK(wrong == 0);
    CHECK(shard_counters(s).rows_applied == SOURCE_ROWS);
    shard_destroy(s);
}

static void the_cap_names_table_and_setting(void)
{
    struct fusor_error err = {0};
    enum fusor_status rc = FUSOR_OK;
    struct bench b;
    struct shard *s;
    uint32_t ref;

    bench_fill(&b);
    b.config.cap_bytes = 5 << 20;
    s = begin(&b);
    for (uint64_t k = 0; rc == FUSOR_OK && k < 200000; k++)
        rc = shard_resolve(s, 0, &k, 1, RESOLVE_TRAIN, 0, &ref, &err);
    CHECK(rc == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "memory.per_server") != NULL);
    CHECK(strstr(err.text, "table user") != NULL);
    shard_destroy(s);
    b.config.cap_bytes = 1 << 20;
    s = NULL;
    CHECK(shard_create(&b.config, &s, &err) == FUSOR_ENOMEM && s == NULL);
}

static void every_allocation_may_fail(void)
{
    struct bench b;
    struct shard *s = NULL;
    size_t used = mem_used();
    long i = 1;

    bench_fill(&b);
    for (; i < 100; i++) {
        enum fusor_status rc;

        mem_fail_after(i);
        rc = shard_create(&b.config, &s, NULL);
        mem_fail_after(0);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM && s == NULL);
        CHECK(mem_used() == used);
    }
    CHECK(i > 8 && i < 100);
    shard_destroy(s);
    CHECK(mem_used() == used);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"peeks see zeros and create nothing",
         peeks_see_zeros_and_create_nothing},
        {"a unit is one step per key and segment",
         one_step_per_key_and_segment},
        {"frozen blocks keep values and state",
         frozen_blocks_keep_values_and_state},
        {"combining pushes gives the bits of one push",
         combining_gives_the_bits_of_one_push},
        {"untouched rows are caught up where l2 covers the table",
         untouched_rows_are_caught_up},
        {"a shard owns its buckets only", a_shard_owns_its_buckets_only},
        {"a slab handed over goes on", a_slab_handed_over_goes_on},
        {"pushes out of order are refused", pushes_out_of_order_are_refused},
        {"a key twice in a push is added up",
         a_key_twice_in_a_push_is_added_up},
        {"rows may become floats as they are applied",
         rows_may_become_floats_as_they_are_applied},
        {"the cap names the table and the setting",
         the_cap_names_table_and_setting},
        {"every allocation may fail", every_allocation_may_fail},
    };

    return TEST_RUN("store.shard", cases);
}
