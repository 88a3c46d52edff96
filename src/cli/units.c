/* Per-unit values of an evaluation: kept, matched, written, read. */
#include "cli/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

#define UNITS_FILE_MAX ((size_t)1 << 34)
#define HEAD "# fusor units 1"
#define COLUMNS 3 /* before the metrics */

static const char *const kind_names[] = {"query", "row"};

static size_t stride(const struct units *u)
{
    return sizeof(struct unit) + u->n_metrics * sizeof(double);
}

void units_clear(struct units *u)
{
    for (size_t g = 0; g < u->n_groups; g++)
        mem_free(u->groups[g]);
    mem_free(u->rows);
    memset(u, 0, sizeof(*u));
}

struct unit *units_at(const struct units *u, size_t i)
{
    return (struct unit *)(void *)(u->rows + i * stride(u));
}

void units_add(struct units *u, uint32_t fold, enum unit_kind kind,
               uint64_t key, uint32_t group, const double *values)
{
    struct unit *at;

    if (u->failed || mem_reserve((void **)&u->rows, u->n, &u->cap, stride(u))) {
        u->failed = 1;
        return;
    }
    at = units_at(u, u->n++);
    at->fold = fold;
    at->kind = kind;
    at->key = key;
    at->group = group;
    memcpy(at->values, values, u->n_metrics * sizeof(*values));
    u->sorted = 0;
}

uint32_t units_find_group(const struct units *u, const char *value)
{
    for (size_t g = 0; g < u->n_groups; g++)
        if (strcmp(u->groups[g], value) == 0)
            return (uint32_t)g;
    return UNITS_NO_GROUP;
}

uint32_t units_group(struct units *u, const char *value)
{
    size_t n = strlen(value) + 1;
    uint32_t known = units_find_group(u, value);
    char *copy;

    if (known != UNITS_NO_GROUP)
        return known;
    copy = u->n_groups < UNITS_GROUPS_MAX ? mem_alloc_raw(n, 1) : NULL;
    if (!copy) {
        u->failed = 1;
        return UNITS_NO_GROUP;
    }
    memcpy(copy, value, n);
    u->groups[u->n_groups] = copy;
    return (uint32_t)u->n_groups++;
}

static int compare(const void *a, const void *b)
{
    const struct unit *x = a, *y = b;

    if (x->fold != y->fold)
        return x->fold < y->fold ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->key < y->key ? -1 : x->key > y->key;
}

enum fusor_status units_sort(struct units *u, struct fusor_error *err)
{
    if (u->failed)
        return mem_fail(err, "units of the evaluation", u->n * stride(u));
    if (u->n)
        qsort(u->rows, u->n, stride(u), compare);
    for (size_t i = 1; i < u->n; i++)
        if (compare(units_at(u, i - 1), units_at(u, i)) == 0)
            return fusor_fail(
                err, FUSOR_EDATA, "unit %llu of fold %u was judged twice",
                (unsigned long long)units_at(u, i)->key, units_at(u, i)->fold);
    u->sorted = 1;
    return FUSOR_OK;
}

const char *units_title(const char *split, const char *protocol,
                        uint32_t version, uint64_t candidates,
                        const char *ranked, char out[UNITS_TITLE_MAX])
{
    char hash[40] = "";

    if (candidates)
        snprintf(hash, sizeof(hash), ", candidates %016llx",
                 (unsigned long long)candidates);
    snprintf(out, UNITS_TITLE_MAX, "%s rows, protocol %s version %u%s%s%s",
             split, protocol, version, hash, *ranked ? ": " : "", ranked);
    return out;
}

static enum fusor_status check_kind(const struct units *u, const char *a,
                                    const struct units *v, const char *b,
                                    struct fusor_error *err)
{
    if (strcmp(u->protocol, v->protocol) ||
        u->protocol_version != v->protocol_version ||
        u->candidates != v->candidates || strcmp(u->split, v->split))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s (%s %u, candidates %llx, %s rows) and %s (%s %u, "
                          "candidates %llx, %s rows) were judged differently "
                          "and cannot be compared",
                          a, u->protocol, u->protocol_version,
                          (unsigned long long)u->candidates, u->split, b,
                          v->protocol, v->protocol_version,
                          (unsigned long long)v->candidates, v->split);
    return FUSOR_OK;
}

static int same_metrics(const struct units *u, const struct units *v)
{
    if (u->n_metrics != v->n_metrics)
        return 0;
    for (size_t i = 0; i < u->n_metrics; i++)
        if (strcmp(u->metrics[i], v->metrics[i]))
            return 0;
    return 1;
}

enum fusor_status units_append(struct units *u, const struct units *more,
                               struct fusor_error *err)
{
    FUSOR_TRY(check_kind(u, "one fold", more, "another", err));
    if (!same_metrics(u, more))
        return fusor_fail(err, FUSOR_EUSAGE, "the folds have other metrics");
    for (size_t i = 0; i < more->n; i++) {
        const struct unit *at = units_at(more, i);

        uint32_t group = at->group == UNITS_NO_GROUP
                             ? UNITS_NO_GROUP
                             : units_group(u, more->groups[at->group]);

        units_add(u, at->fold, at->kind, at->key, group, at->values);
    }
    return u->failed ? mem_fail(err, "units", more->n * stride(u)) : FUSOR_OK;
}

/* The value of a unit's group. */
static const char *group_of(const struct units *u, size_t i)
{
    uint32_t g = units_at(u, i)->group;

    return g == UNITS_NO_GROUP ? "" : u->groups[g];
}

static enum fusor_status match_groups(const struct units *u, const char *a,
                                      const struct units *v, const char *b,
                                      struct fusor_error *err)
{
    for (size_t i = 0; *u->by && i < u->n; i++)
        if (strcmp(group_of(u, i), group_of(v, i)) != 0)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "%s has \"%s\" where %s has \"%s\" in field "
                              "%s: prepare the data once for both",
                              a, group_of(u, i), b, group_of(v, i), u->by);
    return FUSOR_OK;
}

enum fusor_status units_match(const struct units *u, const char *a,
                              const struct units *v, const char *b,
                              struct fusor_error *err)
{
    size_t n = u->n < v->n ? u->n : v->n;

    FUSOR_TRY(check_kind(u, a, v, b, err));
    for (size_t i = 0; i < n; i++)
        if (compare(units_at(u, i), units_at(v, i)))
            return fusor_fail(err, FUSOR_EUSAGE,
                              "%s and %s did not judge the same units: %llu "
                              "against %llu in place %zu; prepare the data "
                              "once for both",
                              a, b, (unsigned long long)units_at(u, i)->key,
                              (unsigned long long)units_at(v, i)->key, i + 1);
    if (u->n != v->n)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s has %zu units, %s has %zu: they did not judge "
                          "the same",
                          a, u->n, b, v->n);
    return match_groups(u, a, v, b, err);
}

enum fusor_status units_average(struct units *u, const struct units *more,
                                size_t k, struct fusor_error *err)
{
    FUSOR_TRY(units_match(u, "one seed", more, "another", err));
    if (!same_metrics(u, more))
        return fusor_fail(err, FUSOR_EUSAGE, "the seeds have other metrics");
    for (size_t i = 0; i < u->n; i++)
        for (size_t m = 0; m < u->n_metrics; m++)
            units_at(u, i)->values[m] +=
                (units_at(more, i)->values[m] - units_at(u, i)->values[m]) /
                (double)(k + 1);
    return FUSOR_OK;
}

int units_metric(const struct units *u, const char *name)
{
    for (size_t i = 0; i < u->n_metrics; i++)
        if (strcmp(u->metrics[i], name) == 0)
            return (int)i;
    return -1;
}

enum fusor_status units_write(const struct units *u, const char *path,
                              struct fusor_error *err)
{
    struct strbuf text = {0};
    char number[32];
    enum fusor_status rc;

    strbuf_addf(&text,
                HEAD "\n# protocol %s %u\n# candidates %llx%s%s\n"
                     "# split %s\nfold\tkind\tunit",
                u->protocol, u->protocol_version,
                (unsigned long long)u->candidates, u->ranked[0] ? " " : "",
                u->ranked, u->split);
    for (size_t m = 0; m < u->n_metrics; m++)
        strbuf_addf(&text, "\t%s", u->metrics[m]);
    strbuf_add(&text, "\n");
    for (size_t i = 0; i < u->n; i++) {
        const struct unit *at = units_at(u, i);

        strbuf_addf(&text, "%u\t%s\t%llu", at->fold, kind_names[at->kind],
                    (unsigned long long)at->key);
        for (size_t m = 0; m < u->n_metrics; m++) {
            strbuf_add(&text, "\t");
            strbuf_add(&text, isfinite(at->values[m])
                                  ? str_double(at->values[m], number)
                                  : "-");
        }
        strbuf_add(&text, "\n");
    }
    rc = text.failed ? mem_fail(err, path, u->n * stride(u))
                     : fs_write_atomic(path, text.s, text.len, err);
    strbuf_clear(&text);
    return rc;
}

/* Reading. A line is cut at its tabs in place. */

static size_t cut(char *line, char **cells, size_t max)
{
    size_t n = 0;

    while (n < max) {
        cells[n++] = line;
        line = strchr(line, '\t');
        if (!line)
            return n;
        *line++ = '\0';
    }
    return max + 1;
}

static enum fusor_status bad_line(const char *path, size_t line,
                                  const char *what, struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "%s:%zu: %s; expected a file of fusor evaluate --out",
                      path, line, what);
}

static enum fusor_status read_head(struct units *u, const char *path,
                                   size_t number, char *line,
                                   struct fusor_error *err)
{
    char *cells[UNITS_METRICS_MAX + COLUMNS];
    unsigned long long hash;
    size_t n;
    int end = 0;

    switch (number) {
    case 1:
        return strcmp(line, HEAD) ? bad_line(path, 1, "not \"" HEAD "\"", err)
                                  : FUSOR_OK;
    case 2:
        return sscanf(line, "# protocol %31s %u", u->protocol,
                      &u->protocol_version) == 2
                   ? FUSOR_OK
                   : bad_line(path, 2, "no protocol", err);
    case 3:
        if (sscanf(line, "# candidates %llx%n", &hash, &end) != 1)
            return bad_line(path, 3, "no candidates", err);
        u->candidates = hash;
        snprintf(u->ranked, sizeof(u->ranked), "%s",
                 line + end + (line[end] == ' '));
        return FUSOR_OK;
    case 4:
        return sscanf(line, "# split %15s", u->split) == 1
                   ? FUSOR_OK
                   : bad_line(path, 4, "no split", err);
    default:
        n = cut(line, cells, UNITS_METRICS_MAX + COLUMNS);
        if (n <= COLUMNS || n > UNITS_METRICS_MAX + COLUMNS)
            return bad_line(path, number, "wrong number of columns", err);
        u->n_metrics = n - COLUMNS;
        for (size_t m = 0; m < u->n_metrics; m++)
            snprintf(u->metrics[m], METRIC_NAME_MAX, "%s", cells[m + COLUMNS]);
        return FUSOR_OK;
    }
}

static enum fusor_status read_row(struct units *u, const char *path,
                                  size_t number, char *line,
                                  struct fusor_error *err)
{
    char *cells[UNITS_METRICS_MAX + COLUMNS];
    double values[UNITS_METRICS_MAX];
    enum unit_kind kind;
    uint64_t fold, key;

    if (cut(line, cells, UNITS_METRICS_MAX + COLUMNS) != u->n_metrics + COLUMNS)
        return bad_line(path, number, "wrong number of columns", err);
    if (str_to_u64(cells[0], &fold) || fold > UINT32_MAX ||
        str_to_u64(cells[2], &key) ||
        (strcmp(cells[1], kind_names[UNIT_QUERY]) &&
         strcmp(cells[1], kind_names[UNIT_ROW])))
        return bad_line(path, number, "no fold, kind and unit", err);
    kind = strcmp(cells[1], kind_names[UNIT_ROW]) ? UNIT_QUERY : UNIT_ROW;
    for (size_t m = 0; m < u->n_metrics; m++) {
        values[m] = NAN;
        if (strcmp(cells[m + COLUMNS], "-") &&
            str_to_double(cells[m + COLUMNS], &values[m]))
            return bad_line(path, number, "a value that is no number", err);
    }
    units_add(u, (uint32_t)fold, kind, key, UNITS_NO_GROUP, values);
    return FUSOR_OK;
}

enum fusor_status units_read(const char *path, struct units *out,
                             struct fusor_error *err)
{
    struct units u = {.n = 0};
    char *text, *line;
    size_t size, number = 0;
    enum fusor_status rc;

    FUSOR_TRY(fs_read(path, UNITS_FILE_MAX, &text, &size, err));
    rc = FUSOR_OK;
    for (line = text; rc == FUSOR_OK && *line;) {
        char *end = strchr(line, '\n');

        if (end)
            *end = '\0';
        number++;
        rc = number <= 5 ? read_head(&u, path, number, line, err)
                         : read_row(&u, path, number, line, err);
        line = end ? end + 1 : line + strlen(line);
    }
    if (rc == FUSOR_OK && number < 5)
        rc = bad_line(path, number + 1, "the file ends", err);
    mem_free(text);
    if (rc == FUSOR_OK)
        rc = units_sort(&u, err);
    if (rc != FUSOR_OK) {
        units_clear(&u);
        return rc;
    }
    *out = u;
    return FUSOR_OK;
}
