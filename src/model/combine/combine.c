/* The registry of ways to combine, the checks they share, and R = M w + b. */
#include "model/combine/combine.h"

#include <math.h>
#include <string.h>

static const struct combine_ops *const registry[] = {
    &combine_weighted,      &combine_attention, &combine_mean,
    &combine_least_squares, &combine_simplex,   &combine_softmax,
    &combine_logistic,
};

#define N_METHODS (sizeof(registry) / sizeof(registry[0]))

const struct combine_ops *combine_find(const char *name,
                                       struct fusor_error *err)
{
    const char *names[N_METHODS + 1] = {NULL};
    const char *near;

    for (size_t i = 0; i < N_METHODS; i++) {
        if (!strcmp(registry[i]->name, name))
            return registry[i];
        names[i] = registry[i]->name;
    }
    near = str_nearest(name, names);
    fusor_fail(err, FUSOR_EUSAGE, "no way to combine is called \"%s\": %s%s",
               name, near ? "did you mean " : "there are weighted, attention, ",
               near ? near : "mean, least_squares, simplex, softmax, logistic");
    return NULL;
}

const struct combine_ops *combine_kind(size_t i)
{
    return i < N_METHODS ? registry[i] : NULL;
}

void combine_list(struct strbuf *out)
{
    for (size_t i = 0; i < N_METHODS; i++)
        strbuf_addf(out, "  %-15s%s\n", registry[i]->name, registry[i]->help);
}

static enum fusor_status check_needs(const struct combine_ops *ops,
                                     const struct combine_data *data,
                                     const struct combine_options *options,
                                     struct fusor_error *err)
{
    if (data->m < 1 || data->m > COMBINE_MAX)
        return fusor_fail(err, FUSOR_EINVAL,
                          "%s: %zu towers: from 1 to %d can be combined",
                          ops->name, data->m, COMBINE_MAX);
    if (ops->needs_targets && (!data->targets || data->n == 0))
        return fusor_fail(err, FUSOR_EINVAL,
                          "%s is fitted to targets: give rows with targets, or "
                          "take weighted or mean",
                          ops->name);
    if (ops->needs_weights && !options->weights)
        return fusor_fail(err, FUSOR_EINVAL, "%s: give %zu weights", ops->name,
                          data->m);
    if (!(options->ridge >= 0 && isfinite(options->ridge)))
        return fusor_fail(err, FUSOR_EINVAL, "%s: ridge %g is below 0",
                          ops->name, options->ridge);
    return FUSOR_OK;
}

static enum fusor_status check_numbers(const struct combine_ops *ops,
                                       const struct combine_data *data,
                                       struct fusor_error *err)
{
    for (size_t i = 0; i < data->n * data->m; i++)
        if (!isfinite(data->scores[i]))
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: row %zu, tower %zu: score %g is not finite",
                              ops->name, i / data->m + 1, i % data->m + 1,
                              data->scores[i]);
    for (size_t i = 0; data->targets && i < data->n; i++) {
        double r = data->targets[i];

        if (!isfinite(r))
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: row %zu: target %g is not finite", ops->name,
                              i + 1, r);
        if (ops->binary && (r < 0 || r > 1))
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: row %zu: target %g is not in [0, 1]: map it "
                              "or take least_squares",
                              ops->name, i + 1, r);
    }
    return FUSOR_OK;
}

static double sum_row(const struct combine_model *model, const double *row)
{
    double sum = model->bias;

    for (size_t j = 0; j < model->m; j++)
        sum += model->weights[j] * row[j];
    return sum;
}

static double loss_of(const struct combine_model *model,
                      const struct combine_data *data)
{
    double sum = 0;

    if (!data->targets || data->n == 0)
        return NAN;
    for (size_t i = 0; i < data->n; i++) {
        double s = sum_row(model, data->scores + i * data->m);
        double r = data->targets[i], e = s - r;

        if (model->ops->binary) // log(1 + e^s) - r s
            sum += (s > 0 ? s : 0) + log1p(exp(-fabs(s))) - r * s;
        else
            sum += e * e;
    }
    return sum / (double)data->n;
}

enum fusor_status combine_fit(const struct combine_ops *ops,
                              const struct combine_data *data,
                              const struct combine_options *options,
                              struct combine_model *model,
                              struct fusor_error *err)
{
    struct combine_options o = options ? *options : (struct combine_options){0};
    struct combine_model fresh = {.ops = ops, .m = data->m};

    FUSOR_TRY(check_needs(ops, data, &o, err));
    FUSOR_TRY(check_numbers(ops, data, err));
    FUSOR_TRY(ops->fit(data, &o, &fresh, err));
    fresh.loss = loss_of(&fresh, data);
    *model = fresh;
    return FUSOR_OK;
}

void combine_apply(const struct combine_model *model, const double *scores,
                   size_t n, double *out)
{
    for (size_t i = 0; i < n; i++) {
        double s = sum_row(model, scores + i * model->m);

        out[i] = model->ops->binary ? 1 / (1 + exp(-s)) : s;
    }
}
