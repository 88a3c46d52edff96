/* Do two models differ in how far their groups lie apart? The paired bootstrap
 * with units drawn within each group (Efron and Tibshirani 1993, section 8.3),
 * both models on the same draw. */
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/stats/resamples.h"

#define CELLS_MAX ((size_t)1 << 15) /* of all groups, as in bootstrap.c */

struct sums { // over one unit or several dealt together
    double a, b, n;
};

struct gaps {
    struct sums *cells; // [n_groups][most]
    size_t most;        // cells of a group
    size_t *n;          // [n_groups] units, then cells
    struct sums *drawn; // [n_groups]
    size_t n_groups;
    struct stats_comparison_options o;
};

static double average(const struct gaps *g, double sum, double n)
{
    return g->o.of == STATS_ROOT_MEAN ? sqrt(sum / n) : sum / n;
}

/* Largest mean less the smallest, of a and of b. */
static void measure(const struct gaps *g, double *of_a, double *of_b)
{
    double low_a = INFINITY, high_a = -INFINITY;
    double low_b = INFINITY, high_b = -INFINITY;

    for (size_t k = 0; k < g->n_groups; k++) {
        const struct sums *s = &g->drawn[k];
        double a, b;

        if (s->n == 0)
            continue;
        a = average(g, s->a, s->n);
        b = average(g, s->b, s->n);
        low_a = fmin(low_a, a);
        high_a = fmax(high_a, a);
        low_b = fmin(low_b, b);
        high_b = fmax(high_b, b);
    }
    *of_a = high_a - low_a;
    *of_b = high_b - low_b;
}

static void add(struct sums *to, const struct sums *x)
{
    to->a += x->a;
    to->b += x->b;
    to->n += x->n;
}

/* Units to cells of their group, and the sums of each group. */
static enum fusor_status deal(struct gaps *g, const double *a, const double *b,
                              const uint32_t *group, size_t n,
                              struct fusor_error *err)
{
    size_t filled = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t k = group[i];
        struct sums one = {a[i], b[i], 1};

        if (k >= g->n_groups || isnan(a[i]) || isnan(b[i]))
            continue;
        if (!isfinite(a[i]) || !isfinite(b[i]) ||
            (g->o.of == STATS_ROOT_MEAN && (a[i] < 0 || b[i] < 0)))
            return fusor_fail(err, FUSOR_EDATA,
                              "compare: unit %zu: values %g, %g", i + 1, a[i],
                              b[i]);
        add(&g->cells[k * g->most + g->n[k]++ % g->most], &one);
        add(&g->drawn[k], &one);
    }
    for (size_t k = 0; k < g->n_groups; k++) {
        if (g->n[k] > g->most)
            g->n[k] = g->most;
        if (g->n[k] > 1) {
            filled++;
            continue;
        }
        g->n[k] = 0; // one unit tells nothing about its group
        g->drawn[k] = (struct sums){0};
    }
    if (filled < 2)
        return fusor_fail(err, FUSOR_EDATA,
                          "compare: %zu groups have two units: at least 2 are "
                          "needed",
                          filled);
    return FUSOR_OK;
}

static double resample(struct gaps *g, uint32_t number)
{
    struct rng r = rng_stream(g->o.seed, RNG_BOOTSTRAP, number, 0);
    double a, b;

    for (size_t k = 0; k < g->n_groups; k++) {
        g->drawn[k] = (struct sums){0};
        for (size_t i = 0; i < g->n[k]; i++) {
            uint64_t at = (rng_u64(&r) >> 32) * g->n[k] >> 32;

            add(&g->drawn[k], &g->cells[k * g->most + at]);
        }
    }
    measure(g, &a, &b);
    return a - b;
}

static enum fusor_status compare(struct gaps *g, const double *a,
                                 const double *b, const uint32_t *group,
                                 size_t n, double *differences,
                                 struct stats_comparison *c,
                                 struct fusor_error *err)
{
    FUSOR_TRY(deal(g, a, b, group, n, err));
    measure(g, &c->mean_a, &c->mean_b);
    c->difference = c->mean_a - c->mean_b;
    for (size_t k = 0; k < g->n_groups; k++)
        c->n += (size_t)g->drawn[k].n;
    for (uint32_t i = 0; i < g->o.resamples; i++)
        differences[i] = resample(g, i);
    resamples_close(&g->o, differences, c);
    c->p_t = NAN; // a gap is no mean over units
    return FUSOR_OK;
}

enum fusor_status
stats_compare_gaps(const double *a, const double *b, const uint32_t *group,
                   size_t n, size_t n_groups,
                   const struct stats_comparison_options *options,
                   struct stats_comparison *out, struct fusor_error *err)
{
    struct gaps g = {.n_groups = n_groups};
    struct stats_comparison c = {0};
    double *differences = NULL;
    enum fusor_status rc;

    if (options)
        g.o = *options;
    FUSOR_TRY(resamples_check(&g.o, err));
    if (n_groups < 2 || n_groups > CELLS_MAX / 2)
        return fusor_fail(err, FUSOR_EDATA, "compare: %zu groups have no gap",
                          n_groups);
    g.most = CELLS_MAX / n_groups;
    g.cells = mem_alloc(n_groups * g.most, sizeof(*g.cells));
    g.n = mem_alloc(n_groups, sizeof(*g.n));
    g.drawn = mem_alloc(n_groups, sizeof(*g.drawn));
    differences = mem_alloc_raw(g.o.resamples, sizeof(*differences));
    if (g.cells && g.n && g.drawn && differences)
        rc = compare(&g, a, b, group, n, differences, &c, err);
    else
        rc = mem_fail(err, "compare", CELLS_MAX * sizeof(*g.cells));
    if (rc == FUSOR_OK)
        *out = c;
    mem_free(differences);
    mem_free(g.drawn);
    mem_free(g.n);
    mem_free(g.cells);
    return rc;
}
