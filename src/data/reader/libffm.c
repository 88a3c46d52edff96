/* libFFM (Juan et al. 2016): "label field:index:value ...". Each field is a
 * column f0, f1, ...: a categorical when every row has at most one index of it
 * with value 1, else a multi with weights. Which fields there are is read from
 * the whole of the first file beforehand. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/input.h"
#include "data/reader/formats.h"

#define MAX_FIELD_NUMBER 100000u

/* What the first file has. */
struct fields {
    uint32_t place[MAX_FIELD_NUMBER]; // 1 + column among the fields; 0: none
    uint32_t number[SCHEMA_MAX_FIELDS];
    int many[SCHEMA_MAX_FIELDS];      // a multi with weights
    uint64_t seen[SCHEMA_MAX_FIELDS]; // line that had it last
    uint32_t n;
};

struct libffm {
    struct table table;
    struct input *in;
    struct fields *fields; // owned
    struct cell *cells;    // [1 + fields]
    struct strbuf *lists;  // [fields] "index:value ..." of the row at hand
};

struct triple {
    uint64_t field;
    struct cell index, value; // value as it is written
    double number;
};

/* @return 0, or -1: not field:index:value */
static int parse_triple(const struct cell *t, struct triple *out)
{
    const char *end = t->text + t->n;
    const char *a = memchr(t->text, ':', t->n);
    const char *b = a ? memchr(a + 1, ':', (size_t)(end - a - 1)) : NULL;
    uint64_t index;

    if (!b)
        return -1;
    out->index = (struct cell){a + 1, (size_t)(b - a - 1),
                               t->column + (uint32_t)(a + 1 - t->text)};
    out->value = (struct cell){b + 1, (size_t)(end - b - 1),
                               t->column + (uint32_t)(b + 1 - t->text)};
    return str_parse_u64(t->text, (size_t)(a - t->text), &out->field) ||
                   out->field >= MAX_FIELD_NUMBER ||
                   str_parse_u64(out->index.text, out->index.n, &index) ||
                   str_parse_float(out->value.text, out->value.n, &out->number)
               ? -1
               : 0;
}

/* Lines that are wrong say so when they are read as rows. */
static int see_line(struct fields *f, const struct input_line *line)
{
    struct triple t;
    struct cell token;
    size_t at = 0;

    reader_next_token(line, &at, &token);
    while (reader_next_token(line, &at, &token)) {
        uint32_t c;

        if (parse_triple(&token, &t))
            break;
        if (!f->place[t.field]) {
            if (f->n == SCHEMA_MAX_FIELDS)
                return -1;
            f->number[f->n] = (uint32_t)t.field;
            f->place[t.field] = ++f->n;
        }
        c = f->place[t.field] - 1;
        f->many[c] |= t.number != 1 || f->seen[c] == line->number;
        f->seen[c] = line->number;
    }
    return 0;
}

/* Columns in the order of the field numbers. */
static void order_fields(struct fields *f)
{
    int many[SCHEMA_MAX_FIELDS];
    uint32_t n = 0;

    memcpy(many, f->many, sizeof(many));
    for (uint32_t number = 0; number < MAX_FIELD_NUMBER; number++) {
        if (!f->place[number])
            continue;
        f->many[n] = many[f->place[number] - 1];
        f->number[n] = number;
        f->place[number] = ++n;
    }
}

static enum fusor_status find_fields(const char *path, struct fields *f,
                                     struct fusor_error *err)
{
    struct input_line line;
    struct input *in = NULL;
    enum fusor_status rc;
    int end = 0;

    if (!strcmp(path, "-"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "libffm: the fields are read from the whole file "
                          "first: give a file, not standard input");
    FUSOR_TRY(input_open(path, &in, err));
    do {
        rc = input_next_line(in, &line, &end, err);
        if (rc == FUSOR_OK && !end && see_line(f, &line))
            rc = fusor_fail(err, FUSOR_EDATA, "%s:%llu: more than %d fields",
                            path, (unsigned long long)line.number,
                            SCHEMA_MAX_FIELDS);
    } while (rc == FUSOR_OK && !end);
    input_close(in);
    if (rc == FUSOR_OK && f->n == 0)
        rc = fusor_fail(err, FUSOR_EDATA,
                        "%s: no line has a feature of the form "
                        "field:index:value",
                        path);
    order_fields(f);
    return rc;
}

/* @return NULL, or the fault */
static const char *place(struct libffm *f, const struct cell *token)
{
    struct triple t;
    uint32_t c;

    if (parse_triple(token, &t))
        return "not field:index:value";
    c = f->fields->place[t.field];
    if (!c)
        return "a field that the first file does not have";
    if (!f->fields->many[c - 1]) {
        if (t.number != 1 || f->cells[c].n)
            return "second value of one field, or a value that is not 1: the "
                   "first file has none";
        f->cells[c] = t.index;
        return NULL;
    }
    if (f->lists[c - 1].len)
        strbuf_add(&f->lists[c - 1], " ");
    else
        f->cells[c].column = token->column;
    strbuf_add_n(&f->lists[c - 1], t.index.text,
                 (size_t)(t.value.text + t.value.n - t.index.text));
    return NULL;
}

static enum fusor_status join_lists(struct libffm *f, struct fusor_error *err)
{
    for (uint32_t i = 0; i < f->fields->n; i++) {
        if (f->lists[i].failed)
            return mem_fail(err, f->table.path, INPUT_LINE_MAX);
        if (f->fields->many[i] && f->lists[i].len) {
            f->cells[i + 1].text = f->lists[i].s;
            f->cells[i + 1].n = f->lists[i].len;
        }
    }
    return FUSOR_OK;
}

static enum fusor_status libffm_next(struct table *t, struct table_row *row,
                                     int *end, struct fusor_error *err)
{
    struct libffm *f = (struct libffm *)t;
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
    for (uint32_t i = 0; i < f->fields->n; i++) {
        f->cells[i + 1] = (struct cell){"", 0, (uint32_t)line.n};
        f->lists[i].len = 0;
    }
    while (!row->fault && reader_next_token(&line, &at, &token)) {
        row->fault = place(f, &token);
        row->fault_column = token.column;
    }
    return row->fault ? FUSOR_OK : join_lists(f, err);
}

static void libffm_close(struct table *t)
{
    struct libffm *f = (struct libffm *)t;

    input_close(f->in);
    for (uint32_t i = 0; f->lists && i < f->fields->n; i++)
        strbuf_clear(&f->lists[i]);
    mem_free(f->lists);
    mem_free(f->cells);
    mem_free(f->fields);
    mem_free(f);
}

static const struct table_ops libffm_ops = {.next = libffm_next,
                                            .close = libffm_close};

static enum fusor_status name_columns(struct libffm *f, const char *path,
                                      struct fusor_error *err)
{
    char text[SCHEMA_MAX_FIELDS][16];
    const char *names[SCHEMA_MAX_FIELDS + 1] = {"label"};
    size_t n = f->fields->n;

    for (size_t i = 0; i < n; i++) {
        snprintf(text[i], sizeof(text[i]), "f%u", f->fields->number[i]);
        names[i + 1] = text[i];
    }
    f->cells = mem_alloc(n + 1, sizeof(*f->cells));
    f->lists = mem_alloc(n, sizeof(*f->lists));
    if (!f->cells || !f->lists)
        return mem_fail(err, path, n * sizeof(*f->cells));
    return table_name(&f->table, path, names, n + 1, err);
}

/* @param fields what the first file has; copied */
static enum fusor_status open_table(const char *path,
                                    const struct fields *fields,
                                    struct table **out, struct fusor_error *err)
{
    struct libffm *f = mem_alloc(1, sizeof(*f));
    enum fusor_status rc;

    if (!f)
        return mem_fail(err, path, sizeof(*f));
    f->table.ops = &libffm_ops;
    f->fields = mem_alloc_raw(1, sizeof(*fields));
    if (f->fields) {
        memcpy(f->fields, fields, sizeof(*fields));
        rc = input_open(path, &f->in, err);
    } else {
        rc = mem_fail(err, path, sizeof(*fields));
    }
    if (rc == FUSOR_OK)
        rc = name_columns(f, path, err);
    if (rc == FUSOR_OK)
        *out = &f->table;
    else
        table_close(&f->table);
    return rc;
}

static enum fusor_status open_all(const struct reader_input *in,
                                  struct fields *fields, struct source *out,
                                  struct fusor_error *err)
{
    FUSOR_TRY(find_fields(in->paths[0], fields, err));
    for (int i = 0; i < SOURCE_PARTS; i++)
        if (in->paths[i][0])
            FUSOR_TRY(open_table(in->paths[i], fields, &out->rows[i], err));
    if (out->spec.n_fields)
        return FUSOR_OK; // the user's schema
    strcpy(out->spec.label, "label");
    for (uint32_t i = 0; i < fields->n; i++) {
        struct source_field *f = source_spec_add(
            &out->spec, out->rows[0]->columns[i + 1],
            fields->many[i] ? FIELD_MULTI : FIELD_CATEGORICAL, SIDE_ROW);

        f->weighted = fields->many[i];
        strcpy(f->separator, fields->many[i] ? " " : "");
    }
    return FUSOR_OK;
}

static enum fusor_status open_libffm(const struct reader_input *in,
                                     struct source *out,
                                     struct fusor_error *err)
{
    struct fields *fields = mem_alloc(1, sizeof(*fields));
    enum fusor_status rc;

    if (!fields)
        return mem_fail(err, "libffm", sizeof(*fields));
    rc = open_all(in, fields, out, err);
    mem_free(fields);
    return rc;
}

/* A number, then field:index:value. */
static int sniff_libffm(const char *path, const char *head)
{
    size_t label = strspn(head, "+-.0123456789");
    struct input_line line = {.n = strlen(head)};
    struct triple t;
    struct cell token;
    size_t at = label;

    (void)path;
    if (label == 0 || head[label] != ' ')
        return 0;
    line.text = (char *)(uintptr_t)head; // const only for readers
    return reader_next_token(&line, &at, &token) && !parse_triple(&token, &t);
}

const struct reader_ops reader_libffm = {
    .name = "libffm",
    .help = "label field:index:value ...; each field is a column f0, f1, ...",
    .sniff = sniff_libffm,
    .open = open_libffm};
