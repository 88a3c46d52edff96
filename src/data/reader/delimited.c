/* Lines of cells with a separator between them; quotes after RFC 4180. A quoted
 * cell may run over several lines. */
#include <string.h>

#include "base/mem.h"
#include "data/input.h"
#include "data/reader/formats.h"
#include "data/text.h"

struct delimited {
    struct table table;
    struct input *in;
    char separator[8];
    size_t n_separator;
    int quotes, latin1;
    struct strbuf record; // a record of several lines, or one made UTF-8
    struct cell *cells;
    size_t cap;
};

static void note_fault(struct table_row *row, const char *why, size_t column)
{
    row->fault = why;
    row->fault_column = (uint32_t)column;
}

static int count_quotes(const char *s, size_t n)
{
    int odd = 0;

    for (const char *q = s; (q = memchr(q, '"', n - (size_t)(q - s))); q++)
        odd ^= 1;
    return odd;
}

/* Join lines until the quotes are closed. @return text of the record in *s */
static enum fusor_status read_record(struct delimited *d, char **s, size_t *n,
                                     uint64_t *line_number, int *end,
                                     struct fusor_error *err)
{
    struct input_line line;
    int open;

    FUSOR_TRY(input_next_line(d->in, &line, end, err));
    if (*end)
        return FUSOR_OK;
    *line_number = line.number;
    *s = line.text;
    *n = line.n;
    if (!d->quotes || !(open = count_quotes(line.text, line.n)))
        return FUSOR_OK;
    d->record.len = 0;
    strbuf_add_n(&d->record, line.text, line.n);
    while (open && d->record.len < INPUT_LINE_MAX) {
        int over = 0;

        FUSOR_TRY(input_next_line(d->in, &line, &over, err));
        if (over)
            break;
        strbuf_add_n(&d->record, "\n", 1);
        strbuf_add_n(&d->record, line.text, line.n);
        open ^= count_quotes(line.text, line.n);
    }
    if (d->record.failed)
        return mem_fail(err, d->table.path, INPUT_LINE_MAX);
    *s = d->record.s;
    *n = d->record.len;
    return FUSOR_OK;
}

/* Undo the quotes of the cell that begins at *at (a quote), in place.
 * @return 0, or -1 with *at where it went wrong */
static int take_quoted(const struct delimited *d, char *s, size_t n, size_t *at,
                       struct cell *cell)
{
    size_t from = *at + 1, to = from;

    cell->text = s + from;
    for (;;) {
        if (from >= n)
            return -1;
        if (s[from] != '"') {
            s[to++] = s[from++];
        } else if (from + 1 < n && s[from + 1] == '"') {
            s[to++] = '"';
            from += 2;
        } else {
            break;
        }
    }
    cell->n = (size_t)(s + to - cell->text);
    *at = from + 1;
    return *at == n || (n - *at >= d->n_separator &&
                        !memcmp(s + *at, d->separator, d->n_separator))
               ? 0
               : -1;
}

static const char *find_separator(const struct delimited *d, const char *s,
                                  const char *end)
{
    while ((s = memchr(s, d->separator[0], (size_t)(end - s)))) {
        if ((size_t)(end - s) < d->n_separator)
            return NULL;
        if (d->n_separator == 1 || !memcmp(s, d->separator, d->n_separator))
            return s;
        s++;
    }
    return NULL;
}

static enum fusor_status add_cell(struct delimited *d, size_t n_cells,
                                  struct cell cell, struct fusor_error *err)
{
    void *cells = d->cells;

    if (mem_reserve(&cells, n_cells, &d->cap, sizeof(*d->cells)))
        return mem_fail(err, d->table.path, d->cap * 2 * sizeof(*d->cells));
    d->cells = cells;
    d->cells[n_cells] = cell;
    return FUSOR_OK;
}

/* @param n_cells set; the row has a fault when the quotes are wrong */
static enum fusor_status split(struct delimited *d, char *s, size_t n,
                               struct table_row *row, size_t *n_cells,
                               struct fusor_error *err)
{
    size_t at = 0;

    for (*n_cells = 0;; at += d->n_separator) {
        struct cell cell = {s + at, 0, (uint32_t)at + 1};

        if (d->quotes && at < n && s[at] == '"') {
            if (take_quoted(d, s, n, &at, &cell)) {
                note_fault(row, "quotes that do not close before the separator",
                           cell.column);
                return FUSOR_OK;
            }
        } else {
            const char *stop = find_separator(d, s + at, s + n);

            cell.n = (size_t)((stop ? stop : s + n) - cell.text);
            at += cell.n;
        }
        FUSOR_TRY(add_cell(d, (*n_cells)++, cell, err));
        if (at >= n)
            return FUSOR_OK;
    }
}

static enum fusor_status make_utf8(struct delimited *d, char **s, size_t *n,
                                   struct table_row *row,
                                   struct fusor_error *err)
{
    struct strbuf fresh = {0};

    if (text_is_utf8(*s, *n))
        return FUSOR_OK;
    if (!d->latin1) {
        note_fault(row, "bytes that are no UTF-8", 1);
        return FUSOR_OK;
    }
    text_add_latin1(&fresh, *s, *n);
    if (fresh.failed)
        return mem_fail(err, d->table.path, 2 * *n);
    strbuf_clear(&d->record);
    d->record = fresh;
    *s = fresh.s;
    *n = fresh.len;
    return FUSOR_OK;
}

static enum fusor_status next_cells(struct delimited *d, struct table_row *row,
                                    size_t *n_cells, int *end,
                                    struct fusor_error *err)
{
    size_t n;
    char *s;

    do {
        FUSOR_TRY(read_record(d, &s, &n, &row->line, end, err));
        if (*end)
            return FUSOR_OK;
    } while (n == 0);
    FUSOR_TRY(make_utf8(d, &s, &n, row, err));
    return row->fault ? FUSOR_OK : split(d, s, n, row, n_cells, err);
}

static enum fusor_status delimited_next(struct table *t, struct table_row *row,
                                        int *end, struct fusor_error *err)
{
    struct delimited *d = (struct delimited *)t;
    size_t n_cells = 0;

    FUSOR_TRY(next_cells(d, row, &n_cells, end, err));
    if (*end || row->fault)
        return FUSOR_OK;
    if (n_cells != t->n_columns)
        note_fault(row, "wrong number of columns",
                   n_cells ? d->cells[n_cells - 1].column : 1);
    row->cells = d->cells;
    return FUSOR_OK;
}

static void delimited_close(struct table *t)
{
    struct delimited *d = (struct delimited *)t;

    input_close(d->in);
    strbuf_clear(&d->record);
    mem_free(d->cells);
    mem_free(d);
}

static enum fusor_status delimited_lines(struct table *t, char *to, size_t *got,
                                         struct fusor_error *err)
{
    return input_read_lines(((struct delimited *)t)->in, to, got, err);
}

static const struct table_ops delimited_ops = {
    .next = delimited_next, .close = delimited_close, .lines = delimited_lines};

/* Names from the first line. */
static enum fusor_status read_names(struct delimited *d, const char *path,
                                    struct fusor_error *err)
{
    struct table_row row = {0};
    enum fusor_status rc;
    char **names = NULL;
    size_t n = 0;
    int end = 0;

    FUSOR_TRY(next_cells(d, &row, &n, &end, err));
    if (end || row.fault)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:1: the first line must name the columns: %s",
                          path, end ? "the file is empty" : row.fault);
    names = mem_alloc(n, sizeof(*names));
    rc = names ? FUSOR_OK : mem_fail(err, path, n * sizeof(*names));
    for (size_t i = 0; i < n && rc == FUSOR_OK; i++) {
        names[i] = mem_alloc(d->cells[i].n + 1, 1);
        if (names[i])
            memcpy(names[i], d->cells[i].text, d->cells[i].n);
        else
            rc = mem_fail(err, path, d->cells[i].n + 1);
    }
    if (rc == FUSOR_OK)
        rc = table_name(&d->table, path, (const char *const *)names, n, err);
    for (size_t i = 0; names && i < n; i++)
        mem_free(names[i]);
    mem_free(names);
    return rc;
}

enum fusor_status delimited_open(const char *path,
                                 const struct delimited_options *o,
                                 struct table **out, struct fusor_error *err)
{
    struct delimited *d = mem_alloc(1, sizeof(*d));
    enum fusor_status rc;

    if (!d)
        return mem_fail(err, path, sizeof(*d));
    d->table.ops = &delimited_ops;
    d->n_separator = strlen(o->separator);
    d->quotes = o->quotes;
    d->latin1 = o->latin1;
    if (d->n_separator < 1 || d->n_separator >= sizeof(d->separator))
        rc = fusor_fail(err, FUSOR_EUSAGE,
                        "%s: a separator has 1 to %zu bytes, not \"%s\"", path,
                        sizeof(d->separator) - 1, o->separator);
    else
        rc = input_open(path, &d->in, err);
    if (rc == FUSOR_OK) {
        memcpy(d->separator, o->separator, d->n_separator);
        rc = o->header
                 ? table_name(&d->table, path, o->header, o->n_header, err)
                 : read_names(d, path, err);
    }
    if (rc == FUSOR_OK) {
        if (!o->quotes && !o->latin1 && d->n_separator == 1)
            d->table.separator = d->separator[0];
        d->table.first_line = input_lines_given(d->in);
        *out = &d->table;
    } else {
        table_close(&d->table);
    }
    return rc;
}
