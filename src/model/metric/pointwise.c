/* Metrics that are a mean over rows: logloss, rmse, mae. */
#include "model/metric/mean.h"

#define LOGLOSS_CLIP 1e-7 // a float just below 1 is 1 - 6e-8

static double output_of(const struct metric_options *options, float score)
{
    return options->logits ? 1 / (1 + exp(-(double)score)) : (double)score;
}

/* log(1 + e^x) without overflow. */
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double logloss_row(const struct metric_options *options, float score,
                          float label)
{
    double p = score, y = label;

    if (options->logits) // -y log s(x) - (1-y) log s(-x)
        return isfinite(score) ? y * softplus(-p) + (1 - y) * softplus(p) : NAN;
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (p < LOGLOSS_CLIP)
        p = LOGLOSS_CLIP;
    if (p > 1 - LOGLOSS_CLIP)
        p = 1 - LOGLOSS_CLIP;
    return -(y * log(p) + (1 - y) * log1p(-p));
}

static double square_row(const struct metric_options *options, float score,
                         float label)
{
    double e = output_of(options, score) - (double)label;

    return e * e;
}

static double absolute_row(const struct metric_options *options, float score,
                           float label)
{
    return fabs(output_of(options, score) - (double)label);
}

const struct metric_ops metric_logloss = {
    .name = "logloss",
    .help = "mean of -y log p - (1-y) log(1-p)",
    .labels_01 = 1,
    .estimates = 1,
    .state = &metric_mean_state,
    .row = logloss_row,
};

const struct metric_ops metric_rmse = {
    .name = "rmse",
    .help = "root of the mean squared error",
    .estimates = 1,
    .state = &metric_mean_state,
    .row = square_row,
    .finish = sqrt,
};

const struct metric_ops metric_mae = {
    .name = "mae",
    .help = "mean absolute error",
    .estimates = 1,
    .state = &metric_mean_state,
    .row = absolute_row,
};
