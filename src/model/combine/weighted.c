/* Weights that are known beforehand: R = sum w_i M_i. */
#include <math.h>

#include "model/combine/combine.h"

static enum fusor_status weighted_fit(const struct combine_data *data,
                                      const struct combine_options *options,
                                      struct combine_model *model,
                                      struct fusor_error *err)
{
    for (size_t j = 0; j < data->m; j++) {
        if (!isfinite(options->weights[j]))
            return fusor_fail(err, FUSOR_EINVAL,
                              "weighted: weight %zu is not finite", j + 1);
        model->weights[j] = options->weights[j];
    }
    return FUSOR_OK;
}

const struct combine_ops combine_weighted = {
    .name = "weighted",
    .help = "R = sum w_i M_i with the weights given",
    .needs_weights = 1,
    .fit = weighted_fit,
};
