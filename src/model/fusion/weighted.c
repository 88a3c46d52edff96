/* R = sum_t w_t M_t with one weight a tower for all samples.
 *
 *   weights: ones     1 for every tower (DeepFM over logits), or equal shares
 *                     when scores or vectors are mixed
 *            [..]     given numbers, in the towers' order
 *            free     learned; at first as ones
 *            softmax  softmax(alpha), alpha learned; at first equal
 *            simplex  the point of the simplex next to a learned p (Duchi et
 *                     al. 2008, figure 1): weights may become exactly 0. The
 *                     gradient of p is that of w less its mean over the
 *                     towers in use, for all towers, so that one that fell to
 *                     0 can come back. */
#include "model/fusion/mix.h"

#include <string.h>

#include "base/mem.h"
#include "tensor/vec.h"

static const char *const keys[] = {"type", "over",      "weights", "bias",
                                   "drop", "normalise", "missing", NULL};

enum weights { WEIGHTS_ONES, WEIGHTS_FREE, WEIGHTS_SOFTMAX, WEIGHTS_SIMPLEX };
static const char *const weights_names[] = {"ones", "free", "softmax",
                                            "simplex", NULL};

struct weighted {
    struct mix mix;
    enum weights weights;
    float *given;   // [n_towers] factor of each tower
    uint64_t param; // offset of w, alpha or p
};

struct weighted_state {
    struct mix_state mix;
    float *w, *dw; // [n_towers]
    float *each;   // [n, n_towers] where towers may be silent, else NULL
};

static enum fusor_status parse_given(struct weighted *w, struct yaml_node *at,
                                     struct fusor_error *err)
{
    if (at->n != w->mix.n_towers)
        return yaml_fail(at, err, "%zu weights for %u towers", at->n,
                         w->mix.n_towers);
    for (uint32_t t = 0; t < w->mix.n_towers; t++) {
        double v;

        FUSOR_TRY(yaml_to_double(at->items[t], &v, err));
        w->given[t] = (float)v;
    }
    return FUSOR_OK;
}

static enum fusor_status parse_weights(struct model *m, struct weighted *w,
                                       struct yaml_node *at,
                                       struct fusor_error *err)
{
    struct yaml_node *list = yaml_get(at, "weights");
    uint32_t n = w->mix.n_towers;
    float share = 1.0f / (float)n;
    int choice = WEIGHTS_ONES;
    uint32_t block;

    w->given = mem_alloc(n, sizeof(float));
    if (!w->given)
        return mem_fail(err, "weights", n * sizeof(float));
    for (uint32_t t = 0; t < n; t++)
        w->given[t] = w->mix.fusion->over == OVER_LOGITS ? 1.0f : share;
    if (list && list->kind == YAML_LIST)
        return parse_given(w, list, err);
    FUSOR_TRY(build_choice(at, "weights", weights_names, &choice, err));
    w->weights = (enum weights)choice;
    if (choice == WEIGHTS_ONES)
        return FUSOR_OK;
    FUSOR_TRY(build_block(m, weights_names[choice], n,
                          choice == WEIGHTS_SOFTMAX ? INIT_ZERO : INIT_ONE, 0,
                          1, &block, err));
    w->param = m->blocks[block].offset;
    return FUSOR_OK;
}

static enum fusor_status weighted_build(struct model *m, struct fusion *f,
                                        struct yaml_node *at,
                                        struct fusor_error *err)
{
    struct weighted *w = f->self = mem_alloc(1, sizeof(*w));

    if (!w)
        return mem_fail(err, "fusion", sizeof(*w));
    if (at)
        FUSOR_TRY(build_keys(at, "fusion", keys, err));
    FUSOR_TRY(mix_build(m, f, at, 1, &w->mix, err));
    return parse_weights(m, w, at, err);
}

static void weighted_destroy(struct fusion *f)
{
    struct weighted *w = f->self;

    if (!w)
        return;
    mem_free(w->given);
    mem_free(w);
}

static void *weighted_run_create(const struct fusion *f, struct model_run *r)
{
    const struct weighted *w = f->self;
    struct weighted_state *st = run_take(r, 1, sizeof(*st));

    if (!st)
        return NULL;
    mix_take(&w->mix, r, &st->mix);
    st->w = run_take(r, w->mix.n_towers, sizeof(float));
    if (w->mix.gaps)
        run_head(r, f)->fusion_weights = st->each =
            run_take(r, (size_t)r->max_batch * w->mix.n_towers, sizeof(float));
    else
        run_head(r, f)->shared_weights = st->w;
    st->dw = run_take(r, w->mix.n_towers, sizeof(float));
    return st;
}

/* w_t = max(p_t - theta, 0) with theta such that they sum to 1: the largest k
 * towers share it, k the most for which the k-th stays positive. */
static void to_simplex(const float *p, float *w, uint32_t m)
{
    float theta = 0.0f;
    uint32_t best = 0;

    for (uint32_t t = 0; t < m; t++) { // towers not smaller than p_t
        float sum = 0.0f;
        uint32_t k = 0;

        for (uint32_t o = 0; o < m; o++)
            if (p[o] >= p[t]) {
                sum += p[o];
                k++;
            }
        if (k > best && p[t] - (sum - 1.0f) / (float)k > 0.0f) {
            best = k;
            theta = (sum - 1.0f) / (float)k;
        }
    }
    for (uint32_t t = 0; t < m; t++)
        w[t] = p[t] > theta ? p[t] - theta : 0.0f;
}

static void make_weights(const struct weighted *w, const struct model_step *s,
                         float *out)
{
    uint32_t m = w->mix.n_towers;
    const float *p = s->dense + w->param;

    switch (w->weights) {
    case WEIGHTS_ONES:
        memcpy(out, w->given, m * sizeof(float));
        break;
    case WEIGHTS_FREE:
        vec_ops()->mul(out, p, w->given, m);
        break;
    case WEIGHTS_SOFTMAX:
        vec_ops()->softmax(out, p, m);
        break;
    case WEIGHTS_SIMPLEX:
        to_simplex(p, out, m);
        break;
    }
}

/* The weights that sum the towers up, for mix_sum(). */
static const float *used(const struct weighted_state *st)
{
    return st->each ? st->each : st->w;
}

static uint32_t stride(const struct weighted_state *st, const struct fusion *f)
{
    return st->each ? f->n_towers : 0;
}

static void weighted_forward(const struct fusion *f, struct model_run *r,
                             const struct model_step *s, int train)
{
    const struct weighted *w = f->self;
    struct weighted_state *st = run_head(r, f)->fusion_state;

    mix_forward(&w->mix, &st->mix, r, s, train, 1);
    make_weights(w, s, st->w);
    for (uint32_t i = 0; st->each && i < s->batch->n; i++) {
        float *own = st->each + (size_t)i * f->n_towers;

        memcpy(own, st->w, f->n_towers * sizeof(float));
        mix_renormalise(&w->mix, &st->mix, r, i, own);
    }
    if (!st->each && r->n_missing)
        mix_renormalise(&w->mix, &st->mix, r, 0, st->w);
    mix_sum(&w->mix, &st->mix, r, s, used(st), stride(st, f));
}

static void param_gradient(const struct weighted *w, struct weighted_state *st,
                           const struct model_step *s)
{
    const struct vec_ops *v = vec_ops();
    uint32_t m = w->mix.n_towers, used = 0;
    float *grad = s->dense_grad + w->param, mean = 0.0f;

    v->fill(st->dw, 0.0f, m);
    if (st->each)
        mix_renormalise_backward(&w->mix, &st->mix, s->batch->n, st->w, st->dw);
    else
        v->column_sums(st->dw, st->mix.da, s->batch->n, m);
    switch (w->weights) {
    case WEIGHTS_ONES:
        break;
    case WEIGHTS_FREE:
        v->mul(grad, st->dw, w->given, m);
        break;
    case WEIGHTS_SOFTMAX:
        v->softmax_backward(grad, st->dw, st->w, m);
        break;
    case WEIGHTS_SIMPLEX:
        for (uint32_t t = 0; t < m; t++)
            if (st->w[t] > 0.0f) {
                mean += st->dw[t];
                used++;
            }
        for (uint32_t t = 0; t < m; t++)
            grad[t] = st->dw[t] - mean / (float)used;
        break;
    }
}

static void weighted_backward(const struct fusion *f, struct model_run *r,
                              const struct model_step *s)
{
    const struct weighted *w = f->self;
    struct weighted_state *st = run_head(r, f)->fusion_state;

    mix_sum_backward(&w->mix, &st->mix, r, s, used(st), stride(st, f),
                     f->trained);
    if (f->trained)
        param_gradient(w, st, s);
    mix_backward(&w->mix, &st->mix, r, s, 1);
}

static void weighted_contributions(const struct fusion *f, struct model_run *r,
                                   const struct model_step *s, float *out)
{
    const struct weighted *w = f->self;
    const struct weighted_state *st = run_head(r, f)->fusion_state;

    mix_contributions(&w->mix, &st->mix, r, s, used(st), stride(st, f), out);
}

static void weighted_describe(const struct fusion *f, const struct model *m,
                              struct strbuf *out)
{
    const struct weighted *w = f->self;

    strbuf_addf(out, "weights %s", weights_names[w->weights]);
    for (uint32_t t = 0; w->weights == WEIGHTS_ONES && t < f->n_towers; t++)
        strbuf_addf(out, " %s %g", m->towers[f->towers[t]].name,
                    (double)w->given[t]);
    mix_describe(&w->mix, out);
}

const struct fusion_kind fusion_weighted = {
    .name = "weighted",
    .build = weighted_build,
    .destroy = weighted_destroy,
    .run_create = weighted_run_create,
    .forward = weighted_forward,
    .backward = weighted_backward,
    .contributions = weighted_contributions,
    .describe = weighted_describe,
};
