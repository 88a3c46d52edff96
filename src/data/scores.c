/* Reads score files with the tables of the readers; pairs go into an open
 * address table with linear probing, at most half full. */
#include "data/scores.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "data/reader/formats.h"

#define FIRST_SLOTS 1024
#define NO_PAIR UINT64_MAX
#define EDGE 1e-6 /* a probability stays this far from 0 and 1 */

struct scores {
    uint64_t n, n_unknown;
    int by_row;
    uint64_t n_rows;
    float *rows; // [n_rows] NaN: none
    uint64_t *pairs;
    float *values;
    size_t mask; // slots less one
};

/* A file being read. */
struct reading {
    const struct scores_source *source;
    struct scores *to;
    struct table *table;
    int query, item, row, score; // columns, or -1
};

static uint64_t pair_key(uint32_t query, uint32_t item)
{
    return (uint64_t)query << 32 | item;
}

static size_t find_slot(const struct scores *s, uint64_t key)
{
    size_t i = hash_mix(key) & s->mask;

    while (s->pairs[i] != NO_PAIR && s->pairs[i] != key)
        i = (i + 1) & s->mask;
    return i;
}

/* @return 0, or -1: no memory */
static int take_slots(struct scores *s, size_t n)
{
    s->pairs = mem_alloc_raw(n, sizeof(*s->pairs));
    s->values = mem_alloc_raw(n, sizeof(*s->values));
    if (!s->pairs || !s->values)
        return -1;
    memset(s->pairs, 0xff, n * sizeof(*s->pairs));
    s->mask = n - 1;
    return 0;
}

static enum fusor_status grow(struct scores *s, const char *path,
                              struct fusor_error *err)
{
    struct scores old = *s;
    size_t n = 2 * (s->mask + 1);

    if (2 * (s->n + 1) <= s->mask + 1)
        return FUSOR_OK;
    if (take_slots(s, n)) {
        mem_free(s->pairs);
        mem_free(s->values);
        *s = old;
        return mem_fail(err, path, n * 12);
    }
    for (size_t i = 0; i <= old.mask; i++)
        if (old.pairs[i] != NO_PAIR) {
            size_t at = find_slot(s, old.pairs[i]);

            s->pairs[at] = old.pairs[i];
            s->values[at] = old.values[i];
        }
    mem_free(old.pairs);
    mem_free(old.values);
    return FUSOR_OK;
}

static int shown(const struct cell *c)
{
    return c->n < 60 ? (int)c->n : 60;
}

static enum fusor_status read_score(const struct reading *r,
                                    const struct table_row *row, float *out,
                                    struct fusor_error *err)
{
    const struct cell *c = &row->cells[r->score];
    int is_probability = r->source->probabilities;
    double x;

    if (str_parse_float(c->text, c->n, &x) || fabs(x) > 3.4028234e38)
        return fusor_fail(
            err, FUSOR_EDATA, "%s:%llu: \"%.*s\" is not a finite number",
            r->source->path, (unsigned long long)row->line, shown(c), c->text);
    if (is_probability && !(x >= 0 && x <= 1))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:%llu: %.*s is not a probability: leave `values` "
                          "away where scores are logits",
                          r->source->path, (unsigned long long)row->line,
                          shown(c), c->text);
    if (is_probability) {
        x = x < EDGE ? EDGE : x > 1 - EDGE ? 1 - EDGE : x;
        x = log(x) - log1p(-x);
    }
    *out = (float)x;
    return FUSOR_OK;
}

static enum fusor_status put_row(struct reading *r, const struct table_row *row,
                                 float score, struct fusor_error *err)
{
    const struct cell *c = &row->cells[r->row];
    struct scores *s = r->to;
    double number;

    if (str_parse_float(c->text, c->n, &number) || number < 0 ||
        floor(number) < number || number >= (double)s->n_rows)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:%llu: row \"%.*s\", but the part has rows 0 to "
                          "%llu",
                          r->source->path, (unsigned long long)row->line,
                          shown(c), c->text,
                          (unsigned long long)(s->n_rows - 1));
    if (!isnan(s->rows[(uint64_t)number]))
        return fusor_fail(
            err, FUSOR_EDATA, "%s:%llu: row %.*s has a score already",
            r->source->path, (unsigned long long)row->line, shown(c), c->text);
    s->rows[(uint64_t)number] = score;
    s->n++;
    return FUSOR_OK;
}

static enum fusor_status put_pair(struct reading *r,
                                  const struct table_row *row, float score,
                                  struct fusor_error *err)
{
    const struct cell *q = &row->cells[r->query], *i = &row->cells[r->item];
    uint32_t query = vocab_find(r->source->queries, q->text, q->n);
    uint32_t item = vocab_find(r->source->items, i->text, i->n);
    struct scores *s = r->to;
    size_t at;

    if (query == VOCAB_UNKNOWN || item == VOCAB_UNKNOWN) {
        s->n_unknown++;
        return FUSOR_OK;
    }
    FUSOR_TRY(grow(s, r->source->path, err));
    at = find_slot(s, pair_key(query, item));
    if (s->pairs[at] != NO_PAIR)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:%llu: %s \"%.*s\" and %s \"%.*s\" have a score "
                          "already",
                          r->source->path, (unsigned long long)row->line,
                          r->source->query, shown(q), q->text, r->source->item,
                          shown(i), i->text);
    s->pairs[at] = pair_key(query, item);
    s->values[at] = score;
    s->n++;
    return FUSOR_OK;
}

static enum fusor_status read_lines(struct reading *r, struct fusor_error *err)
{
    struct table_row row = {0};
    int end = 0;

    for (;;) {
        float score = 0;

        row.fault = NULL;
        FUSOR_TRY(table_next(r->table, &row, &end, err));
        if (end)
            return FUSOR_OK;
        if (row.fault)
            return fusor_fail(err, FUSOR_EDATA, "%s:%llu:%u: %s",
                              r->source->path, (unsigned long long)row.line,
                              row.fault_column, row.fault);
        if (row.cells[r->score].n == 0)
            continue;
        FUSOR_TRY(read_score(r, &row, &score, err));
        FUSOR_TRY(r->to->by_row ? put_row(r, &row, score, err)
                                : put_pair(r, &row, score, err));
    }
}

static int column_of(const struct table *t, const char *name, const char *other)
{
    int c = table_column(t, name);

    return c < 0 && other ? table_column(t, other) : c;
}

static void find_columns(struct reading *r)
{
    const struct scores_source *s = r->source;

    r->query = column_of(r->table, "user", s->query);
    r->item = column_of(r->table, "item", s->item);
    r->row = table_column(r->table, "row");
    r->score = table_column(r->table, s->column ? s->column : "score");
}

static enum fusor_status open_table(struct reading *r, char separator,
                                    const char *const *header, size_t n,
                                    struct fusor_error *err)
{
    const char text[2] = {separator, '\0'};
    struct delimited_options o = {.separator = text,
                                  .quotes = separator == ',',
                                  .header = header,
                                  .n_header = n};

    table_close(r->table);
    r->table = NULL;
    return delimited_open(r->source->path, &o, &r->table, err);
}

/* Cells are pairs where they can be, else rows. */
static enum fusor_status choose_key(struct reading *r, struct fusor_error *err)
{
    const struct scores_source *s = r->source;
    int has_names = s->queries && s->items;

    if (r->query >= 0 && r->item >= 0 && has_names)
        return FUSOR_OK;
    r->to->by_row = r->row >= 0;
    if (r->to->by_row)
        return FUSOR_OK;
    if (r->query >= 0 && r->item >= 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: scores of pairs, but the prepared folder keeps "
                          "no names of users and items: key them by row",
                          s->path);
    return fusor_fail(err, FUSOR_EUSAGE,
                      "%s: no columns user and item, nor a column row",
                      s->path);
}

/* A first line that names none of our columns is a score already. */
static enum fusor_status open_file(struct reading *r, struct fusor_error *err)
{
    static const char *const pair[] = {"user", "item", "score"};
    static const char *const row[] = {"row", "score"};
    char head[READER_HEAD_MAX], separator;
    size_t n;

    FUSOR_TRY(reader_head(r->source->path, head, err));
    separator = strchr(head, '\t') ? '\t' : ',';
    FUSOR_TRY(open_table(r, separator, NULL, 0, err));
    n = r->table->n_columns;
    find_columns(r);
    if (r->query < 0 && r->item < 0 && r->row < 0 && r->score < 0) {
        if (n != 2 && n != 3)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s:1: %zu cells: a line is user, item, score or "
                              "row, score, or the first one names its columns",
                              r->source->path, n);
        FUSOR_TRY(open_table(r, separator, n == 3 ? pair : row, n, err));
        find_columns(r);
    }
    if (r->score < 0 && r->source->column)
        return fusor_fail(err, FUSOR_EUSAGE, "%s: no column \"%s\"",
                          r->source->path, r->source->column);
    if (r->score < 0)
        r->score = (int)n - 1;
    return choose_key(r, err);
}

static enum fusor_status fill(struct reading *r, struct fusor_error *err)
{
    struct scores *s = r->to;

    FUSOR_TRY(open_file(r, err));
    s->n_rows = r->source->n_rows;
    if (s->by_row) {
        s->rows = mem_alloc_raw(s->n_rows, sizeof(*s->rows));
        if (!s->rows)
            return mem_fail(err, r->source->path, s->n_rows * sizeof(float));
        memset(s->rows, 0xff, s->n_rows * sizeof(*s->rows)); // NaN
    } else if (take_slots(s, FIRST_SLOTS)) {
        return mem_fail(err, r->source->path, FIRST_SLOTS * 12);
    }
    FUSOR_TRY(read_lines(r, err));
    if (s->n)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EDATA, "%s: no score in it%s", r->source->path,
                      s->n_unknown ? " is of a user and an item that were "
                                     "prepared"
                                   : "");
}

enum fusor_status scores_read(const struct scores_source *source,
                              struct scores **out, struct fusor_error *err)
{
    struct reading r = {.source = source, .to = mem_alloc(1, sizeof(*r.to))};
    enum fusor_status rc;

    if (!r.to)
        return mem_fail(err, source->path, sizeof(*r.to));
    rc = fill(&r, err);
    table_close(r.table);
    if (rc != FUSOR_OK) {
        scores_destroy(r.to);
        return rc;
    }
    *out = r.to;
    return FUSOR_OK;
}

void scores_destroy(struct scores *s)
{
    if (!s)
        return;
    mem_free(s->rows);
    mem_free(s->pairs);
    mem_free(s->values);
    mem_free(s);
}

int scores_by_row(const struct scores *s)
{
    return s->by_row;
}

uint64_t scores_count(const struct scores *s)
{
    return s->n;
}

uint64_t scores_unknown(const struct scores *s)
{
    return s->n_unknown;
}

float scores_of_pair(const struct scores *s, uint32_t query, uint32_t item)
{
    size_t at;

    if (s->by_row || query == VOCAB_UNKNOWN || query == UINT32_MAX)
        return NAN;
    at = find_slot(s, pair_key(query, item));
    return s->pairs[at] == NO_PAIR ? NAN : s->values[at];
}

float scores_of_row(const struct scores *s, uint64_t row)
{
    return s->by_row && row < s->n_rows ? s->rows[row] : NAN;
}
