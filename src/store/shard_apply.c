/* Applying one unit on a shard: gradients combined per key, one optimizer step
 * per key and per segment. Rows are independent, so their order is free; what
 * is fixed is the order of the sum inside a key. */
#include <string.h>

#include "base/rng.h"
#include "store/shard_private.h"

#define AHEAD 8 /* rows a prefetch runs in front: 8 x 25 ns covers a miss */

static void prefetch_row(const struct table *t, uint32_t ref)
{
    const char *p = (const char *)table_row(t, ref);
    uint32_t bytes = t->stride < 512 ? t->stride : 512;

    for (uint32_t at = 0; at < bytes; at += 64)
        __builtin_prefetch(p + at, 1);
}

/* A row's values as floats: in place, or widened. */
static float *open_row(const struct shard *s, const struct table *t,
                       struct row *r)
{
    if (t->spec->dtype == ROW_F32)
        return r->values;
    t->bf16->widen(row_halves(t, r), s->wide, t->width);
    return s->wide;
}

/* Put widened values back. What is drawn depends on the key, the clock and the
 * purpose (a row may be caught up and stepped at one clock). */
static void close_row(const struct table *t, struct row *r, const float *values,
                      uint64_t clock, unsigned purpose)
{
    struct rng stream;

    if (t->spec->dtype == ROW_F32)
        return;
    stream = rng_stream(t->seed, RNG_ROUND, t->number, r->key);
    stream.counter = 2 * clock + purpose;
    t->bf16->round(values, row_halves(t, r), t->width, rng_u64(&stream));
}

static void row_catch_up(const struct shard *s, const struct table *t,
                         struct row *r, uint64_t clock,
                         const struct optim_timeline *timeline)
{
    float *values;

    if (r->last_clock >= clock)
        return;
    if (!s->frozen_tables[t->number]) {
        values = open_row(s, t, r);
        optim_catch_up(t->optim, values, row_state(t, r), t->width,
                       r->last_clock, clock, timeline);
        close_row(t, r, values, clock, 0);
    }
    r->last_clock = (uint32_t)clock;
}

void shard_catch_up(struct shard *s, uint32_t table, const uint32_t *refs,
                    size_t n, uint64_t clock)
{
    const struct table *t = &s->tables[table];
    struct optim_timeline timeline = shard_timeline(s);

    if (!optim_needs_catch_up(t->optim) || timeline.n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        if (refs[i])
            row_catch_up(s, t, table_row(t, refs[i]), clock, &timeline);
}

void shard_catch_up_all(struct shard *s, uint64_t clock)
{
    struct optim_timeline timeline = shard_timeline(s);

    for (uint32_t i = 0; i < s->params->n_tables && timeline.n; i++) {
        const struct table *t = &s->tables[i];

        if (!optim_needs_catch_up(t->optim))
            continue;
        for (uint64_t at = 0; at < *t->n_slots; at++) {
            struct row *r = table_row(t, table_ref_at(t, at));

            if (r->seen != ROW_FREE)
                row_catch_up(s, t, r, clock, &timeline);
        }
    }
    shard_evict_idle(s, clock);
}

/* One unit being applied. */
struct unit {
    struct shard *s;
    uint64_t clock;
    struct optim_timeline timeline;
};

static void row_apply(const struct unit *unit, const struct table *t,
                      uint32_t ref, const float *grad)
{
    struct row *r = table_row(t, ref);
    float *values;

    if (optim_needs_catch_up(t->optim))
        row_catch_up(unit->s, t, r, unit->clock, &unit->timeline);
    values = open_row(unit->s, t, r);
    optim_apply(t->optim, values, row_state(t, r), grad, t->width,
                &unit->s->steps[t->number]);
    close_row(t, r, values, unit->clock, 1);
    if (t->has_clock && r->last_clock <= unit->clock)
        r->last_clock = (uint32_t)unit->clock + 1;
}

static float *grad_at(const struct shard_rows *rows, uint32_t i, uint32_t width)
{
    return rows->grads ? rows->grads[i] : rows->packed + (size_t)i * width;
}

/* One push only: nothing to combine. */
static void apply_rows(const struct unit *unit, const struct table *t,
                       const struct shard_rows *rows)
{
    uint64_t dropped = 0;

    for (uint32_t i = 0; i < rows->n; i++) {
        if (i + AHEAD < rows->n)
            prefetch_row(t, rows->refs[i + AHEAD]);
        if (rows->refs[i])
            row_apply(unit, t, rows->refs[i], grad_at(rows, i, t->width));
        else
            dropped++;
    }
    unit->s->counters.rows_dropped += dropped;
    unit->s->counters.rows_applied += rows->n - dropped;
}

/* The same, made floats a block at a time. */
static void apply_source(const struct unit *unit, const struct table *t,
                         const struct shard_rows *rows)
{
    uint32_t block = SHARD_BLOCK / t->width + 1;
    struct shard_rows part = {.packed = unit->s->block};

    for (uint32_t at = 0; at < rows->n; at += part.n) {
        part.n = rows->n - at < block ? rows->n - at : block;
        part.refs = rows->refs + at;
        for (uint32_t i = 0; i < AHEAD && i < part.n; i++)
            prefetch_row(t, part.refs[i]);
        rows->source->read(rows->source, at, part.n, part.packed);
        apply_rows(unit, t, &part);
    }
}

static uint64_t count_rows(const struct shard_rows *rows)
{
    uint64_t n = 0;

    for (; rows; rows = rows->more)
        n += rows->n;
    return n;
}

static void combine_rows(struct shard *s, const struct table *t, unsigned lo,
                         const struct shard_rows *rows)
{
    for (uint32_t i = 0; i < rows->n; i++) {
        if (i + AHEAD < rows->n)
            __builtin_prefetch(table_row(t, rows->refs[i + AHEAD]), 1);
        if (rows->refs[i])
            combine_add(&s->combine, t, rows->refs[i], lo,
                        grad_at(rows, i, t->width));
        else
            s->counters.rows_dropped++;
    }
}

static void apply_combined(const struct unit *unit, const struct table *t,
                           const struct shard_push *pushes, size_t n)
{
    struct combine *c = &unit->s->combine;

    c->n = 0;
    for (size_t i = 0; i < n; i++)
        for (const struct shard_rows *r = &pushes[i].tables[t->number]; r;
             r = r->more)
            combine_rows(unit->s, t, pushes[i].lo, r);
    for (size_t i = 0; i < c->n; i++) {
        if (i + AHEAD < c->n)
            prefetch_row(t, c->entries[i + AHEAD].ref);
        row_apply(unit, t, c->entries[i].ref, combine_take(c, t, i));
    }
    unit->s->counters.rows_applied += c->n;
}

static void apply_table(const struct unit *unit, const struct table *t,
                        const struct shard_push *pushes, size_t n)
{
    const struct shard_rows *only = NULL;
    size_t with_rows = 0;

    for (size_t i = 0; i < n; i++) {
        const struct shard_rows *rows = &pushes[i].tables[t->number];

        if (rows->n == 0 && !rows->more)
            continue;
        only = rows;
        with_rows++;
    }
    for (; with_rows == 1 && only; only = only->more)
        if (only->source)
            apply_source(unit, t, only);
        else
            apply_rows(unit, t, only);
    if (with_rows > 1)
        apply_combined(unit, t, pushes, n);
}

void shard_set_frozen(struct shard *s, const unsigned char *frozen)
{
    if (frozen)
        memcpy(s->frozen, frozen, s->params->n_blocks);
    else
        memset(s->frozen, 0, s->params->n_blocks);
}

void shard_set_frozen_tables(struct shard *s, const unsigned char *frozen)
{
    if (frozen)
        memcpy(s->frozen_tables, frozen, s->params->n_tables);
    else
        memset(s->frozen_tables, 0, s->params->n_tables);
}

/* Everything that can fail happens here, before a row changes. */
static enum fusor_status make_room(struct shard *s,
                                   const struct shard_push *pushes, size_t n,
                                   struct fusor_error *err)
{
    uint64_t most = 0;

    for (uint32_t t = 0; n > 1 && t < s->params->n_tables; t++) {
        uint64_t rows = 0;

        for (size_t i = 0; i < n; i++)
            rows += count_rows(&pushes[i].tables[t]);
        most = rows > most ? rows : most;
    }
    if (n > 1)
        FUSOR_TRY(combine_reserve(&s->combine, (size_t)most, &s->budget, err));
    return shard_dense_room(s, pushes, n, err);
}

static enum fusor_status check_pushes(const struct shard *s,
                                      const struct shard_push *pushes, size_t n,
                                      struct fusor_error *err)
{
    if (s->slab.head->n_spans == 0)
        return fusor_fail(err, FUSOR_EINVAL,
                          "shard %u: a push before the first epoch began",
                          s->number);
    for (size_t i = 0; i < n; i++)
        if (n > TREE_LEAVES_MAX || pushes[i].lo >= TREE_LEAVES_MAX ||
            (i && pushes[i].lo <= pushes[i - 1].lo))
            return fusor_fail(err, FUSOR_EINVAL,
                              "shard %u: push %zu of %zu begins at "
                              "micro-batch %u: they must ascend below %d",
                              s->number, i + 1, n, pushes[i].lo,
                              TREE_LEAVES_MAX);
    return FUSOR_OK;
}

/* Equal specs share one step: making it costs a few powers. */
static void make_steps(struct shard *s, const struct optim *optims, size_t n,
                       uint64_t clock, struct optim_step *steps)
{
    struct optim_timeline timeline = shard_timeline(s);

    for (size_t i = 0; i < n; i++)
        if (i && !memcmp(&optims[i].spec, &optims[i - 1].spec,
                         sizeof(optims[i].spec)))
            steps[i] = steps[i - 1];
        else
            steps[i] = optim_timeline_step(&optims[i].spec, &timeline, clock);
}

enum fusor_status shard_apply(struct shard *s, const struct shard_push *pushes,
                              size_t n, uint64_t clock, struct fusor_error *err)
{
    struct unit unit = {s, clock, shard_timeline(s)};
    uint32_t n_tables = s->params->n_tables;

    FUSOR_TRY(check_pushes(s, pushes, n, err));
    FUSOR_TRY(make_room(s, pushes, n, err));
    if (n == 0)
        return FUSOR_OK;
    make_steps(s, s->table_optim, n_tables, clock, s->steps);
    make_steps(s, s->block_optim, s->params->n_blocks, clock,
               s->steps + n_tables);
    for (uint32_t t = 0; t < n_tables; t++)
        apply_table(&unit, &s->tables[t], pushes, n);
    shard_apply_dense(s, pushes, n);
    s->counters.units_applied++;
    return FUSOR_OK;
}
