/* Heads from the job's text: which towers, fusion, output and loss predict
 * which label. */
#include "model/head.h"

#include <stdio.h>
#include <string.h>

#include "model/fusion/mix.h"
#include "model/registry.h"

/* ---- one head ---- */

static enum fusor_status parse_output(struct label_head *h,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    int bce = !strcmp(h->loss->name, "bce");

    if (!at) {
        h->output.kind = bce ? OUTPUT_SIGMOID : OUTPUT_IDENTITY;
        return FUSOR_OK;
    }
    FUSOR_TRY(output_parse(at, &h->output, err));
    if (bce && h->output.kind == OUTPUT_RANGE)
        return yaml_fail(at, err,
                         "loss bce needs output sigmoid (or identity: logits)");
    return FUSOR_OK;
}

/* What towers must know before they are built. */
static enum fusor_status parse_fusion_head(struct fusion *f,
                                           struct yaml_node *at,
                                           struct fusor_error *err)
{
    struct yaml_node *type = yaml_get(at, "type");
    const char *word = "weighted";
    int over = OVER_LOGITS, missing = MISSING_DROP_TOWER;

    if (at && !type)
        return yaml_fail(at, err, "the fusion has no type");
    if (at)
        FUSOR_TRY(yaml_to_text(type, &word, err));
    f->node = at;
    f->kind = registry_fusion(word);
    if (!f->kind)
        return build_unknown(type, "fusion type", word, registry_fusion_names(),
                             err);
    FUSOR_TRY(build_choice(at, "over", fusion_over_names, &over, err));
    f->over = (enum fusion_over)over;
    FUSOR_TRY(build_choice(at, "missing", fusion_missing_names, &missing, err));
    f->missing = (enum fusion_missing)missing;
    f->trained = 1;
    return build_float(at, "drop", 0, 0.95, &f->drop, err);
}

/* Losses of several labels judge rows, each by itself. */
static enum fusor_status check_loss(const struct label_head *h,
                                    struct yaml_node *at,
                                    struct fusor_error *err)
{
    if (loss_judges_rows(h->loss) && !h->loss->pairwise)
        return FUSOR_OK;
    return yaml_fail(at, err,
                     "labels: loss %s compares items; a label of several takes "
                     "a loss over rows or lists of them: bce, mse, huber, "
                     "listnet, listmle or lambdarank",
                     h->loss->name);
}

/* Towers are numbered as the job lists them. */
static enum fusor_status mark_tower(const struct yaml_node *towers,
                                    struct yaml_node *at, unsigned char *marks,
                                    struct fusor_error *err)
{
    const char *names[MAX_TOWERS + 1], *word;
    size_t n = 0;

    FUSOR_TRY(yaml_to_text(at, &word, err));
    for (; n < towers->n; n++) {
        names[n] = towers->keys[n];
        if (!strcmp(word, names[n])) {
            marks[n] = 1;
            return FUSOR_OK;
        }
    }
    names[n] = NULL;
    return build_unknown(at, "tower", word, names, err);
}

static enum fusor_status choose_towers(struct label_head *h,
                                       struct yaml_node *list,
                                       const struct yaml_node *towers,
                                       struct fusor_error *err)
{
    unsigned char marks[MAX_TOWERS];

    memset(marks, list == NULL, sizeof(marks));
    if (list && (list->kind != YAML_LIST || list->n == 0))
        return yaml_fail(list, err, "labels: towers is a list of names");
    for (size_t i = 0; list && i < list->n; i++)
        FUSOR_TRY(mark_tower(towers, list->items[i], marks, err));
    for (uint32_t t = 0; t < towers->n; t++)
        if (marks[t])
            h->fusion.towers[h->fusion.n_towers++] = t;
    return FUSOR_OK;
}

static struct yaml_node *either(struct yaml_node *at, struct yaml_node *job,
                                const char *key)
{
    struct yaml_node *own = yaml_get(at, key);

    return own ? own : yaml_get(job, key);
}

/* ---- all of them ---- */

static enum fusor_status parse_label(struct model *m, struct yaml_node *job,
                                     const char *name, struct yaml_node *at,
                                     struct fusor_error *err)
{
    struct label_head *h = &m->heads[m->n_heads];
    struct yaml_node *loss = either(at, job, "loss");

    if (at->kind != YAML_MAP)
        return yaml_fail(at, err, "labels: %s: expected {field: ...}", name);
    h->fusion.head = m->n_heads++;
    h->weight = 1.0f;
    snprintf(h->name, sizeof(h->name), "%s", name);
    snprintf(h->part, sizeof(h->part), "fusion.%s", name);
    FUSOR_TRY(loss_parse(h, loss, err));
    FUSOR_TRY(check_loss(h, loss ? loss : at, err));
    FUSOR_TRY(build_float(at, "weight", 0, 1e6, &h->weight, err));
    FUSOR_TRY(parse_output(h, either(at, job, "output"), err));
    FUSOR_TRY(
        choose_towers(h, yaml_get(at, "towers"), yaml_get(job, "towers"), err));
    return parse_fusion_head(&h->fusion, either(at, job, "fusion"), err);
}

/* The job's loss, or that of its first stage. */
static struct yaml_node *first_loss(struct yaml_node *job)
{
    struct yaml_node *loss = yaml_get(job, "loss");
    struct yaml_node *stages = yaml_get(job, "stages");

    if (loss || !stages || stages->kind != YAML_LIST || stages->n == 0)
        return loss;
    return yaml_get(stages->items[0], "loss");
}

static enum fusor_status parse_only(struct model *m, struct yaml_node *job,
                                    struct fusor_error *err)
{
    struct label_head *h = &m->heads[0];

    m->n_heads = 1;
    h->weight = 1.0f;
    snprintf(h->part, sizeof(h->part), "fusion");
    m->loss_node = first_loss(job);
    FUSOR_TRY(loss_parse(h, m->loss_node, err));
    FUSOR_TRY(parse_output(h, yaml_get(job, "output"), err));
    FUSOR_TRY(choose_towers(h, NULL, yaml_get(job, "towers"), err));
    return parse_fusion_head(&h->fusion, yaml_get(job, "fusion"), err);
}

int heads_joins(const struct label_head *h, uint32_t tower)
{
    for (uint32_t i = 0; i < h->fusion.n_towers; i++)
        if (h->fusion.towers[i] == tower)
            return 1;
    return 0;
}

static enum fusor_status check_joined(const struct model *m,
                                      const struct yaml_node *towers,
                                      struct fusor_error *err)
{
    for (uint32_t t = 0; t < towers->n; t++) {
        int vectors = 0, scores = 0;

        for (uint32_t k = 0; k < m->n_heads; k++)
            if (heads_joins(&m->heads[k], t))
                *(m->heads[k].fusion.over == OVER_VECTORS ? &vectors
                                                          : &scores) = 1;
        if (!vectors && !scores)
            return yaml_fail(towers->items[t], err,
                             "tower %s speaks about no label: name it in the "
                             "towers of one",
                             towers->keys[t]);
        if (vectors && scores)
            return yaml_fail(towers->items[t], err,
                             "tower %s is joined as a vector for one label and "
                             "as a score for another: make it two",
                             towers->keys[t]);
    }
    return FUSOR_OK;
}

enum fusor_status heads_parse(struct model *m, struct yaml_node *job,
                              struct fusor_error *err)
{
    struct yaml_node *towers = yaml_get(job, "towers");
    struct yaml_node *labels = yaml_get(job, "labels");

    if (!towers || towers->kind != YAML_MAP || towers->n == 0)
        return yaml_fail(towers ? towers : job, err,
                         "the job has no towers: towers: {NAME: {type: ..}}");
    if (towers->n > MAX_TOWERS)
        return yaml_fail(towers, err, "more than %d towers", MAX_TOWERS);
    if (!labels)
        return parse_only(m, job, err);
    if (labels->kind != YAML_MAP || labels->n == 0 ||
        labels->n > BATCH_MAX_LABELS)
        return yaml_fail(labels, err, "labels: expected 1 to %d of NAME: {..}",
                         BATCH_MAX_LABELS);
    m->labelled = 1;
    for (size_t i = 0; i < labels->n; i++)
        FUSOR_TRY(parse_label(m, job, labels->keys[i], labels->items[i], err));
    return check_joined(m, towers, err);
}

int heads_want_vector(const struct model *m, uint32_t tower)
{
    for (uint32_t k = 0; k < m->n_heads; k++)
        if (heads_joins(&m->heads[k], tower))
            return m->heads[k].fusion.over == OVER_VECTORS;
    return 0;
}

enum fusor_status heads_build(struct model *m, struct yaml_node *job,
                              struct fusor_error *err)
{
    m->owner = OWNER_FUSION;
    for (m->head = 0; m->head < m->n_heads; m->head++) {
        struct label_head *h = &m->heads[m->head];

        if (!h->fusion.node && h->fusion.n_towers > 1)
            return yaml_fail(job, err,
                             "%u towers and no fusion: say how they join, e.g. "
                             "fusion: {type: weighted, over: logits}",
                             h->fusion.n_towers);
        FUSOR_TRY(h->fusion.kind->build(m, &h->fusion, h->fusion.node, err));
    }
    return FUSOR_OK;
}

void heads_destroy(struct model *m)
{
    for (uint32_t k = 0; k < m->n_heads; k++)
        if (m->heads[k].fusion.self)
            m->heads[k].fusion.kind->destroy(&m->heads[k].fusion);
}

/* ---- auxiliary losses ---- */

static enum fusor_status find_label(const struct model *m, const char *tower,
                                    uint32_t number, struct yaml_node *at,
                                    uint32_t *head, struct fusor_error *err)
{
    const char *names[BATCH_MAX_LABELS + 1] = {NULL}, *word;

    if (!at) {
        for (*head = 0; !heads_joins(&m->heads[*head], number);)
            ++*head;
        return FUSOR_OK;
    }
    if (!m->labelled)
        return yaml_fail(at, err,
                         "tower %s: aux: the job has one label: delete "
                         "this setting",
                         tower);
    FUSOR_TRY(yaml_to_text(at, &word, err));
    for (*head = 0; *head < m->n_heads; ++*head) {
        names[*head] = m->heads[*head].name;
        if (!strcmp(word, names[*head]))
            return FUSOR_OK;
    }
    return build_unknown(at, "label", word, names, err);
}

enum fusor_status heads_parse_aux(struct model *m, struct tower *t,
                                  struct yaml_node *at, struct fusor_error *err)
{
    static const char *const keys[] = {"label", "loss", "weight", NULL};
    struct yaml_node *loss = yaml_get(at, "loss");
    struct label_head own = {0};

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(build_keys(at, "aux", keys, err));
    if (t->kind->built)
        return yaml_fail(at, err,
                         "tower %s is built, not trained: it takes no "
                         "auxiliary loss",
                         t->name);
    if (t->as_vector)
        return yaml_fail(at, err,
                         "tower %s is joined as a vector: it has no score for "
                         "an auxiliary loss",
                         t->name);
    t->aux.weight = 1.0f;
    FUSOR_TRY(find_label(m, t->name, (uint32_t)t->index, yaml_get(at, "label"),
                         &t->aux.head, err));
    FUSOR_TRY(build_float(at, "weight", 0, 1e6, &t->aux.weight, err));
    own = m->heads[t->aux.head];
    if (loss)
        FUSOR_TRY(loss_parse(&own, loss, err));
    if (!own.loss->eval || own.loss->pairwise)
        return yaml_fail(loss ? loss : at, err,
                         "tower %s: loss %s compares items; an auxiliary loss "
                         "is over rows: bce, mse or huber",
                         t->name, own.loss->name);
    t->aux.loss = own.loss;
    t->aux.loss_param = own.loss_param;
    return FUSOR_OK;
}

/* ---- in words ---- */

static void describe_loss(const struct loss_kind *l, float param,
                          struct strbuf *out)
{
    strbuf_add(out, l->name);
    if (l->param)
        strbuf_addf(out, " %s %g", l->param, (double)param);
}

static void describe_head(const struct model *m, const struct label_head *h,
                          struct strbuf *out)
{
    if (m->labelled) {
        strbuf_addf(out, "  label   %-16s", h->name);
        for (uint32_t i = 0; i < h->fusion.n_towers; i++)
            strbuf_addf(out, "%s %s", i ? "," : "",
                        m->towers[h->fusion.towers[i]].name);
        strbuf_addf(out, "; weight %g\n", (double)h->weight);
    }
    strbuf_addf(out, "  fusion  %s over %s: ", h->fusion.kind->name,
                fusion_over_names[h->fusion.over]);
    h->fusion.kind->describe(&h->fusion, m, out);
    strbuf_add(out, "\n  output  ");
    output_describe(&h->output, out);
    strbuf_add(out, "\n  loss    ");
    describe_loss(h->loss, h->loss_param, out);
    strbuf_add(out, "\n");
}

void heads_describe(const struct model *m, struct strbuf *out)
{
    for (uint32_t k = 0; k < m->n_heads; k++)
        describe_head(m, &m->heads[k], out);
    for (uint32_t t = 0; t < m->n_towers; t++) {
        const struct aux_loss *a = &m->towers[t].aux;

        if (!a->loss)
            continue;
        strbuf_addf(out, "  aux     %-16s ", m->towers[t].name);
        describe_loss(a->loss, a->loss_param, out);
        strbuf_addf(out, ", weight %g%s%s\n", (double)a->weight,
                    m->labelled ? ", of " : "", m->heads[a->head].name);
    }
}
