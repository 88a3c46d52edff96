/* Cross-validation of every head, and the one-standard-error rule. */
#include "model/combine/select_folds.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* An isotonic curve has as many numbers as it needs: count it above all else
 * that can be fitted. */
#define ISOTONIC_PARAMETERS 1000

/* Out-of-fold scores of one recipe into f->out. */
static enum fusor_status cross_fit(struct folds *f,
                                   const struct recipe_spec *spec,
                                   struct fusor_error *err)
{
    for (uint32_t k = 0; k < f->n; k++) {
        const struct side *rest = &f->rest[k];
        struct recipe r;
        enum fusor_status rc;

        FUSOR_TRY(recipe_fit(spec, &f->fit[k].rows, &r, err));
        rc = recipe_apply(&r, &rest->rows, f->part, err);
        for (size_t i = 0; rc == FUSOR_OK && i < rest->rows.n; i++)
            f->out[rest->from[i]] = f->part[i];
        recipe_clear(&r);
        FUSOR_TRY(rc);
    }
    return FUSOR_OK;
}

/* Weighted mean over the units that have a value. */
static double mean_of(const struct selection *s, const double *units)
{
    double sum = 0, weight = 0;

    for (size_t u = 0; u < s->n_units; u++)
        if (!isnan(units[u])) {
            sum += s->unit_weights[u] * units[u];
            weight += s->unit_weights[u];
        }
    if (!(weight > 0))
        return NAN;
    return s->of == STATS_ROOT_MEAN ? sqrt(sum / weight) : sum / weight;
}

/* How much worse a is than b, and the standard error of that. Under a root the
 * difference is one of squares over the sum of the roots. */
static void gap_of(const struct selection *s, const double *a, const double *b,
                   double *gap, double *se)
{
    double sign = metric_higher_is_better(&s->metric) ? -1 : 1, scale = 1;
    double sum = 0, weight = 0, square = 0, mean;

    for (size_t u = 0; u < s->n_units; u++)
        if (!isnan(a[u]) && !isnan(b[u])) {
            sum += s->unit_weights[u] * (a[u] - b[u]);
            weight += s->unit_weights[u];
        }
    mean = weight > 0 ? sum / weight : 0;
    for (size_t u = 0; u < s->n_units; u++)
        if (!isnan(a[u]) && !isnan(b[u])) {
            double d = s->unit_weights[u] * (a[u] - b[u] - mean);

            square += d * d;
        }
    if (s->of == STATS_ROOT_MEAN) {
        double roots = mean_of(s, a) + mean_of(s, b);

        scale = roots > 0 ? 1 / roots : 0;
    }
    *gap = sign * mean * scale;
    *se = weight > 0 ? sqrt(square) / weight * scale : 0;
}

static enum fusor_status add(struct selection *s,
                             const struct recipe_spec *spec, int tower,
                             unsigned parameters, struct fusor_error *err)
{
    struct select_candidate *c;

    if (mem_reserve((void **)&s->candidates, s->n, &s->cap,
                    sizeof(*s->candidates)))
        return mem_fail(err, "candidates", s->n * sizeof(*s->candidates));
    c = &s->candidates[s->n];
    *c = (struct select_candidate){
        .spec = *spec, .tower = tower, .parameters = parameters};
    c->units = mem_alloc(s->n_units + 1, sizeof(*c->units));
    if (!c->units)
        return mem_fail(err, "units", s->n_units * sizeof(*c->units));
    s->n++;
    return FUSOR_OK;
}

static unsigned parameters_of(const struct recipe_spec *spec, size_t m)
{
    int fitted = strcmp(spec->normalise, "none") != 0 &&
                 strncmp(spec->normalise, "per_query", 9) != 0;
    unsigned n = fitted ? 2 * (unsigned)m : 0;

    if (spec->method == &combine_simplex || spec->method == &combine_softmax)
        n += (unsigned)m - 1;
    else if (spec->method->needs_targets)
        n += (unsigned)m + (spec->options.intercept != 0);
    if (strcmp(spec->calibrate, "platt") == 0)
        n += 2;
    else if (strcmp(spec->calibrate, "isotonic") == 0)
        n += ISOTONIC_PARAMETERS;
    return n;
}

/* One way to combine with every normalisation and calibration.
 * @param only [m] weights that leave one tower, or NULL */
static enum fusor_status add_family(struct selection *s,
                                    const struct recipe_rows *rows,
                                    const struct combine_ops *method,
                                    double ridge, const double *only, int tower,
                                    struct fusor_error *err)
{
    struct recipe_spec spec = {.method = method};

    spec.options = (struct combine_options){
        .weights = only,
        .intercept =
            method == &combine_least_squares || method == &combine_logistic,
        .ridge = method->needs_targets ? ridge : 0,
    };
    for (size_t i = 0; (spec.normalise = normaliser_kind(i)) != NULL; i++) {
        if (strncmp(spec.normalise, "per_query", 9) == 0 && !rows->query)
            continue;
        for (size_t k = 0; calibration_kind(k); k++) {
            spec.calibrate = calibration_kind(k)->name;
            FUSOR_TRY(add(s, &spec, tower,
                          parameters_of(&spec, only ? 1 : rows->m), err));
        }
    }
    return FUSOR_OK;
}

/* @param identity [m, m]: row j leaves tower j alone */
static enum fusor_status add_all(struct selection *s,
                                 const struct recipe_rows *rows, double ridge,
                                 const double *identity,
                                 struct fusor_error *err)
{
    const struct combine_ops *method;

    for (size_t i = 0; (method = combine_kind(i)) != NULL; i++)
        if (!method->needs_weights)
            FUSOR_TRY(add_family(s, rows, method, ridge, NULL, -1, err));
    for (size_t j = 0; j < rows->m; j++)
        FUSOR_TRY(add_family(s, rows, &combine_weighted, 0,
                             identity + j * rows->m, (int)j, err));
    return FUSOR_OK;
}

static enum fusor_status judge(struct selection *s, struct folds *f,
                               const struct recipe_rows *rows,
                               const struct recipe_spec *spec, double *units,
                               double *value, struct fusor_error *err)
{
    size_t n_units;

    FUSOR_TRY(cross_fit(f, spec, err));
    FUSOR_TRY(select_units(rows, &s->metric, f->out, units, f->weights,
                           &n_units, err));
    memcpy(s->unit_weights, f->weights, n_units * sizeof(*f->weights));
    *value = mean_of(s, units);
    return FUSOR_OK;
}

/* A head that cannot be fitted here (towers that depend on each other, labels
 * that are no probabilities) is out of the race; what is wrong with all of them
 * is wrong with the rows. */
static enum fusor_status judge_all(struct selection *s, struct folds *f,
                                   const struct recipe_rows *rows,
                                   struct fusor_error *err)
{
    struct fusor_error why = {0};
    size_t n_fitted = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct select_candidate *c = &s->candidates[i];
        enum fusor_status rc =
            judge(s, f, rows, &c->spec, c->units, &c->value, &why);

        if (rc == FUSOR_OK) {
            n_fitted += c->tower < 0;
            continue;
        }
        if (rc != FUSOR_EDATA && rc != FUSOR_EDIVERGED) {
            if (err)
                *err = why;
            return rc;
        }
        c->value = NAN;
        snprintf(c->why, sizeof(c->why), "%.150s", why.text);
    }
    if (n_fitted)
        return FUSOR_OK;
    if (err)
        *err = why;
    return FUSOR_EDATA;
}

static int is_better(const struct selection *s, double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(b) && !isnan(a);
    return metric_higher_is_better(&s->metric) ? a > b : a < b;
}

/* Which of the candidates a test admits is the best; SIZE_MAX: none. */
static size_t best_of(const struct selection *s, int single, int mean)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < s->n; i++) {
        const struct select_candidate *c = &s->candidates[i];

        if ((c->tower >= 0) != single || isnan(c->value) ||
            (mean && c->spec.method != &combine_mean))
            continue;
        if (best == SIZE_MAX ||
            is_better(s, c->value, s->candidates[best].value))
            best = i;
    }
    return best;
}

static enum fusor_status choose(struct selection *s, struct fusor_error *err)
{
    s->best = best_of(s, 0, 0);
    s->mean = best_of(s, 0, 1);
    s->best_single = best_of(s, 1, 0);
    if (s->best == SIZE_MAX || s->best_single == SIZE_MAX ||
        s->mean == SIZE_MAX)
        return fusor_fail(err, FUSOR_EDATA,
                          "select: %s has no value on these rows: it needs "
                          "units with wanted and unwanted rows",
                          s->metric.name);
    s->chosen = s->best;
    for (size_t i = 0; i < s->n; i++) {
        struct select_candidate *c = &s->candidates[i];
        const struct select_candidate *now = &s->candidates[s->chosen];

        if (isnan(c->value))
            continue;
        gap_of(s, c->units, s->candidates[s->best].units, &c->gap, &c->gap_se);
        if (c->tower >= 0 || c->gap > c->gap_se)
            continue;
        if (c->parameters < now->parameters ||
            (c->parameters == now->parameters &&
             is_better(s, c->value, now->value)))
            s->chosen = i;
    }
    return FUSOR_OK;
}

static enum fusor_status begin(const struct recipe_rows *rows,
                               const struct select_options *o,
                               struct selection *s, struct fusor_error *err)
{
    FUSOR_TRY(metric_parse(o->metric, &s->metric, err));
    s->of = strcmp(s->metric.name, "rmse") == 0 ? STATS_ROOT_MEAN : STATS_MEAN;
    s->seed = o->seed;
    s->n_units = folds_count_units(rows);
    s->unit_weights = mem_alloc(s->n_units + 1, sizeof(*s->unit_weights));
    s->identity = mem_alloc(rows->m * rows->m + 1, sizeof(*s->identity));
    if (!s->unit_weights || !s->identity)
        return mem_fail(err, "select", s->n_units * sizeof(double));
    for (size_t j = 0; j < rows->m; j++)
        s->identity[j * rows->m + j] = 1;
    return add_all(s, rows, o->ridge, s->identity, err);
}

enum fusor_status select_run(const struct recipe_rows *rows,
                             const struct select_options *options,
                             struct selection *out, struct fusor_error *err)
{
    struct selection s = {0};
    struct folds *f = NULL;
    enum fusor_status rc = begin(rows, options, &s, err);

    if (rc == FUSOR_OK)
        rc = folds_make(rows, options, &f, err);
    if (rc == FUSOR_OK)
        rc = judge_all(&s, f, rows, err);
    if (rc == FUSOR_OK)
        rc = choose(&s, err);
    folds_clear(f);
    if (rc == FUSOR_OK)
        *out = s;
    else
        selection_clear(&s);
    return rc;
}

void selection_clear(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++)
        mem_free(s->candidates[i].units);
    mem_free(s->candidates);
    mem_free(s->unit_weights);
    mem_free(s->identity);
    memset(s, 0, sizeof(*s));
}

enum fusor_status select_judge(const struct selection *s,
                               const struct recipe_rows *rows,
                               const struct select_options *options,
                               const struct recipe_spec *spec, double *units,
                               double *value, struct fusor_error *err)
{
    struct selection view = *s; // judge() writes the same unit weights again
    struct folds *f;
    enum fusor_status rc = folds_make(rows, options, &f, err);

    if (rc == FUSOR_OK)
        rc = judge(&view, f, rows, spec, units, value, err);
    folds_clear(f);
    return rc;
}
