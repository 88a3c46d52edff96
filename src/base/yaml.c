/* From YAML text to a tree: libyaml's events, one recursive function a kind of
 * node. Nothing here follows the file's size without a bound: YAML_MAX_*. */
#include "base/yaml.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/yaml_tree.h"

#define MAX_ANCHORS 1000 /* looked up one by one */

struct anchor {
    const char *name;
    struct yaml_node *node;
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    struct yaml *y;
    const char *text; // [n]
    size_t n;
    const char *file;
    int placed;
    struct anchor *anchors;
    size_t n_anchors, cap_anchors;
};

/* One entry of a map while the map is read. */
struct entry {
    const char *key;
    int line, column;
    size_t order;
    struct yaml_node *value;
};

static int to_int(size_t n)
{
    return n < INT_MAX ? (int)n : INT_MAX;
}

/* A node at the current event, for the places of errors and of nodes. */
static struct yaml_node place_now(const struct reader *r)
{
    struct yaml_node at = {.file = r->file};

    if (r->placed) {
        at.line = to_int(r->event.start_mark.line + 1);
        at.column = to_int(r->event.start_mark.column + 1);
    }
    return at;
}

/* libyaml tells the place of a bad byte only as its offset. */
static void place_of_byte(const struct reader *r, size_t offset,
                          struct yaml_node *at)
{
    at->line = 1;
    at->column = 1;
    for (size_t i = 0; i < offset && i < r->n; i++) {
        at->column++;
        if (r->text[i] == '\n') {
            at->line++;
            at->column = 1;
        }
    }
}

static enum fusor_status parser_fail(const struct reader *r,
                                     struct fusor_error *err)
{
    const yaml_parser_t *p = &r->parser;
    struct yaml_node at = {.file = r->file};

    if (p->error == YAML_MEMORY_ERROR)
        return mem_fail(err, r->file, 0);
    if (r->placed && p->error == YAML_READER_ERROR) {
        place_of_byte(r, p->problem_offset, &at);
    } else if (r->placed) {
        at.line = to_int(p->problem_mark.line + 1);
        at.column = to_int(p->problem_mark.column + 1);
    }
    return yaml_fail(&at, err, "not YAML: %s%s%s",
                     p->problem ? p->problem : "unreadable",
                     p->context ? " " : "", p->context ? p->context : "");
}

static enum fusor_status next_event(struct reader *r, struct fusor_error *err)
{
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event))
        return parser_fail(r, err);
    return FUSOR_OK;
}

static enum fusor_status make_here(struct reader *r, enum yaml_kind kind,
                                   struct yaml_node **out,
                                   struct fusor_error *err)
{
    struct yaml_node at = place_now(r);

    FUSOR_TRY(yaml_node_make(r->y, kind, r->file, out, err));
    (*out)->line = at.line;
    (*out)->column = at.column;
    return FUSOR_OK;
}

/* Check the tag and the anchor of the current event.
 * @return in *name a copy of the anchor's name, NULL when there is none */
static enum fusor_status take_properties(struct reader *r,
                                         const yaml_char_t *anchor,
                                         const yaml_char_t *tag,
                                         const char **name,
                                         struct fusor_error *err)
{
    struct yaml_node at = place_now(r);
    const char *text = (const char *)anchor;

    *name = NULL;
    if (tag)
        return yaml_fail(&at, err, "the tag %s: tags are not read; remove it",
                         (const char *)tag);
    if (!text)
        return FUSOR_OK;
    *name = yaml_take_text(r->y, text, strlen(text));
    return *name ? FUSOR_OK : mem_fail(err, r->file, strlen(text));
}

/* Known from here on, so a node never contains itself. */
static enum fusor_status add_anchor(struct reader *r, const char *name,
                                    struct yaml_node *node,
                                    struct fusor_error *err)
{
    void *anchors = r->anchors;

    if (!name)
        return FUSOR_OK;
    if (r->n_anchors == MAX_ANCHORS)
        return yaml_fail(node, err, "more than %d anchors", MAX_ANCHORS);
    if (mem_reserve(&anchors, r->n_anchors, &r->cap_anchors,
                    sizeof(*r->anchors)))
        return mem_fail(err, r->file, r->cap_anchors * sizeof(*r->anchors));
    r->anchors = anchors;
    r->anchors[r->n_anchors++] = (struct anchor){name, node};
    return FUSOR_OK;
}

static enum fusor_status too_deep(const struct yaml_node *at,
                                  struct fusor_error *err)
{
    return yaml_fail(at, err, "nested deeper than %d levels", YAML_MAX_DEPTH);
}

/* Room for n items, and for keys in a map. */
static enum fusor_status take_items(struct yaml *y, struct yaml_node *node,
                                    size_t n, struct fusor_error *err)
{
    node->items = yaml_take(y, n * sizeof(*node->items));
    if (node->kind == YAML_MAP)
        node->keys = yaml_take(y, n * sizeof(*node->keys));
    if (!node->items || (node->kind == YAML_MAP && !node->keys))
        return mem_fail(err, node->file, n * sizeof(*node->items));
    node->n = n;
    return FUSOR_OK;
}

/* Copy what an alias stands for; texts are shared, they never change. */
static enum fusor_status copy_node(struct yaml *y, const struct yaml_node *from,
                                   int depth, struct yaml_node **out,
                                   struct fusor_error *err)
{
    struct yaml_node *to;

    if (depth > YAML_MAX_DEPTH)
        return too_deep(from, err);
    FUSOR_TRY(yaml_node_make(y, from->kind, from->file, &to, err));
    *to = *from;
    *out = to;
    if (from->kind == YAML_SCALAR)
        return FUSOR_OK;
    FUSOR_TRY(take_items(y, to, from->n, err));
    for (size_t i = 0; i < from->n; i++) {
        if (to->keys)
            to->keys[i] = from->keys[i];
        FUSOR_TRY(copy_node(y, from->items[i], depth + 1, &to->items[i], err));
    }
    return FUSOR_OK;
}

static enum fusor_status read_alias(struct reader *r, int depth,
                                    struct yaml_node **out,
                                    struct fusor_error *err)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    struct yaml_node at = place_now(r);

    for (size_t i = r->n_anchors; i-- > 0;)
        if (!strcmp(r->anchors[i].name, name))
            return copy_node(r->y, r->anchors[i].node, depth, out, err);
    return yaml_fail(&at, err, "*%s: no such anchor before it", name);
}

static enum fusor_status read_scalar(struct reader *r, struct yaml_node **out,
                                     struct fusor_error *err)
{
    const char *text = (const char *)r->event.data.scalar.value;
    size_t n = r->event.data.scalar.length;
    struct yaml_node at = place_now(r);
    const char *anchor;

    FUSOR_TRY(take_properties(r, r->event.data.scalar.anchor,
                              r->event.data.scalar.tag, &anchor, err));
    if (memchr(text, '\0', n))
        return yaml_fail(&at, err, "a text with a zero byte in it");
    FUSOR_TRY(make_here(r, YAML_SCALAR, out, err));
    (*out)->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    (*out)->text = yaml_take_text(r->y, text, n);
    if (!(*out)->text)
        return mem_fail(err, r->file, n);
    return add_anchor(r, anchor, *out, err);
}

static enum fusor_status read_node(struct reader *r, int depth,
                                   struct yaml_node **out,
                                   struct fusor_error *err);

static enum fusor_status read_items(struct reader *r, int depth,
                                    struct yaml_node *list,
                                    struct fusor_error *err)
{
    enum fusor_status rc;
    void *items = NULL;
    size_t n = 0, cap = 0;

    while ((rc = next_event(r, err)) == FUSOR_OK &&
           r->event.type != YAML_SEQUENCE_END_EVENT) {
        if (mem_reserve(&items, n, &cap, sizeof(*list->items))) {
            rc = mem_fail(err, r->file, cap * sizeof(*list->items));
            break;
        }
        rc = read_node(r, depth + 1, &((struct yaml_node **)items)[n], err);
        if (rc != FUSOR_OK)
            break;
        n++;
    }
    if (rc == FUSOR_OK)
        rc = take_items(r->y, list, n, err);
    if (rc == FUSOR_OK && n)
        memcpy(list->items, items, n * sizeof(*list->items));
    mem_free(items);
    return rc;
}

static enum fusor_status read_list(struct reader *r, int depth,
                                   struct yaml_node **out,
                                   struct fusor_error *err)
{
    const char *anchor;

    FUSOR_TRY(take_properties(r, r->event.data.sequence_start.anchor,
                              r->event.data.sequence_start.tag, &anchor, err));
    FUSOR_TRY(make_here(r, YAML_LIST, out, err));
    FUSOR_TRY(read_items(r, depth, *out, err));
    return add_anchor(r, anchor, *out, err);
}

static enum fusor_status read_entry(struct reader *r, int depth,
                                    struct entry *e, struct fusor_error *err)
{
    struct yaml_node at = place_now(r), *key;

    if (r->event.type != YAML_SCALAR_EVENT)
        return yaml_fail(&at, err, "a key must be a word");
    FUSOR_TRY(read_scalar(r, &key, err));
    e->key = key->text;
    e->line = key->line;
    e->column = key->column;
    FUSOR_TRY(next_event(r, err));
    FUSOR_TRY(read_node(r, depth + 1, &e->value, err));
    e->value->key_line = key->line;
    e->value->key_column = key->column;
    return FUSOR_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order ? order : (x->order > y->order) - (x->order < y->order);
}

static int by_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return (x->order > y->order) - (x->order < y->order);
}

static enum fusor_status check_twice(const struct reader *r, struct entry *e,
                                     size_t n, struct fusor_error *err)
{
    qsort(e, n, sizeof(*e), by_key);
    for (size_t i = 1; i < n; i++) {
        struct yaml_node at = {.file = r->file};

        if (strcmp(e[i - 1].key, e[i].key))
            continue;
        at.line = e[i].line;
        at.column = e[i].column;
        if (!r->placed)
            return yaml_fail(&at, err, "\"%s\" is given twice", e[i].key);
        return yaml_fail(&at, err,
                         "\"%s\" is given twice: first at line %d, column %d",
                         e[i].key, e[i - 1].line, e[i - 1].column);
    }
    qsort(e, n, sizeof(*e), by_order);
    return FUSOR_OK;
}

static enum fusor_status keep_entries(struct reader *r, struct yaml_node *map,
                                      struct entry *e, size_t n,
                                      struct fusor_error *err)
{
    if (n)
        FUSOR_TRY(check_twice(r, e, n, err));
    FUSOR_TRY(take_items(r->y, map, n, err));
    for (size_t i = 0; i < n; i++) {
        map->keys[i] = e[i].key;
        map->items[i] = e[i].value;
    }
    return FUSOR_OK;
}

static enum fusor_status read_entries(struct reader *r, int depth,
                                      struct yaml_node *map,
                                      struct fusor_error *err)
{
    enum fusor_status rc;
    struct entry *e;
    void *entries = NULL;
    size_t n = 0, cap = 0;

    while ((rc = next_event(r, err)) == FUSOR_OK &&
           r->event.type != YAML_MAPPING_END_EVENT) {
        if (mem_reserve(&entries, n, &cap, sizeof(*e))) {
            rc = mem_fail(err, r->file, cap * sizeof(*e));
            break;
        }
        e = (struct entry *)entries + n;
        rc = read_entry(r, depth, e, err);
        if (rc != FUSOR_OK)
            break;
        e->order = n++;
    }
    if (rc == FUSOR_OK)
        rc = keep_entries(r, map, entries, n, err);
    mem_free(entries);
    return rc;
}

static enum fusor_status read_map(struct reader *r, int depth,
                                  struct yaml_node **out,
                                  struct fusor_error *err)
{
    const char *anchor;

    FUSOR_TRY(take_properties(r, r->event.data.mapping_start.anchor,
                              r->event.data.mapping_start.tag, &anchor, err));
    FUSOR_TRY(make_here(r, YAML_MAP, out, err));
    FUSOR_TRY(read_entries(r, depth, *out, err));
    return add_anchor(r, anchor, *out, err);
}

/* The node that begins with the current event; ends at its last event. */
static enum fusor_status read_node(struct reader *r, int depth,
                                   struct yaml_node **out,
                                   struct fusor_error *err)
{
    struct yaml_node at = place_now(r);

    if (depth > YAML_MAX_DEPTH)
        return too_deep(&at, err);
    switch (r->event.type) {
    case YAML_ALIAS_EVENT:
        return read_alias(r, depth, out, err);
    case YAML_SCALAR_EVENT:
        return read_scalar(r, out, err);
    case YAML_SEQUENCE_START_EVENT:
        return read_list(r, depth, out, err);
    case YAML_MAPPING_START_EVENT:
        return read_map(r, depth, out, err);
    default:
        return yaml_fail(&at, err, "a value was expected");
    }
}

static enum fusor_status read_stream(struct reader *r, struct yaml_node **out,
                                     struct fusor_error *err)
{
    struct yaml_node at;

    FUSOR_TRY(next_event(r, err)); // the stream's begin
    FUSOR_TRY(next_event(r, err));
    if (r->event.type == YAML_STREAM_END_EVENT)
        return FUSOR_OK;
    FUSOR_TRY(next_event(r, err)); // after the document's begin
    FUSOR_TRY(read_node(r, 1, out, err));
    FUSOR_TRY(next_event(r, err)); // the document's end
    FUSOR_TRY(next_event(r, err));
    if (r->event.type == YAML_STREAM_END_EVENT)
        return FUSOR_OK;
    at = place_now(r);
    return yaml_fail(&at, err, "a second document begins; only one is read");
}

enum fusor_status yaml_parse_into(struct yaml *y, const char *text, size_t n,
                                  const char *file, int placed,
                                  struct yaml_node **out,
                                  struct fusor_error *err)
{
    struct reader r = {.y = y, .text = text, .n = n, .placed = placed};
    enum fusor_status rc;

    *out = NULL;
    if (n > YAML_MAX_BYTES)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: %zu bytes of YAML, at most %zu are read", file,
                          n, YAML_MAX_BYTES);
    r.file = yaml_take_text(y, file, strlen(file));
    if (!r.file || !yaml_parser_initialize(&r.parser))
        return mem_fail(err, file, sizeof(r.parser));
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
    rc = read_stream(&r, out, err);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    mem_free(r.anchors);
    return rc;
}

enum fusor_status yaml_parse(const char *text, size_t n, const char *file,
                             struct yaml **out, struct fusor_error *err)
{
    struct yaml *y = mem_alloc(1, sizeof(*y));
    enum fusor_status rc;

    if (!y)
        return mem_fail(err, file, sizeof(*y));
    rc = yaml_parse_into(y, text, n, file, 1, &y->root, err);
    if (rc == FUSOR_OK && !y->root) {
        const char *name = yaml_take_text(y, file, strlen(file));

        rc = name ? yaml_node_make(y, YAML_MAP, name, &y->root, err)
                  : mem_fail(err, file, strlen(file));
    }
    if (rc == FUSOR_OK)
        *out = y;
    else
        yaml_destroy(y);
    return rc;
}

enum fusor_status yaml_read(const char *path, struct yaml **out,
                            struct fusor_error *err)
{
    char *text;
    size_t n;
    enum fusor_status rc;

    FUSOR_TRY(fs_read(path, YAML_MAX_BYTES, &text, &n, err));
    rc = yaml_parse(text, n, path, out, err);
    mem_free(text);
    return rc;
}
