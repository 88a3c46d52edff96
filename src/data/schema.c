/* schema.yaml: written as YAML with every text quoted, read back through option
 * tables. */
#include "data/schema.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/option.h"

static const char *const side_names[] = {"row", "query", "item", NULL};

/* One field as it stands in the file. */
struct field_text {
    const char *name, *type, *vocab, *transform;
    int side, key, weighted, stem, stop;
    uint64_t width, cardinality, max_values, vocab_number, ngram;
    double min, max, mean, std;
};

static const struct option_spec field_specs[] = {
    OPTION_TEXT(struct field_text, name, NULL, "name"),
    OPTION_TEXT(struct field_text, type, NULL, "field type"),
    OPTION_ENUM(struct field_text, side, "row", side_names, "side"),
    OPTION_BOOL(struct field_text, key, "false", "joins its side table"),
    OPTION_SIZE(struct field_text, width, "1", 1, 1048576, "floats"),
    OPTION_SIZE(struct field_text, cardinality, "0", 0, 1e18, "ids; 0 hashed"),
    OPTION_SIZE(struct field_text, max_values, "1", 0, 4e9, "longest list"),
    OPTION_TEXT(struct field_text, vocab, "", "file of id -> text"),
    OPTION_SIZE(struct field_text, vocab_number, "0", 0, 65535, "shared ids"),
    OPTION_BOOL(struct field_text, weighted, "false", "list with weights"),
    OPTION_ENUM(struct field_text, stem, "none", analysis_languages, "text"),
    OPTION_ENUM(struct field_text, stop, "none", analysis_languages, "text"),
    OPTION_SIZE(struct field_text, ngram, "0", 0, ANALYSIS_NGRAM_MAX, "text"),
    OPTION_TEXT(struct field_text, transform, "", "of raw values, at load"),
    OPTION_DOUBLE(struct field_text, min, "0", -1e300, 1e300, "train part"),
    OPTION_DOUBLE(struct field_text, max, "0", -1e300, 1e300, "train part"),
    OPTION_DOUBLE(struct field_text, mean, "0", -1e300, 1e300, "train part"),
    OPTION_DOUBLE(struct field_text, std, "1", 1e-300, 1e300, "train part"),
    OPTION_END};

struct schema_text {
    uint64_t fusor_schema, protocol_version, n_folds, n_train, n_valid, n_test;
    uint64_t n_queries, n_items;
    const char *protocol, *label, *candidates_hash, *seed, *ids_check;
    double label_min, label_max;
    int has_time, has_weight;
    struct yaml_node *fields;
};

static const struct option_spec schema_specs[] = {
    OPTION_SIZE(struct schema_text, fusor_schema, NULL, 1, 1e6, "version"),
    OPTION_TEXT(struct schema_text, protocol, NULL, "split"),
    OPTION_SIZE(struct schema_text, protocol_version, "1", 0, 1e6, "version"),
    OPTION_SIZE(struct schema_text, n_folds, "0", 0, SCHEMA_MAX_FOLDS, "folds"),
    OPTION_SIZE(struct schema_text, n_train, "0", 0, 1e18, "rows"),
    OPTION_SIZE(struct schema_text, n_valid, "0", 0, 1e18, "rows"),
    OPTION_SIZE(struct schema_text, n_test, "0", 0, 1e18, "rows"),
    OPTION_SIZE(struct schema_text, n_queries, "0", 0, 4294967295.0, "rows"),
    OPTION_SIZE(struct schema_text, n_items, "0", 0, 4294967295.0, "rows"),
    OPTION_BOOL(struct schema_text, has_time, "false", "column time"),
    OPTION_BOOL(struct schema_text, has_weight, "false", "column weight"),
    OPTION_TEXT(struct schema_text, label, "", "source column"),
    OPTION_DOUBLE(struct schema_text, label_min, "0", -1e300, 1e300, "raw"),
    OPTION_DOUBLE(struct schema_text, label_max, "0", -1e300, 1e300, "raw"),
    OPTION_TEXT(struct schema_text, seed, "0", "of the split"),
    OPTION_TEXT(struct schema_text, candidates_hash, "0", "XXH3"),
    OPTION_TEXT(struct schema_text, ids_check, "", "of the key that hid ids"),
    OPTION_NODE(struct schema_text, fields, "list of fields"),
    OPTION_END};

static int copy_text(char *out, size_t size, const char *text)
{
    size_t n = strlen(text);

    if (n >= size)
        return -1;
    memcpy(out, text, n + 1);
    return 0;
}

/* A name becomes a file name, a column and a YAML key: no more than that. */
static int name_is_sound(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/') &&
           strlen(name) < FIELD_NAME_MAX;
}

static enum fusor_status read_field(struct yaml_node *node, struct schema *s,
                                    struct fusor_error *err)
{
    struct schema_field *f = &s->fields[s->n_fields];
    struct field_text t;
    int type;

    FUSOR_TRY(option_read(field_specs, node, "field", &t, err));
    type = field_type_from_name(t.type);
    if (type < 0)
        return yaml_fail(node, err, "%s is no field type", t.type);
    if (!name_is_sound(t.name) || schema_find(s, t.name) >= 0)
        return yaml_fail(node, err, "\"%s\" is no field name, or there twice",
                         t.name);
    if ((t.vocab[0] && !name_is_sound(t.vocab)) ||
        copy_text(f->transform, sizeof(f->transform), t.transform))
        return yaml_fail(node, err, "%s: bad vocab or transform", t.name);
    copy_text(f->spec.name, sizeof(f->spec.name), t.name);
    copy_text(f->vocab_name, sizeof(f->vocab_name), t.vocab);
    f->spec.type = (enum field_type)type;
    f->spec.side = (enum field_side)t.side;
    f->spec.width = (uint32_t)t.width;
    f->spec.cardinality = t.cardinality;
    f->spec.max_values = (uint32_t)t.max_values;
    f->spec.vocab = (uint32_t)t.vocab_number;
    f->is_key = t.key;
    f->weighted = t.weighted;
    f->analysis = (struct analysis){t.stem, t.stop, (uint32_t)t.ngram};
    f->min = t.min;
    f->max = t.max;
    f->mean = t.mean;
    f->std = t.std;
    return FUSOR_OK;
}

static enum fusor_status take_key(struct schema *s, struct yaml_node *node,
                                  uint32_t i, struct fusor_error *err)
{
    const struct schema_field *f = &s->fields[i];
    int *key = f->spec.side == SIDE_QUERY ? &s->query_key : &s->item_key;

    if (!f->is_key)
        return FUSOR_OK;
    if (f->spec.side == SIDE_ROW || f->spec.type != FIELD_CATEGORICAL ||
        *key >= 0 || f->spec.cardinality == 0)
        return yaml_fail(node, err,
                         "%s: a side has one key: a categorical "
                         "field with a vocabulary",
                         f->spec.name);
    *key = (int)i;
    return FUSOR_OK;
}

static enum fusor_status read_fields(struct schema *s, struct yaml_node *list,
                                     struct fusor_error *err)
{
    s->query_key = -1;
    s->item_key = -1;
    if (!list)
        return FUSOR_OK;
    if (list->kind != YAML_LIST || list->n > SCHEMA_MAX_FIELDS)
        return yaml_fail(list, err, "fields: expected a list of at most %d",
                         SCHEMA_MAX_FIELDS);
    for (size_t i = 0; i < list->n; i++) {
        FUSOR_TRY(read_field(list->items[i], s, err));
        s->n_fields++;
        FUSOR_TRY(take_key(s, list->items[i], (uint32_t)i, err));
    }
    return FUSOR_OK;
}

static enum fusor_status read_root(struct yaml_node *root, struct schema *s,
                                   struct fusor_error *err)
{
    struct schema_text t;

    FUSOR_TRY(option_read(schema_specs, root, "schema", &t, err));
    if (t.fusor_schema != SCHEMA_VERSION)
        return yaml_fail(root, err,
                         "schema version %llu: this fusor reads version %u: "
                         "run fusor prepare again",
                         (unsigned long long)t.fusor_schema, SCHEMA_VERSION);
    s->version = (uint32_t)t.fusor_schema;
    s->protocol_version = (uint32_t)t.protocol_version;
    s->n_folds = (uint32_t)t.n_folds;
    s->n_train = t.n_train;
    s->n_valid = t.n_valid;
    s->n_test = t.n_test;
    s->n_queries = t.n_queries;
    s->n_items = t.n_items;
    s->has_time = t.has_time;
    s->has_weight = t.has_weight;
    s->label_min = t.label_min;
    s->label_max = t.label_max;
    if (copy_text(s->protocol, sizeof(s->protocol), t.protocol) ||
        copy_text(s->label, sizeof(s->label), t.label) ||
        copy_text(s->ids_check, sizeof(s->ids_check), t.ids_check) ||
        str_to_u64(t.seed, &s->seed) ||
        str_to_u64(t.candidates_hash, &s->candidates_hash))
        return yaml_fail(root, err,
                         "protocol, label, seed, ids_check or candidates_hash "
                         "is too long or no number");
    return read_fields(s, t.fields, err);
}

enum fusor_status schema_read(const char *dir, struct schema *out,
                              struct fusor_error *err)
{
    char path[FS_PATH_MAX];
    struct yaml *y = NULL;
    enum fusor_status rc;

    fs_join(path, dir, "schema.yaml");
    memset(out, 0, sizeof(*out));
    if (!fs_exists(path))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: no prepared folder (no schema.yaml): run fusor "
                          "prepare",
                          dir);
    FUSOR_TRY(yaml_read(path, &y, err));
    rc = read_root(yaml_root(y), out, err);
    yaml_destroy(y);
    // What is in a damaged file is no fault of the user's configuration.
    if (rc == FUSOR_EUSAGE || rc == FUSOR_EINVAL) {
        rc = FUSOR_EDATA;
        if (err)
            err->status = rc;
    }
    return rc;
}

/* A double-quoted YAML scalar. */
static void put_text(struct strbuf *b, const char *text)
{
    strbuf_add(b, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            strbuf_addf(b, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            strbuf_addf(b, "\\x%02x", (unsigned)*text);
        else
            strbuf_add_n(b, text, 1);
    }
    strbuf_add(b, "\"");
}

static void put_field(const struct schema_field *f, struct strbuf *b)
{
    int dense = f->spec.type == FIELD_DENSE || f->spec.type == FIELD_VECTOR;

    strbuf_add(b, "  - name: ");
    put_text(b, f->spec.name);
    strbuf_addf(b, "\n    type: %s\n    side: %s\n",
                field_type_name(f->spec.type), side_names[f->spec.side]);
    if (f->is_key)
        strbuf_add(b, "    key: true\n");
    if (dense) {
        strbuf_addf(b, "    width: %u\n    transform: ", f->spec.width);
        put_text(b, f->transform);
        strbuf_addf(b,
                    "\n    min: %.17g\n    max: %.17g\n    mean: %.17g\n"
                    "    std: %.17g\n",
                    f->min, f->max, f->mean, f->std);
        return;
    }
    strbuf_addf(b, "    cardinality: %llu\n    max_values: %u\n    vocab: ",
                (unsigned long long)f->spec.cardinality, f->spec.max_values);
    put_text(b, f->vocab_name);
    strbuf_addf(b, "\n    vocab_number: %u\n", f->spec.vocab);
    if (f->weighted)
        strbuf_add(b, "    weighted: true\n");
    if (f->spec.type == FIELD_TEXT)
        strbuf_addf(b, "    stem: %s\n    stop: %s\n    ngram: %u\n",
                    analysis_languages[f->analysis.stem],
                    analysis_languages[f->analysis.stop], f->analysis.ngram);
}

static void put_schema(const struct schema *s, struct strbuf *b)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"n_folds", s->n_folds},     {"n_train", s->n_train},
                  {"n_valid", s->n_valid},     {"n_test", s->n_test},
                  {"n_queries", s->n_queries}, {"n_items", s->n_items}};

    strbuf_addf(b, "# Written by fusor prepare.\nfusor_schema: %u\n",
                SCHEMA_VERSION);
    strbuf_add(b, "protocol: ");
    put_text(b, s->protocol);
    strbuf_addf(b, "\nprotocol_version: %u\n", s->protocol_version);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        strbuf_addf(b, "%s: %llu\n", counts[i].name,
                    (unsigned long long)counts[i].value);
    strbuf_addf(b, "has_time: %s\nhas_weight: %s\nlabel: ",
                s->has_time ? "true" : "false",
                s->has_weight ? "true" : "false");
    put_text(b, s->label);
    strbuf_addf(b, "\nlabel_min: %.17g\nlabel_max: %.17g\n", s->label_min,
                s->label_max);
    if (s->ids_check[0]) {
        strbuf_add(b, "ids_check: ");
        put_text(b, s->ids_check);
        strbuf_add(b, "\n");
    }
    strbuf_addf(b, "seed: \"%llu\"\ncandidates_hash: \"%llu\"\nfields:%s\n",
                (unsigned long long)s->seed,
                (unsigned long long)s->candidates_hash,
                s->n_fields ? "" : " []");
    for (uint32_t i = 0; i < s->n_fields; i++)
        put_field(&s->fields[i], b);
}

enum fusor_status schema_write(const struct schema *s, const char *dir,
                               struct fusor_error *err)
{
    char path[FS_PATH_MAX];
    struct strbuf b = {0};
    enum fusor_status rc;

    fs_join(path, dir, "schema.yaml");
    put_schema(s, &b);
    if (b.failed)
        return mem_fail(err, path, 0);
    rc = fs_write_atomic(path, b.s, b.len, err);
    strbuf_clear(&b);
    return rc;
}

int schema_find(const struct schema *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_fields; i++)
        if (!strcmp(s->fields[i].spec.name, name))
            return (int)i;
    return -1;
}
