/* Matrix factorisation and its kin: score = g + b_u + b_i + p . q, where the
 * query vector p and the item vector q are sums of embeddings (SVD++: p = p_u +
 * n^-1/2 sum y_j; FISM, two-tower: other sums). Koren 2008, section 3 and 4,
 * with its regularisation of every row by use.
 *
 *   mf: {type: dot, query: [user, {bag: rated, pool: rsqrt}], item: item,
 *        bias: true, global_bias: true, l2: 0.02, l2_bias: 0.005}
 *
 * Query-side work is done once per distinct query. A bias is one more float in
 * front of its row. As a vector for the fusion: p * q element by element and,
 * with any bias, their sum as one more element. */
#include "model/layer/embedding.h"
#include "model/registry.h"

#include <string.h>

#include "base/mem.h"
#include "model/inputs.h"
#include "tensor/vec.h"

static const char *const keys[] = {"type",    "query",       "item",
                                   "bias",    "global_bias", "l2",
                                   "l2_bias", "table",       NULL};

#define MAX_PARTS 16

struct side {
    struct inputs in;
    struct embedding bias[MAX_PARTS]; // of the categorical parts
    uint32_t n_bias;
};

struct dot {
    struct side query, item;
    uint32_t dim;
    int per_query;   // every query part stands on the query side
    int has_bias;    // any bias at all
    int has_global;  // a learned one
    float offset;    // a given one
    uint64_t global; // offset of the learned one
};

struct dot_state {
    float *query; // [rows, dim]
    float first;  // bias of the first sample's query
    float *item;  // [n, dim] when the item is not one categorical row
    float *grad;  // [dim] of a query, [dim] of an item
    float *zeros; // [dim]
    float *part;  // [n, dim] of a loss over candidates
    float global_grad;
};

/* What the compiled loops need of one side. */
struct side_view {
    struct embedding_view vec[MAX_PARTS], bias[MAX_PARTS];
    int on_query[MAX_PARTS], bias_on_query[MAX_PARTS]; // field side
    uint32_t n_vec, n_bias;
};

struct pass {
    struct side_view query, item;
    const uint32_t *query_of;
    uint32_t n, dim, width;
    int per_query;
    int direct; // the item is one row of one table: no copy
    int as_vector, has_bias;
    float global;
    float l2, l2_bias; // times grad_scale
    struct dot_state *st;
};

/* ---- build ---- */

static enum fusor_status parse_side(struct model *m, struct tower *t,
                                    struct yaml_node *at, const char *key,
                                    const char *table, struct side *out,
                                    struct fusor_error *err)
{
    struct dot *d = t->self;
    struct yaml_node *list = yaml_get(at, key);

    if (!list)
        return yaml_fail(at, err, "tower %s has no %s", t->name, key);
    FUSOR_TRY(inputs_parse(m, list, &(struct inputs_from){.table = table},
                           &out->in, err));
    if (out->in.n > MAX_PARTS)
        return yaml_fail(list, err, "%s has %u parts, at most %d", key,
                         out->in.n, MAX_PARTS);
    for (uint32_t i = 0; i < out->in.n; i++) {
        const struct input *part = &out->in.items[i];

        if (part->kind != INPUT_IDS)
            return yaml_fail(list, err, "%s: %s has no ids", key,
                             inputs_name(part, m));
        if (d->dim == 0)
            d->dim = part->width;
        if (part->width != d->dim)
            return yaml_fail(list, err,
                             "%s: table %s has dim %u, others of this tower "
                             "have %u",
                             key, m->table_specs[part->ids.table].name,
                             part->width, d->dim);
    }
    return FUSOR_OK;
}

static void claim_biases(struct model *m, struct side *side)
{
    for (uint32_t i = 0; i < side->in.n; i++) {
        const struct input *part = &side->in.items[i];

        if (m->fields[part->field].type != FIELD_CATEGORICAL)
            continue;
        side->bias[side->n_bias] = part->ids;
        side->bias[side->n_bias++].column =
            (int)build_column(m, part->ids.table);
    }
}

static enum fusor_status parse_global(struct model *m, struct dot *d,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    double number;
    uint32_t block;

    if (!at)
        return FUSOR_OK;
    d->has_global = 1;
    if (at->kind == YAML_SCALAR && yaml_to_double(at, &number, NULL) == 0)
        d->offset = (float)number;
    else
        FUSOR_TRY(yaml_to_bool(at, &d->has_global, err));
    if (!d->has_global)
        return FUSOR_OK;
    FUSOR_TRY(build_block(m, "global_bias", 1, INIT_ZERO, 0, 1, &block, err));
    d->global = m->blocks[block].offset;
    return FUSOR_OK;
}

static enum fusor_status dot_build(struct model *m, struct tower *t,
                                   struct yaml_node *at,
                                   struct fusor_error *err)
{
    struct dot *d = t->self = mem_alloc(1, sizeof(*d));
    const char *table = NULL;
    int bias = 0;

    if (!d)
        return mem_fail(err, "tower", sizeof(*d));
    FUSOR_TRY(build_tower_keys(at, t->name, keys, err));
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &table, err));
    FUSOR_TRY(parse_side(m, t, at, "query", table, &d->query, err));
    FUSOR_TRY(parse_side(m, t, at, "item", table, &d->item, err));
    FUSOR_TRY(build_bool(at, "bias", &bias, err));
    if (bias) {
        claim_biases(m, &d->query);
        claim_biases(m, &d->item);
    }
    FUSOR_TRY(parse_global(m, d, yaml_get(at, "global_bias"), err));
    FUSOR_TRY(build_float(at, "l2", 0, 1e6, &t->l2, err));
    t->l2_bias = t->l2;
    FUSOR_TRY(build_float(at, "l2_bias", 0, 1e6, &t->l2_bias, err));
    d->per_query = 1;
    for (uint32_t i = 0; i < d->query.in.n; i++)
        if (m->fields[d->query.in.items[i].field].side != SIDE_QUERY)
            d->per_query = 0;
    d->has_bias = d->has_global || d->query.n_bias || d->item.n_bias;
    t->width = t->as_vector ? d->dim + (d->has_bias ? 1 : 0) : 1;
    return FUSOR_OK;
}

static void dot_destroy(struct tower *t)
{
    struct dot *d = t->self;

    if (!d)
        return;
    inputs_clear(&d->query.in);
    inputs_clear(&d->item.in);
    mem_free(d);
}

static int is_direct(const struct dot *d, const struct model *m)
{
    const struct input *part = &d->item.in.items[0];

    return d->item.in.n == 1 &&
           m->fields[part->field].type == FIELD_CATEGORICAL &&
           m->fields[part->field].side != SIDE_QUERY;
}

static void *dot_run_create(const struct tower *t, struct model_run *r)
{
    const struct dot *d = t->self;
    struct dot_state *st = run_take(r, 1, sizeof(*st));
    size_t n = r->max_batch;

    if (!st)
        return NULL;
    st->query = run_take(r, n * d->dim, sizeof(float));
    if (!is_direct(d, r->model))
        st->item = run_take(r, n * d->dim, sizeof(float));
    st->grad = run_take(r, 2 * (size_t)d->dim, sizeof(float));
    st->zeros = run_take(r, d->dim, sizeof(float));
    if (r->model->most_candidates)
        st->part = run_take(r, n * d->dim, sizeof(float));
    return st;
}

/* ---- one step ---- */

static void view_side(const struct side *side, const struct model *m,
                      const struct model_step *s, struct side_view *v)
{
    v->n_vec = side->in.n;
    v->n_bias = side->n_bias;
    for (uint32_t i = 0; i < side->in.n; i++) {
        const struct embedding *e = &side->in.items[i].ids;

        v->vec[i] = embedding_view(e, m, s);
        v->on_query[i] = m->fields[e->field].side == SIDE_QUERY;
    }
    for (uint32_t i = 0; i < side->n_bias; i++) {
        v->bias[i] = embedding_view(&side->bias[i], m, s);
        v->bias_on_query[i] = m->fields[side->bias[i].field].side == SIDE_QUERY;
    }
}

static void make_pass(const struct tower *t, const struct model_run *r,
                      const struct model_step *s, struct pass *p)
{
    const struct dot *d = t->self;

    view_side(&d->query, r->model, s, &p->query);
    view_side(&d->item, r->model, s, &p->item);
    p->query_of = s->batch->query_of;
    p->n = s->batch->n;
    p->dim = d->dim;
    p->width = t->width;
    p->per_query = d->per_query;
    p->direct = is_direct(d, r->model);
    p->as_vector = t->as_vector;
    p->has_bias = d->has_bias;
    p->global = d->offset + (d->has_global ? s->dense[d->global] : 0.0f);
    p->l2 = t->l2 * s->grad_scale;
    p->l2_bias = t->l2_bias * s->grad_scale;
    p->st = r->tower_state[t->index];
}

/* Vector and bias of one side for sample i. A bias belongs to a categorical
 * field: one id. */
KERNEL_BODY float side_sum(const struct side_view *v, const uint32_t *query_of,
                           uint32_t i, float *restrict y, uint32_t dim)
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

KERNEL_BODY void side_scatter(const struct side_view *v,
                              const uint32_t *query_of, uint32_t i,
                              const float *restrict g, float g_bias, float l2,
                              float l2_bias)
{
    for (uint32_t k = 0; k < v->n_vec; k++)
        embedding_scatter(&v->vec[k], v->on_query[k] ? query_of[i] : i, g, l2);
    for (uint32_t k = 0; k < v->n_bias; k++) {
        const struct embedding_view *e = &v->bias[k];
        uint32_t u = e->position[v->bias_on_query[k] ? query_of[i] : i];

        if (u != UINT32_MAX)
            e->grads[u][e->skip] += g_bias + l2_bias * e->rows[u][e->skip];
    }
}

/* Where sample i's query vector is kept. */
KERNEL_BODY uint32_t query_row(const struct pass *p, uint32_t i)
{
    return p->per_query ? p->query_of[i] : i;
}

/* First sample after i that has another query. */
KERNEL_BODY uint32_t run_end(const struct pass *p, uint32_t i)
{
    uint32_t end = i + 1;

    while (p->per_query && end < p->n && p->query_of[end] == p->query_of[i])
        end++;
    return end;
}

KERNEL_BODY const float *item_row(const struct pass *p, uint32_t i, float *bias)
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

KERNEL_BODY void forward_body(const struct pass *p, float *restrict out)
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

KERNEL(forward, (const struct pass *p, float *restrict out), (p, out))

/* Gradient of one sample's item row, straight into the table's gradient. */
KERNEL_BODY void item_direct(const struct pass *p, uint32_t i, float ds,
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

KERNEL_BODY void item_general(const struct pass *p, uint32_t i,
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
KERNEL_BODY float sample_back(const struct pass *p, uint32_t k,
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

KERNEL_BODY void backward_body(const struct pass *p, const float *restrict grad)
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

KERNEL(backward, (const struct pass *p, const float *restrict grad), (p, grad))

static void dot_forward(const struct tower *t, struct model_run *r,
                        const struct model_step *s, int train)
{
    struct pass p;

    (void)train; // nothing here behaves otherwise in training
    make_pass(t, r, s, &p);
    forward(&p, r->tower_out[t->index]);
}

static void dot_backward(const struct tower *t, struct model_run *r,
                         const struct model_step *s)
{
    const struct dot *d = t->self;
    struct pass p;

    make_pass(t, r, s, &p);
    backward(&p, r->tower_grad[t->index]);
    if (d->has_global)
        s->dense_grad[d->global] = p.st->global_grad;
}

static void dot_describe(const struct tower *t, const struct model *m,
                         struct strbuf *out)
{
    const struct dot *d = t->self;

    strbuf_add(out, "(");
    inputs_describe(&d->query.in, m, out);
    strbuf_add(out, ") . (");
    inputs_describe(&d->item.in, m, out);
    strbuf_addf(out, "), dim %u%s%s", d->dim,
                d->query.n_bias || d->item.n_bias ? ", biases" : "",
                d->has_global ? ", global bias" : "");
}

static const float *dot_query(const struct tower *t, const struct model_run *r,
                              const struct model_step *s, uint32_t i)
{
    const struct dot *d = t->self;
    const struct dot_state *st = r->tower_state[t->index];

    return st->query +
           (size_t)(d->per_query ? s->batch->query_of[i] : i) * d->dim;
}

static uint32_t dot_query_width(const struct tower *t)
{
    return ((const struct dot *)t->self)->dim;
}

/* ---- a loss over candidates: biases of queries cancel and stay ---- */

static size_t dot_queries_most(const struct tower *t, const struct model_run *r)
{
    (void)t;
    return r->max_batch;
}

/* x [n, dim] = the sum of a side's vectors for all samples. */
static void sum_side(const struct side *side, const struct model *m,
                     const struct model_step *s, uint32_t dim, float *x,
                     float *part)
{
    for (uint32_t k = 0; k < side->in.n; k++) {
        embedding_forward(&side->in.items[k].ids, m, s, k ? part : x, dim);
        if (k)
            vec_ops()->add(x, x, part, (size_t)s->batch->n * dim);
    }
}

static void scatter_side(const struct side *side, const struct model *m,
                         const struct model_step *s, uint32_t dim,
                         const float *dx, float *part, float l2)
{
    for (uint32_t k = 0; k < side->in.n; k++) { // which uses its gradient up
        memcpy(part, dx, (size_t)s->batch->n * dim * sizeof(float));
        embedding_backward(&side->in.items[k].ids, m, s, part, dim, l2);
    }
}

static void dot_queries(const struct tower *t, struct model_run *r,
                        const struct model_step *s, int train,
                        struct query_set *out)
{
    const struct dot *d = t->self;
    struct dot_state *st = r->tower_state[t->index];

    (void)train;
    sum_side(&d->query, r->model, s, d->dim, st->query, st->part);
    out->n = s->batch->n;
    out->q = st->query;
    for (uint32_t i = 0; i < out->n; i++) {
        out->item[i] = s->candidates->target[i];
        out->sample[i] = i;
    }
}

static void dot_queries_backward(const struct tower *t, struct model_run *r,
                                 const struct model_step *s, float *dq)
{
    const struct dot *d = t->self;
    struct dot_state *st = r->tower_state[t->index];

    scatter_side(&d->query, r->model, s, d->dim, dq, st->part,
                 t->l2 * s->grad_scale);
}

/* Vectors and biases of one side for samples 0 .. n - 1. */
KERNEL_BODY void sum_samples_body(const struct side_view *side,
                                  const uint32_t *query_of, uint32_t n,
                                  uint32_t dim, float *restrict x,
                                  float *restrict bias)
{
    for (uint32_t i = 0; i < n; i++)
        bias[i] = side_sum(side, query_of, i, x + (size_t)i * dim, dim);
}

KERNEL(sum_samples,
       (const struct side_view *side, const uint32_t *query_of, uint32_t n,
        uint32_t dim, float *restrict x, float *restrict bias),
       (side, query_of, n, dim, x, bias))

static int dot_items(const struct tower *t, const struct model_run *r,
                     const struct model_step *s, float *v, float *bias,
                     float *part)
{
    const struct dot *d = t->self;
    struct side_view side;

    (void)part;
    view_side(&d->item, r->model, s, &side);
    sum_samples(&side, s->batch->query_of, s->batch->n, d->dim, v, bias);
    return d->item.n_bias > 0;
}

static void dot_items_backward(const struct tower *t, const struct model_run *r,
                               const struct model_step *s, const float *dv,
                               float *dbias, float *part)
{
    const struct dot *d = t->self;

    scatter_side(&d->item, r->model, s, d->dim, dv, part, 0.0f);
    for (uint32_t k = 0; k < d->item.n_bias; k++) {
        memcpy(part, dbias, s->batch->n * sizeof(float));
        embedding_backward(&d->item.bias[k], r->model, s, part, 1, 0.0f);
    }
}

/* ---- one query, many items ---- */

static int dot_ranks(const struct tower *t, const struct model *m)
{
    const struct dot *d = t->self;

    return inputs_sides(&d->item.in, m) == 1u << SIDE_ITEM &&
           !(inputs_sides(&d->query.in, m) & 1u << SIDE_ITEM);
}

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

static void dot_rank(const struct tower *t, const struct model_run *r,
                     const struct model_step *s, const float *v,
                     const float *bias, const uint32_t *which, uint32_t n,
                     float *out)
{
    const struct dot *d = t->self;
    const struct dot_state *st = r->tower_state[t->index];

    rank(dot_query(t, r, s, 0), st->first, v, bias, which, n, d->dim, out);
}

const struct tower_kind tower_dot = {
    .name = "dot",
    .factorises = 1,
    .build = dot_build,
    .destroy = dot_destroy,
    .run_create = dot_run_create,
    .forward = dot_forward,
    .backward = dot_backward,
    .describe = dot_describe,
    .query = dot_query,
    .query_width = dot_query_width,
    .queries_most = dot_queries_most,
    .queries = dot_queries,
    .queries_backward = dot_queries_backward,
    .items = dot_items,
    .items_backward = dot_items_backward,
    .ranks = dot_ranks,
    .rank = dot_rank,
};
