/* Reading the settings that towers over a sequence share. */
#include "model/tower/sequence.h"

#include <string.h>

#include "base/mem.h"

#define MAX_POSITIONS 65536

/* A sequence of the item's ids reads the item's table unless it is told
 * otherwise. */
static const char *shared_table(const struct model *m, const struct sequence *q,
                                struct yaml_node *query)
{
    const struct input *item = q->item.n ? &q->item.items[0] : NULL;
    int field = query->kind == YAML_SCALAR
                    ? field_find(m->fields, m->n_fields, query->text)
                    : -1;

    if (!item || field < 0 || item->kind != INPUT_IDS ||
        m->fields[field].vocab != m->fields[item->field].vocab)
        return NULL;
    return m->table_specs[item->ids.table].name;
}

static enum fusor_status parse_item(struct model *m, const struct tower *t,
                                    struct yaml_node *at, const char *table,
                                    struct sequence *q, struct fusor_error *err)
{
    struct yaml_node *item = yaml_get(at, "item");
    struct inputs_from from = {.table = table};

    if (yaml_get(at, "item_table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "item_table"), &from.table, err));
    if (!item)
        return FUSOR_OK;
    FUSOR_TRY(inputs_parse(m, item, &from, &q->item, err));
    for (uint32_t i = 0; i < q->item.n; i++)
        if (q->item.items[i].kind != INPUT_IDS)
            return yaml_fail(item, err,
                             "tower %s: an item has fields with ids only",
                             t->name);
    return FUSOR_OK;
}

static enum fusor_status parse_query(struct model *m, const struct tower *t,
                                     struct yaml_node *at, const char *table,
                                     const struct sequence *q,
                                     struct embedding *ids,
                                     struct fusor_error *err)
{
    struct yaml_node *query = yaml_get(at, "query");
    struct inputs_from from = {.table = table};
    struct inputs in = {0};
    enum field_type type;
    enum fusor_status rc;

    if (!query)
        return yaml_fail(at, err, "tower %s has no query", t->name);
    if (!table)
        from.table = shared_table(m, q, query);
    rc = inputs_parse(m, query, &from, &in, err);
    if (rc == FUSOR_OK && (in.n != 1 || in.items[0].kind != INPUT_IDS))
        rc = yaml_fail(query, err, "tower %s reads one sequence or text field",
                       t->name);
    if (rc == FUSOR_OK)
        *ids = in.items[0].ids;
    inputs_clear(&in);
    FUSOR_TRY(rc);
    type = m->fields[ids->field].type;
    if (type != FIELD_SEQUENCE && type != FIELD_TEXT)
        return yaml_fail(query, err, "field %s is %s, not sequence or text",
                         m->fields[ids->field].name, field_type_name(type));
    return FUSOR_OK;
}

static enum fusor_status check_dims(const struct model *m,
                                    const struct yaml_node *at,
                                    const struct sequence *q,
                                    const struct embedding *ids,
                                    struct fusor_error *err)
{
    uint32_t dim = m->tables[ids->table].dim;

    for (uint32_t i = 0; i < q->item.n; i++)
        if (q->item.items[i].width != dim)
            return yaml_fail(at, err,
                             "item: table %s has dim %u, the sequence's table "
                             "%s has %u",
                             m->table_specs[q->item.items[i].ids.table].name,
                             q->item.items[i].width,
                             m->table_specs[ids->table].name, dim);
    return FUSOR_OK;
}

static enum fusor_status parse_max(const struct model *m, struct yaml_node *at,
                                   struct sequence *q, struct fusor_error *err)
{
    uint32_t most = m->fields[q->ids.field].max_values;

    q->pack.field = q->ids.field;
    q->pack.lookup = q->ids.lookup;
    q->pack.max = most ? most : MAX_POSITIONS;
    FUSOR_TRY(build_count(at, "max", 1, MAX_POSITIONS, &q->pack.max, err));
    if (most && q->pack.max > most)
        q->pack.max = most;
    return FUSOR_OK;
}

enum fusor_status sequence_parse_mask(struct sequence *q, struct yaml_node *at,
                                      struct fusor_error *err)
{
    if (!yaml_get(at, "mask"))
        return FUSOR_OK;
    FUSOR_TRY(build_float(at, "mask", 0.01, 0.99, &q->pack.hide, err));
    if (q->pack.max < 2)
        return yaml_fail(at, err,
                         "mask: a sequence of max 1 has no place for the "
                         "hidden position behind its ids");
    q->pack.hides = 1;
    return FUSOR_OK;
}

static enum fusor_status parse_bias(struct model *m, struct tower *t,
                                    struct yaml_node *at, struct sequence *q,
                                    struct fusor_error *err)
{
    FUSOR_TRY(build_bool(at, "bias", &q->has_bias, err));
    if (!q->has_bias)
        return FUSOR_OK;
    if (q->item.n == 0 ||
        m->fields[q->item.items[0].field].type != FIELD_CATEGORICAL)
        return yaml_fail(yaml_get(at, "bias"), err,
                         "tower %s: a bias belongs to a categorical item that "
                         "stands first",
                         t->name);
    q->bias = q->item.items[0].ids;
    q->bias.column = (int)build_column(m, q->bias.table);
    return FUSOR_OK;
}

static enum fusor_status finish(struct model *m, struct tower *t,
                                struct sequence *q, struct fusor_error *err)
{
    const struct table_spec *like = &m->table_specs[q->ids.table];
    uint32_t block;

    if (q->pack.hides) {
        FUSOR_TRY(build_block(m, "mask", q->dim, like->init, like->init_scale,
                              1, &block, err));
        q->mask = m->blocks[block].offset;
        q->pack.stream = t->index;
    }
    t->width = t->as_vector ? q->dim + (q->has_bias ? 1 : 0) : 1;
    if (q->item.n || t->as_vector)
        return FUSOR_OK;
    return dense_build(m, "head", q->dim, 1, &q->head, err);
}

enum fusor_status sequence_build_encoder(struct model *m, struct yaml_node *at,
                                         const struct sequence_encoder *e,
                                         const struct embedding *ids,
                                         struct sequence *q,
                                         struct fusor_error *err)
{
    uint32_t block;

    q->self = mem_alloc(1, e->size);
    if (!q->self)
        return mem_fail(err, "tower", e->size);
    q->encoder = e;
    q->ids = *ids;
    q->dim = m->tables[ids->table].dim;
    q->scale = 1.0f;
    q->pack.order = e->order;
    FUSOR_TRY(parse_max(m, at, q, err));
    FUSOR_TRY(e->build(m, q, at, err));
    FUSOR_TRY(build_block(m, "empty", q->dim, INIT_ZERO, 0, 1, &block, err));
    q->empty = m->blocks[block].offset;
    return FUSOR_OK;
}

enum fusor_status sequence_build(struct model *m, struct tower *t,
                                 struct yaml_node *at,
                                 const struct sequence_encoder *e,
                                 struct fusor_error *err)
{
    struct sequence *q = t->self = mem_alloc(1, sizeof(*q));
    struct embedding ids = {0};
    const char *table = NULL;

    if (!q)
        return mem_fail(err, "tower", sizeof(*q));
    FUSOR_TRY(build_tower_keys(at, t->name, e->keys, err));
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &table, err));
    FUSOR_TRY(parse_item(m, t, at, table, q, err));
    FUSOR_TRY(parse_query(m, t, at, table, q, &ids, err));
    FUSOR_TRY(check_dims(m, at, q, &ids, err));
    FUSOR_TRY(parse_bias(m, t, at, q, err));
    FUSOR_TRY(build_float(at, "l2", 0, 1e6, &t->l2, err));
    t->l2_bias = t->l2;
    FUSOR_TRY(build_float(at, "l2_bias", 0, 1e6, &t->l2_bias, err));
    FUSOR_TRY(sequence_build_encoder(m, at, e, &ids, q, err));
    return finish(m, t, q, err);
}

void sequence_clear(struct sequence *q)
{
    inputs_clear(&q->item);
    mem_free(q->self);
}

void sequence_destroy(struct tower *t)
{
    struct sequence *q = t->self;

    if (!q)
        return;
    sequence_clear(q);
    mem_free(q);
}

void sequence_describe(const struct tower *t, const struct model *m,
                       struct strbuf *out)
{
    const struct sequence *q = t->self;

    strbuf_addf(out, "%s->%s, last %u, dim %u, ", m->fields[q->ids.field].name,
                m->table_specs[q->ids.table].name, q->pack.max, q->dim);
    q->encoder->describe(q, out);
    if (q->pack.hides)
        strbuf_addf(out, ", mask %g", (double)q->pack.hide);
    if (q->item.n == 0) {
        strbuf_add(out, t->as_vector ? "" : ", then 1");
        return;
    }
    strbuf_add(out, " . (");
    inputs_describe(&q->item, m, out);
    strbuf_addf(out, ")%s", q->has_bias ? ", item bias" : "");
}
