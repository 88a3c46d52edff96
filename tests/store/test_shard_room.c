/* Tests of what bounds a shard's memory: bf16 rows, admission, eviction. */
#include "store/shard_private.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "store/checkpoint.h"

#include "harness.h"

#define WIDTH 16

struct bench {
    struct table_spec table;
    struct param_spec params;
    struct optim_spec optim;
    struct shard_config config;
};

static void bench_fill(struct bench *b, enum row_dtype dtype)
{
    memset(b, 0, sizeof(*b));
    b->table = (struct table_spec){.name = "emb",
                                   .width = WIDTH,
                                   .init = INIT_NORMAL,
                                   .init_scale = 0.1f,
                                   .dtype = dtype};
    b->params =
        (struct param_spec){.seed = 3, .n_tables = 1, .tables = &b->table};
    optim_spec_default(OPTIM_ROWWISE_ADAGRAD, &b->optim);
    b->config = (struct shard_config){.params = &b->params,
                                      .table_optim = &b->optim,
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

static uint32_t find(struct shard *s, uint64_t key)
{
    uint32_t ref;

    REQUIRE(!shard_resolve(s, 0, &key, 1, RESOLVE_PEEK, 0, &ref, NULL));
    return ref;
}

/* One unit that trains n keys from `first` on with equal gradients. */
static enum fusor_status train(struct shard *s, uint64_t first, uint32_t n,
                               float grad, uint64_t clock,
                               struct fusor_error *err)
{
    static float grads[4096 * WIDTH];
    static uint64_t keys[4096];
    static uint32_t refs[4096];
    struct shard_rows rows = {.n = n, .refs = refs, .packed = grads};
    struct shard_push push = {.tables = &rows};

    for (uint32_t i = 0; i < n * WIDTH; i++)
        grads[i] = grad;
    for (uint32_t i = 0; i < n; i++)
        keys[i] = first + i;
    shard_set_floor(s, clock);
    FUSOR_TRY(shard_resolve(s, 0, keys, n, RESOLVE_TRAIN, clock, refs, err));
    FUSOR_TRY(shard_resolve(s, 0, keys, n, RESOLVE_PUSH, clock, refs, err));
    return shard_apply(s, &push, 1, clock, err);
}

static void sixteen_halves_take_48_bytes(void)
{
    struct bench b;
    struct shard *s;
    float want[WIDTH], got[WIDTH];
    uint64_t key = 5;
    uint32_t ref;

    bench_fill(&b, ROW_BF16);
    s = begin(&b);
    CHECK(s->tables[0].stride == 48 && !shard_table_is_plain(s, 0));
    REQUIRE(!shard_resolve(s, 0, &key, 1, RESOLVE_TRAIN, 0, &ref, NULL));
    shard_read_rows(s, 0, NULL, &ref, 1, got);
    param_init_fill(3, 0, INIT_NORMAL, 0.1f, key, 0, want, WIDTH);
    for (int i = 0; i < WIDTH; i++)
        CHECK(fabsf(got[i] - want[i]) <= fabsf(want[i]) * 0x1p-8f);
    ref = 0;
    shard_read_rows(s, 0, NULL, &ref, 1, got);
    CHECK(got[0] == 0.0f); // unknown, and the table admits all
    shard_destroy(s);
}

/* 200 small steps: without chance in the rounding nothing would move, for a
 * step is less than half of the last bit. The sum of steps is right within the
 * spread of 200 draws over WIDTH values. */
static void small_steps_are_not_lost(void)
{
    struct fusor_error err;
    struct bench b;
    struct shard *s;
    float before[WIDTH], after[WIDTH];
    double moved = 0;
    uint32_t ref;

    bench_fill(&b, ROW_BF16);
    b.table.init = INIT_ONE;
    optim_spec_default(OPTIM_SGD, &b.optim);
    b.optim.lr = 1;
    s = begin(&b);
    for (uint64_t clock = 0; clock < 200; clock++)
        REQUIRE(!train(s, 9, 1, 0x1p-10f, clock, &err)); // bit: 2^-8
    ref = find(s, 9);
    REQUIRE(ref != 0);
    table_initial(&s->tables[0], 9, before);
    shard_read_rows(s, 0, NULL, &ref, 1, after);
    for (int i = 0; i < WIDTH; i++)
        moved += (double)before[i] - (double)after[i];
    /* one draw has variance p (1 - p) 2^-16 with p = 1/4 */
    CHECK_CLOSE(moved / WIDTH, 200 * 0x1p-10,
                5 * sqrt(200 * 0.1875 * 0x1p-16 / WIDTH));
    shard_destroy(s);
}

/* The same units on one shard and on three: the same halves and states. */
static void halves_do_not_depend_on_the_cut(void)
{
    struct fusor_error err;
    struct bench b;
    struct shard *one, *many[3];

    bench_fill(&b, ROW_BF16);
    b.optim.l2 = 0.01;
    b.optim.l2_scope = OPTIM_L2_TABLE; // rows with a clock
    one = begin(&b);
    b.config.n_shards = 3;
    for (unsigned i = 0; i < 3; i++) {
        b.config.shard = i;
        many[i] = begin(&b);
    }
    for (uint64_t clock = 0; clock < 6; clock++)
        for (uint64_t key = clock % 2; key < 40; key += 2) {
            unsigned i = 0;

            while (!shard_owns_key(many[i], 0, key))
                i++;
            REQUIRE(!train(one, key, 1, 0.5f, clock, &err));
            REQUIRE(!train(many[i], key, 1, 0.5f, clock, &err));
        }
    shard_catch_up_all(one, 6);
    for (unsigned i = 0; i < 3; i++)
        shard_catch_up_all(many[i], 6);
    for (uint64_t key = 0; key < 40; key++) {
        unsigned i = 0;
        float a[WIDTH], c[WIDTH];
        uint32_t ref = find(one, key);

        while (!shard_owns_key(many[i], 0, key))
            i++;
        shard_read_rows(one, 0, NULL, &ref, 1, a);
        ref = find(many[i], key);
        shard_read_rows(many[i], 0, NULL, &ref, 1, c);
        CHECK(memcmp(a, c, sizeof(a)) == 0);
    }
    for (unsigned i = 0; i < 3; i++)
        shard_destroy(many[i]);
    shard_destroy(one);
}

static void the_third_unit_gives_a_row(void)
{
    struct fusor_error err;
    struct bench b;
    struct shard *s;
    float initial[WIDTH], got[WIDTH];
    uint64_t key = 4;
    uint32_t ref = 0;

    bench_fill(&b, ROW_F32);
    b.table.admit_count = 3;
    s = begin(&b);
    param_init_fill(3, 0, INIT_NORMAL, 0.1f, key, 0, initial, WIDTH);
    for (uint64_t clock = 10; clock < 12; clock++) {
        REQUIRE(!train(s, key, 1, 1.0f, clock, &err));
        REQUIRE(!train(s, key, 1, 1.0f, clock, &err)); // another worker's
        CHECK(find(s, key) == 0);
    }
    CHECK(shard_counters(s).stubs == 1 && shard_counters(s).rows == 0);
    CHECK(shard_counters(s).rows_dropped == 4);
    shard_read_rows(s, 0, &key, &ref, 1, got);
    CHECK(memcmp(got, initial, sizeof(got)) == 0); // not zeros
    REQUIRE(!train(s, key, 1, 1.0f, 12, &err));
    ref = find(s, key);
    REQUIRE(ref != 0);
    shard_read_rows(s, 0, &key, &ref, 1, got);
    CHECK(got[0] < initial[0]); // its gradient counts
    CHECK(shard_counters(s).stubs == 0 && shard_counters(s).rows == 1);
    shard_destroy(s);
}

/* Chance 0.2 in each of 10 units: 1 - 0.8^10 = 0.8926 of the keys get in. */
static void chance_gives_rows(void)
{
    struct fusor_error err;
    struct bench b;
    struct shard *s;
    double share;

    bench_fill(&b, ROW_F32);
    b.table.admit_probability = 0.2f;
    s = begin(&b);
    for (uint64_t clock = 0; clock < 10; clock++)
        REQUIRE(!train(s, 0, 2000, 1.0f, clock, &err));
    share = (double)shard_counters(s).rows / 2000;
    CHECK_CLOSE(share, 0.8926, 5 * sqrt(0.8926 * 0.1074 / 2000));
    CHECK(shard_counters(s).stubs == 0);
    shard_destroy(s);
}

static void idle_rows_go_at_cuts(void)
{
    struct fusor_error err;
    struct bench b;
    struct shard *s;

    bench_fill(&b, ROW_BF16);
    b.config.idle = 5;
    s = begin(&b);
    REQUIRE(!train(s, 0, 100, 1.0f, 0, &err));
    REQUIRE(!train(s, 50, 100, 1.0f, 4, &err));
    shard_catch_up_all(s, 5);
    CHECK(shard_counters(s).rows == 150);
    shard_catch_up_all(s, 6);
    CHECK(shard_counters(s).rows == 100 &&
          shard_counters(s).rows_evicted == 50);
    CHECK(find(s, 49) == 0 && find(s, 50) != 0);
    REQUIRE(!train(s, 1000, 50, 1.0f, 7, &err)); // takes their slots
    CHECK(*s->tables[0].n_slots == 150);
    shard_destroy(s);
}

/* A cap of three extents of rows; keys come in order, the last 4096 of a unit
 * are in use. */
static void the_cap_drives_out(enum store_when_full how)
{
    struct fusor_error err = {0};
    struct bench b;
    struct shard *s;
    uint64_t n = 0;

    bench_fill(&b, ROW_BF16);
    b.config.cap_bytes = 6 << 20;
    b.config.when_full = how;
    s = begin(&b);
    for (uint64_t clock = 0; clock < 60; clock++, n += 4096) {
        enum fusor_status rc =
            train(s, n, 4096, 1.0f + (float)clock, clock, &err);

        if (rc != FUSOR_OK)
            CU_FAIL(err.text);
        REQUIRE(rc == FUSOR_OK);
        CHECK(s->budget.used <= b.config.cap_bytes);
        for (uint64_t key = n; key < n + 4096; key += 97)
            CHECK(find(s, key) != 0); // what a unit uses stays
    }
    CHECK(shard_counters(s).rows_evicted > 0);
    CHECK(shard_counters(s).rows + shard_counters(s).rows_evicted == n);
    if (how == STORE_EVICT_OLDEST)
        CHECK(find(s, 0) == 0 && find(s, n - 2 * 4096) != 0);
    shard_destroy(s);
}

static void the_oldest_go(void)
{
    the_cap_drives_out(STORE_EVICT_OLDEST);
}

static void the_lowest_go(void)
{
    the_cap_drives_out(STORE_EVICT_LOWEST);
}

/* Keys of one call are made one after the other; none goes for the next. */
static void rows_of_a_unit_below_the_floor_stay(void)
{
    static uint64_t keys[4096];
    static uint32_t refs[4096];
    struct fusor_error err = {0};
    uint64_t clock = 0, gone = 0;
    struct bench b;
    struct shard *s;

    bench_fill(&b, ROW_BF16);
    b.config.cap_bytes = 6 << 20;
    b.config.when_full = STORE_EVICT_OLDEST;
    s = begin(&b);
    for (; clock < 60 && shard_counters(s).rows_evicted == 0; clock++)
        REQUIRE(!train(s, clock * 4096, 4096, 1.0f, clock, &err));
    for (uint32_t i = 0; i < 4096; i++)
        keys[i] = 1000000 + i;
    shard_set_floor(s, 1000);
    REQUIRE(!shard_resolve(s, 0, keys, 4096, RESOLVE_TRAIN, 1, refs, &err));
    for (uint32_t i = 0; i < 4096; i++)
        gone += find(s, keys[i]) != refs[i];
    CHECK(gone == 0);
    shard_destroy(s);
}

static void without_eviction_the_cap_is_an_error(void)
{
    struct fusor_error err = {0};
    enum fusor_status rc = FUSOR_OK;
    struct bench b;
    struct shard *s;

    bench_fill(&b, ROW_BF16);
    b.config.cap_bytes = 6 << 20;
    s = begin(&b);
    for (uint64_t clock = 0; rc == FUSOR_OK && clock < 60; clock++)
        rc = train(s, clock * 4096, 4096, 1.0f, clock, &err);
    CHECK(rc == FUSOR_ENOMEM && strstr(err.text, "memory.per_server"));
    shard_destroy(s);
}

/* Free slots are known again after a hand-over. */
static void free_slots_survive_a_hand_over(void)
{
    struct fusor_error err;
    struct bench b;
    struct shard *s, *next;

    bench_fill(&b, ROW_BF16);
    b.table.admit_count = 2;
    b.config.idle = 1;
    s = begin(&b);
    for (uint64_t clock = 0; clock < 2; clock++)
        REQUIRE(!train(s, 0, 100, 1.0f, clock, &err));
    REQUIRE(!train(s, 80, 40, 1.0f, 2, &err)); // 20 are counted once
    shard_catch_up_all(s, 3);
    CHECK(shard_counters(s).rows == 20 && shard_counters(s).stubs == 20);
    b.config.fd = dup(shard_fd(s));
    next = begin(&b);
    CHECK(shard_counters(next).rows == 20 && shard_counters(next).stubs == 20);
    CHECK(next->tables[0].n_free == 80);
    CHECK(find(next, 79) == 0 && find(next, 80) != 0);
    shard_destroy(next);
    shard_destroy(s);
}

/* Written by two shards, read by three: halves, states, counts. */
static void checkpoints_keep_halves_and_counts(void)
{
    struct checkpoint_info info = {
        .job_id = 77, .stage = "train", .epoch = 1, .clock = 4};
    struct checkpoint_part parts[2];
    char root[FS_PATH_MAX], dir[FS_PATH_MAX];
    struct shard *from[2], *to[3];
    struct checkpoint *cp = NULL;
    uint64_t rows = 0, stubs = 0;
    struct fusor_error err;
    struct bench b;

    bench_fill(&b, ROW_BF16);
    b.table.admit_count = 2;
    fs_join(root, test_tmpdir(), "halves");
    REQUIRE(!fs_mkdirs(fs_join(dir, root, "a"), NULL));
    b.config.n_shards = 2;
    for (unsigned i = 0; i < 2; i++) {
        b.config.shard = i;
        from[i] = begin(&b);
        for (uint64_t key = 0; key < 200; key++)
            for (uint64_t clock = 0; clock < 1 + key % 4; clock++)
                if (shard_owns_key(from[i], 0, key))
                    REQUIRE(!train(from[i], key, 1, 1.0f, clock, &err));
        shard_set_position(from[i], (struct shard_position){1, 4, 0});
        REQUIRE(!checkpoint_write_shard(from[i], dir, &parts[i], NULL));
    }
    REQUIRE(!checkpoint_write_manifest(root, "a", &info, parts, 2, NULL));
    REQUIRE(!checkpoint_open(dir, &cp, NULL));
    CHECK(checkpoint_n_rows(cp, "emb") == 150);
    b.config.n_shards = 3;
    for (unsigned i = 0; i < 3; i++) {
        b.config.shard = i;
        REQUIRE(!shard_create(&b.config, &to[i], NULL));
        REQUIRE(!checkpoint_load_shard(cp, to[i], CHECKPOINT_RESUME, &err));
        rows += shard_counters(to[i]).rows;
        stubs += shard_counters(to[i]).stubs;
    }
    CHECK(rows == 150 && stubs == 50);
    for (uint64_t key = 0; key < 200; key++) {
        unsigned i = shard_owns_key(from[0], 0, key) ? 0 : 1, k = 0;
        uint32_t a = find(from[i], key), c;

        while (!shard_owns_key(to[k], 0, key))
            k++;
        c = find(to[k], key);
        CHECK(!a == !c);
        if (!a)
            continue;
        CHECK(!memcmp(
            row_halves(&from[i]->tables[0], table_row(&from[i]->tables[0], a)),
            row_halves(&to[k]->tables[0], table_row(&to[k]->tables[0], c)),
            WIDTH * sizeof(uint16_t)));
        CHECK(*row_state(&from[i]->tables[0],
                         table_row(&from[i]->tables[0], a)) ==
              *row_state(&to[k]->tables[0], table_row(&to[k]->tables[0], c)));
        CHECK(table_row(&from[i]->tables[0], a)->seen ==
              table_row(&to[k]->tables[0], c)->seen);
    }
    checkpoint_close(cp);
    for (unsigned i = 0; i < 3; i++)
        shard_destroy(to[i]);
    for (unsigned i = 0; i < 2; i++)
        shard_destroy(from[i]);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"sixteen halves under rowwise_adagrad take 48 bytes",
         sixteen_halves_take_48_bytes},
        {"steps below half of the last bit are not lost",
         small_steps_are_not_lost},
        {"halves do not depend on the cut over shards",
         halves_do_not_depend_on_the_cut},
        {"the third unit gives a key its row", the_third_unit_gives_a_row},
        {"chance gives rows", chance_gives_rows},
        {"idle rows go at cuts and their slots are used again",
         idle_rows_go_at_cuts},
        {"under the cap the oldest go, never what is in use", the_oldest_go},
        {"under the cap the lowest go", the_lowest_go},
        {"rows of a unit below the floor stay",
         rows_of_a_unit_below_the_floor_stay},
        {"without eviction the cap is an error",
         without_eviction_the_cap_is_an_error},
        {"free slots and counts survive a hand-over",
         free_slots_survive_a_hand_over},
        {"checkpoints keep halves and counts over another cut",
         checkpoints_keep_halves_and_counts},
    };

    return TEST_RUN("store.shard_room", cases);
}
