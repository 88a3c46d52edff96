/* R = sum_t a_t M_t with a = softmax(alpha), the same for all samples, or with
 * a gate a = softmax(g(x)), weights of each sample from fields of its own: a
 * mixture of experts (Jacobs et al. 1991) whose experts are the towers.
 *
 *   fusion: {type: attention, over: logits,
 *            gate: {mlp: [16], from: [user, history.length, mf.query]}}
 *
 * The gate reads a tower's query vector without changing it: no gradient goes
 * back that way. drop leaves whole towers out of the softmax of a sample in
 * training; one that would lose them all keeps them all. */
#include "model/fusion/mix.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/inputs.h"
#include "model/layer/stack.h"
#include "tensor/vec.h"

static const char *const keys[] = {"type", "over",      "gate",    "bias",
                                   "drop", "normalise", "missing", NULL};
static const char *const gate_keys[] = {
    "mlp", "from", "table", "activation", "norm", "dropout", NULL};

#define MAX_QUERIES 16

struct gate_query { // a tower's query vector as an input of the gate
    uint32_t tower;
    uint32_t offset;
};

struct attention {
    struct mix mix;
    int has_gate;
    uint64_t alpha;   // without a gate
    struct inputs in; // its width counts the query vectors too
    struct gate_query queries[MAX_QUERIES];
    uint32_t n_queries;
    struct stack gate;
};

struct attention_state {
    struct mix_state mix;
    float *x, *dx; // [n, in] of the gate
    float *dlogit; // [n, n_towers]
    struct stack_state gate;
};

/* "mf.query" */
static int query_of_tower(const struct model *m, const char *word, uint32_t *t)
{
    const char *dot = strrchr(word, '.');

    if (!dot || strcmp(dot, ".query"))
        return 0;
    for (*t = 0; *t < m->n_towers; ++*t)
        if (strlen(m->towers[*t].name) == (size_t)(dot - word) &&
            !strncmp(m->towers[*t].name, word, (size_t)(dot - word)))
            return 1;
    return 0;
}

static enum fusor_status parse_from(struct model *m, struct attention *a,
                                    struct yaml_node *at,
                                    const struct inputs_from *from,
                                    struct fusor_error *err)
{
    uint32_t t;

    if (at->kind == YAML_LIST) {
        for (size_t i = 0; i < at->n; i++)
            FUSOR_TRY(parse_from(m, a, at->items[i], from, err));
        return FUSOR_OK;
    }
    if (at->kind != YAML_SCALAR || !query_of_tower(m, at->text, &t))
        return inputs_parse(m, at, from, &a->in, err);
    if (!m->towers[t].kind->query)
        return yaml_fail(at, err, "tower %s has no query vector",
                         m->towers[t].name);
    if (a->n_queries == MAX_QUERIES)
        return yaml_fail(at, err, "more than %d query vectors", MAX_QUERIES);
    a->queries[a->n_queries++] = (struct gate_query){t, a->in.width};
    a->in.width += m->towers[t].kind->query_width(&m->towers[t]);
    return FUSOR_OK;
}

static enum fusor_status build_gate(struct model *m, struct attention *a,
                                    struct yaml_node *at,
                                    struct fusor_error *err)
{
    struct stack_spec spec = {.activation = ACTIVATION_RELU};
    struct inputs_from from = {0};

    FUSOR_TRY(build_keys(at, "gate", gate_keys, err));
    if (!yaml_get(at, "from"))
        return yaml_fail(at, err, "the gate needs from: [fields it looks at]");
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &from.table, err));
    FUSOR_TRY(parse_from(m, a, yaml_get(at, "from"), &from, err));
    FUSOR_TRY(stack_parse(at, "mlp", &spec, err));
    a->has_gate = 1;
    return stack_build(m, "gate", a->in.width, &spec, a->mix.n_towers, &a->gate,
                       err);
}

static enum fusor_status attention_build(struct model *m, struct fusion *f,
                                         struct yaml_node *at,
                                         struct fusor_error *err)
{
    struct attention *a = f->self = mem_alloc(1, sizeof(*a));
    uint32_t block;

    if (!a)
        return mem_fail(err, "fusion", sizeof(*a));
    FUSOR_TRY(build_keys(at, "fusion", keys, err));
    FUSOR_TRY(mix_build(m, f, at, 1, &a->mix, err));
    if (yaml_get(at, "gate"))
        return build_gate(m, a, yaml_get(at, "gate"), err);
    FUSOR_TRY(
        build_block(m, "alpha", f->n_towers, INIT_ZERO, 0, 1, &block, err));
    a->alpha = m->blocks[block].offset;
    return FUSOR_OK;
}

static void attention_destroy(struct fusion *f)
{
    struct attention *a = f->self;

    if (!a)
        return;
    inputs_clear(&a->in);
    mem_free(a);
}

static void *attention_run_create(const struct fusion *f, struct model_run *r)
{
    const struct attention *a = f->self;
    struct attention_state *st = run_take(r, 1, sizeof(*st));
    size_t n = r->max_batch;

    if (!st)
        return NULL;
    mix_take(&a->mix, r, &st->mix);
    st->dlogit = run_take(r, n * a->mix.n_towers, sizeof(float));
    run_head(r, f)->fusion_weights =
        run_take(r, n * a->mix.n_towers, sizeof(float));
    if (!a->has_gate)
        return st;
    st->x = run_take(r, n * a->in.width, sizeof(float));
    st->dx = run_take(r, n * a->in.width, sizeof(float));
    stack_take(&a->gate, r, &st->gate);
    return st;
}

static void fill_queries(const struct attention *a, struct attention_state *st,
                         const struct model_run *r, const struct model_step *s)
{
    for (uint32_t k = 0; k < a->n_queries; k++) {
        const struct gate_query *q = &a->queries[k];
        const struct tower *t = &r->model->towers[q->tower];
        size_t bytes = t->kind->query_width(t) * sizeof(float);

        for (uint32_t i = 0; i < s->batch->n; i++)
            memcpy(st->x + (size_t)i * a->in.width + q->offset,
                   t->kind->query(t, r, s, i), bytes);
    }
}

/* Row of logits of sample i, less the towers that are dropped, missing or
 * silent, to weights. */
static void to_weights(const struct mix *x, const struct mix_state *st,
                       const struct model_run *r, uint32_t i,
                       const float *logit, float *out)
{
    uint32_t m = x->n_towers;
    const float *mask = st->dropped ? st->mask + (size_t)i * m : NULL;
    int any = 0;

    for (uint32_t t = 0; t < m; t++)
        any |= mask && mask[t] > 0.0f && !mix_is_silent(x, st, i, t);
    for (uint32_t t = 0; t < m; t++)
        out[t] = (any && !(mask[t] > 0.0f)) || mix_leaves_out(x, st, r, i, t)
                     ? -INFINITY
                     : logit[t];
    vec_ops()->softmax(out, out, m);
}

static void attention_forward(const struct fusion *f, struct model_run *r,
                              const struct model_step *s, int train)
{
    const struct attention *a = f->self;
    struct attention_state *st = run_head(r, f)->fusion_state;
    uint32_t m = a->mix.n_towers;
    const float *logit = s->dense + a->alpha;

    mix_forward(&a->mix, &st->mix, r, s, train, 0);
    if (a->has_gate) {
        inputs_forward(&a->in, r, s, st->x);
        fill_queries(a, st, r, s);
        logit =
            stack_forward(&a->gate, &st->gate, r->model->seed, s, st->x, train);
    }
    for (uint32_t i = 0; i < s->batch->n; i++)
        to_weights(&a->mix, &st->mix, r, i,
                   logit + (a->has_gate ? (size_t)i * m : 0),
                   run_head(r, f)->fusion_weights + (size_t)i * m);
    mix_sum(&a->mix, &st->mix, r, s, run_head(r, f)->fusion_weights, m);
}

static void attention_backward(const struct fusion *f, struct model_run *r,
                               const struct model_step *s)
{
    const struct attention *a = f->self;
    struct attention_state *st = run_head(r, f)->fusion_state;
    const struct vec_ops *v = vec_ops();
    uint32_t n = s->batch->n, m = a->mix.n_towers;

    mix_sum_backward(&a->mix, &st->mix, r, s, run_head(r, f)->fusion_weights, m,
                     f->trained);
    for (uint32_t i = 0; f->trained && i < n; i++)
        v->softmax_backward(st->dlogit + (size_t)i * m,
                            st->mix.da + (size_t)i * m,
                            run_head(r, f)->fusion_weights + (size_t)i * m, m);
    if (f->trained && a->has_gate) {
        stack_backward(&a->gate, &st->gate, s, st->x, st->dlogit, st->dx, 1);
        inputs_backward(&a->in, r, s, st->dx, 0.0f);
    } else if (f->trained) {
        v->column_sums(s->dense_grad + a->alpha, st->dlogit, n, m);
    }
    mix_backward(&a->mix, &st->mix, r, s, 0);
}

static void attention_contributions(const struct fusion *f, struct model_run *r,
                                    const struct model_step *s, float *out)
{
    const struct attention *a = f->self;
    const struct attention_state *st = run_head(r, f)->fusion_state;

    mix_contributions(&a->mix, &st->mix, r, s, run_head(r, f)->fusion_weights,
                      a->mix.n_towers, out);
}

static void attention_describe(const struct fusion *f, const struct model *m,
                               struct strbuf *out)
{
    const struct attention *a = f->self;

    if (!a->has_gate) {
        strbuf_add(out, "softmax(alpha)");
        mix_describe(&a->mix, out);
        return;
    }
    strbuf_add(out, "gate [");
    inputs_describe(&a->in, m, out);
    for (uint32_t k = 0; k < a->n_queries; k++)
        strbuf_addf(out, "%s%s.query", k || a->in.n ? ", " : "",
                    m->towers[a->queries[k].tower].name);
    strbuf_add(out, "] ");
    stack_describe(&a->gate, out);
    mix_describe(&a->mix, out);
}

static int attention_reads_samples(const struct fusion *f)
{
    return ((const struct attention *)f->self)->has_gate;
}

const struct fusion_kind fusion_attention = {
    .name = "attention",
    .build = attention_build,
    .destroy = attention_destroy,
    .run_create = attention_run_create,
    .forward = attention_forward,
    .backward = attention_backward,
    .contributions = attention_contributions,
    .describe = attention_describe,
    .reads_samples = attention_reads_samples,
};
