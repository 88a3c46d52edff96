/* The paired bootstrap over units (Efron and Tibshirani 1993, "An Introduction
 * to the Bootstrap": intervals 13.3, test by shifting to the null 16.4). */
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/stats/resamples.h"

#define CELLS_MAX ((size_t)1 << 15) // 1 MiB of cells: stays in the L2 cache

/* One unit or several dealt together: sums over them. */
struct cell {
    double a; // w x
    double b;
    double w;
    double pad; // 32 bytes: never over two cache lines
};

struct bootstrap {
    struct cell *cells;
    size_t n_cells;
    double *differences; // [resamples]
    struct stats_comparison_options o;
};

static double average(const struct bootstrap *s, double sum, double weight)
{
    double mean = sum / weight;

    return s->o.of == STATS_ROOT_MEAN ? sqrt(mean) : mean;
}

static enum fusor_status check_unit(const struct bootstrap *s, double a,
                                    double b, double w, size_t i,
                                    struct fusor_error *err)
{
    if (!isfinite(a) || !isfinite(b) || !(w >= 0 && isfinite(w)))
        return fusor_fail(err, FUSOR_EDATA,
                          "compare: unit %zu: values %g, %g, weight %g", i + 1,
                          a, b, w);
    if (s->o.of == STATS_ROOT_MEAN && (a < 0 || b < 0))
        return fusor_fail(
            err, FUSOR_EDATA,
            "compare: unit %zu: %g, %g: a squared error cannot be "
            "below 0",
            i + 1, a, b);
    return FUSOR_OK;
}

/* Deal the units into cells and sum them.
 * @param total set to the sum of all */
static enum fusor_status deal(struct bootstrap *s, const double *a,
                              const double *b, size_t n, struct cell *total,
                              size_t *n_units, struct fusor_error *err)
{
    *total = (struct cell){0};
    *n_units = 0;
    for (size_t i = 0; i < n; i++) {
        double w = s->o.weights ? s->o.weights[i] : 1;
        struct cell *c = &s->cells[*n_units % CELLS_MAX];

        if (isnan(a[i]) || isnan(b[i]) || w == 0)
            continue;
        FUSOR_TRY(check_unit(s, a[i], b[i], w, i, err));
        c->a += w * a[i];
        c->b += w * b[i];
        c->w += w;
        total->a += w * a[i];
        total->b += w * b[i];
        total->w += w;
        ++*n_units;
    }
    s->n_cells = *n_units < CELLS_MAX ? *n_units : CELLS_MAX;
    if (*n_units < 2)
        return fusor_fail(err, FUSOR_EDATA,
                          "compare: %zu units where both models have a value: "
                          "at least 2 are needed",
                          *n_units);
    return FUSOR_OK;
}

static void take(const struct bootstrap *s, uint64_t bits, struct cell *sum)
{
    const struct cell *c = &s->cells[bits * s->n_cells >> 32];

    sum->a += c->a;
    sum->b += c->b;
    sum->w += c->w;
}

/* One resample. Each draw takes 32 bits: with at most 2^15 cells their chances
 * differ by less than 2^-17. Two sums, so that additions overlap. */
static double resample(const struct bootstrap *s, uint32_t number)
{
    struct rng r = rng_stream(s->o.seed, RNG_BOOTSTRAP, number, 0);
    struct cell sum = {0}, other = {0};
    size_t i;

    for (i = 0; i + 1 < s->n_cells; i += 2) {
        uint64_t bits = rng_u64(&r);

        take(s, bits >> 32, &sum);
        take(s, bits & 0xffffffffu, &other);
    }
    if (i < s->n_cells)
        take(s, rng_u64(&r) >> 32, &sum);
    sum.w += other.w;
    return average(s, sum.a + other.a, sum.w) -
           average(s, sum.b + other.b, sum.w);
}

static void resample_all(const struct bootstrap *s, struct stats_comparison *c)
{
    for (uint32_t i = 0; i < s->o.resamples; i++)
        s->differences[i] = resample(s, i);
    resamples_close(&s->o, s->differences, c);
}

/* The t test on the cells' share in the difference. A root of means is taken
 * as a straight line at the two means (delta method), a ratio of sums too. */
static double p_by_t(const struct bootstrap *s, const struct cell *total,
                     const struct stats_comparison *c)
{
    double slope_a = 1, slope_b = 1, square = 0, se;
    double n = (double)s->n_cells;

    if (c->difference == 0)
        return 1;
    if (s->o.of == STATS_ROOT_MEAN) {
        slope_a = c->mean_a > 0 ? 0.5 / c->mean_a : 0;
        slope_b = c->mean_b > 0 ? 0.5 / c->mean_b : 0;
    }
    for (size_t i = 0; i < s->n_cells; i++) {
        const struct cell *x = &s->cells[i];
        double d = slope_a * (x->a - x->w * total->a / total->w) -
                   slope_b * (x->b - x->w * total->b / total->w);

        square += d * d;
    }
    se = sqrt(square * n / (n - 1)) / total->w;
    return 2 * stats_student_cdf(-fabs(c->difference / se), n - 1);
}

enum fusor_status stats_compare(const double *a, const double *b, size_t n,
                                const struct stats_comparison_options *options,
                                struct stats_comparison *out,
                                struct fusor_error *err)
{
    struct bootstrap s = {0};
    struct stats_comparison c = {0};
    struct cell total;
    enum fusor_status rc;

    if (options)
        s.o = *options;
    FUSOR_TRY(resamples_check(&s.o, err));
    s.cells = mem_alloc(n < CELLS_MAX ? n + 1 : CELLS_MAX, sizeof(*s.cells));
    s.differences = mem_alloc_raw(s.o.resamples, sizeof(*s.differences));
    if (!s.cells || !s.differences) {
        rc = mem_fail(err, "compare", s.o.resamples * sizeof(*s.differences));
        goto out;
    }
    rc = deal(&s, a, b, n, &total, &c.n, err);
    if (rc != FUSOR_OK)
        goto out;
    c.mean_a = average(&s, total.a, total.w);
    c.mean_b = average(&s, total.b, total.w);
    c.difference = c.mean_a - c.mean_b;
    resample_all(&s, &c);
    c.p_t = p_by_t(&s, &total, &c);
    *out = c;
out:
    mem_free(s.differences);
    mem_free(s.cells);
    return rc;
}
