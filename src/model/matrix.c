/* Sharing of input matrices between the parts of a model. */
#include "model/matrix.h"

#include <string.h>

#include "base/mem.h"
#include "base/profile.h"
#include "tensor/vec.h"

static int same_input(const struct input *a, const struct input *b)
{
    if (a->kind != b->kind || a->width != b->width)
        return 0;
    if (a->kind == INPUT_ENCODER)
        return a->encoder == b->encoder && a->vector == b->vector;
    if (a->field != b->field)
        return 0;
    return a->kind != INPUT_IDS ||
           (a->ids.lookup == b->ids.lookup && a->ids.column == b->ids.column &&
            a->ids.pool == b->ids.pool);
}

static int same_inputs(const struct inputs *a, const struct inputs *b)
{
    uint32_t i = 0;

    if (a->n != b->n)
        return 0;
    while (i < a->n && same_input(&a->items[i], &b->items[i]))
        i++;
    return i == a->n;
}

static int wants_grad(const struct inputs *in)
{
    for (uint32_t i = 0; i < in->n; i++)
        if (in->items[i].kind == INPUT_IDS ||
            in->items[i].kind == INPUT_ENCODER)
            return 1;
    return 0;
}

enum fusor_status matrix_declare(struct model *m, const struct inputs *in,
                                 uint32_t *number, struct fusor_error *err)
{
    uint32_t n = m->n_matrices;
    struct input *items;

    for (uint32_t i = 0; i < n; i++)
        if (same_inputs(&m->matrices[i].in, in)) {
            m->matrices[i].n_readers++;
            *number = i;
            return FUSOR_OK;
        }
    items = mem_alloc(in->n, sizeof(*items));
    if (!items || mem_reserve((void **)&m->matrices, n, &m->matrices_cap,
                              sizeof(*m->matrices))) {
        mem_free(items);
        return mem_fail(err, "inputs", in->n * sizeof(*items));
    }
    memcpy(items, in->items, in->n * sizeof(*items));
    m->matrices[n] = (struct matrix){
        .in = {.items = items, .n = in->n, .cap = in->n, .width = in->width},
        .owner = m->owner,
        .wants_grad = wants_grad(in),
        .n_readers = 1};
    m->n_matrices = n + 1;
    *number = n;
    return FUSOR_OK;
}

void matrix_destroy_all(struct model *m)
{
    for (uint32_t i = 0; i < m->n_matrices; i++)
        inputs_clear(&m->matrices[i].in);
    mem_free(m->matrices);
}

void matrix_take_all(struct model_run *r)
{
    const struct model *m = r->model;

    r->matrices = run_take(r, m->n_matrices, sizeof(*r->matrices));
    for (uint32_t i = 0; !r->failed && i < m->n_matrices; i++) {
        struct matrix_state *st = &r->matrices[i];
        size_t n = (size_t)r->max_batch * m->matrices[i].in.width;

        st->x = run_take(r, n, sizeof(float));
        if (m->matrices[i].wants_grad)
            st->dx = run_take(r, n, sizeof(float));
        if (m->matrices[i].wants_grad && m->matrices[i].n_readers > 1)
            st->spare = run_take(r, n, sizeof(float));
    }
}

void matrix_begin(struct model_run *r)
{
    for (uint32_t i = 0; i < r->model->n_matrices; i++)
        r->matrices[i].filled = r->matrices[i].has_grad = 0;
}

const float *matrix_values(struct model_run *r, const struct model_step *s,
                           uint32_t number)
{
    struct matrix_state *st = &r->matrices[number];
    uint32_t phase;

    if (st->filled)
        return st->x;
    phase = profile_enter(r->profile, PROFILE_GATHER);
    inputs_forward(&r->model->matrices[number].in, r, s, st->x);
    profile_enter(r->profile, phase);
    st->filled = 1;
    return st->x;
}

float *matrix_grad(struct model_run *r, uint32_t number)
{
    struct matrix_state *st = &r->matrices[number];

    return st->has_grad ? st->spare : st->dx;
}

void matrix_commit(struct model_run *r, uint32_t number, float l2)
{
    struct matrix_state *st = &r->matrices[number];
    size_t n = (size_t)r->n * r->model->matrices[number].in.width;

    if (st->has_grad)
        vec_ops()->axpy(st->dx, 1.0f, st->spare, n);
    st->l2 = st->has_grad ? st->l2 + l2 : l2;
    st->has_grad = 1;
}

float *matrix_grad_sum(struct model_run *r, uint32_t number, float l2, int *add)
{
    struct matrix_state *st = &r->matrices[number];

    *add = st->has_grad;
    st->l2 = st->has_grad ? st->l2 + l2 : l2;
    st->has_grad = 1;
    return st->dx;
}

void matrix_scatter(struct model_run *r, const struct model_step *s, int owner)
{
    const struct model *m = r->model;
    uint32_t phase;

    for (uint32_t i = 0; i < m->n_matrices; i++) {
        struct matrix_state *st = &r->matrices[i];

        if (m->matrices[i].owner != owner || !st->has_grad)
            continue;
        phase = profile_enter(r->profile, PROFILE_SCATTER);
        inputs_backward(&m->matrices[i].in, r, s, st->dx, st->l2);
        profile_enter(r->profile, phase);
    }
}
