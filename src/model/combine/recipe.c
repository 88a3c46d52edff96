/* Normalise, combine, calibrate: fitted together, applied together. */
#include "model/combine/recipe.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

/* A copy of the scores, normalised. */
static enum fusor_status normalised(const struct normaliser *z,
                                    const struct recipe_rows *rows,
                                    double **out, struct fusor_error *err)
{
    size_t n = rows->n * rows->m;
    double *x = mem_alloc_raw(n + 1, sizeof(*x));
    enum fusor_status rc;

    if (!x)
        return mem_fail(err, "normalised scores", n * sizeof(*x));
    memcpy(x, rows->scores, n * sizeof(*x));
    rc = normaliser_apply(z, x, rows->n, rows->query, err);
    if (rc != FUSOR_OK) {
        mem_free(x);
        return rc;
    }
    *out = x;
    return FUSOR_OK;
}

static enum fusor_status calibrate(const struct recipe_spec *spec,
                                   const struct recipe_rows *rows,
                                   const double *x, struct recipe *r,
                                   struct fusor_error *err)
{
    double *fitted;
    enum fusor_status rc;

    if (strcmp(spec->calibrate, "none") != 0 && !rows->targets)
        return fusor_fail(err, FUSOR_EINVAL,
                          "calibration %s is fitted to targets: give rows with "
                          "targets",
                          spec->calibrate);
    if (!rows->targets) {
        double zero = 0;

        return calibration_fit(&r->calibration, "none", &zero, &zero, 1, err);
    }
    fitted = mem_alloc_raw(rows->n + 1, sizeof(*fitted));
    if (!fitted)
        return mem_fail(err, "calibration", rows->n * sizeof(*fitted));
    combine_apply(&r->model, x, rows->n, fitted);
    rc = calibration_fit(&r->calibration, spec->calibrate, fitted,
                         rows->targets, rows->n, err);
    mem_free(fitted);
    return rc;
}

enum fusor_status recipe_fit(const struct recipe_spec *spec,
                             const struct recipe_rows *rows, struct recipe *out,
                             struct fusor_error *err)
{
    struct combine_data data = {NULL, rows->targets, rows->n, rows->m};
    struct recipe r;
    double *x = NULL;
    enum fusor_status rc;

    memset(&r, 0, sizeof(r));
    FUSOR_TRY(normaliser_init(&r.normaliser, spec->normalise, rows->m, err));
    normaliser_fit(&r.normaliser, rows->scores, rows->n);
    FUSOR_TRY(normalised(&r.normaliser, rows, &x, err));
    data.scores = x;
    rc = combine_fit(spec->method, &data, &spec->options, &r.model, err);
    if (rc == FUSOR_OK)
        rc = calibrate(spec, rows, x, &r, err);
    mem_free(x);
    if (rc == FUSOR_OK)
        *out = r;
    return rc;
}

enum fusor_status recipe_apply(const struct recipe *r,
                               const struct recipe_rows *rows, double *out,
                               struct fusor_error *err)
{
    double *x = NULL;

    if (rows->m != r->model.m)
        return fusor_fail(err, FUSOR_EINVAL,
                          "the head joins %zu towers, but there are %zu",
                          r->model.m, rows->m);
    FUSOR_TRY(normalised(&r->normaliser, rows, &x, err));
    combine_apply(&r->model, x, rows->n, out);
    for (size_t i = 0; i < rows->n; i++)
        out[i] = calibration_apply(&r->calibration, out[i]);
    mem_free(x);
    return FUSOR_OK;
}

enum fusor_status recipe_keep(struct recipe *r, const size_t *tower, size_t m,
                              struct fusor_error *err)
{
    double all = 0, kept = 0;

    for (size_t j = 0; j < r->model.m; j++)
        all += r->model.weights[j];
    for (size_t j = 0; j < m; j++)
        kept += r->model.weights[tower[j]];
    if (m < r->model.m && !(fabs(kept) > 1e-9 * fabs(all)))
        return fusor_fail(err, FUSOR_EDATA,
                          "the towers that are left have weights whose sum is "
                          "%g of %g: nothing to renormalise; score the missing "
                          "ones, or fit another head",
                          kept, all);
    for (size_t j = 0; j < m; j++) {
        r->model.weights[j] = r->model.weights[tower[j]];
        if (m < r->model.m)
            r->model.weights[j] *= all / kept;
        r->normaliser.shift[j] = r->normaliser.shift[tower[j]];
        r->normaliser.scale[j] = r->normaliser.scale[tower[j]];
    }
    r->model.m = r->normaliser.m = m;
    return FUSOR_OK;
}

void recipe_clear(struct recipe *r)
{
    calibration_clear(&r->calibration);
}
