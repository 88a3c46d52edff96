/* The side table in S3-Rec's JSON: {"item": [attribute, ...], ...}, numbers or
 * strings. Rows are (item, attributes). Read as a whole: such a file has some
 * megabytes; anything else than this form ends the run at its byte. */
#include <string.h>

#include "base/mem.h"
#include "data/input.h"
#include "data/reader/formats.h"
#include "data/text.h"

#define ATTRIBUTES_MAX ((size_t)1 << 30)

struct attributes {
    struct table table;
    struct strbuf text, list;
    size_t at;
    uint64_t row;
    struct cell cells[2];
};

static const char *const columns[] = {"item", "attributes"};

static enum fusor_status expected(const struct attributes *a, const char *what,
                                  struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "%s: byte %zu: expected %s; the form is "
                      "{\"item\": [attribute, ...], ...}",
                      a->table.path, a->at + 1, what);
}

static char peek(struct attributes *a)
{
    while (a->at < a->text.len && strchr(" \t\r\n", a->text.s[a->at]))
        a->at++;
    return a->at < a->text.len ? a->text.s[a->at] : '\0';
}

static int take(struct attributes *a, char c)
{
    if (peek(a) != c)
        return 0;
    a->at++;
    return 1;
}

/* A string without escapes, or a number as it is written. */
static enum fusor_status take_word(struct attributes *a, struct cell *out,
                                   struct fusor_error *err)
{
    const char *stops = take(a, '"') ? "\"\\\n" : " \t\r\n,:[]{}\"";
    const char *s = a->text.s + a->at;
    size_t n = strcspn(s, stops);

    *out = (struct cell){s, n, 1};
    a->at += n;
    if (n == 0 || (stops[0] == '"' && !take(a, '"')))
        return expected(a, "a number, or a string without \\ and not empty",
                        err);
    return FUSOR_OK;
}

static enum fusor_status take_list(struct attributes *a,
                                   struct fusor_error *err)
{
    struct cell word;

    a->list.len = 0;
    strbuf_add(&a->list, "");
    if (!take(a, '['))
        return expected(a, "[", err);
    while (!take(a, ']')) {
        if (a->list.len && !take(a, ','))
            return expected(a, "a comma or ]", err);
        FUSOR_TRY(take_word(a, &word, err));
        strbuf_add(&a->list, a->list.len ? ATTRIBUTES_SEPARATOR : "");
        strbuf_add_n(&a->list, word.text, word.n);
    }
    return a->list.failed ? mem_fail(err, a->table.path, 0) : FUSOR_OK;
}

static enum fusor_status attributes_next(struct table *t, struct table_row *row,
                                         int *end, struct fusor_error *err)
{
    struct attributes *a = (struct attributes *)t;

    if (a->row == 0 && !take(a, '{'))
        return expected(a, "{", err);
    row->line = ++a->row; // all may stand in one line
    row->cells = a->cells;
    *end = take(a, '}');
    if (*end)
        return peek(a) ? expected(a, "nothing more", err) : FUSOR_OK;
    if (a->row > 1 && !take(a, ','))
        return expected(a, "a comma or }", err);
    FUSOR_TRY(take_word(a, &a->cells[0], err));
    if (!take(a, ':'))
        return expected(a, "a colon", err);
    FUSOR_TRY(take_list(a, err));
    a->cells[1] = (struct cell){a->list.s, a->list.len, 1};
    return FUSOR_OK;
}

static void attributes_close(struct table *t)
{
    struct attributes *a = (struct attributes *)t;

    strbuf_clear(&a->text);
    strbuf_clear(&a->list);
    mem_free(a);
}

static const struct table_ops attributes_ops = {.next = attributes_next,
                                                .close = attributes_close};

static enum fusor_status read_all(struct attributes *a, const char *path,
                                  struct fusor_error *err)
{
    struct input *in = NULL;
    enum fusor_status rc;
    char bytes[4096];
    size_t got = 0;

    FUSOR_TRY(input_open(path, &in, err));
    do {
        rc = input_read(in, bytes, sizeof(bytes), &got, err);
        strbuf_add_n(&a->text, bytes, rc == FUSOR_OK ? got : 0);
        if (rc == FUSOR_OK && a->text.failed)
            rc = mem_fail(err, path, ATTRIBUTES_MAX);
        if (rc == FUSOR_OK && a->text.len > ATTRIBUTES_MAX)
            rc = fusor_fail(err, FUSOR_EDATA,
                            "%s: more than 1 GiB of attributes: make a CSV "
                            "side table of them",
                            path);
    } while (rc == FUSOR_OK && got);
    input_close(in);
    if (rc == FUSOR_OK && !text_is_utf8(a->text.s, a->text.len))
        rc = fusor_fail(err, FUSOR_EDATA, "%s: bytes that are no UTF-8", path);
    if (rc == FUSOR_OK && memchr(a->text.s, '\0', a->text.len))
        rc = fusor_fail(err, FUSOR_EDATA, "%s: a zero byte in the text", path);
    return rc;
}

enum fusor_status attributes_open(const char *path, struct table **out,
                                  struct fusor_error *err)
{
    struct attributes *a = mem_alloc(1, sizeof(*a));
    enum fusor_status rc;

    if (!a)
        return mem_fail(err, path, sizeof(*a));
    a->table.ops = &attributes_ops;
    strbuf_add(&a->text, "");
    rc = read_all(a, path, err);
    if (rc == FUSOR_OK)
        rc = table_name(&a->table, path, columns, 2, err);
    if (rc == FUSOR_OK)
        *out = &a->table;
    else
        table_close(&a->table);
    return rc;
}
