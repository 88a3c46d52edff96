/* Fills a step: batches, then keys, then views for the store. */
#include "train/step.h"

#include <string.h>

#include "base/mem.h"

static uint32_t count_values(const struct batch_field *f, const struct batch *b,
                             const struct field_spec *spec)
{
    if (spec->type == FIELD_CATEGORICAL)
        return spec->side == SIDE_QUERY ? b->n_queries : b->n;
    return f->n_values;
}

enum fusor_status step_init_candidates(struct step *s, const struct dataset *ds,
                                       uint32_t cap, int whole,
                                       uint32_t micro_rows,
                                       struct fusor_error *err)
{
    uint32_t n = whole ? 1 : s->max_micros;

    s->lists = mem_alloc(n, sizeof(*s->lists));
    if (!s->lists)
        return mem_fail(err, "candidates", n * sizeof(*s->lists));
    for (; s->n_lists < n; s->n_lists++)
        FUSOR_TRY(
            candidate_list_init(&s->lists[s->n_lists], s->model, ds, cap, err));
    for (uint32_t i = 0; i < s->max_micros; i++) {
        struct step_micro *m = &s->micros[i];

        m->target = mem_alloc(micro_rows, sizeof(*m->target));
        if (!m->target)
            return mem_fail(err, "targets", micro_rows * sizeof(*m->target));
    }
    return FUSOR_OK;
}

enum fusor_status step_init_given(struct step *s, uint32_t micro_rows,
                                  struct fusor_error *err)
{
    size_t n = (size_t)micro_rows * model_n_towers(s->model);

    for (uint32_t i = 0; i < s->max_micros; i++) {
        s->micros[i].given = mem_alloc(n, sizeof(float));
        if (!s->micros[i].given)
            return mem_fail(err, "given scores", n * sizeof(float));
    }
    return FUSOR_OK;
}

struct candidate_list *step_candidates(struct step *s)
{
    return &s->lists[s->n_lists == 1 ? 0 : s->n_micros];
}

static enum fusor_status micro_init(struct step *s, struct step_micro *m,
                                    const struct dataset *ds,
                                    uint32_t micro_rows,
                                    struct fusor_error *err)
{
    FUSOR_TRY(batcher_create(ds, micro_rows, &m->batcher, err));
    m->positions = mem_alloc(s->n_lookups + 1, sizeof(*m->positions));
    m->n_values = mem_alloc(s->n_lookups + 1, sizeof(*m->n_values));
    m->capacity = mem_alloc(s->n_lookups + 1, sizeof(*m->capacity));
    if (!m->positions || !m->n_values || !m->capacity)
        return mem_fail(err, "step", s->n_lookups * sizeof(void *));
    return FUSOR_OK;
}

enum fusor_status step_init(struct step *s, const struct model *model,
                            const struct dataset *ds, uint32_t max_micros,
                            uint32_t micro_rows, struct fusor_error *err)
{
    uint32_t rows = max_micros * micro_rows;
    enum fusor_status rc = FUSOR_OK;

    memset(s, 0, sizeof(*s));
    s->model = model;
    model_lookups(model, &s->n_lookups);
    s->n_tables = model_params(model)->n_tables;
    s->micros = mem_alloc(max_micros, sizeof(*s->micros));
    s->sets = mem_alloc(s->n_tables + 1, sizeof(*s->sets));
    s->keys = mem_alloc(s->n_tables + 1, sizeof(*s->keys));
    s->rows = mem_alloc(s->n_tables + 1, sizeof(*s->rows));
    s->rows_cap = mem_alloc(s->n_tables + 1, sizeof(*s->rows_cap));
    if (!s->micros || !s->sets || !s->keys || !s->rows || !s->rows_cap) {
        step_clear(s);
        return mem_fail(err, "step", max_micros * sizeof(*s->micros));
    }
    s->max_micros = max_micros;
    for (uint32_t i = 0; rc == FUSOR_OK && i < max_micros; i++)
        rc = micro_init(s, &s->micros[i], ds, micro_rows, err);
    for (uint32_t t = 0; rc == FUSOR_OK && t < s->n_tables; t++)
        rc = keyset_init(&s->sets[t], rows, err);
    if (rc != FUSOR_OK)
        step_clear(s);
    return rc;
}

void step_clear(struct step *s)
{
    for (uint32_t i = 0; s->micros && i < s->max_micros; i++) {
        struct step_micro *m = &s->micros[i];

        for (uint32_t l = 0; m->positions && l < s->n_lookups; l++)
            mem_free(m->positions[l]);
        mem_free(m->positions);
        mem_free(m->n_values);
        mem_free(m->capacity);
        mem_free(m->target);
        mem_free(m->given);
        batcher_destroy(m->batcher);
    }
    for (uint32_t i = 0; i < s->n_lists; i++)
        candidate_list_clear(&s->lists[i]);
    mem_free(s->lists);
    for (uint32_t t = 0; s->sets && t < s->n_tables; t++)
        keyset_clear(&s->sets[t]);
    for (uint32_t t = 0; s->rows && t < s->n_tables; t++)
        mem_free(s->rows[t].rows);
    mem_free(s->micros);
    mem_free(s->sets);
    mem_free(s->keys);
    mem_free(s->rows);
    mem_free(s->rows_cap);
    memset(s, 0, sizeof(*s));
}

void step_reset(struct step *s, uint64_t clock)
{
    s->clock = clock;
    s->n_micros = 0;
    s->n_samples = 0;
    s->loss_scale = 1.0f;
    for (uint32_t i = 0; i < s->n_lists; i++)
        s->lists[i].added = 0;
    for (uint32_t t = 0; t < s->n_tables; t++)
        keyset_reset(&s->sets[t]);
}

struct step_micro *step_next_micro(struct step *s, uint32_t number)
{
    struct step_micro *m = &s->micros[s->n_micros];

    m->number = number;
    m->candidates = NULL;
    return m;
}

static enum fusor_status positions_for(struct step_micro *m, uint32_t lookup,
                                       uint32_t n, struct fusor_error *err)
{
    uint32_t room = m->capacity[lookup] ? m->capacity[lookup] : 256;
    uint32_t *p;

    if (n <= m->capacity[lookup])
        return FUSOR_OK;
    while (room < n)
        room *= 2;
    p = mem_alloc_raw(room, sizeof(*p));
    if (!p)
        return mem_fail(err, "step: positions", room * sizeof(*p));
    mem_free(m->positions[lookup]);
    m->positions[lookup] = p;
    m->capacity[lookup] = room;
    return FUSOR_OK;
}

enum fusor_status step_add_keys(struct step *s, struct step_micro *m,
                                struct fusor_error *err)
{
    uint32_t n_lookups, n_fields;
    const struct model_lookup *lookups = model_lookups(s->model, &n_lookups);
    const struct field_spec *specs = model_fields(s->model, &n_fields);

    for (uint32_t l = 0; l < n_lookups; l++) {
        const struct model_lookup *look = &lookups[l];
        const struct batch_field *f = &m->batch.fields[look->field];
        uint32_t n = count_values(f, &m->batch, &specs[look->field]);

        if (s->given && model_lookup_is_of_towers(s->model, l))
            continue;
        m->n_values[l] = n;
        FUSOR_TRY(positions_for(m, l, n, err));
        FUSOR_TRY(keyset_add(&s->sets[look->table], f->ids, n, look->salt,
                             m->positions[l], err));
    }
    if (m->candidates)
        FUSOR_TRY(candidate_list_add_keys(m->candidates, s->sets, err));
    s->n_samples += m->batch.n;
    s->n_micros++;
    return FUSOR_OK;
}

enum fusor_status step_seal(struct step *s, struct fusor_error *err)
{
    for (uint32_t t = 0; t < s->n_tables; t++) {
        const struct keyset *set = &s->sets[t];

        s->keys[t] = (struct step_keys){set->n, set->keys};
        if (set->cap <= s->rows_cap[t])
            continue;
        mem_free(s->rows[t].rows);
        s->rows_cap[t] = 0;
        s->rows[t].rows = mem_alloc_raw(set->cap, sizeof(*s->rows[t].rows));
        if (!s->rows[t].rows)
            return mem_fail(err, "step: rows", set->cap * sizeof(void *));
        s->rows_cap[t] = set->cap;
    }
    return FUSOR_OK;
}
