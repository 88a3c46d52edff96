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

KERNEL_BODY void forward_body(const struct embedding_view *v,
                              const uint32_t *query_of, uint32_t n,
                              float *restrict x, uint32_t ld)
{
    for (uint32_t i = 0; i < n; i++) {
        float *y = x + (size_t)i * ld;

        if (query_of && i > 0 && query_of[i] == query_of[i - 1]) {
            row_copy(y, y - ld, v->dim);
            continue;
        }
        if (!v->offsets && !query_of)
            embedding_prefetch(v, i + 8, n);
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
    for (uint32_t i = 0; i < n; i++) {
        float *g = dx + (size_t)i * ld;
        uint32_t uses = 1;

        if (!query_of) {
            if (!v->offsets && i + 8 < n && v->position[i + 8] != UINT32_MAX)
                row_prefetch(v->grads[v->position[i + 8]] + v->skip, v->dim);
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
