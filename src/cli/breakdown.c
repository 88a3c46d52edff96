/* Slices of a judged set as a table and as JSON. */
#include "cli/breakdown.h"

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
                                 const struct metric_set *set, uint64_t min,
                                 struct breakdown *out, struct fusor_error *err)
{
    memset(out, 0, sizeof(*out));
    out->n_metrics = metric_set_count(set);
    out->min = min;
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

static int too_few(const struct breakdown *b, const struct metric_result *r)
{
    return r->n < b->min;
}

int breakdown_compare(const struct breakdown *b, uint32_t field, size_t metric,
                      struct breakdown_gap *out)
{
    const struct breakdown_field *f = &b->fields[field];
    double low = INFINITY, high = -INFINITY;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < f->n; i++) {
        const struct metric_result *r = &f->groups[i].results[metric];

        if (too_few(b, r) || !r->defined)
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
                    uint32_t field, size_t metric, const char *name)
{
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
        n += too_few(b, &f->groups[i].results[metric]) != 0;
    return n;
}

static void add_groups(struct texttab *tab, const struct breakdown *b,
                       uint32_t field, size_t metric, const char *name)
{
    const struct breakdown_field *f = &b->fields[field];
    size_t n_few = count_too_few(b, field, metric);
    char text[48];

    for (size_t i = 0; i < f->n; i++) {
        const struct metric_result *r = &f->groups[i].results[metric];
        char n[24], value[32] = "undefined";

        if (too_few(b, r) && n_few > FEW_SHOWN)
            continue;
        snprintf(n, sizeof(n), "%llu", (unsigned long long)r->n);
        if (too_few(b, r))
            snprintf(value, sizeof(value), "too few");
        else if (r->defined)
            snprintf(value, sizeof(value), "%.6f", r->value);
        add_row(tab, name, f->name, f->groups[i].label, n, value);
    }
    snprintf(text, sizeof(text), "%zu small groups", n_few);
    if (n_few > FEW_SHOWN)
        add_row(tab, name, f->name, text, "", "too few");
    add_gap(tab, b, field, metric, name);
}

struct texttab *breakdown_table(const struct breakdown *b,
                                const char (*names)[METRIC_NAME_MAX])
{
    static const char *const columns[] = {"metric", "by",     "group",
                                          ">n",     ">value", NULL};
    struct texttab *tab = texttab_create(columns);

    for (uint32_t f = 0; f < b->n; f++)
        for (size_t m = 0; m < b->n_metrics; m++)
            add_groups(tab, b, f, m, names[m]);
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
        json_number(j, "value", too_few(b, r) ? NAN : r->value);
        if (too_few(b, r))
            json_string(j, "note", "too few");
        json_end_object(j);
    }
    json_end_array(j);
}

static void json_metric(const struct breakdown *b, uint32_t field,
                        size_t metric, const char *name, struct json *j)
{
    struct breakdown_gap g;
    int comparable = breakdown_compare(b, field, metric, &g) == 0;

    json_begin_object(j, name);
    json_groups(b, field, metric, j);
    json_number(j, "gap", comparable ? g.gap : NAN);
    json_number(j, "ratio", comparable ? g.ratio : NAN);
    if (comparable) {
        json_string(j, "lowest", g.lowest->label);
        json_string(j, "highest", g.highest->label);
    }
    json_end_object(j);
}

void breakdown_json(const struct breakdown *b,
                    const char (*names)[METRIC_NAME_MAX], struct json *j)
{
    json_begin_object(j, "by");
    for (uint32_t f = 0; f < b->n; f++) {
        json_begin_object(j, b->fields[f].name);
        json_uint(j, "too_few_below", b->min);
        for (size_t m = 0; m < b->n_metrics; m++)
            json_metric(b, f, m, names[m], j);
        json_end_object(j);
    }
    json_end_object(j);
}
