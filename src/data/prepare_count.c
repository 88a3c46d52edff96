/* The second pass: counts of values and statistics of numbers, of the train
 * part only; then the final ids. Parts, side tables and the schema take
 * nothing from anywhere else. */
#include <math.h>

#include "base/mem.h"
#include "data/prepare_private.h"

static void stats_add(struct prep_stats *s, double x)
{
    double d = x - s->mean;

    s->min = s->n == 0 || x < s->min ? x : s->min;
    s->max = s->n == 0 || x > s->max ? x : s->max;
    s->n++;
    s->mean += d / (double)s->n;
    s->m2 += d * (x - s->mean);
}

/* Exact within one chunk, then joined (Chan, Golub and LeVeque 1983). */
static void add_chunk(struct prep_stats *s, const float *x, size_t n)
{
    struct prep_stats c = {.min = INFINITY, .max = -INFINITY};
    double sum = 0, all, d;

    for (size_t i = 0; i < n; i++) {
        int is = !isnan(x[i]);

        c.n += (uint64_t)is;
        sum += is ? (double)x[i] : 0;
        c.min = x[i] < c.min ? x[i] : c.min;
        c.max = x[i] > c.max ? x[i] : c.max;
    }
    if (c.n == 0)
        return;
    c.mean = sum / (double)c.n;
    for (size_t i = 0; i < n; i++)
        c.m2 += isnan(x[i]) ? 0 : (x[i] - c.mean) * (x[i] - c.mean);
    all = (double)(s->n + c.n);
    d = c.mean - s->mean;
    s->min = s->n == 0 || c.min < s->min ? c.min : s->min;
    s->max = s->n == 0 || c.max > s->max ? c.max : s->max;
    s->m2 += c.m2 + d * d * (double)s->n * (double)c.n / all;
    s->mean += d * (double)c.n / all;
    s->n += c.n;
}

void prep_stats_add_all(struct prep_stats *s, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += STAGE_GROUP_ROWS)
        add_chunk(s, x + i,
                  n - i < STAGE_GROUP_ROWS ? n - i : STAGE_GROUP_ROWS);
}

static enum fusor_status start_counts(struct prep *p, struct fusor_error *err)
{
    for (uint32_t i = 0; i < p->n_vocabs; i++) {
        struct prep_vocab *v = &p->vocabs[i];
        size_t n = vocab_size(v->vocab);

        v->counts = mem_alloc(n, sizeof(*v->counts));
        v->final = mem_alloc(n, sizeof(*v->final));
        if (!v->counts || !v->final)
            return mem_fail(err, v->name, n * 12);
    }
    return FUSOR_OK;
}

static int is_train(const struct prep *p, uint64_t row)
{
    uint8_t part = p->facts.part[row];

    return part != ROW_DROPPED && (p->split.n_folds || part == ROW_TRAIN);
}

static void count_lists(const struct prep *p, const struct stage_column *c,
                        uint64_t row, uint32_t n, uint64_t *counts)
{
    const uint32_t *ends = c->fixed;

    for (uint32_t r = 0, at = 0; r < n; at = ends[r++])
        for (uint32_t i = at; is_train(p, row + r) && i < ends[r]; i++)
            counts[c->values[i]]++;
}

static void count_ids(const struct prep *p, const struct stage_column *c,
                      uint64_t row, uint32_t n, uint64_t *counts)
{
    const uint32_t *ids = c->fixed;

    for (uint32_t r = 0; r < n; r++)
        if (ids[r] != MISSING_U32 && is_train(p, row + r))
            counts[ids[r]]++;
}

static void add_numbers(const struct prep *p, const struct stage_column *c,
                        uint64_t row, uint32_t n, struct prep_stats *stats)
{
    const float *x = c->fixed;
    uint32_t width = c->spec.width;

    for (uint32_t r = 0; r < n; r++)
        for (uint32_t d = 0; is_train(p, row + r) && d < width; d++)
            if (!isnan(x[r * width + d]))
                stats_add(stats, x[r * width + d]);
}

static void count_group(struct prep *p, uint64_t row, uint32_t n)
{
    for (uint32_t i = 0; i < p->n_fields; i++) {
        struct prep_field *f = &p->fields[i];
        const struct stage_column *c;

        if (f->place != PLACE_ROW)
            continue;
        c = stage_column(p->stage, (size_t)f->stage);
        if (f->spec.type == COLUMN_F32)
            add_numbers(p, c, row, n, &f->stats);
        else if (f->vocab >= 0 && f->spec.type == COLUMN_LIST)
            count_lists(p, c, row, n, p->vocabs[f->vocab].counts);
        else if (f->vocab >= 0)
            count_ids(p, c, row, n, p->vocabs[f->vocab].counts);
    }
    add_numbers(p, stage_column(p->stage, (size_t)p->stage_label), row, n,
                &p->label_stats);
}

/* Queries and items that no train row names are test data. */
static void count_side_value(struct prep *p, struct prep_field *f, uint32_t id)
{
    const struct side_values *v = &f->side;
    uint64_t *counts = f->vocab >= 0 ? p->vocabs[f->vocab].counts : NULL;

    for (uint32_t d = 0; v->numbers && d < f->spec.width; d++) {
        float x = v->numbers[(size_t)id * f->spec.width + d];

        if (!isnan(x))
            stats_add(&f->stats, x);
    }
    if (counts && v->ids && v->ids[id] != MISSING_U32)
        counts[v->ids[id]]++;
    for (uint32_t i = 0; counts && v->n && i < v->n[id]; i++)
        counts[v->list[v->start[id] + i]]++;
}

/* Which keys do train rows name? Taken before the side tables are counted,
 * since a vocabulary may serve a key and a side field. */
static enum fusor_status count_side(struct prep *p, struct prep_side *s,
                                    struct fusor_error *err)
{
    enum field_side side = s == &p->sides[1] ? SIDE_ITEM : SIDE_QUERY;
    const struct prep_vocab *keys;
    uint8_t *trained;
    uint32_t n;

    if (s->key < 0 || s->cap == 0)
        return FUSOR_OK;
    keys = &p->vocabs[p->fields[s->key].vocab];
    n = vocab_size(keys->vocab);
    n = n < s->cap ? n : (uint32_t)s->cap;
    trained = mem_alloc(n, 1);
    if (!trained)
        return mem_fail(err, keys->name, n);
    for (uint32_t id = 1; id < n; id++)
        trained[id] = keys->counts[id] > 0 ||
                      (p->source.spec.catalogue && side == SIDE_ITEM);
    for (uint32_t i = 0; i < p->n_fields; i++) {
        struct prep_field *f = &p->fields[i];

        if (f->source->side != side || f->place == PLACE_ROW)
            continue;
        for (uint32_t id = 1; id < n; id++)
            if (trained[id])
                count_side_value(p, f, id);
    }
    mem_free(trained);
    return FUSOR_OK;
}

static enum fusor_status give_final_ids(struct prep_vocab *v,
                                        struct fusor_error *err)
{
    uint32_t n = vocab_size(v->vocab);

    v->kept = vocab_create(err);
    if (!v->kept)
        return FUSOR_ENOMEM;
    for (uint32_t id = 1; id < n; id++) {
        uint64_t least = v->is_key && v->min_count <= 1 ? 0
                         : v->min_count                 ? v->min_count
                                                        : 1;
        const char *text;
        size_t len;

        if (v->counts[id] < least || (id < v->n_gone && v->gone[id]))
            continue;
        text = vocab_text(v->vocab, id, &len);
        v->final[id] = vocab_add(v->kept, text, len);
        if (v->final[id] == UINT32_MAX)
            return mem_fail(err, v->name, len);
    }
    return FUSOR_OK;
}

enum fusor_status prep_count(struct prep *p, struct fusor_error *err)
{
    uint64_t row = 0;
    uint32_t n;

    FUSOR_TRY(start_counts(p, err));
    FUSOR_TRY(stage_rewind(p->stage, err));
    for (;;) {
        FUSOR_TRY(stage_next(p->stage, &n, err));
        if (n == 0)
            break;
        count_group(p, row, n);
        row += n;
    }
    FUSOR_TRY(count_side(p, &p->sides[0], err));
    FUSOR_TRY(count_side(p, &p->sides[1], err));
    for (uint32_t i = 0; i < p->n_vocabs; i++)
        FUSOR_TRY(give_final_ids(&p->vocabs[i], err));
    return FUSOR_OK;
}
