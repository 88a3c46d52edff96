/* libSVM, SVMlight and LETOR: "label [qid:7] 3:0.5 8:1 # comment". All features
 * are one multi field with weights; qid, when the first line has it, is the
 * key of the query side. */
#include <string.h>

#include "base/mem.h"
#include "data/input.h"
#include "data/reader/formats.h"

struct libsvm {
    struct table table;
    struct input *in;
    struct cell cells[3]; // label, features, qid
};

static const char *const columns[] = {"label", "features", "qid"};

static size_t skip_blanks(const char *s, size_t n, size_t at)
{
    while (at < n && (s[at] == ' ' || s[at] == '\t'))
        at++;
    return at;
}

static size_t skip_token(const char *s, size_t n, size_t at)
{
    while (at < n && s[at] != ' ' && s[at] != '\t')
        at++;
    return at;
}

/* Is every token id:number? @return n, or the place of the first that is not */
static size_t check_features(const char *s, size_t at, size_t n)
{
    for (at = skip_blanks(s, n, at); at < n; at = skip_blanks(s, n, at)) {
        size_t end = skip_token(s, n, at);
        const char *colon = memchr(s + at, ':', end - at);
        uint64_t id;
        double value;

        if (!colon || str_parse_u64(s + at, (size_t)(colon - s) - at, &id) ||
            str_parse_float(colon + 1, (size_t)(s + end - colon - 1), &value))
            return at;
        at = end;
    }
    return n;
}

static enum fusor_status libsvm_next(struct table *t, struct table_row *row,
                                     int *end, struct fusor_error *err)
{
    struct libsvm *v = (struct libsvm *)t;
    struct input_line line;
    size_t n, at, stop;

    do {
        const char *comment;

        FUSOR_TRY(input_next_line(v->in, &line, end, err));
        if (*end)
            return FUSOR_OK;
        comment = memchr(line.text, '#', line.n);
        n = comment ? (size_t)(comment - line.text) : line.n;
        at = skip_blanks(line.text, n, 0);
    } while (at == n);
    row->line = line.number;
    row->cells = v->cells;
    stop = skip_token(line.text, n, at);
    v->cells[0] = (struct cell){line.text + at, stop - at, (uint32_t)at + 1};
    at = skip_blanks(line.text, n, stop);
    v->cells[2] = (struct cell){"", 0, (uint32_t)at + 1};
    if (n - at > 4 && !memcmp(line.text + at, "qid:", 4)) {
        stop = skip_token(line.text, n, at);
        v->cells[2] =
            (struct cell){line.text + at + 4, stop - at - 4, (uint32_t)at + 5};
        at = skip_blanks(line.text, n, stop);
    }
    v->cells[1] = (struct cell){line.text + at, n - at, (uint32_t)at + 1};
    stop = check_features(line.text, at, n);
    if (stop < n) {
        row->fault = "not of the form id:number";
        row->fault_column = (uint32_t)stop + 1;
    }
    return FUSOR_OK;
}

static void libsvm_close(struct table *t)
{
    struct libsvm *v = (struct libsvm *)t;

    input_close(v->in);
    mem_free(v);
}

static const struct table_ops libsvm_ops = {.next = libsvm_next,
                                            .close = libsvm_close};

static enum fusor_status open_table(const char *path, struct table **out,
                                    struct fusor_error *err)
{
    struct libsvm *v = mem_alloc(1, sizeof(*v));
    enum fusor_status rc;

    if (!v)
        return mem_fail(err, path, sizeof(*v));
    v->table.ops = &libsvm_ops;
    rc = input_open(path, &v->in, err);
    if (rc == FUSOR_OK)
        rc = table_name(&v->table, path, columns, 3, err);
    if (rc == FUSOR_OK)
        *out = &v->table;
    else
        table_close(&v->table);
    return rc;
}

static enum fusor_status has_qid(const char *path, int *out,
                                 struct fusor_error *err)
{
    struct table_row row = {0};
    struct table *t = NULL;
    enum fusor_status rc;
    int end;

    *out = 0;
    if (!strcmp(path, "-"))
        return FUSOR_OK; // it can be read only once
    FUSOR_TRY(open_table(path, &t, err));
    rc = table_next(t, &row, &end, err);
    if (rc == FUSOR_OK && !end)
        *out = row.cells[2].n > 0;
    table_close(t);
    return rc;
}

static enum fusor_status open_libsvm(const struct reader_input *in,
                                     struct source *out,
                                     struct fusor_error *err)
{
    struct source_field *f;
    int qid;

    FUSOR_TRY(has_qid(in->paths[0], &qid, err));
    for (int i = 0; i < SOURCE_PARTS; i++)
        if (in->paths[i][0])
            FUSOR_TRY(open_table(in->paths[i], &out->rows[i], err));
    if (out->spec.n_fields)
        return FUSOR_OK; // the user's schema
    strcpy(out->spec.label, "label");
    if (qid) {
        f = source_spec_add(&out->spec, "qid", FIELD_CATEGORICAL, SIDE_QUERY);
        f->is_key = 1;
    }
    f = source_spec_add(&out->spec, "features", FIELD_MULTI, SIDE_ROW);
    strcpy(f->separator, " ");
    f->weighted = 1;
    return FUSOR_OK;
}

static int sniff_libsvm(const char *path, const char *head)
{
    size_t label = strspn(head, "+-.0123456789");

    (void)path;
    return label > 0 && !strncmp(head + label, " qid:", 5);
}

const struct reader_ops reader_libsvm = {
    .name = "libsvm",
    .help = "label [qid:7] id:value ... (LETOR too)",
    .sniff = sniff_libsvm,
    .open = open_libsvm};
