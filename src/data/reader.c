/* The registry of formats, and what all tables share. */
#include "data/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/input.h"
#include "data/reader/formats.h"

/* The first that knows an input wins. */
static const struct reader_ops *const readers[] = {&reader_beir,
                                                   &reader_movielens,
                                                   &reader_criteo,
                                                   &reader_ncf,
                                                   &reader_recbole,
                                                   &reader_libsvm,
                                                   &reader_libffm,
                                                   &reader_sasrec,
                                                   &reader_s3rec,
                                                   &reader_libfm,
                                                   &reader_tsv,
                                                   &reader_csv,
                                                   NULL};

#define FORMATS                                                         \
    "movielens, criteo, csv, tsv, libfm, libffm, libsvm, ncf, sasrec, " \
    "s3rec, recbole or beir"

void reader_list(struct strbuf *out)
{
    for (size_t i = 0; readers[i]; i++)
        strbuf_addf(out, "  %-11s%s\n", readers[i]->name, readers[i]->help);
}

enum fusor_status table_next(struct table *t, struct table_row *row, int *end,
                             struct fusor_error *err)
{
    row->fault = NULL;
    row->fault_column = 1;
    *end = 0;
    return t->ops->next(t, row, end, err);
}

static void table_unname(struct table *t)
{
    for (size_t i = 0; i < t->n_columns; i++)
        mem_free(t->columns[i]);
    mem_free(t->columns);
    mem_free((void *)(uintptr_t)t->path); // const only for readers
    t->columns = NULL;
    t->n_columns = 0;
    t->path = NULL;
}

void table_close(struct table *t)
{
    if (!t)
        return;
    table_unname(t);
    t->ops->close(t);
}

int table_column(const struct table *t, const char *column)
{
    for (size_t i = 0; i < t->n_columns; i++)
        if (!strcmp(t->columns[i], column))
            return (int)i;
    return -1;
}

enum fusor_status table_name(struct table *t, const char *path,
                             const char *const *columns, size_t n,
                             struct fusor_error *err)
{
    t->path = mem_strdup(path);
    t->columns = mem_alloc(n, sizeof(*t->columns));
    if (!t->path || !t->columns)
        goto fail;
    for (size_t i = 0; i < n; i++) {
        t->columns[i] = mem_strdup(columns[i]);
        if (!t->columns[i])
            goto fail;
        t->n_columns++;
    }
    return FUSOR_OK;
fail:
    table_unname(t);
    return mem_fail(err, path, n * sizeof(*t->columns));
}

enum fusor_status reader_head(const char *path, char out[READER_HEAD_MAX],
                              struct fusor_error *err)
{
    struct input_line line;
    struct input *in = NULL;
    enum fusor_status rc;
    int end = 0;

    out[0] = '\0';
    if (fs_is_dir(path))
        return FUSOR_OK;
    FUSOR_TRY(input_open(path, &in, err));
    rc = input_next_line(in, &line, &end, err);
    if (rc == FUSOR_OK && !end)
        snprintf(out, READER_HEAD_MAX, "%s", line.text);
    input_close(in);
    return rc;
}

int reader_next_token(const struct input_line *line, size_t *at,
                      struct cell *out)
{
    size_t i = *at, start;

    while (i < line->n && (line->text[i] == ' ' || line->text[i] == '\t'))
        i++;
    start = i;
    while (i < line->n && line->text[i] != ' ' && line->text[i] != '\t')
        i++;
    *out = (struct cell){line->text + start, i - start, (uint32_t)start + 1};
    *at = i;
    return i > start;
}

static enum fusor_status find_reader(const struct reader_input *in,
                                     const struct reader_ops **out,
                                     struct fusor_error *err)
{
    const char *path = in->paths[0];
    char head[READER_HEAD_MAX];

    if (!strcmp(path, "-"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the format of standard input cannot be guessed: "
                          "give --format");
    FUSOR_TRY(reader_head(path, head, err));
    for (size_t i = 0; readers[i]; i++) {
        if (in->schema[0] && readers[i]->own_fields)
            continue;
        if (readers[i]->sniff(path, head)) {
            *out = readers[i];
            return FUSOR_OK;
        }
    }
    return fusor_fail(err, FUSOR_EUSAGE,
                      "%s: no format fits: give --format: " FORMATS, path);
}

enum fusor_status reader_find(const char *path, const struct reader_ops **out,
                              struct fusor_error *err)
{
    struct reader_input in = {.paths = {path, "", ""}, .schema = ""};

    return find_reader(&in, out, err);
}

static enum fusor_status named_reader(const char *format,
                                      const struct reader_ops **out,
                                      struct fusor_error *err)
{
    const char *names[sizeof(readers) / sizeof(readers[0])] = {NULL};
    const char *near;

    for (size_t i = 0; readers[i]; i++) {
        names[i] = readers[i]->name;
        if (!strcmp(format, names[i])) {
            *out = readers[i];
            return FUSOR_OK;
        }
    }
    near = str_nearest(format, names);
    return fusor_fail(err, FUSOR_EUSAGE, "no format \"%s\"; did you mean %s?",
                      format, near ? near : FORMATS);
}

enum fusor_status source_open(const char *format, const struct reader_input *in,
                              struct source *out, const char **format_found,
                              struct fusor_error *err)
{
    const struct reader_ops *ops = NULL;
    enum fusor_status rc;

    if (!strcmp(format, "auto"))
        FUSOR_TRY(find_reader(in, &ops, err));
    else
        FUSOR_TRY(named_reader(format, &ops, err));
    memset(out, 0, sizeof(*out));
    source_spec_init(&out->spec);
    if (in->schema[0])
        FUSOR_TRY(source_spec_read(in->schema, &out->spec, err));
    rc = ops->open(in, out, err);
    if (rc == FUSOR_OK)
        *format_found = ops->name;
    else
        source_close(out);
    return rc;
}

void source_close(struct source *s)
{
    for (int i = 0; i < SOURCE_PARTS; i++)
        table_close(s->rows[i]);
    table_close(s->query);
    table_close(s->item);
    source_spec_clear(&s->spec);
    memset(s, 0, sizeof(*s));
}
