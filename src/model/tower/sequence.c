/* The steps that towers over a sequence share: a vector of each, which meets
 * the item's, and back. */
#include "model/tower/sequence.h"

#include <string.h>

#include "tensor/tensor.h"

struct hidden {
    uint32_t row, sample;
};

struct sequence_state {
    struct sequence_code code;
    float *item;           // [n, dim]
    float *grad;           // [n, dim] of the item's vector
    float *part;           // [n, dim] one of its parts, or its gradient
    float *bias;           // [n]
    struct hidden *hidden; // [n_hidden] of a loss at every position
    float *share;          // [n_hidden] how much each counts
    uint32_t n_hidden;
};

void *sequence_run_create(const struct tower *t, struct model_run *r)
{
    const struct sequence *q = t->self;
    struct sequence_state *st = run_take(r, 1, sizeof(*st));
    size_t n = (size_t)r->max_batch * q->dim;
    size_t hidden =
        r->model->every && q->pack.hides ? pack_rows(&q->pack, r) : 0;

    if (!st)
        return NULL;
    sequence_code_take(q, r, &st->code);
    st->item = run_take(r, n, sizeof(float));
    st->grad = run_take(r, n, sizeof(float));
    st->part = run_take(r, n, sizeof(float));
    st->bias = run_take(r, r->max_batch, sizeof(float));
    st->share = run_take(r, hidden, sizeof(*st->share));
    st->hidden = run_take(r, hidden, sizeof(*st->hidden));
    return st;
}

/* ---- forward ---- */

static void read_item(const struct sequence *q, struct sequence_state *st,
                      const struct model *m, const struct model_step *s)
{
    for (uint32_t k = 0; k < q->item.n; k++) {
        float *to = k ? st->part : st->item;

        embedding_forward(&q->item.items[k].ids, m, s, to, q->dim);
        if (k)
            vec_ops()->add(st->item, st->item, to,
                           (size_t)s->batch->n * q->dim);
    }
    if (q->has_bias)
        embedding_forward(&q->bias, m, s, st->bias, 1);
}

/* One sample's output from its query vector. */
static void meet(const struct tower *t, const struct sequence *q,
                 const struct sequence_state *st, uint32_t i, const float *x,
                 float *out)
{
    const struct vec_ops *v = vec_ops();
    const float *item = st->item + (size_t)i * q->dim;
    float bias = q->has_bias ? st->bias[i] : 0.0f;

    if (!t->as_vector) {
        out[0] = v->dot(x, item, q->dim) + bias;
        return;
    }
    v->mul(out, x, item, q->dim);
    if (q->has_bias)
        out[q->dim] = bias;
}

void sequence_forward(const struct tower *t, struct model_run *r,
                      const struct model_step *s, int train)
{
    const struct sequence *q = t->self;
    struct sequence_state *st = r->tower_state[t->index];
    const struct model *m = r->model;
    float *out = r->tower_out[t->index];

    sequence_encode(q, &st->code, m, s, train);
    read_item(q, st, m, s);
    if (q->item.n == 0 && !t->as_vector)
        dense_forward(&q->head, s, st->code.q, st->code.pack.n_all, st->part);
    for (uint32_t i = 0; i < s->batch->n; i++, out += t->width) {
        size_t row = run_field_row(m, s->batch, q->ids.field, i);

        if (q->item.n)
            meet(t, q, st, i, st->code.q + row * q->dim, out);
        else if (t->as_vector)
            memcpy(out, st->code.q + row * q->dim, q->dim * sizeof(*out));
        else
            out[0] = st->part[row];
    }
}

/* ---- backward ---- */

/* One sample's gradient to its query's, its item's and its bias'. */
static void part_ways(const struct tower *t, const struct sequence *q,
                      struct sequence_state *st, uint32_t i, const float *g,
                      const float *x, float *dx)
{
    const struct vec_ops *v = vec_ops();
    const float *item = st->item + (size_t)i * q->dim;
    float *grad = st->grad + (size_t)i * q->dim;

    v->fill(grad, 0.0f, q->dim);
    if (t->as_vector) {
        v->mul_add(dx, g, item, q->dim);
        v->mul_add(grad, g, x, q->dim);
        st->bias[i] = q->has_bias ? g[q->dim] : 0.0f;
        return;
    }
    v->axpy(dx, g[0], item, q->dim);
    v->axpy(grad, g[0], x, q->dim);
    st->bias[i] = g[0];
}

/* st->code.dq from the tower's gradient, and the item's rows. */
static void from_samples(const struct tower *t, struct model_run *r,
                         const struct model_step *s)
{
    const struct sequence *q = t->self;
    struct sequence_state *st = r->tower_state[t->index];
    const struct vec_ops *v = vec_ops();
    const float *g = r->tower_grad[t->index];
    size_t n_all = st->code.pack.n_all, n = s->batch->n;
    int head = q->item.n == 0 && !t->as_vector;

    v->fill(st->code.dq, 0.0f, n_all * q->dim);
    v->fill(st->part, 0.0f, n_all);
    for (uint32_t i = 0; i < n; i++, g += t->width) {
        size_t row = run_field_row(r->model, s->batch, q->ids.field, i);

        if (q->item.n)
            part_ways(t, q, st, i, g, st->code.q + row * q->dim,
                      st->code.dq + row * q->dim);
        else if (head)
            st->part[row] += g[0];
        else
            v->add(st->code.dq + row * q->dim, st->code.dq + row * q->dim, g,
                   q->dim);
    }
    if (head)
        dense_backward(&q->head, s, st->code.q, st->part, (uint32_t)n_all,
                       st->code.dq, 1);
    for (uint32_t k = 0; k < q->item.n; k++) { // which uses its gradient up
        memcpy(st->part, st->grad, n * q->dim * sizeof(float));
        embedding_backward(&q->item.items[k].ids, r->model, s, st->part, q->dim,
                           t->l2 * s->grad_scale);
    }
    if (q->has_bias)
        embedding_backward(&q->bias, r->model, s, st->bias, 1,
                           t->l2_bias * s->grad_scale);
}

/* From st->code.dq to the gradient rows of the sequences. */
static void decode_all(const struct tower *t, struct model_run *r,
                       const struct model_step *s)
{
    struct sequence_state *st = r->tower_state[t->index];

    sequence_decode_all(t->self, &st->code, r->model, s, t->l2 * s->grad_scale);
}

void sequence_backward(const struct tower *t, struct model_run *r,
                       const struct model_step *s)
{
    from_samples(t, r, s);
    decode_all(t, r, s);
}

const float *sequence_query(const struct tower *t, const struct model_run *r,
                            const struct model_step *s, uint32_t i)
{
    const struct sequence *q = t->self;
    const struct sequence_state *st = r->tower_state[t->index];

    return st->code.q +
           (size_t)run_field_row(r->model, s->batch, q->ids.field, i) * q->dim;
}

uint32_t sequence_query_width(const struct tower *t)
{
    const struct sequence *q = t->self;

    return q->dim;
}

/* ---- a loss over candidates ---- */

size_t sequence_queries_most(const struct tower *t, const struct model_run *r)
{
    const struct sequence *q = t->self;

    return r->model->every ? pack_rows(&q->pack, r) : r->max_batch;
}

/* Each position should find the next one's item, the last the sample's. It has
 * had what stands up to it in the field. */
static void every_position(const struct sequence *q,
                           const struct sequence_state *st,
                           const struct model *m, const struct model_step *s,
                           struct query_set *out)
{
    const struct pack *p = &st->code.pack;
    const struct batch_field *f = &s->batch->fields[q->ids.field];
    const uint64_t *ids = f->ids;

    out->n = p->rows;
    out->q = st->code.y;
    out->had = ids;
    for (uint32_t i = 0; i < p->rows; i++) { // pad rows stay so
        out->item[i] = UINT32_MAX;
        out->sample[i] = out->first[i] = out->until[i] = 0;
    }
    for (uint32_t k = 0; k < p->n; k++)
        for (uint32_t i = 0; i < p->length[k]; i++) {
            uint32_t row = pack_row(&q->pack, p, k, i);

            out->sample[row] = p->sample[k];
            out->first[row] = f->offsets[run_field_row(
                m, s->batch, q->ids.field, p->sample[k])];
            out->until[row] = p->value[row] + 1;
            out->item[row] =
                i + 1 < p->length[k]
                    ? (uint32_t)ids[p->value[pack_row(&q->pack, p, k, i + 1)]]
                    : s->candidates->target[p->sample[k]];
        }
}

/* Hidden positions of sequence k, put behind those of others. A sequence counts
 * as its number of ids: as much as when every position is trained. */
static void hidden_positions(const struct sequence *q,
                             struct sequence_state *st, const struct model *m,
                             const struct model_step *s, uint32_t k)
{
    const struct pack *p = &st->code.pack;
    const struct batch_field *f = &s->batch->fields[q->ids.field];
    uint32_t at = run_field_row(m, s->batch, q->ids.field, p->sample[k]);
    uint32_t first = st->n_hidden;

    for (uint32_t i = 0; i < p->length[k]; i++) {
        uint32_t row = pack_row(&q->pack, p, k, i);

        if (p->position[row] == PACK_HIDDEN)
            st->hidden[st->n_hidden++] = (struct hidden){row, p->sample[k]};
    }
    for (uint32_t i = first; i < st->n_hidden; i++)
        st->share[i] = (float)(f->offsets[at + 1] - f->offsets[at]) /
                       (float)(st->n_hidden - first);
}

/* Each hidden position should find what it hides. */
static void every_hidden(const struct sequence *q, struct sequence_state *st,
                         const struct model *m, const struct model_step *s,
                         struct query_set *out)
{
    const struct pack *p = &st->code.pack;
    const struct batch_field *f = &s->batch->fields[q->ids.field];
    const uint64_t *ids = f->ids;

    st->n_hidden = 0;
    for (uint32_t k = 0; k < p->n; k++)
        hidden_positions(q, st, m, s, k);
    for (uint32_t i = 0; i < st->n_hidden; i++) {
        struct hidden h = st->hidden[i];
        uint32_t at = run_field_row(m, s->batch, q->ids.field, h.sample);

        memcpy(st->code.dy + (size_t)i * q->dim,
               st->code.y + (size_t)h.row * q->dim,
               q->dim * sizeof(float)); // nothing else stands there yet
        out->sample[i] = h.sample;
        out->first[i] = f->offsets[at]; // also what stands behind it
        out->until[i] = f->offsets[at + 1];
        out->item[i] = p->value[h.row] == PACK_NONE
                           ? s->candidates->target[h.sample]
                           : (uint32_t)ids[p->value[h.row]];
    }
    out->n = st->n_hidden;
    out->had = ids;
    out->q = st->code.dy;
    out->share = st->share;
}

/* st->code.dy [rows, dim] from dq of the hidden ones. */
static void spread_hidden(const struct sequence *q, struct sequence_state *st,
                          const float *dq)
{
    vec_ops()->fill(st->code.dy, 0.0f, (size_t)st->code.pack.rows * q->dim);
    for (uint32_t i = 0; i < st->n_hidden; i++)
        memcpy(st->code.dy + (size_t)st->hidden[i].row * q->dim,
               dq + (size_t)i * q->dim, q->dim * sizeof(float));
}

void sequence_queries(const struct tower *t, struct model_run *r,
                      const struct model_step *s, int train,
                      struct query_set *out)
{
    const struct sequence *q = t->self;
    struct sequence_state *st = r->tower_state[t->index];

    sequence_encode(q, &st->code, r->model, s, train);
    if (st->code.pack.every) {
        if (q->pack.hides)
            every_hidden(q, st, r->model, s, out);
        else
            every_position(q, st, r->model, s, out);
        return;
    }
    out->n = s->batch->n;
    out->q = st->item; // nothing else stands there in such a step
    for (uint32_t i = 0; i < out->n; i++) {
        memcpy(st->item + (size_t)i * q->dim, sequence_query(t, r, s, i),
               q->dim * sizeof(float));
        out->item[i] = s->candidates->target[i];
        out->sample[i] = i;
    }
}

void sequence_queries_backward(const struct tower *t, struct model_run *r,
                               const struct model_step *s, float *dq)
{
    const struct sequence *q = t->self;
    struct sequence_state *st = r->tower_state[t->index];
    const struct vec_ops *v = vec_ops();

    if (st->code.pack.every) {
        if (q->pack.hides)
            spread_hidden(q, st, dq);
        else
            memcpy(st->code.dy, dq,
                   (size_t)st->code.pack.rows * q->dim * sizeof(float));
        sequence_decode(q, &st->code, r->model, s, t->l2 * s->grad_scale);
        return;
    }
    v->fill(st->code.dq, 0.0f, (size_t)st->code.pack.n_all * q->dim);
    for (uint32_t i = 0; i < s->batch->n; i++) {
        size_t row = run_field_row(r->model, s->batch, q->ids.field, i);

        v->add(st->code.dq + row * q->dim, st->code.dq + row * q->dim,
               dq + (size_t)i * q->dim, q->dim);
    }
    decode_all(t, r, s);
}

int sequence_items(const struct tower *t, const struct model_run *r,
                   const struct model_step *s, float *v, float *bias,
                   float *part)
{
    const struct sequence *q = t->self;

    for (uint32_t k = 0; k < q->item.n; k++) {
        embedding_forward(&q->item.items[k].ids, r->model, s, k ? part : v,
                          q->dim);
        if (k)
            vec_ops()->add(v, v, part, (size_t)s->batch->n * q->dim);
    }
    if (q->has_bias)
        embedding_forward(&q->bias, r->model, s, bias, 1);
    return q->has_bias;
}

void sequence_items_backward(const struct tower *t, const struct model_run *r,
                             const struct model_step *s, const float *dv,
                             float *dbias, float *part)
{
    const struct sequence *q = t->self;

    for (uint32_t k = 0; k < q->item.n; k++) { // which uses its gradient up
        memcpy(part, dv, (size_t)s->batch->n * q->dim * sizeof(float));
        embedding_backward(&q->item.items[k].ids, r->model, s, part, q->dim,
                           0.0f);
    }
    if (q->has_bias)
        embedding_backward(&q->bias, r->model, s, dbias, 1, 0.0f);
}

int sequence_ranks(const struct tower *t, const struct model *m)
{
    const struct sequence *q = t->self;

    return inputs_sides(&q->item, m) == 1u << SIDE_ITEM &&
           m->fields[q->ids.field].side != SIDE_ITEM;
}

void sequence_rank(const struct tower *t, const struct model_run *r,
                   const struct model_step *s, const float *v,
                   const float *bias, const uint32_t *which, uint32_t n,
                   float *out)
{
    const struct sequence *q = t->self;
    const float *x = sequence_query(t, r, s, 0);
    const struct vec_ops *ops = vec_ops();

    for (uint32_t i = 0; i < n; i++)
        out[i] =
            ops->dot(x, v + (size_t)which[i] * q->dim, q->dim) + bias[which[i]];
}

int sequence_every_field(const struct tower *t, const struct model *m,
                         const char **why_not)
{
    const struct sequence *q = t->self;

    *why_not = "its kind reads the whole sequence at once";
    if (q->pack.hides)
        *why_not = NULL;
    else if (q->encoder->why_not_every)
        *why_not = q->encoder->why_not_every(q);
    if (m->fields[q->ids.field].type != FIELD_SEQUENCE)
        *why_not = "it reads a text";
    return *why_not ? -1 : (int)q->ids.field;
}

int sequence_finds_first(const struct tower *t)
{
    const struct sequence *q = t->self;

    return q->pack.hides;
}
