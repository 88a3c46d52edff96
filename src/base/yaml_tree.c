/* A YAML tree in memory: where its nodes live, finding and setting values by
 * path, and reading a scalar as a type. */
#include "base/yaml_tree.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define CHUNK_BYTES ((size_t)16 << 10)

struct yaml_chunk {
    struct yaml_chunk *next;
    size_t used, size;
    char *bytes;
};

static struct yaml_chunk *add_chunk(struct yaml *y, size_t n)
{
    size_t size = n > CHUNK_BYTES ? n : CHUNK_BYTES;
    struct yaml_chunk *c = mem_alloc(1, sizeof(*c) + size);

    if (!c)
        return NULL;
    c->bytes = (char *)(c + 1);
    c->size = size;
    c->next = y->chunks;
    y->chunks = c;
    return c;
}

void *yaml_take(struct yaml *y, size_t n)
{
    struct yaml_chunk *c = y->chunks;
    void *p;

    n = (n + 15) & ~(size_t)15;
    if (!c || n > c->size - c->used)
        c = add_chunk(y, n);
    if (!c)
        return NULL;
    p = c->bytes + c->used;
    c->used += n;
    return p;
}

char *yaml_take_text(struct yaml *y, const char *s, size_t n)
{
    char *copy = yaml_take(y, n + 1);

    if (copy)
        memcpy(copy, s, n);
    return copy;
}

enum fusor_status yaml_node_make(struct yaml *y, enum yaml_kind kind,
                                 const char *file, struct yaml_node **out,
                                 struct fusor_error *err)
{
    struct yaml_node *n;

    if (y->n_nodes >= YAML_MAX_NODES)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: more than %d values, aliases written out", file,
                          YAML_MAX_NODES);
    n = yaml_take(y, sizeof(*n));
    if (!n)
        return mem_fail(err, file, sizeof(*n));
    y->n_nodes++;
    n->kind = kind;
    n->file = file;
    *out = n;
    return FUSOR_OK;
}

void yaml_destroy(struct yaml *y)
{
    struct yaml_chunk *c, *next;

    if (!y)
        return;
    for (c = y->chunks; c; c = next) {
        next = c->next;
        mem_free(c);
    }
    mem_free(y);
}

struct yaml_node *yaml_root(struct yaml *y)
{
    return y->root;
}

/* Is it a plain scalar that says "nothing": empty, ~ or null? */
static int is_null(const struct yaml_node *n)
{
    return n->kind == YAML_SCALAR && !n->quoted &&
           (!*n->text || !strcmp(n->text, "~") || !strcmp(n->text, "null"));
}

/* The entry whose key is the n characters at key.
 * @return its index, or map->n */
static size_t find_key(const struct yaml_node *map, const char *key, size_t n)
{
    size_t i = 0;

    while (i < map->n &&
           (strncmp(map->keys[i], key, n) || map->keys[i][n] != '\0'))
        i++;
    return i;
}

static struct yaml_node *get_n(struct yaml_node *map, const char *key, size_t n)
{
    size_t i;

    if (!map || map->kind != YAML_MAP)
        return NULL;
    i = find_key(map, key, n);
    if (i == map->n)
        return NULL;
    map->items[i]->used = 1;
    return map->items[i];
}

struct yaml_node *yaml_get(struct yaml_node *map, const char *key)
{
    return get_n(map, key, strlen(key));
}

struct yaml_node *yaml_path(struct yaml_node *root, const char *path)
{
    for (;;) {
        size_t n = strcspn(path, ".");

        root = get_n(root, path, n);
        if (!root || !path[n])
            return root;
        path += n + 1;
    }
}

/* Put value under key: replace it or add an entry. */
static enum fusor_status put_n(struct yaml *y, struct yaml_node *map,
                               const char *key, size_t n,
                               struct yaml_node *value, struct fusor_error *err)
{
    size_t i = find_key(map, key, n);
    const char **keys;
    struct yaml_node **items;
    char *copy;

    if (i < map->n) {
        map->items[i] = value;
        return FUSOR_OK;
    }
    keys = yaml_take(y, (map->n + 1) * sizeof(*keys));
    items = yaml_take(y, (map->n + 1) * sizeof(struct yaml_node *));
    copy = yaml_take_text(y, key, n);
    if (!keys || !items || !copy)
        return mem_fail(err, map->file, (map->n + 1) * sizeof(*items));
    for (i = 0; i < map->n; i++) {
        keys[i] = map->keys[i];
        items[i] = map->items[i];
    }
    keys[i] = copy;
    items[i] = value;
    map->keys = keys;
    map->items = items;
    map->n++;
    return FUSOR_OK;
}

/* Wrap value in maps for the parts of path behind its first.
 * @return in *out what belongs under the first part */
static enum fusor_status wrap_in_maps(struct yaml *y, const char *path,
                                      const char *origin,
                                      struct yaml_node *value,
                                      struct yaml_node **out,
                                      struct fusor_error *err)
{
    size_t end = strlen(path), first = strcspn(path, ".");

    while (end > first) {
        size_t begin = end;
        struct yaml_node *map = NULL;

        while (path[begin - 1] != '.')
            begin--;
        FUSOR_TRY(yaml_node_make(y, YAML_MAP, origin, &map, err));
        FUSOR_TRY(put_n(y, map, path + begin, end - begin, value, err));
        value = map;
        end = begin - 1;
    }
    *out = value;
    return FUSOR_OK;
}

static enum fusor_status check_path(const char *path, const char *origin,
                                    struct fusor_error *err)
{
    int parts = 1;

    for (const char *p = path; *p; p++)
        parts += *p == '.';
    if (!*path || *path == '.' || path[strlen(path) - 1] == '.' ||
        strstr(path, ".."))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: \"%s\" is no setting; write a.b=value", origin,
                          path);
    if (parts > YAML_MAX_DEPTH)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: a setting of %d parts, at most %d", origin,
                          parts, YAML_MAX_DEPTH);
    return FUSOR_OK;
}

/* A null in the way becomes an empty map; any other scalar or a list is an
 * error. */
static enum fusor_status check_map(struct yaml_node *n, const char *origin,
                                   const char *path, struct fusor_error *err)
{
    if (n->kind == YAML_MAP)
        return FUSOR_OK;
    if (!is_null(n))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: cannot set %s: %s:%d:%d is no map", origin, path,
                          n->file, n->line, n->column);
    n->kind = YAML_MAP;
    n->text = NULL;
    return FUSOR_OK;
}

/* The item of a list that the n characters at part number. */
static enum fusor_status find_item(const struct yaml_node *list,
                                   const char *part, size_t n,
                                   const char *origin, const char *path,
                                   size_t *out, struct fusor_error *err)
{
    size_t i = 0, digits = 0;

    while (digits < n && digits < 9 && isdigit((unsigned char)part[digits]))
        i = i * 10 + (size_t)(part[digits++] - '0');
    if (digits < n || i >= list->n)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: cannot set %s: the list at %s:%d:%d has %zu "
                          "items, numbered from 0",
                          origin, path, list->file, list->line, list->column,
                          list->n);
    *out = i;
    return FUSOR_OK;
}

enum fusor_status yaml_set(struct yaml *y, const char *path, const char *value,
                           const char *origin, struct fusor_error *err)
{
    struct yaml_node *map = y->root, *node = NULL, *below = NULL;
    const char *whole = path, *from;
    size_t n, i = 0;

    FUSOR_TRY(check_path(path, origin, err));
    FUSOR_TRY(yaml_parse_into(y, value, strlen(value), origin, 0, &node, err));
    from = yaml_take_text(y, origin, strlen(origin));
    if (!from)
        return mem_fail(err, origin, strlen(origin));
    if (!node) {
        FUSOR_TRY(yaml_node_make(y, YAML_SCALAR, from, &node, err));
        node->text = "";
    }
    for (;;) {
        n = strcspn(path, ".");
        if (map->kind == YAML_LIST) {
            FUSOR_TRY(find_item(map, path, n, origin, whole, &i, err));
        } else {
            FUSOR_TRY(check_map(map, origin, whole, err));
            i = find_key(map, path, n);
        }
        if (!path[n] || i == map->n)
            break;
        map = map->items[i];
        path += n + 1;
    }
    FUSOR_TRY(wrap_in_maps(y, path, from, node, &below, err));
    if (map->kind == YAML_MAP)
        return put_n(y, map, path, n, below, err);
    map->items[i] = below;
    return FUSOR_OK;
}

__attribute__((format(printf, 5, 0))) static enum fusor_status
fail_at(const char *file, int line, int column, struct fusor_error *err,
        const char *format, va_list ap)
{
    char text[sizeof(err->text)];

    vsnprintf(text, sizeof(text), format, ap);
    if (!file)
        return fusor_fail(err, FUSOR_EUSAGE, "%s", text);
    if (line == 0)
        return fusor_fail(err, FUSOR_EUSAGE, "%s: %s", file, text);
    return fusor_fail(err, FUSOR_EUSAGE, "%s:%d:%d: %s", file, line, column,
                      text);
}

enum fusor_status yaml_fail(const struct yaml_node *at, struct fusor_error *err,
                            const char *format, ...)
{
    enum fusor_status rc;
    va_list ap;

    va_start(ap, format);
    rc = fail_at(at ? at->file : NULL, at ? at->line : 0, at ? at->column : 0,
                 err, format, ap);
    va_end(ap);
    return rc;
}

enum fusor_status yaml_fail_key(const struct yaml_node *entry,
                                struct fusor_error *err, const char *format,
                                ...)
{
    enum fusor_status rc;
    va_list ap;

    va_start(ap, format);
    rc = fail_at(entry->file, entry->key_line, entry->key_column, err, format,
                 ap);
    va_end(ap);
    return rc;
}

static enum fusor_status unexpected(const struct yaml_node *n,
                                    struct fusor_error *err, const char *what)
{
    if (n->kind != YAML_SCALAR)
        return yaml_fail(n, err, "expected %s, found a %s", what,
                         n->kind == YAML_LIST ? "list" : "map");
    if (is_null(n))
        return yaml_fail(n, err, "expected %s, found nothing", what);
    return yaml_fail(n, err, "expected %s, found %s\"%.80s\"", what,
                     n->quoted ? "the text " : "", n->text);
}

static int is_plain(const struct yaml_node *n)
{
    return n->kind == YAML_SCALAR && !n->quoted;
}

enum fusor_status yaml_to_text(const struct yaml_node *n, const char **out,
                               struct fusor_error *err)
{
    if (n->kind != YAML_SCALAR || is_null(n))
        return unexpected(n, err, "a text");
    *out = n->text;
    return FUSOR_OK;
}

enum fusor_status yaml_to_double(const struct yaml_node *n, double *out,
                                 struct fusor_error *err)
{
    if (!is_plain(n) || str_to_double(n->text, out))
        return unexpected(n, err, "a number");
    return FUSOR_OK;
}

enum fusor_status yaml_to_i64(const struct yaml_node *n, int64_t *out,
                              struct fusor_error *err)
{
    if (!is_plain(n) || str_to_i64(n->text, out))
        return unexpected(n, err, "a whole number");
    return FUSOR_OK;
}

enum fusor_status yaml_to_size(const struct yaml_node *n, uint64_t *out,
                               struct fusor_error *err)
{
    if (!is_plain(n) || str_to_size(n->text, out))
        return unexpected(n, err, "a count such as 4096, 2M or 24GiB");
    return FUSOR_OK;
}

enum fusor_status yaml_to_bool(const struct yaml_node *n, int *out,
                               struct fusor_error *err)
{
    static const char *const words[] = {"false", "true", "no",
                                        "yes",   "off",  "on"};

    for (int i = 0; i < 6 && is_plain(n); i++) {
        if (strcasecmp(n->text, words[i]))
            continue;
        *out = i % 2;
        return FUSOR_OK;
    }
    return unexpected(n, err, "true or false");
}
