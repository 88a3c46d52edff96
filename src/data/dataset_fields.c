/* The fields of a data set: what the job's `fields:` asks for, found in the
 * prepared folder. Resolves names, sides and columns; computes no values. */
#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "data/dataset_private.h"

#define HISTORY_MAX 200 /* events of a sequence when the job names no max */

/* Settings of a field. Those from "min_count" on are prepare's: a job that
 * trains on a prepared folder may still carry them. */
static const char *const field_keys[] = {
    "side",      "type",   "of",       "max",      "transform", "repeat",
    "min_count", "column", "key",      "width",    "separator", "vocab",
    "hash",      "modulo", "buckets",  "weighted", "required",  "range",
    "stem",      "stop",   "ngram",    "file",     "ids",       "missing",
    "tensor",    "match",  "features", NULL};

static const char *const side_names[] = {"row", "query", "item", NULL};

static enum fusor_status read_side(struct yaml_node *node,
                                   enum field_side *side,
                                   struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(node, "side");
    const char *text;

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_text(at, &text, err));
    for (int i = 0; side_names[i]; i++) {
        if (strcmp(side_names[i], text))
            continue;
        *side = (enum field_side)i;
        return FUSOR_OK;
    }
    return yaml_fail(at, err, "unknown side \"%s\": row, query or item", text);
}

static enum fusor_status read_type(struct yaml_node *node,
                                   enum field_type *type,
                                   struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(node, "type");
    const char *text;
    int found;

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_text(at, &text, err));
    found = field_type_from_name(text);
    if (found < 0)
        return yaml_fail(at, err,
                         "unknown type \"%s\": dense, categorical, multi, "
                         "sequence, bag, text or vector",
                         text);
    *type = (enum field_type)found;
    return FUSOR_OK;
}

static enum fusor_status read_max(struct yaml_node *node, uint32_t *max,
                                  struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(node, "max");
    uint64_t value;

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_size(at, &value, err));
    if (value < 1 || value > 1000000)
        return yaml_fail(at, err, "max is %llu, expected 1 to 1000000",
                         (unsigned long long)value);
    *max = (uint32_t)value;
    return FUSOR_OK;
}

static enum fusor_status no_such_field(const struct dataset *ds,
                                       const struct yaml_node *at,
                                       const char *name,
                                       struct fusor_error *err)
{
    const char *names[SCHEMA_MAX_FIELDS + 1], *near;

    for (uint32_t i = 0; i < ds->schema.n_fields; i++)
        names[i] = ds->schema.fields[i].spec.name;
    names[ds->schema.n_fields] = NULL;
    near = str_nearest(name, names);
    return yaml_fail(at, err,
                     "fields: %s holds no field \"%s\"%s%s%s: prepare again "
                     "with it, or derive it with {of: ...}",
                     ds->dir, name, near ? "; did you mean \"" : "",
                     near ? near : "", near ? "\"?" : "");
}

/* Must a column of this type hold a field of that type? */
static int column_fits(const struct column_view *c, const struct field_spec *f)
{
    switch (f->type) {
    case FIELD_DENSE:
    case FIELD_VECTOR:
        return c->spec.type == COLUMN_F32 && c->spec.width == f->width;
    case FIELD_CATEGORICAL:
        return c->spec.type == COLUMN_U32 || c->spec.type == COLUMN_U64;
    case FIELD_MULTI:
    case FIELD_SEQUENCE:
    case FIELD_BAG:
    case FIELD_TEXT:
        return c->spec.type == COLUMN_LIST;
    case FIELD_SCORE: // stands in no part
        break;
    }
    return 0;
}

static enum fusor_status find_column(const struct dataset *ds,
                                     const struct part *part, const char *file,
                                     const struct field_spec *f,
                                     const struct column_view **out,
                                     struct fusor_error *err)
{
    *out = part ? part_find(part, f->name) : NULL;
    if (!*out)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: %s has no column \"%s\": run fusor prepare "
                          "again",
                          ds->dir, file, f->name);
    if (!column_fits(*out, f))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: column \"%s\" of %s does not hold a %s field: "
                          "run fusor prepare again",
                          ds->dir, f->name, file, field_type_name(f->type));
    return FUSOR_OK;
}

static enum field_origin origin_of(const struct dataset *ds, uint32_t index)
{
    const struct schema_field *f = &ds->schema.fields[index];

    if ((int)index == ds->schema.query_key)
        return ds->n_queries ? ORIGIN_QUERY_KEY : ORIGIN_ROW;
    if ((int)index == ds->schema.item_key)
        return ds->n_items ? ORIGIN_ITEM_KEY : ORIGIN_ROW;
    if (f->spec.side == SIDE_QUERY)
        return ORIGIN_QUERY;
    return f->spec.side == SIDE_ITEM ? ORIGIN_ITEM : ORIGIN_ROW;
}

/* Put a prepared field at the end of the list. */
static enum fusor_status add_prepared(struct dataset *ds, uint32_t index,
                                      struct fusor_error *err)
{
    static const char *const files[] = {"train.part", "valid.part",
                                        "test.part"};
    struct dataset_field *f = &ds->fields[ds->n_fields];
    struct field_spec *spec = &ds->specs[ds->n_fields];

    *spec = ds->schema.fields[index].spec;
    f->origin = origin_of(ds, index);
    if (f->origin == ORIGIN_ROW) {
        for (int p = 0; p < N_SPLITS; p++)
            if (ds->parts[p].part)
                FUSOR_TRY(
                    find_column(ds, ds->parts[p].part,
                                ds->schema.n_folds ? "rows.part" : files[p],
                                spec, &f->column[p], err));
    } else if (f->origin == ORIGIN_QUERY) {
        FUSOR_TRY(find_column(ds, ds->query_table, "query.part", spec,
                              &f->column[0], err));
    } else if (f->origin == ORIGIN_ITEM) {
        FUSOR_TRY(find_column(ds, ds->item_table, "item.part", spec,
                              &f->column[0], err));
    }
    ds->n_fields++;
    return FUSOR_OK;
}

/* The transform that prepare wrote down for this field. */
static enum fusor_status default_transform(struct dataset *ds, uint32_t index,
                                           struct dense_transform *out,
                                           struct fusor_error *err)
{
    const char *text = ds->schema.fields[index].transform;
    struct yaml *y = NULL;
    enum fusor_status rc;

    if (!*text)
        return FUSOR_OK;
    FUSOR_TRY(yaml_parse(text, strlen(text), "schema.yaml", &y, err));
    rc = dense_read(yaml_root(y), out, err);
    yaml_destroy(y);
    return fusor_wrap(err, rc, "%s: field \"%s\"", ds->dir,
                      ds->schema.fields[index].spec.name);
}

/* Values of one row can serve the query; a table's can serve each row; the
 * query's are no function of the item, nor the other way round. */
static enum fusor_status move_side(struct yaml_node *node,
                                   enum field_origin origin,
                                   struct field_spec *spec,
                                   struct fusor_error *err)
{
    enum field_side side = spec->side;
    int of_query = origin == ORIGIN_QUERY || origin == ORIGIN_QUERY_KEY;
    int of_item = origin == ORIGIN_ITEM || origin == ORIGIN_ITEM_KEY;

    FUSOR_TRY(read_side(node, &side, err));
    if ((side == SIDE_QUERY && of_item) ||
        (side == SIDE_ITEM && (of_query || origin == ORIGIN_ROW)))
        return yaml_fail(node, err,
                         "field \"%s\" cannot stand on side %s: it was "
                         "prepared as %s",
                         spec->name, side_names[side],
                         of_query  ? "the query's"
                         : of_item ? "the item's"
                                   : "the row's");
    spec->side = side;
    return FUSOR_OK;
}

static enum fusor_status apply_settings(struct dataset *ds, size_t i,
                                        struct yaml_node *node,
                                        struct fusor_error *err)
{
    struct field_spec *spec = &ds->specs[i];
    enum field_type type = spec->type;
    struct yaml_node *transform;

    FUSOR_TRY(move_side(node, ds->fields[i].origin, spec, err));
    FUSOR_TRY(read_type(node, &type, err));
    if (type != spec->type)
        return yaml_fail(node, err,
                         "field \"%s\" was prepared as %s, not %s: prepare "
                         "again or delete type",
                         spec->name, field_type_name(spec->type),
                         field_type_name(type));
    FUSOR_TRY(dataset_check_analysis(
        node, &ds->schema.fields[schema_find(&ds->schema, spec->name)], err));
    transform = yaml_get(node, "transform");
    if (transform && type == FIELD_DENSE)
        return dense_read(transform, &ds->fields[i].transform, err);
    return FUSOR_OK;
}

static enum fusor_status use_prepared(struct dataset *ds, const char *name,
                                      struct yaml_node *node,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    int index = schema_find(&ds->schema, name);
    size_t i = ds->n_fields;

    if (index < 0)
        return no_such_field(ds, at, name, err);
    if (dataset_field_is_label(ds, index))
        return at ? yaml_fail(at, err,
                              "fields: \"%s\" is one of labels: a model that "
                              "read it would know the answer",
                              name)
                  : FUSOR_OK;
    if (field_find(ds->specs, ds->n_fields, name) >= 0)
        return yaml_fail(at, err, "fields: \"%s\" stands here twice", name);
    FUSOR_TRY(add_prepared(ds, (uint32_t)index, err));
    FUSOR_TRY(
        default_transform(ds, (uint32_t)index, &ds->fields[i].transform, err));
    return node ? apply_settings(ds, i, node, err) : FUSOR_OK;
}

/* history: {type: sequence, of: item}: what it is of must be one id a row. */
static enum fusor_status find_of(const struct dataset *ds,
                                 struct yaml_node *node, uint32_t *of,
                                 struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(node, "of");
    const char *name;
    int index;

    FUSOR_TRY(yaml_to_text(at, &name, err));
    index = schema_find(&ds->schema, name);
    if (index < 0)
        return no_such_field(ds, at, name, err);
    if (ds->schema.fields[index].spec.type != FIELD_CATEGORICAL ||
        (origin_of(ds, (uint32_t)index) != ORIGIN_ITEM_KEY &&
         origin_of(ds, (uint32_t)index) != ORIGIN_ROW))
        return yaml_fail(at, err,
                         "of: \"%s\" is not one id a row: name the item or a "
                         "categorical field of side row",
                         name);
    if (ds->n_queries == 0)
        return yaml_fail(at, err,
                         "of: there is no query whose events these could be: "
                         "prepare with a categorical field of side query");
    *of = (uint32_t)index;
    return FUSOR_OK;
}

static enum fusor_status add_derived(struct dataset *ds, const char *name,
                                     struct yaml_node *node,
                                     struct fusor_error *err)
{
    struct dataset_field *f = &ds->fields[ds->n_fields];
    struct field_spec *spec = &ds->specs[ds->n_fields];
    const struct field_spec *of;

    FUSOR_TRY(find_of(ds, node, &f->of, err));
    of = &ds->schema.fields[f->of].spec;
    *spec = *of;
    spec->side = SIDE_QUERY;
    spec->type = FIELD_SEQUENCE;
    snprintf(spec->name, sizeof(spec->name), "%s", name);
    FUSOR_TRY(read_side(node, &spec->side, err));
    if (spec->side == SIDE_ITEM)
        return yaml_fail(node, err,
                         "field \"%s\" holds events of a query: side query or "
                         "row",
                         name);
    FUSOR_TRY(read_type(node, &spec->type, err));
    if (spec->type != FIELD_SEQUENCE && spec->type != FIELD_BAG)
        return yaml_fail(node, err,
                         "field \"%s\": with \"of\" the type is sequence or "
                         "bag, not %s",
                         name, field_type_name(spec->type));
    f->origin = spec->type == FIELD_BAG ? ORIGIN_BAG : ORIGIN_HISTORY;
    f->max = f->origin == ORIGIN_HISTORY ? HISTORY_MAX : 0;
    FUSOR_TRY(read_max(node, &f->max, err));
    spec->max_values = f->max;
    ds->n_fields++;
    return FUSOR_OK;
}

/* I: {repeat: 1..13} stands for I1, I2, ... I13. */
static enum fusor_status use_repeated(struct dataset *ds, const char *name,
                                      struct yaml_node *node,
                                      struct yaml_node *repeat,
                                      struct fusor_error *err)
{
    char full[FIELD_NAME_MAX];
    unsigned from, to;
    const char *text;
    int end = 0;

    FUSOR_TRY(yaml_to_text(repeat, &text, err));
    if (sscanf(text, "%4u..%4u%n", &from, &to, &end) != 2 || text[end] ||
        from > to || to - from >= SCHEMA_MAX_FIELDS)
        return yaml_fail(repeat, err, "repeat: expected 1..13, not \"%s\"",
                         text);
    for (unsigned i = from; i <= to; i++) {
        snprintf(full, sizeof(full), "%.*s%u", FIELD_NAME_MAX - 6, name, i);
        if (ds->n_fields == SCHEMA_MAX_FIELDS)
            return yaml_fail(node, err, "fields: more than %d",
                             SCHEMA_MAX_FIELDS);
        FUSOR_TRY(use_prepared(ds, full, node, node, err));
    }
    return FUSOR_OK;
}

static enum fusor_status use_entry(struct dataset *ds, const char *name,
                                   struct yaml_node *node,
                                   struct fusor_error *err)
{
    struct yaml_node *repeat;
    enum field_side side = SIDE_ROW;

    if (ds->n_fields == SCHEMA_MAX_FIELDS)
        return yaml_fail(node, err, "fields: more than %d", SCHEMA_MAX_FIELDS);
    if (node->kind != YAML_MAP) {
        if (node->kind == YAML_SCALAR && !*node->text)
            return use_prepared(ds, name, NULL, node, err);
        return yaml_fail(node, err, "field \"%s\": expected {type: ...}", name);
    }
    FUSOR_TRY(dataset_check_settings(node, err));
    FUSOR_TRY(option_check_keys(node, field_keys, "fields", err));
    if (strlen(name) >= FIELD_NAME_MAX)
        return yaml_fail(node, err, "field name of %zu characters, at most %d",
                         strlen(name), FIELD_NAME_MAX - 1);
    repeat = yaml_get(node, "repeat");
    if (repeat)
        return use_repeated(ds, name, node, repeat, err);
    if (!yaml_get(node, "of") && !yaml_get(node, "file") &&
        !yaml_get(node, "match"))
        return use_prepared(ds, name, node, node, err);
    if (field_find(ds->specs, ds->n_fields, name) >= 0)
        return yaml_fail(node, err, "fields: \"%s\" stands here twice", name);
    if (yaml_get(node, "match"))
        return dataset_add_match(ds, name, node, err);
    if (yaml_get(node, "file")) {
        FUSOR_TRY(read_side(node, &side, err));
        return dataset_add_vectors(ds, name, node, side, err);
    }
    return add_derived(ds, name, node, err);
}

/* prepare's settings are not ours, but they are no mistakes either. */
static void mark_used(struct yaml_node *node)
{
    node->used = 1;
    for (size_t i = 0; i < node->n; i++)
        mark_used(node->items[i]);
}

/* Does a query-side field change between rows of one query? */
static int is_static(const struct dataset *ds)
{
    if (ds->n_queries == 0)
        return 0;
    for (size_t i = 0; i < ds->n_fields; i++)
        if (ds->specs[i].side == SIDE_QUERY &&
            (ds->fields[i].origin == ORIGIN_ROW ||
             ds->fields[i].origin == ORIGIN_HISTORY))
            return 0;
    return 1;
}

enum fusor_status dataset_resolve_fields(struct dataset *ds,
                                         struct yaml_node *fields,
                                         struct fusor_error *err)
{
    if (!fields) {
        for (uint32_t i = 0; i < ds->schema.n_fields; i++)
            FUSOR_TRY(use_prepared(ds, ds->schema.fields[i].spec.name, NULL,
                                   NULL, err));
    } else if (fields->kind != YAML_MAP) {
        return yaml_fail(fields, err, "fields: expected name: {...}");
    } else {
        for (size_t i = 0; i < fields->n; i++)
            FUSOR_TRY(use_entry(ds, fields->keys[i], fields->items[i], err));
        mark_used(fields);
    }
    ds->query_static = is_static(ds);
    return FUSOR_OK;
}
