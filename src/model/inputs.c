/* Names in a job's `inputs` become look-ups and columns. */
#include "model/inputs.h"

#include <string.h>

#include "base/mem.h"
#include "model/encoder.h"

#define MAX_INPUT_NAMES 1024

/* Words under which an input's map may name its field; all but `field` also
 * say which type it must have. */
static const char *const input_keys[] = {"field",    "bag",  "text",  "multi",
                                         "sequence", "pool", "table", NULL};
#define N_FIELD_KEYS 5

static enum fusor_status append(struct inputs *in, const struct input *item,
                                struct fusor_error *err)
{
    if (mem_reserve((void **)&in->items, in->n, &in->cap, sizeof(*in->items)))
        return mem_fail(err, "inputs", sizeof(*in->items));
    in->items[in->n] = *item;
    in->items[in->n].offset = in->width;
    in->width += item->width;
    in->n++;
    return FUSOR_OK;
}

static enum fusor_status pick_table(struct model *m, uint32_t field,
                                    const struct inputs_from *from,
                                    const struct yaml_node *at, uint32_t *t,
                                    struct fusor_error *err)
{
    int own;

    if (from->table || from->own_dim == 0)
        return build_table_of(m, field, from->table, at, t, err);
    own = build_table_find(m, from->own_name);
    if (own < 0)
        return build_own_table(m, from->own_name, from->own_dim, t, err);
    *t = (uint32_t)own;
    return FUSOR_OK;
}

static enum fusor_status add_field(struct model *m, uint32_t field,
                                   const struct inputs_from *from,
                                   enum pool pool, const struct yaml_node *at,
                                   struct inputs *out, struct fusor_error *err)
{
    const struct field_spec *f = &m->fields[field];
    struct input item = {.field = field, .width = f->width};

    if (f->type == FIELD_SCORE)
        return yaml_fail(at, err, "%s is a tower's score, not an input",
                         f->name);
    if (f->type == FIELD_DENSE || f->type == FIELD_VECTOR) {
        item.kind = INPUT_DENSE;
        return append(out, &item, err);
    }
    item.kind = INPUT_IDS;
    item.ids = (struct embedding){.field = field, .column = -1, .pool = pool};
    FUSOR_TRY(pick_table(m, field, from, at, &item.ids.table, err));
    FUSOR_TRY(
        build_lookup(m, item.ids.table, field, at, &item.ids.lookup, err));
    item.width = m->tables[item.ids.table].dim;
    return append(out, &item, err);
}

static enum fusor_status unknown_input(const struct model *m,
                                       const struct yaml_node *at,
                                       const char *word,
                                       struct fusor_error *err)
{
    const char *names[MAX_INPUT_NAMES];
    size_t n = 0;

    for (uint32_t i = 0; i < m->n_fields && n + 1 < MAX_INPUT_NAMES; i++)
        if (m->fields[i].type != FIELD_SCORE)
            names[n++] = m->fields[i].name;
    for (uint32_t i = 0; i < m->params.n_tables && n + 1 < MAX_INPUT_NAMES; i++)
        names[n++] = m->table_specs[i].name;
    for (uint32_t i = 0; i < m->n_encoders && n + 1 < MAX_INPUT_NAMES; i++)
        names[n++] = m->encoders[i].name;
    names[n] = NULL;
    return build_unknown(
        at, m->n_encoders ? "field, table or encoder" : "field or table", word,
        names, err);
}

/* "history.length" */
static int length_of(const struct model *m, const char *word, uint32_t *field)
{
    const char *dot = strrchr(word, '.');

    for (uint32_t f = 0; dot && !strcmp(dot, ".length") && f < m->n_fields; f++)
        if (strlen(m->fields[f].name) == (size_t)(dot - word) &&
            !strncmp(m->fields[f].name, word, (size_t)(dot - word))) {
            *field = f;
            return m->fields[f].type != FIELD_DENSE &&
                   m->fields[f].type != FIELD_VECTOR &&
                   m->fields[f].type != FIELD_SCORE &&
                   m->fields[f].type != FIELD_CATEGORICAL;
        }
    return 0;
}

static enum fusor_status add_encoder(struct model *m, uint32_t encoder,
                                     uint32_t vector, struct inputs *out,
                                     struct fusor_error *err)
{
    struct input item = {.kind = INPUT_ENCODER,
                         .encoder = encoder,
                         .vector = vector,
                         .width = m->encoders[encoder].width};

    m->encoders[encoder].readers |= part_bit(m->owner);
    m->encoders[encoder].read |= 1u << vector;
    return append(out, &item, err);
}

static enum fusor_status parse_word(struct model *m, struct yaml_node *at,
                                    const char *word,
                                    const struct inputs_from *from,
                                    struct inputs *out, struct fusor_error *err)
{
    uint32_t before = out->n, field, vector;
    int t;

    if (length_of(m, word, &field)) {
        struct input item = {.kind = INPUT_LENGTH, .field = field, .width = 1};

        build_reads(m, field);
        return append(out, &item, err);
    }
    for (uint32_t f = 0; f < m->n_fields; f++)
        if (m->fields[f].type != FIELD_SCORE &&
            str_matches(word, m->fields[f].name))
            FUSOR_TRY(add_field(m, f, from, POOL_MEAN, at, out, err));
    if (out->n > before)
        return FUSOR_OK;
    FUSOR_TRY(encoder_find_vector(m, word, at, &t, &vector, err));
    if (t >= 0)
        return add_encoder(m, (uint32_t)t, vector, out, err);
    t = build_table_find(m, word);
    if (t < 0)
        return unknown_input(m, at, word, err);
    for (uint32_t f = 0; f < m->n_fields; f++)
        if (build_table_lists(m, (uint32_t)t, f))
            FUSOR_TRY(add_field(m, f, &(struct inputs_from){.table = word},
                                POOL_MEAN, at, out, err));
    if (out->n == before)
        return yaml_fail(at, err,
                         "table %s as an input needs a list `fields` to say "
                         "what reads it",
                         word);
    return FUSOR_OK;
}

/* `bag: f` pools any field that lists ids, whatever their order meant; other
 * words name the type the field must have. */
static int fits_word(enum field_type type, const char *word)
{
    if (strcmp(word, "bag") == 0)
        return type == FIELD_BAG || type == FIELD_SEQUENCE ||
               type == FIELD_MULTI || type == FIELD_TEXT;
    return strcmp(field_type_name(type), word) == 0;
}

/* One field that an input's map names under key. */
static enum fusor_status add_named(struct model *m, const struct yaml_node *at,
                                   struct yaml_node *name, const char *key,
                                   const struct inputs_from *from,
                                   enum pool pool, struct inputs *out,
                                   struct fusor_error *err)
{
    const char *word;
    int field;

    FUSOR_TRY(yaml_to_text(name, &word, err));
    field = field_find(m->fields, m->n_fields, word);
    if (field < 0)
        return unknown_input(m, name, word, err);
    if (strcmp(key, "field") != 0 && !fits_word(m->fields[field].type, key))
        return yaml_fail(name, err, "field %s is %s, not %s", word,
                         field_type_name(m->fields[field].type), key);
    return add_field(m, (uint32_t)field, from, pool, at, out, err);
}

static enum fusor_status parse_map(struct model *m, struct yaml_node *at,
                                   const struct inputs_from *from,
                                   struct inputs *out, struct fusor_error *err)
{
    struct inputs_from here = *from;
    struct yaml_node *name = NULL;
    int pool = POOL_MEAN, key = 0;

    FUSOR_TRY(build_keys(at, "input", input_keys, err));
    while (key < N_FIELD_KEYS && !(name = yaml_get(at, input_keys[key])))
        key++;
    if (!name)
        return yaml_fail(at, err, "this input names no field");
    FUSOR_TRY(build_choice(at, "pool", pool_names, &pool, err));
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &here.table, err));
    if (name->kind != YAML_LIST)
        return add_named(m, at, name, input_keys[key], &here, (enum pool)pool,
                         out, err);
    for (size_t i = 0; i < name->n; i++)
        FUSOR_TRY(add_named(m, at, name->items[i], input_keys[key], &here,
                            (enum pool)pool, out, err));
    return name->n ? FUSOR_OK
                   : yaml_fail(name, err, "the list of fields is empty");
}

enum fusor_status inputs_parse(struct model *m, struct yaml_node *at,
                               const struct inputs_from *from,
                               struct inputs *out, struct fusor_error *err)
{
    const char *word;

    if (at->kind == YAML_MAP)
        return parse_map(m, at, from, out, err);
    if (at->kind == YAML_SCALAR) {
        FUSOR_TRY(yaml_to_text(at, &word, err));
        return parse_word(m, at, word, from, out, err);
    }
    if (at->n == 0)
        return yaml_fail(at, err, "the list of inputs is empty");
    for (size_t i = 0; i < at->n; i++) {
        if (at->items[i]->kind == YAML_LIST)
            return yaml_fail(at->items[i], err, "a list inside a list");
        FUSOR_TRY(inputs_parse(m, at->items[i], from, out, err));
    }
    return FUSOR_OK;
}

void inputs_clear(struct inputs *in)
{
    mem_free(in->items);
    *in = (struct inputs){0};
}

static void fill_dense(const struct input *in, const struct model *m,
                       const struct batch *b, float *x, uint32_t ld)
{
    const float *values = b->fields[in->field].dense;

    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t row = run_field_row(m, b, in->field, i);

        memcpy(x + (size_t)i * ld, values + (size_t)row * in->width,
               in->width * sizeof(*x));
    }
}

static void fill_length(const struct input *in, const struct model *m,
                        const struct batch *b, float *x, uint32_t ld)
{
    const uint32_t *offsets = b->fields[in->field].offsets;

    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t row = run_field_row(m, b, in->field, i);

        x[(size_t)i * ld] = log1pf((float)(offsets[row + 1] - offsets[row]));
    }
}

const char *inputs_name(const struct input *item, const struct model *m)
{
    return item->kind == INPUT_ENCODER ? m->encoders[item->encoder].name
                                       : m->fields[item->field].name;
}

static void fill_encoder(const struct input *in, const struct model_run *r,
                         uint32_t n, float *x, uint32_t ld)
{
    const float *from = r->encoders[in->encoder].out[in->vector];

    for (uint32_t i = 0; i < n; i++)
        memcpy(x + (size_t)i * ld, from + (size_t)i * in->width,
               in->width * sizeof(*x));
}

static void add_encoder_grad(const struct input *in, const struct model_run *r,
                             uint32_t n, const float *dx, uint32_t ld)
{
    float *to = r->encoders[in->encoder].grad[in->vector];

    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < in->width; k++)
            to[(size_t)i * in->width + k] += dx[(size_t)i * ld + k];
}

unsigned inputs_sides(const struct inputs *in, const struct model *m)
{
    unsigned sides = 0;

    for (uint32_t i = 0; i < in->n; i++)
        sides |= in->items[i].kind == INPUT_ENCODER
                     ? ~0u
                     : 1u << m->fields[in->items[i].field].side;
    return sides;
}

void inputs_forward(const struct inputs *in, const struct model_run *r,
                    const struct model_step *s, float *x)
{
    for (uint32_t k = 0; k < in->n; k++) {
        const struct input *item = &in->items[k];
        float *column = x + item->offset;

        if (item->kind == INPUT_IDS)
            embedding_forward(&item->ids, r->model, s, column, in->width);
        else if (item->kind == INPUT_DENSE)
            fill_dense(item, r->model, s->batch, column, in->width);
        else if (item->kind == INPUT_ENCODER)
            fill_encoder(item, r, s->batch->n, column, in->width);
        else
            fill_length(item, r->model, s->batch, column, in->width);
    }
}

void inputs_backward(const struct inputs *in, const struct model_run *r,
                     const struct model_step *s, float *dx, float l2)
{
    for (uint32_t k = 0; k < in->n; k++) {
        const struct input *item = &in->items[k];

        if (item->kind == INPUT_IDS)
            embedding_backward(&item->ids, r->model, s, dx + item->offset,
                               in->width, l2);
        else if (item->kind == INPUT_ENCODER &&
                 r->model->encoders[item->encoder].trained)
            add_encoder_grad(item, r, s->batch->n, dx + item->offset,
                             in->width);
    }
}

void inputs_describe(const struct inputs *in, const struct model *m,
                     struct strbuf *out)
{
    for (uint32_t k = 0; k < in->n; k++) {
        const struct input *item = &in->items[k];

        strbuf_addf(out, "%s%s", k ? ", " : "", inputs_name(item, m));
        if (item->kind == INPUT_ENCODER && m->encoders[item->encoder].n_out > 1)
            strbuf_addf(out, ".%s", m->heads[item->vector].name);
        if (item->kind == INPUT_LENGTH)
            strbuf_add(out, ".length");
        if (item->kind != INPUT_IDS)
            continue;
        strbuf_addf(out, "->%s", m->table_specs[item->ids.table].name);
        if (m->fields[item->field].type != FIELD_CATEGORICAL)
            strbuf_addf(out, " (%s)", pool_names[item->ids.pool]);
    }
}
