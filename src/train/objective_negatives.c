/* What the negatives of a stage are drawn from: the train rows, what words find
 * by bm25 towers, or what a tower ranks when the stage begins. */
#include <string.h>

#include "base/mem.h"
#include "train/found.h"
#include "train/objective.h"

#define TOWERS_MAX 64 /* more than a model has */

static int same_rule(const struct negatives_rule *a,
                     const struct negatives_rule *b)
{
    return !strcmp(a->from, b->from) && a->first == b->first &&
           a->last == b->last;
}

/* By the words of the query: of one bm25 tower, or of all for `search`. Found
 * once for all stages that ask alike. */
static enum fusor_status by_words(struct objectives *o, uint32_t stage,
                                  const struct train_options *options,
                                  const struct dataset *ds,
                                  const struct model *model, int one,
                                  struct fusor_error *err)
{
    const struct negatives_rule *rule = &options->stages[stage].negatives;
    struct negatives *n = &o->stages[stage].negatives;
    unsigned char wanted[TOWERS_MAX] = {0};
    struct finder *finder = NULL;
    struct fusor_error why;
    enum fusor_status rc;

    for (uint32_t s = 0; s < stage; s++)
        if (o->found[s] && same_rule(&options->stages[s].negatives, rule)) {
            n->found = o->found[s];
            return FUSOR_OK;
        }
    wanted[n->tower] = 1;
    rc = finder_create_for(ds, model, one ? wanted : NULL, &finder, &why);
    if (rc == FUSOR_EUSAGE)
        return yaml_fail(rule->node, err, "negatives: %s", why.text);
    if (rc == FUSOR_OK)
        rc = found_create(finder, ds, rule->first, rule->last, &o->found[stage],
                          err);
    else if (err)
        *err = why;
    finder_destroy(finder);
    n->found = o->found[stage];
    return rc;
}

static int names_tower(const struct stage *s, const char *name)
{
    for (uint32_t i = 0; s->names[i]; i++)
        if (!strcmp(s->names[i], name))
            return 1;
    return s->names[0] == NULL;
}

/* Does a stage before this one give the tower values that tell something? */
static int has_learnt(const struct train_options *options, uint32_t stage,
                      const char *tower)
{
    for (uint32_t s = 0; s <= stage; s++) {
        const struct stage *before = &options->stages[s];

        if (before->fold != options->stages[stage].fold)
            continue;
        if (before->init_from ||
            (s < stage && before->epochs && names_tower(before, tower)))
            return 1;
    }
    return 0;
}

static enum fusor_status by_tower(struct objectives *o, uint32_t stage,
                                  const struct train_options *options,
                                  const struct model *model,
                                  struct fusor_error *err)
{
    const struct negatives_rule *rule = &options->stages[stage].negatives;
    struct negatives *n = &o->stages[stage].negatives;

    if (model_fuses_vectors(model))
        return yaml_fail(rule->node, err,
                         "negatives: towers rank no items by themselves, "
                         "because the fusion is over vectors");
    if (options->n_folds && stage == options->head)
        return yaml_fail(rule->node, err,
                         "negatives: those of a stage out of fold are drawn "
                         "before %s has seen all rows: take a bm25 tower or "
                         "uniform",
                         rule->from);
    if (!has_learnt(options, stage, rule->from))
        return yaml_fail(rule->node, err,
                         "negatives: no stage before this one trains or builds "
                         "%s, so that it ranks at random when the stage begins",
                         rule->from);
    n->mined = 1;
    n->first = rule->first;
    n->last = rule->last;
    return FUSOR_OK;
}

enum fusor_status objective_negatives(struct objectives *o, uint32_t stage,
                                      const struct train_options *options,
                                      const struct dataset *ds,
                                      const struct model *model,
                                      struct fusor_error *err)
{
    const struct negatives_rule *rule = &options->stages[stage].negatives;
    struct negatives *n = &o->stages[stage].negatives;
    int one = strcmp(rule->from, "search") != 0;
    struct fusor_error why;

    if (!negatives_rule_searches(rule)) {
        n->from = strcmp(rule->from, "uniform") ? NEGATIVES_POPULARITY
                                                : NEGATIVES_UNIFORM;
        return FUSOR_OK;
    }
    if (one && model_find_tower(model, rule->from, &n->tower, &why) != FUSOR_OK)
        return yaml_fail(rule->node, err,
                         "negatives: from is uniform, popularity, search or a "
                         "tower: %s",
                         why.text);
    if (o->stages[stage].over && rule->own)
        return yaml_fail(rule->node, err,
                         "negatives: a loss over candidates compares with "
                         "items of its own, as it says itself: give the stage "
                         "a loss over rows, such as bpr or lambdarank");
    if (n->per_row == 0)
        return FUSOR_OK;
    n->from = NEGATIVES_FOUND;
    if (one && !finder_takes(model, n->tower))
        return by_tower(o, stage, options, model, err);
    return by_words(o, stage, options, ds, model, one, err);
}
