/* What a column may be, from its name and its values. Distinct values are
 * counted up to a bound; that is enough to tell a category from a number. */
#include "data/guess.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/input.h"
#include "data/reader/formats.h"
#include "data/text.h"

#define MAX_DISTINCT 100000u /* values kept to be told apart */

enum guess_role {
    ROLE_LABEL,
    ROLE_TIME,
    ROLE_QUERY_KEY,
    ROLE_ITEM_KEY,
    ROLE_CATEGORY,
    ROLE_DENSE,
    ROLE_MULTI,
    ROLE_TEXT,
    ROLE_UNUSED
};

/* What was seen of one column. */
struct column_facts {
    uint64_t missing, numbers, whole, dates, words, pieces, present;
    double min, max;
    struct vocab *distinct;
    int many; // more than MAX_DISTINCT
};

struct guess {
    struct table *table;
    struct column_facts *columns;
    enum guess_role *roles;
    uint64_t n_rows, n_bad;
};

static uint64_t count_words(const struct cell *c)
{
    uint64_t n = 0;
    size_t at = 0;
    char word[64];

    while (text_next_word(c->text, c->n, &at, word))
        n++;
    return n;
}

static void see_number(struct column_facts *f, double x)
{
    f->min = f->numbers == 0 || x < f->min ? x : f->min;
    f->max = f->numbers == 0 || x > f->max ? x : f->max;
    f->numbers++;
    f->whole += x > -9e15 && x < 9e15 && x == (double)(int64_t)x;
}

static enum fusor_status see_cell(struct column_facts *f, const struct cell *c,
                                  struct fusor_error *err)
{
    int64_t time;
    double x;

    if (c->n == 0 || (c->n == 2 && !memcmp(c->text, "NA", 2))) {
        f->missing++;
        return FUSOR_OK;
    }
    f->present++;
    if (!str_parse_float(c->text, c->n, &x))
        see_number(f, x);
    else if (!text_to_time(c->text, c->n, &time))
        f->dates++;
    else {
        f->words += count_words(c);
        f->pieces += memchr(c->text, '|', c->n) != NULL;
    }
    f->many |= vocab_size(f->distinct) > MAX_DISTINCT;
    if (!f->many && vocab_add(f->distinct, c->text, c->n) == UINT32_MAX)
        return mem_fail(err, "distinct values", c->n);
    return FUSOR_OK;
}

static enum fusor_status see_rows(struct guess *g, uint64_t max_rows,
                                  struct fusor_error *err)
{
    struct table_row row = {0};
    int end = 0;

    while (g->n_rows < max_rows) {
        FUSOR_TRY(table_next(g->table, &row, &end, err));
        if (end)
            break;
        if (row.fault) {
            g->n_bad++;
            continue;
        }
        g->n_rows++;
        for (size_t c = 0; c < g->table->n_columns; c++)
            FUSOR_TRY(see_cell(&g->columns[c], &row.cells[c], err));
    }
    if (g->n_rows == 0)
        return fusor_fail(err, FUSOR_EDATA, "%s: no rows behind the header",
                          g->table->path);
    return FUSOR_OK;
}

/* Is one of words, perhaps followed by "id" or "_id", the whole name? */
static int is_called(const char *name, const char *const *words)
{
    char lower[SOURCE_COLUMN_MAX];
    size_t n = 0;

    for (; name[n] && n + 1 < sizeof(lower); n++)
        lower[n] = (char)tolower((unsigned char)name[n]);
    lower[n] = '\0';
    if (n > 2 && !strcmp(lower + n - 2, "id"))
        lower[n -= 2] = '\0';
    while (n > 1 && lower[n - 1] == '_')
        lower[--n] = '\0';
    for (; *words; words++)
        if (!strcmp(lower, *words))
            return 1;
    return 0;
}

static int is_first(const struct guess *g, size_t column, enum guess_role role)
{
    for (size_t c = 0; c < column; c++)
        if (g->roles[c] == role)
            return 0;
    return 1;
}

/* "product_uid", "movieId": whole numbers that are names. */
static int ends_in_id(const char *name)
{
    size_t n = strlen(name);

    return n >= 2 && tolower((unsigned char)name[n - 2]) == 'i' &&
           tolower((unsigned char)name[n - 1]) == 'd';
}

static enum guess_role role_of_values(const struct column_facts *f,
                                      const char *name)
{
    uint32_t distinct = vocab_size(f->distinct) - 1;

    if (distinct <= 1 || (ends_in_id(name) && distinct == f->present))
        return ROLE_UNUSED; // it says nothing, or only which row this is
    if (f->whole == f->present && ends_in_id(name))
        return ROLE_CATEGORY;
    if (f->pieces * 4 > f->present)
        return ROLE_MULTI;
    if (f->numbers == f->present)
        return f->whole == f->present && distinct <= 64 ? ROLE_CATEGORY
                                                        : ROLE_DENSE;
    if (f->dates == f->present)
        return ROLE_UNUSED; // a second time
    if (f->words > 2 * f->present)
        return ROLE_TEXT;
    return ROLE_CATEGORY;
}

static enum guess_role role_of(const struct guess *g, size_t c)
{
    static const char *const labels[] = {"label", "rating",    "click",
                                         "score", "clicked",   "target",
                                         "y",     "relevance", NULL};
    static const char *const times[] = {"time", "timestamp", "date", "ts",
                                        NULL};
    static const char *const queries[] = {"user", "query", "session", NULL};
    static const char *const items[] = {"item",    "movie", "product", "doc",
                                        "article", "book",  NULL};
    const struct column_facts *f = &g->columns[c];
    const char *name = g->table->columns[c];

    if (is_called(name, labels) && f->numbers == f->present &&
        is_first(g, c, ROLE_LABEL))
        return ROLE_LABEL;
    if (is_called(name, times) && f->numbers + f->dates == f->present &&
        is_first(g, c, ROLE_TIME))
        return ROLE_TIME;
    if (is_called(name, queries) && is_first(g, c, ROLE_QUERY_KEY))
        return ROLE_QUERY_KEY;
    if (is_called(name, items) && is_first(g, c, ROLE_ITEM_KEY))
        return ROLE_ITEM_KEY;
    return role_of_values(f, name);
}

/* A scalar that is quoted when plain YAML would read it differently. */
static void put_name(struct strbuf *b, const char *name)
{
    int plain = isalpha((unsigned char)name[0]) != 0;

    for (const char *s = name; *s; s++)
        plain &= isalnum((unsigned char)*s) || *s == '_' || *s == '-';
    if (plain) {
        strbuf_add(b, name);
        return;
    }
    strbuf_add(b, "\"");
    for (const char *s = name; *s; s++) {
        if (*s == '"' || *s == '\\')
            strbuf_addf(b, "\\%c", *s);
        else
            strbuf_add_n(b, s, 1);
    }
    strbuf_add(b, "\"");
}

static void put_comment(const struct column_facts *f, struct strbuf *b)
{
    char count[16];

    strbuf_addf(b, "  # %s%s distinct", f->many ? "over " : "",
                str_count(vocab_size(f->distinct) - 1, count));
    if (f->numbers == f->present && f->present)
        strbuf_addf(b, ", %g to %g", f->min, f->max);
    if (f->missing)
        strbuf_addf(b, ", %.2g %% missing",
                    100.0 * (double)f->missing /
                        (double)(f->missing + f->present));
    strbuf_add(b, "\n");
}

static const char *role_text(enum guess_role role)
{
    static const char *const texts[] = {
        [ROLE_QUERY_KEY] = "{side: query, type: categorical}",
        [ROLE_ITEM_KEY] = "{side: item, type: categorical}",
        [ROLE_CATEGORY] = "{type: categorical}",
        [ROLE_DENSE] = "{type: dense, transform: zscore}",
        [ROLE_MULTI] = "{type: multi, separator: \"|\"}",
        [ROLE_TEXT] = "{type: text, min_count: 2}",
        [ROLE_UNUSED] = "{type: categorical}"};

    return texts[role];
}

/* A field's name must be one that the folder can hold; the column keeps its
 * own. */
static void put_field(const struct guess *g, size_t c, struct strbuf *b)
{
    const char *name = g->table->columns[c];
    char safe[FIELD_NAME_MAX];
    int same;

    snprintf(safe, sizeof(safe), "%s", name);
    for (char *s = safe; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-')
            *s = '_';
    if (!isalpha((unsigned char)safe[0]) || !strcmp(safe, "label") ||
        !strcmp(safe, "weight") || !strcmp(safe, "time") ||
        !strcmp(safe, "fold"))
        snprintf(safe, sizeof(safe), "c%zu", c + 1);
    same = !strcmp(safe, name);
    strbuf_addf(b, "  %s%s: ", g->roles[c] == ROLE_UNUSED ? "# " : "", safe);
    if (same) {
        strbuf_add(b, role_text(g->roles[c]));
    } else {
        const char *rest = role_text(g->roles[c]) + 1;

        strbuf_add(b, "{column: ");
        put_name(b, name);
        strbuf_addf(b, ", %s", rest);
    }
    put_comment(&g->columns[c], b);
}

static void put_all(const struct guess *g, struct strbuf *b)
{
    char rows[16];

    strbuf_addf(b, "# A first guess from %s rows",
                str_count((double)g->n_rows, rows));
    if (g->n_bad)
        strbuf_addf(b, "; %llu more could not be read",
                    (unsigned long long)g->n_bad);
    strbuf_add(b, ". Check every line.\n");
    for (size_t c = 0; c < g->table->n_columns; c++) {
        if (g->roles[c] != ROLE_LABEL && g->roles[c] != ROLE_TIME)
            continue;
        strbuf_add(b, g->roles[c] == ROLE_LABEL ? "label: " : "time: ");
        put_name(b, g->table->columns[c]);
        put_comment(&g->columns[c], b);
    }
    strbuf_add(b, "fields:\n");
    for (size_t c = 0; c < g->table->n_columns; c++)
        if (g->roles[c] != ROLE_LABEL && g->roles[c] != ROLE_TIME)
            put_field(g, c, b);
}

/* A format that says itself what its columns are has nothing to guess. */
static enum fusor_status check_format(const char *path, struct fusor_error *err)
{
    const struct reader_ops *reader;

    if (!strcmp(path, "-") || reader_find(path, &reader, NULL) != FUSOR_OK ||
        reader->has_header)
        return FUSOR_OK; // the file's own errors come from who opens it
    return fusor_fail(err, FUSOR_EUSAGE,
                      "%s: this is format %s, which needs no schema: fusor "
                      "prepare %s -o DIR",
                      path, reader->name, path);
}

/* Tab or comma? The first line tells. */
static enum fusor_status open_table(const char *path, struct table **out,
                                    struct fusor_error *err)
{
    struct delimited_options o = {.separator = ",", .quotes = 1};
    struct input_line line;
    struct input *in = NULL;
    enum fusor_status rc;
    int end = 0;

    FUSOR_TRY(input_open(path, &in, err));
    rc = input_next_line(in, &line, &end, err);
    if (rc == FUSOR_OK && !end && memchr(line.text, '\t', line.n)) {
        o.separator = "\t";
        o.quotes = 0;
    }
    input_close(in);
    return rc == FUSOR_OK ? delimited_open(path, &o, out, err) : rc;
}

static enum fusor_status run(struct guess *g, const char *path,
                             uint64_t max_rows, struct fusor_error *err)
{
    size_t n;

    FUSOR_TRY(check_format(path, err));
    FUSOR_TRY(open_table(path, &g->table, err));
    n = g->table->n_columns;
    if (n > SCHEMA_MAX_FIELDS)
        return fusor_fail(err, FUSOR_EDATA, "%s: %zu columns, at most %d", path,
                          n, SCHEMA_MAX_FIELDS);
    g->columns = mem_alloc(n, sizeof(*g->columns));
    g->roles = mem_alloc(n, sizeof(*g->roles));
    if (!g->columns || !g->roles)
        return mem_fail(err, path, n * sizeof(*g->columns));
    for (size_t c = 0; c < n; c++) {
        g->columns[c].distinct = vocab_create(err);
        if (!g->columns[c].distinct)
            return FUSOR_ENOMEM;
    }
    FUSOR_TRY(see_rows(g, max_rows ? max_rows : 1000000, err));
    for (size_t c = 0; c < n; c++)
        g->roles[c] = role_of(g, c);
    return FUSOR_OK;
}

enum fusor_status guess_schema(const char *path, uint64_t max_rows,
                               struct strbuf *out, struct fusor_error *err)
{
    struct guess g = {0};
    enum fusor_status rc = run(&g, path, max_rows, err);

    if (rc == FUSOR_OK)
        put_all(&g, out);
    if (rc == FUSOR_OK && out->failed)
        rc = mem_fail(err, "guess", 0);
    for (size_t c = 0; g.columns && c < g.table->n_columns; c++)
        vocab_destroy(g.columns[c].distinct);
    mem_free(g.columns);
    mem_free(g.roles);
    table_close(g.table);
    return rc;
}
