/* Towers side by side, and weighted sums of them. */
#include "model/fusion/query_max.h"

#include <math.h>
#include <string.h>

#include "tensor/vec.h"

const char *const fusion_over_names[] = {"logits", "scores", "vectors", NULL};
const char *const fusion_missing_names[] = {"drop_tower", "zero", "error",
                                            NULL};

/* R as a probability stays this far from 0 and 1: float's sigmoid is exact
 * enough to tell these apart, and logit(R) stays below 14. */
#define PROBABILITY_EDGE 1e-6f

static enum fusor_status build_bias(struct model *m, struct yaml_node *at,
                                    struct mix *out, struct fusor_error *err)
{
    uint32_t block;

    out->has_bias = out->normalise == NORMALISE_ZSCORE; // whose mean is 0
    FUSOR_TRY(build_bool(at, "bias", &out->has_bias, err));
    if (!out->has_bias)
        return FUSOR_OK;
    FUSOR_TRY(build_block(m, "bias", 1, INIT_ZERO, 0, 1, &block, err));
    out->bias = m->blocks[block].offset;
    return FUSOR_OK;
}

static enum fusor_status build_normalise(struct model *m, struct fusion *f,
                                         struct yaml_node *at, struct mix *out,
                                         struct fusor_error *err)
{
    static const char *const names[] = {"none", "zscore", "per_query_max",
                                        NULL};
    int choice = NORMALISE_NONE;

    FUSOR_TRY(build_choice(at, "normalise", names, &choice, err));
    out->normalise = (enum mix_normalise)choice;
    f->by_query = choice == NORMALISE_QUERY_MAX;
    if (choice == NORMALISE_QUERY_MAX && out->fusion->over == OVER_VECTORS)
        return yaml_fail(yaml_get(at, "normalise"), err,
                         "per_query_max is of towers' scores, but the fusion "
                         "is over vectors: take over: logits or scores");
    if (choice != NORMALISE_ZSCORE)
        return FUSOR_OK;
    out->norm.gaps = out->gaps;
    return batch_norm_build_plain(m, "zscore", out->width, &out->norm, err);
}

enum fusor_status mix_build(struct model *m, struct fusion *f,
                            struct yaml_node *at, int sums, struct mix *out,
                            struct fusor_error *err)
{
    const struct tower *a = &m->towers[f->towers[0]], *b = a;

    out->fusion = f;
    out->n_towers = f->n_towers;
    out->joins = !sums;
    out->each = a->width;
    for (uint32_t t = 0; t < f->n_towers; t++) {
        const struct tower *tower = &m->towers[f->towers[t]];

        out->width += tower->width;
        out->gaps |= tower->may_be_silent;
        if (tower->width != a->width) {
            b = tower;
            out->each = 0;
        }
    }
    if (sums && out->each == 0)
        return yaml_fail(at, err,
                         "vectors of towers %s and %s differ in length: %u, "
                         "%u; a %s fusion adds them (concat does not)",
                         a->name, b->name, a->width, b->width, f->kind->name);
    FUSOR_TRY(build_normalise(m, f, at, out, err));
    out->drop.rate = f->drop;
    if (f->drop > 0)
        out->drop.number = build_dropout(m);
    if (!sums)
        return FUSOR_OK;
    out->has_head = f->over == OVER_VECTORS;
    if (!out->has_head)
        return build_bias(m, at, out, err);
    if (yaml_get(at, "bias"))
        return yaml_fail(yaml_get(at, "bias"), err,
                         "a %s fusion over vectors always has a bias: remove "
                         "this setting",
                         f->kind->name);
    return dense_build(m, "head", out->each, 1, &out->head, err);
}

void mix_take(const struct mix *x, struct model_run *r, struct mix_state *st)
{
    size_t n = r->max_batch;
    uint32_t widest = 0;

    for (uint32_t t = 0; t < x->n_towers; t++)
        if (mix_tower(x, r, t)->width > widest)
            widest = mix_tower(x, r, t)->width;
    st->x = run_take(r, n * x->width, sizeof(float));
    st->dx = run_take(r, n * x->width, sizeof(float));
    st->sum = run_take(r, n * x->each, sizeof(float));
    st->dsum = run_take(r, n * x->each, sizeof(float));
    st->da = run_take(r, n * x->n_towers, sizeof(float));
    st->mask = run_take(r, n * x->n_towers, sizeof(float));
    st->column = run_take(r, n * widest, sizeof(float));
    if (r->model->n_heads > 1)
        st->part = run_take(r, n * widest, sizeof(float));
    if (x->gaps) {
        st->silent = run_take(r, n * x->n_towers, 1);
        st->grow = run_take(r, n, sizeof(float));
    }
    if (x->normalise == NORMALISE_NONE)
        return;
    st->raw = run_take(r, n * x->width, sizeof(float));
    if (x->normalise == NORMALISE_ZSCORE)
        batch_norm_take(&x->norm, r, &st->norm);
    else
        st->until = run_take(r, n, sizeof(*st->until));
}

/* x = x * mask of the tower that each column belongs to. */
static void apply_mask(const struct mix *x, const struct mix_state *st,
                       const struct model_run *r, uint32_t n, float *values)
{
    const struct vec_ops *v = vec_ops();

    for (uint32_t i = 0; i < n; i++) {
        float *at = values + (size_t)i * x->width;

        for (uint32_t t = 0; t < x->n_towers; t++) {
            uint32_t width = mix_tower(x, r, t)->width;

            v->scale(at, st->mask[(size_t)i * x->n_towers + t], width);
            at += width;
        }
    }
}

/* Towers without an answer say 0. What joins its inputs by a network is given
 * the others in proportion, as it was in training when towers were dropped. */
static void blank_missing(const struct mix *x, struct mix_state *st,
                          const struct model_run *r, uint32_t n)
{
    const struct vec_ops *v = vec_ops();

    for (uint32_t i = 0; i < n; i++) {
        float *at = st->x + (size_t)i * x->width, factor = 1.0f;
        uint32_t left = 0;

        for (uint32_t t = 0; t < x->n_towers; t++)
            left += !mix_leaves_out(x, st, r, i, t);
        if (x->joins && left)
            factor = (float)x->n_towers / (float)left;
        if (x->gaps)
            st->grow[i] = factor;
        for (uint32_t t = 0; t < x->n_towers; t++) {
            uint32_t width = mix_tower(x, r, t)->width;

            if (mix_is_missing(x, r, t) ||
                (x->gaps && st->silent[(size_t)i * x->n_towers + t]))
                v->fill(at, 0.0f, width);
            else if (x->joins)
                v->scale(at, factor, width);
            at += width;
        }
    }
}

void mix_renormalise(const struct mix *x, const struct mix_state *st,
                     const struct model_run *r, uint32_t i, float *w)
{
    float all = 0.0f, kept = 0.0f;

    for (uint32_t t = 0; t < x->n_towers; t++) {
        all += w[t];
        kept += mix_leaves_out(x, st, r, i, t) ? 0.0f : w[t];
    }
    for (uint32_t t = 0; t < x->n_towers; t++)
        if (mix_leaves_out(x, st, r, i, t))
            w[t] = 0.0f;
        else if (fabsf(kept) > 1e-6f * fabsf(all)) // else: weights cancel
            w[t] *= all / kept;
}

/* a_t = w_t all / kept where tower t speaks, with the sum of all weights and of
 * those of the towers that speak. */
void mix_renormalise_backward(const struct mix *x, const struct mix_state *st,
                              uint32_t n, const float *w, float *dw)
{
    uint32_t m = x->n_towers;
    float all = 0.0f;

    for (uint32_t t = 0; t < m; t++) {
        all += w[t];
        dw[t] = 0.0f;
    }
    for (uint32_t i = 0; i < n; i++) {
        const float *da = st->da + (size_t)i * m;
        float kept = 0.0f, sum = 0.0f;
        int grew;

        for (uint32_t t = 0; t < m; t++)
            if (!mix_is_silent(x, st, i, t)) {
                kept += w[t];
                sum += da[t] * w[t];
            }
        grew = fabsf(kept) > 1e-6f * fabsf(all);
        for (uint32_t t = 0; t < m; t++) {
            int speaks = !mix_is_silent(x, st, i, t);

            dw[t] += speaks ? da[t] * (grew ? all / kept : 1.0f) : 0.0f;
            if (grew)
                dw[t] += sum * (1.0f - (speaks ? all / kept : 0.0f)) / kept;
        }
    }
}

/* Column `offset` is of tower t; NaN behind the output function too. */
static void mark_silent(const struct mix *x, struct mix_state *st,
                        const struct model_run *r, uint32_t n, uint32_t t,
                        uint32_t offset)
{
    const float *says = r->tower_out[x->fusion->towers[t]];

    for (uint32_t i = 0; i < n; i++) {
        int silent = mix_tower(x, r, t)->may_be_silent && isnan(says[i]);

        st->silent[(size_t)i * x->n_towers + t] = (unsigned char)silent;
        if (silent)
            st->x[(size_t)i * x->width + offset] = NAN;
    }
}

/* Of what silent towers left in what will be differentiated. */
static void fill_gaps(const struct mix *x, struct mix_state *st, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < x->width; k++)
            if (isnan(st->raw[(size_t)i * x->width + k]))
                st->raw[(size_t)i * x->width + k] = st->norm.mean[k];
}

static void note_unheard(const struct mix *x, const struct mix_state *st,
                         struct model_run *r, uint32_t n)
{
    for (uint32_t i = 0; i < n && r->unheard == UINT32_MAX; i++) {
        uint32_t silent = 0; // none with missing: zero

        for (uint32_t t = 0; t < x->n_towers; t++)
            silent += mix_is_silent(x, st, i, t);
        if (silent == x->n_towers)
            r->unheard = i;
    }
}

static void normalise(const struct mix *x, struct mix_state *st,
                      struct model_run *r, const struct model_step *s,
                      uint32_t n, int train)
{
    memcpy(st->raw, st->x, (size_t)n * x->width * sizeof(float));
    if (x->normalise == NORMALISE_QUERY_MAX) {
        query_max_forward(x, st, r, s->batch);
        return;
    }
    batch_norm_forward(&x->norm, &st->norm, s, st->raw, n, st->x, train);
    if (x->gaps)
        fill_gaps(x, st, n);
}

void mix_forward(const struct mix *x, struct mix_state *st, struct model_run *r,
                 const struct model_step *s, int train, int apply)
{
    const struct output *output = &r->model->heads[x->fusion->head].output;
    uint32_t n = s->batch->n, offset = 0;

    for (uint32_t t = 0; t < x->n_towers; t++) {
        uint32_t width = mix_tower(x, r, t)->width;
        const float *from = r->tower_out[x->fusion->towers[t]];

        if (x->fusion->over == OVER_SCORES) {
            output_apply(output, from, st->column, n);
            from = st->column;
        }
        for (uint32_t i = 0; i < n; i++)
            memcpy(st->x + (size_t)i * x->width + offset,
                   from + (size_t)i * width, width * sizeof(float));
        if (x->gaps)
            mark_silent(x, st, r, n, t, offset);
        offset += width;
    }
    st->batch_stats = train;
    if (x->normalise != NORMALISE_NONE)
        normalise(x, st, r, s, n, train);
    if (r->n_missing || x->gaps)
        blank_missing(x, st, r, n);
    if (x->gaps)
        note_unheard(x, st, r, n);
    st->dropped = train && x->drop.rate > 0;
    if (st->dropped)
        dropout_mask(&x->drop, r->model->seed, s, x->n_towers, st->mask);
    if (st->dropped && apply)
        apply_mask(x, st, r, n, st->x);
}

/* Column t of st->dx, to that tower's gradient: written by the first fusion
 * that joins it, added by others. */
static void tower_backward(const struct mix *x, struct mix_state *st,
                           struct model_run *r, uint32_t n, uint32_t t,
                           uint32_t offset)
{
    const struct output *output = &r->model->heads[x->fusion->head].output;
    uint32_t tower = x->fusion->towers[t], width = mix_tower(x, r, t)->width;
    float *to = r->has_grad[tower] ? st->part : r->tower_grad[tower];

    for (uint32_t i = 0; i < n; i++)
        memcpy(to + (size_t)i * width, st->dx + (size_t)i * x->width + offset,
               width * sizeof(float));
    if (x->fusion->over == OVER_SCORES) {
        output_apply(output, r->tower_out[tower], st->column, n);
        output_backward(output, r->tower_out[tower], st->column, to, n);
    }
    if (r->has_grad[tower])
        vec_ops()->axpy(r->tower_grad[tower], 1.0f, to, (size_t)n * width);
    r->has_grad[tower] = 1;
}

void mix_backward(const struct mix *x, struct mix_state *st,
                  struct model_run *r, const struct model_step *s, int apply)
{
    uint32_t n = s->batch->n, offset = 0;

    if (st->dropped && apply)
        apply_mask(x, st, r, n, st->dx);
    for (uint32_t i = 0; x->gaps && x->joins && i < n; i++)
        vec_ops()->scale(st->dx + (size_t)i * x->width, st->grow[i], x->width);
    if (x->normalise == NORMALISE_QUERY_MAX)
        query_max_backward(x, st, n);
    if (x->normalise == NORMALISE_ZSCORE)
        batch_norm_backward(&x->norm, &st->norm, s, st->raw, st->dx, n,
                            st->batch_stats, x->fusion->trained);
    for (uint32_t t = 0; t < x->n_towers; t++) {
        tower_backward(x, st, r, n, t, offset);
        offset += mix_tower(x, r, t)->width;
    }
}

static int mixes_probabilities(const struct mix *x, const struct model *m)
{
    return x->normalise == NORMALISE_NONE && x->fusion->over == OVER_SCORES &&
           m->heads[x->fusion->head].output.kind == OUTPUT_SIGMOID;
}

/* Then no bias matters: the sum of its gradient is nothing but rounding, of
 * which adam would make whole steps. */
static int only_orders(const struct mix *x, const struct model *m)
{
    return m->heads[x->fusion->head].loss->only_orders;
}

static float inside(float p)
{
    if (p < PROBABILITY_EDGE)
        return PROBABILITY_EDGE;
    return p > 1.0f - PROBABILITY_EDGE ? 1.0f - PROBABILITY_EDGE : p;
}

void mix_sum(const struct mix *x, struct mix_state *st, struct model_run *r,
             const struct model_step *s, const float *a, uint32_t stride)
{
    const struct vec_ops *v = vec_ops();
    struct head_state *head = run_head(r, x->fusion);
    uint32_t n = s->batch->n;

    v->fill(st->sum, 0.0f, (size_t)n * x->each);
    for (uint32_t i = 0; i < n; i++)
        v->weighted_rows(st->sum + (size_t)i * x->each, a + (size_t)i * stride,
                         st->x + (size_t)i * x->width, x->n_towers, x->each);
    if (x->has_head)
        dense_forward(&x->head, s, st->sum, n, head->score);
    else if (mixes_probabilities(x, r->model))
        for (uint32_t i = 0; i < n; i++) {
            float p = inside(st->sum[i]);

            head->score[i] = logf(p) - log1pf(-p);
        }
    else
        memcpy(head->score, st->sum, n * sizeof(float));
    for (uint32_t i = 0; x->has_bias && i < n; i++)
        head->score[i] += s->dense[x->bias];
}

void mix_sum_backward(const struct mix *x, struct mix_state *st,
                      struct model_run *r, const struct model_step *s,
                      const float *a, uint32_t stride, int train)
{
    const struct vec_ops *v = vec_ops();
    struct head_state *head = run_head(r, x->fusion);
    uint32_t n = s->batch->n, m = x->n_towers, each = x->each;

    if (x->has_head)
        dense_backward(&x->head, s, st->sum, head->score_grad, n, st->dsum,
                       train);
    else
        memcpy(st->dsum, head->score_grad, n * sizeof(float));
    if (x->has_bias && train && !only_orders(x, r->model))
        v->column_sums(s->dense_grad + x->bias, head->score_grad, n, 1);
    if (!x->has_head && mixes_probabilities(x, r->model))
        for (uint32_t i = 0; i < n; i++) { // d logit / dp = 1 / (p (1 - p))
            float p = inside(st->sum[i]);

            st->dsum[i] *= p == st->sum[i] ? 1.0f / (p * (1.0f - p)) : 0.0f;
        }
    for (uint32_t i = 0; i < n; i++) {
        const float *g = st->dsum + (size_t)i * each;

        for (uint32_t t = 0; t < m; t++) {
            size_t at = (size_t)i * x->width + (size_t)t * each;

            st->da[(size_t)i * m + t] = v->dot(g, st->x + at, each);
            v->fill(st->dx + at, 0.0f, each);
            v->axpy(st->dx + at, a[(size_t)i * stride + t], g, each);
        }
    }
}

void mix_contributions(const struct mix *x, const struct mix_state *st,
                       const struct model_run *r, const struct model_step *s,
                       const float *a, uint32_t stride, float *out)
{
    const struct vec_ops *v = vec_ops();
    uint32_t m = x->n_towers;

    for (uint32_t i = 0; i < r->n; i++)
        for (uint32_t t = 0; t < m; t++) {
            const float *at =
                st->x + (size_t)i * x->width + (size_t)t * x->each;
            float said = x->has_head
                             ? v->dot(s->dense + x->head.weight, at, x->each)
                             : at[0];

            out[(size_t)i * m + t] = a[(size_t)i * stride + t] * said;
        }
}

void mix_describe(const struct mix *x, struct strbuf *out)
{
    if (x->normalise == NORMALISE_ZSCORE)
        strbuf_add(out, " of z-scores");
    if (x->normalise == NORMALISE_QUERY_MAX)
        strbuf_add(out, " of shares of the query's largest");
    if (x->has_bias)
        strbuf_add(out, " + bias");
}
