/* Declaring what a model is made of: tables, look-ups, columns, blocks. */
#include "model/build.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/encoder.h"

static const char *const table_keys[] = {"dim",    "init",     "l2",
                                         "fields", "by_field", "optimizer",
                                         "dtype",  "admit",    NULL};
static const char *const dtype_names[] = {"f32", "bf16", NULL};
static const char *const init_keys[] = {"normal", "uniform", NULL};

/* Standard deviation of a new row unless the job says otherwise: small enough
 * that dot products start near 0, large enough that they do not stay there. */
#define INIT_DEFAULT 0.01f

#define MAX_DIM 65536

static enum fusor_status parse_init(struct yaml_node *at, struct table_spec *t,
                                    struct fusor_error *err)
{
    t->init = INIT_NORMAL;
    t->init_scale = INIT_DEFAULT;
    if (!at)
        return FUSOR_OK;
    if (at->kind == YAML_SCALAR && !strcmp(at->text, "zero")) {
        t->init = INIT_ZERO;
        return FUSOR_OK;
    }
    if (at->kind != YAML_MAP || at->n != 1)
        return yaml_fail(at, err,
                         "init is zero, {normal: sd} or {uniform: limit}");
    FUSOR_TRY(build_keys(at, "init", init_keys, err));
    if (yaml_get(at, "uniform"))
        t->init = INIT_UNIFORM;
    return build_float(at, t->init == INIT_UNIFORM ? "uniform" : "normal", 0,
                       1e6, &t->init_scale, err);
}

static enum fusor_status parse_dim(struct yaml_node *at, uint32_t *dim,
                                   struct fusor_error *err)
{
    int64_t v;

    FUSOR_TRY(yaml_to_i64(at, &v, err));
    if (v < 1 || v > MAX_DIM)
        return yaml_fail(at, err, "dim is 1..%d, not %lld", MAX_DIM,
                         (long long)v);
    *dim = (uint32_t)v;
    return FUSOR_OK;
}

static enum fusor_status add_table(struct model *m, const char *name,
                                   uint32_t *t, struct fusor_error *err)
{
    uint32_t n = m->params.n_tables;

    if (n == PARAM_MAX_TABLES)
        return fusor_fail(err, FUSOR_EUSAGE, "model: more than %d tables",
                          PARAM_MAX_TABLES);
    if (mem_reserve((void **)&m->table_specs, n, &m->tables_cap,
                    sizeof(*m->table_specs)) ||
        mem_reserve((void **)&m->tables, n, &m->defs_cap, sizeof(*m->tables)))
        return mem_fail(err, "model tables", (n + 1) * sizeof(*m->tables));
    memset(&m->table_specs[n], 0, sizeof(m->table_specs[n]));
    memset(&m->tables[n], 0, sizeof(m->tables[n]));
    if ((size_t)snprintf(m->table_specs[n].name, PARAM_NAME_MAX, "%s", name) >=
        PARAM_NAME_MAX)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "model: table name %s is longer than %d characters",
                          name, PARAM_NAME_MAX - 1);
    m->params.tables = m->table_specs;
    m->params.n_tables = n + 1;
    *t = n;
    return FUSOR_OK;
}

enum fusor_status build_own_table(struct model *m, const char *name,
                                  uint32_t dim, uint32_t *t,
                                  struct fusor_error *err)
{
    if (build_table_find(m, name) >= 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "model: the table name %s is taken: rename it", name);
    FUSOR_TRY(add_table(m, name, t, err));
    m->tables[*t].dim = dim;
    m->tables[*t].by_field = 1;
    m->table_specs[*t].init = INIT_ZERO;
    return FUSOR_OK;
}

/* A pattern under `fields` must match something: a typing error is not
 * silence. */
static enum fusor_status check_fields(const struct model *m,
                                      const struct yaml_node *list,
                                      struct fusor_error *err)
{
    if (!list)
        return FUSOR_OK;
    if (list->kind != YAML_LIST)
        return yaml_fail(list, err, "fields is a list of field names");
    for (size_t i = 0; i < list->n; i++) {
        const char *pattern;
        uint32_t f = 0;

        FUSOR_TRY(yaml_to_text(list->items[i], &pattern, err));
        while (f < m->n_fields && !str_matches(pattern, m->fields[f].name))
            f++;
        if (f == m->n_fields)
            return yaml_fail(list->items[i], err, "no field is named %s",
                             pattern);
    }
    return FUSOR_OK;
}

/* {count: 8} or {probability: 0.1} */
static enum fusor_status parse_admit(struct yaml_node *at,
                                     struct table_spec *out,
                                     struct fusor_error *err)
{
    static const char *const keys[] = {"count", "probability", NULL};
    float count = 0;

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(build_keys(at, "admit", keys, err));
    if (at->n != 1)
        return yaml_fail(at, err,
                         "admit is {count: N} or {probability: P}: one of "
                         "them");
    FUSOR_TRY(build_float(at, "count", 1, 1e6, &count, err));
    if (count != (float)(uint32_t)count)
        return yaml_fail(at, err, "admit: count is a whole number, not %g",
                         (double)count);
    out->admit_count = (uint32_t)count;
    return build_float(at, "probability", 1e-6, 1, &out->admit_probability,
                       err);
}

static enum fusor_status parse_dtype(const struct yaml_node *at,
                                     struct table_spec *out,
                                     struct fusor_error *err)
{
    const char *name;

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_text(at, &name, err));
    if (strcmp(name, dtype_names[ROW_F32]) != 0 &&
        strcmp(name, dtype_names[ROW_BF16]) != 0)
        return build_unknown(at, "dtype", name, dtype_names, err);
    out->dtype = strcmp(name, dtype_names[ROW_BF16]) == 0 ? ROW_BF16 : ROW_F32;
    return FUSOR_OK;
}

static enum fusor_status parse_table(struct model *m, const char *name,
                                     struct yaml_node *at,
                                     struct fusor_error *err)
{
    struct yaml_node *dim = at;
    uint32_t t = 0;

    FUSOR_TRY(add_table(m, name, &t, err));
    m->tables[t].node = at;
    m->tables[t].by_field = -1;
    if (at->kind == YAML_MAP) {
        FUSOR_TRY(build_keys(at, "table", table_keys, err));
        dim = yaml_get(at, "dim");
        if (!dim)
            return yaml_fail(at, err, "table %s has no dim", name);
        FUSOR_TRY(build_bool(at, "by_field", &m->tables[t].by_field, err));
        FUSOR_TRY(check_fields(m, yaml_get(at, "fields"), err));
        FUSOR_TRY(parse_dtype(yaml_get(at, "dtype"), &m->table_specs[t], err));
        FUSOR_TRY(parse_admit(yaml_get(at, "admit"), &m->table_specs[t], err));
    }
    FUSOR_TRY(parse_dim(dim, &m->tables[t].dim, err));
    return parse_init(at->kind == YAML_MAP ? yaml_get(at, "init") : NULL,
                      &m->table_specs[t], err);
}

enum fusor_status build_tables(struct model *m, struct yaml_node *tables,
                               struct fusor_error *err)
{
    if (!tables)
        return FUSOR_OK;
    if (tables->kind != YAML_MAP)
        return yaml_fail(tables, err, "tables is a map of name: dim");
    for (size_t i = 0; i < tables->n; i++)
        FUSOR_TRY(parse_table(m, tables->keys[i], tables->items[i], err));
    return FUSOR_OK;
}

int build_table_find(const struct model *m, const char *name)
{
    for (uint32_t t = 0; t < m->params.n_tables; t++)
        if (!strcmp(m->table_specs[t].name, name))
            return (int)t;
    return -1;
}

int build_table_lists(const struct model *m, uint32_t t, uint32_t field)
{
    struct yaml_node *list = yaml_get(m->tables[t].node, "fields");

    for (size_t i = 0; list && i < list->n; i++)
        if (str_matches(list->items[i]->text, m->fields[field].name))
            return 1;
    return 0;
}

static enum fusor_status named_table(const struct model *m, const char *named,
                                     const struct yaml_node *at, uint32_t *t,
                                     struct fusor_error *err)
{
    const char *names[PARAM_MAX_TABLES + 1];
    int found = build_table_find(m, named);

    if (found >= 0) {
        *t = (uint32_t)found;
        return FUSOR_OK;
    }
    for (uint32_t i = 0; i < m->params.n_tables; i++)
        names[i] = m->table_specs[i].name;
    names[m->params.n_tables] = NULL;
    return build_unknown(at, "table", named, names, err);
}

/* The table named after a field with the same ids: a history of items reads the
 * items' table. @param found set where there is one */
static enum fusor_status table_of_kin(const struct model *m, uint32_t field,
                                      const struct yaml_node *at, int *found,
                                      struct fusor_error *err)
{
    for (uint32_t f = 0; f < m->n_fields; f++) {
        int t = m->fields[f].vocab == m->fields[field].vocab
                    ? build_table_find(m, m->fields[f].name)
                    : -1;

        if (t >= 0 && *found >= 0 && t != *found)
            return yaml_fail(at, err,
                             "field %s could read tables %s and %s: say which "
                             "with table:",
                             m->fields[field].name, m->table_specs[*found].name,
                             m->table_specs[t].name);
        if (t >= 0)
            *found = t;
    }
    return FUSOR_OK;
}

enum fusor_status build_table_of(const struct model *m, uint32_t field,
                                 const char *named, const struct yaml_node *at,
                                 uint32_t *t, struct fusor_error *err)
{
    const char *name = m->fields[field].name;
    int found = -1;

    if (named)
        return named_table(m, named, at, t, err);
    for (uint32_t i = 0; i < m->params.n_tables; i++) {
        if (!build_table_lists(m, i, field))
            continue;
        if (found >= 0)
            return yaml_fail(at, err,
                             "field %s is listed by tables %s and %s: say "
                             "which with table:",
                             name, m->table_specs[found].name,
                             m->table_specs[i].name);
        found = (int)i;
    }
    if (found < 0)
        found = build_table_find(m, name);
    if (found < 0)
        FUSOR_TRY(table_of_kin(m, field, at, &found, err));
    if (found < 0)
        return yaml_fail(at, err,
                         "no table for field %s: add %s: DIM under tables, or "
                         "say table: NAME here",
                         name, name);
    *t = (uint32_t)found;
    return FUSOR_OK;
}

/* Rows of fields told apart: keys move by a number made of the name of the
 * first field with these ids, so that fields that share ids share rows and the
 * order of fields in a schema does not matter. */
static uint64_t field_salt(const struct model *m, uint32_t field)
{
    uint32_t first = 0;

    while (m->fields[first].vocab != m->fields[field].vocab)
        first++;
    return hash_bytes(m->fields[first].name, strlen(m->fields[first].name), 0);
}

static enum fusor_status check_ids(struct model *m, uint32_t table,
                                   uint32_t field, const struct yaml_node *at,
                                   struct fusor_error *err)
{
    struct table_def *t = &m->tables[table];
    enum field_type type = m->fields[field].type;

    if (type == FIELD_DENSE || type == FIELD_VECTOR)
        return yaml_fail(at, err, "field %s is %s and has no ids to look up",
                         m->fields[field].name, field_type_name(type));
    if (t->by_field < 0 && t->n_readers > 0 &&
        m->fields[t->reader].vocab != m->fields[field].vocab)
        return yaml_fail(at, err,
                         "table %s is read by fields %s and %s, whose ids mean "
                         "different things: give it by_field: true (rows of "
                         "their own) or false (shared on purpose)",
                         m->table_specs[table].name, m->fields[t->reader].name,
                         m->fields[field].name);
    t->reader = field;
    t->n_readers++;
    return FUSOR_OK;
}

enum fusor_status build_lookup(struct model *m, uint32_t table, uint32_t field,
                               const struct yaml_node *at, uint32_t *lookup,
                               struct fusor_error *err)
{
    uint64_t user = part_bit(m->owner);
    uint32_t n = m->n_lookups;

    for (uint32_t i = 0; i < n; i++)
        if (m->lookups[i].table == table && m->lookups[i].field == field) {
            m->lookup_users[i] |= user;
            *lookup = i;
            return FUSOR_OK;
        }
    FUSOR_TRY(check_ids(m, table, field, at, err));
    build_reads(m, field);
    if (mem_reserve((void **)&m->lookups, n, &m->lookups_cap,
                    sizeof(*m->lookups)) ||
        mem_reserve((void **)&m->lookup_users, n, &m->users_cap,
                    sizeof(*m->lookup_users)))
        return mem_fail(err, "look-ups", (n + 1) * sizeof(*m->lookups));
    m->lookups[n] = (struct model_lookup){
        table, field,
        m->tables[table].by_field == 1 ? field_salt(m, field) : 0};
    m->lookup_users[n] = user;
    m->n_lookups = n + 1;
    *lookup = n;
    return FUSOR_OK;
}

void build_reads(struct model *m, uint32_t field)
{
    m->field_use[field] |= USE_BATCH;
}

void build_indexes(struct model *m, uint32_t field)
{
    m->field_use[field] |= USE_INDEX;
}

uint32_t build_column(struct model *m, uint32_t table)
{
    return m->tables[table].n_columns++;
}

/* Name of the part being built. */
static const char *owner_name(const struct model *m)
{
    if (m->owner == OWNER_FUSION)
        return m->heads[m->head].part;
    return m->owner >= OWNER_ENCODER
               ? m->encoders[m->owner - OWNER_ENCODER].name
               : m->towers[m->owner].name;
}

enum fusor_status build_block(struct model *m, const char *name, uint64_t size,
                              enum param_init init, float scale, int is_bias,
                              uint32_t *block, struct fusor_error *err)
{
    const char *owner = owner_name(m);
    uint32_t n = m->params.n_blocks;
    struct block_spec *b;

    if (mem_reserve((void **)&m->blocks, n, &m->blocks_cap,
                    sizeof(*m->blocks)) ||
        mem_reserve((void **)&m->block_owner, n, &m->owners_cap,
                    sizeof(*m->block_owner)))
        return mem_fail(err, "blocks", (n + 1) * sizeof(*m->blocks));
    b = &m->blocks[n];
    memset(b, 0, sizeof(*b));
    if ((size_t)snprintf(b->name, sizeof(b->name), "%s.%s%s%s", owner,
                         m->of_owner ? m->of_owner : "", m->of_owner ? "." : "",
                         name) >= sizeof(b->name))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "model: block name %s.%s is longer than %d "
                          "characters: give %s a shorter name",
                          owner, name, PARAM_NAME_MAX - 1, owner);
    b->offset = m->params.n_dense;
    b->size = size;
    b->init = init;
    b->init_scale = scale;
    b->is_bias = is_bias;
    m->block_owner[n] = m->owner;
    m->params.blocks = m->blocks;
    m->params.n_blocks = n + 1;
    m->params.n_dense += size;
    *block = n;
    return FUSOR_OK;
}

uint32_t build_dropout(struct model *m)
{
    return m->n_dropouts++;
}
