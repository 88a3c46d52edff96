/* Applying one unit on a shard: gradients combined per key, one optimizer step
 * per key and per segment. Rows are independent, so their order is free; what
 * is fixed is the order of the sum inside a key. */
#include <string.h>

#include "base/rng.h"
#include "store/shard_private.h"

#define AHEAD 16       /* rows a prefetch runs in front: 16 x 10 ns, a miss */
#define FETCH_MOST 512 /* bytes of a row that are fetched ahead */
#define BLOCK 64       /* rows that stay in the cache between two passes */

/* What the rounding of a table's rows draws from in one unit. A row may be
 * caught up and stepped at one clock: purpose tells them apart. */
enum purpose { CATCH_UP, STEP };

static uint64_t unit_stream(const struct table *t, uint64_t clock,
                            enum purpose purpose)
{
    struct rng stream = rng_stream(t->seed, RNG_ROUND, t->number, purpose);

    stream.counter = clock;
    return rng_u64(&stream);
}

/* In place, or over floats: the units missed are one change to round. */
static void row_move(const struct shard *s, const struct table *t,
                     struct row *r, uint64_t clock,
                     const struct optim_timeline *timeline)
{
    if (t->spec->dtype == ROW_F32) {
        optim_catch_up(t->optim, r->values, row_state(t, r), t->width,
                       r->last_clock, clock, timeline);
        return;
    }
    t->bf16->widen(row_halves(t, r), s->wide, t->width);
    optim_catch_up(t->optim, s->wide, row_state(t, r), t->width, r->last_clock,
                   clock, timeline);
    t->bf16->round(s->wide, row_halves(t, r), t->width,
                   optim_stream(unit_stream(t, clock, CATCH_UP), r->key));
}

static void row_catch_up(const struct shard *s, const struct table *t,
                         struct row *r, uint64_t clock,
                         const struct optim_timeline *timeline)
{
    if (r->last_clock >= clock)
        return;
    if (!s->frozen_tables[t->number])
        row_move(s, t, r, clock, timeline);
    r->last_clock = (uint32_t)clock;
}

static void catch_up(const struct shard *s, const struct table *t,
                     const uint32_t *refs, size_t n, uint64_t clock,
                     const struct optim_timeline *timeline)
{
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            table_prefetch(t, refs[i + AHEAD], t->values_end);
        if (refs[i])
            row_catch_up(s, t, table_row(t, refs[i]), clock, timeline);
    }
}

void shard_catch_up(struct shard *s, uint32_t table, const uint32_t *refs,
                    size_t n, uint64_t clock)
{
    const struct table *t = &s->tables[table];
    struct optim_timeline timeline = shard_timeline(s);

    if (optim_needs_catch_up(t->optim) && timeline.n)
        catch_up(s, t, refs, n, clock, &timeline);
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
    struct optim_rows rows; // of the table at hand
};

static void open_table(struct unit *unit, const struct table *t)
{
    int halves = t->spec->dtype == ROW_BF16;
    uint32_t clock_at = offsetof(struct row, last_clock);

    unit->rows = (struct optim_rows){
        .base = t->slab->base,
        .width = t->width,
        .halves = halves,
        .bytes = t->stride < FETCH_MOST ? t->stride : FETCH_MOST,
        .values_at = t->values_at,
        .state_at = t->state_at,
        .clock_at = t->has_clock ? clock_at : 0,
        .clock = (uint32_t)unit->clock + 1,
        .scratch = unit->s->wide,
        .stream = halves ? unit_stream(t, unit->clock, STEP) : 0};
}

/* A row that is caught up first is in the cache when its step comes.
 * @param refs [n], packed, grads: see struct optim_rows */
static void apply_some(const struct unit *unit, const struct table *t,
                       const uint32_t *refs, size_t n, const float *packed,
                       float *const *grads)
{
    int behind = optim_needs_catch_up(t->optim);
    struct optim_rows rows = unit->rows;

    for (size_t at = 0; at < n; at += rows.n) {
        rows.n = behind && n - at > BLOCK ? BLOCK : n - at;
        rows.refs = refs + at;
        rows.packed = packed ? packed + at * t->width : NULL;
        rows.grads = grads ? grads + at : NULL;
        if (behind)
            catch_up(unit->s, t, rows.refs, rows.n, unit->clock,
                     &unit->timeline);
        optim_apply_rows(t->optim, &rows, &unit->s->steps[t->number]);
    }
}

/* One push only: nothing to combine. */
static void apply_rows(const struct unit *unit, const struct table *t,
                       const struct shard_rows *rows)
{
    uint64_t dropped = 0;

    apply_some(unit, t, rows->refs, rows->n, rows->packed, rows->grads);
    for (uint32_t i = 0; i < rows->n; i++)
        dropped += rows->refs[i] == 0;
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
            table_prefetch(t, part.refs[i], unit->rows.bytes);
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

static float *grad_at(const struct shard_rows *rows, uint32_t i, uint32_t width)
{
    return rows->grads ? rows->grads[i] : rows->packed + (size_t)i * width;
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

/* Some entries of the sum, from the i-th on. @return how many */
static size_t apply_entries(const struct unit *unit, const struct table *t,
                            size_t i)
{
    struct combine *c = &unit->s->combine;
    size_t n = c->n - i < BLOCK ? c->n - i : BLOCK;
    uint32_t refs[BLOCK];
    float *grads[BLOCK];

    for (size_t k = 0; k < n; k++) {
        if (i + k + AHEAD < c->n)
            table_prefetch(t, c->entries[i + k + AHEAD].ref, unit->rows.bytes);
        refs[k] = c->entries[i + k].ref;
        grads[k] = combine_take(c, t, i + k);
    }
    apply_some(unit, t, refs, n, NULL, grads);
    return n;
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
    for (size_t i = 0; i < c->n; i += n)
        n = apply_entries(unit, t, i);
    unit->s->counters.rows_applied += c->n;
}

static void apply_table(struct unit *unit, const struct table *t,
                        const struct shard_push *pushes, size_t n)
{
    const struct shard_rows *only = NULL;
    size_t with_rows = 0;

    open_table(unit, t);
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
    struct unit unit = {.s = s, .clock = clock, .timeline = shard_timeline(s)};
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
