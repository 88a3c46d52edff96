/* Normalisation of scores, over all rows or within each query. */
#include "model/combine/normalise.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

/* One column over some rows: rows[i], or i when rows is NULL. */
struct column {
    const double *x;
    size_t stride;
    const size_t *rows;
    size_t n;
};

static double at(const struct column *c, size_t i)
{
    return c->x[(c->rows ? c->rows[i] : i) * c->stride];
}

typedef void (*statistic_fn)(const struct column *c, double *shift,
                             double *scale);

static void minmax(const struct column *c, double *shift, double *scale)
{
    double low = at(c, 0), high = low;

    for (size_t i = 1; i < c->n; i++) {
        low = fmin(low, at(c, i));
        high = fmax(high, at(c, i));
    }
    *shift = low;
    *scale = high - low;
}

static void zscore(const struct column *c, double *shift, double *scale)
{
    double mean = 0, square = 0;

    for (size_t i = 0; i < c->n; i++)
        mean += at(c, i);
    mean /= (double)c->n;
    for (size_t i = 0; i < c->n; i++)
        square += (at(c, i) - mean) * (at(c, i) - mean);
    *shift = mean;
    *scale = sqrt(square / (double)c->n);
    if (*scale <= 1e-13 * fabs(mean)) // rounding of a constant column
        *scale = 0;
}

static void largest(const struct column *c, double *shift, double *scale)
{
    *shift = 0;
    *scale = 0;
    for (size_t i = 0; i < c->n; i++)
        *scale = fmax(*scale, fabs(at(c, i)));
}

struct normalise_ops {
    const char *name;
    int per_query;
    statistic_fn statistic; // NULL: none
};

static const struct normalise_ops registry[] = {
    {"none", 0, NULL},
    {"minmax", 0, minmax},
    {"zscore", 0, zscore},
    {"per_query_minmax", 1, minmax},
    {"per_query_zscore", 1, zscore},
    {"per_query_max", 1, largest},
};

#define N_KINDS (sizeof(registry) / sizeof(registry[0]))

static void measure(const struct column *c, statistic_fn statistic,
                    double *shift, double *scale)
{
    *shift = 0;
    *scale = 1;
    if (c->n)
        statistic(c, shift, scale);
    if (!(*scale > 0))
        *scale = 1;
}

enum fusor_status normaliser_init(struct normaliser *z, const char *name,
                                  size_t m, struct fusor_error *err)
{
    const char *names[N_KINDS + 1] = {NULL};
    const char *near;

    if (m > COMBINE_MAX)
        return fusor_fail(err, FUSOR_EINVAL,
                          "normalise: %zu towers: at most %d", m, COMBINE_MAX);
    for (size_t i = 0; i < N_KINDS; i++) {
        names[i] = registry[i].name;
        if (strcmp(registry[i].name, name))
            continue;
        *z = (struct normaliser){.ops = &registry[i], .m = m};
        for (size_t j = 0; j < m; j++)
            z->scale[j] = 1;
        return FUSOR_OK;
    }
    near = str_nearest(name, names);
    return fusor_fail(err, FUSOR_EUSAGE, "normalise: no kind \"%s\": %s%s",
                      name, near ? "did you mean " : "there are none, minmax, ",
                      near ? near
                           : "zscore, per_query_minmax, per_query_zscore, "
                             "per_query_max");
}

int normaliser_per_query(const struct normaliser *z)
{
    return z->ops->per_query;
}

const char *normaliser_name(const struct normaliser *z)
{
    return z->ops->name;
}

const char *normaliser_kind(size_t i)
{
    return i < N_KINDS ? registry[i].name : NULL;
}

void normaliser_fit(struct normaliser *z, const double *scores, size_t n)
{
    if (!z->ops->statistic || z->ops->per_query)
        return;
    for (size_t j = 0; j < z->m; j++) {
        struct column c = {scores + j, z->m, NULL, n};

        measure(&c, z->ops->statistic, &z->shift[j], &z->scale[j]);
    }
}

/* The rows of each query together, in order: rows[starts[q]..starts[q+1]). */
static void sort_by_query(const uint32_t *query, size_t n, size_t *starts,
                          size_t *rows)
{
    for (size_t i = 0; i < n; i++)
        starts[query[i] + 2]++;
    for (size_t q = 2; q < n + 2; q++)
        starts[q] += starts[q - 1];
    for (size_t i = 0; i < n; i++)
        rows[starts[query[i] + 1]++] = i;
}

static void apply_to_query(const struct normaliser *z, double *scores,
                           const size_t *rows, size_t n)
{
    for (size_t j = 0; j < z->m; j++) {
        struct column c = {scores + j, z->m, rows, n};
        double shift, scale;

        measure(&c, z->ops->statistic, &shift, &scale);
        for (size_t i = 0; i < n; i++) {
            double *x = &scores[rows[i] * z->m + j];

            *x = (*x - shift) / scale;
        }
    }
}

static enum fusor_status apply_per_query(const struct normaliser *z,
                                         double *scores, size_t n,
                                         const uint32_t *query,
                                         struct fusor_error *err)
{
    size_t *starts = mem_alloc(n + 2, sizeof(*starts));
    size_t *rows = mem_alloc_raw(n, sizeof(*rows));
    enum fusor_status rc = FUSOR_OK;

    if (!starts || !rows) {
        rc = mem_fail(err, "normalise", (2 * n + 2) * sizeof(*rows));
        goto out;
    }
    sort_by_query(query, n, starts, rows);
    for (size_t q = 0; q < n; q++)
        apply_to_query(z, scores, rows + starts[q], starts[q + 1] - starts[q]);
out:
    mem_free(rows);
    mem_free(starts);
    return rc;
}

enum fusor_status normaliser_apply(const struct normaliser *z, double *scores,
                                   size_t n, const uint32_t *query,
                                   struct fusor_error *err)
{
    if (!z->ops->statistic)
        return FUSOR_OK;
    if (z->ops->per_query && !query)
        return fusor_fail(err, FUSOR_EINVAL,
                          "normalise: %s needs to know the query of each row: "
                          "key the scores by user and item",
                          z->ops->name);
    if (z->ops->per_query)
        return apply_per_query(z, scores, n, query, err);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < z->m; j++)
            scores[i * z->m + j] =
                (scores[i * z->m + j] - z->shift[j]) / z->scale[j];
    return FUSOR_OK;
}
