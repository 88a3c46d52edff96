/* The registry of metrics and their names. */
#include "model/metric/metric.h"

#include <stdio.h>
#include <string.h>

#include "model/metric/ops.h"

static const struct metric_ops *const registry[] = {
    &metric_auc, &metric_gauc, &metric_logloss, &metric_rmse,      &metric_mae,
    &metric_hr,  &metric_ndcg, &metric_recall,  &metric_precision, &metric_mrr,
};

#define N_METRICS (sizeof(registry) / sizeof(registry[0]))

static const struct metric_ops *find(const char *name)
{
    for (size_t i = 0; i < N_METRICS; i++)
        if (!strcmp(registry[i]->name, name))
            return registry[i];
    return NULL;
}

static enum fusor_status fail_unknown(const char *text, const char *name,
                                      struct fusor_error *err)
{
    const char *names[N_METRICS + 1] = {NULL};
    const char *near;

    for (size_t i = 0; i < N_METRICS; i++)
        names[i] = registry[i]->name;
    near = str_nearest(name, names);
    if (near)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "no metric \"%s\": did you mean %s%s?", text, near,
                          find(near)->cut == METRIC_NEEDS_K ? "@10" : "");
    return fusor_fail(err, FUSOR_EUSAGE,
                      "no metric \"%s\": there are auc, gauc, logloss, rmse, "
                      "mae, hr@k, ndcg@k, recall@k, precision@k, mrr",
                      text);
}

enum fusor_status metric_parse(const char *text, struct metric_spec *out,
                               struct fusor_error *err)
{
    const char *at = strchr(text, '@');
    size_t n = at ? (size_t)(at - text) : strlen(text);
    struct metric_spec spec = {0};
    char name[METRIC_NAME_MAX];
    uint64_t k = 0;

    if (strlen(text) >= METRIC_NAME_MAX)
        return fusor_fail(err, FUSOR_EUSAGE, "no metric \"%.60s\"", text);
    memcpy(name, text, n);
    name[n] = '\0';
    spec.ops = find(name);
    if (!spec.ops)
        return fail_unknown(text, name, err);
    if (at && spec.ops->cut == METRIC_NO_K)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metric \"%s\": %s takes no @k: write %s", text, name,
                          name);
    if (!at && spec.ops->cut == METRIC_NEEDS_K)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metric \"%s\" needs a cut: write %s@10", text, name);
    if (at && (str_to_u64(at + 1, &k) || k < 1 || k > 1000000000))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metric \"%s\": the cut is a whole number from 1, as "
                          "in %s@10",
                          text, name);
    spec.k = (uint32_t)k;
    if (at) // @010 is @10
        snprintf(spec.name, sizeof(spec.name), "%.15s@%u", name, spec.k);
    else
        snprintf(spec.name, sizeof(spec.name), "%.31s", name);
    *out = spec;
    return FUSOR_OK;
}

void metric_list(struct strbuf *out)
{
    static const char *const cuts[] = {"", "[@k]", "@k"};

    for (size_t i = 0; i < N_METRICS; i++) {
        const struct metric_ops *ops = registry[i];

        strbuf_addf(out, "  %s%s%*s%s\n", ops->name, cuts[ops->cut],
                    (int)(14 - strlen(ops->name) - strlen(cuts[ops->cut])), "",
                    ops->help);
    }
}

int metric_higher_is_better(const struct metric_spec *spec)
{
    return spec->ops->higher_is_better;
}

int metric_over_groups(const struct metric_spec *spec)
{
    return spec->ops->group != NULL;
}
