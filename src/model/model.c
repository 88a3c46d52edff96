/* From the job's text to a model: outputs and loss, tables, towers, fusion. */
#include "model/build.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/encoder.h"
#include "model/fusion/mix.h"
#include "model/registry.h"

static enum fusor_status parse_output(struct model *m, struct yaml_node *at,
                                      struct fusor_error *err)
{
    int bce = !strcmp(m->loss->name, "bce");

    if (!at) {
        m->output.kind = bce ? OUTPUT_SIGMOID : OUTPUT_IDENTITY;
        return FUSOR_OK;
    }
    FUSOR_TRY(output_parse(at, &m->output, err));
    if (bce && m->output.kind == OUTPUT_RANGE)
        return yaml_fail(at, err,
                         "loss bce needs output sigmoid (or identity: logits)");
    return FUSOR_OK;
}

static enum fusor_status parse_tower(struct model *m, const char *name,
                                     struct yaml_node *at,
                                     struct fusor_error *err)
{
    struct tower *t = &m->towers[m->n_towers];
    struct yaml_node *type = yaml_get(at, "type");
    const char *word;

    if (!strcmp(name, "fusion") || strlen(name) > 24 || strchr(name, '.'))
        return yaml_fail(at, err,
                         "a tower is not named %s: at most 24 characters, no "
                         "point, not fusion",
                         name);
    if (encoder_find(m, name) >= 0)
        return yaml_fail(at, err,
                         "tower %s has the name of an encoder: rename "
                         "it",
                         name);
    snprintf(t->name, sizeof(t->name), "%s", name);
    if (at->kind != YAML_MAP || !type)
        return yaml_fail(at, err, "tower %s has no type", name);
    FUSOR_TRY(yaml_to_text(type, &word, err));
    t->kind = registry_tower(word);
    if (!t->kind)
        return build_unknown(type, "tower type", word, registry_tower_names(),
                             err);
    t->index = m->owner = (int)m->n_towers;
    t->as_vector = m->fusion.over == OVER_VECTORS;
    t->trained = !t->kind->built;
    m->n_towers++; // from here on destroyed with the model
    return t->kind->build(m, t, at, err);
}

static enum fusor_status parse_towers(struct model *m, struct yaml_node *at,
                                      struct yaml_node *job,
                                      struct fusor_error *err)
{
    if (!at || at->kind != YAML_MAP || at->n == 0)
        return yaml_fail(at ? at : job, err,
                         "the job has no towers: towers: {NAME: {type: ..}}");
    if (at->n > MAX_TOWERS)
        return yaml_fail(at, err, "more than %d towers", MAX_TOWERS);
    m->towers = mem_alloc(at->n, sizeof(*m->towers));
    if (!m->towers)
        return mem_fail(err, "towers", at->n * sizeof(*m->towers));
    for (size_t i = 0; i < at->n; i++)
        FUSOR_TRY(parse_tower(m, at->keys[i], at->items[i], err));
    return FUSOR_OK;
}

/* What towers must know before they are built. */
static enum fusor_status parse_fusion_head(struct model *m,
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
    m->fusion.kind = registry_fusion(word);
    if (!m->fusion.kind)
        return build_unknown(type, "fusion type", word, registry_fusion_names(),
                             err);
    FUSOR_TRY(build_choice(at, "over", fusion_over_names, &over, err));
    m->fusion.over = (enum fusion_over)over;
    FUSOR_TRY(build_choice(at, "missing", fusion_missing_names, &missing, err));
    m->fusion.missing = (enum fusion_missing)missing;
    m->fusion.trained = 1;
    return build_float(at, "drop", 0, 0.95, &m->fusion.drop, err);
}

static enum fusor_status build_fusion(struct model *m, struct yaml_node *at,
                                      struct yaml_node *job,
                                      struct fusor_error *err)
{
    if (!at && m->n_towers > 1)
        return yaml_fail(job, err,
                         "%u towers and no fusion: say how they join, e.g. "
                         "fusion: {type: weighted, over: logits}",
                         m->n_towers);
    m->owner = OWNER_FUSION;
    return m->fusion.kind->build(m, &m->fusion, at, err);
}

/* Tables and columns are final: give the store its widths. */
static enum fusor_status close_tables(struct model *m, struct fusor_error *err)
{
    for (uint32_t t = 0; t < m->params.n_tables; t++) {
        if (m->tables[t].n_readers == 0)
            return yaml_fail(m->tables[t].node, err,
                             "table %s is read by no tower: remove it, or name "
                             "it in a tower's inputs",
                             m->table_specs[t].name);
        m->table_specs[t].width = m->tables[t].n_columns + m->tables[t].dim;
        m->table_specs[t].n_zero = m->tables[t].n_columns;
    }
    m->params.seed = m->seed;
    return FUSOR_OK;
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

static enum fusor_status build_all(struct model *m, struct yaml_node *job,
                                   struct fusor_error *err)
{
    struct yaml_node *fusion = yaml_get(job, "fusion");

    m->loss_node = first_loss(job);
    FUSOR_TRY(loss_parse(m, m->loss_node, err));
    FUSOR_TRY(parse_output(m, yaml_get(job, "output"), err));
    FUSOR_TRY(parse_fusion_head(m, fusion, err));
    FUSOR_TRY(build_tables(m, yaml_get(job, "tables"), err));
    FUSOR_TRY(encoder_build_all(m, yaml_get(job, "encoders"), err));
    FUSOR_TRY(parse_towers(m, yaml_get(job, "towers"), job, err));
    FUSOR_TRY(build_fusion(m, fusion, job, err));
    FUSOR_TRY(encoder_check_read(m, yaml_get(job, "encoders"), err));
    return close_tables(m, err);
}

enum fusor_status model_create(struct yaml_node *job,
                               const struct field_spec *fields, size_t n_fields,
                               uint64_t seed, struct model **out,
                               struct fusor_error *err)
{
    struct model *m = mem_alloc(1, sizeof(*m));
    enum fusor_status rc;

    if (!m)
        return mem_fail(err, "model", sizeof(*m));
    m->fields = fields;
    m->n_fields = (uint32_t)n_fields;
    m->seed = seed;
    rc = build_all(m, job, err);
    if (rc != FUSOR_OK) {
        model_destroy(m);
        return rc;
    }
    *out = m;
    return FUSOR_OK;
}

void model_destroy(struct model *m)
{
    if (!m)
        return;
    if (m->fusion.self)
        m->fusion.kind->destroy(&m->fusion);
    for (uint32_t t = 0; t < m->n_towers; t++)
        m->towers[t].kind->destroy(&m->towers[t]);
    mem_free(m->towers);
    encoder_destroy_all(m);
    matrix_destroy_all(m);
    mem_free(m->lookup_users);
    mem_free(m->lookups);
    mem_free(m->block_owner);
    mem_free(m->blocks);
    mem_free(m->tables);
    mem_free(m->table_specs);
    mem_free(m);
}

const struct param_spec *model_params(const struct model *m)
{
    return &m->params;
}

const struct model_lookup *model_lookups(const struct model *m, uint32_t *n)
{
    *n = m->n_lookups;
    return m->lookups;
}

struct yaml_node *model_table_node(const struct model *m, uint32_t table)
{
    return m->tables[table].node;
}

uint32_t model_table_columns(const struct model *m, uint32_t table)
{
    return m->tables[table].n_columns;
}

const struct field_spec *model_fields(const struct model *m, uint32_t *n)
{
    *n = m->n_fields;
    return m->fields;
}

int model_output_is_probability(const struct model *m)
{
    return m->output.kind == OUTPUT_SIGMOID;
}

/* As a set of users of lookups. */
static uint64_t trained_parts(const struct model *m)
{
    uint64_t trained = m->fusion.trained ? part_bit(OWNER_FUSION) : 0;

    for (uint32_t t = 0; t < m->n_towers; t++)
        if (m->towers[t].trained)
            trained |= part_bit((int)t);
    for (uint32_t e = 0; e < m->n_encoders; e++)
        if (m->encoders[e].trained)
            trained |= part_bit(OWNER_ENCODER + (int)e);
    return trained;
}

int model_lookup_is_trained(const struct model *m, uint32_t lookup)
{
    return (m->lookup_users[lookup] & trained_parts(m)) != 0;
}

int model_lookup_is_of_towers(const struct model *m, uint32_t lookup)
{
    uint64_t others = part_bit(OWNER_FUSION);

    for (uint32_t e = 0; e < m->n_encoders; e++)
        others |= part_bit(OWNER_ENCODER + (int)e);
    return (m->lookup_users[lookup] & others) == 0;
}

int model_fuses_vectors(const struct model *m)
{
    return m->fusion.over == OVER_VECTORS;
}

int model_lookup_is_frozen(const struct model *m, uint32_t lookup)
{
    return (m->lookup_users[lookup] & ~trained_parts(m)) != 0;
}

static enum fusor_status mark_trained(struct model *m, const char *name,
                                      struct fusor_error *err)
{
    const char *names[MAX_TOWERS + MAX_ENCODERS + 2];
    uint32_t n = 0;

    if (!strcmp(name, "fusion")) {
        m->fusion.trained = 1;
        return FUSOR_OK;
    }
    for (uint32_t t = 0; t < m->n_towers; t++) {
        if (!strcmp(m->towers[t].name, name)) {
            m->towers[t].trained = 1;
            return FUSOR_OK;
        }
        names[n++] = m->towers[t].name;
    }
    for (uint32_t e = 0; e < m->n_encoders; e++) {
        if (!strcmp(m->encoders[e].name, name)) {
            m->encoders[e].trained = 1;
            return FUSOR_OK;
        }
        names[n++] = m->encoders[e].name;
    }
    names[n++] = "fusion";
    names[n] = NULL;
    name = str_nearest(name, names) ? str_nearest(name, names) : names[0];
    return fusor_fail(err, FUSOR_EUSAGE,
                      "model: no such tower to train: did you mean %s?", name);
}

/* Only parts in training hand a gradient on. */
static enum fusor_status check_encoders(const struct model *m,
                                        struct fusor_error *err)
{
    uint64_t trained = trained_parts(m);

    for (uint32_t e = 0; e < m->n_encoders; e++)
        if (m->encoders[e].trained && !(m->encoders[e].readers & trained))
            return fusor_fail(err, FUSOR_EUSAGE,
                              "model: encoder %s is trained, but nothing that "
                              "reads it is: train such a tower with it",
                              m->encoders[e].name);
    return FUSOR_OK;
}

enum fusor_status model_set_trained(struct model *m, const char *const *names,
                                    struct fusor_error *err)
{
    for (uint32_t t = 0; t < m->n_towers; t++)
        m->towers[t].trained = names == NULL && !m->towers[t].kind->built;
    for (uint32_t e = 0; e < m->n_encoders; e++)
        m->encoders[e].trained = names == NULL;
    m->fusion.trained = names == NULL;
    for (size_t i = 0; names && names[i]; i++)
        FUSOR_TRY(mark_trained(m, names[i], err));
    return check_encoders(m, err);
}

int model_block_trained(const struct model *m, uint32_t block)
{
    return (trained_parts(m) & part_bit(m->block_owner[block])) != 0;
}

uint32_t model_n_towers(const struct model *m)
{
    return m->n_towers;
}

const char *model_tower_name(const struct model *m, uint32_t i)
{
    return m->towers[i].name;
}

int model_tower_factorises(const struct model *m, uint32_t i)
{
    return m->towers[i].kind->factorises;
}

const char *model_loss_name(const struct model *m)
{
    return m->loss->name;
}

int model_loss_is_pairwise(const struct model *m)
{
    return m->loss->pairwise;
}
