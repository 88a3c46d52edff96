/* Products of sums of embeddings and their gradients, see the header. Compiled
 * once for each level of vector instructions (layer/kernel.h). */
#include "model/tower/dot_loops.h"

#include "model/layer/kernel.h"

/* Vector and bias of one side for sample i. A bias belongs to a categorical
 * field: one id. */
KERNEL_BODY float side_sum(const struct dot_side_view *v,
                           const uint32_t *query_of, uint32_t i,
                           float *restrict y, uint32_t dim)
{
    float bias = 0.0f;

    row_zero(y, dim);
    for (uint32_t k = 0; k < v->n_vec; k++)
        embedding_add(&v->vec[k], v->on_query[k] ? query_of[i] : i, y);
    for (uint32_t k = 0; k < v->n_bias; k++) {
        const struct embedding_view *e = &v->bias[k];
        uint32_t u = e->position[v->bias_on_query[k] ? query_of[i] : i];

        if (u != UINT32_MAX)
            bias += e->rows[u][e->skip];
    }
    return bias;
}

KERNEL_BODY void side_scatter(const struct dot_side_view *v,
                              const uint32_t *query_of, uint32_t i,
                              const float *restrict g, float g_bias, float l2,
                              float l2_bias)
{
    for (uint32_t k = 0; k < v->n_vec; k++)
        embedding_scatter(&v->vec[k], v->on_query[k] ? query_of[i] : i, g,
                          k < v->n_rows ? l2 : 0.0f);
    for (uint32_t k = 0; k < v->n_bias; k++) {
        const struct embedding_view *e = &v->bias[k];
        uint32_t u = e->position[v->bias_on_query[k] ? query_of[i] : i];

        if (u != UINT32_MAX)
            e->grads[u][e->skip] += g_bias + l2_bias * e->rows[u][e->skip];
    }
}

/* Where sample i's query vector is kept. */
KERNEL_BODY uint32_t query_row(const struct dot_pass *p, uint32_t i)
{
    return p->per_query ? p->query_of[i] : i;
}

/* First sample after i that has another query. */
KERNEL_BODY uint32_t run_end(const struct dot_pass *p, uint32_t i)
{
    uint32_t end = i + 1;

    while (p->per_query && end < p->n && p->query_of[end] == p->query_of[i])
        end++;
    return end;
}

KERNEL_BODY const float *item_row(const struct dot_pass *p, uint32_t i,
                                  float *bias)
{
    const struct embedding_view *v = &p->item.vec[0];
    const float *row;

    *bias = 0.0f;
    if (v->position[i] == UINT32_MAX)
        return p->st->zeros;
    row = v->rows[v->position[i]];
    if (p->item.n_bias)
        *bias = row[p->item.bias[0].skip];
    return row + v->skip;
}

KERNEL_BODY void forward_body(const struct dot_pass *p, float *restrict out)
{
    struct dot_state *st = p->st;
    uint32_t dim = p->dim, end;

    for (uint32_t i = 0; i < p->n; i = end) {
        float *q = st->query + (size_t)query_row(p, i) * dim;
        float qb = p->global + side_sum(&p->query, p->query_of, i, q, dim);

        if (i == 0)
            st->first = qb;
        end = run_end(p, i);
        for (uint32_t k = i; k < end; k++) {
            float *y = out + (size_t)k * p->width, b;
            const float *v;

            if (p->direct) {
                embedding_prefetch(&p->item.vec[0], k + 8, p->n);
                v = item_row(p, k, &b);
            } else {
                float *w = st->item + (size_t)k * dim;

                b = side_sum(&p->item, p->query_of, k, w, dim);
                v = w;
            }
            if (!p->as_vector) {
                y[0] = qb + b + row_dot(q, v, dim);
                continue;
            }
            row_zero(y, p->width);
            row_add_product(y, q, v, dim);
            if (p->has_bias)
                y[dim] = qb + b;
        }
    }
}

KERNEL(forward, (const struct dot_pass *p, float *restrict out), (p, out))

/* Gradient of one sample's item row, straight into the table's gradient. */
KERNEL_BODY void item_direct(const struct dot_pass *p, uint32_t i, float ds,
                             const float *restrict q, const float *restrict v)
{
    const struct embedding_view *e = &p->item.vec[0];
    uint32_t u = e->position[i];
    float *g;

    if (u == UINT32_MAX)
        return;
    g = e->grads[u];
    row_axpbz(g + e->skip, ds, q, p->l2, v, p->dim);
    if (p->item.n_bias) {
        uint32_t at = p->item.bias[0].skip;

        g[at] += ds + p->l2_bias * e->rows[u][at];
    }
}

KERNEL_BODY void item_general(const struct dot_pass *p, uint32_t i,
                              const float *restrict g, float ds, float db,
                              const float *restrict q)
{
    float *gi = p->st->grad + p->dim;

    row_zero(gi, p->dim);
    if (p->as_vector)
        row_add_product(gi, g, q, p->dim);
    else
        row_axpy(gi, ds, q, p->dim);
    side_scatter(&p->item, p->query_of, i, gi, db, p->l2, p->l2_bias);
}

/* One sample: adds to the query's gradient, writes the item's.
 * @return d loss / d bias */
KERNEL_BODY float sample_back(const struct dot_pass *p, uint32_t k,
                              const float *restrict g, const float *restrict q,
                              float *restrict gq)
{
    float db = g[0], b;
    const float *v;

    if (p->direct) {
        const struct embedding_view *e = &p->item.vec[0];

        if (k + 8 < p->n && e->position[k + 8] != UINT32_MAX) {
            row_prefetch(e->grads[e->position[k + 8]], p->dim);
            row_prefetch(e->rows[e->position[k + 8]], p->dim);
        }
        v = item_row(p, k, &b);
    } else {
        v = p->st->item + (size_t)k * p->dim;
    }
    if (p->as_vector) {
        db = p->has_bias ? g[p->dim] : 0.0f;
        row_add_product(gq, g, v, p->dim);
    } else {
        row_axpy(gq, db, v, p->dim);
    }
    if (p->direct && !p->as_vector)
        item_direct(p, k, db, q, v);
    else
        item_general(p, k, g, db, db, q);
    return db;
}

KERNEL_BODY void backward_body(const struct dot_pass *p,
                               const float *restrict grad)
{
    struct dot_state *st = p->st;
    uint32_t dim = p->dim, end;
    float total = 0.0f;

    for (uint32_t i = 0; i < p->n; i = end) {
        const float *q = st->query + (size_t)query_row(p, i) * dim;
        float *gq = st->grad, gb = 0.0f, uses;

        end = run_end(p, i);
        row_zero(gq, dim);
        for (uint32_t k = i; k < end; k++)
            gb += sample_back(p, k, grad + (size_t)k * p->width, q, gq);
        uses = (float)(end - i);
        side_scatter(&p->query, p->query_of, i, gq, gb, p->l2 * uses,
                     p->l2_bias * uses);
        total += gb;
    }
    st->global_grad = total;
}

KERNEL(backward, (const struct dot_pass *p, const float *restrict grad),
       (p, grad))

/* Vectors and biases of one side for samples 0 .. n - 1. */
KERNEL_BODY void sum_samples_body(const struct dot_side_view *side,
                                  const uint32_t *query_of, uint32_t n,
                                  uint32_t dim, float *restrict x,
                                  float *restrict bias)
{
    for (uint32_t i = 0; i < n; i++)
        bias[i] = side_sum(side, query_of, i, x + (size_t)i * dim, dim);
}

KERNEL(sum_samples,
       (const struct dot_side_view *side, const uint32_t *query_of, uint32_t n,
        uint32_t dim, float *restrict x, float *restrict bias),
       (side, query_of, n, dim, x, bias))

KERNEL_BODY void rank_body(const float *restrict q, float qb,
                           const float *restrict v, const float *restrict bias,
                           const uint32_t *restrict which, uint32_t n,
                           uint32_t dim, float *restrict out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] =
            qb + bias[which[i]] + row_dot(q, v + (size_t)which[i] * dim, dim);
}

KERNEL(rank,
       (const float *restrict q, float qb, const float *restrict v,
        const float *restrict bias, const uint32_t *restrict which, uint32_t n,
        uint32_t dim, float *restrict out),
       (q, qb, v, bias, which, n, dim, out))

void dot_loops_forward(const struct dot_pass *p, float *out)
{
    forward(p, out);
}

void dot_loops_backward(const struct dot_pass *p, const float *grad)
{
    backward(p, grad);
}

void dot_loops_sum(const struct dot_side_view *side, const uint32_t *query_of,
                   uint32_t n, uint32_t dim, float *x, float *bias)
{
    sum_samples(side, query_of, n, dim, x, bias);
}

void dot_loops_rank(const float *q, float qb, const float *v, const float *bias,
                    const uint32_t *which, uint32_t n, uint32_t dim, float *out)
{
    rank(q, qb, v, bias, which, n, dim, out);
}
