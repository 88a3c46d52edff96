/* Tests of store/shard_dense: a dense gradient and rows in any number of parts
 * come to the bits of the same in one place, for every rule. */
#include "store/shard_private.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"

#define WIDTH 5
#define ROWS 40
#define DENSE 30011
#define PUSHES 3
#define PARTS 64

static struct table_spec table = {
    .name = "emb", .width = WIDTH, .init = INIT_NORMAL, .init_scale = 0.1f};
static struct block_spec blocks[3] = {
    {.name = "w", .size = 20000},
    {.name = "small", .offset = 20000, .size = 11},
    {.name = "v", .offset = 20011, .size = 10000}};
static struct param_spec params = {.seed = 3,
                                   .n_tables = 1,
                                   .tables = &table,
                                   .n_blocks = 3,
                                   .blocks = blocks,
                                   .n_dense = DENSE};
static float grads[PUSHES][ROWS * WIDTH], dense[PUSHES][DENSE];
static struct shard_rows rows[PUSHES][ROWS];
static struct shard_part parts[PUSHES][PARTS];
static struct shard_push pushes[PUSHES];

static struct shard *begin(enum optim_kind kind, double clip)
{
    struct optim_spec optims[3];
    struct optim_span span = {0, 0, 1.0};
    struct shard_config config = {.params = &params,
                                  .table_optim = optims,
                                  .block_optim = optims,
                                  .n_shards = 1,
                                  .fd = -1};
    struct shard *s;

    for (int i = 0; i < 3; i++) {
        optim_spec_default(kind, &optims[i]);
        optims[i].clip_row = i == 2 ? clip : 0;
    }
    REQUIRE(!shard_create(&config, &s, NULL));
    REQUIRE(!shard_begin_span(s, &span, 100, NULL));
    return s;
}

/* Rows and floats of push p, cut at random places or in one. */
static void make_push(struct rng *r, int p, const uint32_t *refs, int cut)
{
    struct shard_push *out = &pushes[p];
    uint32_t at = 0, n_rows = 0, m;

    *out = (struct shard_push){.lo = (uint32_t)p, .tables = rows[p]};
    for (; at < ROWS; at += m) {
        m = cut ? 1 + (uint32_t)rng_below(r, ROWS - at) : ROWS;
        rows[p][n_rows] = (struct shard_rows){
            .n = m, .refs = refs + at, .packed = grads[p] + at * WIDTH};
        if (n_rows)
            rows[p][n_rows - 1].more = &rows[p][n_rows];
        n_rows++;
    }
    if (!cut) {
        out->dense = dense[p];
        return;
    }
    out->parts = parts[p];
    for (at = 0; at < DENSE; at += m) {
        m = 1 + (uint32_t)rng_below(r, DENSE - at);
        if (out->n_parts == PARTS - 1)
            m = DENSE - at;
        parts[p][out->n_parts++] = (struct shard_part){dense[p] + at, m};
    }
}

/* What a shard holds after a few units. */
static void run(enum optim_kind kind, double clip, int n_pushes, int cut,
                float *out)
{
    struct rng r = rng_stream(5, RNG_TEST, (uint64_t)kind, 0);
    struct rng cuts = rng_stream(6, RNG_TEST, (uint64_t)n_pushes, 0);
    struct shard *s = begin(kind, clip);
    uint64_t keys[ROWS];
    uint32_t refs[ROWS];

    for (uint32_t i = 0; i < ROWS; i++)
        keys[i] = i;
    REQUIRE(!shard_resolve(s, 0, keys, ROWS, RESOLVE_TRAIN, 0, refs, NULL));
    for (uint64_t clock = 0; clock < 2; clock++) {
        for (int p = 0; p < n_pushes; p++) {
            for (int i = 0; i < ROWS * WIDTH; i++)
                grads[p][i] = (float)rng_normal(&r);
            for (int i = 0; i < DENSE; i++)
                dense[p][i] = (float)rng_normal(&r);
            make_push(&cuts, p, refs, cut);
        }
        REQUIRE(!shard_apply(s, pushes, (size_t)n_pushes, clock, NULL));
    }
    for (uint32_t i = 0; i < ROWS; i++)
        memcpy(out + i * WIDTH, shard_row_values(shard_base(s), refs[i]),
               WIDTH * sizeof(float));
    memcpy(out + ROWS * WIDTH, shard_dense(s), DENSE * sizeof(float));
    CHECK(shard_counters(s).rows_applied == 2 * ROWS);
    shard_destroy(s);
}

static void check(enum optim_kind kind, double clip)
{
    static float whole[ROWS * WIDTH + DENSE], cut[ROWS * WIDTH + DENSE];

    for (int n = 1; n <= PUSHES; n++) {
        run(kind, clip, n, 0, whole);
        run(kind, clip, n, 1, cut);
        CHECK(!memcmp(whole, cut, sizeof(whole)));
    }
}

static void parts_come_to_the_bits_of_the_whole(void)
{
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++)
        check((enum optim_kind)kind, 0);
}

static void a_rule_that_looks_at_all_gets_all(void)
{
    check(OPTIM_SGD, 0.5); // a segment in parts is clipped by its whole norm
    check(OPTIM_ADAM, 0.5);
}

static void no_memory_for_a_sum_changes_nothing(void)
{
    struct shard *s = begin(OPTIM_ROWWISE_ADAGRAD, 0);
    struct rng r = rng_stream(1, RNG_TEST, 0, 0);
    uint64_t key = 1;
    uint32_t refs[ROWS];
    float before;

    for (int i = 0; i < ROWS; i++)
        REQUIRE(
            !shard_resolve(s, 0, &key, 1, RESOLVE_TRAIN, 0, &refs[i], NULL));
    make_push(&r, 0, refs, 1);
    REQUIRE(pushes[0].n_parts > 1);
    before = shard_dense(s)[0];
    mem_fail_after(1);
    CHECK(shard_apply(s, pushes, 1, 0, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
    CHECK(shard_dense(s)[0] == before && shard_counters(s).units_applied == 0);
    CHECK(shard_apply(s, pushes, 1, 0, NULL) == FUSOR_OK);
    shard_destroy(s);
    CHECK(mem_used() == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"parts come to the bits of the whole",
         parts_come_to_the_bits_of_the_whole},
        {"a rule that looks at all gets all",
         a_rule_that_looks_at_all_gets_all},
        {"no memory for a sum changes nothing",
         no_memory_for_a_sum_changes_nothing},
    };

    return TEST_RUN("store.shard_dense", cases);
}
