/* Resolves the optimizer settings of a job to one rule per table and block. */
#include "train/rules.h"

#include <string.h>

#include "model/built.h"

static int is_rule(const char *key)
{
    for (int k = 0; k < OPTIM_N_KINDS; k++)
        if (strcmp(optim_name((enum optim_kind)k), key) == 0)
            return 1;
    return 0;
}

/* An optimizer section: a rule for all, or for tables and blocks apart. */
struct section {
    struct optim_spec tables, blocks;
    int has_tables, has_blocks; // said so
    struct yaml_node *l2;       // table name -> setting, or NULL
};

/* The map with nothing but one entry. */
static struct yaml_node only_entry(const struct yaml_node *map, size_t entry)
{
    struct yaml_node only = *map;

    only.n = 1;
    only.keys = map->keys + entry;
    only.items = map->items + entry;
    return only;
}

static void set_both(struct section *out, const struct optim_spec *spec)
{
    out->tables = out->blocks = *spec;
    out->has_tables = out->has_blocks = 1;
}

/* {adam: ...} beside tables, blocks and l2. */
static enum fusor_status read_entries(struct yaml_node *node,
                                      struct section *out,
                                      struct fusor_error *err)
{
    const char *names[OPTIM_N_KINDS + 4] = {"tables", "blocks", "l2"};
    const char *rule = NULL;

    for (int k = 0; k < OPTIM_N_KINDS; k++)
        names[3 + k] = optim_name((enum optim_kind)k);
    for (size_t i = 0; i < node->n; i++) {
        struct yaml_node only = only_entry(node, i);
        struct optim_spec spec;

        if (!is_rule(node->keys[i])) {
            FUSOR_TRY(option_check_keys(&only, names, "optimizer", err));
            continue;
        }
        if (rule)
            return yaml_fail_key(node->items[i], err,
                                 "optimizer: two rules, %s and %s; give tables "
                                 "and blocks rules of their own under `tables` "
                                 "and `blocks`",
                                 rule, node->keys[i]);
        rule = node->keys[i];
        FUSOR_TRY(optim_parse(&only, &spec, err));
        set_both(out, &spec);
    }
    return FUSOR_OK;
}

static enum fusor_status read_section(struct yaml_node *node,
                                      struct section *out,
                                      struct fusor_error *err)
{
    struct optim_spec spec;

    if (node->kind != YAML_MAP) {
        FUSOR_TRY(optim_parse(node, &spec, err));
        set_both(out, &spec);
        return FUSOR_OK;
    }
    FUSOR_TRY(read_entries(node, out, err));
    if (yaml_get(node, "tables")) {
        FUSOR_TRY(optim_parse(yaml_get(node, "tables"), &out->tables, err));
        out->has_tables = 1;
    }
    if (yaml_get(node, "blocks")) {
        FUSOR_TRY(optim_parse(yaml_get(node, "blocks"), &out->blocks, err));
        out->has_blocks = 1;
    }
    out->l2 = yaml_get(node, "l2");
    return FUSOR_OK;
}

/* A new rule, under which an l2 that was given by name goes on (ftrl has its
 * own). */
static void replace_rule(struct optim_spec *spec, const struct optim_spec *rule)
{
    double l2 = spec->l2;
    int scope = spec->l2_scope;

    *spec = *rule;
    if (rule->l2_scope == OPTIM_L2_NONE && rule->kind != OPTIM_FTRL) {
        spec->l2 = l2;
        spec->l2_scope = scope;
    }
}

static enum fusor_status apply_l2(const struct section *s,
                                  const struct param_spec *p,
                                  struct optim_spec *tables,
                                  struct fusor_error *err)
{
    if (!s->l2)
        return FUSOR_OK;
    if (s->l2->kind != YAML_MAP)
        return yaml_fail(s->l2, err,
                         "optimizer.l2 wants tables by name: {emb: 1.0e-5} or "
                         "{emb: {value: 1.0e-5, scope: table}}");
    for (size_t i = 0; i < s->l2->n; i++) {
        const char *names[PARAM_MAX_TABLES + 1];
        int found = 0;

        for (uint32_t t = 0; t < p->n_tables; t++) {
            names[t] = p->tables[t].name;
            if (!str_matches(s->l2->keys[i], p->tables[t].name))
                continue;
            found = 1;
            FUSOR_TRY(optim_parse_l2(s->l2->items[i], &tables[t], err));
        }
        names[p->n_tables] = NULL;
        if (!found) {
            const char *near = str_nearest(s->l2->keys[i], names);

            return yaml_fail_key(s->l2->items[i], err,
                                 "optimizer.l2: there is no table \"%s\"%s%s%s",
                                 s->l2->keys[i],
                                 near ? "; did you mean \"" : "",
                                 near ? near : "", near ? "\"?" : "");
        }
    }
    return FUSOR_OK;
}

/* Does the stage that m is set to train read this table, and only it? */
static int only_trained(const struct model *m, uint32_t table)
{
    uint32_t n, found = 0;
    const struct model_lookup *lookups = model_lookups(m, &n);

    for (uint32_t l = 0; l < n; l++) {
        if (lookups[l].table != table)
            continue;
        if (!model_lookup_is_trained(m, l))
            return 0;
        found = 1;
    }
    return found;
}

/* Do two stages train a tower, or the fusion, both? */
static const char *shared_part(const struct stage *a, const struct stage *b)
{
    if (!a->names[0] || !b->names[0])
        return a->names[0] ? a->names[0] : b->names[0] ? b->names[0] : "all";
    for (int i = 0; a->names[i]; i++)
        for (int k = 0; b->names[k]; k++)
            if (strcmp(a->names[i], b->names[k]) == 0)
                return a->names[i];
    return NULL;
}

/* A rule, and the state it keeps, hold for the whole job: what two stages train
 * cannot have one of a stage. */
static enum fusor_status check_alone(const struct train_options *options,
                                     uint32_t number, struct fusor_error *err)
{
    const struct stage *stage = &options->stages[number];

    for (uint32_t i = 0; i < options->n_stages; i++) {
        const char *part = shared_part(stage, &options->stages[i]);

        if (options->stages[i].number != stage->number && part)
            return yaml_fail(stage->optimizer, err,
                             "stage %u has an optimizer of its own, but stage "
                             "%u trains %s too, and a rule holds for the whole "
                             "job: write it under `optimizer` or "
                             "tables.NAME.optimizer",
                             stage->number + 1, options->stages[i].number + 1,
                             part);
    }
    return FUSOR_OK;
}

static enum fusor_status apply_stage(const struct train_options *options,
                                     uint32_t number, struct model *m,
                                     struct optim_spec *tables,
                                     struct optim_spec *blocks,
                                     struct fusor_error *err)
{
    const struct param_spec *p = model_params(m);
    const struct stage *stage = &options->stages[number];
    struct section s = {0};

    if (!stage->optimizer)
        return FUSOR_OK;
    FUSOR_TRY(check_alone(options, number, err));
    FUSOR_TRY(read_section(stage->optimizer, &s, err));
    FUSOR_TRY(model_set_trained(m, stage->names[0] ? stage->names : NULL, err));
    for (uint32_t t = 0; t < p->n_tables; t++)
        if (s.has_tables && only_trained(m, t))
            replace_rule(&tables[t], &s.tables);
    for (uint32_t b = 0; b < p->n_blocks; b++)
        if (s.has_blocks && model_block_trained(m, b))
            blocks[b] = s.blocks;
    return apply_l2(&s, p, tables, err);
}

static enum fusor_status apply_table(const struct model *m, uint32_t table,
                                     struct optim_spec *spec,
                                     struct fusor_error *err)
{
    struct yaml_node *node = model_table_node(m, table);
    struct section s = {0};

    if (!node || node->kind != YAML_MAP)
        return FUSOR_OK;
    if (yaml_get(node, "optimizer")) {
        FUSOR_TRY(read_section(yaml_get(node, "optimizer"), &s, err));
        if (s.has_tables)
            replace_rule(spec, &s.tables);
    }
    if (yaml_get(node, "l2"))
        return optim_parse_l2(yaml_get(node, "l2"), spec, err);
    return FUSOR_OK;
}

/* Rows of a built tower become what is pushed. */
static void apply_built(const struct model *m, struct optim_spec *tables)
{
    for (uint32_t t = 0; t < model_n_towers(m); t++) {
        const struct built *b = model_built(m, t);

        for (uint32_t k = 0; b && k < b->n_tables; k++) {
            optim_spec_default(OPTIM_EMA, &tables[b->tables[k]]);
            tables[b->tables[k]].momentum = 1;
        }
    }
}

/* Batch statistics and biases keep to their own. */
static void apply_kind(const struct block_spec *b, struct optim_spec *spec)
{
    if (b->bn_momentum > 0) {
        optim_spec_default(OPTIM_EMA, spec);
        spec->momentum = b->bn_momentum;
    } else if (b->is_bias) {
        spec->l2 = 0;
        spec->l2_scope = OPTIM_L2_NONE;
    }
}

static void last_for(struct optim_spec *spec, int64_t epochs)
{
    if (spec->epochs < (uint64_t)epochs)
        spec->epochs = (uint64_t)epochs;
}

/* Schedules without an end of their own go to that of the stage that trains;
 * where several do, of the longest. */
static enum fusor_status apply_epochs(const struct train_options *options,
                                      struct model *m,
                                      struct optim_spec *tables,
                                      struct optim_spec *blocks,
                                      struct fusor_error *err)
{
    const struct param_spec *p = model_params(m);
    uint32_t n;
    const struct model_lookup *lookups = model_lookups(m, &n);

    for (uint32_t i = 0; i < options->n_stages; i++) {
        const struct stage *stage = &options->stages[i];

        FUSOR_TRY(
            model_set_trained(m, stage->names[0] ? stage->names : NULL, err));
        for (uint32_t l = 0; l < n; l++)
            if (model_lookup_is_trained(m, l))
                last_for(&tables[lookups[l].table], stage->epochs);
        for (uint32_t b = 0; b < p->n_blocks; b++)
            if (model_block_trained(m, b))
                last_for(&blocks[b], stage->epochs);
    }
    return FUSOR_OK;
}

enum fusor_status rules_read(struct yaml_node *job,
                             const struct train_options *options,
                             struct model *m, struct optim_spec *tables,
                             struct optim_spec *blocks, struct fusor_error *err)
{
    const struct param_spec *p = model_params(m);
    struct yaml_node *node = yaml_get(job, "optimizer");
    struct section s = {0};

    optim_spec_default(OPTIM_ADAM, &s.tables);
    optim_spec_default(OPTIM_ADAM, &s.blocks);
    if (node)
        FUSOR_TRY(read_section(node, &s, err));
    for (uint32_t t = 0; t < p->n_tables; t++)
        tables[t] = s.tables;
    for (uint32_t b = 0; b < p->n_blocks; b++)
        blocks[b] = s.blocks;
    FUSOR_TRY(apply_l2(&s, p, tables, err));
    for (uint32_t i = 0; i < options->n_stages; i++)
        FUSOR_TRY(apply_stage(options, i, m, tables, blocks, err));
    for (uint32_t t = 0; t < p->n_tables; t++)
        FUSOR_TRY(apply_table(m, t, &tables[t], err));
    FUSOR_TRY(apply_epochs(options, m, tables, blocks, err));
    FUSOR_TRY(model_set_trained(m, NULL, err));
    apply_built(m, tables);
    for (uint32_t b = 0; b < p->n_blocks; b++)
        apply_kind(&p->blocks[b], &blocks[b]);
    return FUSOR_OK;
}
