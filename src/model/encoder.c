/* Encoders from the job's text, and their passes. */
#include "model/encoder.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/registry.h"
#include "tensor/vec.h"

/* What every kind takes; it has more of its own. */
static const char *const keys[] = {"type",       "inputs", "units",
                                   "activation", "norm",   "dropout",
                                   "table",      "l2",     NULL};
#define MAX_KEYS 16

int encoder_find(const struct model *m, const char *name)
{
    for (uint32_t e = 0; e < m->n_encoders; e++)
        if (!strcmp(m->encoders[e].name, name))
            return (int)e;
    return -1;
}

/* "experts" for "experts.click", -1 too when there is no point. */
static int find_prefix(const struct model *m, const char *word, const char *dot)
{
    char name[PARAM_NAME_MAX];

    if (!dot || (size_t)(dot - word) >= sizeof(name))
        return -1;
    snprintf(name, sizeof(name), "%.*s", (int)(dot - word), word);
    return encoder_find(m, name);
}

enum fusor_status encoder_find_vector(const struct model *m, const char *word,
                                      const struct yaml_node *at, int *encoder,
                                      uint32_t *out, struct fusor_error *err)
{
    const char *names[BATCH_MAX_LABELS + 1] = {NULL};
    const char *dot = strchr(word, '.');
    int whole = encoder_find(m, word), part = find_prefix(m, word, dot);

    *encoder = whole >= 0 ? whole : part;
    *out = 0;
    if (*encoder < 0)
        return FUSOR_OK;
    if (whole >= 0 && m->encoders[whole].kind->by_label)
        return yaml_fail(at, err,
                         "encoder %s gives a vector for each label: say which, "
                         "e.g. %s.%s",
                         word, word, m->heads[0].name);
    if (whole >= 0)
        return FUSOR_OK;
    if (!m->encoders[part].kind->by_label)
        return yaml_fail(at, err,
                         "encoder %s gives one vector for all labels: write %s",
                         m->encoders[part].name, m->encoders[part].name);
    for (; *out < m->n_heads; ++*out) {
        names[*out] = m->heads[*out].name;
        if (!strcmp(dot + 1, names[*out]))
            return FUSOR_OK;
    }
    return build_unknown(at, "label", dot + 1, names, err);
}

enum fusor_status encoder_parse_gate(struct yaml_node *at,
                                     const struct stack_spec *layers,
                                     struct stack_spec *gate,
                                     struct fusor_error *err)
{
    struct stack_spec read = {.n_units = 0};

    FUSOR_TRY(stack_parse(at, "gate", &read, err));
    read.activation = layers->activation;
    read.norm = 0;
    read.dropout = 0;
    *gate = read;
    return FUSOR_OK;
}

/* Inputs are found by name: a field or a table of the same name would hide. */
static enum fusor_status check_name(const struct model *m, const char *name,
                                    struct yaml_node *at,
                                    struct fusor_error *err)
{
    if (!strcmp(name, "fusion") || strlen(name) > 24 || strpbrk(name, ".*?"))
        return yaml_fail(at, err,
                         "an encoder is not named %s: at most 24 characters, "
                         "no point, no pattern, not fusion",
                         name);
    if (field_find(m->fields, m->n_fields, name) >= 0 ||
        build_table_find(m, name) >= 0)
        return yaml_fail(at, err,
                         "encoder %s has the name of a field or a table: "
                         "rename it",
                         name);
    return FUSOR_OK;
}

static enum fusor_status build_inputs(struct model *m, struct encoder *e,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    struct inputs in = {0};
    struct inputs_from from = {0};
    enum fusor_status rc;

    if (!yaml_get(at, "inputs"))
        return yaml_fail(at, err, "encoder %s has no inputs", e->name);
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &from.table, err));
    rc = inputs_parse(m, yaml_get(at, "inputs"), &from, &in, err);
    if (rc == FUSOR_OK)
        rc = matrix_declare(m, &in, &e->matrix, err);
    inputs_clear(&in);
    return rc;
}

static enum fusor_status check_keys(const struct encoder *e,
                                    const struct yaml_node *at,
                                    struct fusor_error *err)
{
    const char *all[MAX_KEYS];
    size_t n = 0;

    for (size_t i = 0; keys[i]; i++)
        all[n++] = keys[i];
    for (size_t i = 0; e->kind->keys[i]; i++)
        all[n++] = e->kind->keys[i];
    all[n] = NULL;
    return build_keys(at, e->name, all, err);
}

static enum fusor_status parse_kind(struct model *m, struct encoder *e,
                                    struct yaml_node *at,
                                    struct fusor_error *err)
{
    struct yaml_node *type = yaml_get(at, "type");
    const char *word = "mlp";

    if (type)
        FUSOR_TRY(yaml_to_text(type, &word, err));
    e->kind = registry_encoder(word);
    if (!e->kind)
        return build_unknown(type, "encoder type", word,
                             registry_encoder_names(), err);
    if (e->kind->by_label && !m->labelled)
        return yaml_fail(at, err,
                         "encoder %s: %s shares experts between labels, and "
                         "the job has one: write labels: {NAME: ..}, or leave "
                         "type out",
                         e->name, word);
    e->n_out = e->kind->by_label ? m->n_heads : 1;
    return check_keys(e, at, err);
}

static enum fusor_status parse_encoder(struct model *m, const char *name,
                                       struct yaml_node *at,
                                       struct fusor_error *err)
{
    struct encoder *e = &m->encoders[m->n_encoders];
    struct stack_spec spec = {.activation = ACTIVATION_RELU};
    enum fusor_status rc;

    FUSOR_TRY(check_name(m, name, at, err));
    snprintf(e->name, sizeof(e->name), "%s", name);
    e->index = m->n_encoders;
    e->trained = 1;
    m->owner = OWNER_ENCODER + (int)e->index;
    FUSOR_TRY(parse_kind(m, e, at, err));
    FUSOR_TRY(build_inputs(m, e, at, err));
    FUSOR_TRY(build_float(at, "l2", 0, 1e6, &e->l2, err));
    FUSOR_TRY(stack_parse(at, "units", &spec, err));
    if (spec.n_units == 0)
        return yaml_fail(at, err,
                         "encoder %s has no units: say its layers' sizes, e.g. "
                         "units: [64, 16]",
                         name);
    rc = e->kind->build(m, e, at, &spec, err);
    m->n_encoders++; // from here on its name is known, and it is destroyed
    return rc;
}

enum fusor_status encoder_build_all(struct model *m, struct yaml_node *at,
                                    struct fusor_error *err)
{
    if (!at)
        return FUSOR_OK;
    if (at->kind != YAML_MAP || at->n == 0)
        return yaml_fail(at, err,
                         "encoders is a map: {NAME: {inputs: .., units: ..}}");
    if (at->n > MAX_ENCODERS)
        return yaml_fail(at, err, "more than %d encoders", MAX_ENCODERS);
    m->encoders = mem_alloc(at->n, sizeof(*m->encoders));
    if (!m->encoders)
        return mem_fail(err, "encoders", at->n * sizeof(*m->encoders));
    for (size_t i = 0; i < at->n; i++)
        FUSOR_TRY(parse_encoder(m, at->keys[i], at->items[i], err));
    return FUSOR_OK;
}

enum fusor_status encoder_check_read(const struct model *m,
                                     struct yaml_node *at,
                                     struct fusor_error *err)
{
    for (uint32_t i = 0; i < m->n_encoders; i++) {
        const struct encoder *e = &m->encoders[i];

        if (e->readers == 0)
            return yaml_fail(at->items[i], err,
                             "encoder %s is read by no tower: remove it, or "
                             "name it in a tower's inputs",
                             e->name);
        for (uint32_t k = 0; k < e->n_out; k++)
            if (!(e->read & 1u << k))
                return yaml_fail(at->items[i], err,
                                 "no tower reads %s.%s: name it in the inputs "
                                 "of one that speaks about %s",
                                 e->name, m->heads[k].name, m->heads[k].name);
    }
    return FUSOR_OK;
}

void encoder_destroy_all(struct model *m)
{
    for (uint32_t e = 0; e < m->n_encoders; e++)
        m->encoders[e].kind->destroy(&m->encoders[e]);
    mem_free(m->encoders);
}

void encoder_take_all(struct model_run *r)
{
    const struct model *m = r->model;

    r->encoders = run_take(r, m->n_encoders, sizeof(*r->encoders));
    for (uint32_t i = 0; !r->failed && i < m->n_encoders; i++) {
        const struct encoder *e = &m->encoders[i];

        r->encoders[i].state = e->kind->run_create(e, r);
        for (uint32_t k = 0; k < e->n_out; k++)
            r->encoders[i].grad[k] =
                run_take(r, (size_t)r->max_batch * e->width, sizeof(float));
    }
}

void encoder_forward_all(struct model_run *r, const struct model_step *s)
{
    const struct model *m = r->model;

    for (uint32_t i = 0; i < m->n_encoders; i++) {
        const struct encoder *e = &m->encoders[i];

        e->kind->forward(e, r, s, matrix_values(r, s, e->matrix),
                         s->training && e->trained);
    }
}

void encoder_begin_backward(struct model_run *r)
{
    const struct model *m = r->model;

    for (uint32_t i = 0; i < m->n_encoders; i++) {
        const struct encoder *e = &m->encoders[i];

        for (uint32_t k = 0; e->trained && k < e->n_out; k++)
            vec_ops()->fill(r->encoders[i].grad[k], 0.0f,
                            (size_t)r->n * e->width);
    }
}

void encoder_backward_all(struct model_run *r, const struct model_step *s)
{
    const struct model *m = r->model;

    for (uint32_t i = m->n_encoders; i-- > 0;) {
        const struct encoder *e = &m->encoders[i];

        if (e->trained) {
            float *dx = matrix_grad(r, e->matrix);

            e->kind->backward(e, r, s, matrix_values(r, s, e->matrix), dx);
            if (dx)
                matrix_commit(r, e->matrix, e->l2 * s->grad_scale);
        }
        matrix_scatter(r, s, OWNER_ENCODER + (int)i);
    }
}

void encoder_describe(const struct encoder *e, const struct model *m,
                      struct strbuf *out)
{
    strbuf_addf(out, "  encoder %-16s [", e->name);
    inputs_describe(&m->matrices[e->matrix].in, m, out);
    strbuf_add(out, "] ");
    e->kind->describe(e, out);
    strbuf_addf(out, "%s\n", e->trained ? "" : " (frozen)");
}
