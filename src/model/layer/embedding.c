/* Look-ups of whole micro-batches into the columns of a matrix and back. */
#include "model/layer/embedding.h"

const char *const pool_names[] = {"mean", "sum", "rsqrt", NULL};

struct embedding_view embedding_view(const struct embedding *e,
                                     const struct model *m,
                                     const struct model_step *s)
{
    const struct batch_field *f = &s->batch->fields[e->field];
    const struct table_def *t = &m->tables[e->table];
    int one = m->fields[e->field].type == FIELD_CATEGORICAL;

    return (struct embedding_view){
        .rows = s->tables[e->table].rows,
        .grads = s->tables[e->table].grads,
        .position = s->positions[e->lookup],
        .offsets = one ? NULL : f->offsets,
        .weights = one ? NULL : f->weights,
        .skip = e->column >= 0 ? (uint32_t)e->column : t->n_columns,
        .dim = e->column >= 0 ? 1 : t->dim,
        .pool = e->pool,
    };
}

/* Rows a prefetch runs in front; the row's address is asked for twice as early.
 */
#define AHEAD 24

/* One id a sample, no query side: a copy. */
KERNEL_BODY void forward_one(const struct embedding_view *view, uint32_t n,
                             float *restrict x, uint32_t ld)
{
    const struct embedding_view v = *view; // in registers: nothing aliases it

    for (uint32_t i = 0; i < n; i++) {
        uint32_t u = v.position[i];

        if (i + 2 * AHEAD < n && v.position[i + 2 * AHEAD] != UINT32_MAX)
            __builtin_prefetch(&v.rows[v.position[i + 2 * AHEAD]]);
        embedding_prefetch(&v, i + AHEAD, n);
        if (u != UINT32_MAX)
            row_copy(x + (size_t)i * ld, v.rows[u] + v.skip, v.dim);
        else
            row_zero(x + (size_t)i * ld, v.dim);
    }
}

KERNEL_BODY void backward_one(const struct embedding_view *view, uint32_t n,
                              const float *restrict dx, uint32_t ld, float l2)
{
    const struct embedding_view v = *view; // in registers: nothing aliases it

    for (uint32_t i = 0; i < n; i++) {
        const float *g = dx + (size_t)i * ld;
        uint32_t u = v.position[i];

        if (i + AHEAD < n && v.position[i + AHEAD] != UINT32_MAX)
            row_prefetch(v.grads[v.position[i + AHEAD]] + v.skip, v.dim);
        if (u == UINT32_MAX)
            continue;
        if (l2 != 0.0f)
            row_axpbz(v.grads[u] + v.skip, 1.0f, g, l2, v.rows[u] + v.skip,
                      v.dim);
        else
            row_axpy(v.grads[u] + v.skip, 1.0f, g, v.dim);
    }
}

KERNEL_BODY void forward_body(const struct embedding_view *v,
                              const uint32_t *query_of, uint32_t n,
                              float *restrict x, uint32_t ld)
{
    if (!v->offsets && !query_of) {
        forward_one(v, n, x, ld);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        float *y = x + (size_t)i * ld;

        if (query_of && i > 0 && query_of[i] == query_of[i - 1]) {
            row_copy(y, y - ld, v->dim);
            continue;
        }
        row_zero(y, v->dim);
        embedding_add(v, query_of ? query_of[i] : i, y);
    }
}

KERNEL(forward,
       (const struct embedding_view *v, const uint32_t *query_of, uint32_t n,
        float *restrict x, uint32_t ld),
       (v, query_of, n, x, ld))

KERNEL_BODY void backward_body(const struct embedding_view *v,
                               const uint32_t *query_of, uint32_t n, float *dx,
                               uint32_t ld, float l2)
{
    if (!v->offsets && !query_of) {
        backward_one(v, n, dx, ld, l2);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        float *g = dx + (size_t)i * ld;
        uint32_t uses = 1;

        if (!query_of) {
            embedding_scatter(v, i, g, l2);
            continue;
        }
        for (; i + 1 < n && query_of[i + 1] == query_of[i]; i++, uses++)
            row_axpy(g, 1.0f, dx + (size_t)(i + 1) * ld, v->dim);
        embedding_scatter(v, query_of[i], g, l2 * (float)uses);
    }
}

KERNEL(backward,
       (const struct embedding_view *v, const uint32_t *query_of, uint32_t n,
        float *dx, uint32_t ld, float l2),
       (v, query_of, n, dx, ld, l2))

static const uint32_t *join(const struct embedding *e, const struct model *m,
                            const struct batch *b)
{
    return m->fields[e->field].side == SIDE_QUERY ? b->query_of : NULL;
}

void embedding_forward(const struct embedding *e, const struct model *m,
                       const struct model_step *s, float *x, uint32_t ld)
{
    struct embedding_view v = embedding_view(e, m, s);

    forward(&v, join(e, m, s->batch), s->batch->n, x, ld);
}

void embedding_backward(const struct embedding *e, const struct model *m,
                        const struct model_step *s, float *dx, uint32_t ld,
                        float l2)
{
    struct embedding_view v = embedding_view(e, m, s);

    backward(&v, join(e, m, s->batch), s->batch->n, dx, ld, l2);
}
