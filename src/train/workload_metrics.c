/* The metrics of a job: names become metrics of labels, groups become slices.
 */
#include "train/workload_private.h"

#include <string.h>

#include "base/mem.h"
#include "train/catalogue.h"
#include "train/slicing.h"

static enum fusor_status check_stop(const struct workload *w,
                                    const struct stop_rule *stop,
                                    struct fusor_error *err)
{
    if (!stop->metric[0])
        return FUSOR_OK;
    for (uint32_t i = 0; i < w->n_metrics; i++)
        if (strcmp(w->metrics[i].name, stop->metric) == 0)
            return FUSOR_OK;
    return yaml_fail(
        stop->node, err,
        "stop: metric \"%s\" is not among those of evaluate%s%s", stop->metric,
        model_label_name(w->model, 0)[0] ? ": say of which label, such as auc:"
                                         : "",
        model_label_name(w->model, 0));
}

static enum fusor_status add_metric(struct workload *w,
                                    const struct yaml_node *at,
                                    const struct metric_spec *spec,
                                    struct fusor_error *err)
{
    if (w->n_metrics == TRAIN_MAX_METRICS)
        return yaml_fail(at, err,
                         "evaluate: more than %d metrics, one of each label "
                         "counted",
                         TRAIN_MAX_METRICS);
    for (uint32_t i = 0; i < w->n_metrics; i++)
        if (!strcmp(w->metrics[i].name, spec->name))
            return yaml_fail(at, err, "evaluate: %s is listed twice",
                             spec->name);
    w->metrics[w->n_metrics++] = *spec;
    return FUSOR_OK;
}

/* A metric that names no label is one of each. */
static enum fusor_status add_of_labels(struct workload *w,
                                       const struct yaml_node *at,
                                       const struct metric_spec *spec,
                                       struct fusor_error *err)
{
    struct metric_spec of;
    struct fusor_error why;
    uint32_t label;

    if (spec->label[0]) {
        if (model_find_label(w->model, spec->label, &label, &why) != FUSOR_OK)
            return yaml_fail(at, err, "evaluate: %s: %s", spec->name, why.text);
        return add_metric(w, at, spec, err);
    }
    if (!model_label_name(w->model, 0)[0])
        return add_metric(w, at, spec, err);
    for (uint32_t k = 0; k < model_n_labels(w->model); k++) {
        if (metric_of_label(spec, model_label_name(w->model, k), &of, &why) !=
            FUSOR_OK)
            return yaml_fail(at, err, "evaluate: %s", why.text);
        FUSOR_TRY(add_metric(w, at, &of, err));
    }
    return FUSOR_OK;
}

static enum fusor_status read_metric(struct workload *w,
                                     const struct yaml_node *at,
                                     const char *name, struct fusor_error *err)
{
    struct metric_spec spec;
    struct fusor_error why;

    if (metric_parse(name, &spec, &why) != FUSOR_OK)
        return yaml_fail(at, err, "evaluate: %s", why.text);
    if (metric_over_groups(&spec) && dataset_n_queries(w->data) == 0)
        return yaml_fail(at, err,
                         "evaluate: %s judges the rows of one query together, "
                         "but the data have no query key",
                         name);
    return add_of_labels(w, at, &spec, err);
}

static enum fusor_status read_metrics(struct workload *w,
                                      struct yaml_node *node,
                                      struct fusor_error *err)
{
    struct fusor_error why;

    for (uint32_t i = 0; i < w->options.n_metrics; i++)
        FUSOR_TRY(read_metric(w, w->options.metric_nodes[i],
                              w->options.metrics[i], err));
    for (uint32_t i = 0; i < w->options.n_stages; i++)
        FUSOR_TRY(check_stop(w, &w->options.stages[i].stop, err));
    if (catalogue_create(w, &w->catalogue, &why) != FUSOR_OK)
        return yaml_fail(node, err, "evaluate: %s", why.text);
    return FUSOR_OK;
}

/* Is this its name, with or without the label? */
static int names_metric(const char *name, const struct metric_spec *spec)
{
    size_t n = strcspn(spec->name, ":");

    return !strcmp(name, spec->name) ||
           (strlen(name) == n && !strncmp(name, spec->name, n));
}

/* Which metrics of the job a group names, as bits; 0: all. */
static uint64_t metrics_of(const struct workload *w,
                           const struct group_rule *rule)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < rule->n_metrics; i++)
        for (uint32_t k = 0; k < w->n_metrics; k++)
            if (names_metric(rule->metrics[i], &w->metrics[k]))
                bits |= 1ull << k;
    return bits;
}

static enum fusor_status read_groups(struct workload *w,
                                     struct fusor_error *err)
{
    for (uint32_t g = 0; g < w->options.n_groups; g++) {
        const struct group_rule *rule = &w->options.groups[g];
        struct slicing_wish wish = {.field = rule->field,
                                    .bins = (uint32_t)rule->bins,
                                    .min = rule->min_group,
                                    .metrics = metrics_of(w, rule)};
        struct fusor_error why;

        if (w->n_metrics == 0)
            return yaml_fail(rule->node, err,
                             "evaluate: no metrics to give by %s: write "
                             "[auc, {by: %s}]",
                             rule->field, rule->field);
        if (slicing_add(w, &wish, &why) != FUSOR_OK)
            return yaml_fail(rule->node, err, "evaluate: %s", why.text);
    }
    return FUSOR_OK;
}

/* By the loss of the stage that trains last. */
static enum fusor_status read_ordered(struct workload *w,
                                      struct fusor_error *err)
{
    uint32_t last = w->options.n_stages;

    while (last && w->options.stages[last - 1].build)
        last--;
    if (last == 0)
        return FUSOR_OK;
    FUSOR_TRY(model_set_loss(w->model, w->options.stages[last - 1].loss, err));
    for (uint32_t k = 0; k < model_n_labels(w->model); k++)
        if (model_loss_only_orders(w->model, k))
            w->only_ordered |= 1u << k;
    return model_set_loss(w->model, NULL, err);
}

/* Is the label that the metric judges only ordered? */
static int is_misjudged(const struct workload *w,
                        const struct metric_spec *spec)
{
    uint32_t k = 0;

    if (!metric_wants_estimates(spec))
        return 0;
    while (k + 1 < model_n_labels(w->model) &&
           strcmp(model_label_name(w->model, k), spec->label) != 0)
        k++;
    return (w->only_ordered >> k & 1) != 0;
}

void workload_say_misjudged(const struct workload *w, struct strbuf *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->n_metrics; i++)
        if (is_misjudged(w, &w->metrics[i]))
            strbuf_addf(out, "%s%s", n++ ? ", " : "", w->metrics[i].name);
    if (n)
        strbuf_addf(out,
                    " compare%s scores with labels, but the last loss only "
                    "orders the items of a query: take ndcg@10, or fit the "
                    "fusion once more by mse or bce",
                    n == 1 ? "s" : "");
}

enum fusor_status workload_read_metrics(struct workload *w,
                                        struct yaml_node *evaluate,
                                        struct fusor_error *err)
{
    size_t len = w->warnings.len;

    FUSOR_TRY(read_metrics(w, evaluate, err));
    FUSOR_TRY(read_groups(w, err));
    FUSOR_TRY(read_ordered(w, err));
    workload_say_misjudged(w, &w->warnings);
    if (w->warnings.len > len)
        strbuf_add(&w->warnings, "\n");
    return w->warnings.failed ? mem_fail(err, "warnings", len) : FUSOR_OK;
}

void workload_describe_metrics(const struct workload *w, struct strbuf *out)
{
    for (uint32_t i = 0; i < w->n_metrics; i++)
        strbuf_addf(out, "%s%s", i ? ", " : "metrics: ", w->metrics[i].name);
    for (uint32_t f = 0; w->slicing && f < w->slicing->n; f++)
        strbuf_addf(out, "; by %s", w->slicing->fields[f].field.spec->name);
    if (w->n_metrics)
        strbuf_add(out, "\n");
}
