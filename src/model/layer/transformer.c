/* A transformer block and its gradient; Vaswani et al. 2017, section 3. */
#include "model/layer/transformer.h"

#include <stdio.h>
#include <string.h>

#include "tensor/tensor.h"

static void name_part(char *out, const char *name, const char *part)
{
    snprintf(out, PARAM_NAME_MAX, "%s.%s", name, part);
}

static void number_dropout(struct model *m, float rate, struct dropout *d)
{
    *d = (struct dropout){.rate = rate};
    if (rate > 0)
        d->number = build_dropout(m);
}

enum fusor_status transformer_build(struct model *m, const char *name,
                                    const struct transformer_spec *spec,
                                    struct transformer *t,
                                    struct fusor_error *err)
{
    char text[PARAM_NAME_MAX];

    *t = (struct transformer){.spec = *spec};
    name_part(text, name, "attention");
    FUSOR_TRY(attention_build(m, text, spec->dim, spec->heads, spec->causal,
                              spec->last, spec->dropout, &t->attention, err));
    name_part(text, name, "out");
    FUSOR_TRY(dense_build(m, text, spec->dim, spec->dim, &t->out, err));
    name_part(text, name, "norm1");
    FUSOR_TRY(layer_norm_build(m, text, spec->dim, &t->norm1, err));
    name_part(text, name, "up");
    FUSOR_TRY(dense_build(m, text, spec->dim, spec->ff, &t->up, err));
    FUSOR_TRY(activation_build(m, text, spec->activation, &t->activation, err));
    name_part(text, name, "down");
    FUSOR_TRY(dense_build(m, text, spec->ff, spec->dim, &t->down, err));
    name_part(text, name, "norm2");
    FUSOR_TRY(layer_norm_build(m, text, spec->dim, &t->norm2, err));
    number_dropout(m, spec->dropout, &t->drop1);
    number_dropout(m, spec->dropout, &t->hidden);
    number_dropout(m, spec->dropout, &t->drop2);
    return FUSOR_OK;
}

void transformer_take(const struct transformer *t, struct model_run *r,
                      size_t rows, uint32_t longest,
                      struct transformer_state *st)
{
    size_t all = rows, d = t->spec.dim;
    size_t n = t->spec.last ? r->max_batch : rows;
    int post = t->spec.norm == NORM_POST;

    attention_take(&t->attention, r, all, longest, &st->attention);
    layer_norm_take(r, post ? n : all, &st->norm1);
    layer_norm_take(r, n, &st->norm2);
    if (t->spec.norm == NORM_QUERY)
        st->da = run_take(r, all * d, sizeof(float));
    if (!post) {
        st->a = run_take(r, all * d, sizeof(float));
        st->f = run_take(r, n * d, sizeof(float));
    } else {
        st->x1 = run_take(r, n * d, sizeof(float));
    }
    st->o = run_take(r, n * d, sizeof(float));
    st->sum1 = run_take(r, n * d, sizeof(float));
    st->sum2 = run_take(r, n * d, sizeof(float));
    st->h0 = run_take(r, n * t->spec.ff, sizeof(float));
    st->h = run_take(r, n * t->spec.ff, sizeof(float));
    st->dh = run_take(r, n * t->spec.ff, sizeof(float));
    st->g = run_take(r, n * d, sizeof(float));
    st->g2 = run_take(r, n * d, sizeof(float));
    if (t->spec.dropout > 0) {
        st->mask1 = run_take(r, n * d, sizeof(float));
        st->mask2 = run_take(r, n * d, sizeof(float));
        st->mask_hidden = run_take(r, n * t->spec.ff, sizeof(float));
    }
}

void transformer_mask(const struct dropout *d, uint64_t seed,
                      const struct model_step *s, const struct pack *p,
                      uint32_t width, int last, float *mask)
{
    for (uint32_t k = 0; k < p->n; k++)
        dropout_draw(d, seed, s, p->id[k], (last ? 1 : p->length[k]) * width,
                     mask + (size_t)(last ? k : p->start[k]) * width);
}

/* x *= a fresh mask, which stays for the way back. */
static void drop(const struct transformer *t, struct transformer_state *st,
                 const struct dropout *d, uint64_t seed,
                 const struct model_step *s, const struct pack *p,
                 uint32_t width, float *mask, size_t n, float *x)
{
    if (!st->trained || t->spec.dropout <= 0)
        return;
    transformer_mask(d, seed, s, p, width, t->spec.last, mask);
    dropout_apply(mask, x, n * width);
}

static void undrop(const struct transformer *t,
                   const struct transformer_state *st, const float *mask,
                   float *dx, size_t n)
{
    if (st->trained && t->spec.dropout > 0)
        dropout_apply(mask, dx, n);
}

/* Where in x the row stands that output row i belongs to. */
static size_t row_of(const struct transformer *t, const struct pack *p,
                     size_t i)
{
    return t->spec.last ? (size_t)p->start[i] + p->length[i] - 1 : i;
}

static size_t n_rows(const struct transformer *t, const struct pack *p)
{
    return t->spec.last ? p->n : p->rows;
}

void transformer_forward(const struct transformer *t,
                         struct transformer_state *st, uint64_t seed,
                         const struct model_step *s, const struct pack *p,
                         const float *x, int train, float *y)
{
    const struct vec_ops *v = vec_ops();
    size_t n = n_rows(t, p), d = t->spec.dim;
    uint32_t ff = t->spec.ff;
    int post = t->spec.norm == NORM_POST, query = t->spec.norm == NORM_QUERY;
    const float *a = x, *x1 = st->sum1, *f;

    st->trained = train;
    if (!post) {
        layer_norm_forward(&t->norm1, &st->norm1, s, x, p->rows, st->a);
        a = st->a;
    }
    attention_forward(&t->attention, &st->attention, seed, s, p, a,
                      query ? x : a, train, st->o);
    dense_forward(&t->out, s, st->o, (uint32_t)n, st->sum1);
    if (!query)
        drop(t, st, &t->drop1, seed, s, p, t->spec.dim, st->mask1, n, st->sum1);
    for (size_t i = 0; i < n; i++)
        v->add(st->sum1 + i * d, st->sum1 + i * d,
               (query ? a : x) + row_of(t, p, i) * d, d);
    if (post) {
        layer_norm_forward(&t->norm1, &st->norm1, s, st->sum1, n, st->x1);
        x1 = st->x1;
    }
    f = x1;
    if (!post) {
        layer_norm_forward(&t->norm2, &st->norm2, s, x1, n, st->f);
        f = st->f;
    }
    dense_forward(&t->up, s, f, (uint32_t)n, st->h0);
    activation_forward(&t->activation, s, st->h0, st->h, n * ff);
    drop(t, st, &t->hidden, seed, s, p, ff, st->mask_hidden, n, st->h);
    dense_forward(&t->down, s, st->h, (uint32_t)n, st->sum2);
    drop(t, st, &t->drop2, seed, s, p, t->spec.dim, st->mask2, n, st->sum2);
    v->add(post ? st->sum2 : y, st->sum2, query ? f : x1, n * d);
    if (post)
        layer_norm_forward(&t->norm2, &st->norm2, s, st->sum2, n, y);
}

/* Through the feed-forward network: st->g from dy to d loss / d x1.
 * Dropped hidden values are 0 and so is the slope that relu sees there, which
 * their mask has made 0 already. */
static void feed_back(const struct transformer *t, struct transformer_state *st,
                      const struct model_step *s, size_t n, float *dy)
{
    const struct vec_ops *v = vec_ops();
    size_t d = t->spec.dim, ff = t->spec.ff;
    int post = t->spec.norm == NORM_POST, query = t->spec.norm == NORM_QUERY;
    const float *x1 = post ? st->x1 : st->sum1;

    if (post)
        layer_norm_backward(&t->norm2, &st->norm2, s, st->sum2, dy, n, dy);
    memcpy(st->g2, dy, n * d * sizeof(*dy));
    undrop(t, st, st->mask2, st->g2, n * d);
    dense_backward(&t->down, s, st->h, st->g2, (uint32_t)n, st->dh, 1);
    undrop(t, st, st->mask_hidden, st->dh, n * ff);
    activation_backward(&t->activation, s, st->h0, st->h, st->dh, n * ff, 1);
    dense_backward(&t->up, s, post ? x1 : st->f, st->dh, (uint32_t)n, st->g, 1);
    if (query) // the residual goes around the normalised
        v->add(st->g, st->g, dy, n * d);
    if (!post)
        layer_norm_backward(&t->norm2, &st->norm2, s, x1, st->g, n, st->g);
    if (!query)
        v->add(st->g, st->g, dy, n * d);
}

/* rows of to += rows of from, [n, D] */
static void add_rows(const struct transformer *t, const struct pack *p,
                     size_t n, const float *from, float *to)
{
    size_t d = t->spec.dim;

    for (size_t i = 0; i < n; i++)
        vec_ops()->add(to + row_of(t, p, i) * d, to + row_of(t, p, i) * d,
                       from + i * d, d);
}

void transformer_backward(const struct transformer *t,
                          struct transformer_state *st, uint64_t seed,
                          const struct model_step *s, const struct pack *p,
                          const float *x, float *dy, float *dx)
{
    size_t n = n_rows(t, p), d = t->spec.dim;
    int post = t->spec.norm == NORM_POST, query = t->spec.norm == NORM_QUERY;
    const float *a = post ? x : st->a;

    feed_back(t, st, s, n, dy);
    if (post)
        layer_norm_backward(&t->norm1, &st->norm1, s, st->sum1, st->g, n,
                            st->g);
    memcpy(dy, st->g, n * d * sizeof(*dy)); // beside the attention
    if (!query)
        undrop(t, st, st->mask1, st->g, n * d);
    dense_backward(&t->out, s, st->o, st->g, (uint32_t)n, st->g2, 1);
    attention_backward(&t->attention, &st->attention, seed, s, p, a,
                       query ? x : a, st->g2, query ? st->da : NULL, dx);
    if (query) {
        add_rows(t, p, n, dy, st->da);
        layer_norm_backward(&t->norm1, &st->norm1, s, x, st->da, p->rows,
                            st->da);
        vec_ops()->add(dx, dx, st->da, p->rows * d);
        return;
    }
    if (!post)
        layer_norm_backward(&t->norm1, &st->norm1, s, x, dx, p->rows, dx);
    add_rows(t, p, n, dy, dx);
}
