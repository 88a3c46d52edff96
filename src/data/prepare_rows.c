/* The first pass: every row is checked as a whole before any of its values gets
 * an id, so that bad rows leave no trace but in the report. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/prepare_private.h"
#include "data/text.h"

enum fusor_status prep_bad_row(struct prep *p, const char *path, uint64_t line,
                               uint32_t column, enum bad_cause cause,
                               const char *what, struct fusor_error *err)
{
    struct prepare_report *r = p->report;
    uint64_t n = 0;

    if (r->n_examples < PREPARE_EXAMPLES)
        snprintf(r->examples[r->n_examples++], sizeof(r->examples[0]),
                 "%.150s:%llu:%u: %s%s%.60s", path, (unsigned long long)line,
                 column, prepare_cause_text(cause), *what ? ": " : "", what);
    r->bad[cause]++;
    for (int i = 0; i < BAD_CAUSES; i++)
        n += i == BAD_DUPLICATE || i == BAD_RARE ? 0 : r->bad[i];
    if (n > p->options->max_bad && cause != BAD_DUPLICATE)
        return fusor_fail(err, FUSOR_EDATA,
                          "more than %llu bad rows (max_bad), the first: %s",
                          (unsigned long long)p->options->max_bad,
                          r->examples[0]);
    return FUSOR_OK;
}

static struct row_fault fault_at(int cause, const struct cell *cell,
                                 const char *what)
{
    return (struct row_fault){cause, cell->column, what};
}

static struct row_fault check_label(const struct prep *p,
                                    const struct cell *cell, float *out)
{
    const struct source_spec *s = &p->source.spec;
    double x = 0;
    int rc = prep_number(cell, &x);

    if (rc)
        return fault_at(rc < 0 ? BAD_NUMBER : BAD_MISSING, cell, "label");
    if (s->label_has_range && !p->options->label[0] &&
        (x < s->label_low || x > s->label_high))
        return fault_at(BAD_RANGE, cell, "label");
    *out = (float)x;
    return fault_at(-1, cell, "");
}

static struct row_fault check_weight(const struct cell *cell, float *out)
{
    double x = 1;

    if (prep_number(cell, &x) < 0)
        return fault_at(BAD_NUMBER, cell, "weight");
    if (x < 0)
        return fault_at(BAD_RANGE, cell, "weight");
    *out = (float)x;
    return fault_at(-1, cell, "");
}

static struct row_fault check_time(const struct cell *cell, int64_t *out)
{
    if (cell->n == 0)
        return fault_at(BAD_MISSING, cell, "time");
    if (text_to_time(cell->text, cell->n, out))
        return fault_at(BAD_NUMBER, cell, "time");
    return fault_at(-1, cell, "");
}

struct row_fault prep_check_numbers(const struct prep *p,
                                    const struct cell cells[3],
                                    struct row_numbers *out)
{
    struct row_fault fault = {-1, 0, ""};

    *out = (struct row_numbers){1, 1, 0};
    if (p->has_label)
        fault = check_label(p, &cells[0], &out->label);
    if (fault.cause < 0 && p->has_weight)
        fault = check_weight(&cells[1], &out->weight);
    if (fault.cause < 0 && p->has_time)
        fault = check_time(&cells[2], &out->time);
    return fault;
}

/* Does the catalogue lack the query or item? */
static int is_unknown(const struct prep *p, const struct prep_field *f,
                      const struct cell *cell)
{
    struct cell key = prep_trimmed(*cell);

    return p->source.spec.catalogue && f->source->is_key &&
           p->sides[f->source->side == SIDE_ITEM].table &&
           vocab_find(p->vocabs[f->vocab].vocab, key.text, key.n) ==
               VOCAB_UNKNOWN;
}

static struct row_fault check_row(struct prep *p, int part,
                                  const struct table_row *row,
                                  struct row_numbers *numbers)
{
    const struct cell *cells = row->cells;
    struct cell facts[3] = {{"", 0, 0}, {"", 0, 0}, {"", 0, 0}};
    struct row_fault fault;

    if (p->has_label)
        facts[0] = cells[p->label_column[part]];
    if (p->has_weight)
        facts[1] = cells[p->weight_column[part]];
    if (p->has_time)
        facts[2] = cells[p->time_column[part]];
    fault = prep_check_numbers(p, facts, numbers);
    for (uint32_t i = 0; i < p->n_fields && fault.cause < 0; i++) {
        struct prep_field *f = &p->fields[i];
        const struct cell *cell;

        if (f->place == PLACE_SIDE_FILE)
            continue;
        cell = &cells[f->column[part]];
        fault = fault_at(prep_value_check(f, cell), cell, f->spec.name);
        if (fault.cause < 0 && is_unknown(p, f, cell))
            fault = fault_at(BAD_UNKNOWN, cell, f->spec.name);
    }
    return fault;
}

static enum fusor_status stage_value(struct prep *p, struct prep_field *f,
                                     struct fusor_error *err)
{
    struct prep_value *v = &f->value;
    size_t column = (size_t)f->stage;

    switch (f->spec.type) {
    case COLUMN_F32:
        stage_put(p->stage, column, v->numbers);
        return FUSOR_OK;
    case COLUMN_U32:
        stage_put(p->stage, column, &v->id);
        return FUSOR_OK;
    case COLUMN_U64:
        stage_put(p->stage, column, &v->id64);
        return FUSOR_OK;
    default:
        return stage_put_list(p->stage, column, v->list, v->weights, v->n, err);
    }
}

static enum fusor_status encode_row_fields(struct prep *p, int part,
                                           const struct table_row *row,
                                           struct fusor_error *err)
{
    for (uint32_t i = 0; i < p->n_fields; i++) {
        struct prep_field *f = &p->fields[i];

        if (f->place != PLACE_ROW)
            continue;
        FUSOR_TRY(prep_value_encode(p, f, &row->cells[f->column[part]], err));
        FUSOR_TRY(stage_value(p, f, err));
    }
    return FUSOR_OK;
}

/* The first row of a query or item says what its side fields are. */
static enum fusor_status encode_side(struct prep *p, struct prep_side *s,
                                     int part, const struct table_row *row,
                                     struct fusor_error *err)
{
    enum field_side side = s == &p->sides[1] ? SIDE_ITEM : SIDE_QUERY;
    uint32_t id = p->fields[s->key].value.id;

    FUSOR_TRY(prep_side_reserve(p, s, id, err));
    if (s->seen[id])
        return FUSOR_OK;
    s->seen[id] = 1;
    for (uint32_t i = 0; i < p->n_fields; i++) {
        struct prep_field *f = &p->fields[i];

        if (f->place != PLACE_SIDE_ROW || f->source->side != side)
            continue;
        FUSOR_TRY(prep_value_encode(p, f, &row->cells[f->column[part]], err));
        FUSOR_TRY(prep_side_store(f, id, err));
    }
    if (s->names_in_rows[part] >= 0)
        prep_side_name(s, id, &row->cells[s->names_in_rows[part]]);
    return FUSOR_OK;
}

/* @return the grown array, or the old one with *failed set */
static void *grow_array(void *old, size_t n, size_t cap, size_t size,
                        int wanted, int *failed)
{
    void *fresh = wanted ? mem_grow(old, n, cap, size) : NULL;

    *failed |= wanted && !fresh;
    return fresh ? fresh : old;
}

static int grow_facts(struct prep *p)
{
    struct prep_facts *f = &p->facts;
    size_t n = f->cap, cap = n ? 2 * n : 4096;
    int failed = 0;

    f->part = grow_array(f->part, n, cap, 1, 1, &failed);
    f->query = grow_array(f->query, n, cap, 4, p->sides[0].key >= 0, &failed);
    f->item = grow_array(f->item, n, cap, 4, p->sides[1].key >= 0, &failed);
    f->time = grow_array(f->time, n, cap, 8, p->has_time, &failed);
    f->line = grow_array(f->line, n, cap, 8, p->options->dedupe, &failed);
    if (!failed)
        f->cap = cap;
    return failed;
}

static enum fusor_status note_facts(struct prep *p, int part, uint64_t line,
                                    const struct row_numbers *numbers,
                                    struct fusor_error *err)
{
    struct prep_facts *f = &p->facts;

    if (f->n == f->cap && grow_facts(p))
        return mem_fail(err, "facts of the rows", 2 * f->cap * 8);
    f->part[f->n] = (uint8_t)part;
    if (f->query)
        f->query[f->n] = p->fields[p->sides[0].key].value.id;
    if (f->item)
        f->item[f->n] = p->fields[p->sides[1].key].value.id;
    if (f->time)
        f->time[f->n] = numbers->time;
    if (f->line)
        f->line[f->n] = line;
    if (f->n == 0 || numbers->time > p->last_time)
        p->last_time = numbers->time;
    f->n++;
    return FUSOR_OK;
}

static enum fusor_status take_row(struct prep *p, int part,
                                  const struct table_row *row,
                                  const struct row_numbers *numbers,
                                  struct fusor_error *err)
{
    FUSOR_TRY(encode_row_fields(p, part, row, err));
    for (int i = 0; i < 2; i++)
        if (p->sides[i].key >= 0)
            FUSOR_TRY(encode_side(p, &p->sides[i], part, row, err));
    stage_put(p->stage, (size_t)p->stage_label, &numbers->label);
    if (p->has_weight)
        stage_put(p->stage, (size_t)p->stage_weight, &numbers->weight);
    if (p->has_time)
        stage_put(p->stage, (size_t)p->stage_time, &numbers->time);
    FUSOR_TRY(note_facts(p, part, row->line, numbers, err));
    return stage_end_row(p->stage, err);
}

static enum fusor_status read_part(struct prep *p, int part,
                                   struct fusor_error *err)
{
    struct table *t = p->source.rows[part];
    struct row_numbers numbers;
    struct row_fault fault;
    struct table_row row = {0};
    int end;

    for (;;) {
        FUSOR_TRY(table_next(t, &row, &end, err));
        if (end)
            return FUSOR_OK;
        p->report->rows_read++;
        if (row.fault) {
            int columns = strstr(row.fault, "number of columns") != NULL;

            FUSOR_TRY(prep_bad_row(p, t->path, row.line, row.fault_column,
                                   columns ? BAD_COLUMNS : BAD_FORMAT,
                                   columns ? "" : row.fault, err));
            continue;
        }
        fault = check_row(p, part, &row, &numbers);
        if (fault.cause >= 0)
            FUSOR_TRY(prep_bad_row(p, t->path, row.line, fault.column,
                                   (enum bad_cause)fault.cause, fault.what,
                                   err));
        else
            FUSOR_TRY(take_row(p, part, &row, &numbers, err));
    }
}

enum fusor_status prep_need_rows(const struct prep *p, uint64_t n,
                                 struct fusor_error *err)
{
    if (n == 0)
        return fusor_fail(err, FUSOR_EDATA, "%s: no good row among %llu%s%s",
                          p->source.rows[0]->path,
                          (unsigned long long)p->report->rows_read,
                          p->report->n_examples ? ", the first bad one: " : "",
                          p->report->n_examples ? p->report->examples[0] : "");
    return FUSOR_OK;
}

enum fusor_status prep_read_rows(struct prep *p, struct fusor_error *err)
{
    for (int part = 0; part < SOURCE_PARTS; part++)
        if (p->source.rows[part])
            FUSOR_TRY(read_part(p, part, err));
    return prep_need_rows(p, p->facts.n, err);
}
