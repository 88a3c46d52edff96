/* Packing ragged sequences; as cuDNN and PyTorch pack them for recurrent
 * layers. */
#include "model/layer/pack.h"

#include <string.h>

#include "base/rng.h"
#include "model/layer/kernel.h"

size_t pack_rows(const struct pack_spec *spec, const struct model_run *r)
{
    return (size_t)r->max_batch * (spec->max + spec->pad);
}

void pack_take(const struct pack_spec *spec, struct model_run *r,
               struct pack *p)
{
    size_t n = r->max_batch, rows = pack_rows(spec, r);
    size_t marks = n > spec->max ? n : spec->max;

    p->number = run_take(r, n, sizeof(*p->number));
    p->start = run_take(r, marks + 1, sizeof(*p->start));
    p->length = run_take(r, n, sizeof(*p->length));
    p->active = run_take(r, (size_t)spec->max + 1, sizeof(*p->active));
    p->id = run_take(r, n, sizeof(*p->id));
    p->uses = run_take(r, n, sizeof(*p->uses));
    p->sample = run_take(r, n, sizeof(*p->sample));
    p->value = run_take(r, rows, sizeof(*p->value));
    p->position = run_take(r, rows, sizeof(*p->position));
    p->slot = run_take(r, rows, sizeof(*p->slot));
    p->order = run_take(r, 2 * n, sizeof(*p->order));
}

/* Ids that count among values [first, last), at most max; *from is set to the
 * first value to look at. */
static uint32_t count_ids(const uint32_t *position, uint32_t first,
                          uint32_t last, uint32_t max, int keep_first,
                          uint32_t *from)
{
    uint32_t n = 0, j = last;

    *from = first;
    if (keep_first) {
        for (j = first; j < last && n < max; j++)
            n += position[j] != UINT32_MAX;
        return n;
    }
    while (j > first && n < max)
        n += position[--j] != UINT32_MAX;
    *from = j;
    return n;
}

/* Numbers by falling length, equal ones in their order: a counting sort with
 * active[] as the counters. @param length [n_all] of every row of the field */
static void number_by_length(struct pack *p, const uint32_t *length)
{
    uint32_t longest = p->longest;

    memset(p->active, 0, ((size_t)longest + 1) * sizeof(*p->active));
    for (uint32_t q = 0; q < p->n_all; q++)
        if (length[q])
            p->active[longest - length[q]]++;
    for (uint32_t k = 0, sum = 0; k <= longest; k++) {
        uint32_t here = p->active[k];

        p->active[k] = sum;
        sum += here;
    }
    for (uint32_t q = 0; q < p->n_all; q++)
        if (length[q])
            p->number[q] = p->active[longest - length[q]]++;
}

/* Where rows begin, for either order. */
static void lay_out(const struct pack_spec *spec, struct pack *p)
{
    p->rows = 0;
    if (spec->order == PACK_SEQUENCES) {
        for (uint32_t k = 0; k < p->n; k++) {
            p->start[k] = p->rows;
            p->rows += p->length[k] + spec->pad;
        }
        p->start[p->n] = p->rows;
        return;
    }
    for (uint32_t t = 0, k = p->n; t < p->longest; t++) {
        while (k > 0 && p->length[k - 1] <= t)
            k--;
        p->active[t] = k;
        p->start[t] = p->rows;
        p->rows += k;
    }
    p->start[p->longest] = p->rows;
}

static void fill_sequence(const struct pack_spec *spec, struct pack *p,
                          const uint32_t *position, uint32_t k, uint32_t from,
                          int keep_first)
{
    uint32_t n = p->length[k], slot = keep_first ? 0 : spec->max - n;
    uint32_t n_ids = n - (spec->hides ? 1 : 0);

    for (uint32_t t = 0; t < n_ids; from++) {
        uint32_t row;

        if (position[from] == UINT32_MAX)
            continue;
        row = pack_row(spec, p, k, t);
        p->position[row] = position[from];
        p->value[row] = from;
        p->slot[row] = slot + t++;
    }
    for (uint32_t t = n_ids; t < n; t++) {
        uint32_t row = pack_row(spec, p, k, t);

        p->position[row] = PACK_HIDDEN;
        p->value[row] = PACK_NONE;
        p->slot[row] = slot + t;
    }
    for (uint32_t t = 0; t < spec->pad; t++) {
        p->position[p->start[k] + n + t] = PACK_NONE;
        p->slot[p->start[k] + n + t] = 0;
    }
}

/* The first sample of each sequence names its random streams. */
static void count_uses(const struct pack_spec *spec, const struct model *m,
                       const struct batch *b, struct pack *p)
{
    memset(p->uses, 0, p->n * sizeof(*p->uses));
    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t k = p->number[run_field_row(m, b, spec->field, i)];

        if (k == UINT32_MAX || p->uses[k]++ > 0)
            continue;
        p->id[k] = b->sample_id[i];
        p->sample[k] = i;
    }
}

/* Which of a sequence's positions should be found, drawn anew each epoch (Sun
 * et al. 2019, section 3.6). */
static void hide(const struct pack_spec *spec, const struct model *m,
                 const struct model_step *s, struct pack *p)
{
    for (uint32_t k = 0; k < p->n; k++) {
        struct rng r =
            rng_stream(m->seed, RNG_MASK,
                       (s->epoch << 8) + (uint64_t)spec->stream, p->id[k]);

        for (uint32_t t = 0; t + 1 < p->length[k]; t++)
            if (rng_float(&r) < spec->hide)
                p->position[pack_row(spec, p, k, t)] = PACK_HIDDEN;
    }
}

uint32_t pack_sequences(const struct pack_spec *spec, const struct model *m,
                        const struct model_step *s)
{
    return m->fields[spec->field].side == SIDE_QUERY ? s->batch->n_queries
                                                     : s->batch->n;
}

/* Sequences first .. first + n - 1 of the batch, numbered from 0. */
static void make(const struct pack_spec *spec, const struct model *m,
                 const struct model_step *s, uint32_t first, uint32_t n,
                 struct pack *p)
{
    const uint32_t *offsets = s->batch->fields[spec->field].offsets + first;
    const uint32_t *position = s->positions[spec->lookup];
    uint32_t *length = p->order, *from = p->order + n;
    int keep_first = m->fields[spec->field].type == FIELD_TEXT;

    p->n_all = n;
    p->n = p->longest = 0;
    p->every = s->candidates && s->candidates->every;
    for (uint32_t q = 0; q < p->n_all; q++) {
        length[q] =
            count_ids(position, offsets[q], offsets[q + 1],
                      spec->max - (spec->hides ? 1 : 0), keep_first, &from[q]);
        if (length[q] && spec->hides)
            length[q]++;
        p->number[q] = length[q] ? p->n++ : UINT32_MAX;
        if (length[q] > p->longest)
            p->longest = length[q];
    }
    if (spec->order == PACK_STEPS)
        number_by_length(p, length);
    for (uint32_t q = 0; q < p->n_all; q++)
        if (length[q])
            p->length[p->number[q]] = length[q];
    lay_out(spec, p);
    for (uint32_t q = 0; q < p->n_all; q++)
        if (length[q])
            fill_sequence(spec, p, position, p->number[q], from[q], keep_first);
}

void pack_make(const struct pack_spec *spec, const struct model *m,
               const struct model_step *s, struct pack *p)
{
    make(spec, m, s, 0, pack_sequences(spec, m, s), p);
    count_uses(spec, m, s->batch, p);
    if (spec->hides && p->every)
        hide(spec, m, s, p);
}

void pack_make_one(const struct pack_spec *spec, const struct model *m,
                   const struct model_step *s, uint32_t i, struct pack *p)
{
    make(spec, m, s, i, 1, p);
}

#define AHEAD 8 /* rows between a prefetch and its use */

KERNEL_BODY void gather_body(const struct pack *p, const float *const *rows,
                             uint32_t skip, uint32_t dim, float scale,
                             const float *places, const float *hidden,
                             float *restrict x)
{
    const uint32_t *position = p->position, n = p->rows;

    for (uint32_t i = 0; i < n; i++, x += dim) {
        const float *row, *place;
        uint32_t k = 0;

        if (i + AHEAD < n && position[i + AHEAD] < PACK_HIDDEN)
            row_prefetch(rows[position[i + AHEAD]] + skip, dim);
        if (position[i] == PACK_NONE) {
            row_zero(x, dim);
            continue;
        }
        row = position[i] == PACK_HIDDEN ? hidden : rows[position[i]] + skip;
        place = places ? places + (size_t)p->slot[i] * dim : row;
        for (; k + 16 <= dim; k += 16) {
            kernel_v16 v = scale * KERNEL_GET16(row + k);

            if (places)
                v += KERNEL_GET16(place + k);
            KERNEL_AT16(x + k) = v;
        }
        for (; k < dim; k++)
            x[k] = places ? scale * row[k] + place[k] : scale * row[k];
    }
}

KERNEL(gather,
       (const struct pack *p, const float *const *rows, uint32_t skip,
        uint32_t dim, float scale, const float *places, const float *hidden,
        float *restrict x),
       (p, rows, skip, dim, scale, places, hidden, x))

void pack_gather(const struct pack *p, const float *const *rows, uint32_t skip,
                 uint32_t dim, float scale, const float *places,
                 const float *hidden, float *x)
{
    gather(p, rows, skip, dim, scale, places, hidden, x);
}

KERNEL_BODY void sum_body(const struct pack *p, uint32_t dim, float scale,
                          const float *restrict dx, float *restrict grad)
{
    for (uint32_t i = 0; i < p->rows; i++)
        if (p->position[i] == PACK_HIDDEN)
            row_axpy(grad, scale, dx + (size_t)i * dim, dim);
}

KERNEL(sum,
       (const struct pack *p, uint32_t dim, float scale,
        const float *restrict dx, float *restrict grad),
       (p, dim, scale, dx, grad))

void pack_sum_hidden(const struct pack *p, uint32_t dim, float scale,
                     const float *dx, float *grad)
{
    sum(p, dim, scale, dx, grad);
}

KERNEL_BODY void scatter_row(const struct pack *p, uint32_t i,
                             float *const *grads, const float *const *rows,
                             uint32_t skip, uint32_t dim, float scale, float l2,
                             const float *restrict dx)
{
    uint32_t u = p->position[i];

    if (i + AHEAD < p->rows && p->position[i + AHEAD] < PACK_HIDDEN)
        row_prefetch(grads[p->position[i + AHEAD]] + skip, dim);
    if (u == PACK_HIDDEN)
        return;
    if (l2 != 0.0f)
        row_axpbz(grads[u] + skip, scale, dx, l2, rows[u] + skip, dim);
    else
        row_axpy(grads[u] + skip, scale, dx, dim);
}

KERNEL_BODY void scatter_body(const struct pack *p, int by_steps,
                              const float *const *rows, float *const *grads,
                              uint32_t skip, uint32_t dim, float scale,
                              float l2, const float *restrict dx)
{
    uint32_t n = by_steps ? p->longest : p->n;

    for (uint32_t k = 0; k < n; k++) {
        uint32_t many = by_steps ? p->active[k] : p->length[k];

        for (uint32_t t = 0; t < many; t++) {
            uint32_t i = p->start[k] + t;
            float uses = (float)p->uses[by_steps ? t : k];

            scatter_row(p, i, grads, rows, skip, dim, scale, l2 * uses,
                        dx + (size_t)i * dim);
        }
    }
}

KERNEL(scatter,
       (const struct pack *p, int by_steps, const float *const *rows,
        float *const *grads, uint32_t skip, uint32_t dim, float scale, float l2,
        const float *restrict dx),
       (p, by_steps, rows, grads, skip, dim, scale, l2, dx))

void pack_scatter(const struct pack *p, const struct pack_spec *spec,
                  const float *const *rows, float *const *grads, uint32_t skip,
                  uint32_t dim, float scale, float l2, const float *dx)
{
    scatter(p, spec->order == PACK_STEPS, rows, grads, skip, dim, scale, l2,
            dx);
}
