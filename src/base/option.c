/* Groups of settings from one table: reading, checking, help, printing back. */
#include "base/option.h"

#include <stdio.h>
#include <string.h>

#include "base/texttab.h"

#define NAMES_MAX 128 /* settings of one group that "did you mean" looks at */

union value {
    int64_t i64;
    uint64_t u64;
    double real;
    int flag; // bool and enum
    const char *text;
    struct yaml_node *node;
};

static enum fusor_status check_is_map(const struct yaml_node *map,
                                      const char *where,
                                      struct fusor_error *err)
{
    if (map->kind == YAML_MAP)
        return FUSOR_OK;
    return yaml_fail(map, err, "%s must be a map of settings, not a %s", where,
                     map->kind == YAML_LIST ? "list" : "single value");
}

static void join_names(struct strbuf *out, const char *const *names,
                       const char *between)
{
    for (size_t i = 0; names[i]; i++) {
        strbuf_add(out, i ? between : "");
        strbuf_add(out, names[i]);
    }
}

/* "did you mean ...?" or the whole list, after the complaint. */
static enum fusor_status unknown_name(const struct yaml_node *at, int is_key,
                                      const char *complaint, const char *word,
                                      const char *const *names,
                                      struct fusor_error *err)
{
    const char *near = str_nearest(word, names);
    struct strbuf list = {0};
    enum fusor_status rc;

    if (near) {
        strbuf_addf(&list, "%s; did you mean \"%s\"?", complaint, near);
    } else {
        strbuf_addf(&list, "%s; there is: ", complaint);
        join_names(&list, names, ", ");
    }
    rc = is_key ? yaml_fail_key(at, err, "%s", list.s ? list.s : complaint)
                : yaml_fail(at, err, "%s", list.s ? list.s : complaint);
    strbuf_clear(&list);
    return rc;
}

enum fusor_status option_check_keys(const struct yaml_node *map,
                                    const char *const *names, const char *where,
                                    struct fusor_error *err)
{
    char complaint[200];

    FUSOR_TRY(check_is_map(map, where, err));
    for (size_t i = 0; i < map->n; i++) {
        size_t k = 0;

        while (names[k] && strcmp(names[k], map->keys[i]))
            k++;
        if (names[k])
            continue;
        snprintf(complaint, sizeof(complaint),
                 "unknown setting \"%.80s\" in %s", map->keys[i], where);
        return unknown_name(map->items[i], 1, complaint, map->keys[i], names,
                            err);
    }
    return FUSOR_OK;
}

static enum fusor_status check_range(const struct option_spec *s, double value,
                                     const struct yaml_node *n,
                                     struct fusor_error *err)
{
    if (value >= s->min && value <= s->max)
        return FUSOR_OK;
    return yaml_fail(n, err, "%s is %s, but must be from %.10g to %.10g",
                     s->name, n->text, s->min, s->max);
}

static enum fusor_status read_enum(const struct option_spec *s,
                                   const struct yaml_node *n, int *out,
                                   struct fusor_error *err)
{
    char complaint[200];
    const char *word;

    FUSOR_TRY(yaml_to_text(n, &word, err));
    for (int i = 0; s->names[i]; i++) {
        if (strcmp(s->names[i], word))
            continue;
        *out = i;
        return FUSOR_OK;
    }
    snprintf(complaint, sizeof(complaint), "unknown %s \"%.80s\"", s->name,
             word);
    return unknown_name(n, 0, complaint, word, s->names, err);
}

static enum fusor_status read_value(const struct option_spec *s,
                                    struct yaml_node *n, union value *out,
                                    struct fusor_error *err)
{
    switch (s->type) {
    case OPTION_TYPE_INT:
        FUSOR_TRY(yaml_to_i64(n, &out->i64, err));
        return check_range(s, (double)out->i64, n, err);
    case OPTION_TYPE_SIZE:
        FUSOR_TRY(yaml_to_size(n, &out->u64, err));
        return check_range(s, (double)out->u64, n, err);
    case OPTION_TYPE_DOUBLE:
        FUSOR_TRY(yaml_to_double(n, &out->real, err));
        return check_range(s, out->real, n, err);
    case OPTION_TYPE_BOOL:
        return yaml_to_bool(n, &out->flag, err);
    case OPTION_TYPE_TEXT:
        return yaml_to_text(n, &out->text, err);
    case OPTION_TYPE_ENUM:
        return read_enum(s, n, &out->flag, err);
    case OPTION_TYPE_NODE:
        out->node = n;
        return FUSOR_OK;
    }
    return yaml_fail(n, err, "%s has no type", s->name);
}

/* From the map, else from the table's own text. */
static enum fusor_status find_value(const struct option_spec *s,
                                    struct yaml_node *map, const char *where,
                                    union value *out, struct fusor_error *err)
{
    struct yaml_node *n = yaml_get(map, s->name);
    struct yaml_node fallback = {.kind = YAML_SCALAR, .file = "default"};
    enum fusor_status rc;

    if (!n && !s->fallback)
        return yaml_fail(map, err, "%s needs the setting \"%s\": %s", where,
                         s->name, s->help);
    if (!n && s->type == OPTION_TYPE_NODE) {
        out->node = NULL;
        return FUSOR_OK;
    }
    if (!n) {
        fallback.text = s->fallback;
        fallback.quoted = s->type == OPTION_TYPE_TEXT; // also "" and null
        n = &fallback;
    }
    rc = read_value(s, n, out, err);
    if (rc != FUSOR_OK && n == &fallback)
        return fusor_wrap(err, rc, "%s.%s", where, s->name);
    return rc;
}

static void store_value(const struct option_spec *s, const union value *v,
                        void *out)
{
    static const size_t sizes[] = {
        [OPTION_TYPE_INT] = sizeof(v->i64),
        [OPTION_TYPE_SIZE] = sizeof(v->u64),
        [OPTION_TYPE_DOUBLE] = sizeof(v->real),
        [OPTION_TYPE_BOOL] = sizeof(v->flag),
        [OPTION_TYPE_TEXT] = sizeof(v->text),
        [OPTION_TYPE_ENUM] = sizeof(v->flag),
        [OPTION_TYPE_NODE] = sizeof(v->node),
    };

    memcpy((char *)out + s->offset, v, sizes[s->type]);
}

static enum fusor_status check_spec_keys(const struct option_spec *specs,
                                         const struct yaml_node *map,
                                         const char *where,
                                         struct fusor_error *err)
{
    const char *names[NAMES_MAX + 1];
    size_t n = 0;

    while (specs[n].name && n < NAMES_MAX) {
        names[n] = specs[n].name;
        n++;
    }
    names[n] = NULL;
    return option_check_keys(map, names, where, err);
}

enum fusor_status option_read(const struct option_spec *specs,
                              struct yaml_node *map, const char *where,
                              void *out, struct fusor_error *err)
{
    union value v;

    if (map && map->kind == YAML_SCALAR && !map->quoted && !*map->text)
        map = NULL; // "train:" with nothing below
    if (map)
        FUSOR_TRY(check_spec_keys(specs, map, where, err));
    // All is checked before anything is written.
    for (const struct option_spec *s = specs; s->name; s++)
        FUSOR_TRY(find_value(s, map, where, &v, err));
    for (const struct option_spec *s = specs; s->name; s++) {
        FUSOR_TRY(find_value(s, map, where, &v, err));
        store_value(s, &v, out);
    }
    return FUSOR_OK;
}

static void add_range(struct strbuf *out, const struct option_spec *s)
{
    switch (s->type) {
    case OPTION_TYPE_INT:
    case OPTION_TYPE_SIZE:
    case OPTION_TYPE_DOUBLE:
        strbuf_addf(out, "%.10g to %.10g", s->min, s->max);
        break;
    case OPTION_TYPE_BOOL:
        strbuf_add(out, "true, false");
        break;
    case OPTION_TYPE_TEXT:
        strbuf_add(out, "text");
        break;
    case OPTION_TYPE_ENUM:
        join_names(out, s->names, ", ");
        break;
    case OPTION_TYPE_NODE:
        strbuf_add(out, "group");
        break;
    }
}

void option_help(const struct option_spec *specs, struct strbuf *out)
{
    static const char *const columns[] = {"setting", "default", "range", "what",
                                          NULL};
    struct texttab *t = texttab_create(columns);

    for (const struct option_spec *s = specs; s->name; s++) {
        const char *fallback = s->fallback ? s->fallback : "(required)";
        struct strbuf range = {0};
        const char *cells[4];

        add_range(&range, s);
        cells[0] = s->name;
        cells[1] = *fallback ? fallback : "-";
        cells[2] = range.s ? range.s : "";
        cells[3] = s->help ? s->help : "";
        texttab_row(t, cells);
        strbuf_clear(&range);
    }
    texttab_print(t, out);
    texttab_destroy(t);
}

static void add_value(struct strbuf *out, const struct option_spec *s,
                      const void *in)
{
    const void *at = (const char *)in + s->offset;
    char number[32];

    switch (s->type) {
    case OPTION_TYPE_INT:
        strbuf_addf(out, "%lld", (long long)*(const int64_t *)at);
        break;
    case OPTION_TYPE_SIZE:
        strbuf_addf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case OPTION_TYPE_DOUBLE:
        strbuf_add(out, str_double(*(const double *)at, number));
        break;
    case OPTION_TYPE_BOOL:
        strbuf_add(out, *(const int *)at ? "true" : "false");
        break;
    case OPTION_TYPE_TEXT:
        yaml_add_text(out, *(const char *const *)at);
        break;
    case OPTION_TYPE_ENUM:
        yaml_add_text(out, s->names[*(const int *)at]);
        break;
    case OPTION_TYPE_NODE:
        break;
    }
}

static void add_origin(struct strbuf *out, const struct option_spec *s,
                       const struct yaml_node *map)
{
    size_t i = 0, n = map && map->kind == YAML_MAP ? map->n : 0;

    while (i < n && strcmp(map->keys[i], s->name))
        i++;
    if (i == n)
        strbuf_add(out, "  # default\n");
    else if (map->items[i]->line)
        strbuf_addf(out, "  # %s:%d\n", map->items[i]->file,
                    map->items[i]->line);
    else
        strbuf_addf(out, "  # %s\n", map->items[i]->file);
}

void option_print(const struct option_spec *specs, const struct yaml_node *map,
                  const void *in, int indent, struct strbuf *out)
{
    for (const struct option_spec *s = specs; s->name; s++) {
        if (s->type == OPTION_TYPE_NODE)
            continue;
        strbuf_addf(out, "%*s%s: ", indent, "", s->name);
        add_value(out, s, in);
        add_origin(out, s, map);
    }
}
