/* A table of JSON lines (RFC 8259, one object a line): the members asked for
 * become columns, strings as their text, numbers, true and false as they are
 * written; other members are checked and left out, absent ones and null are
 * empty cells. A line that is no JSON object is a faulty row. */
#include "data/reader/jsonl.h"

#include <string.h>

#include "base/mem.h"
#include "data/input.h"
#include "data/text.h"

#define DEPTH_MAX 64 /* of values in values */

struct jsonl {
    struct table table;
    struct input *in;
    const char **members; // [n_columns] the texts are the caller's
    struct cell *cells;   // [n_columns]
    char *s;              // of the line at hand, changed where it is read
    size_t n, at;
};

static char peek(struct jsonl *j)
{
    while (j->at < j->n && strchr(" \t\r\n", j->s[j->at]) && j->s[j->at])
        j->at++;
    return j->at < j->n ? j->s[j->at] : '\0';
}

static int take(struct jsonl *j, char c)
{
    if (peek(j) != c || j->at >= j->n)
        return 0;
    j->at++;
    return 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits at s. @return -1: they are none */
static int take_hex(const char *s, size_t n)
{
    int code = 0;

    for (size_t i = 0; i < 4; i++) {
        int digit = i < n ? hex_digit(s[i]) : -1;

        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

static size_t put_utf8(char *to, unsigned code)
{
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n; i-- > 1; code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)(first[n] | code);
    return n;
}

/* What stands behind "\u"; a pair of surrogates is one character, half of one
 * becomes U+FFFD. @return 0 when it is malformed */
static int take_unicode(struct jsonl *j, char **to)
{
    int code = take_hex(j->s + j->at, j->n - j->at), low;

    if (code < 0)
        return 0;
    j->at += 4;
    if (code >= 0xd800 && code < 0xe000) {
        low = code < 0xdc00 && j->n - j->at >= 6 && j->s[j->at] == '\\' &&
                      j->s[j->at + 1] == 'u'
                  ? take_hex(j->s + j->at + 2, j->n - j->at - 2)
                  : -1;
        if (low >= 0xdc00 && low < 0xe000) {
            j->at += 6;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else {
            code = 0xfffd;
        }
    }
    *to += put_utf8(*to, code ? (unsigned)code : 0xfffd); // no NUL in a text
    return 1;
}

/* An escape is never shorter than what it stands for, so the text is undone in
 * its place. @return 0 when the string is malformed */
static int take_string(struct jsonl *j, struct cell *out)
{
    static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char *from, *to;

    if (!take(j, '"'))
        return 0;
    from = to = j->s + j->at;
    out->column = (uint32_t)j->at + 1;
    while (j->at < j->n && j->s[j->at] != '"') {
        unsigned char c = (unsigned char)j->s[j->at++];
        const char *known;

        if (c < 0x20)
            return 0;
        if (c != '\\') {
            *to++ = (char)c;
            continue;
        }
        c = j->at < j->n ? (unsigned char)j->s[j->at++] : 0;
        known = c ? strchr(escapes, c) : NULL;
        if (known)
            *to++ = meant[known - escapes];
        else if (c != 'u' || !take_unicode(j, &to))
            return 0;
    }
    out->text = from;
    out->n = (size_t)(to - from);
    return j->at < j->n && j->s[j->at++] == '"';
}

/* A number, true, false or null, as it is written. */
static int take_word(struct jsonl *j, struct cell *out)
{
    size_t from = j->at;

    while (j->at < j->n && !strchr(" \t\r,:[]{}\"", j->s[j->at]))
        j->at++;
    *out = (struct cell){j->s + from, j->at - from, (uint32_t)from + 1};
    if (out->n == 4 && !memcmp(out->text, "null", 4))
        out->n = 0;
    return j->at > from;
}

static int skip_value(struct jsonl *j, int depth);

/* The members or elements up to the closing bracket. */
static int skip_inside(struct jsonl *j, char close, int depth)
{
    struct cell key;

    if (take(j, close))
        return 1;
    do {
        if (close == '}' &&
            (peek(j) != '"' || !take_string(j, &key) || !take(j, ':')))
            return 0;
        if (!skip_value(j, depth + 1))
            return 0;
    } while (take(j, ','));
    return take(j, close);
}

static int skip_value(struct jsonl *j, int depth)
{
    struct cell ignored;

    switch (peek(j)) {
    case '"':
        return take_string(j, &ignored);
    case '{':
    case '[':
        if (depth >= DEPTH_MAX)
            return 0;
        return skip_inside(j, j->s[j->at++] == '{' ? '}' : ']', depth);
    default:
        return take_word(j, &ignored);
    }
}

/* The value of a member: into its column, or past it. */
static int take_member(struct jsonl *j)
{
    struct cell name;
    size_t c = 0;

    if (peek(j) != '"' || !take_string(j, &name) || !take(j, ':'))
        return 0;
    while (c < j->table.n_columns &&
           (strlen(j->members[c]) != name.n ||
            memcmp(j->members[c], name.text, name.n) != 0))
        c++;
    if (c == j->table.n_columns || peek(j) == '{' || peek(j) == '[')
        return skip_value(j, 0);
    return peek(j) == '"' ? take_string(j, &j->cells[c])
                          : take_word(j, &j->cells[c]);
}

static int take_object(struct jsonl *j)
{
    if (!take(j, '{'))
        return 0;
    if (!take(j, '}')) {
        do {
            if (!take_member(j))
                return 0;
        } while (take(j, ','));
        if (!take(j, '}'))
            return 0;
    }
    return peek(j) == '\0' && j->at == j->n;
}

static enum fusor_status jsonl_next(struct table *t, struct table_row *row,
                                    int *end, struct fusor_error *err)
{
    struct jsonl *j = (struct jsonl *)t;
    struct input_line line;

    do {
        FUSOR_TRY(input_next_line(j->in, &line, end, err));
    } while (!*end && line.n == 0);
    if (*end)
        return FUSOR_OK;
    row->line = line.number;
    row->cells = j->cells;
    j->s = line.text;
    j->n = line.n;
    j->at = 0;
    for (size_t c = 0; c < t->n_columns; c++)
        j->cells[c] = (struct cell){"", 0, 1};
    if (!text_is_utf8(line.text, line.n))
        row->fault = "bytes that are no UTF-8";
    else if (!take_object(j)) {
        row->fault = "no JSON object";
        row->fault_column = (uint32_t)j->at + 1;
    }
    return FUSOR_OK;
}

static void jsonl_close(struct table *t)
{
    struct jsonl *j = (struct jsonl *)t;

    input_close(j->in);
    mem_free(j->members);
    mem_free(j->cells);
    mem_free(j);
}

static const struct table_ops jsonl_ops = {.next = jsonl_next,
                                           .close = jsonl_close};

enum fusor_status jsonl_open(const char *path, const char *const *members,
                             const char *const *columns, size_t n,
                             struct table **out, struct fusor_error *err)
{
    struct jsonl *j = mem_alloc(1, sizeof(*j));
    enum fusor_status rc;

    if (!j)
        return mem_fail(err, path, sizeof(*j));
    j->table.ops = &jsonl_ops;
    j->members = mem_alloc(n, sizeof(*j->members));
    j->cells = mem_alloc(n, sizeof(*j->cells));
    rc = j->members && j->cells ? FUSOR_OK
                                : mem_fail(err, path, n * sizeof(*j->cells));
    for (size_t i = 0; rc == FUSOR_OK && i < n; i++)
        j->members[i] = members[i];
    if (rc == FUSOR_OK)
        rc = input_open(path, &j->in, err);
    if (rc == FUSOR_OK)
        rc = table_name(&j->table, path, columns, n, err);
    if (rc == FUSOR_OK)
        *out = &j->table;
    else
        table_close(&j->table);
    return rc;
}
