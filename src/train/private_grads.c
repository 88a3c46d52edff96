/* Abadi et al. 2016, algorithm 1: per-sample gradients, clipped; noise. */
#include "train/private_grads.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

static uint64_t longest_table(const struct model *m)
{
    uint32_t n;
    uint64_t most = 1;
    const struct field_spec *fields = model_fields(m, &n);

    for (uint32_t i = 0; i < n; i++)
        if (fields[i].cardinality > most)
            most = fields[i].cardinality;
    return most;
}

enum fusor_status private_grads_init(struct private_grads *p,
                                     const struct model *model,
                                     const struct guarantee *privacy,
                                     struct fusor_error *err)
{
    const struct param_spec *spec = model_params(model);
    uint64_t longest = longest_table(model);
    uint32_t n_fields, n_lookups;

    memset(p, 0, sizeof(*p));
    model_fields(model, &n_fields);
    model_lookups(model, &n_lookups);
    p->model = model;
    p->privacy = *privacy;
    p->seed = spec->seed;
    p->fields = mem_alloc(n_fields + 1, sizeof(*p->fields));
    p->offsets = mem_alloc(n_fields + 1, sizeof(*p->offsets));
    p->positions = mem_alloc(n_lookups + 1, sizeof(*p->positions));
    p->tables = mem_alloc(spec->n_tables + 1, sizeof(*p->tables));
    p->views = mem_alloc(spec->n_tables + 1, sizeof(*p->views));
    p->dense = mem_alloc(spec->n_dense + 1, sizeof(*p->dense));
    p->ids = mem_alloc_raw(longest, sizeof(*p->ids));
    p->places = mem_alloc_raw(longest, sizeof(*p->places));
    if (!p->fields || !p->offsets || !p->positions || !p->tables || !p->views ||
        !p->dense || !p->ids || !p->places) {
        private_grads_clear(p);
        return mem_fail(err, "gradients by sample", longest);
    }
    for (uint64_t i = 0; i < longest; i++)
        p->ids[i] = i;
    return FUSOR_OK;
}

void private_grads_clear(struct private_grads *p)
{
    uint32_t n = p->model ? model_params(p->model)->n_tables : 0;

    for (uint32_t t = 0; p->tables && t < n; t++) {
        mem_free(p->tables[t].grads);
        mem_free(p->tables[t].touched);
        mem_free(p->tables[t].pool);
    }
    mem_free(p->fields);
    mem_free(p->offsets);
    mem_free(p->positions);
    mem_free(p->tables);
    mem_free(p->views);
    mem_free(p->dense);
    mem_free(p->ids);
    mem_free(p->places);
    memset(p, 0, sizeof(*p));
}

/* Does any trained part read the table? */
static int is_trained(const struct model *m, uint32_t table)
{
    uint32_t n;
    const struct model_lookup *lookups = model_lookups(m, &n);

    for (uint32_t l = 0; l < n; l++)
        if (lookups[l].table == table && model_lookup_is_trained(m, l))
            return 1;
    return 0;
}

enum fusor_status private_grads_add_keys(struct private_grads *p,
                                         struct step *s,
                                         struct fusor_error *err)
{
    uint32_t n_lookups, n_fields;
    const struct model_lookup *lookups = model_lookups(p->model, &n_lookups);
    const struct field_spec *fields = model_fields(p->model, &n_fields);

    for (uint32_t l = 0; l < n_lookups; l++)
        if (is_trained(p->model, lookups[l].table))
            FUSOR_TRY(keyset_add(&s->sets[lookups[l].table], p->ids,
                                 (size_t)fields[lookups[l].field].cardinality,
                                 lookups[l].salt, p->places, err));
    return FUSOR_OK;
}

/* ---- a window of one sample ---- */

static int is_list(enum field_type type)
{
    return type == FIELD_MULTI || type == FIELD_SEQUENCE || type == FIELD_BAG ||
           type == FIELD_TEXT;
}

static uint32_t row_of(const struct batch *b, const struct field_spec *spec,
                       uint32_t i)
{
    return spec->side == SIDE_QUERY ? b->query_of[i] : i;
}

/* Where the sample's values of a field begin; *n of them. */
static uint32_t values_of(const struct batch *b, const struct field_spec *spec,
                          uint32_t field, uint32_t i, uint32_t *n)
{
    const uint32_t *offsets = b->fields[field].offsets;
    uint32_t row = row_of(b, spec, i);

    *n = 1;
    if (!is_list(spec->type))
        return row;
    *n = offsets[row + 1] - offsets[row];
    return offsets[row];
}

static void window_field(struct private_grads *p, const struct batch *b,
                         const struct field_spec *spec, uint32_t field,
                         uint32_t i)
{
    const struct batch_field *from = &b->fields[field];
    struct batch_field *to = &p->fields[field];
    uint32_t n, first = values_of(b, spec, field, i, &n);

    *to = (struct batch_field){0};
    if (spec->type == FIELD_DENSE || spec->type == FIELD_VECTOR ||
        spec->type == FIELD_SCORE) {
        to->dense = from->dense + (size_t)first * spec->width;
        return;
    }
    to->ids = from->ids + first;
    to->n_values = n;
    if (!is_list(spec->type))
        return;
    p->offsets[field][1] = n;
    to->offsets = p->offsets[field];
    to->weights = from->weights ? from->weights + first : NULL;
}

static void window_batch(struct private_grads *p, const struct batch *b,
                         uint32_t i)
{
    static const uint32_t first = 0, one = 1;
    uint32_t n;
    const struct field_spec *fields = model_fields(p->model, &n);

    for (uint32_t f = 0; f < n; f++)
        window_field(p, b, &fields[f], f, i);
    for (uint32_t k = 0; k < b->n_labels; k++)
        p->labels[k] = b->labels[k] + i;
    p->batch = (struct batch){
        .n = 1,
        .n_queries = 1,
        .query_of = &first,
        .query_n = &one,
        .n_fields = b->n_fields,
        .fields = p->fields,
        .label = b->label + i,
        .n_labels = b->n_labels,
        .labels = p->labels,
        .weight = b->weight ? b->weight + i : NULL,
        .sample_id = b->sample_id + i,
    };
}

/* ---- its gradient rows ---- */

static enum fusor_status table_room(struct private_table *t, uint32_t width,
                                    uint32_t n_keys, uint32_t n_values,
                                    struct fusor_error *err)
{
    uint32_t room = 2 * n_values;

    if (n_keys > t->cap) {
        mem_free(t->grads);
        t->cap = 0;
        t->grads = mem_alloc(n_keys, sizeof(*t->grads));
        if (!t->grads)
            return mem_fail(err, "gradients by sample", n_keys);
        t->cap = n_keys;
    }
    if (n_values <= t->room)
        return FUSOR_OK;
    mem_free(t->touched);
    mem_free(t->pool);
    t->room = 0;
    t->touched = mem_alloc_raw(room, sizeof(*t->touched));
    t->pool = mem_alloc_raw((size_t)room * width, sizeof(*t->pool));
    if (!t->touched || !t->pool)
        return mem_fail(err, "gradients by sample", (size_t)room * width);
    t->room = room;
    return FUSOR_OK;
}

static void touch(struct private_table *t, uint32_t width,
                  const uint32_t *positions, uint32_t n)
{
    for (uint32_t j = 0; j < n; j++) {
        uint32_t u = positions[j];

        if (u == KEYSET_NONE || t->grads[u])
            continue;
        t->grads[u] = t->pool + (size_t)t->n * width;
        memset(t->grads[u], 0, width * sizeof(float));
        t->touched[t->n++] = u;
    }
}

/* Room for the rows of every trained lookup, then the rows. */
static enum fusor_status touch_rows(struct private_grads *p,
                                    const struct step *s, const struct batch *b,
                                    uint32_t i, struct fusor_error *err)
{
    const struct param_spec *spec = model_params(p->model);
    uint32_t n_lookups, n_fields, n;
    const struct model_lookup *lookups = model_lookups(p->model, &n_lookups);
    const struct field_spec *fields = model_fields(p->model, &n_fields);

    for (uint32_t t = 0; t < spec->n_tables; t++) {
        uint32_t values = 0;

        for (uint32_t l = 0; l < n_lookups; l++)
            if (lookups[l].table == t) {
                uint32_t f = lookups[l].field;

                values_of(b, &fields[f], f, i, &n);
                values += n;
            }
        FUSOR_TRY(table_room(&p->tables[t], spec->tables[t].width, s->sets[t].n,
                             values, err));
    }
    for (uint32_t l = 0; l < n_lookups; l++)
        if (model_lookup_is_trained(p->model, l)) {
            uint32_t t = lookups[l].table, f = lookups[l].field;

            values_of(b, &fields[f], f, i, &n);
            touch(&p->tables[t], spec->tables[t].width, p->positions[l], n);
        }
    return FUSOR_OK;
}

enum fusor_status private_grads_window(struct private_grads *p,
                                       const struct step *s,
                                       const struct step_micro *m,
                                       const struct model_step *whole,
                                       uint32_t i, struct model_step *out,
                                       struct fusor_error *err)
{
    uint32_t n_lookups, n_fields, n;
    const struct model_lookup *lookups = model_lookups(p->model, &n_lookups);
    const struct field_spec *fields = model_fields(p->model, &n_fields);

    window_batch(p, &m->batch, i);
    for (uint32_t l = 0; l < n_lookups; l++) {
        uint32_t f = lookups[l].field;

        p->positions[l] =
            m->positions[l] + values_of(&m->batch, &fields[f], f, i, &n);
    }
    FUSOR_TRY(touch_rows(p, s, &m->batch, i, err));
    for (uint32_t t = 0; t < s->n_tables; t++)
        p->views[t] =
            (struct model_tables){whole->tables[t].rows, p->tables[t].grads};
    *out = *whole;
    out->batch = &p->batch;
    out->positions = p->positions;
    out->tables = p->views;
    out->dense_grad = p->dense;
    out->grad_scale = 1.0f;
    return FUSOR_OK;
}

static double sum_of_squares(const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

static void add_scaled(float *to, float factor, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += factor * x[i];
}

void private_grads_add(struct private_grads *p, const struct model_step *whole)
{
    const struct param_spec *spec = model_params(p->model);
    double norm = sum_of_squares(p->dense, spec->n_dense);
    float factor;

    for (uint32_t t = 0; t < spec->n_tables; t++)
        norm += sum_of_squares(p->tables[t].pool,
                               (size_t)p->tables[t].n * spec->tables[t].width);
    norm = sqrt(norm);
    factor = (float)(norm > p->privacy.clip ? p->privacy.clip / norm : 1.0) *
             whole->grad_scale;
    add_scaled(whole->dense_grad, factor, p->dense, spec->n_dense);
    for (uint32_t t = 0; t < spec->n_tables; t++) {
        struct private_table *table = &p->tables[t];

        for (uint32_t k = 0; k < table->n; k++) {
            uint32_t u = table->touched[k];

            add_scaled(whole->tables[t].grads[u], factor, table->grads[u],
                       spec->tables[t].width);
            table->grads[u] = NULL;
        }
        table->n = 0;
    }
}

/* ---- noise ---- */

static void add_noise(const struct private_grads *p, float scale, uint64_t step,
                      uint64_t what, float *to, size_t n)
{
    struct rng r = rng_stream(p->seed, RNG_NOISE, step, what);

    for (size_t i = 0; i < n; i++)
        to[i] += scale * (float)rng_normal(&r);
}

void private_grads_noise(struct private_grads *p, const struct step *s,
                         uint64_t epoch, const struct model_step *whole)
{
    const struct param_spec *spec = model_params(p->model);
    uint64_t step = hash_mix(epoch + 1) + s->clock;
    float scale =
        (float)(p->privacy.clip * p->privacy.noise) * whole->grad_scale;

    for (uint32_t b = 0; b < spec->n_blocks; b++)
        if (model_block_trained(p->model, b))
            add_noise(p, scale, step, hash_mix(spec->n_tables + b + 1),
                      whole->dense_grad + spec->blocks[b].offset,
                      (size_t)spec->blocks[b].size);
    for (uint32_t t = 0; t < spec->n_tables; t++) {
        uint32_t n = is_trained(p->model, t) ? s->sets[t].n : 0;

        for (uint32_t u = 0; u < n; u++)
            add_noise(p, scale, step, hash_mix(t + 1) + s->sets[t].keys[u],
                      whole->tables[t].grads[u], spec->tables[t].width);
    }
}
