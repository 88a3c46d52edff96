/* The plain mean of the towers; normalise their scores first. */
#include "model/combine/combine.h"

static enum fusor_status mean_fit(const struct combine_data *data,
                                  const struct combine_options *options,
                                  struct combine_model *model,
                                  struct fusor_error *err)
{
    (void)options;
    (void)err;
    for (size_t j = 0; j < data->m; j++)
        model->weights[j] = 1.0 / (double)data->m;
    return FUSOR_OK;
}

const struct combine_ops combine_mean = {
    .name = "mean",
    .help = "every weight 1 / files: normalise the scores first",
    .fit = mean_fit,
};
