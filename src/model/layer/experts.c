/* One level of experts and gates; sources in the header. Sums run over streams
 * and experts in their order, so that bits depend on nothing else. */
#include "model/layer/experts.h"

#include <stdio.h>

#include "base/mem.h"
#include "tensor/vec.h"

/* Prefix, a label's name, a word and a number. */
#define TEXT_MAX (EXPERTS_NAME_MAX + 16)

/* The stream that expert e belongs to and reads. */
static uint32_t stream_of(const struct experts *x, uint32_t e)
{
    return e < x->n_labels * x->own ? e / x->own : x->n_labels;
}

/* How many experts a gate weighs, and which is the j-th. */
static uint32_t weighed(const struct experts *x, uint32_t gate)
{
    return gate < x->n_labels ? x->own + x->shared : x->n;
}

static uint32_t expert_of(const struct experts *x, uint32_t gate, uint32_t j)
{
    if (gate == x->n_labels)
        return j;
    return j < x->own ? gate * x->own + j : x->n_labels * x->own + j - x->own;
}

static const char *stream_name(const struct model *m, const struct experts *x,
                               uint32_t stream)
{
    return stream < x->n_labels ? m->heads[stream].name : "shared";
}

void experts_name(const struct model *m, const struct experts *x,
                  uint32_t expert, char out[EXPERTS_NAME_MAX])
{
    uint32_t stream = stream_of(x, expert);

    if (x->own)
        snprintf(out, EXPERTS_NAME_MAX, "%s.expert%u",
                 stream_name(m, x, stream),
                 stream < x->n_labels ? expert % x->own
                                      : expert - x->n_labels * x->own);
    else
        snprintf(out, EXPERTS_NAME_MAX, "expert%u", expert);
}

static enum fusor_status build_expert(struct model *m, const char *prefix,
                                      uint32_t e,
                                      const struct experts_spec *spec,
                                      struct experts *x,
                                      struct fusor_error *err)
{
    char name[EXPERTS_NAME_MAX], text[TEXT_MAX];

    experts_name(m, x, e, name);
    snprintf(text, sizeof(text), "%s%s.dense", prefix, name);
    return stack_build(m, text, x->in, &spec->layers, 0, &x->nets[e], err);
}

enum fusor_status experts_build(struct model *m, const char *prefix,
                                uint32_t in, const struct experts_spec *spec,
                                struct experts *out, struct fusor_error *err)
{
    char text[TEXT_MAX];

    *out =
        (struct experts){.n_labels = m->n_heads,
                         .own = spec->own,
                         .shared = spec->shared,
                         .n = m->n_heads * spec->own + spec->shared,
                         .n_gates = m->n_heads + (spec->passes ? 1 : 0),
                         .in = in,
                         .out = spec->layers.units[spec->layers.n_units - 1]};
    out->nets = mem_alloc(out->n, sizeof(*out->nets));
    if (!out->nets)
        return mem_fail(err, "experts", out->n * sizeof(*out->nets));
    for (uint32_t e = 0; e < out->n; e++)
        FUSOR_TRY(build_expert(m, prefix, e, spec, out, err));
    for (uint32_t g = 0; g < out->n_gates; g++) {
        snprintf(text, sizeof(text), "%s%s.gate", prefix,
                 stream_name(m, out, g));
        FUSOR_TRY(stack_build(m, text, in, &spec->gate, weighed(out, g),
                              &out->gates[g], err));
    }
    return FUSOR_OK;
}

void experts_clear(struct experts *x)
{
    mem_free(x->nets);
    x->nets = NULL;
}

void experts_take(const struct experts *x, struct model_run *r,
                  struct experts_state *st)
{
    size_t n = r->max_batch;

    st->nets = run_take(r, x->n, sizeof(*st->nets));
    st->y = run_take(r, x->n, sizeof(*st->y));
    st->dy = run_take(r, x->n, sizeof(*st->dy));
    st->dweights = run_take(r, n * x->n, sizeof(float));
    st->part = run_take(r, n * x->in, sizeof(float));
    for (uint32_t e = 0; !r->failed && e < x->n; e++) {
        stack_take(&x->nets[e], r, &st->nets[e]);
        st->dy[e] = run_take(r, n * x->out, sizeof(float));
    }
    for (uint32_t g = 0; !r->failed && g < x->n_gates; g++) {
        stack_take(&x->gates[g], r, &st->gates[g]);
        st->weights[g] = run_take(r, n * weighed(x, g), sizeof(float));
        st->sum[g] = run_take(r, n * x->out, sizeof(float));
    }
}

/* Logits of a gate to weights, and the experts' sum. */
static void gate_forward(const struct experts *x, struct experts_state *st,
                         uint32_t gate, uint32_t n, const float *logits)
{
    const struct vec_ops *v = vec_ops();
    uint32_t m = weighed(x, gate);

    v->fill(st->sum[gate], 0.0f, (size_t)n * x->out);
    for (uint32_t i = 0; i < n; i++) {
        float *w = st->weights[gate] + (size_t)i * m;

        v->softmax(w, logits + (size_t)i * m, m);
        for (uint32_t j = 0; j < m; j++)
            v->axpy(st->sum[gate] + (size_t)i * x->out, w[j],
                    st->y[expert_of(x, gate, j)] + (size_t)i * x->out, x->out);
    }
}

void experts_forward(const struct experts *x, struct experts_state *st,
                     uint64_t seed, const struct model_step *s,
                     const float *const *in, int train)
{
    for (uint32_t e = 0; e < x->n; e++)
        st->y[e] = stack_forward(&x->nets[e], &st->nets[e], seed, s,
                                 in[stream_of(x, e)], train);
    for (uint32_t g = 0; g < x->n_gates; g++)
        gate_forward(
            x, st, g, s->batch->n,
            stack_forward(&x->gates[g], &st->gates[g], seed, s, in[g], train));
}

/* From d sum to what it adds to st->dy, and st->dweights: d logits. */
static void gate_backward(const struct experts *x, struct experts_state *st,
                          uint32_t gate, uint32_t n, const float *dout)
{
    const struct vec_ops *v = vec_ops();
    uint32_t m = weighed(x, gate);

    for (uint32_t i = 0; i < n; i++) {
        const float *w = st->weights[gate] + (size_t)i * m;
        const float *d = dout + (size_t)i * x->out;
        float *dw = st->dweights + (size_t)i * m;

        for (uint32_t j = 0; j < m; j++) {
            uint32_t e = expert_of(x, gate, j);

            dw[j] = v->dot(d, st->y[e] + (size_t)i * x->out, x->out);
            v->axpy(st->dy[e] + (size_t)i * x->out, w[j], d, x->out);
        }
        v->softmax_backward(dw, dw, w, m);
    }
}

/* One network's way back, added to its stream's. */
static void net_backward(const struct experts *x, struct experts_state *st,
                         const struct stack *net, struct stack_state *state,
                         const struct model_step *s, const float *in, float *dy,
                         float *din)
{
    stack_backward(net, state, s, in, dy, din ? st->part : NULL, 1);
    if (din)
        vec_ops()->axpy(din, 1.0f, st->part, (size_t)s->batch->n * x->in);
}

void experts_backward(const struct experts *x, struct experts_state *st,
                      const struct model_step *s, const float *const *in,
                      float *const *dout, float *const *din)
{
    uint32_t n = s->batch->n;

    for (uint32_t e = 0; e < x->n; e++)
        vec_ops()->fill(st->dy[e], 0.0f, (size_t)n * x->out);
    for (uint32_t g = 0; g < x->n_gates; g++) {
        gate_backward(x, st, g, n, dout[g]);
        net_backward(x, st, &x->gates[g], &st->gates[g], s, in[g], st->dweights,
                     din[g]);
    }
    for (uint32_t e = 0; e < x->n; e++) {
        uint32_t stream = stream_of(x, e);

        net_backward(x, st, &x->nets[e], &st->nets[e], s, in[stream], st->dy[e],
                     din[stream]);
    }
}

int experts_weigh(const struct experts *x, uint32_t gate, uint32_t expert)
{
    uint32_t stream = stream_of(x, expert);

    return gate == x->n_labels || stream == gate || stream == x->n_labels;
}

void experts_add_weights(const struct experts *x,
                         const struct experts_state *st, uint32_t gate,
                         uint32_t n, double *sums)
{
    uint32_t m = weighed(x, gate);

    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < m; j++)
            sums[expert_of(x, gate, j)] +=
                (double)st->weights[gate][(size_t)i * m + j];
}

void experts_describe(const struct experts *x, struct strbuf *out)
{
    if (x->own)
        strbuf_addf(out, "%u shared experts and %u of each label, ", x->shared,
                    x->own);
    else
        strbuf_addf(out, "%u experts, ", x->shared);
    stack_describe(&x->nets[0], out);
    strbuf_add(out, ", gates ");
    stack_describe(&x->gates[0], out);
}
