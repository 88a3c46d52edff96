/* Finds the levels of experts among the encoders of a model, and sums their
 * weights up. */
#include "model/gates.h"

#include <stdio.h>

#include "model/encoder.h"
#include "model/layer/experts.h"
#include "model/registry.h"

/* A level of an encoder. */
struct place {
    const struct encoder *encoder;
    uint32_t level; // of the encoder
    const struct experts *experts;
};

/* @return 0: there is no such level */
static int find(const struct model *m, uint32_t level, struct place *out)
{
    for (uint32_t i = 0; i < m->n_encoders; i++) {
        const struct encoder *e = &m->encoders[i];
        uint32_t l = 0;

        for (; e->kind->experts && e->kind->experts(e, l); l++, level--)
            if (level == 0) {
                *out = (struct place){e, l, e->kind->experts(e, l)};
                return 1;
            }
    }
    return 0;
}

uint32_t gates_n_levels(const struct model *m)
{
    struct place at;
    uint32_t n = 0;

    while (find(m, n, &at))
        n++;
    return n;
}

struct gates_level gates_level(const struct model *m, uint32_t level)
{
    struct place at = {NULL, 0, NULL};

    find(m, level, &at);
    return (struct gates_level){at.experts->n, at.experts->n_gates};
}

void gates_expert_name(const struct model *m, uint32_t level, uint32_t expert,
                       char out[GATES_NAME_MAX])
{
    struct place at = {NULL, 0, NULL};
    char name[EXPERTS_NAME_MAX], number[16] = "";

    find(m, level, &at);
    if (at.encoder->kind->experts(at.encoder, 1))
        snprintf(number, sizeof(number), "%u.", at.level + 1);
    experts_name(m, at.experts, expert, name);
    snprintf(out, GATES_NAME_MAX, "%s.%s%s", at.encoder->name, number, name);
}

const char *gates_gate_name(const struct model *m, uint32_t gate)
{
    return gate < m->n_heads ? m->heads[gate].name : "shared";
}

int gates_weigh(const struct model *m, uint32_t level, uint32_t gate,
                uint32_t expert)
{
    struct place at = {NULL, 0, NULL};

    find(m, level, &at);
    return experts_weigh(at.experts, gate, expert);
}

void gates_add(const struct model_run *r, uint32_t level, double *sums)
{
    struct place at = {NULL, 0, NULL};

    find(r->model, level, &at);
    for (uint32_t g = 0; g < at.experts->n_gates; g++)
        experts_add_weights(
            at.experts,
            at.encoder->kind->experts_state(at.encoder, r, at.level), g, r->n,
            sums + (size_t)g * at.experts->n);
}
