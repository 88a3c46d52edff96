/* Cuts a block of lines into cells (scan.c), then decodes it column by column:
 * each loop knows its type. Bad rows are taken out at the end. */
#include "data/prepare_block.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/encode.h"
#include "data/input.h"
#include "data/part_layout.h"
#include "data/scan.h"
#include "data/text.h"

#define SMALL_COUNTS 4096 /* buckets of these are looked up */

struct prep_block {
    const struct prep *p;
    int part;
    uint32_t n_cells; // of a line
    char *text;       // [INPUT_LINES_ROOM + 1]
    uint32_t *ends;   // of cells; [0] is one before the first byte
    struct scan scan; // its ends begin at [1]
    uint32_t *first;  // [n_rows] index in ends of the row's first cell
    uint32_t *line;   // [n_rows]
    uint8_t *bad;     // [n_rows]
    uint32_t n_rows, rows_cap, n_good;
    uint64_t n_lines, rows_read;
    void **values; // by column of the stage
    size_t n_columns;
    struct block_fault *faults;
    size_t n_faults, faults_cap;
    int no_memory;
    uint16_t buckets[SMALL_COUNTS];
};

int prep_block_fits(const struct prep *p)
{
    for (int i = 0; i < SOURCE_PARTS; i++)
        if (p->source.rows[i] && !p->source.rows[i]->separator)
            return 0;
    for (uint32_t i = 0; i < p->n_fields; i++) {
        const struct prep_field *f = &p->fields[i];
        int number = f->spec.type == COLUMN_F32 && f->spec.width == 1;
        int id = f->source->type == FIELD_CATEGORICAL && f->source->hashed;

        if (f->place != PLACE_ROW || (!number && !id))
            return 0;
    }
    return p->sides[0].key < 0 && p->sides[1].key < 0;
}

static int create_columns(struct prep_block *b)
{
    b->n_columns = (size_t)b->p->stage_time + (b->p->has_time != 0);
    b->values = mem_alloc(b->n_columns, sizeof(*b->values));
    for (size_t c = 0; b->values && c < b->n_columns; c++) {
        const struct column_spec *s = &stage_column(b->p->stage, c)->spec;

        b->values[c] =
            mem_alloc_raw(b->rows_cap, part_value_bytes(s->type, s->width));
        if (!b->values[c])
            return -1;
    }
    return b->values ? 0 : -1;
}

static int create_arrays(struct prep_block *b)
{
    b->text = mem_alloc_raw(INPUT_LINES_ROOM + 1, 1);
    b->ends = mem_alloc_raw(INPUT_LINES_ROOM + 3, sizeof(*b->ends));
    b->scan.lines = mem_alloc_raw(INPUT_LINES_ROOM + 2, sizeof(*b->ends));
    b->first = mem_alloc_raw(b->rows_cap, sizeof(*b->first));
    b->line = mem_alloc_raw(b->rows_cap, sizeof(*b->line));
    b->bad = mem_alloc_raw(b->rows_cap, 1);
    if (!b->text || !b->ends || !b->scan.lines || !b->first || !b->line ||
        !b->bad)
        return -1;
    b->ends[0] = UINT32_MAX;
    b->scan.ends = b->ends + 1;
    return create_columns(b);
}

enum fusor_status prep_block_create(const struct prep *p, int part,
                                    struct prep_block **out,
                                    struct fusor_error *err)
{
    struct prep_block *b = mem_alloc(1, sizeof(*b));

    if (!b)
        return mem_fail(err, "block", sizeof(*b));
    b->p = p;
    b->part = part;
    b->n_cells = (uint32_t)p->source.rows[part]->n_columns;
    b->rows_cap = (uint32_t)(INPUT_LINES_ROOM / b->n_cells + 2);
    for (int i = 0; i < SMALL_COUNTS; i++)
        b->buckets[i] = (uint16_t)encode_bucket(i);
    if (create_arrays(b)) {
        prep_block_destroy(b);
        return mem_fail(err, "block", 16 * INPUT_LINES_ROOM);
    }
    *out = b;
    return FUSOR_OK;
}

void prep_block_destroy(struct prep_block *b)
{
    if (!b)
        return;
    for (size_t c = 0; b->values && c < b->n_columns; c++)
        mem_free(b->values[c]);
    mem_free(b->values);
    mem_free(b->faults);
    mem_free(b->bad);
    mem_free(b->line);
    mem_free(b->first);
    mem_free(b->scan.lines);
    mem_free(b->ends);
    mem_free(b->text);
    mem_free(b);
}

char *prep_block_text(struct prep_block *b)
{
    return b->text;
}

static void add_fault(struct prep_block *b, struct block_fault fault)
{
    void *faults = b->faults;

    if (mem_reserve(&faults, b->n_faults, &b->faults_cap, sizeof(fault))) {
        b->no_memory = 1;
        return;
    }
    b->faults = faults;
    b->faults[b->n_faults++] = fault;
}

/* The row of the cell is bad; its first fault is the one to report. */
static void note_bad(struct prep_block *b, uint32_t row, int cause,
                     const struct cell *cell, const char *what)
{
    if (b->bad[row])
        return;
    b->bad[row] = 1;
    add_fault(b, (struct block_fault){b->line[row], cell->column,
                                      (enum bad_cause)cause, what});
}

/* A line as the reader of one line would take it: what is wrong with it, if
 * anything. @return 0 good, 1 bad, -1 empty */
static int check_line(struct prep_block *b, uint64_t line, uint32_t first,
                      uint32_t last)
{
    uint32_t start = b->ends[first] + 1, end = b->scan.ends[last];
    uint32_t last_cell;

    if (end > start && b->text[end - 1] == '\r')
        end--;
    if (end == start)
        return -1;
    if (b->scan.high && !text_is_utf8(b->text + start, end - start)) {
        add_fault(b, (struct block_fault){line, 1, BAD_FORMAT,
                                          "bytes that are no UTF-8"});
        return 1;
    }
    if (last - first + 1 == b->n_cells)
        return 0;
    last_cell = last == first ? start : b->scan.ends[last - 1] + 1;
    add_fault(
        b, (struct block_fault){line, last_cell - start + 1, BAD_COLUMNS, ""});
    return 1;
}

/* Lines with as many cells as there are columns become rows. */
static void find_rows(struct prep_block *b)
{
    uint32_t first = 0;

    b->n_rows = 0;
    b->n_lines = b->scan.n_lines;
    b->rows_read = 0;
    for (uint32_t l = 0; l < b->scan.n_lines; l++) {
        uint32_t last = b->scan.lines[l];
        int rc = check_line(b, l, first, last);

        b->rows_read += rc >= 0;
        if (rc == 0) {
            b->first[b->n_rows] = first;
            b->line[b->n_rows] = l;
            b->bad[b->n_rows++] = 0;
        }
        first = last + 1;
    }
}

static inline struct cell cell_at(const struct prep_block *b, uint32_t row,
                                  uint32_t column)
{
    const uint32_t *end = b->ends + 1 + b->first[row] + column;
    uint32_t start = end[-1] + 1, stop = *end;

    if (column + 1 == b->n_cells && stop > start && b->text[stop - 1] == '\r')
        stop--;
    return (struct cell){b->text + start, stop - start, 0};
}

/* The byte of the line where a cell begins, for reports. */
static struct cell placed(const struct prep_block *b, uint32_t row,
                          struct cell cell)
{
    const uint32_t *end = b->ends + 1 + b->first[row];

    cell.column = (uint32_t)(cell.text - b->text) - (end[-1] + 1) + 1;
    return cell;
}

/* A number; most are short and whole. @return as prep_number() */
static inline int read_number(const struct cell *c, double *out)
{
    const char *s = c->text, *end = s + c->n;
    uint32_t x = 0;

    if (c->n == 0)
        return 1;
    if (c->n > 9)
        return prep_number(c, out);
    s += *s == '-' && c->n > 1;
    for (; s < end; s++) {
        unsigned digit = (unsigned char)*s - '0';

        if (digit > 9)
            return prep_number(c, out);
        x = 10 * x + digit;
    }
    *out = c->text[0] == '-' ? -(double)x : (double)x;
    return 0;
}

static void read_floats(struct prep_block *b, const struct source_field *s,
                        uint32_t column, float *out)
{
    for (uint32_t r = 0; r < b->n_rows; r++) {
        struct cell c = cell_at(b, r, column);
        double x = NAN;
        int rc = read_number(&c, &x);

        if (rc < 0 || (rc == 1 && s->required) ||
            (rc == 0 && s->has_range && (x < s->low || x > s->high))) {
            c = placed(b, r, c);
            note_bad(b, r,
                     rc < 0    ? BAD_NUMBER
                     : rc == 1 ? BAD_MISSING
                               : BAD_RANGE,
                     &c, s->name);
        }
        out[r] = rc == 0 ? (float)x : NAN;
    }
}

static void read_buckets(struct prep_block *b, const struct source_field *s,
                         uint32_t column, uint32_t *out)
{
    for (uint32_t r = 0; r < b->n_rows; r++) {
        struct cell c = cell_at(b, r, column);
        double x = 0;
        int rc = read_number(&c, &x);

        if (rc < 0 || (rc == 1 && s->required)) {
            c = placed(b, r, c);
            note_bad(b, r, rc < 0 ? BAD_NUMBER : BAD_MISSING, &c, s->name);
        }
        if (rc)
            out[r] = MISSING_U32;
        else if (x >= 0 && x < SMALL_COUNTS && x == (uint32_t)x)
            out[r] = b->buckets[(uint32_t)x];
        else
            out[r] = encode_bucket(x);
    }
}

/* @return 0, or 1 when the cell is empty */
static int trim(struct prep_block *b, const struct source_field *s,
                uint32_t row, struct cell *c)
{
    struct cell at = *c;

    if (c->n && ((unsigned char)c->text[0] <= ' ' ||
                 (unsigned char)c->text[c->n - 1] <= ' '))
        *c = prep_trimmed(*c);
    if (c->n)
        return 0;
    if (s->required) {
        at = placed(b, row, at);
        note_bad(b, row, BAD_MISSING, &at, s->name);
    }
    return 1;
}

static void read_modulo(struct prep_block *b, const struct source_field *s,
                        uint32_t column, uint32_t *out)
{
    for (uint32_t r = 0; r < b->n_rows; r++) {
        struct cell c = cell_at(b, r, column), at = c;
        uint64_t id = 0;

        out[r] = MISSING_U32;
        if (trim(b, s, r, &c))
            continue;
        if (encode_hex(c.text, c.n, &id)) {
            at = placed(b, r, at);
            note_bad(b, r, BAD_NUMBER, &at, s->name);
        } else if (id <= UINT32_MAX) { // half the price of the long division
            out[r] = 1 + (uint32_t)id % (uint32_t)s->hash_size;
        } else {
            out[r] = 1 + (uint32_t)(id % s->hash_size);
        }
    }
}

static void read_hashes(struct prep_block *b, const struct source_field *s,
                        uint32_t column, void *out)
{
    uint64_t *wide = out;
    uint32_t *ids = out;

    for (uint32_t r = 0; r < b->n_rows; r++) {
        struct cell c = cell_at(b, r, column);
        int missing = trim(b, s, r, &c);

        if (s->hash_size)
            ids[r] =
                missing ? MISSING_U32 : prep_hash_id(s->hash_size, c.text, c.n);
        else
            wide[r] = missing ? BATCH_NO_ID : prep_hash_wide(c.text, c.n);
    }
}

static void read_field(struct prep_block *b, const struct prep_field *f)
{
    uint32_t column = (uint32_t)f->column[b->part];
    void *out = b->values[f->stage];

    if (f->spec.type == COLUMN_F32)
        read_floats(b, f->source, column, out);
    else if (f->source->ids == IDS_BUCKETS)
        read_buckets(b, f->source, column, out);
    else if (f->source->ids == IDS_MODULO)
        read_modulo(b, f->source, column, out);
    else
        read_hashes(b, f->source, column, out);
}

/* Label, weight and time, by the rules of one row. */
static void read_facts(struct prep_block *b)
{
    const struct prep *p = b->p;
    float *label = b->values[p->stage_label];

    for (uint32_t r = 0; r < b->n_rows; r++) {
        struct row_numbers n = {1, 1, 0};
        struct row_fault fault;
        struct cell cells[3] = {{"", 0, 0}, {"", 0, 0}, {"", 0, 0}};

        if (p->has_label)
            cells[0] = cell_at(b, r, (uint32_t)p->label_column[b->part]);
        if (p->has_weight)
            cells[1] = cell_at(b, r, (uint32_t)p->weight_column[b->part]);
        if (p->has_time)
            cells[2] = cell_at(b, r, (uint32_t)p->time_column[b->part]);
        for (int i = 0; i < 3; i++)
            cells[i] = placed(b, r, cells[i]);
        fault = prep_check_numbers(p, cells, &n);
        if (fault.cause >= 0)
            note_bad(b, r, fault.cause, &(struct cell){"", 0, fault.column},
                     fault.what);
        label[r] = n.label;
        if (p->has_weight)
            ((float *)b->values[p->stage_weight])[r] = n.weight;
        if (p->has_time)
            ((int64_t *)b->values[p->stage_time])[r] = n.time;
    }
}

static void take_out(struct prep_block *b, size_t column, size_t size)
{
    char *v = b->values[column];
    uint32_t to = 0;

    for (uint32_t r = 0; r < b->n_rows; r++)
        if (!b->bad[r])
            memmove(v + size * to++, v + size * r, size);
    b->n_good = to;
}

static int by_line(const void *a, const void *b)
{
    const struct block_fault *x = a, *y = b;

    return x->line < y->line ? -1 : x->line > y->line;
}

static void drop_bad_rows(struct prep_block *b)
{
    b->n_good = b->n_rows;
    if (b->n_faults == 0)
        return;
    qsort(b->faults, b->n_faults, sizeof(*b->faults), by_line);
    for (size_t c = 0; c < b->n_columns; c++) {
        const struct column_spec *s = &stage_column(b->p->stage, c)->spec;

        take_out(b, c, part_value_bytes(s->type, s->width));
    }
}

enum fusor_status prep_block_parse(struct prep_block *b, size_t n,
                                   struct fusor_error *err)
{
    if (n && b->text[n - 1] != '\n')
        b->text[n++] = '\n';
    b->n_faults = 0;
    b->no_memory = 0;
    scan_cells(b->text, n, b->p->source.rows[b->part]->separator, &b->scan);
    find_rows(b);
    read_facts(b);
    for (uint32_t i = 0; i < b->p->n_fields; i++)
        read_field(b, &b->p->fields[i]);
    drop_bad_rows(b);
    return b->no_memory ? mem_fail(err, "bad rows", b->faults_cap * 32)
                        : FUSOR_OK;
}

uint64_t prep_block_lines(const struct prep_block *b)
{
    return b->n_lines;
}

uint64_t prep_block_rows_read(const struct prep_block *b)
{
    return b->rows_read;
}

uint32_t prep_block_rows(const struct prep_block *b)
{
    return b->n_good;
}

const void *prep_block_values(const struct prep_block *b, size_t column)
{
    return b->values[column];
}

const struct block_fault *prep_block_faults(const struct prep_block *b,
                                            size_t *n)
{
    *n = b->n_faults;
    return b->faults;
}
