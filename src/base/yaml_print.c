/* A YAML tree as block YAML that reads back the same. */
#include <ctype.h>
#include <string.h>

#include "base/yaml_tree.h"

/* Characters above ASCII that YAML takes for line breaks or drops; written as
 * they are they would not come back. */
static const char *escape_of(const char *s)
{
    static const char *const pairs[][2] = {
        {"\xc2\x85", "\\N"},
        {"\xe2\x80\xa8", "\\L"},
        {"\xe2\x80\xa9", "\\P"},
        {"\xef\xbb\xbf", "\\uFEFF"},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (!strncmp(s, pairs[i][0], strlen(pairs[i][0])))
            return pairs[i][1];
    return NULL;
}

static void add_quoted(struct strbuf *out, const char *s)
{
    strbuf_add(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        const char *escape = c < 0x80 ? NULL : escape_of(s);

        if (escape) {
            strbuf_add(out, escape);
            s += c < 0xe0 ? 1 : 2;
        } else if (c == '"' || c == '\\') {
            strbuf_addf(out, "\\%c", c);
        } else if (c == '\n') {
            strbuf_add(out, "\\n");
        } else if (c == '\t') {
            strbuf_add(out, "\\t");
        } else if (c < 0x20 || c == 0x7f) {
            strbuf_addf(out, "\\x%02x", c);
        } else {
            strbuf_add_n(out, s, 1);
        }
    }
    strbuf_add(out, "\"");
}

/* Can s stand without quotes anywhere? Stricter than YAML, but every number,
 * size and switch passes, and for other texts quotes change nothing. */
static int stands_plain(const char *s)
{
    const char *first = s + (*s == '-' || *s == '+');

    if (!strcmp(s, "~"))
        return 1;
    first += *first == '.';
    if (!isalnum((unsigned char)*first) && *s != '_' && *s != '/')
        return 0;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("_./+-", *s) &&
            (*s != ' ' || s[1] == ' ' || !s[1]))
            return 0;
    return 1;
}

void yaml_add_text(struct strbuf *out, const char *text)
{
    if (!stands_plain(text) || !strcmp(text, "null") || !strcmp(text, "~"))
        add_quoted(out, text);
    else
        strbuf_add(out, text);
}

static void add_origin(struct strbuf *out, const struct yaml_node *n)
{
    strbuf_addf(out, "  # %s", n->file);
    if (n->line)
        strbuf_addf(out, ":%d", n->line);
}

/* What fits on the line: a scalar, an empty list, an empty map. */
static void add_inline(struct strbuf *out, const struct yaml_node *n)
{
    if (n->kind != YAML_SCALAR)
        strbuf_add(out, n->kind == YAML_LIST ? "[]" : "{}");
    else if (n->quoted || (*n->text && !stands_plain(n->text)))
        add_quoted(out, n->text);
    else
        strbuf_add(out, n->text);
}

/* The node after "key:" or "-" that stands at column indent - 2, or at the very
 * begin (indent 0). */
static void add_node(struct strbuf *out, const struct yaml_node *n, int indent,
                     int with_origin, int after_dash)
{
    if (n->kind == YAML_SCALAR || n->n == 0) {
        if (indent && (n->kind != YAML_SCALAR || n->quoted || *n->text))
            strbuf_add(out, " ");
        add_inline(out, n);
        if (with_origin)
            add_origin(out, n);
        strbuf_add(out, "\n");
        return;
    }
    if (indent)
        strbuf_add(out, after_dash ? " " : "\n");
    for (size_t i = 0; i < n->n; i++) {
        if (i > 0 || !after_dash)
            strbuf_addf(out, "%*s", indent, "");
        if (n->kind == YAML_MAP) {
            yaml_add_text(out, n->keys[i]);
            strbuf_add(out, ":");
        } else {
            strbuf_add(out, "-");
        }
        add_node(out, n->items[i], indent + 2, with_origin,
                 n->kind == YAML_LIST);
    }
}

void yaml_print(const struct yaml_node *n, int with_origin, struct strbuf *out)
{
    if (n->kind == YAML_SCALAR && !n->quoted && !*n->text)
        strbuf_add(out, "~"); // an empty text would be an empty map
    add_node(out, n, 0, with_origin, 0);
}
