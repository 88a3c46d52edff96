/* A shard put together: tables, segments, optimizers over one slab; look-up
 * and creation of rows. Applying gradients: shard_apply.c. */
#include "store/shard.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/shard_private.h"

#define RESOLVE_PIECE 256 /* keys whose rows are still in the first caches */
#define AHEAD 8           /* rows a prefetch runs in front */

_Static_assert(SHARD_SPANS_MAX == SLAB_SPANS_MAX, "one limit, two names");

static int config_is_sound(const struct shard_config *c)
{
    return c->params && c->params->n_tables <= PARAM_MAX_TABLES &&
           c->n_shards >= 1 && c->n_shards <= SHARD_MAX &&
           c->shard < c->n_shards && !(c->dense && c->fd >= 0);
}

static enum fusor_status init_optims(struct shard *s,
                                     const struct shard_config *c,
                                     struct fusor_error *err)
{
    const struct param_spec *p = c->params;

    for (uint32_t i = 0; i < p->n_tables; i++)
        FUSOR_TRY(fusor_wrap(
            err, optim_init(&s->table_optim[i], &c->table_optim[i], err),
            "table %s", p->tables[i].name));
    for (uint32_t i = 0; i < p->n_blocks; i++)
        FUSOR_TRY(fusor_wrap(
            err, optim_init(&s->block_optim[i], &c->block_optim[i], err),
            "block %s", p->blocks[i].name));
    return FUSOR_OK;
}

static enum fusor_status plan_segments(struct shard *s, struct fusor_error *err)
{
    uint32_t n = s->params->n_blocks;
    unsigned char *whole = mem_alloc(n, 1);

    s->segments = mem_alloc(n, sizeof(*s->segments));
    s->segment_values = mem_alloc(n, sizeof(*s->segment_values));
    s->segment_state = mem_alloc(n, sizeof(*s->segment_state));
    if (!whole || !s->segments || !s->segment_values || !s->segment_state) {
        mem_free(whole);
        return mem_fail(err, "segments of blocks", n * sizeof(*s->segments));
    }
    for (uint32_t b = 0; b < n; b++)
        whole[b] = !optim_elementwise(&s->block_optim[b].spec);
    s->n_segments =
        block_slice_plan(s->params, whole, s->n_shards, s->number, s->segments);
    for (size_t i = 0; i < s->n_segments; i++)
        s->dense_size += s->segments[i].n;
    mem_free(whole);
    return FUSOR_OK;
}

size_t shard_segment_state_size(const struct shard *s, size_t i)
{
    const struct block_segment *seg = &s->segments[i];

    return optim_state_width(&s->block_optim[seg->block].spec, (size_t)seg->n);
}

static uint64_t round_line(uint64_t floats)
{
    return (floats + 15) & ~(uint64_t)15;
}

/* Packed values first (unless they live outside), then state by segment. */
static enum fusor_status place_dense(struct shard *s, struct fusor_error *err)
{
    uint64_t floats = s->flat ? 0 : round_line(s->dense_size);
    struct slab_head *head = s->slab.head;
    uint64_t at, n;
    float *base;

    for (size_t i = 0; i < s->n_segments; i++)
        floats += round_line(shard_segment_state_size(s, i));
    n = (floats * sizeof(float) + SLAB_EXTENT_BYTES - 1) / SLAB_EXTENT_BYTES;
    if (n && !head->dense_offset)
        FUSOR_TRY(
            slab_extend(&s->slab, SLAB_DENSE, n, &head->dense_offset, err));
    base = (float *)(void *)(s->slab.base + head->dense_offset);
    at = s->flat ? 0 : round_line(s->dense_size);
    for (size_t i = 0; i < s->n_segments; i++) {
        const struct block_segment *seg = &s->segments[i];

        s->segment_values[i] =
            s->flat ? s->flat + seg->offset : base + seg->packed;
        s->segment_state[i] = base + at;
        at += round_line(shard_segment_state_size(s, i));
    }
    return FUSOR_OK;
}

static void fill_dense(struct shard *s)
{
    const struct param_spec *p = s->params;

    for (size_t i = 0; i < s->n_segments; i++) {
        const struct block_segment *seg = &s->segments[i];
        const struct block_spec *block = &p->blocks[seg->block];

        param_init_fill(p->seed, p->n_tables + seg->block, block->init,
                        block->init_scale, 0, seg->in_block,
                        s->segment_values[i], (size_t)seg->n);
        optim_init_state(&s->block_optim[seg->block], s->segment_values[i],
                         s->segment_state[i], (size_t)seg->n);
    }
}

/* What must be equal for a slab to be read: widths, rules, plan. */
static uint64_t shape_hash(const struct shard *s)
{
    uint64_t h = hash_mix(s->n_shards * 65536u + s->number);

    for (uint32_t i = 0; i < s->params->n_tables; i++)
        h = hash_mix(h ^ ((uint64_t)s->params->tables[i].width << 8 |
                          (uint64_t)s->table_optim[i].spec.kind |
                          (uint64_t)s->params->tables[i].dtype << 4));
    for (uint32_t i = 0; i < s->params->n_blocks; i++)
        h = hash_mix(h ^ (s->params->blocks[i].size << 8 |
                          (uint64_t)s->block_optim[i].spec.kind));
    return hash_bytes(s->bucket_map, sizeof(s->bucket_map), h);
}

static enum fusor_status check_slab(struct shard *s,
                                    const struct shard_config *c,
                                    struct fusor_error *err)
{
    struct slab_head *head = s->slab.head;

    if (c->fd < 0) {
        head->job_id = c->job_id;
        head->shape = shape_hash(s);
        return FUSOR_OK;
    }
    if (head->job_id != c->job_id)
        return fusor_fail(err, FUSOR_EDATA,
                          "shard %u: the slab is of job %016llx, this is "
                          "job %016llx",
                          s->number, (unsigned long long)head->job_id,
                          (unsigned long long)c->job_id);
    if (head->shape != shape_hash(s) || head->n_spans > SLAB_SPANS_MAX)
        return fusor_fail(err, FUSOR_EDATA,
                          "shard %u: the slab has other tables, blocks or "
                          "buckets than this job",
                          s->number);
    return FUSOR_OK;
}

static enum fusor_status init_tables(struct shard *s, struct fusor_error *err)
{
    for (uint32_t i = 0; i < s->params->n_tables; i++) {
        FUSOR_TRY(table_init(&s->tables[i], s->params, i, &s->table_optim[i],
                             &s->slab, err));
        if (table_has_stubs(&s->tables[i]))
            FUSOR_TRY(
                table_init_stubs(&s->stubs[i], s->params, i, &s->slab, err));
    }
    return FUSOR_OK;
}

static enum fusor_status fill(struct shard *s, const struct shard_config *c,
                              struct fusor_error *err)
{
    uint32_t n_tables = c->params->n_tables, n_blocks = c->params->n_blocks;
    uint32_t widest = 0;

    for (uint32_t i = 0; i < n_tables; i++)
        if (c->params->tables[i].width > widest)
            widest = c->params->tables[i].width;
    s->wide = mem_alloc(widest, sizeof(*s->wide));
    s->block = mem_alloc_raw((size_t)SHARD_BLOCK + widest, sizeof(*s->block));
    s->tables = mem_alloc(n_tables, sizeof(*s->tables));
    s->stubs = mem_alloc(n_tables, sizeof(*s->stubs));
    s->table_optim = mem_alloc(n_tables, sizeof(*s->table_optim));
    s->block_optim = mem_alloc(n_blocks, sizeof(*s->block_optim));
    s->steps = mem_alloc((size_t)n_tables + n_blocks, sizeof(*s->steps));
    s->frozen = mem_alloc(n_blocks, 1);
    s->frozen_tables = mem_alloc(n_tables, 1);
    if (!s->frozen || !s->frozen_tables || !s->tables || !s->stubs ||
        !s->wide || !s->block || !s->table_optim || !s->block_optim ||
        !s->steps)
        return mem_fail(err, "shard", n_tables * sizeof(*s->tables));
    FUSOR_TRY(init_optims(s, c, err));
    FUSOR_TRY(plan_segments(s, err));
    FUSOR_TRY(slab_init(&s->slab, c->fd, c->huge, c->near, &s->budget, err));
    FUSOR_TRY(check_slab(s, c, err));
    FUSOR_TRY(place_dense(s, err));
    if (c->fd < 0)
        fill_dense(s);
    return init_tables(s, err);
}

enum fusor_status shard_create(const struct shard_config *config,
                               struct shard **out, struct fusor_error *err)
{
    enum fusor_status rc;
    struct shard *s;

    if (!config_is_sound(config))
        return fusor_fail(err, FUSOR_EINVAL, "shard %u of %u: bad config",
                          config->shard, config->n_shards);
    s = mem_alloc(1, sizeof(*s));
    if (!s)
        return mem_fail(err, "shard", sizeof(*s));
    s->params = config->params;
    s->number = config->shard;
    s->n_shards = config->n_shards;
    s->flat = config->dense;
    s->when_full = config->when_full;
    s->idle = config->idle;
    s->slab.fd = -1;
    s->budget = (struct budget){config->cap_bytes, 0, config->shard};
    if (config->bucket_map)
        memcpy(s->bucket_map, config->bucket_map, sizeof(s->bucket_map));
    else
        bucket_map_default(config->n_shards, s->bucket_map);
    rc = fill(s, config, err);
    if (rc != FUSOR_OK) {
        if (config->fd >= 0)
            s->slab.fd = -1; // still the caller's
        shard_destroy(s);
        return rc;
    }
    *out = s;
    return FUSOR_OK;
}

void shard_destroy(struct shard *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->tables && i < s->params->n_tables; i++)
        table_clear(&s->tables[i]);
    for (uint32_t i = 0; s->stubs && i < s->params->n_tables; i++)
        table_clear(&s->stubs[i]);
    slab_clear(&s->slab);
    combine_clear(&s->combine);
    mem_free(s->dense_sum);
    mem_free(s->frozen);
    mem_free(s->frozen_tables);
    mem_free(s->segment_state);
    mem_free(s->segment_values);
    mem_free(s->segments);
    mem_free(s->steps);
    mem_free(s->block_optim);
    mem_free(s->table_optim);
    mem_free(s->wide);
    mem_free(s->block);
    mem_free(s->stubs);
    mem_free(s->tables);
    mem_free(s);
}

enum fusor_status shard_begin_span(struct shard *s,
                                   const struct optim_span *span,
                                   uint64_t units_per_epoch,
                                   struct fusor_error *err)
{
    struct slab_head *head = s->slab.head;
    uint64_t n = head->n_spans;
    uint64_t last = n ? head->spans[n - 1].from_clock : 0;

    if (span->from_clock < last || (n == 0 && span->from_clock != 0))
        return fusor_fail(err, FUSOR_EINVAL,
                          "shard %u: an epoch begins at clock %llu after one "
                          "at %llu",
                          s->number, (unsigned long long)span->from_clock,
                          (unsigned long long)last);
    if (n && span->from_clock == last)
        n--;
    if (n == SLAB_SPANS_MAX)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "shard %u: over %d epochs and plateau strikes",
                          s->number, SLAB_SPANS_MAX);
    head->spans[n] = *span;
    head->n_spans = n + 1;
    head->units_per_epoch = units_per_epoch;
    return FUSOR_OK;
}

enum fusor_status shard_forget_rows(struct shard *s, struct fusor_error *err)
{
    for (uint32_t i = 0; i < s->params->n_tables; i++) {
        *s->tables[i].n_slots = 0;
        FUSOR_TRY(table_rebuild(&s->tables[i], err));
        if (!table_has_stubs(&s->tables[i]))
            continue;
        *s->stubs[i].n_slots = 0;
        FUSOR_TRY(table_rebuild(&s->stubs[i], err));
    }
    return FUSOR_OK;
}

struct optim_timeline shard_timeline(const struct shard *s)
{
    const struct slab_head *head = s->slab.head;

    return (struct optim_timeline){head->spans, (size_t)head->n_spans,
                                   head->units_per_epoch};
}

int shard_owns_key(const struct shard *s, uint32_t table, uint64_t key)
{
    return s->bucket_map[bucket_of_key(table, key)] == s->number;
}

static enum fusor_status check_owner(const struct shard *s,
                                     const struct table *t, uint64_t key,
                                     struct fusor_error *err)
{
    if (shard_owns_key(s, t->number, key))
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EINVAL,
                      "shard %u: key %llu of table %s belongs to shard %u",
                      s->number, (unsigned long long)key, t->spec->name,
                      s->bucket_map[bucket_of_key(t->number, key)]);
}

/* A unit below the floor comes again: its rows stay until the floor moves. */
static void mark_seen(const struct shard *s, const struct table *t,
                      const uint32_t *refs, size_t n, uint64_t clock)
{
    uint64_t at = clock > s->floor ? clock : s->floor;
    uint32_t now = (uint32_t)(at < ROW_SEEN_MAX ? at : ROW_SEEN_MAX);

    for (size_t i = 0; i < n; i++) {
        struct row *r = table_row(t, refs[i]);

        if (refs[i] && r->seen < now)
            r->seen = now;
    }
}

static enum fusor_status make_missing(struct shard *s, struct table *t,
                                      const uint64_t *keys, size_t n,
                                      enum resolve_mode mode, uint64_t clock,
                                      uint32_t *refs, struct fusor_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (refs[i])
            continue;
        FUSOR_TRY(check_owner(s, t, keys[i], err));
        if (!table_admits(t))
            FUSOR_TRY(shard_insert(s, t, keys[i], clock, &refs[i], err));
        else if (mode == RESOLVE_PUSH)
            FUSOR_TRY(shard_admit(s, t, keys[i], clock, &refs[i], err));
        mark_seen(s, t, &refs[i], 1, clock); // nor by the next of these
    }
    return FUSOR_OK;
}

enum fusor_status shard_resolve(struct shard *s, uint32_t table,
                                const uint64_t *keys, size_t n,
                                enum resolve_mode mode, uint64_t clock,
                                uint32_t *refs, struct fusor_error *err)
{
    struct table *t = &s->tables[table];

    for (size_t at = 0; at < n; at += RESOLVE_PIECE) {
        size_t m = n - at < RESOLVE_PIECE ? n - at : RESOLVE_PIECE;
        size_t found = table_find(t, keys + at, m, refs + at);

        if (mode == RESOLVE_PEEK)
            continue;
        mark_seen(s, t, refs + at, m, clock); // before anything is evicted
        if (found < m)
            FUSOR_TRY(
                make_missing(s, t, keys + at, m, mode, clock, refs + at, err));
    }
    if (mode == RESOLVE_TRAIN)
        s->counters.rows_resolved += n;
    return FUSOR_OK;
}

void shard_set_floor(struct shard *s, uint64_t clock)
{
    if (clock > s->floor)
        s->floor = clock;
}

int shard_table_admits(const struct shard *s, uint32_t table)
{
    return table_admits(&s->tables[table]);
}

int shard_table_is_plain(const struct shard *s, uint32_t table)
{
    const struct table *t = &s->tables[table];

    return t->spec->dtype == ROW_F32 && !table_admits(t);
}

void shard_prefetch_values(const struct shard *s, uint32_t table, uint32_t ref)
{
    const struct table *t = &s->tables[table];
    const char *p = (const char *)table_row(t, ref) + t->values_at;
    uint32_t bytes = t->width * (t->spec->dtype == ROW_BF16 ? 2 : 4);

    for (uint32_t at = 0; at < bytes; at += 64)
        __builtin_prefetch(p + at);
    __builtin_prefetch(p + bytes - 1);
}

void shard_read_rows(const struct shard *s, uint32_t table,
                     const uint64_t *keys, const uint32_t *refs, size_t n,
                     float *out)
{
    const struct table *t = &s->tables[table];

    for (size_t i = 0; i < n; i++, out += t->width) {
        if (i + AHEAD < n)
            shard_prefetch_values(s, table, refs[i + AHEAD]);
        if (refs[i])
            table_read(t, refs[i], out);
        else if (table_admits(t))
            table_initial(t, keys[i], out);
        else
            memset(out, 0, t->width * sizeof(*out));
    }
}

unsigned char *shard_base(const struct shard *s)
{
    return s->slab.base;
}

int shard_ref_is_valid(const struct shard *s, uint32_t table, uint32_t ref)
{
    return table < s->params->n_tables &&
           (ref == 0 || table_owns_ref(&s->tables[table], ref));
}

const struct block_segment *shard_segments(const struct shard *s, size_t *n)
{
    *n = s->n_segments;
    return s->segments;
}

uint64_t shard_dense_size(const struct shard *s)
{
    return s->dense_size;
}

const float *shard_dense(const struct shard *s)
{
    if (s->flat || s->n_segments == 0)
        return NULL;
    return s->segment_values[0];
}

struct budget *shard_budget(struct shard *s)
{
    return &s->budget;
}

int shard_fd(const struct shard *s)
{
    return s->slab.fd;
}

struct shard_position shard_position(const struct shard *s)
{
    const struct slab_head *head = s->slab.head;

    return (struct shard_position){head->epoch, head->clock,
                                   head->samples_done};
}

void shard_set_position(struct shard *s, struct shard_position position)
{
    s->slab.head->epoch = position.epoch;
    s->slab.head->clock = position.clock;
    s->slab.head->samples_done = position.samples_done;
}

struct shard_counters shard_counters(const struct shard *s)
{
    struct shard_counters c = s->counters;

    for (uint32_t i = 0; i < s->params->n_tables; i++) {
        c.rows += table_n_rows(&s->tables[i]);
        c.index_bytes += table_index_bytes(&s->tables[i]);
        if (!table_has_stubs(&s->tables[i]))
            continue;
        c.stubs += table_n_rows(&s->stubs[i]);
        c.index_bytes += table_index_bytes(&s->stubs[i]);
    }
    c.slab_bytes = s->slab.head->n_extents * SLAB_EXTENT_BYTES;
    c.scratch_bytes = s->budget.used - c.slab_bytes - c.index_bytes;
    c.huge_wanted = s->slab.huge_wanted;
    c.huge_got = s->slab.huge_got;
    return c;
}
