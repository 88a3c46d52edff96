/* Attention with its weights given: R = sum a_i M_i, a on the simplex. */
#include <math.h>

#include "model/combine/combine.h"

#define SUM_TOLERANCE 1e-6 // weights printed with six digits still pass

static enum fusor_status attention_fit(const struct combine_data *data,
                                       const struct combine_options *options,
                                       struct combine_model *model,
                                       struct fusor_error *err)
{
    double sum = 0;

    for (size_t j = 0; j < data->m; j++) {
        double a = options->weights[j];

        if (!(a >= 0 && a <= 1 + SUM_TOLERANCE))
            return fusor_fail(err, FUSOR_EINVAL,
                              "attention: weight %zu is %g, not in [0, 1]",
                              j + 1, a);
        model->weights[j] = a;
        sum += a;
    }
    if (fabs(sum - 1) > SUM_TOLERANCE)
        return fusor_fail(err, FUSOR_EINVAL,
                          "attention: weights sum to %.9g, not to 1: divide "
                          "them by their sum, or take weighted",
                          sum);
    return FUSOR_OK;
}

const struct combine_ops combine_attention = {
    .name = "attention",
    .help = "the same, weights of at least 0 that sum to 1",
    .needs_weights = 1,
    .fit = attention_fit,
};
