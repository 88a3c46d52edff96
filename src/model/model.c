/* From the job's text to a model: heads, tables, encoders, towers, fusions. */
#include "model/build.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/encoder.h"
#include "model/head.h"
#include "model/registry.h"

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
    t->as_vector = heads_want_vector(m, m->n_towers);
    t->trained = !t->kind->built && !t->kind->given;
    m->n_towers++; // from here on destroyed with the model
    FUSOR_TRY(heads_parse_aux(m, t, yaml_get(at, "aux"), err));
    return t->kind->build(m, t, at, err);
}

static enum fusor_status parse_towers(struct model *m, struct yaml_node *at,
                                      struct fusor_error *err)
{
    m->towers = mem_alloc(at->n, sizeof(*m->towers));
    if (!m->towers)
        return mem_fail(err, "towers", at->n * sizeof(*m->towers));
    for (size_t i = 0; i < at->n; i++)
        FUSOR_TRY(parse_tower(m, at->keys[i], at->items[i], err));
    return FUSOR_OK;
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

static enum fusor_status build_all(struct model *m, struct yaml_node *job,
                                   struct fusor_error *err)
{
    FUSOR_TRY(heads_parse(m, job, err));
    FUSOR_TRY(build_tables(m, yaml_get(job, "tables"), err));
    FUSOR_TRY(encoder_build_all(m, yaml_get(job, "encoders"), err));
    FUSOR_TRY(parse_towers(m, yaml_get(job, "towers"), err));
    FUSOR_TRY(heads_build(m, job, err));
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
    m->field_use = mem_alloc(n_fields, 1);
    rc = m->field_use ? build_all(m, job, err)
                      : mem_fail(err, "fields", n_fields);
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
    heads_destroy(m);
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
    mem_free(m->field_use);
    mem_free(m);
}

int model_reads_field(const struct model *m, uint32_t field)
{
    return m->field_use[field] != USE_INDEX;
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

uint32_t model_n_labels(const struct model *m)
{
    return m->n_heads;
}

const char *model_label_name(const struct model *m, uint32_t label)
{
    return m->heads[label].name;
}

enum fusor_status model_find_label(const struct model *m, const char *name,
                                   uint32_t *label, struct fusor_error *err)
{
    const char *names[BATCH_MAX_LABELS + 1] = {NULL}, *near;

    if (!m->labelled)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "there is one label without a name, and none called "
                          "%s",
                          name);
    for (uint32_t k = 0; k < m->n_heads; k++) {
        names[k] = m->heads[k].name;
        if (strcmp(name, names[k]))
            continue;
        *label = k;
        return FUSOR_OK;
    }
    near = str_nearest(name, names);
    return fusor_fail(err, FUSOR_EUSAGE,
                      "no label is named %s: did you mean %s?", name,
                      near ? near : names[0]);
}

enum fusor_status model_find_tower(const struct model *m, const char *name,
                                   uint32_t *tower, struct fusor_error *err)
{
    const char *names[MAX_TOWERS + 1] = {NULL}, *near;

    for (uint32_t t = 0; t < m->n_towers; t++) {
        names[t] = m->towers[t].name;
        if (strcmp(name, names[t]))
            continue;
        *tower = t;
        return FUSOR_OK;
    }
    near = str_nearest(name, names);
    return fusor_fail(err, FUSOR_EUSAGE, "no tower is named %.60s%s%s%s", name,
                      near ? ": did you mean " : "", near ? near : "",
                      near ? "?" : "");
}

int model_label_has_tower(const struct model *m, uint32_t label, uint32_t tower)
{
    return heads_joins(&m->heads[label], tower);
}

int model_output_is_probability(const struct model *m, uint32_t label)
{
    return m->heads[label].output.kind == OUTPUT_SIGMOID;
}

/* As a set of users of lookups. */
static uint64_t trained_parts(const struct model *m)
{
    uint64_t trained = m->heads[0].fusion.trained ? part_bit(OWNER_FUSION) : 0;

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
    for (uint32_t k = 0; k < m->n_heads; k++)
        if (m->heads[k].fusion.over == OVER_VECTORS)
            return 1;
    return 0;
}

int model_lookup_is_frozen(const struct model *m, uint32_t lookup)
{
    return (m->lookup_users[lookup] & ~trained_parts(m)) != 0;
}

/* Fusions of all labels are one part. */
static void train_fusions(struct model *m, int trained)
{
    for (uint32_t k = 0; k < m->n_heads; k++)
        m->heads[k].fusion.trained = trained;
}

static enum fusor_status mark_trained(struct model *m, const char *name,
                                      struct fusor_error *err)
{
    const char *names[MAX_TOWERS + MAX_ENCODERS + 2];
    uint32_t n = 0;

    if (!strcmp(name, "fusion")) {
        train_fusions(m, 1);
        return FUSOR_OK;
    }
    for (uint32_t t = 0; t < m->n_towers; t++) {
        if (!strcmp(m->towers[t].name, name)) {
            if (m->towers[t].kind->given)
                return fusor_fail(err, FUSOR_EUSAGE,
                                  "model: tower %s is read from a file: there "
                                  "is nothing to train",
                                  name);
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
    m->apart = 0;
    for (uint32_t t = 0; t < m->n_towers; t++)
        m->towers[t].trained = names == NULL && !m->towers[t].kind->built &&
                               !m->towers[t].kind->given;
    for (uint32_t e = 0; e < m->n_encoders; e++)
        m->encoders[e].trained = names == NULL;
    train_fusions(m, names == NULL);
    for (size_t i = 0; names && names[i]; i++)
        FUSOR_TRY(mark_trained(m, names[i], err));
    return check_encoders(m, err);
}

/* Has every label a tower in training? */
static enum fusor_status check_apart(const struct model *m,
                                     struct fusor_error *err)
{
    if (m->heads[0].fusion.trained)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "towers apart have no fusion that could be trained: "
                          "name the towers only");
    if (model_fuses_vectors(m))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the fusion is over vectors, so towers have no score "
                          "of their own to be trained apart");
    for (uint32_t k = 0; k < m->n_heads; k++) {
        const struct fusion *f = &m->heads[k].fusion;
        uint32_t n = 0;

        for (uint32_t i = 0; i < f->n_towers; i++)
            n += m->towers[f->towers[i]].trained != 0;
        if (n == 0)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "no tower trained apart speaks about label %s",
                              model_label_name(m, k));
    }
    return FUSOR_OK;
}

enum fusor_status model_set_apart(struct model *m, int apart,
                                  struct fusor_error *err)
{
    if (apart)
        FUSOR_TRY(check_apart(m, err));
    m->apart = apart;
    return FUSOR_OK;
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

int model_tower_may_be_silent(const struct model *m, uint32_t i)
{
    return m->towers[i].may_be_silent;
}

const char *model_loss_name(const struct model *m, uint32_t label)
{
    return m->heads[label].loss->name;
}

int model_loss_is_pairwise(const struct model *m)
{
    return m->heads[0].loss->pairwise;
}

int model_loss_is_listwise(const struct model *m)
{
    for (uint32_t k = 0; k < m->n_heads; k++)
        if (m->heads[k].loss->list)
            return 1;
    return 0;
}

int model_loss_only_orders(const struct model *m, uint32_t label)
{
    return m->heads[label].loss->only_orders;
}
