/* The registry of metrics and their names. */
#include "model/metric/metric.h"

#include <stdio.h>
#include <string.h>

#include "model/metric/ops.h"

static const struct metric_ops *const registry[] = {
    &metric_auc,     &metric_pr_auc,    &metric_gauc,     &metric_logloss,
    &metric_rmse,    &metric_mae,       &metric_ece,      &metric_ace,
    &metric_hr,      &metric_ndcg,      &metric_recall,   &metric_precision,
    &metric_map,     &metric_mrr,       &metric_coverage, &metric_gini,
    &metric_novelty, &metric_diversity,
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
    struct strbuf all = {0};
    const char *near;

    for (size_t i = 0; i < N_METRICS; i++)
        names[i] = registry[i]->name;
    near = str_nearest(name, names);
    if (near)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "no metric \"%s\": did you mean %s%s?", text, near,
                          find(near)->cut == METRIC_NEEDS_K ? "@10" : "");
    for (size_t i = 0; i < N_METRICS; i++)
        strbuf_addf(&all, "%s%s%s", i ? ", " : "", registry[i]->name,
                    registry[i]->cut == METRIC_NEEDS_K ? "@k" : "");
    fusor_fail(err, FUSOR_EUSAGE, "no metric \"%s\": there are %s", text,
               all.s ? all.s : "auc, ...");
    strbuf_clear(&all);
    return FUSOR_EUSAGE;
}

/* Cut "/FIELD" off. */
static enum fusor_status take_field(char *text, const char *whole,
                                    struct metric_spec *spec,
                                    struct fusor_error *err)
{
    char *slash = strchr(text, '/');

    if (!slash)
        return FUSOR_OK;
    *slash++ = '\0';
    if (!*slash)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metric \"%s\": no field after the /", whole);
    snprintf(spec->field, sizeof(spec->field), "%s", slash);
    return FUSOR_OK;
}

/* Cut ":LABEL" off. */
static enum fusor_status take_label(char *text, const char *whole,
                                    struct metric_spec *spec,
                                    struct fusor_error *err)
{
    char *colon = strchr(text, ':');

    if (!colon)
        return FUSOR_OK;
    *colon++ = '\0';
    if (!*colon)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metric \"%s\": no label after the :", whole);
    snprintf(spec->label, sizeof(spec->label), "%s", colon);
    return FUSOR_OK;
}

/* What the set and people call it. */
static void make_name(const char *name, struct metric_spec *spec)
{
    struct strbuf text = {0};

    strbuf_add(&text, name);
    if (spec->k)
        strbuf_addf(&text, "@%u", spec->k);
    if (spec->field[0])
        strbuf_addf(&text, "/%s", spec->field);
    if (spec->label[0])
        strbuf_addf(&text, ":%s", spec->label);
    snprintf(spec->name, sizeof(spec->name), "%s", text.s ? text.s : name);
    strbuf_clear(&text);
}

static enum fusor_status check_cut(const char *text, const char *name,
                                   const char *at,
                                   const struct metric_spec *spec,
                                   struct fusor_error *err)
{
    if (spec->field[0] && !spec->ops->takes_field)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metric \"%s\": %s takes no /field", text, name);
    if (at && spec->ops->cut == METRIC_NO_K)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metric \"%s\": %s takes no @k: write %s", text, name,
                          name);
    if (!at && spec->ops->cut == METRIC_NEEDS_K)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metric \"%s\" needs a cut: write %s@10", text, name);
    return FUSOR_OK;
}

static enum fusor_status read_cut(const char *text, const char *name,
                                  const char *at, struct metric_spec *spec,
                                  struct fusor_error *err)
{
    uint64_t most = spec->ops->k_max ? spec->ops->k_max : 1000000000, k;

    if (str_to_u64(at + 1, &k) || k < 1 || k > most)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metric \"%s\": what follows the @ is a whole number "
                          "from 1 to %llu, as in %s@10",
                          text, (unsigned long long)most, name);
    spec->k = (uint32_t)k;
    return FUSOR_OK;
}

enum fusor_status metric_parse(const char *text, struct metric_spec *out,
                               struct fusor_error *err)
{
    struct metric_spec spec = {0};
    char name[METRIC_NAME_MAX];
    char *at;

    if (strlen(text) >= METRIC_NAME_MAX)
        return fusor_fail(err, FUSOR_EUSAGE, "no metric \"%.60s\"", text);
    snprintf(name, sizeof(name), "%s", text);
    FUSOR_TRY(take_label(name, text, &spec, err));
    FUSOR_TRY(take_field(name, text, &spec, err));
    at = strchr(name, '@');
    if (at)
        *at = '\0';
    spec.ops = find(name);
    if (!spec.ops)
        return fail_unknown(text, name, err);
    FUSOR_TRY(check_cut(text, name, at, &spec, err));
    /* The text as it was, but @010 is @10. */
    if (at)
        FUSOR_TRY(read_cut(text, name, at, &spec, err));
    make_name(name, &spec);
    *out = spec;
    return FUSOR_OK;
}

enum fusor_status metric_of_label(const struct metric_spec *spec,
                                  const char *label, struct metric_spec *out,
                                  struct fusor_error *err)
{
    struct strbuf text = {0};
    enum fusor_status rc;

    strbuf_addf(&text, "%s:%s", spec->name, label);
    if (text.len >= METRIC_NAME_MAX)
        rc = fusor_fail(err, FUSOR_EUSAGE,
                        "metric %s of label %s: more than %d characters: give "
                        "the label a shorter name",
                        spec->name, label, METRIC_NAME_MAX - 1);
    else
        rc = metric_parse(text.s ? text.s : "", out, err);
    strbuf_clear(&text);
    return rc;
}

int metric_is(const struct metric_spec *spec, const char *name)
{
    return !strcmp(spec->ops->name, name);
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
    return metric_ops_over_groups(spec->ops);
}

int metric_over_lists(const struct metric_spec *spec)
{
    return spec->ops->over_lists;
}

int metric_takes_field(const struct metric_spec *spec)
{
    return spec->ops->takes_field;
}

int metric_wants_estimates(const struct metric_spec *spec)
{
    return spec->ops->estimates;
}

int metric_has_units(const struct metric_spec *spec)
{
    return spec->ops->group || spec->ops->row;
}
