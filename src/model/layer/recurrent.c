/* Recurrent layers and backpropagation through time (Werbos 1990); the cells
 * are PyTorch's. */
#include "model/layer/recurrent.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/layer/kernel.h"
#include "tensor/tensor.h"

static uint32_t n_gates(const struct recurrent *l)
{
    static const uint32_t gates[] = {1, 3, 4};

    return gates[l->kind];
}

enum fusor_status recurrent_build(struct model *m, const char *name,
                                  enum recurrent_kind kind, uint32_t in,
                                  uint32_t units, struct recurrent *l,
                                  struct fusor_error *err)
{
    char text[PARAM_NAME_MAX];
    float limit = 1.0f / sqrtf((float)units);
    uint32_t block, wide;

    *l = (struct recurrent){.kind = kind, .in = in, .units = units};
    wide = n_gates(l) * units;
    snprintf(text, sizeof(text), "%s.in", name);
    FUSOR_TRY(dense_build(m, text, in, wide, &l->input, err));
    snprintf(text, sizeof(text), "%s.state", name);
    FUSOR_TRY(build_block(m, text, (uint64_t)wide * units, INIT_UNIFORM, limit,
                          0, &block, err));
    l->state = m->blocks[block].offset;
    snprintf(text, sizeof(text), "%s.bias", name);
    FUSOR_TRY(build_block(m, text, wide, INIT_UNIFORM, limit, 1, &block, err));
    l->bias = m->blocks[block].offset;
    return FUSOR_OK;
}

void recurrent_take(const struct recurrent *l, struct model_run *r, size_t rows,
                    struct recurrent_state *st)
{
    size_t h = l->units, wide = n_gates(l) * h, n = r->max_batch;

    st->gates = run_take(r, rows * wide, sizeof(float));
    st->carry = run_take(r, (l->kind == RECURRENT_GRU ? rows : n) * wide,
                         sizeof(float));
    st->h = run_take(r, rows * h, sizeof(float));
    st->before = run_take(r, rows * h, sizeof(float));
    if (l->kind == RECURRENT_LSTM) {
        st->memory = run_take(r, rows * h, sizeof(float));
        st->tanh_m = run_take(r, rows * h, sizeof(float));
        st->dm = run_take(r, n * h, sizeof(float));
    }
    st->dc = st->da = run_take(r, rows * wide, sizeof(float));
    if (l->kind == RECURRENT_GRU)
        st->dc = run_take(r, rows * wide, sizeof(float));
    st->dh = run_take(r, n * h, sizeof(float));
    st->dstep = run_take(r, n * h, sizeof(float));
}

/* ---- forward: one sequence's step ----
 * g [gates * H] holds a and becomes the gates; c is U h + d. */

static void rnn_cell(const struct vec_ops *v, uint32_t h, float *g,
                     const float *c, float *out)
{
    v->add(g, g, c, h);
    v->tanh(g, g, h);
    memcpy(out, g, h * sizeof(*out));
}

KERNEL_BODY void blend_body(const float *z, const float *n, const float *h,
                            uint32_t size, float *out)
{
    for (uint32_t k = 0; k < size; k++)
        out[k] = (1.0f - z[k]) * n[k] + z[k] * h[k];
}

KERNEL(blend,
       (const float *z, const float *n, const float *h, uint32_t size,
        float *out),
       (z, n, h, size, out))

static void gru_cell(const struct vec_ops *v, uint32_t h, float *g,
                     const float *c, const float *before, float *out)
{
    float *n = g + 2 * (size_t)h;

    v->add(g, g, c, 2 * (size_t)h);
    v->sigmoid(g, g, 2 * (size_t)h);
    v->mul_add(n, g, c + 2 * (size_t)h, h);
    v->tanh(n, n, h);
    blend(g + h, n, before, h, out);
}

/* @param m the memory before, or NULL at the first step */
static void lstm_cell(const struct vec_ops *v, uint32_t h, float *g,
                      const float *c, const float *m, float *memory,
                      float *tanh_m, float *out)
{
    size_t size = h;

    v->add(g, g, c, 4 * size);
    v->sigmoid(g, g, 2 * size);
    v->tanh(g + 2 * size, g + 2 * size, size);
    v->sigmoid(g + 3 * size, g + 3 * size, size);
    v->mul(memory, g, g + 2 * size, size);
    if (m)
        v->mul_add(memory, g + size, m, size);
    v->tanh(tanh_m, memory, size);
    v->mul(out, g + 3 * size, tanh_m, size);
}

static void step_forward(const struct recurrent *l, struct recurrent_state *st,
                         const struct model_step *s, const struct pack *p,
                         uint32_t t)
{
    const struct vec_ops *v = vec_ops();
    size_t h = l->units, wide = n_gates(l) * h, first = p->start[t];
    float *c = st->carry + (l->kind == RECURRENT_GRU ? first * wide : 0);
    uint32_t n = p->active[t];

    if (t == 0)
        v->fill(st->before, 0.0f, n * h);
    else
        memcpy(st->before + first * h, st->h + p->start[t - 1] * h,
               n * h * sizeof(float));
    if (t == 0)
        v->fill(c, 0.0f, n * wide);
    else
        blas_gemm_nt(n, wide, h, 1.0f, st->before + first * h,
                     s->dense + l->state, 0.0f, c);
    v->bias_add(c, s->dense + l->bias, n, wide);
    for (uint32_t k = 0; k < n; k++, c += wide) {
        size_t row = (first + k) * h;
        float *g = st->gates + (first + k) * wide, *out = st->h + row;

        if (l->kind == RECURRENT_RNN)
            rnn_cell(v, l->units, g, c, out);
        else if (l->kind == RECURRENT_GRU)
            gru_cell(v, l->units, g, c, st->before + row, out);
        else
            lstm_cell(v, l->units, g, c,
                      t ? st->memory + (p->start[t - 1] + k) * h : NULL,
                      st->memory + row, st->tanh_m + row, out);
    }
}

void recurrent_forward(const struct recurrent *l, struct recurrent_state *st,
                       const struct model_step *s, const struct pack *p,
                       const float *x)
{
    dense_forward(&l->input, s, x, p->rows, st->gates);
    for (uint32_t t = 0; t < p->longest; t++)
        step_forward(l, st, s, p, t);
}

/* ---- backward: one sequence's step ----
 * From dh, the gradient of h': da and dc, and what goes past U into dh. */

KERNEL_BODY void rnn_back_body(const float *restrict g, uint32_t size,
                               float *restrict dh, float *restrict da)
{
    for (uint32_t k = 0; k < size; k++) {
        da[k] = dh[k] * (1.0f - g[k] * g[k]);
        dh[k] = 0.0f;
    }
}

KERNEL(rnn_back,
       (const float *restrict g, uint32_t size, float *restrict dh,
        float *restrict da),
       (g, size, dh, da))

KERNEL_BODY void gru_back_body(const float *restrict g, const float *restrict c,
                               const float *restrict before, uint32_t size,
                               float *restrict dh, float *restrict da,
                               float *restrict dc)
{
    for (uint32_t k = 0; k < size; k++) {
        float r = g[k], z = g[size + k], n = g[2 * size + k];
        float dn = dh[k] * (1.0f - z) * (1.0f - n * n);
        float dr = dn * c[2 * size + k] * r * (1.0f - r);
        float dz = dh[k] * (before[k] - n) * z * (1.0f - z);

        da[k] = dc[k] = dr;
        da[size + k] = dc[size + k] = dz;
        da[2 * size + k] = dn;
        dc[2 * size + k] = dn * r;
        dh[k] *= z;
    }
}

KERNEL(gru_back,
       (const float *restrict g, const float *restrict c,
        const float *restrict before, uint32_t size, float *restrict dh,
        float *restrict da, float *restrict dc),
       (g, c, before, size, dh, da, dc))

KERNEL_BODY void lstm_back_body(const float *restrict g,
                                const float *restrict tanh_m,
                                const float *restrict m, int has_m,
                                uint32_t size, float *restrict dh,
                                float *restrict dm, float *restrict da)
{
    for (uint32_t k = 0; k < size; k++) {
        float i = g[k], f = g[size + k], c = g[2 * size + k];
        float o = g[3 * size + k], y = tanh_m[k];
        float d = dm[k] + dh[k] * o * (1.0f - y * y);

        da[k] = d * c * i * (1.0f - i);
        da[size + k] = has_m ? d * m[k] * f * (1.0f - f) : 0.0f;
        da[2 * size + k] = d * i * (1.0f - c * c);
        da[3 * size + k] = dh[k] * y * o * (1.0f - o);
        dm[k] = d * f;
        dh[k] = 0.0f;
    }
}

KERNEL(lstm_back,
       (const float *restrict g, const float *restrict tanh_m,
        const float *restrict m, int has_m, uint32_t size, float *restrict dh,
        float *restrict dm, float *restrict da),
       (g, tanh_m, m, has_m, size, dh, dm, da))

static void cells_backward(const struct recurrent *l,
                           struct recurrent_state *st, const struct pack *p,
                           uint32_t t)
{
    size_t h = l->units, wide = n_gates(l) * h, first = p->start[t];

    for (uint32_t k = 0; k < p->active[t]; k++) {
        size_t row = first + k;
        const float *g = st->gates + row * wide;
        float *da = st->da + row * wide, *dh = st->dh + k * h;

        if (l->kind == RECURRENT_RNN)
            rnn_back(g, l->units, dh, da);
        else if (l->kind == RECURRENT_GRU)
            gru_back(g, st->carry + row * wide, st->before + row * h, l->units,
                     dh, da, st->dc + row * wide);
        else
            lstm_back(g, st->tanh_m + row * h,
                      t ? st->memory + (p->start[t - 1] + k) * h : st->memory,
                      t > 0, l->units, dh, st->dm + k * h, da);
    }
}

static void step_backward(const struct recurrent *l, struct recurrent_state *st,
                          const struct model_step *s, const struct pack *p,
                          const float *dh_all, uint32_t t)
{
    const struct vec_ops *v = vec_ops();
    size_t h = l->units, wide = n_gates(l) * h, first = p->start[t];
    uint32_t n = p->active[t];

    if (dh_all)
        v->add(st->dh, st->dh, dh_all + first * h, n * h);
    cells_backward(l, st, p, t);
    if (t == 0)
        return;
    blas_gemm_nn(n, h, wide, 1.0f, st->dc + first * wide, s->dense + l->state,
                 0.0f, st->dstep);
    v->add(st->dh, st->dh, st->dstep, n * h);
}

void recurrent_backward(const struct recurrent *l, struct recurrent_state *st,
                        const struct model_step *s, const struct pack *p,
                        const float *x, const float *dh_all,
                        const float *dh_last, float *dx)
{
    const struct vec_ops *v = vec_ops();
    size_t h = l->units, wide = n_gates(l) * h;

    /* A sequence's rows of dh are not read before its last step. */
    if (dh_last)
        memcpy(st->dh, dh_last, p->n * h * sizeof(float));
    else
        v->fill(st->dh, 0.0f, p->n * h);
    if (st->dm)
        v->fill(st->dm, 0.0f, p->n * h);
    for (uint32_t t = p->longest; t-- > 0;)
        step_backward(l, st, s, p, dh_all, t);
    blas_gemm_tn(wide, h, p->rows, 1.0f, st->dc, st->before, 0.0f,
                 s->dense_grad + l->state);
    v->fill(s->dense_grad + l->bias, 0.0f, wide);
    v->column_sums(s->dense_grad + l->bias, st->dc, p->rows, wide);
    dense_backward(&l->input, s, x, st->da, p->rows, dx, 1);
}
