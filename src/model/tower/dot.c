/* Matrix factorisation and its kin: score = g + b_u + b_i + p . q, where the
 * query vector p and the item vector q are sums of embeddings (SVD++: p = p_u +
 * n^-1/2 sum y_j; FISM, two-tower: other sums). Koren 2008, section 3 and 4,
 * with its regularisation of every row by use.
 *
 *   mf: {type: dot, query: [user, {bag: rated, pool: rsqrt}], item: item,
 *        bias: true, global_bias: true, l2: 0.02, l2_bias: 0.005}
 *   two: {type: dot, query: {text: q, pool: cnn}, table: token,
 *         item: {text: [title, body], pool: cnn, max: 64}}
 *
 * pool: mean, sum or rsqrt of rows, or a network (dot_text.h).
 * Query-side work is done once per distinct query. A bias is one more float in
 * front of its row. As a vector for the fusion: p * q element by element and,
 * with any bias, their sum as one more element. */
#include "model/layer/embedding.h"
#include "model/registry.h"

#include <string.h>

#include "base/mem.h"
#include "model/inputs.h"
#include "model/tower/dot_text.h"
#include "tensor/vec.h"

static const char *const keys[] = {"type",    "query",       "item",
                                   "bias",    "global_bias", "l2",
                                   "l2_bias", "table",       NULL};

struct side {
    struct inputs in;
    struct dot_texts texts;
    struct embedding bias[DOT_PARTS_MAX]; // of the categorical parts
    uint32_t n_bias;
};

struct dot {
    struct side query, item;
    uint32_t dim;
    int per_query;   // every query part stands on the query side
    int direct;      // the item is one categorical row
    int has_bias;    // any bias at all
    int has_global;  // a learned one
    float offset;    // a given one
    uint64_t global; // offset of the learned one
};

/* ---- build ---- */

/* All parts of a tower are as wide. */
static enum fusor_status take_dim(const struct model *m, struct dot *d,
                                  const struct yaml_node *at, const char *key,
                                  uint32_t table, struct fusor_error *err)
{
    uint32_t dim = m->tables[table].dim;

    if (d->dim == 0)
        d->dim = dim;
    if (dim == d->dim)
        return FUSOR_OK;
    return yaml_fail(at, err,
                     "%s: table %s has dim %u, others of this tower have %u",
                     key, m->table_specs[table].name, dim, d->dim);
}

static enum fusor_status parse_part(struct model *m, struct dot *d,
                                    struct yaml_node *at, const char *table,
                                    struct side *out, struct fusor_error *err)
{
    const struct side *other = out == &d->query ? &d->item : &d->query;

    if (dot_text_is(at))
        return dot_texts_parse(m, at, table, &out->texts, &other->texts, err);
    return inputs_parse(m, at, &(struct inputs_from){.table = table}, &out->in,
                        err);
}

static enum fusor_status parse_side(struct model *m, struct tower *t,
                                    struct yaml_node *at, const char *key,
                                    const char *table, struct side *out,
                                    struct fusor_error *err)
{
    struct dot *d = t->self;
    struct yaml_node *list = yaml_get(at, key);

    if (!list)
        return yaml_fail(at, err, "tower %s has no %s", t->name, key);
    if (list->kind != YAML_LIST || list->n == 0)
        FUSOR_TRY(parse_part(m, d, list, table, out, err));
    for (size_t i = 0; list->kind == YAML_LIST && i < list->n; i++) {
        if (list->items[i]->kind == YAML_LIST)
            return yaml_fail(list->items[i], err, "a list inside a list");
        FUSOR_TRY(parse_part(m, d, list->items[i], table, out, err));
    }
    if (out->in.n + out->texts.n > DOT_PARTS_MAX)
        return yaml_fail(list, err, "%s has %u parts, at most %d", key,
                         out->in.n + out->texts.n, DOT_PARTS_MAX);
    for (uint32_t i = 0; i < out->in.n; i++) {
        const struct input *part = &out->in.items[i];

        if (part->kind != INPUT_IDS)
            return yaml_fail(list, err, "%s: %s has no ids", key,
                             inputs_name(part, m));
        FUSOR_TRY(take_dim(m, d, list, key, part->ids.table, err));
    }
    for (uint32_t i = 0; i < out->texts.n; i++)
        FUSOR_TRY(
            take_dim(m, d, list, key, out->texts.items[i]->ids.table, err));
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

/* What follows from the parts. */
static void find_shape(const struct model *m, struct dot *d)
{
    const struct inputs *item = &d->item.in;

    d->per_query = !(dot_texts_sides(&d->query.texts, m) & ~(1u << SIDE_QUERY));
    for (uint32_t i = 0; i < d->query.in.n; i++)
        if (m->fields[d->query.in.items[i].field].side != SIDE_QUERY)
            d->per_query = 0;
    d->direct = item->n == 1 && d->item.texts.n == 0 &&
                m->fields[item->items[0].field].type == FIELD_CATEGORICAL &&
                m->fields[item->items[0].field].side != SIDE_QUERY;
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
    find_shape(m, d);
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
    dot_texts_clear(&d->query.texts);
    dot_texts_clear(&d->item.texts);
    mem_free(d);
}

static void *dot_run_create(const struct tower *t, struct model_run *r)
{
    const struct dot *d = t->self;
    struct dot_state *st = run_take(r, 1, sizeof(*st));
    uint32_t n = r->max_batch, most = r->model->most_candidates;

    if (!st)
        return NULL;
    st->query = run_take(r, (size_t)n * d->dim, sizeof(float));
    st->query_texts = dot_texts_take(&d->query.texts, r, n);
    st->item_texts = dot_texts_take(&d->item.texts, r, most > n ? most : n);
    if (!d->direct)
        st->item = run_take(r, (size_t)n * d->dim, sizeof(float));
    st->grad = run_take(r, 2 * (size_t)d->dim, sizeof(float));
    st->zeros = run_take(r, d->dim, sizeof(float));
    if (most)
        st->part = run_take(r, (size_t)n * d->dim, sizeof(float));
    return st;
}

/* ---- one step ---- */

static void view_side(const struct side *side,
                      const struct dot_text_state *texts, const struct model *m,
                      const struct model_step *s, struct dot_side_view *v)
{
    uint32_t n = side->in.n;

    v->n_rows = n;
    v->n_vec = n + side->texts.n;
    v->n_bias = side->n_bias;
    for (uint32_t i = 0; i < side->in.n; i++) {
        const struct embedding *e = &side->in.items[i].ids;

        v->vec[i] = embedding_view(e, m, s);
        v->on_query[i] = m->fields[e->field].side == SIDE_QUERY;
    }
    for (uint32_t k = 0; k < side->texts.n; k++) {
        uint32_t field = side->texts.items[k]->ids.field;

        v->vec[n + k] = dot_texts_view(&side->texts, texts, k);
        v->on_query[n + k] = m->fields[field].side == SIDE_QUERY;
    }
    for (uint32_t i = 0; i < side->n_bias; i++) {
        v->bias[i] = embedding_view(&side->bias[i], m, s);
        v->bias_on_query[i] = m->fields[side->bias[i].field].side == SIDE_QUERY;
    }
}

static void make_pass(const struct tower *t, const struct model_run *r,
                      const struct model_step *s, struct dot_pass *p)
{
    const struct dot *d = t->self;

    p->st = r->tower_state[t->index];
    view_side(&d->query, p->st->query_texts, r->model, s, &p->query);
    view_side(&d->item, p->st->item_texts, r->model, s, &p->item);
    p->query_of = s->batch->query_of;
    p->n = s->batch->n;
    p->dim = d->dim;
    p->width = t->width;
    p->per_query = d->per_query;
    p->direct = d->direct;
    p->as_vector = t->as_vector;
    p->has_bias = d->has_bias;
    p->global = d->offset + (d->has_global ? s->dense[d->global] : 0.0f);
    p->l2 = t->l2 * s->grad_scale;
    p->l2_bias = t->l2_bias * s->grad_scale;
}

static void dot_forward(const struct tower *t, struct model_run *r,
                        const struct model_step *s, int train)
{
    const struct dot *d = t->self;
    struct dot_pass p;

    make_pass(t, r, s, &p);
    dot_texts_encode(&d->query.texts, p.st->query_texts, r->model, s, train);
    dot_texts_encode(&d->item.texts, p.st->item_texts, r->model, s, train);
    dot_loops_forward(&p, r->tower_out[t->index]);
}

static void dot_backward(const struct tower *t, struct model_run *r,
                         const struct model_step *s)
{
    const struct dot *d = t->self;
    struct dot_pass p;

    make_pass(t, r, s, &p);
    dot_texts_begin(&d->query.texts, p.st->query_texts, r->model, s);
    dot_texts_begin(&d->item.texts, p.st->item_texts, r->model, s);
    dot_loops_backward(&p, r->tower_grad[t->index]);
    dot_texts_backward(&d->query.texts, p.st->query_texts, r->model, s, p.l2);
    dot_texts_backward(&d->item.texts, p.st->item_texts, r->model, s, p.l2);
    if (d->has_global)
        s->dense_grad[d->global] = p.st->global_grad;
}

static void dot_describe(const struct tower *t, const struct model *m,
                         struct strbuf *out)
{
    const struct dot *d = t->self;

    strbuf_add(out, "(");
    inputs_describe(&d->query.in, m, out);
    dot_texts_describe(&d->query.texts, m, d->query.in.n == 0, out);
    strbuf_add(out, ") . (");
    inputs_describe(&d->item.in, m, out);
    dot_texts_describe(&d->item.texts, m, d->item.in.n == 0, out);
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
    if (side->in.n == 0)
        vec_ops()->fill(x, 0.0f, (size_t)s->batch->n * dim);
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

    dot_texts_encode(&d->query.texts, st->query_texts, r->model, s, train);
    sum_side(&d->query, r->model, s, d->dim, st->query, st->part);
    dot_texts_add(&d->query.texts, st->query_texts, r->model, s, st->query);
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
    dot_texts_begin(&d->query.texts, st->query_texts, r->model, s);
    dot_texts_add_grad(&d->query.texts, st->query_texts, r->model, s, dq);
    dot_texts_backward(&d->query.texts, st->query_texts, r->model, s,
                       t->l2 * s->grad_scale);
}

static int dot_items(const struct tower *t, const struct model_run *r,
                     const struct model_step *s, float *v, float *bias,
                     float *part)
{
    const struct dot *d = t->self;
    const struct dot_state *st = r->tower_state[t->index];
    struct dot_side_view side;

    (void)part;
    dot_texts_encode(&d->item.texts, st->item_texts, r->model, s,
                     s->training && t->trained);
    view_side(&d->item, st->item_texts, r->model, s, &side);
    dot_loops_sum(&side, s->batch->query_of, s->batch->n, d->dim, v, bias);
    return d->item.n_bias > 0;
}

static void dot_items_backward(const struct tower *t, const struct model_run *r,
                               const struct model_step *s, const float *dv,
                               float *dbias, float *part)
{
    const struct dot *d = t->self;
    const struct dot_state *st = r->tower_state[t->index];

    scatter_side(&d->item, r->model, s, d->dim, dv, part, 0.0f);
    dot_texts_begin(&d->item.texts, st->item_texts, r->model, s);
    dot_texts_add_grad(&d->item.texts, st->item_texts, r->model, s, dv);
    dot_texts_backward(&d->item.texts, st->item_texts, r->model, s, 0.0f);
    for (uint32_t k = 0; k < d->item.n_bias; k++) {
        memcpy(part, dbias, s->batch->n * sizeof(float));
        embedding_backward(&d->item.bias[k], r->model, s, part, 1, 0.0f);
    }
}

/* ---- one query, many items ---- */

static int dot_ranks(const struct tower *t, const struct model *m)
{
    const struct dot *d = t->self;

    unsigned item =
        inputs_sides(&d->item.in, m) | dot_texts_sides(&d->item.texts, m);
    unsigned query =
        inputs_sides(&d->query.in, m) | dot_texts_sides(&d->query.texts, m);

    return item == 1u << SIDE_ITEM && !(query & 1u << SIDE_ITEM);
}

static void dot_rank(const struct tower *t, const struct model_run *r,
                     const struct model_step *s, const float *v,
                     const float *bias, const uint32_t *which, uint32_t n,
                     float *out)
{
    const struct dot *d = t->self;
    const struct dot_state *st = r->tower_state[t->index];

    dot_loops_rank(dot_query(t, r, s, 0), st->first, v, bias, which, n, d->dim,
                   out);
}

const struct tower_kind tower_dot = {
    .name = "dot",
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
