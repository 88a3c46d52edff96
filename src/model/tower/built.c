/* Fields, tables and scores of the built towers. Computes no rows: that is the
 * work of a stage. */
#include "model/tower/built.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define ROW_MAX 16000 /* floats of one row that the store takes */

struct built_state {
    float *mark; // [n_items] weight in the history, zero between queries
};

enum fusor_status built_begin(struct tower *t, struct yaml_node *at,
                              enum built_method method,
                              const char *const *allowed,
                              struct fusor_error *err)
{
    struct built_tower *b = t->self = mem_alloc(1, sizeof(*b));

    if (!b)
        return mem_fail(err, "tower", sizeof(*b));
    b->spec.method = method;
    b->item = b->query = b->history = BUILT_NO_FIELD;
    t->width = 1;
    FUSOR_TRY(build_keys(at, t->name, allowed, err));
    if (t->as_vector)
        return yaml_fail(at, err,
                         "tower %s is built and has no vector: use fusion over "
                         "logits or scores",
                         t->name);
    return FUSOR_OK;
}

static int is_history(const struct field_spec *f)
{
    return f->side != SIDE_ITEM &&
           (f->type == FIELD_BAG || f->type == FIELD_SEQUENCE);
}

/* What a tower is built over when it does not say so: the only history of the
 * job, and the items that it is of. @return 0: there is no such pair, or more
 * than one */
static int guess(const struct model *m, uint32_t *item, uint32_t *history)
{
    int n = 0;

    for (uint32_t h = 0; h < m->n_fields; h++)
        for (uint32_t i = 0; is_history(&m->fields[h]) && i < m->n_fields; i++)
            if (m->fields[i].side == SIDE_ITEM &&
                m->fields[i].type == FIELD_CATEGORICAL &&
                m->fields[i].vocab == m->fields[h].vocab) {
                *item = i;
                *history = h;
                n++;
            }
    return n == 1;
}

static enum fusor_status find_field(struct model *m, const struct tower *t,
                                    struct yaml_node *at, const char *key,
                                    uint32_t *field, struct fusor_error *err)
{
    struct yaml_node *node = yaml_get(at, key);
    const char *name;
    uint32_t item, history;
    int f;

    if (!node && (!strcmp(key, "item") || !strcmp(key, "history")) &&
        guess(m, &item, &history)) {
        *field = strcmp(key, "item") ? history : item;
        build_reads(m, *field);
        return FUSOR_OK;
    }
    if (!node)
        return yaml_fail(at, err, "tower %s has no %s", t->name, key);
    FUSOR_TRY(yaml_to_text(node, &name, err));
    f = field_find(m->fields, m->n_fields, name);
    if (f < 0)
        return yaml_fail(node, err, "%s: no field is named %s", key, name);
    *field = (uint32_t)f;
    build_reads(m, *field);
    return FUSOR_OK;
}

enum fusor_status built_id_field(struct model *m, struct tower *t,
                                 struct yaml_node *at, const char *key,
                                 uint32_t *field, uint32_t *cardinality,
                                 struct fusor_error *err)
{
    const struct field_spec *f;

    FUSOR_TRY(find_field(m, t, at, key, field, err));
    f = &m->fields[*field];
    if (f->type != FIELD_CATEGORICAL)
        return yaml_fail(yaml_get(at, key), err,
                         "%s: %s is a %s field: want the key of the %s, which "
                         "is categorical",
                         key, f->name, field_type_name(f->type), key);
    if (f->cardinality == 0 || f->cardinality > BUILT_MAX_ID)
        return yaml_fail(yaml_get(at, key), err,
                         "%s: %s has %s ids: a built tower wants a "
                         "vocabulary of at most %u",
                         key, f->name, f->cardinality ? "too many" : "hashed",
                         BUILT_MAX_ID);
    *cardinality = (uint32_t)f->cardinality;
    return FUSOR_OK;
}

enum fusor_status built_history(struct model *m, struct tower *t,
                                struct yaml_node *at, struct fusor_error *err)
{
    struct built_tower *b = t->self;
    const struct field_spec *f;

    FUSOR_TRY(find_field(m, t, at, "history", &b->history, err));
    f = &m->fields[b->history];
    if ((f->type != FIELD_BAG && f->type != FIELD_SEQUENCE &&
         f->type != FIELD_MULTI) ||
        f->side == SIDE_ITEM || f->cardinality != b->spec.n_items)
        return yaml_fail(yaml_get(at, "history"), err,
                         "history: %s is no list of items of a query: derive "
                         "it with fields: {NAME: {side: query, type: bag, of: "
                         "%s}}",
                         f->name, m->fields[b->item].name);
    return FUSOR_OK;
}

static enum fusor_status add_text(struct model *m, struct tower *t,
                                  struct yaml_node *at, struct fusor_error *err)
{
    struct built_tower *b = t->self;
    const struct field_spec *query = &m->fields[b->history];
    const char *name;
    int f;

    FUSOR_TRY(yaml_to_text(at, &name, err));
    f = field_find(m->fields, m->n_fields, name);
    if (f < 0 || m->fields[f].side != SIDE_ITEM ||
        m->fields[f].type != FIELD_TEXT || m->fields[f].vocab != query->vocab)
        return yaml_fail(at, err,
                         "fields: %s %s: want texts of side item that share "
                         "their vocab with %s",
                         name, f < 0 ? "is no field" : "is none", query->name);
    b->spec.fields[b->spec.n_fields++] = (uint32_t)f;
    build_indexes(m, (uint32_t)f);
    return FUSOR_OK;
}

enum fusor_status built_texts(struct model *m, struct tower *t,
                              struct yaml_node *at, struct fusor_error *err)
{
    struct yaml_node *list = yaml_get(at, "fields");
    struct built_tower *b = t->self;
    const struct field_spec *query;

    FUSOR_TRY(find_field(m, t, at, "query", &b->history, err));
    query = &m->fields[b->history];
    if (query->type != FIELD_TEXT || query->side == SIDE_ITEM ||
        query->cardinality == 0 || query->cardinality > BUILT_MAX_ID)
        return yaml_fail(yaml_get(at, "query"), err,
                         "query: %s is no text of the query with a vocabulary "
                         "of at most %u",
                         query->name, BUILT_MAX_ID);
    b->spec.text = b->history;
    b->spec.n_terms = (uint32_t)query->cardinality;
    if (!list || list->kind != YAML_LIST || list->n == 0 ||
        list->n > BUILT_MAX_FIELDS)
        return yaml_fail(list ? list : at, err,
                         "tower %s wants fields: a list of 1 to %d texts of "
                         "the item",
                         t->name, BUILT_MAX_FIELDS);
    for (size_t i = 0; i < list->n; i++)
        FUSOR_TRY(add_text(m, t, list->items[i], err));
    return FUSOR_OK;
}

enum fusor_status built_table(struct model *m, struct tower *t,
                              const char *name, uint32_t field, uint32_t rows,
                              uint32_t width, const struct yaml_node *at,
                              struct fusor_error *err)
{
    struct built_tower *b = t->self;
    char full[PARAM_NAME_MAX];
    uint32_t k = b->spec.n_tables, table;

    if (width > ROW_MAX)
        return yaml_fail(at, err,
                         "tower %s: rows of %u floats, at most %d: give it "
                         "neighbours, so that rows are lists, or fewer items",
                         t->name, width, ROW_MAX);
    snprintf(full, sizeof(full), "%.40s.%s", t->name, name);
    FUSOR_TRY(build_own_table(m, full, width, &table, err));
    m->tables[table].by_field = 0; // the key is the id
    FUSOR_TRY(build_lookup(m, table, field, at, &b->lookups[k], err));
    m->tables[table].reader = field;
    b->spec.tables[k] = table;
    b->spec.rows[k] = rows;
    b->spec.width[k] = width;
    b->spec.n_tables = k + 1;
    return FUSOR_OK;
}

void built_destroy(struct tower *t)
{
    mem_free(t->self);
}

void *built_run_create(const struct tower *t, struct model_run *r)
{
    const struct built_tower *b = t->self;
    struct built_state *st = run_take(r, 1, sizeof(*st));

    if (st && b->spec.most)
        st->mark = run_take(r, b->spec.n_items, sizeof(float));
    return st;
}

const float *built_row(const struct built_tower *b, uint32_t k,
                       const struct model *m, const struct model_step *s,
                       uint32_t i)
{
    const struct model_lookup *l = &m->lookups[b->lookups[k]];
    uint32_t row = run_field_row(m, s->batch, l->field, i);
    uint32_t u = s->positions[b->lookups[k]][row];

    return u == UINT32_MAX ? NULL : s->tables[l->table].rows[u];
}

struct built_list built_list(const struct built_tower *b, const struct model *m,
                             const struct batch *batch, uint32_t i)
{
    const struct batch_field *f = &batch->fields[b->history];
    uint32_t row = run_field_row(m, batch, b->history, i);
    uint32_t first = f->offsets[row];

    return (struct built_list){f->ids + first,
                               f->weights ? f->weights + first : NULL,
                               f->offsets[row + 1] - first, first};
}

uint32_t built_same_until(const struct built_tower *b, const struct model *m,
                          const struct batch *batch, uint32_t i)
{
    uint32_t end = i + 1;

    while (end < batch->n && batch->query_of[end] == batch->query_of[i] &&
           m->fields[b->history].side == SIDE_QUERY)
        end++;
    return end;
}

static int counts(const struct built_tower *b, uint64_t id)
{
    return id != 0 && id < b->spec.n_items; // 0: the unknown item
}

static float weight_of(const struct built_list *e, uint32_t k)
{
    return e->weights ? e->weights[k] : 1.0f;
}

static float score_dense(const struct built_tower *b,
                         const struct built_list *e, const float *row,
                         uint64_t own)
{
    float sum = 0;

    for (uint32_t k = 0; k < e->n; k++)
        if (counts(b, e->ids[k]) && e->ids[k] != own)
            sum += weight_of(e, k) * row[e->ids[k]];
    return sum;
}

static float score_list(const struct built_tower *b, const float *mark,
                        const float *row, uint64_t own)
{
    const float *weights = row + b->spec.most;
    float sum = 0;

    for (uint32_t k = 0; k < b->spec.most && row[k] > 0; k++) {
        uint32_t id = (uint32_t)row[k];

        if (id < b->spec.n_items && id != own)
            sum += mark[id] * weights[k];
    }
    return sum;
}

static void set_marks(const struct built_tower *b, const struct built_list *e,
                      float *mark, int on)
{
    for (uint32_t k = 0; k < e->n; k++) {
        if (!counts(b, e->ids[k]))
            continue;
        mark[e->ids[k]] = on ? mark[e->ids[k]] + weight_of(e, k) : 0.0f;
    }
}

void built_forward(const struct tower *t, struct model_run *r,
                   const struct model_step *s, int train)
{
    const struct built_tower *b = t->self;
    const struct batch *batch = s->batch;
    struct built_state *st = r->tower_state[t->index];
    float *out = r->tower_out[t->index];
    uint32_t end;

    (void)train; // nothing here behaves otherwise in training
    for (uint32_t i = 0; i < batch->n; i = end) {
        struct built_list e = built_list(b, r->model, batch, i);

        end = built_same_until(b, r->model, batch, i);
        if (st->mark)
            set_marks(b, &e, st->mark, 1);
        for (uint32_t k = i; k < end; k++) {
            const float *row = built_row(b, 0, r->model, s, k);
            uint64_t own = batch->fields[b->item]
                               .ids[run_field_row(r->model, batch, b->item, k)];

            out[k] = !row       ? 0.0f
                     : st->mark ? score_list(b, st->mark, row, own)
                                : score_dense(b, &e, row, own);
        }
        if (st->mark)
            set_marks(b, &e, st->mark, 0);
    }
}

void built_backward(const struct tower *t, struct model_run *r,
                    const struct model_step *s)
{
    (void)t;
    (void)r;
    (void)s;
}

const struct built *built_spec(const struct tower *t)
{
    return &((const struct built_tower *)t->self)->spec;
}

const struct built *model_built(const struct model *m, uint32_t tower)
{
    const struct tower *t = &m->towers[tower];

    return t->kind->built ? t->kind->built(t) : NULL;
}
