/* What each stage of a workload learns: its loss fits the labels and the data,
 * and a fusion out of fold has scores to take. */
#include "train/workload_private.h"

#include <string.h>

#include "data/protocol.h"

/* May bce take each label that it is to learn? */
static enum fusor_status check_losses(const struct workload *w,
                                      struct fusor_error *err)
{
    for (uint32_t k = 0; k < model_n_labels(w->model); k++) {
        double lo, hi;

        if (strcmp(model_loss_name(w->model, k), "bce") != 0)
            continue;
        dataset_label_range(w->data, k, &lo, &hi);
        FUSOR_TRY(
            label_check_for_bce(dataset_label_spec(w->data, k), lo, hi, err));
    }
    return FUSOR_OK;
}

static enum fusor_status check_loss(struct workload *w, uint32_t stage,
                                    struct fusor_error *err)
{
    enum fusor_status rc;

    FUSOR_TRY(model_set_loss(w->model, w->options.stages[stage].loss, err));
    rc = w->objectives.stages[stage].over ? FUSOR_OK : check_losses(w, err);
    FUSOR_TRY(rc);
    return model_set_loss(w->model, NULL, err);
}

static enum fusor_status check_negatives(const struct workload *w,
                                         const struct negatives *n,
                                         struct yaml_node *at,
                                         struct fusor_error *err)
{
    double lo, hi;

    if (n->per_row == 0)
        return FUSOR_OK;
    if (dataset_n_queries(w->data) == 0 || dataset_n_items(w->data) < 2)
        return yaml_fail(at, err,
                         "%s draws items, but the data have no query or no "
                         "item key",
                         n->pairwise ? "loss bpr" : "train.negatives");
    for (uint32_t k = 0; k < dataset_n_labels(w->data); k++) {
        dataset_label_range(w->data, k, &lo, &hi);
        if (!n->pairwise && (lo < 0 || hi > 1))
            return yaml_fail(at, err,
                             "train.negatives get label 0, but labels lie "
                             "within [%g, %g]: give the label `map: implicit`, "
                             "or threshold",
                             lo, hi);
    }
    return FUSOR_OK;
}

/* What is changed must be there. */
static enum fusor_status check_augment(const struct workload *w,
                                       struct yaml_node *root,
                                       struct fusor_error *err)
{
    size_t n;

    if (w->options.augment.probability == 0)
        return FUSOR_OK;
    dataset_fields(w->data, &n);
    for (size_t i = 0; i < n; i++)
        if (dataset_is_events(w->data, i))
            return FUSOR_OK;
    return yaml_fail(yaml_path(root, "train.augment"), err,
                     "train.augment changes sequences of earlier events, but "
                     "no field is one: history: {side: query, type: sequence, "
                     "of: item}");
}

/* Scores that need not tell the wanted from the others end up equal. */
static void warn_of_flat(struct workload *w, uint32_t stage)
{
    const struct objective *o = &w->objectives.stages[stage];

    if (o->listwise && o->negatives.per_row && o->share < 0.5f)
        strbuf_addf(&w->warnings,
                    "stage %u: at this temperature listnet wants a row only "
                    "for %.2g %% beside its %u negatives, so scores become "
                    "nearly equal: write loss: {listnet: 0.05}\n",
                    w->options.stages[stage].number + 1, 100 * (double)o->share,
                    o->negatives.per_row);
}

/* Every stage's objective, and room for it. */
enum fusor_status workload_read_objectives(struct workload *w,
                                           struct yaml_node *root,
                                           struct fusor_error *err)
{
    uint32_t most = 0;
    struct plan p;

    FUSOR_TRY(check_augment(w, root, err));
    FUSOR_TRY(objectives_read(&w->objectives, root, &w->options, w->data,
                              w->model, err));
    for (uint32_t s = 0; s < w->options.n_stages; s++) {
        FUSOR_TRY(check_loss(w, s, err));
        FUSOR_TRY(check_negatives(w, &w->objectives.stages[s].negatives,
                                  w->options.stages[s].negatives.node, err));
        warn_of_flat(w, s);
        FUSOR_TRY(workload_plan(w, s, &p, err));
        if (plan_capacity(&p) > most)
            most = plan_capacity(&p);
    }
    objectives_expect(&w->objectives, w->data, most, w->model);
    return FUSOR_OK;
}

/* A fusion out of fold takes scores of towers that are gone. */
enum fusor_status workload_check_head(struct workload *w,
                                      struct yaml_node *root,
                                      struct fusor_error *err)
{
    const struct train_options *o = &w->options;
    const struct yaml_node *at;

    if (o->n_folds == 0)
        return FUSOR_OK;
    for (uint32_t s = 0, told = 0; s < o->n_stages && !told; s++) {
        told = o->stages[s].fold >= 0 && o->stages[s].init_from;
        if (told)
            strbuf_add(&w->warnings,
                       "towers out of fold begin with values of init_from: if "
                       "that run has learnt these rows, their scores are not "
                       "out of fold\n");
    }
    at = yaml_get(root, "stages")->items[o->stages[o->head].number];
    if (model_fuses_vectors(w->model))
        return yaml_fail(at, err,
                         "stages: out of fold the fusion is fitted on towers' "
                         "scores, but it is over vectors: take over: logits or "
                         "scores");
    if (w->objectives.stages[o->head].over)
        return yaml_fail(at, err,
                         "stages: a loss over candidates does not train the "
                         "fusion: give the stage out of fold a loss over rows, "
                         "such as bce or bpr");
    return FUSOR_OK;
}

/* Why a stage cannot tell what is largest of a query, or NULL. */
static const char *why_alone(const struct workload *w, uint32_t s)
{
    const struct objective *o = &w->objectives.stages[s];

    if (w->options.stages[s].build || w->options.stages[s].apart || o->over ||
        o->listwise || o->negatives.per_row)
        return NULL;
    return "a row by itself is the largest of its query: give "
           "train.negatives, or a loss over lists such as listnet";
}

enum fusor_status workload_check_queries(const struct workload *w,
                                         struct yaml_node *root,
                                         struct fusor_error *err)
{
    const struct yaml_node *at = yaml_path(root, "fusion.normalise");
    const struct protocol_ops *p =
        protocol_find(dataset_schema(w->data)->protocol, NULL);
    const char *why = NULL;

    if (!model_normalises_queries(w->model))
        return FUSOR_OK;
    if (w->options.privacy.clip > 0)
        why = "with privacy a sample is not compared with others";
    for (uint32_t s = 0; !why && s < w->options.n_stages; s++)
        why = why_alone(w, s);
    for (uint32_t i = 0; !why && i < w->n_metrics; i++)
        if (!metric_over_groups(&w->metrics[i]))
            why = "a metric of rows by themselves knows no query: evaluate "
                  "metrics of rankings, such as ndcg@10";
    if (!why && w->n_metrics &&
        (!p || !(p->flags & (PROTOCOL_RANKS_ROWS | PROTOCOL_RANKS_QUERIES))))
        why = "the protocol ranks no candidates: prepare by qrels or loo-full";
    return why ? yaml_fail(at ? at : root, err, "per_query_max: %s", why)
               : FUSOR_OK;
}
