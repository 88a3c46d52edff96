/* Sequences to vectors and back: pack, look up, encode. */
#include "model/tower/sequence.h"

#include <string.h>

#include "tensor/tensor.h"

void sequence_code_take(const struct sequence *q, struct model_run *r,
                        struct sequence_code *c)
{
    size_t n = (size_t)r->max_batch * q->dim;
    size_t rows = pack_rows(&q->pack, r) * q->dim;
    size_t made = r->model->every ? rows : n;

    pack_take(&q->pack, r, &c->pack);
    c->sines = positional_take(&q->places, r);
    c->x = run_take(r, rows, sizeof(float));
    c->dx = run_take(r, rows, sizeof(float));
    c->y = run_take(r, made, sizeof(float));
    c->dy = run_take(r, made, sizeof(float));
    c->q = run_take(r, n, sizeof(float));
    c->dq = run_take(r, n, sizeof(float));
    c->encoder = q->encoder->run_create(q, r);
}

/* The packed sequences through the encoder. */
static void run_encoder(const struct sequence *q, struct sequence_code *c,
                        const struct model *m, const struct model_step *s,
                        int train)
{
    struct pack *p = &c->pack;

    pack_gather(p, s->tables[q->ids.table].rows,
                m->tables[q->ids.table].n_columns, q->dim, q->scale,
                positional_rows(&q->places, c->sines, s), s->dense + q->mask,
                c->x);
    if (p->n)
        q->encoder->forward(q, c->encoder, m->seed, s, p, c->x, train, c->y);
}

/* The vector of sequence i of the batch, which is i - first of the pack. */
static void take_vector(const struct sequence *q, struct sequence_code *c,
                        const struct model_step *s, uint32_t first, uint32_t i)
{
    uint32_t number = c->pack.number[i - first];

    memcpy(c->q + (size_t)i * q->dim,
           number == UINT32_MAX ? s->dense + q->empty
                                : c->y + (size_t)number * q->dim,
           q->dim * sizeof(float));
}

void sequence_encode(const struct sequence *q, struct sequence_code *c,
                     const struct model *m, const struct model_step *s,
                     int train)
{
    pack_make(&q->pack, m, s, &c->pack);
    run_encoder(q, c, m, s, train);
    for (uint32_t i = 0; !c->pack.every && i < c->pack.n_all; i++)
        take_vector(q, c, s, 0, i);
}

void sequence_encode_each(const struct sequence *q, struct sequence_code *c,
                          const struct model *m, const struct model_step *s)
{
    uint32_t n = pack_sequences(&q->pack, m, s);

    for (uint32_t i = 0; i < n; i++) {
        pack_make_one(&q->pack, m, s, i, &c->pack);
        run_encoder(q, c, m, s, 0);
        take_vector(q, c, s, i, i);
    }
}

void sequence_decode(const struct sequence *q, struct sequence_code *c,
                     const struct model *m, const struct model_step *s,
                     float l2)
{
    const struct pack *p = &c->pack;
    const struct model_tables *table = &s->tables[q->ids.table];

    if (p->n == 0)
        return;
    q->encoder->backward(q, c->encoder, m->seed, s, p, c->x, c->dy, c->dx);
    positional_backward(&q->places, p, s, c->dx);
    if (q->pack.hides) // the whole gradient was zero before
        pack_sum_hidden(p, q->dim, q->scale, c->dx, s->dense_grad + q->mask);
    pack_scatter(p, &q->pack, table->rows, table->grads,
                 m->tables[q->ids.table].n_columns, q->dim, q->scale, l2,
                 c->dx);
}

void sequence_decode_all(const struct sequence *q, struct sequence_code *c,
                         const struct model *m, const struct model_step *s,
                         float l2)
{
    const struct pack *p = &c->pack;
    float *empty = s->dense_grad + q->empty;

    vec_ops()->fill(empty, 0.0f, q->dim);
    for (uint32_t i = 0; i < p->n_all; i++) {
        const float *from = c->dq + (size_t)i * q->dim;

        if (p->number[i] == UINT32_MAX)
            vec_ops()->add(empty, empty, from, q->dim);
        else
            memcpy(c->dy + (size_t)p->number[i] * q->dim, from,
                   q->dim * sizeof(float));
    }
    sequence_decode(q, c, m, s, l2);
}
