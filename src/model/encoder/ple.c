/* Progressive layered extraction (Tang et al. 2020, "Progressive layered
 * extraction (PLE): a novel multi-task learning model for personalized
 * recommendations"): levels of experts, some of all labels, some of one; each
 * label's gate of a level says what its own experts of the next one read, a
 * gate over all experts what the shared ones read. A vector a label.
 *
 *   experts: {type: ple, inputs: [user, item], levels: 2, shared: 2, own: 2,
 *             units: [32], gate: []}
 *
 * units are the layers of each expert of each level; gate: sizes of the gates'
 * hidden layers. */
#include <stdio.h>

#include "base/mem.h"
#include "model/encoder.h"
#include "model/layer/experts.h"
#include "model/registry.h"
#include "tensor/vec.h"

#define MAX_LEVELS 8

static const char *const keys[] = {"levels", "shared", "own", "gate", NULL};

struct ple {
    uint32_t n;
    struct experts levels[MAX_LEVELS];
};

struct ple_state {
    struct experts_state levels[MAX_LEVELS];
    /* [samples, width] d loss / d what streams of a level say, but the last */
    float *grad[MAX_LEVELS - 1][EXPERT_STREAMS];
};

static enum fusor_status check_size(const struct model *m, struct yaml_node *at,
                                    const struct experts_spec *want,
                                    struct fusor_error *err)
{
    uint32_t n = m->n_heads * want->own + want->shared;

    if (n <= EXPERTS_MAX)
        return FUSOR_OK;
    return yaml_fail(at, err,
                     "%u experts a level (%u of each of %u labels, %u shared) "
                     "are more than %d",
                     n, want->own, m->n_heads, want->shared, EXPERTS_MAX);
}

static enum fusor_status ple_build(struct model *m, struct encoder *e,
                                   struct yaml_node *at,
                                   const struct stack_spec *spec,
                                   struct fusor_error *err)
{
    struct ple *p = e->self = mem_alloc(1, sizeof(*p));
    struct experts_spec want = {.shared = 2, .own = 2, .layers = *spec};
    uint32_t in = m->matrices[e->matrix].in.width, n = 2;

    if (!p)
        return mem_fail(err, "encoder", sizeof(*p));
    FUSOR_TRY(build_count(at, "levels", 1, MAX_LEVELS, &n, err));
    FUSOR_TRY(build_count(at, "shared", 1, EXPERTS_MAX, &want.shared, err));
    FUSOR_TRY(build_count(at, "own", 1, EXPERTS_MAX, &want.own, err));
    FUSOR_TRY(check_size(m, at, &want, err));
    FUSOR_TRY(encoder_parse_gate(at, spec, &want.gate, err));
    for (uint32_t l = 0; l < n; l++) {
        char prefix[16];

        snprintf(prefix, sizeof(prefix), "%u.", l + 1);
        want.passes = l + 1 < n;
        p->n = l + 1; // from here on cleared
        FUSOR_TRY(experts_build(m, prefix, in, &want, &p->levels[l], err));
        in = p->levels[l].out;
    }
    e->width = in;
    return FUSOR_OK;
}

static void ple_destroy(struct encoder *e)
{
    struct ple *p = e->self;

    for (uint32_t l = 0; p && l < p->n; l++)
        experts_clear(&p->levels[l]);
    mem_free(p);
}

static void *ple_run_create(const struct encoder *e, struct model_run *r)
{
    const struct ple *p = e->self;
    struct ple_state *st = run_take(r, 1, sizeof(*st));

    for (uint32_t l = 0; st && l < p->n; l++) {
        const struct experts *x = &p->levels[l];

        experts_take(x, r, &st->levels[l]);
        for (uint32_t k = 0; l + 1 < p->n && k < x->n_gates; k++)
            st->grad[l][k] =
                run_take(r, (size_t)r->max_batch * x->out, sizeof(float));
    }
    return st;
}

/* What the streams of a level read. */
static void streams_of(const struct ple *p, const struct ple_state *st,
                       uint32_t level, const float *x, const float **in)
{
    for (uint32_t k = 0; k <= p->levels[level].n_labels; k++)
        in[k] = level ? st->levels[level - 1].sum[k] : x;
}

static void ple_forward(const struct encoder *e, struct model_run *r,
                        const struct model_step *s, const float *x, int train)
{
    const struct ple *p = e->self;
    struct encoder_state *st = &r->encoders[e->index];
    struct ple_state *own = st->state;
    const float *in[EXPERT_STREAMS];

    for (uint32_t l = 0; l < p->n; l++) {
        streams_of(p, own, l, x, in);
        experts_forward(&p->levels[l], &own->levels[l], r->model->seed, s, in,
                        train);
    }
    for (uint32_t k = 0; k < e->n_out; k++)
        st->out[k] = own->levels[p->n - 1].sum[k];
}

static void ple_backward(const struct encoder *e, struct model_run *r,
                         const struct model_step *s, const float *x, float *dx)
{
    const struct ple *p = e->self;
    struct encoder_state *st = &r->encoders[e->index];
    struct ple_state *own = st->state;
    float *same[EXPERT_STREAMS];
    const float *in[EXPERT_STREAMS];

    for (uint32_t k = 0; k < EXPERT_STREAMS; k++)
        same[k] = dx;
    for (uint32_t l = p->n; l-- > 0;) {
        const struct experts *level = &p->levels[l];
        float **din = l ? own->grad[l - 1] : same;

        for (uint32_t k = 0; k < (l ? level->n_labels + 1 : 1); k++)
            if (din[k])
                vec_ops()->fill(din[k], 0.0f, (size_t)s->batch->n * level->in);
        streams_of(p, own, l, x, in);
        experts_backward(level, &own->levels[l], s, in,
                         l + 1 < p->n ? own->grad[l] : st->grad, din);
    }
}

static void ple_describe(const struct encoder *e, struct strbuf *out)
{
    const struct ple *p = e->self;

    strbuf_addf(out, "%u level%s of ", p->n, p->n == 1 ? "" : "s");
    experts_describe(&p->levels[0], out);
}

static const struct experts *ple_experts(const struct encoder *e,
                                         uint32_t level)
{
    const struct ple *p = e->self;

    return level < p->n ? &p->levels[level] : NULL;
}

static const struct experts_state *
ple_state(const struct encoder *e, const struct model_run *r, uint32_t level)
{
    const struct ple *p = e->self;
    const struct ple_state *st = r->encoders[e->index].state;

    return level < p->n ? &st->levels[level] : NULL;
}

const struct encoder_kind encoder_ple = {
    .name = "ple",
    .by_label = 1,
    .keys = keys,
    .build = ple_build,
    .destroy = ple_destroy,
    .run_create = ple_run_create,
    .forward = ple_forward,
    .backward = ple_backward,
    .describe = ple_describe,
    .experts = ple_experts,
    .experts_state = ple_state,
};
