/* A metric of combined scores, unit by unit: queries, or rows without them. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/combine/select.h"

/* Rows of one unit after another. */
struct grouped {
    size_t *begin; // [n_units + 1]
    size_t *rows;  // [n]
    float *scores, *labels;
    size_t n_units;
};

static enum fusor_status group(const struct recipe_rows *rows,
                               const double *scores, struct grouped *g,
                               struct fusor_error *err)
{
    size_t n = rows->n;

    g->begin = mem_alloc(n + 2, sizeof(*g->begin));
    g->rows = mem_alloc(n + 1, sizeof(*g->rows));
    g->scores = mem_alloc(n + 1, sizeof(*g->scores));
    g->labels = mem_alloc(n + 1, sizeof(*g->labels));
    if (!g->begin || !g->rows || !g->scores || !g->labels)
        return mem_fail(err, "units", n * sizeof(*g->rows));
    for (size_t i = 0; i < n; i++) {
        size_t q = rows->query ? rows->query[i] : i;

        g->begin[q + 1]++;
        if (q + 1 > g->n_units)
            g->n_units = q + 1;
    }
    for (size_t q = 0; q < g->n_units; q++)
        g->begin[q + 1] += g->begin[q];
    for (size_t i = n; i-- > 0;) { // from the back: ends become beginnings
        size_t q = rows->query ? rows->query[i] : i;

        g->rows[--g->begin[q + 1]] = i;
    }
    memmove(g->begin, g->begin + 1, g->n_units * sizeof(*g->begin));
    g->begin[g->n_units] = n;
    for (size_t i = 0; i < n; i++) {
        g->scores[i] = (float)scores[g->rows[i]];
        g->labels[i] = (float)rows->targets[g->rows[i]];
    }
    return FUSOR_OK;
}

static void grouped_clear(struct grouped *g)
{
    mem_free(g->begin);
    mem_free(g->rows);
    mem_free(g->scores);
    mem_free(g->labels);
}

/* A metric over groups: its value of each; one over rows: the mean of the
 * unit's rows, weighted by their number. */
static enum fusor_status measure(const struct metric_spec *metric,
                                 struct metric_set *set,
                                 const struct grouped *g, double *units,
                                 double *weights, struct fusor_error *err)
{
    int gauc = strcmp(metric->name, "gauc") == 0;

    if (!metric_over_groups(metric)) // checks the labels
        FUSOR_TRY(metric_set_rows(set, g->scores, g->labels, NULL,
                                  g->begin[g->n_units], err));
    for (size_t u = 0; u < g->n_units; u++) {
        size_t from = g->begin[u], n = g->begin[u + 1] - from;
        double sum = 0;

        weights[u] = gauc ? (double)n : 1;
        if (metric_over_groups(metric)) {
            FUSOR_TRY(metric_set_group(set, u, g->scores + from,
                                       g->labels + from, n, &units[u], err));
            continue;
        }
        for (size_t i = from; i < from + n; i++) {
            double v = metric_row_value(set, 0, g->scores[i], g->labels[i]);

            if (isnan(v)) // else a head could leave its bad rows out
                return fusor_fail(err, FUSOR_EDATA,
                                  "%s of score %g is not defined: calibrate",
                                  metric->name, (double)g->scores[i]);
            sum += v;
        }
        units[u] = n ? sum / (double)n : NAN;
        weights[u] = (double)n;
    }
    return FUSOR_OK;
}

enum fusor_status select_units(const struct recipe_rows *rows,
                               const struct metric_spec *metric,
                               const double *scores, double *units,
                               double *weights, size_t *n_units,
                               struct fusor_error *err)
{
    struct metric_set *set = NULL;
    struct grouped g = {0};
    enum fusor_status rc;

    if (!metric_has_units(metric))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s is no mean over rows or queries, so that "
                          "differences have no error: take gauc or logloss",
                          metric->name);
    if (metric_over_lists(metric))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s needs to know the items, which files of scores "
                          "do not tell: take gauc or logloss",
                          metric->name);
    if (metric_over_groups(metric) && !rows->query)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s is a mean over queries: key the scores by user "
                          "and item, or take logloss, rmse or mae",
                          metric->name);
    rc = metric_set_create(metric, 1, NULL, &set, err);
    if (rc == FUSOR_OK)
        rc = group(rows, scores, &g, err);
    if (rc == FUSOR_OK)
        rc = measure(metric, set, &g, units, weights, err);
    if (rc == FUSOR_OK)
        *n_units = g.n_units;
    grouped_clear(&g);
    metric_set_destroy(set);
    return rc;
}

enum fusor_status select_compare(const struct selection *s, const double *a,
                                 const double *b, struct stats_comparison *out,
                                 struct fusor_error *err)
{
    struct stats_comparison_options o = {
        .weights = s->unit_weights,
        .of = s->of,
        .resamples = 2000, // an interval's end to 2 % of its width
        .seed = s->seed,
    };

    return metric_higher_is_better(&s->metric)
               ? stats_compare(a, b, s->n_units, &o, out, err)
               : stats_compare(b, a, s->n_units, &o, out, err);
}
