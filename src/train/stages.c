/* The list of stages as the job writes it, and the longer one that a stage out
 * of fold makes of it. */
#include "train/stages.h"

#include <stdio.h>
#include <string.h>

#include "data/dataset.h"

struct stop_section {
    const char *metric;
    int64_t patience;
};

static const struct option_spec stop_specs[] = {
    OPTION_TEXT(struct stop_section, metric, NULL, "one of evaluate"),
    OPTION_INT(struct stop_section, patience, "2", 0, 1e6,
               "evaluations without a better value"),
    OPTION_END,
};

struct plateau_section {
    double factor;
    int64_t patience;
};

static const struct option_spec plateau_specs[] = {
    OPTION_DOUBLE(struct plateau_section, factor, "0.1", 0, 1,
                  "the learning rate is multiplied by it"),
    OPTION_INT(struct plateau_section, patience, "0", 0, 1e6,
               "evaluations without a better value"),
    OPTION_END,
};

struct stage_section {
    struct yaml_node *train, *build;
    int apart;
    const char *rows;
    int64_t epochs;
    struct yaml_node *optimizer, *loss, *negatives, *stop, *plateau;
    struct yaml_node *init_from;
    struct yaml_node *pairs;
};

static const struct option_spec stage_specs[] = {
    OPTION_NODE(struct stage_section, train,
                "[towers, encoders, fusion] to train"),
    OPTION_NODE(struct stage_section, build,
                "[towers] to build from the train rows instead: ease, knn, "
                "ials, content, bm25, lsa"),
    OPTION_BOOL(struct stage_section, apart, "false",
                "the towers it trains are a model of their own, the sum of "
                "their scores, as if the other towers were not there"),
    OPTION_TEXT(struct stage_section, rows, "train",
                "which rows it is fitted on: train, validation or "
                "out_of_fold(5)"),
    OPTION_INT(struct stage_section, epochs, "-1", -1, 1e6,
               "passes; -1: as train.epochs"),
    OPTION_NODE(struct stage_section, optimizer, "as the job's optimizer"),
    OPTION_NODE(struct stage_section, loss, "as the job's loss"),
    OPTION_NODE(struct stage_section, pairs,
                "judged (the rows), or title_to_body: every item that has both "
                "texts, asked for by its title, to be found by its body"),
    OPTION_NODE(struct stage_section, negatives,
                "{n: 16, from: bm25, rank: 10..200}, or a number: as "
                "train.negatives, negatives_from and negatives_rank"),
    OPTION_NODE(struct stage_section, stop, "as train.stop"),
    OPTION_NODE(struct stage_section, plateau, "as train.plateau"),
    OPTION_NODE(struct stage_section, init_from,
                "{checkpoint: RUN, tables: [..], towers: [..]}: begin with "
                "values of another run"),
    OPTION_END,
};

static enum fusor_status read_stop(struct yaml_node *node, const char *where,
                                   struct stop_rule *out,
                                   struct fusor_error *err)
{
    struct stop_section s;
    int64_t patience;

    memset(out, 0, sizeof(*out));
    if (!node)
        return FUSOR_OK;
    /* The short form {ndcg@10: 8} names metric and patience at once. */
    if (node->kind == YAML_MAP && node->n == 1 &&
        strcmp(node->keys[0], "metric") != 0) {
        s.metric = node->keys[0];
        FUSOR_TRY(yaml_to_i64(node->items[0], &patience, err));
        s.patience = patience;
    } else {
        FUSOR_TRY(option_read(stop_specs, node, where, &s, err));
    }
    snprintf(out->metric, sizeof(out->metric), "%s", s.metric);
    out->patience = (int)s.patience;
    out->node = node;
    return FUSOR_OK;
}

static enum fusor_status read_plateau(struct yaml_node *node,
                                      struct plateau_rule *out,
                                      struct fusor_error *err)
{
    struct plateau_section s;

    out->factor = 1;
    out->patience = 0;
    if (!node)
        return FUSOR_OK;
    FUSOR_TRY(option_read(plateau_specs, node, "plateau", &s, err));
    out->factor = s.factor;
    out->patience = (int)s.patience;
    return FUSOR_OK;
}

static enum fusor_status read_names(struct yaml_node *node, struct stage *out,
                                    struct fusor_error *err)
{
    if (!node)
        return FUSOR_OK;
    if (node->kind != YAML_LIST || node->n == 0 || node->n > TRAIN_MAX_NAMES)
        return yaml_fail(node, err,
                         "stages: train and build want a list of 1 to %d tower "
                         "names",
                         TRAIN_MAX_NAMES);
    for (size_t i = 0; i < node->n; i++)
        FUSOR_TRY(yaml_to_text(node->items[i], &out->names[i], err));
    return FUSOR_OK;
}

/* Rows are computed once: nothing of what trains has a meaning. */
static enum fusor_status read_build(struct yaml_node *node,
                                    const struct stage_section *s,
                                    struct stage *out, struct fusor_error *err)
{
    if (node->n > 1)
        return yaml_fail(node, err,
                         "stages: a stage that builds is {build: [TOWER, ...]} "
                         "and nothing else");
    *out = (struct stage){.build = 1,
                          .split = SPLIT_TRAIN,
                          .epochs = 1,
                          .plateau = {1, 0},
                          .fold = -1};
    return read_names(s->build, out, err);
}

/* train | validation | out_of_fold(K)
 * @param folds K, else 0 */
static enum fusor_status read_rows(struct yaml_node *node, const char *text,
                                   struct stage *out, uint32_t *folds,
                                   struct fusor_error *err)
{
    unsigned n = 0;
    int end = 0;

    *folds = 0;
    out->split = SPLIT_TRAIN;
    if (strcmp(text, "train") == 0)
        return FUSOR_OK;
    if (strcmp(text, "validation") == 0) {
        out->split = SPLIT_VALID;
        return FUSOR_OK;
    }
    if (sscanf(text, "out_of_fold(%2u)%n", &n, &end) != 1 || !end ||
        text[end] || n < 2 || n > TRAIN_MAX_FOLDS)
        return yaml_fail(yaml_get(node, "rows"), err,
                         "stages: rows is \"%.40s\", but must be train, "
                         "validation or out_of_fold(K) with K from 2 to %d",
                         text, TRAIN_MAX_FOLDS);
    *folds = n;
    if (!out->names[0] || strcmp(out->names[0], "fusion") || out->names[1])
        return yaml_fail(node, err,
                         "stages: out of fold only the fusion is fitted: want "
                         "{train: [fusion], rows: %s}",
                         text);
    return FUSOR_OK;
}

/* judged | ONE_to_OTHER; whether the texts are there is for the data to say. */
static enum fusor_status read_pairs(struct yaml_node *node, struct stage *out,
                                    struct fusor_error *err)
{
    const char *text;

    if (!node)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_text(node, &text, err));
    if (strcmp(text, "judged") == 0)
        return FUSOR_OK;
    out->pairs = node;
    if (out->split == SPLIT_TRAIN)
        return FUSOR_OK;
    return yaml_fail(
        node, err, "stages: pairs of texts are of all items: leave rows away");
}

static enum fusor_status read_stage(struct yaml_node *node,
                                    const struct train_options *job,
                                    const struct stage *fallback,
                                    struct stage *out, uint32_t *folds,
                                    struct fusor_error *err)
{
    struct stage_section s;

    *folds = 0;
    FUSOR_TRY(option_read(stage_specs, node, "stages", &s, err));
    if (s.build)
        return read_build(node, &s, out, err);
    *out = *fallback;
    FUSOR_TRY(read_names(s.train, out, err));
    FUSOR_TRY(read_rows(node, s.rows, out, folds, err));
    out->apart = s.apart;
    if (s.apart && !out->names[0])
        return yaml_fail(yaml_get(node, "apart"), err,
                         "stages: which towers are trained apart? Name them "
                         "under `train`");
    out->epochs = s.epochs >= 0 ? s.epochs : job->train.epochs;
    out->optimizer = s.optimizer;
    out->loss = s.loss;
    out->init_from = s.init_from;
    FUSOR_TRY(negatives_rule_read(s.negatives, &out->negatives, err));
    FUSOR_TRY(read_pairs(s.pairs, out, err));
    if (s.stop)
        FUSOR_TRY(read_stop(s.stop, "stop", &out->stop, err));
    if (s.plateau)
        FUSOR_TRY(read_plateau(s.plateau, &out->plateau, err));
    return FUSOR_OK;
}

/* Repeat the first n stages for each fold and once more, before the others. */
static enum fusor_status unfold(struct yaml_node *node, uint32_t n,
                                struct train_options *out,
                                struct fusor_error *err)
{
    uint32_t rest = out->n_stages - n, at = n * (out->n_folds + 1);
    uint32_t first = 0, last = n;

    while (first < n && out->stages[first].epochs == 0)
        first++;
    while (last > first && out->stages[last - 1].epochs == 0)
        last--;
    if (first == n)
        return yaml_fail(node, err,
                         "stages: no stage before the one out of fold trains "
                         "or builds anything whose scores it could take");
    memmove(&out->stages[at], &out->stages[n], rest * sizeof(*out->stages));
    for (uint32_t pass = out->n_folds + 1; pass-- > 0;)
        for (uint32_t s = 0; s < n; s++) {
            struct stage *to = &out->stages[pass * n + s];

            *to = out->stages[s];
            to->fold = pass < out->n_folds ? (int)pass : -1;
            to->begins = s == first;
            to->ends = s == last - 1 && to->fold >= 0;
        }
    out->head = at;
    out->n_stages = at + rest;
    return FUSOR_OK;
}

enum fusor_status stages_read(struct yaml_node *node, struct train_options *out,
                              struct fusor_error *err)
{
    struct stage whole = {.split = SPLIT_TRAIN,
                          .epochs = out->train.epochs,
                          .negatives = out->negatives,
                          .fold = -1};
    uint32_t head = 0, folds;

    FUSOR_TRY(read_stop(out->train.stop, "train.stop", &whole.stop, err));
    FUSOR_TRY(read_plateau(out->train.plateau, &whole.plateau, err));
    if (!node) {
        out->n_stages = 1;
        out->stages[0] = whole;
        return FUSOR_OK;
    }
    if (node->kind != YAML_LIST || node->n == 0 || node->n > TRAIN_MAX_STAGES)
        return yaml_fail(node, err, "stages: want a list of 1 to %d stages",
                         TRAIN_MAX_STAGES);
    out->n_stages = (uint32_t)node->n;
    for (uint32_t i = 0; i < out->n_stages; i++) {
        FUSOR_TRY(read_stage(node->items[i], out, &whole, &out->stages[i],
                             &folds, err));
        out->stages[i].number = i;
        if (folds && out->n_folds)
            return yaml_fail(node->items[i], err,
                             "stages: a second stage out of fold: at most one "
                             "is possible");
        if (folds) {
            out->n_folds = folds;
            head = i;
        }
    }
    return out->n_folds ? unfold(node->items[head], head, out, err) : FUSOR_OK;
}
