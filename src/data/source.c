/* The schema file of a source, read through option tables. */
#include "data/source.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/option.h"
#include "data/dense.h"
#include "data/encode.h"

static const char *const side_names[] = {"row", "query", "item", NULL};
static const char *const type_names[] = {
    "dense", "categorical", "multi", "sequence", "text", "vector", NULL};

static const char *const bucket_names[] = {"none", "log2sq", NULL};

struct field_text {
    int type, side, key, weighted, required, buckets, stem, stop;
    const char *column, *separator, *vocab, *hash, *repeat;
    uint64_t width, min_count, max, modulo, ngram;
    struct yaml_node *transform, *range;
};

static const struct option_spec field_specs[] = {
    OPTION_ENUM(struct field_text, type, NULL, type_names, "what it holds"),
    OPTION_ENUM(struct field_text, side, "row", side_names, "whose it is"),
    OPTION_TEXT(struct field_text, column, "", "its column, if not its name"),
    OPTION_BOOL(struct field_text, key, "false", "the id of its side"),
    OPTION_SIZE(struct field_text, width, "1", 1, 65536, "numbers in a cell"),
    OPTION_TEXT(struct field_text, separator, "", "between values of a cell"),
    OPTION_SIZE(struct field_text, min_count, "0", 0, 1e9, "rarer: unknown"),
    OPTION_SIZE(struct field_text, max, "0", 0, 1e6, "longest list"),
    OPTION_TEXT(struct field_text, vocab, "", "fields that share ids"),
    OPTION_TEXT(struct field_text, hash, "", "true, or a number of ids"),
    OPTION_SIZE(struct field_text, modulo, "0", 0, UINT32_MAX - 1,
                "hexadecimal ids, modulo this"),
    OPTION_ENUM(struct field_text, buckets, "none", bucket_names,
                "of a count: ids by its size"),
    OPTION_TEXT(struct field_text, repeat, "", "1..26 for columns C1 to C26"),
    OPTION_BOOL(struct field_text, weighted, "false", "value:weight"),
    OPTION_BOOL(struct field_text, required, "false", "missing: a bad row"),
    OPTION_ENUM(struct field_text, stem, "none", analysis_languages,
                "text: cut endings"),
    OPTION_ENUM(struct field_text, stop, "none", analysis_languages,
                "text: leave the commonest words out"),
    OPTION_SIZE(struct field_text, ngram, "0", 0, ANALYSIS_NGRAM_MAX,
                "text: runs of so many characters instead of words"),
    OPTION_NODE(struct field_text, transform, "for the loader"),
    OPTION_NODE(struct field_text, range, "[low, high]; outside: a bad row"),
    OPTION_END};

struct spec_text {
    const char *weight, *time, *names, *query_file, *item_file, *separator;
    int latin1, catalogue;
    struct yaml_node *label, *quotes, *header, *fields;
};

static const struct option_spec spec_specs[] = {
    OPTION_NODE(struct spec_text, label, "column to learn"),
    OPTION_TEXT(struct spec_text, weight, "", "column: weight of the row"),
    OPTION_TEXT(struct spec_text, time, "", "column: when"),
    OPTION_TEXT(struct spec_text, names, "", "item column for people"),
    OPTION_TEXT(struct spec_text, query_file, "", "side table"),
    OPTION_TEXT(struct spec_text, item_file, "", "side table"),
    OPTION_TEXT(struct spec_text, separator, "", "between columns"),
    OPTION_NODE(struct spec_text, quotes, "RFC 4180 quotes"),
    OPTION_BOOL(struct spec_text, latin1, "false", "ISO 8859-1"),
    OPTION_BOOL(struct spec_text, catalogue, "false",
                "side tables name all queries and items"),
    OPTION_NODE(struct spec_text, header, "names, when the file has none"),
    OPTION_NODE(struct spec_text, fields, "name: {type, side, ...}"),
    OPTION_END};

static enum fusor_status copy(char *out, size_t size, const char *text,
                              const struct yaml_node *at,
                              struct fusor_error *err)
{
    size_t n = strlen(text);

    if (n >= size)
        return yaml_fail(at, err, "\"%.40s...\" is longer than %zu bytes", text,
                         size - 1);
    memcpy(out, text, n + 1);
    return FUSOR_OK;
}

static enum fusor_status read_range(const struct yaml_node *node, double *low,
                                    double *high, struct fusor_error *err)
{
    if (node->kind != YAML_LIST || node->n != 2)
        return yaml_fail(node, err, "range: write [low, high]");
    FUSOR_TRY(yaml_to_double(node->items[0], low, err));
    FUSOR_TRY(yaml_to_double(node->items[1], high, err));
    if (!(*low <= *high))
        return yaml_fail(node, err, "range: %g is above %g", *low, *high);
    return FUSOR_OK;
}

/* A node in one line, as it would be written by hand. */
static void put_flow(const struct yaml_node *node, struct strbuf *out)
{
    if (node->kind == YAML_SCALAR) {
        strbuf_add(out, node->text);
        return;
    }
    strbuf_add(out, node->kind == YAML_LIST ? "[" : "{");
    for (size_t i = 0; i < node->n; i++) {
        strbuf_add(out, i ? ", " : "");
        if (node->kind == YAML_MAP)
            strbuf_addf(out, "%s: ", node->keys[i]);
        put_flow(node->items[i], out);
    }
    strbuf_add(out, node->kind == YAML_LIST ? "]" : "}");
}

static enum fusor_status read_transform(const struct yaml_node *node,
                                        struct source_field *f,
                                        struct fusor_error *err)
{
    struct dense_transform checked;
    struct strbuf text = {0};
    enum fusor_status rc;

    FUSOR_TRY(dense_read(node, &checked, err));
    put_flow(node, &text);
    if (text.failed)
        return mem_fail(err, "transform", 0);
    rc = copy(f->transform, sizeof(f->transform), text.s, node, err);
    strbuf_clear(&text);
    return rc;
}

static enum fusor_status read_hash(const struct yaml_node *node,
                                   const char *text, struct source_field *f,
                                   struct fusor_error *err)
{
    f->hashed = strcmp(text, "") && strcmp(text, "false");
    if (!f->hashed || !strcmp(text, "true"))
        return FUSOR_OK;
    if (str_to_size(text, &f->hash_size) || f->hash_size < 1 ||
        f->hash_size >= UINT32_MAX)
        return yaml_fail(
            node, err, "hash: true, or a number of ids below 4G, not %s", text);
    return FUSOR_OK;
}

/* One of hash, modulo and buckets, or a vocabulary. */
static enum fusor_status read_ids(const struct field_text *t,
                                  const struct yaml_node *node,
                                  struct source_field *f,
                                  struct fusor_error *err)
{
    FUSOR_TRY(read_hash(node, t->hash, f, err));
    if (!t->modulo && !t->buckets)
        return FUSOR_OK;
    if (f->hashed || (t->modulo && t->buckets))
        return yaml_fail(node, err, "%s: write one of hash, modulo and buckets",
                         f->name);
    if (f->type != FIELD_CATEGORICAL)
        return yaml_fail(node, err, "%s: %s makes ids of a categorical field",
                         f->name, t->modulo ? "modulo" : "buckets");
    f->hashed = 1;
    f->ids = t->modulo ? IDS_MODULO : IDS_BUCKETS;
    f->hash_size = t->modulo ? t->modulo : ENCODE_BUCKETS;
    return FUSOR_OK;
}

static enum fusor_status fill_field(struct source_field *f,
                                    const struct field_text *t,
                                    const struct yaml_node *node,
                                    struct fusor_error *err)
{
    f->is_key = t->key;
    f->width = (uint32_t)t->width;
    f->min_count = t->min_count;
    f->max = (uint32_t)t->max;
    f->weighted = t->weighted;
    f->required = t->required;
    f->analysis = (struct analysis){t->stem, t->stop, (uint32_t)t->ngram};
    if (f->type != FIELD_TEXT && (t->stem || t->stop || t->ngram))
        return yaml_fail(
            node, err, "%s: stem, stop and ngram are of text fields", f->name);
    if (t->column[0])
        FUSOR_TRY(copy(f->column, sizeof(f->column), t->column, node, err));
    if (t->separator[0])
        FUSOR_TRY(
            copy(f->separator, sizeof(f->separator), t->separator, node, err));
    if (t->vocab[0])
        FUSOR_TRY(copy(f->vocab, sizeof(f->vocab), t->vocab, node, err));
    FUSOR_TRY(read_ids(t, node, f, err));
    if (f->hashed && !f->hash_size && f->type != FIELD_CATEGORICAL)
        return yaml_fail(node, err,
                         "%s: lists hold 32-bit ids: write hash: 1M or another "
                         "number of ids",
                         f->name);
    if (t->transform)
        FUSOR_TRY(read_transform(t->transform, f, err));
    f->has_range = t->range != NULL;
    if (t->range)
        return read_range(t->range, &f->low, &f->high, err);
    return FUSOR_OK;
}

static enum fusor_status add_field(struct source_spec *s, const char *name,
                                   const char *column,
                                   const struct field_text *t,
                                   const struct yaml_node *node,
                                   struct fusor_error *err)
{
    enum field_type type =
        (enum field_type)field_type_from_name(type_names[t->type]);
    struct source_field *f;

    for (uint32_t i = 0; i < s->n_fields; i++)
        if (!strcmp(s->fields[i].name, name))
            return yaml_fail(node, err, "field %s is there twice", name);
    f = source_spec_add(s, name, type, (enum field_side)t->side);
    if (!f)
        return yaml_fail(node, err,
                         "field %s: a name has 1 to %d characters, no '/', and "
                         "is not label, weight, time or fold; at most %d "
                         "fields",
                         name, FIELD_NAME_MAX - 1, SCHEMA_MAX_FIELDS);
    FUSOR_TRY(fill_field(f, t, node, err));
    if (column)
        return copy(f->column, sizeof(f->column), column, node, err);
    return FUSOR_OK;
}

static enum fusor_status read_field(struct source_spec *s, const char *name,
                                    struct yaml_node *node,
                                    struct fusor_error *err)
{
    unsigned from, to;
    struct field_text t;
    char rest;

    FUSOR_TRY(option_read(field_specs, node, name, &t, err));
    if (!t.repeat[0])
        return add_field(s, name, NULL, &t, node, err);
    if (sscanf(t.repeat, "%u..%u%c", &from, &to, &rest) != 2 || from > to ||
        to - from >= SCHEMA_MAX_FIELDS)
        return yaml_fail(node, err, "repeat: write 1..26, not %s", t.repeat);
    for (unsigned i = from; i <= to; i++) {
        char numbered[FIELD_NAME_MAX + 12], column[SOURCE_COLUMN_MAX + 12];

        snprintf(numbered, sizeof(numbered), "%s%u", name, i);
        snprintf(column, sizeof(column), "%s%u", t.column[0] ? t.column : name,
                 i);
        FUSOR_TRY(add_field(s, numbered, column, &t, node, err));
    }
    return FUSOR_OK;
}

static enum fusor_status read_label(struct source_spec *s,
                                    struct yaml_node *node,
                                    struct fusor_error *err)
{
    static const char *const keys[] = {"column", "range", NULL};
    struct yaml_node *range;
    const char *column;

    if (node->kind == YAML_MAP) {
        FUSOR_TRY(option_check_keys(node, keys, "label", err));
        range = yaml_get(node, "range");
        s->label_has_range = range != NULL;
        if (range)
            FUSOR_TRY(read_range(range, &s->label_low, &s->label_high, err));
        node = yaml_get(node, "column");
        if (!node)
            return fusor_fail(err, FUSOR_EUSAGE, "label: no column given");
    }
    FUSOR_TRY(yaml_to_text(node, &column, err));
    return copy(s->label, sizeof(s->label), column, node, err);
}

static enum fusor_status read_header(struct source_spec *s,
                                     struct yaml_node *node,
                                     struct fusor_error *err)
{
    if (node->kind != YAML_LIST || node->n < 1)
        return yaml_fail(node, err, "header: write [name, name, ...]");
    s->header = mem_alloc(node->n, sizeof(*s->header));
    if (!s->header)
        return mem_fail(err, "header", node->n * sizeof(*s->header));
    s->n_header = node->n;
    for (size_t i = 0; i < node->n; i++) {
        const char *text;

        FUSOR_TRY(yaml_to_text(node->items[i], &text, err));
        s->header[i] = mem_strdup(text);
        if (!s->header[i])
            return mem_fail(err, "header", strlen(text));
    }
    return FUSOR_OK;
}

/* A side's key is the field that says so, or its first categorical one. */
static void choose_key(struct source_spec *s, enum field_side side)
{
    if (source_spec_key(s, side) >= 0)
        return;
    for (uint32_t i = 0; i < s->n_fields; i++) {
        struct source_field *f = &s->fields[i];

        if (f->side == side && f->type == FIELD_CATEGORICAL && !f->hashed) {
            f->is_key = 1;
            return;
        }
    }
}

static enum fusor_status check_sides(struct source_spec *s,
                                     const struct yaml_node *at,
                                     struct fusor_error *err)
{
    for (int side = SIDE_QUERY; side <= SIDE_ITEM; side++) {
        int keys = 0, others = 0;

        choose_key(s, (enum field_side)side);
        for (uint32_t i = 0; i < s->n_fields; i++) {
            const struct source_field *f = &s->fields[i];

            if (f->side != (enum field_side)side)
                continue;
            keys += f->is_key;
            others += !f->is_key;
            if (f->is_key && (f->type != FIELD_CATEGORICAL || f->hashed))
                return yaml_fail(at, err,
                                 "%s: a key is categorical and not hashed",
                                 f->name);
        }
        if (keys > 1 || (others && !keys))
            return yaml_fail(at, err,
                             "side %s needs exactly one key: a categorical "
                             "field that names its query or item",
                             side_names[side]);
    }
    return FUSOR_OK;
}

static enum fusor_status read_fields(struct source_spec *s,
                                     struct yaml_node *node,
                                     struct fusor_error *err)
{
    if (!node || node->kind != YAML_MAP || node->n == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the schema has no fields: write \"fields:\" with "
                          "\"name: {type: ...}\" below");
    for (size_t i = 0; i < node->n; i++)
        FUSOR_TRY(read_field(s, node->keys[i], node->items[i], err));
    return check_sides(s, node, err);
}

static enum fusor_status read_root(struct source_spec *s,
                                   struct yaml_node *root,
                                   struct fusor_error *err)
{
    struct spec_text t;

    FUSOR_TRY(option_read(spec_specs, root, "schema", &t, err));
    if (t.label)
        FUSOR_TRY(read_label(s, t.label, err));
    FUSOR_TRY(copy(s->weight, sizeof(s->weight), t.weight, root, err));
    FUSOR_TRY(copy(s->time, sizeof(s->time), t.time, root, err));
    FUSOR_TRY(copy(s->names, sizeof(s->names), t.names, root, err));
    FUSOR_TRY(
        copy(s->query_file, sizeof(s->query_file), t.query_file, root, err));
    FUSOR_TRY(copy(s->item_file, sizeof(s->item_file), t.item_file, root, err));
    FUSOR_TRY(copy(s->separator, sizeof(s->separator), t.separator, root, err));
    s->latin1 = t.latin1;
    s->catalogue = t.catalogue;
    if (t.quotes)
        FUSOR_TRY(yaml_to_bool(t.quotes, &s->quotes, err));
    if (t.header)
        FUSOR_TRY(read_header(s, t.header, err));
    return read_fields(s, t.fields, err);
}

/* The tree is gone afterwards. */
static enum fusor_status read_tree(struct source_spec *s, struct yaml *y,
                                   struct fusor_error *err)
{
    enum fusor_status rc = read_root(s, yaml_root(y), err);

    yaml_destroy(y);
    if (rc != FUSOR_OK)
        source_spec_clear(s);
    return rc;
}

void source_spec_init(struct source_spec *s)
{
    memset(s, 0, sizeof(*s));
    s->quotes = -1;
}

enum fusor_status source_spec_read(const char *path, struct source_spec *s,
                                   struct fusor_error *err)
{
    struct yaml *y = NULL;

    source_spec_init(s);
    FUSOR_TRY(yaml_read(path, &y, err));
    return read_tree(s, y, err);
}

enum fusor_status source_spec_parse(const char *text, const char *name,
                                    struct source_spec *s,
                                    struct fusor_error *err)
{
    struct yaml *y = NULL;

    source_spec_init(s);
    FUSOR_TRY(yaml_parse(text, strlen(text), name, &y, err));
    return read_tree(s, y, err);
}

static int name_is_taken(const char *name)
{
    static const char *const taken[] = {"label", "weight", "time", "fold"};

    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (!strcmp(taken[i], name))
            return 1;
    return 0;
}

struct source_field *source_spec_add(struct source_spec *s, const char *name,
                                     enum field_type type, enum field_side side)
{
    struct source_field *f = &s->fields[s->n_fields];
    size_t n = strlen(name);

    if (s->n_fields == SCHEMA_MAX_FIELDS || n < 1 || n >= sizeof(f->name) ||
        strchr(name, '/') || name[0] == '.' || name_is_taken(name))
        return NULL;
    memset(f, 0, sizeof(*f));
    memcpy(f->name, name, n + 1);
    memcpy(f->column, name, n + 1);
    memcpy(f->vocab, name, n + 1);
    f->type = type;
    f->side = side;
    f->width = 1;
    strcpy(f->separator, type == FIELD_MULTI ? "|" : "");
    s->n_fields++;
    return f;
}

int source_spec_key(const struct source_spec *s, enum field_side side)
{
    for (uint32_t i = 0; i < s->n_fields; i++)
        if (s->fields[i].side == side && s->fields[i].is_key)
            return (int)i;
    return -1;
}

void source_spec_clear(struct source_spec *s)
{
    for (size_t i = 0; i < s->n_header; i++)
        mem_free(s->header[i]);
    mem_free(s->header);
    source_spec_init(s);
}
