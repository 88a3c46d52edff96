/* Score files from text. */
#include "model/combine/scores.h"

#include <string.h>

#include "base/mem.h"
#include "model/combine/scores_index.h"

/* The part of a line up to the next tab. */
static size_t field_len(const char *s, const char *end)
{
    const char *tab = memchr(s, '\t', (size_t)(end - s));

    return (size_t)((tab ? tab : end) - s);
}

/* Split a line. @return its number of fields (1..3), or 0: more */
static int split(const char *line, const char *end, struct score_row *row,
                 const char **number)
{
    size_t first = field_len(line, end), second;

    *row = (struct score_row){.key = line};
    *number = line;
    if (line + first == end)
        return 1;
    *number = line + first + 1;
    row->key_len = (uint32_t)first;
    second = field_len(*number, end);
    if (*number + second == end)
        return 2;
    row->user_len = (uint32_t)first;
    row->key_len = (uint32_t)(first + 1 + second);
    *number += second + 1;
    return *number + field_len(*number, end) == end ? 3 : 0;
}

static int shown(size_t n)
{
    return n < 60 ? (int)n : 60;
}

static enum fusor_status parse_line(struct score_table *t, const char *line,
                                    const char *end, struct fusor_error *err)
{
    size_t line_number = t->n + 1, found;
    struct score_row row;
    const char *number;
    int n_fields, added;

    if (end > line && end[-1] == '\r')
        end--;
    if (end - line > INT32_MAX)
        return fusor_fail(err, FUSOR_EDATA, "%s:%zu: the line is too long",
                          t->name, line_number);
    n_fields = split(line, end, &row, &number);
    if (t->n == 0)
        t->n_fields = n_fields;
    if (n_fields == 0 || n_fields != t->n_fields)
        return fusor_fail(
            err, FUSOR_EDATA,
            "%s:%zu: fields between tabs: a line is score, row "
            "<TAB> score or user <TAB> item <TAB> score, the same "
            "throughout the file",
            t->name, line_number);
    if (str_parse_float(number, (size_t)(end - number), &row.score))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:%zu: \"%.*s\" is not a finite number", t->name,
                          line_number, shown((size_t)(end - number)), number);
    added = score_table_add(t, &row, &found);
    if (added < 0)
        return mem_fail(err, t->name, 2 * t->n * sizeof(row));
    if (!added)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:%zu: \"%.*s\" has a score already, in line %zu",
                          t->name, line_number, shown(row.key_len), row.key,
                          found + 1);
    return FUSOR_OK;
}

enum fusor_status score_table_parse(const char *name, const char *text,
                                    size_t size, struct score_table *out,
                                    struct fusor_error *err)
{
    struct score_table t = {.name = name};
    const char *end = text + size;

    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        enum fusor_status rc = parse_line(&t, text, stop ? stop : end, err);

        if (rc != FUSOR_OK) {
            score_table_clear(&t);
            return rc;
        }
        text = stop ? stop + 1 : end;
    }
    if (t.n == 0)
        return fusor_fail(err, FUSOR_EDATA, "%s: no scores in it", name);
    *out = t;
    return FUSOR_OK;
}

void score_table_clear(struct score_table *t)
{
    mem_free(t->rows);
    mem_free(t->slots);
    memset(t, 0, sizeof(*t));
}
