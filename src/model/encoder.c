/* Encoders from the job's text, and their passes. */
#include "model/encoder.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/vec.h"

static const char *const keys[] = {"inputs",  "units", "activation", "norm",
                                   "dropout", "table", "l2",         NULL};

int encoder_find(const struct model *m, const char *name)
{
    for (uint32_t e = 0; e < m->n_encoders; e++)
        if (!strcmp(m->encoders[e].name, name))
            return (int)e;
    return -1;
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

static enum fusor_status parse_encoder(struct model *m, const char *name,
                                       struct yaml_node *at,
                                       struct fusor_error *err)
{
    struct encoder *e = &m->encoders[m->n_encoders];
    struct stack_spec spec = {.activation = ACTIVATION_RELU};

    FUSOR_TRY(check_name(m, name, at, err));
    FUSOR_TRY(build_keys(at, name, keys, err));
    snprintf(e->name, sizeof(e->name), "%s", name);
    e->index = m->n_encoders;
    e->trained = 1;
    m->owner = OWNER_ENCODER + (int)e->index;
    FUSOR_TRY(build_inputs(m, e, at, err));
    FUSOR_TRY(build_float(at, "l2", 0, 1e6, &e->l2, err));
    FUSOR_TRY(stack_parse(at, "units", &spec, err));
    if (spec.n_units == 0)
        return yaml_fail(at, err,
                         "encoder %s has no units: say its layers' sizes, e.g. "
                         "units: [64, 16]",
                         name);
    FUSOR_TRY(stack_build(m, "dense", m->matrices[e->matrix].in.width, &spec, 0,
                          &e->stack, err));
    m->n_encoders++; // from here on its name is known
    return FUSOR_OK;
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
    for (uint32_t e = 0; e < m->n_encoders; e++)
        if (m->encoders[e].readers == 0)
            return yaml_fail(at->items[e], err,
                             "encoder %s is read by no tower: remove it, or "
                             "name it in a tower's inputs",
                             m->encoders[e].name);
    return FUSOR_OK;
}

void encoder_destroy_all(struct model *m)
{
    mem_free(m->encoders);
}

void encoder_take_all(struct model_run *r)
{
    const struct model *m = r->model;

    r->encoders = run_take(r, m->n_encoders, sizeof(*r->encoders));
    for (uint32_t e = 0; !r->failed && e < m->n_encoders; e++) {
        const struct stack *k = &m->encoders[e].stack;

        stack_take(k, r, &r->encoders[e].stack);
        r->encoders[e].grad =
            run_take(r, (size_t)r->max_batch * k->out, sizeof(float));
    }
}

void encoder_forward_all(struct model_run *r, const struct model_step *s)
{
    const struct model *m = r->model;

    for (uint32_t i = 0; i < m->n_encoders; i++) {
        const struct encoder *e = &m->encoders[i];

        r->encoders[i].out = stack_forward(
            &e->stack, &r->encoders[i].stack, m->seed, s,
            matrix_values(r, s, e->matrix), s->training && e->trained);
    }
}

void encoder_begin_backward(struct model_run *r)
{
    const struct model *m = r->model;

    for (uint32_t e = 0; e < m->n_encoders; e++)
        if (m->encoders[e].trained)
            vec_ops()->fill(r->encoders[e].grad, 0.0f,
                            (size_t)r->n * m->encoders[e].stack.out);
}

void encoder_backward_all(struct model_run *r, const struct model_step *s)
{
    const struct model *m = r->model;

    for (uint32_t i = m->n_encoders; i-- > 0;) {
        const struct encoder *e = &m->encoders[i];
        struct encoder_state *st = &r->encoders[i];

        if (e->trained) {
            float *dx = matrix_grad(r, e->matrix);

            stack_backward(&e->stack, &st->stack, s,
                           matrix_values(r, s, e->matrix), st->grad, dx, 1);
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
    stack_describe(&e->stack, out);
    strbuf_addf(out, "%s\n", e->trained ? "" : " (frozen)");
}
