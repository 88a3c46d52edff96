/* Text tables: cells are kept until all are known, then padded by the widest of
 * their column. */
#include "base/texttab.h"

#include <string.h>

#include "base/mem.h"

struct texttab {
    size_t columns;
    char **cells; // [rows * columns], row 0 the headings as given
    size_t n;
    size_t cap;
    int failed;
};

/* Characters of UTF-8 text: bytes that do not continue one. */
static size_t text_width(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static int aligned_right(const struct texttab *t, size_t column)
{
    return t->cells[column][0] == '>';
}

static const char *cell_text(const struct texttab *t, size_t i)
{
    return t->cells[i] + (i < t->columns && aligned_right(t, i));
}

static void add_cell(struct texttab *t, const char *text)
{
    void *cells = t->cells;
    char *copy;

    if (mem_reserve(&cells, t->n, &t->cap, sizeof(*t->cells))) {
        t->failed = 1;
        return;
    }
    t->cells = cells;
    copy = mem_strdup(text);
    if (copy)
        t->cells[t->n++] = copy;
    else
        t->failed = 1;
}

struct texttab *texttab_create(const char *const *columns)
{
    struct texttab *t = mem_alloc(1, sizeof(*t));

    if (!t)
        return NULL;
    while (columns[t->columns])
        t->columns++;
    texttab_row(t, columns);
    return t;
}

void texttab_row(struct texttab *t, const char *const *cells)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->columns && !t->failed; i++)
        add_cell(t, cells[i]);
}

static void print_row(const struct texttab *t, size_t first,
                      const size_t *widths, struct strbuf *out)
{
    for (size_t i = 0; i < t->columns; i++) {
        const char *text = cell_text(t, first + i);
        size_t gap = widths[i] - text_width(text);
        int right = aligned_right(t, i), last = i + 1 == t->columns;

        if (right)
            strbuf_addf(out, "%*s", (int)gap, "");
        strbuf_add(out, text);
        if (!right && !last)
            strbuf_addf(out, "%*s", (int)gap, "");
        strbuf_add(out, last ? "\n" : "  ");
    }
}

void texttab_print(const struct texttab *t, struct strbuf *out)
{
    size_t *widths = NULL;

    if (t && !t->failed)
        widths = mem_alloc(t->columns, sizeof(*widths));
    if (!widths) {
        strbuf_clear(out);
        out->failed = 1;
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        size_t w = text_width(cell_text(t, i));

        if (w > widths[i % t->columns])
            widths[i % t->columns] = w;
    }
    for (size_t i = 0; t->columns && i < t->n; i += t->columns)
        print_row(t, i, widths, out);
    mem_free(widths);
}

void texttab_destroy(struct texttab *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        mem_free(t->cells[i]);
    mem_free(t->cells);
    mem_free(t);
}
