/* Rows of a comparison: each metric of each side, of all units and of each
 * group, and how far the groups lie apart, with a paired bootstrap against the
 * first side and Holm's correction over all tests made (model/stats). */
#include "cli/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int compare_is_test(const struct compare *c, const struct row *r)
{
    return r->tested && r->side != &c->sides[0];
}

double compare_mean(const struct row *r)
{
    return r->tested ? r->test.mean_a : r->mean;
}

/* @param group NULL: all; units of other groups count as without a number
 * @return [n] to be freed, or NULL: no such metric there, or no memory */
static double *column(const struct units *u, const char *metric,
                      const char *group)
{
    int at = units_metric(u, metric);
    double *out = at < 0 ? NULL : mem_alloc_raw(u->n + 1, sizeof(*out));
    uint32_t g = group ? units_find_group(u, group) : 0;

    for (size_t i = 0; out && i < u->n; i++) {
        const struct unit *unit = units_at(u, i);

        out[i] = group && unit->group != g ? NAN : unit->values[at];
    }
    return out;
}

static uint64_t count_numbers(const double *x, size_t n)
{
    uint64_t have = 0;

    for (size_t i = 0; i < n; i++)
        have += !isnan(x[i]);
    return have;
}

/* Is it a group of something, not of what is missing? */
static int is_value(const char *group)
{
    return strcmp(group, "unknown") != 0;
}

/* What the evaluations said, where units say nothing. */
static void set_mean(struct row *row)
{
    const struct side *s = row->side;
    uint32_t g;

    row->mean = NAN;
    if (row->kind == ROW_ALL && s->n_results > 0)
        row->mean = s->means[row->metric];
    if (row->kind != ROW_GROUP || !s->groups)
        return;
    g = units_find_group(&s->units, row->group);
    if (g == UNITS_NO_GROUP || s->groups[g].n_runs == 0)
        return;
    row->mean = s->groups[g].means[row->metric];
    row->n = s->groups[g].n[row->metric];
}

static enum fusor_status fill_row(const struct compare *c, struct row *row,
                                  struct stats_comparison_options *o,
                                  struct fusor_error *err)
{
    const struct units *first = &c->sides[0].units;
    const char *metric = first->metrics[row->metric];
    double *a = column(&row->side->units, metric, row->group);
    double *b = column(first, metric, row->group);
    enum fusor_status rc = FUSOR_OK;

    set_mean(row);
    /* A unit of rmse is a squared error. */
    o->of = strncmp(metric, "rmse", 4) ? STATS_MEAN : STATS_ROOT_MEAN;
    if (a && b) {
        uint64_t n = count_numbers(a, first->n);

        if (n > 0)
            row->n = n;
        row->small = row->kind == ROW_GROUP && row->n < c->min_group;
        if (n >= 2 && count_numbers(b, first->n) >= 2 && !row->small) {
            rc = stats_compare(a, b, first->n, o, &row->test, err);
            row->tested = rc == FUSOR_OK;
        }
    }
    mem_free(a);
    mem_free(b);
    return rc;
}

/* Over the groups of the same side and metric, whose rows come before. */
static void fill_gap(const struct compare *c, struct row *gap)
{
    double low = INFINITY, high = -INFINITY;
    size_t n = 0;

    for (const struct row *r = c->rows; r < gap; r++) {
        double x = compare_mean(r);

        if (r->kind != ROW_GROUP || r->metric != gap->metric ||
            r->side != gap->side || r->small || isnan(x) || !is_value(r->group))
            continue;
        low = fmin(low, x);
        high = fmax(high, x);
        n++;
    }
    gap->mean = n < 2 ? NAN : high - low;
}

/* The number of each unit's group among those that are large enough.
 * @return how many there are */
static size_t number_groups(const struct compare *c, const double *values,
                            uint32_t *group)
{
    const struct units *u = &c->sides[0].units;
    uint32_t number[UNITS_GROUPS_MAX];
    uint64_t n[UNITS_GROUPS_MAX] = {0};
    size_t n_groups = 0;

    for (size_t i = 0; i < u->n; i++)
        if (units_at(u, i)->group != UNITS_NO_GROUP && !isnan(values[i]))
            n[units_at(u, i)->group]++;
    for (size_t g = 0; g < u->n_groups; g++)
        number[g] = n[g] >= 2 && n[g] >= c->min_group && is_value(u->groups[g])
                        ? (uint32_t)n_groups++
                        : UNITS_NO_GROUP;
    for (size_t i = 0; i < u->n; i++)
        group[i] = units_at(u, i)->group == UNITS_NO_GROUP
                       ? UNITS_NO_GROUP
                       : number[units_at(u, i)->group];
    return n_groups;
}

/* Against the first side's gap, for metrics that have units. */
static enum fusor_status test_gap(const struct compare *c, struct row *gap,
                                  struct stats_comparison_options *o,
                                  struct fusor_error *err)
{
    const struct units *first = &c->sides[0].units;
    const char *metric = first->metrics[gap->metric];
    double *a = column(&gap->side->units, metric, NULL);
    double *b = column(first, metric, NULL);
    uint32_t *group = mem_alloc_raw(first->n + 1, sizeof(*group));
    enum fusor_status rc = FUSOR_OK;
    size_t n_groups;

    fill_gap(c, gap);
    o->of = strncmp(metric, "rmse", 4) ? STATS_MEAN : STATS_ROOT_MEAN;
    if (!group)
        rc = mem_fail(err, "groups", first->n * sizeof(*group));
    if (a && b && group && count_numbers(a, first->n) >= 2) {
        n_groups = number_groups(c, b, group);
        if (n_groups >= 2) {
            rc = stats_compare_gaps(a, b, group, first->n, n_groups, o,
                                    &gap->test, err);
            gap->tested = rc == FUSOR_OK;
        }
    }
    mem_free(group);
    mem_free(a);
    mem_free(b);
    return rc;
}

static enum fusor_status add_rows(struct compare *c, size_t metric,
                                  enum row_kind kind, const char *group,
                                  struct stats_comparison_options *o,
                                  struct fusor_error *err)
{
    for (size_t s = 0; s < c->n_sides; s++) {
        struct row *row = &c->rows[c->n_rows++];

        *row = (struct row){.side = &c->sides[s],
                            .metric = metric,
                            .kind = kind,
                            .group = group};
        FUSOR_TRY(fusor_wrap(err,
                             kind == ROW_GAP ? test_gap(c, row, o, err)
                                             : fill_row(c, row, o, err),
                             "%s", c->sides[0].units.metrics[metric]));
    }
    return FUSOR_OK;
}

/* Holm over all comparisons made: every row but those of the first side. */
static enum fusor_status correct(struct compare *c, struct fusor_error *err)
{
    double *p = mem_alloc(c->n_rows + 1, sizeof(*p));
    size_t n = 0;
    enum fusor_status rc;

    if (!p)
        return mem_fail(err, "compare", c->n_rows * sizeof(*p));
    for (size_t i = 0; i < c->n_rows; i++)
        if (compare_is_test(c, &c->rows[i]))
            p[n++] = c->rows[i].test.p;
    rc = stats_holm(p, n, p, err);
    for (size_t i = c->n_rows; rc == FUSOR_OK && i-- > 0;)
        if (compare_is_test(c, &c->rows[i]))
            c->rows[i].test.p_holm = p[--n];
    mem_free(p);
    return rc;
}

/* Numbers (and groups of them) by size, others by their letters. */
static int in_order(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    const char *from_x = x + strcspn(x, "0123456789-");
    const char *from_y = y + strcspn(y, "0123456789-");
    double d = strtod(from_x, NULL) - strtod(from_y, NULL);

    if (*from_x && *from_y && d != 0)
        return d < 0 ? -1 : 1;
    return strcmp(x, y);
}

enum fusor_status compare_test(struct compare *c,
                               struct stats_comparison_options *o,
                               struct fusor_error *err)
{
    const struct units *u = &c->sides[0].units;
    size_t kinds = c->by ? u->n_groups + 2 : 1;
    const char *groups[UNITS_GROUPS_MAX];

    c->rows =
        mem_alloc(c->n_sides * u->n_metrics * kinds + 1, sizeof(*c->rows));
    if (!c->rows)
        return mem_fail(err, "compare", c->n_sides * sizeof(*c->rows));
    for (size_t g = 0; g < u->n_groups; g++)
        groups[g] = u->groups[g];
    qsort(groups, u->n_groups, sizeof(*groups), in_order);
    for (size_t m = 0; m < u->n_metrics; m++) {
        if (c->skip[m])
            continue;
        FUSOR_TRY(add_rows(c, m, ROW_ALL, NULL, o, err));
        for (size_t g = 0; c->by && g < u->n_groups; g++)
            FUSOR_TRY(add_rows(c, m, ROW_GROUP, groups[g], o, err));
        if (c->by)
            FUSOR_TRY(add_rows(c, m, ROW_GAP, NULL, o, err));
    }
    return correct(c, err);
}
