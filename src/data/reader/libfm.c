/* libFM (Rendle 2012): "label feature feature:value ...". Without a description
 * of the features all of them are one multi field with weights. With a file
 * of (id, field, value) lines, tab separated, each field is a categorical of
 * its own, and a feature is the value that the field has in this row. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/input.h"
#include "data/reader/formats.h"

#define MAX_FEATURE_ID 100000000u /* a table of them: 1.6 GB at most */

struct feature {
    uint32_t field; // from 1; 0: not described
    uint32_t n;
    uint64_t text; // in values
};

struct features {
    struct feature *of; // [cap] by id
    size_t cap;
    struct strbuf values;
    char names[SCHEMA_MAX_FIELDS][FIELD_NAME_MAX];
    uint32_t n_fields;
};

struct libfm {
    struct table table;
    struct input *in;
    struct features *features; // NULL: one multi field; owned
    struct cell *cells;        // [n_columns]
};

static void features_destroy(struct features *f)
{
    if (!f)
        return;
    mem_free(f->of);
    strbuf_clear(&f->values);
    mem_free(f);
}

/* @return number from 1, or 0: too many, too long */
static uint32_t field_number(struct features *f, const struct cell *name)
{
    for (uint32_t i = 0; i < f->n_fields; i++)
        if (strlen(f->names[i]) == name->n &&
            !memcmp(f->names[i], name->text, name->n))
            return i + 1;
    if (f->n_fields == SCHEMA_MAX_FIELDS || name->n < 1 ||
        name->n >= FIELD_NAME_MAX)
        return 0;
    memcpy(f->names[f->n_fields], name->text, name->n);
    f->names[f->n_fields][name->n] = '\0';
    return ++f->n_fields;
}

static enum fusor_status describe(struct features *f, const char *path,
                                  const struct table_row *row,
                                  struct fusor_error *err)
{
    const struct cell *c = row->cells;
    uint64_t id;
    uint32_t field;

    if (row->fault || str_parse_u64(c[0].text, c[0].n, &id) ||
        id >= MAX_FEATURE_ID || !(field = field_number(f, &c[1])))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:%llu: expected feature id, field, value, tab "
                          "separated (at most %d fields, ids below %u)",
                          path, (unsigned long long)row->line,
                          SCHEMA_MAX_FIELDS, MAX_FEATURE_ID);
    if (id >= f->cap) {
        size_t cap = f->cap ? f->cap : 1024;
        struct feature *of;

        while (cap <= id)
            cap *= 2;
        of = mem_grow(f->of, f->cap, cap, sizeof(*of));
        if (!of)
            return mem_fail(err, path, cap * sizeof(*of));
        f->of = of;
        f->cap = cap;
    }
    f->of[id] = (struct feature){field, (uint32_t)c[2].n, f->values.len};
    strbuf_add_n(&f->values, c[2].text, c[2].n);
    return f->values.failed ? mem_fail(err, path, 0) : FUSOR_OK;
}

static enum fusor_status read_features(const char *path, struct features **out,
                                       struct fusor_error *err)
{
    static const char *const columns[] = {"id", "field", "value"};
    struct delimited_options o = {
        .separator = "\t", .header = columns, .n_header = 3};
    struct features *f = mem_alloc(1, sizeof(*f));
    struct table *t = NULL;
    enum fusor_status rc;
    int end = 0;

    if (!f)
        return mem_fail(err, path, sizeof(*f));
    rc = delimited_open(path, &o, &t, err);
    while (rc == FUSOR_OK && !end) {
        struct table_row row = {0};

        rc = table_next(t, &row, &end, err);
        if (rc == FUSOR_OK && !end)
            rc = describe(f, path, &row, err);
    }
    table_close(t);
    if (rc == FUSOR_OK)
        *out = f;
    else
        features_destroy(f);
    return rc;
}

/* Put a token into the cell of its field. @return NULL, or the fault */
static const char *place(struct libfm *f, const struct cell *token)
{
    const char *colon = memchr(token->text, ':', token->n);
    size_t n = colon ? (size_t)(colon - token->text) : token->n;
    const struct feature *feature;
    struct cell *cell;
    double value = 1;
    uint64_t id;

    if (str_parse_u64(token->text, n, &id))
        return "not a feature id";
    if (colon && str_parse_float(colon + 1, token->n - n - 1, &value))
        return "not a number";
    if (id >= f->features->cap || !f->features->of[id].field)
        return "feature that the fields file does not describe";
    if (value != 1)
        return "value of a categorical feature that is not 1";
    feature = &f->features->of[id];
    cell = &f->cells[feature->field];
    if (cell->n)
        return "second value of one field";
    *cell = (struct cell){f->features->values.s + feature->text, feature->n,
                          token->column};
    return NULL;
}

static enum fusor_status libfm_next(struct table *t, struct table_row *row,
                                    int *end, struct fusor_error *err)
{
    struct libfm *f = (struct libfm *)t;
    struct input_line line;
    struct cell token;
    size_t at;

    do {
        FUSOR_TRY(input_next_line(f->in, &line, end, err));
        if (*end)
            return FUSOR_OK;
        at = 0;
    } while (!reader_next_token(&line, &at, &f->cells[0]));
    row->line = line.number;
    row->cells = f->cells;
    if (!f->features) {
        reader_next_token(&line, &at, &token);
        f->cells[1] = (struct cell){token.text, line.n - (token.column - 1),
                                    token.column};
        return FUSOR_OK;
    }
    for (size_t c = 1; c < t->n_columns; c++)
        f->cells[c] = (struct cell){"", 0, (uint32_t)line.n};
    while (!row->fault && reader_next_token(&line, &at, &token)) {
        row->fault = place(f, &token);
        row->fault_column = token.column;
    }
    return FUSOR_OK;
}

static void libfm_close(struct table *t)
{
    struct libfm *f = (struct libfm *)t;

    input_close(f->in);
    features_destroy(f->features);
    mem_free(f->cells);
    mem_free(f);
}

static const struct table_ops libfm_ops = {.next = libfm_next,
                                           .close = libfm_close};

static enum fusor_status name_columns(struct libfm *f, const char *path,
                                      struct fusor_error *err)
{
    const char *names[SCHEMA_MAX_FIELDS + 1] = {"label", "features"};
    size_t n = 2;

    if (f->features) {
        n = f->features->n_fields + 1;
        for (size_t i = 1; i < n; i++)
            names[i] = f->features->names[i - 1];
    }
    f->cells = mem_alloc(n, sizeof(*f->cells));
    if (!f->cells)
        return mem_fail(err, path, n * sizeof(*f->cells));
    return table_name(&f->table, path, names, n, err);
}

static enum fusor_status open_table(const char *path, const char *fields,
                                    struct table **out, struct fusor_error *err)
{
    struct libfm *f = mem_alloc(1, sizeof(*f));
    enum fusor_status rc = FUSOR_OK;

    if (!f)
        return mem_fail(err, path, sizeof(*f));
    f->table.ops = &libfm_ops;
    if (fields[0])
        rc = read_features(fields, &f->features, err);
    if (rc == FUSOR_OK)
        rc = input_open(path, &f->in, err);
    if (rc == FUSOR_OK)
        rc = name_columns(f, path, err);
    if (rc == FUSOR_OK)
        *out = &f->table;
    else
        table_close(&f->table);
    return rc;
}

/* fields.tsv beside the rows, unless the user named another. */
static void find_fields(const struct reader_input *in, char out[FS_PATH_MAX])
{
    const char *path = in->paths[0], *slash = strrchr(path, '/');
    char dir[FS_PATH_MAX];

    if (in->fields[0]) {
        fs_join(out, in->fields, "");
        return;
    }
    snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path + 1) : 0,
             path);
    if (!fs_exists(fs_join(out, dir, "fields.tsv")))
        out[0] = '\0';
}

static enum fusor_status make_spec(struct source *out, struct fusor_error *err)
{
    const struct table *t = out->rows[0];
    int described = table_column(t, "features") != 1;
    struct source_field *f;

    if (out->spec.n_fields)
        return FUSOR_OK; // the user's schema
    strcpy(out->spec.label, "label");
    for (size_t c = 1; c < t->n_columns; c++) {
        f = source_spec_add(&out->spec, t->columns[c],
                            described ? FIELD_CATEGORICAL : FIELD_MULTI,
                            SIDE_ROW);
        if (!f)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: the field name \"%s\" cannot be used",
                              t->path, t->columns[c]);
        if (!described) {
            strcpy(f->separator, " ");
            f->weighted = 1;
        }
    }
    return FUSOR_OK;
}

static enum fusor_status open_libfm(const struct reader_input *in,
                                    struct source *out, struct fusor_error *err)
{
    char fields[FS_PATH_MAX];

    find_fields(in, fields);
    for (int i = 0; i < SOURCE_PARTS; i++)
        if (in->paths[i][0])
            FUSOR_TRY(open_table(in->paths[i], fields, &out->rows[i], err));
    return make_spec(out, err);
}

/* A number, then only ids with or without values. */
static int sniff_libfm(const char *path, const char *head)
{
    size_t label = strspn(head, "+-.0123456789");

    (void)path;
    if (label == 0 || head[label] != ' ')
        return 0;
    head += label;
    return head[strspn(head, " +-.:eE0123456789")] == '\0';
}

const struct reader_ops reader_libfm = {
    .name = "libfm",
    .help = "label feature[:value] ...; fields.tsv (id, field, value) beside "
            "it makes each field a categorical",
    .sniff = sniff_libfm,
    .open = open_libfm};
