/* The profile of a history over what its items are made of: score = sum over
 * the history of the cosine of its fields with the candidate's. Fields are
 * turned into one sparse vector an item: ids of categorical, multi and text
 * fields with their idf, numbers of dense and vector fields as they stand
 * (Lops, de Gemmis and Semeraro 2011, section 3.3).
 *
 *   like: {type: content, item: item, history: rated, fields: [genres, title],
 *          neighbours: 200}
 *
 * An item nobody had gets scores like any other. A row is a list of the most
 * similar items. */
#include "model/tower/built.h"

static const char *const keys[] = {"type",   "item", "history",    "fields",
                                   "shrink", "idf",  "neighbours", NULL};

static enum fusor_status read_fields(struct model *m, struct tower *t,
                                     struct yaml_node *at,
                                     struct fusor_error *err)
{
    struct yaml_node *list = yaml_get(at, "fields");
    struct built *spec = &((struct built_tower *)t->self)->spec;

    if (!list || list->kind != YAML_LIST || list->n == 0 ||
        list->n > BUILT_MAX_FIELDS)
        return yaml_fail(list ? list : at, err,
                         "tower %s wants fields: a list of 1 to %d fields of "
                         "the item",
                         t->name, BUILT_MAX_FIELDS);
    for (size_t i = 0; i < list->n; i++) {
        const char *name;
        int f;

        FUSOR_TRY(yaml_to_text(list->items[i], &name, err));
        f = field_find(m->fields, m->n_fields, name);
        if (f < 0 || m->fields[f].side != SIDE_ITEM)
            return yaml_fail(list->items[i], err,
                             "fields: %s %s: want fields of side item", name,
                             f < 0 ? "is no field" : "is not of the item");
        spec->fields[spec->n_fields++] = (uint32_t)f;
    }
    return FUSOR_OK;
}

static enum fusor_status content_build(struct model *m, struct tower *t,
                                       struct yaml_node *at,
                                       struct fusor_error *err)
{
    struct built_tower *b;

    FUSOR_TRY(built_begin(t, at, BUILT_CONTENT, keys, err));
    b = t->self;
    FUSOR_TRY(
        built_id_field(m, t, at, "item", &b->item, &b->spec.n_items, err));
    FUSOR_TRY(built_history(m, t, at, err));
    FUSOR_TRY(read_fields(m, t, at, err));
    b->spec.most = 200;
    b->spec.idf = 1;
    FUSOR_TRY(build_count(at, "neighbours", 1, 8000, &b->spec.most, err));
    FUSOR_TRY(build_float(at, "shrink", 0, 1e9, &b->spec.shrink, err));
    FUSOR_TRY(build_bool(at, "idf", &b->spec.idf, err));
    return built_table(m, t, "neighbours", b->item, b->spec.n_items,
                       2 * b->spec.most, at, err);
}

static void content_describe(const struct tower *t, const struct model *m,
                             struct strbuf *out)
{
    const struct built_tower *b = t->self;

    strbuf_addf(out, "built: the %u most similar of %u items by", b->spec.most,
                b->spec.n_items);
    for (uint32_t i = 0; i < b->spec.n_fields; i++)
        strbuf_addf(out, "%s%s", i ? ", " : " ",
                    m->fields[b->spec.fields[i]].name);
    strbuf_addf(out, ", over %s", m->fields[b->history].name);
}

const struct tower_kind tower_content = {
    .name = "content",
    .build = content_build,
    .destroy = built_destroy,
    .run_create = built_run_create,
    .forward = built_forward,
    .backward = built_backward,
    .describe = content_describe,
    .built = built_spec,
};
