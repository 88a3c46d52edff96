/* Draws candidates and prepares their rows. */
#include "train/candidates.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

enum fusor_status candidate_list_init(struct candidate_list *l,
                                      const struct model *model,
                                      const struct dataset *ds, uint32_t cap,
                                      struct fusor_error *err)
{
    uint64_t n_items = dataset_n_items(ds);
    uint32_t n_lookups;
    enum fusor_status rc;

    memset(l, 0, sizeof(*l));
    model_lookups(model, &n_lookups);
    l->ds = ds;
    l->model = model;
    l->cap = cap;
    l->ids = mem_alloc(cap, sizeof(*l->ids));
    l->place = mem_alloc_raw(n_items, sizeof(*l->place));
    l->log_q = mem_alloc(cap, sizeof(*l->log_q));
    l->sample_id = mem_alloc(cap, sizeof(*l->sample_id));
    l->positions = mem_alloc(n_lookups + 1, sizeof(*l->positions));
    l->n_values = mem_alloc(n_lookups + 1, sizeof(*l->n_values));
    l->capacity = mem_alloc(n_lookups + 1, sizeof(*l->capacity));
    if (!l->ids || !l->place || !l->log_q || !l->sample_id || !l->positions ||
        !l->n_values || !l->capacity)
        rc = mem_fail(err, "candidates", cap * sizeof(*l->ids));
    else
        rc = batcher_create(ds, cap, &l->batcher, err);
    if (rc != FUSOR_OK) {
        candidate_list_clear(l);
        return rc;
    }
    memset(l->place, 0xff, n_items * sizeof(*l->place));
    return FUSOR_OK;
}

void candidate_list_clear(struct candidate_list *l)
{
    uint32_t n = 0;

    if (l->model)
        model_lookups(l->model, &n);
    for (uint32_t i = 0; l->positions && i < n; i++)
        mem_free(l->positions[i]);
    mem_free(l->positions);
    mem_free(l->n_values);
    mem_free(l->capacity);
    mem_free(l->ids);
    mem_free(l->place);
    mem_free(l->log_q);
    mem_free(l->sample_id);
    batcher_destroy(l->batcher);
    memset(l, 0, sizeof(*l));
}

static enum fusor_status fill(struct candidate_list *l, struct fusor_error *err)
{
    struct batcher_query nobody = {.row = BATCHER_NO_ROW, .pairs = l->pairs};

    l->added = 0;
    FUSOR_TRY(
        batcher_fill_pairs(l->batcher, &nobody, l->ids, l->n, &l->batch, err));
    for (uint32_t i = 0; i < l->n; i++)
        l->sample_id[i] = l->ids[i];
    l->batch.sample_id = l->sample_id;
    return FUSOR_OK;
}

static void forget(struct candidate_list *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        l->place[l->ids[i]] = UINT32_MAX;
    l->n = l->n_negatives = 0;
    l->whole = l->corrected = 0;
}

static void add(struct candidate_list *l, uint64_t id)
{
    if (id == VOCAB_UNKNOWN || id >= dataset_n_items(l->ds) ||
        l->place[id] != UINT32_MAX || l->n == l->cap)
        return;
    l->place[id] = l->n;
    l->ids[l->n++] = (uint32_t)id;
}

void candidate_list_see(struct candidate_list *l,
                        const struct batcher_pairs *pairs)
{
    if (l->pairs != pairs)
        l->whole = 0; // they are to be filled anew
    l->pairs = pairs;
}

enum fusor_status candidate_list_all(struct candidate_list *l,
                                     struct fusor_error *err)
{
    uint64_t n_items = dataset_n_items(l->ds);

    if (l->whole)
        return FUSOR_OK;
    forget(l);
    for (uint64_t id = 1; id < n_items; id++)
        add(l, id);
    l->n_negatives = l->n;
    l->whole = 1;
    return fill(l, err);
}

/* The next item of every position of the sequences that are trained so, or
 * the samples' own items. @return how many */
static uint64_t add_targets(struct candidate_list *l, const struct objective *o,
                            const struct batch *b, const uint32_t *target)
{
    uint64_t n = b->n;

    for (uint32_t f = 0; o->every && f < b->n_fields; f++) {
        const struct batch_field *field = &b->fields[f];

        if (!o->field[f])
            continue;
        for (uint32_t q = 0; q < b->n_queries; q++)
            for (uint32_t j = field->offsets[q] +
                              (o->field[f] == EVERY_FROM_FIRST ? 0 : 1);
                 j < field->offsets[q + 1]; j++, n++)
                add(l, field->ids[j]);
    }
    for (uint32_t i = 0; i < b->n; i++)
        add(l, target[i]);
    return n;
}

static void draw_negatives(struct candidate_list *l, const struct objectives *a,
                           const struct objective *o, struct rng *r)
{
    uint64_t n_items = dataset_n_items(l->ds);

    for (uint32_t i = 0; i < o->setting.n && l->n < l->cap; i++)
        add(l,
            o->setting.from == CANDIDATES_UNIFORM
                ? 1 + rng_below(r, n_items - 1)
                : dataset_item(l->ds, SPLIT_TRAIN, rng_below(r, a->n_counted)));
}

/* log of the chance that an item is among n draws. */
static void find_chances(struct candidate_list *l, const struct objectives *a,
                         const struct objective *o, uint64_t draws)
{
    double uniform = 1.0 / (double)(dataset_n_items(l->ds) - 1);

    for (uint32_t i = 0; i < l->n; i++) {
        uint32_t count = a->counts[l->ids[i]];
        double q = (double)(count ? count : 1) / (double)a->n_counted;

        if (o->setting.from == CANDIDATES_UNIFORM)
            q = uniform;
        else if (o->pairs && o->setting.from == CANDIDATES_IN_BATCH)
            q = 1.0 / (double)o->pairs->n; // each item is asked for once
        l->log_q[i] =
            q < 1 ? (float)log(-expm1((double)draws * log1p(-q))) : 0.0f;
    }
}

enum fusor_status candidate_list_draw(struct candidate_list *l,
                                      const struct objectives *all,
                                      const struct objective *o,
                                      const struct batch *b,
                                      const uint32_t *target, uint64_t epoch,
                                      uint64_t draw, struct fusor_error *err)
{
    struct rng r = rng_stream(all->seed, RNG_NEGATIVE, epoch, ~draw);
    uint64_t draws = o->setting.n;

    forget(l);
    if (o->setting.from == CANDIDATES_IN_BATCH) {
        draws = add_targets(l, o, b, target);
        l->n_negatives = l->n;
    } else {
        draw_negatives(l, all, o, &r);
        l->n_negatives = l->n;
        add_targets(l, o, b, target);
    }
    l->corrected = o->setting.logq;
    if (l->corrected)
        find_chances(l, all, o, draws);
    return fill(l, err);
}

static enum fusor_status positions_for(struct candidate_list *l,
                                       uint32_t lookup, uint32_t n,
                                       struct fusor_error *err)
{
    if (n <= l->capacity[lookup])
        return FUSOR_OK;
    mem_free(l->positions[lookup]);
    l->capacity[lookup] = 0;
    l->positions[lookup] =
        mem_alloc_raw((size_t)n + n / 2, sizeof(*l->positions[lookup]));
    if (!l->positions[lookup])
        return mem_fail(err, "candidates: positions", n * sizeof(uint32_t));
    l->capacity[lookup] = n + n / 2;
    return FUSOR_OK;
}

enum fusor_status candidate_list_add_keys(struct candidate_list *l,
                                          struct keyset *sets,
                                          struct fusor_error *err)
{
    uint32_t n_lookups, n_fields;
    const struct model_lookup *lookups = model_lookups(l->model, &n_lookups);
    const struct field_spec *specs = model_fields(l->model, &n_fields);

    if (l->added)
        return FUSOR_OK;
    l->added = 1;
    for (uint32_t i = 0; i < n_lookups; i++) {
        const struct model_lookup *look = &lookups[i];
        const struct batch_field *f = &l->batch.fields[look->field];

        l->n_values[i] = 0;
        if (specs[look->field].side != SIDE_ITEM)
            continue;
        l->n_values[i] =
            specs[look->field].type == FIELD_CATEGORICAL ? l->n : f->n_values;
        FUSOR_TRY(positions_for(l, i, l->n_values[i], err));
        FUSOR_TRY(keyset_add(&sets[look->table], f->ids, l->n_values[i],
                             look->salt, l->positions[i], err));
    }
    return FUSOR_OK;
}
