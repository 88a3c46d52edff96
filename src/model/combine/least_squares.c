/* Free weights by least squares: normal equations and Cholesky, in double. The
 * intercept is fitted by centring, which also keeps the equations well
 * conditioned. */
#include "model/combine/spd.h"

static enum fusor_status
least_squares_fit(const struct combine_data *data,
                  const struct combine_options *options,
                  struct combine_model *model, struct fusor_error *err)
{
    struct gram q;
    struct spd f;
    size_t column = 0;

    gram_compute(&q, data, options->intercept);
    for (size_t j = 0; j < q.m; j++)
        q.g[j][j] += options->ridge;
    if (spd_factor(&f, q.g, q.m, &column))
        return fusor_fail(err, FUSOR_EDATA,
                          "least_squares: tower %zu adds nothing to those "
                          "before it on %zu rows (constant, a copy, a "
                          "combination of them, or too few rows): leave it out "
                          "or give ridge: 1e-6",
                          column + 1, data->n);
    spd_solve(&f, q.c, model->weights);
    if (!options->intercept)
        return FUSOR_OK;
    model->bias = q.mean_target;
    for (size_t j = 0; j < q.m; j++)
        model->bias -= model->weights[j] * q.mean[j];
    return FUSOR_OK;
}

const struct combine_ops combine_least_squares = {
    .name = "least_squares",
    .help = "weights of the least squared error on the labels",
    .needs_targets = 1,
    .fit = least_squares_fit,
};
