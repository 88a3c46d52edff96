/* Slices of a judged set as a table and as JSON. */
#include "train/breakdown.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define FEW_SHOWN 10 /* more groups that are too small share a line */

static enum fusor_status read_group(const struct slicing_field *f,
                                    uint32_t number,
                                    const struct metric_set *slice,
                                    struct breakdown_group *out,
                                    struct fusor_error *err)
{
    struct strbuf label = {0};
    enum fusor_status rc = slicing_label(f, number, &label, err);

    if (rc == FUSOR_OK) {
        out->label = mem_strdup(label.s);
        out->results =
            mem_alloc(metric_set_count(slice) + 1, sizeof(*out->results));
        if (!out->label || !out->results)
            rc = mem_fail(err, "groups", sizeof(*out->results));
    }
    strbuf_clear(&label);
    return rc == FUSOR_OK ? metric_set_results(slice, out->results, err) : rc;
}

static enum fusor_status read_field(const struct slicing_field *f,
                                    const struct metric_set *set,
                                    struct breakdown_field *out,
                                    struct fusor_error *err)
{
    snprintf(out->name, sizeof(out->name), "%s", f->field.spec->name);
    out->min = f->min;
    out->metrics = f->metrics;
    out->groups = mem_alloc(f->n_slices + 1, sizeof(*out->groups));
    if (!out->groups)
        return mem_fail(err, "groups", f->n_slices * sizeof(*out->groups));
    for (uint32_t i = 0; i < f->n_slices; i++) {
        const struct metric_set *slice = metric_set_sliced(set, f->first + i);

        if (slice)
            FUSOR_TRY(read_group(f, i, slice, &out->groups[out->n++], err));
    }
    return FUSOR_OK;
}

enum fusor_status breakdown_read(const struct slicing *s,
                                 const struct metric_set *set,
                                 struct breakdown *out, struct fusor_error *err)
{
    memset(out, 0, sizeof(*out));
    out->n_metrics = metric_set_count(set);
    for (size_t i = 0; i < out->n_metrics; i++)
        snprintf(out->names[i], METRIC_NAME_MAX, "%s",
                 metric_set_spec(set, i)->name);
    for (; out->n < s->n; out->n++)
        FUSOR_TRY(
            read_field(&s->fields[out->n], set, &out->fields[out->n], err));
    return FUSOR_OK;
}

void breakdown_clear(struct breakdown *b)
{
    for (uint32_t f = 0; f < SLICING_FIELDS_MAX; f++) {
        for (size_t i = 0; i < b->fields[f].n; i++) {
            mem_free(b->fields[f].groups[i].label);
            mem_free(b->fields[f].groups[i].results);
        }
        mem_free(b->fields[f].groups);
    }
    memset(b, 0, sizeof(*b));
}

static int too_few(const struct breakdown_field *f,
                   const struct metric_result *r)
{
    return r->n < f->min;
}

int breakdown_compare(const struct breakdown *b, uint32_t field, size_t metric,
                      struct breakdown_gap *out)
{
    const struct breakdown_field *f = &b->fields[field];
    double low = INFINITY, high = -INFINITY;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < f->n; i++) {
        const struct metric_result *r = &f->groups[i].results[metric];

        if (too_few(f, r) || !r->defined)
            continue;
        out->n++;
        if (r->value < low) {
            low = r->value;
            out->lowest = &f->groups[i];
        }
        if (r->value > high) {
            high = r->value;
            out->highest = &f->groups[i];
        }
    }
    if (out->n < 2)
        return -1;
    out->gap = high - low;
    out->ratio = low > 0 ? low / high : NAN;
    return 0;
}

static void add_row(struct texttab *tab, const char *metric, const char *field,
                    const char *group, const char *n, const char *value)
{
    const char *cells[5] = {metric, field, group, n, value};

    texttab_row(tab, cells);
}

static void add_gap(struct texttab *tab, const struct breakdown *b,
                    uint32_t field, size_t metric)
{
    const char *name = b->names[metric];
    struct breakdown_gap g;
    char number[32];

    if (breakdown_compare(b, field, metric, &g)) {
        add_row(tab, name, b->fields[field].name, "gap", "", "too few groups");
        return;
    }
    snprintf(number, sizeof(number), "%.6f", g.gap);
    add_row(tab, name, b->fields[field].name, "gap (max - min)", "", number);
    if (isnan(g.ratio))
        return;
    snprintf(number, sizeof(number), "%.6f", g.ratio);
    add_row(tab, name, b->fields[field].name, "ratio (min / max)", "", number);
}

static size_t count_too_few(const struct breakdown *b, uint32_t field,
                            size_t metric)
{
    const struct breakdown_field *f = &b->fields[field];
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        n += too_few(f, &f->groups[i].results[metric]) != 0;
    return n;
}

static void add_groups(struct texttab *tab, const struct breakdown *b,
                       uint32_t field, size_t metric)
{
    const struct breakdown_field *f = &b->fields[field];
    const char *name = b->names[metric];
    size_t n_few = count_too_few(b, field, metric);
    char text[48];

    for (size_t i = 0; i < f->n; i++) {
        const struct metric_result *r = &f->groups[i].results[metric];
        char n[24], value[32] = "undefined";

        if (too_few(f, r) && n_few > FEW_SHOWN)
            continue;
        snprintf(n, sizeof(n), "%llu", (unsigned long long)r->n);
        if (too_few(f, r))
            snprintf(value, sizeof(value), "too few");
        else if (r->defined)
            snprintf(value, sizeof(value), "%.6f", r->value);
        add_row(tab, name, f->name, f->groups[i].label, n, value);
    }
    snprintf(text, sizeof(text), "%zu small groups", n_few);
    if (n_few > FEW_SHOWN)
        add_row(tab, name, f->name, text, "", "too few");
    add_gap(tab, b, field, metric);
}

static int is_shown(const struct breakdown_field *f, size_t metric)
{
    return (f->metrics >> metric & 1) != 0;
}

struct texttab *breakdown_table(const struct breakdown *b)
{
    static const char *const columns[] = {"metric", "by",     "group",
                                          ">n",     ">value", NULL};
    struct texttab *tab = texttab_create(columns);

    for (uint32_t f = 0; f < b->n; f++)
        for (size_t m = 0; m < b->n_metrics; m++)
            if (is_shown(&b->fields[f], m))
                add_groups(tab, b, f, m);
    return tab;
}

static void json_groups(const struct breakdown *b, uint32_t field,
                        size_t metric, struct json *j)
{
    const struct breakdown_field *f = &b->fields[field];

    json_begin_array(j, "groups");
    for (size_t i = 0; i < f->n; i++) {
        const struct metric_result *r = &f->groups[i].results[metric];

        json_begin_object(j, NULL);
        json_string(j, "group", f->groups[i].label);
        json_uint(j, "n", r->n);
        json_number(j, "value", too_few(f, r) ? NAN : r->value);
        if (too_few(f, r))
            json_string(j, "note", "too few");
        json_end_object(j);
    }
    json_end_array(j);
}

static void json_metric(const struct breakdown *b, uint32_t field,
                        size_t metric, struct json *j)
{
    struct breakdown_gap g;
    int comparable = breakdown_compare(b, field, metric, &g) == 0;

    json_begin_object(j, b->names[metric]);
    json_groups(b, field, metric, j);
    json_number(j, "gap", comparable ? g.gap : NAN);
    json_number(j, "ratio", comparable ? g.ratio : NAN);
    if (comparable) {
        json_string(j, "lowest", g.lowest->label);
        json_string(j, "highest", g.highest->label);
    }
    json_end_object(j);
}

void breakdown_json(const struct breakdown *b, struct json *j, const char *key)
{
    json_begin_object(j, key);
    for (uint32_t f = 0; f < b->n; f++) {
        json_begin_object(j, b->fields[f].name);
        json_uint(j, "too_few_below", b->fields[f].min);
        for (size_t m = 0; m < b->n_metrics; m++)
            if (is_shown(&b->fields[f], m))
                json_metric(b, f, m, j);
        json_end_object(j);
    }
    json_end_object(j);
}

/* The number of the metric of this name, a new one at need; -1: too many. */
static int metric_number(struct breakdown *b, const char *name)
{
    for (size_t i = 0; i < b->n_metrics; i++)
        if (!strcmp(b->names[i], name))
            return (int)i;
    if (b->n_metrics == METRIC_SET_MAX)
        return -1;
    snprintf(b->names[b->n_metrics], METRIC_NAME_MAX, "%s", name);
    return (int)b->n_metrics++;
}

static enum fusor_status parse_group(struct yaml_node *at, size_t metric,
                                     struct breakdown_group *out,
                                     struct fusor_error *err)
{
    struct yaml_node *label = yaml_get(at, "group"), *n = yaml_get(at, "n");
    struct yaml_node *value = yaml_get(at, "value");
    const char *text;

    if (!label || !n || !value)
        return fusor_fail(err, FUSOR_EDATA, "a group without group, n, value");
    FUSOR_TRY(yaml_to_text(label, &text, err));
    if (!out->results)
        out->results = mem_alloc(METRIC_SET_MAX, sizeof(*out->results));
    if (!out->label)
        out->label = mem_strdup(text);
    if (!out->label || !out->results)
        return mem_fail(err, "groups", sizeof(*out->results));
    FUSOR_TRY(yaml_to_size(n, &out->results[metric].n, err));
    out->results[metric].defined =
        yaml_to_double(value, &out->results[metric].value, NULL) == FUSOR_OK;
    return FUSOR_OK;
}

static enum fusor_status parse_metric(struct yaml_node *at, const char *name,
                                      struct breakdown *b,
                                      struct breakdown_field *f,
                                      struct fusor_error *err)
{
    struct yaml_node *groups = yaml_get(at, "groups");
    int metric = metric_number(b, name);

    if (!groups || groups->kind != YAML_LIST || metric < 0 ||
        (f->groups && groups->n != f->n))
        return fusor_fail(err, FUSOR_EDATA, "%s by %s: no list of groups", name,
                          f->name);
    if (!f->groups) {
        f->groups = mem_alloc(groups->n + 1, sizeof(*f->groups));
        if (!f->groups)
            return mem_fail(err, "groups", groups->n * sizeof(*f->groups));
        f->n = groups->n;
    }
    f->metrics |= 1ull << metric;
    for (size_t i = 0; i < groups->n; i++)
        FUSOR_TRY(
            parse_group(groups->items[i], (size_t)metric, &f->groups[i], err));
    return FUSOR_OK;
}

static enum fusor_status parse_field(struct yaml_node *at, const char *name,
                                     struct breakdown *b,
                                     struct breakdown_field *f,
                                     struct fusor_error *err)
{
    snprintf(f->name, sizeof(f->name), "%s", name);
    for (size_t i = 0; i < at->n; i++) {
        if (!strcmp(at->keys[i], "too_few_below"))
            FUSOR_TRY(yaml_to_size(at->items[i], &f->min, err));
        else
            FUSOR_TRY(parse_metric(at->items[i], at->keys[i], b, f, err));
    }
    return FUSOR_OK;
}

enum fusor_status breakdown_parse(struct yaml_node *at, struct breakdown *out,
                                  struct fusor_error *err)
{
    memset(out, 0, sizeof(*out));
    if (!at)
        return FUSOR_OK;
    if (at->kind != YAML_MAP || at->n > SLICING_FIELDS_MAX)
        return fusor_fail(err, FUSOR_EDATA,
                          "results by group: no map of at "
                          "most %d fields",
                          SLICING_FIELDS_MAX);
    for (size_t i = 0; i < at->n; i++) {
        if (at->items[i]->kind != YAML_MAP)
            return fusor_fail(err, FUSOR_EDATA, "results by %s: no map",
                              at->keys[i]);
        FUSOR_TRY(parse_field(at->items[i], at->keys[i], out,
                              &out->fields[out->n++], err));
    }
    return FUSOR_OK;
}
