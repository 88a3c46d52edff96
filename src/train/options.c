/* Reads the training sections of a job file through their option tables. */
#include "train/options.h"

#include <stdio.h>
#include <string.h>

#include "tensor/gemm.h"
#include "train/stages.h"

static const char *const order_names[] = {"random", "by_user", "time", NULL};

static const char *const samples_names[] = {"auto", "events", "sequences",
                                            NULL};
static const char *const window_names[] = {"last", "random", NULL};

const struct option_spec train_section_specs[] = {
    OPTION_SIZE(struct train_section, global_batch, "4096", 1, 1e8,
                "samples in one step over all workers"),
    OPTION_SIZE(struct train_section, micro_batches, "0", 0, 16,
                "pieces of a step; 0: global_batch / 512 within 1..16"),
    OPTION_INT(struct train_section, epochs, "10", 0, 1e6,
               "passes over the rows, where a stage says nothing else"),
    OPTION_SIZE(struct train_section, seed, "1", 0, 9e15,
                "of every random number of the job"),
    OPTION_ENUM(struct train_section, order, "random", order_names,
                "rows of an epoch: shuffled, shuffled in runs of one user, as "
                "they stand"),
    OPTION_SIZE(struct train_section, run, "32", 1, 1e6,
                "by_user, and lists of a loss over lists: most samples of one "
                "user in a run"),
    OPTION_INT(struct train_section, depth, "1", 1, 7,
               "steps whose keys travel ahead; 2 to 4 hide a slow network "
               "from cluster.read: early, nothing hides it at staleness 0"),
    OPTION_INT(struct train_section, eval_every, "1", 1, 1e6,
               "epochs between evaluations on the validation rows"),
    OPTION_SIZE(struct train_section, negatives, "0", 0, NEGATIVES_MAX,
                "sampled items of label 0 that follow each positive row; with "
                "loss bpr pairs for each, at least 1"),
    OPTION_TEXT(struct train_section, negatives_from, "uniform",
                "what they are drawn of: uniform, all items; popularity, train "
                "rows; search, what the words of the query find by the bm25 "
                "towers; or TOWER, what it ranks when the stage begins"),
    OPTION_TEXT(struct train_section, negatives_rank, "200",
                "of those found for the query: the first 200, or 10..200"),
    OPTION_ENUM(struct train_section, samples, "auto", samples_names,
                "each train event, or each query's events as one sequence "
                "trained at every position; auto: sequences where a loss over "
                "candidates meets towers that can"),
    OPTION_ENUM(struct train_section, window, "last", window_names,
                "events of a sequence longer than its field: the last, or "
                "those up to one drawn each epoch"),
    OPTION_ENUM(struct train_section, matmul, "f32", gemm_arithmetic_names,
                "products of dense layers and of losses over candidates in a "
                "step; bf16 rounds their factors to 8 bits and needs AMX"),
    OPTION_TEXT(struct train_section, trace, "",
                "write what every thread does in the first steps there, for "
                "chrome://tracing or Perfetto"),
    OPTION_SIZE(struct train_section, trace_steps, "200", 1, 1e5,
                "steps of each thread in the trace"),
    OPTION_NODE(struct train_section, augment,
                "{crop: 0.6, mask: 0.3, reorder: 0.2, probability: 0.5}: train "
                "on changed sequences of events"),
    OPTION_NODE(struct train_section, stop,
                "{metric: auc, patience: 2}: stop when it no longer improves"),
    OPTION_NODE(struct train_section, plateau,
                "{factor: 0.1, patience: 1}: lower the learning rate when the "
                "stop metric (or the first of evaluate) no longer improves"),
    OPTION_END,
};

struct augment_section {
    double crop, mask, reorder, probability;
};

static const struct option_spec augment_specs[] = {
    OPTION_DOUBLE(struct augment_section, crop, "0", 0, 1,
                  "keep a run of so large a share of the events; 0: do not"),
    OPTION_DOUBLE(struct augment_section, mask, "0", 0, 1,
                  "replace so large a share by the unknown item; 0: do not"),
    OPTION_DOUBLE(struct augment_section, reorder, "0", 0, 1,
                  "shuffle a run of so large a share; 0: do not"),
    OPTION_DOUBLE(struct augment_section, probability, "0.5", 0, 1,
                  "that a sample gets one of those"),
    OPTION_END,
};

static enum fusor_status read_augment(struct yaml_node *node,
                                      struct train_options *out,
                                      struct fusor_error *err)
{
    struct augment_section s;

    if (!node)
        return FUSOR_OK;
    FUSOR_TRY(option_read(augment_specs, node, "train.augment", &s, err));
    if (s.crop + s.mask + s.reorder == 0)
        return yaml_fail(node, err,
                         "train.augment: give crop, mask or reorder a share "
                         "above 0");
    out->augment = (struct augment){s.crop, s.mask, s.reorder, s.probability,
                                    out->train.seed};
    return FUSOR_OK;
}

struct group_section {
    struct yaml_node *by, *metrics;
    uint64_t bins, min_group;
};

static const struct option_spec group_specs[] = {
    OPTION_NODE(struct group_section, by,
                "field, or fields, for each value of which metrics are given"),
    OPTION_NODE(struct group_section, metrics, "which of them; else all"),
    OPTION_SIZE(struct group_section, bins, "4", 2, 100,
                "groups of a number, of equal size"),
    OPTION_SIZE(struct group_section, min_group, "10", 1, 1e15,
                "rows or queries of a group that tells"),
    OPTION_END,
};

static enum fusor_status add_metric(struct yaml_node *at,
                                    struct train_options *out,
                                    struct fusor_error *err)
{
    const char *name;

    FUSOR_TRY(yaml_to_text(at, &name, err));
    if (out->n_metrics == TRAIN_MAX_METRICS)
        return yaml_fail(at, err, "evaluate: more than %d metrics",
                         TRAIN_MAX_METRICS);
    out->metric_nodes[out->n_metrics] = at;
    out->metrics[out->n_metrics++] = name;
    return FUSOR_OK;
}

static enum fusor_status read_group_metrics(struct yaml_node *list,
                                            struct group_rule *rule,
                                            struct fusor_error *err)
{
    if (!list)
        return FUSOR_OK;
    if (list->kind != YAML_LIST || list->n == 0 || list->n > TRAIN_MAX_METRICS)
        return yaml_fail(list, err,
                         "evaluate: by: metrics is a list of 1 to %d names",
                         TRAIN_MAX_METRICS);
    for (size_t i = 0; i < list->n; i++)
        FUSOR_TRY(yaml_to_text(list->items[i], &rule->metrics[i], err));
    rule->n_metrics = (uint32_t)list->n;
    return FUSOR_OK;
}

static enum fusor_status add_group(const struct group_rule *rule,
                                   struct yaml_node *by,
                                   struct train_options *out,
                                   struct fusor_error *err)
{
    if (out->n_groups == TRAIN_MAX_GROUPS)
        return yaml_fail(by, err, "evaluate: metrics by more than %d fields",
                         TRAIN_MAX_GROUPS);
    out->groups[out->n_groups] = *rule;
    return yaml_to_text(by, &out->groups[out->n_groups++].field, err);
}

static enum fusor_status read_group(struct yaml_node *node,
                                    struct train_options *out,
                                    struct fusor_error *err)
{
    struct group_section s;
    struct group_rule rule = {.node = node};

    FUSOR_TRY(option_read(group_specs, node, "evaluate", &s, err));
    if (!s.by)
        return yaml_fail(node, err,
                         "evaluate: this map names no field: write {by: "
                         "FIELD, metrics: [auc]}");
    FUSOR_TRY(read_group_metrics(s.metrics, &rule, err));
    rule.bins = s.bins;
    rule.min_group = s.min_group;
    if (s.by->kind != YAML_LIST)
        return add_group(&rule, s.by, out, err);
    for (size_t i = 0; i < s.by->n; i++)
        FUSOR_TRY(add_group(&rule, s.by->items[i], out, err));
    return FUSOR_OK;
}

/* What is only asked for by group is a metric of the whole too. */
static enum fusor_status take_group_metrics(struct train_options *out,
                                            struct fusor_error *err)
{
    for (uint32_t g = 0; g < out->n_groups; g++) {
        struct yaml_node *list = yaml_get(out->groups[g].node, "metrics");

        for (uint32_t i = 0; i < out->groups[g].n_metrics; i++) {
            uint32_t k = 0;

            while (k < out->n_metrics &&
                   strcmp(out->metrics[k], out->groups[g].metrics[i]))
                k++;
            if (k == out->n_metrics)
                FUSOR_TRY(add_metric(list->items[i], out, err));
        }
    }
    return FUSOR_OK;
}

/* The job's own is that of its first stage. */
static enum fusor_status read_init_from(struct yaml_node *node,
                                        struct train_options *out,
                                        struct fusor_error *err)
{
    if (!node)
        return FUSOR_OK;
    if (out->stages[0].init_from)
        return yaml_fail(node, err,
                         "init_from: the first stage has one too; leave one of "
                         "them away");
    for (uint32_t s = 0; s < out->n_stages; s++)
        if (out->stages[s].number == 0) // without each fold too
            out->stages[s].init_from = node;
    return FUSOR_OK;
}

static enum fusor_status read_metrics(struct yaml_node *node,
                                      struct train_options *out,
                                      struct fusor_error *err)
{
    if (!node)
        return FUSOR_OK;
    if (node->kind != YAML_LIST)
        return yaml_fail(node, err,
                         "evaluate: want a list of at most %d metrics, such "
                         "as [auc, logloss]",
                         TRAIN_MAX_METRICS);
    for (size_t i = 0; i < node->n; i++)
        FUSOR_TRY(node->items[i]->kind == YAML_MAP
                      ? read_group(node->items[i], out, err)
                      : add_metric(node->items[i], out, err));
    return take_group_metrics(out, err);
}

const char *train_stage_text(const struct train_options *o, uint32_t stage,
                             char out[48])
{
    const struct stage *s = &o->stages[stage];

    if (s->fold >= 0)
        snprintf(out, 48, "fold %d/%u stage %u", s->fold + 1, o->n_folds,
                 s->number + 1);
    else
        snprintf(out, 48, "stage %u", s->number + 1);
    return out;
}

enum fusor_status train_options_read(struct yaml_node *job,
                                     struct train_options *out,
                                     struct fusor_error *err)
{
    memset(out, 0, sizeof(*out));
    FUSOR_TRY(option_read(train_section_specs, yaml_get(job, "train"), "train",
                          &out->train, err));
    FUSOR_TRY(negatives_rule_of_job(&out->train, yaml_get(job, "train"),
                                    &out->negatives, err));
    FUSOR_TRY(read_augment(out->train.augment, out, err));
    FUSOR_TRY(guarantee_read(yaml_get(job, "privacy"), &out->privacy, err));
    FUSOR_TRY(stages_read(yaml_get(job, "stages"), out, err));
    FUSOR_TRY(read_init_from(yaml_get(job, "init_from"), out, err));
    return read_metrics(yaml_get(job, "evaluate"), out, err);
}
