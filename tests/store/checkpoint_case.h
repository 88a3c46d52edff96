/* The shards that the checkpoint tests write and read: two tables, a small and
 * a large block, contents that are a function of the key. */
#ifndef TESTS_STORE_CHECKPOINT_CASE_H
#define TESTS_STORE_CHECKPOINT_CASE_H

#include <stdint.h>
#include <string.h>

#include "store/checkpoint.h"
#include "store/shard_private.h"

#include "harness.h"

struct checkpoint_case {
    struct table_spec tables[2];
    struct block_spec blocks[3];
    struct param_spec params;
    struct optim_spec table_optim[2];
    struct optim_spec block_optim[3];
    struct shard_config config;
    uint64_t n_keys;
};

/** @param large floats of the second block */
static inline void case_fill(struct checkpoint_case *c, uint64_t large,
                             uint64_t n_keys)
{
    memset(c, 0, sizeof(*c));
    c->n_keys = n_keys;
    c->tables[0] = (struct table_spec){
        .name = "user", .width = 3, .init = INIT_ZERO, .init_scale = 0.0f};
    c->tables[1] = (struct table_spec){
        .name = "item", .width = 2, .init = INIT_ZERO, .init_scale = 0.0f};
    c->blocks[0] =
        (struct block_spec){.name = "tower.w", .size = 20, .init = INIT_ONE};
    c->blocks[1] = (struct block_spec){
        .name = "tower.big", .offset = 20, .size = large, .init = INIT_ZERO};
    c->blocks[2] = (struct block_spec){
        .name = "tower.rows", .offset = 20 + large, .size = 6};
    c->params = (struct param_spec){.seed = 3,
                                    .n_tables = 2,
                                    .tables = c->tables,
                                    .n_blocks = 3,
                                    .blocks = c->blocks,
                                    .n_dense = large + 26};
    optim_spec_default(OPTIM_ADAM, &c->table_optim[0]);
    optim_spec_default(OPTIM_ROWWISE_ADAGRAD, &c->table_optim[1]);
    optim_spec_default(OPTIM_ADAGRAD, &c->block_optim[0]);
    optim_spec_default(OPTIM_ADAM, &c->block_optim[1]);
    optim_spec_default(OPTIM_ROWWISE_ADAGRAD, &c->block_optim[2]);
    c->config = (struct shard_config){.params = &c->params,
                                      .table_optim = c->table_optim,
                                      .block_optim = c->block_optim,
                                      .n_shards = 1,
                                      .fd = -1,
                                      .job_id = 0xfeed};
}

static inline struct shard *case_shard(struct checkpoint_case *c,
                                       unsigned shard, unsigned n)
{
    struct fusor_error err = {0};
    struct shard *s = NULL;

    c->config.shard = shard;
    c->config.n_shards = n;
    if (shard_create(&c->config, &s, &err))
        CU_FAIL(err.text);
    REQUIRE(s != NULL);
    return s;
}

/* What float j of row or block `what` must be. */
static inline float case_value(uint64_t what, uint64_t j)
{
    return (float)what * 0.5f + (float)j * 0.125f - 3.0f;
}

static inline void case_write_contents(const struct checkpoint_case *c,
                                       struct shard *s)
{
    struct optim_span spans[2] = {{0, 0, 1.0}, {40, 1, 0.25}};
    struct shard_position position = {1, 50, 6400};

    for (int i = 0; i < 2; i++)
        REQUIRE(!shard_begin_span(s, &spans[i], 40, NULL));
    shard_set_position(s, position);
    for (uint32_t t = 0; t < 2; t++)
        for (uint64_t key = 0; key < c->n_keys; key++) {
            uint32_t ref;
            struct row *r;

            if (!shard_owns_key(s, t, key))
                continue;
            REQUIRE(
                !shard_resolve(s, t, &key, 1, RESOLVE_TRAIN, key, &ref, NULL));
            r = table_row(&s->tables[t], ref);
            r->last_clock = (uint32_t)key;
            r->seen = (uint32_t)key + 7;
            for (uint32_t j = 0;
                 j < s->tables[t].width + s->tables[t].state_width; j++)
                r->values[j] = case_value(key + t, j);
        }
    for (size_t i = 0; i < s->n_segments; i++) {
        const struct block_segment *seg = &s->segments[i];
        size_t n_state = shard_segment_state_size(s, i);

        for (uint64_t j = 0; j < seg->n; j++) {
            s->segment_values[i][j] = case_value(seg->block, seg->in_block + j);
            for (size_t a = 0; a < n_state / seg->n; a++)
                s->segment_state[i][a * seg->n + j] =
                    case_value(100 + a, seg->in_block + j);
        }
        if (n_state % seg->n)
            s->segment_state[i][0] = 42.0f;
    }
}

/** @param with_state 1: also state and clocks; 2: and when it was seen
 * @return floats that are not what they must be, or missing rows */
static inline uint64_t case_count_wrong(const struct checkpoint_case *c,
                                        struct shard *s, int with_state,
                                        uint64_t *n_rows)
{
    uint64_t wrong = 0;

    for (uint32_t t = 0; t < 2; t++)
        for (uint64_t key = 0; key < c->n_keys; key++) {
            const struct table *table = &s->tables[t];
            uint32_t ref, n = table->width;
            struct row *r;

            if (!shard_owns_key(s, t, key))
                continue;
            shard_resolve(s, t, &key, 1, RESOLVE_PEEK, 0, &ref, NULL);
            if (!ref) {
                wrong++;
                continue;
            }
            ++*n_rows;
            r = table_row(table, ref);
            n += with_state ? table->state_width : 0;
            wrong += with_state && r->last_clock != key;
            wrong += with_state > 1 && r->seen != key + 7;
            for (uint32_t j = 0; j < n; j++)
                wrong += r->values[j] != case_value(key + t, j);
        }
    for (size_t i = 0; i < s->n_segments; i++) {
        const struct block_segment *seg = &s->segments[i];
        size_t arrays = shard_segment_state_size(s, i) / seg->n;

        for (uint64_t j = 0; j < seg->n; j++) {
            wrong += s->segment_values[i][j] !=
                     case_value(seg->block, seg->in_block + j);
            for (size_t a = 0; with_state && a < arrays; a++)
                wrong += s->segment_state[i][a * seg->n + j] !=
                         case_value(100 + a, seg->in_block + j);
        }
        if (with_state && shard_segment_state_size(s, i) % seg->n)
            wrong += s->segment_state[i][0] != 42.0f;
    }
    return wrong;
}

/** Write ROOT/NAME from n shards. */
static inline void case_save(struct checkpoint_case *c, const char *root,
                             const char *name, unsigned n)
{
    struct checkpoint_info info = {.job_id = 0xfeed,
                                   .stage = "train",
                                   .stage_number = 2,
                                   .epoch = 1,
                                   .clock = 50,
                                   .samples_done = 6400,
                                   .metrics = "{\"auc\": 0.75}",
                                   .config = "model:\n  - \"x\": {d: 1}\n"};
    struct checkpoint_part parts[16];
    char dir[FS_PATH_MAX];

    REQUIRE(!fs_mkdirs(fs_join(dir, root, name), NULL));
    for (unsigned i = 0; i < n; i++) {
        struct shard *s = case_shard(c, i, n);

        case_write_contents(c, s);
        REQUIRE(!checkpoint_write_shard(s, dir, &parts[i], NULL));
        shard_destroy(s);
    }
    REQUIRE(!checkpoint_write_manifest(root, name, &info, parts, n, NULL));
}

#endif
