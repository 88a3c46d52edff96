/* Who gets a row, and whose row goes: admission by count or by chance,
 * eviction by age or by norm.
 *
 * Admission counts exactly, in stubs of 16 bytes that live in the slab beside
 * the rows: a sketch would be smaller but would forget nothing, count what
 * collides, and depend on how keys are cut over shards.
 *
 * Eviction looks at every row of one table: a histogram of what decides, then a
 * second pass that takes the first share out. Both passes run at the speed of
 * memory, and a share of 1/16 lets each new row pay for 32 rows looked at. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "store/shard_private.h"

#define BINS 4096
#define SHARE 16 /* one row in so many goes at a time */

/* An eviction under way: rows whose rank is below `below`, at most `most`. */
struct eviction {
    const struct shard *s;
    const struct table *t;
    enum store_when_full by;
    uint64_t oldest; // for ranks by age
    uint64_t step;
};

/* May this row go at all? */
static int may_go(const struct shard *s, const struct row *r)
{
    return r->seen != ROW_FREE && r->seen < s->floor;
}

/* Bits of the norm's square: a positive float's order is its bits' order. */
static unsigned norm_rank(const struct table *t, uint32_t ref, float *wide)
{
    float sum = 0;
    uint32_t bits;

    table_read(t, ref, wide);
    for (uint32_t i = 0; i < t->width; i++)
        sum += wide[i] * wide[i];
    memcpy(&bits, &sum, sizeof(bits));
    return (bits & 0x7fffffffu) >> 19; // 8 exponent, 4 fraction bits
}

static unsigned rank_of(const struct eviction *e, uint32_t ref)
{
    if (e->by == STORE_EVICT_LOWEST)
        return norm_rank(e->t, ref, e->s->wide);
    return (unsigned)((table_row(e->t, ref)->seen - e->oldest) / e->step);
}

static void find_span(struct eviction *e)
{
    uint64_t oldest = e->s->floor;

    for (uint64_t i = 0; i < *e->t->n_slots; i++) {
        const struct row *r = table_row(e->t, table_ref_at(e->t, i));

        if (may_go(e->s, r) && r->seen < oldest)
            oldest = r->seen;
    }
    e->oldest = oldest;
    e->step = (e->s->floor - oldest) / BINS + 1;
}

/* The least bin up to which at least `most` rows lie. */
static unsigned find_cut(const struct eviction *e, uint64_t most)
{
    uint32_t count[BINS] = {0};
    uint64_t sum = 0;
    unsigned bin = 0;

    for (uint64_t i = 0; i < *e->t->n_slots; i++) {
        uint32_t ref = table_ref_at(e->t, i);

        if (may_go(e->s, table_row(e->t, ref)))
            count[rank_of(e, ref)]++;
    }
    for (; bin < BINS - 1; bin++) {
        sum += count[bin];
        if (sum >= most)
            break;
    }
    return bin;
}

static uint64_t evict(struct shard *s, struct table *t, enum store_when_full by,
                      uint64_t most)
{
    struct eviction e = {.s = s, .t = t, .by = by, .step = 1};
    uint64_t done = 0;
    unsigned cut;

    if (t->width == 0)
        e.by = STORE_EVICT_OLDEST; // stubs have no values
    if (e.by == STORE_EVICT_OLDEST)
        find_span(&e);
    cut = find_cut(&e, most);
    for (uint64_t i = 0; i < *t->n_slots && done < most; i++) {
        uint32_t ref = table_ref_at(t, i);

        if (!may_go(s, table_row(t, ref)) || rank_of(&e, ref) > cut)
            continue;
        table_remove(t, ref);
        done++;
    }
    if (t->width)
        s->counters.rows_evicted += done;
    return done;
}

static uint64_t evict_before(struct shard *s, struct table *t, uint64_t clock)
{
    uint64_t done = 0;

    for (uint64_t i = 0; i < *t->n_slots; i++) {
        uint32_t ref = table_ref_at(t, i);
        const struct row *r = table_row(t, ref);

        if (r->seen == ROW_FREE || r->seen >= clock)
            continue;
        table_remove(t, ref);
        done++;
    }
    if (t->width)
        s->counters.rows_evicted += done;
    return done;
}

void shard_evict_idle(struct shard *s, uint64_t clock)
{
    shard_set_floor(s, clock);
    if (!s->idle || clock <= s->idle)
        return;
    for (uint32_t i = 0; i < s->params->n_tables; i++) {
        evict_before(s, &s->tables[i], clock - s->idle);
        if (table_has_stubs(&s->tables[i]))
            evict_before(s, &s->stubs[i], clock - s->idle);
    }
}

/* Rows of a table made free under the cap: idle ones, else by the policy. */
static uint64_t make_room(struct shard *s, struct table *t)
{
    uint64_t done = 0;

    if (s->idle && s->floor > s->idle)
        done = evict_before(s, t, s->floor - s->idle);
    if (done == 0 && s->when_full != STORE_FULL_ERROR)
        done = evict(s, t, s->when_full, table_n_rows(t) / SHARE + 1);
    return done;
}

static enum fusor_status insert(struct shard *s, struct table *t, uint64_t key,
                                uint64_t clock, uint32_t *ref,
                                struct fusor_error *err)
{
    struct fusor_error why;
    enum fusor_status rc = table_insert(t, key, clock, ref, &why);

    if (rc == FUSOR_ENOMEM && make_room(s, t))
        rc = table_insert(t, key, clock, ref, &why);
    if (rc != FUSOR_OK && err)
        *err = why;
    return fusor_wrap(err, rc, "table %s, %s %llu", t->spec->name,
                      t->width ? "row" : "counted key",
                      (unsigned long long)table_n_rows(t) + 1);
}

enum fusor_status shard_insert(struct shard *s, struct table *t, uint64_t key,
                               uint64_t clock, uint32_t *ref,
                               struct fusor_error *err)
{
    uint64_t before = table_n_rows(t) + s->counters.rows_evicted;

    FUSOR_TRY(insert(s, t, key, clock, ref, err));
    if (t->width)
        s->counters.rows_created +=
            table_n_rows(t) + s->counters.rows_evicted - before;
    return FUSOR_OK;
}

/* @return is it time? */
static enum fusor_status count_key(struct shard *s, struct table *t,
                                   uint64_t key, uint64_t clock, int *now,
                                   struct fusor_error *err)
{
    struct table *stubs = &s->stubs[t->number];
    uint32_t ref;
    struct row *stub;

    if (table_find(stubs, &key, 1, &ref) == 0) {
        FUSOR_TRY(insert(s, stubs, key, clock, &ref, err));
        table_row(stubs, ref)->last_clock = 0; // its count
        table_row(stubs, ref)->seen = ROW_SEEN_MAX;
    }
    stub = table_row(stubs, ref);
    if (stub->seen != (uint32_t)clock) { // once a unit, whoever brings it
        stub->last_clock++;
        stub->seen = (uint32_t)clock;
    }
    *now = stub->last_clock >= t->spec->admit_count;
    return FUSOR_OK;
}

static void forget_count(struct shard *s, struct table *t, uint64_t key)
{
    uint32_t ref;

    if (table_find(&s->stubs[t->number], &key, 1, &ref))
        table_remove(&s->stubs[t->number], ref);
}

enum fusor_status shard_admit(struct shard *s, struct table *t, uint64_t key,
                              uint64_t clock, uint32_t *ref,
                              struct fusor_error *err)
{
    struct rng draw = rng_stream(t->seed, RNG_ADMIT, t->number, key);
    int now = 1;

    *ref = 0;
    if (table_has_stubs(t))
        FUSOR_TRY(count_key(s, t, key, clock, &now, err));
    draw.counter = clock;
    if (t->spec->admit_probability > 0)
        now = now && rng_float(&draw) < t->spec->admit_probability;
    if (!now)
        return FUSOR_OK;
    FUSOR_TRY(shard_insert(s, t, key, clock, ref, err));
    if (table_has_stubs(t))
        forget_count(s, t, key);
    return FUSOR_OK;
}
