/* Vectors of all items, and what is left to do for a pair. */
#include "model/rank.h"

#include <string.h>

#include "base/mem.h"
#include "model/head.h"
#include "model/registry.h"

struct tower_items {
    float *v, *bias; // [n, dim], [n]; NULL: not wanted
    uint32_t dim;
};

struct model_items {
    const struct model *model;
    struct tower_items towers[MAX_TOWERS];
    float *part;         // [max_batch, the widest dim]
    uint32_t *one_query; // [max_batch] zeros
};

int model_tower_ranks(const struct model *m, uint32_t tower)
{
    const struct tower_kind *kind = m->towers[tower].kind;

    return kind->ranks && kind->ranks(&m->towers[tower], m);
}

int model_ranks(const struct model *m)
{
    for (uint32_t k = 0; k < m->n_heads; k++) {
        const struct fusion *f = &m->heads[k].fusion;

        if (f->over == OVER_VECTORS ||
            (f->kind->reads_samples && f->kind->reads_samples(f)))
            return 0;
    }
    for (uint32_t t = 0; t < m->n_towers; t++)
        if (!model_tower_ranks(m, t))
            return 0;
    return m->n_towers > 0;
}

static uint32_t dim_of(const struct model *m, uint32_t t)
{
    return m->towers[t].kind->query_width(&m->towers[t]);
}

size_t model_items_bytes(const struct model *m, const unsigned char *towers,
                         size_t n)
{
    size_t floats = 0;

    for (uint32_t t = 0; t < m->n_towers; t++)
        if (!towers || towers[t])
            floats += dim_of(m, t) + 1;
    return floats * n * sizeof(float);
}

enum fusor_status model_items_create(const struct model *m,
                                     const unsigned char *towers, uint32_t n,
                                     uint32_t max_batch,
                                     struct model_items **out,
                                     struct fusor_error *err)
{
    struct model_items *v = mem_alloc(1, sizeof(*v));
    uint32_t widest = 0;
    int ok = v != NULL;

    for (uint32_t t = 0; ok && t < m->n_towers; t++) {
        struct tower_items *tower = &v->towers[t];

        if (towers && !towers[t])
            continue;
        tower->dim = dim_of(m, t);
        tower->v = mem_alloc_raw((size_t)n * tower->dim, sizeof(float));
        tower->bias = mem_alloc(n, sizeof(float));
        ok = tower->v && tower->bias;
        if (tower->dim > widest)
            widest = tower->dim;
    }
    if (ok) {
        v->model = m;
        v->part = mem_alloc((size_t)max_batch * widest, sizeof(float));
        v->one_query = mem_alloc(max_batch, sizeof(*v->one_query));
        ok = v->part && v->one_query;
    }
    if (!ok) {
        model_items_destroy(v);
        return mem_fail(err, "vectors of all items",
                        model_items_bytes(m, towers, n));
    }
    *out = v;
    return FUSOR_OK;
}

void model_items_destroy(struct model_items *v)
{
    if (!v)
        return;
    for (uint32_t t = 0; t < MAX_TOWERS; t++) {
        mem_free(v->towers[t].v);
        mem_free(v->towers[t].bias);
    }
    mem_free(v->part);
    mem_free(v->one_query);
    mem_free(v);
}

void model_items_fill(struct model_items *v, const struct model_run *r,
                      const struct model_step *s, uint32_t first)
{
    for (uint32_t t = 0; t < v->model->n_towers; t++) {
        const struct tower *tower = &v->model->towers[t];
        const struct tower_items *to = &v->towers[t];

        if (!to->v || (v->model->apart && !tower->trained))
            continue;
        tower->kind->items(tower, r, s, to->v + (size_t)first * to->dim,
                           to->bias + first, v->part);
    }
}

void model_rank_tower(struct model_run *r, const struct model_step *s,
                      const struct model_items *v, uint32_t tower,
                      const uint32_t *which, uint32_t n, float *scores)
{
    const struct tower *t = &r->model->towers[tower];

    t->kind->rank(t, r, s, v->towers[tower].v, v->towers[tower].bias, which, n,
                  scores);
}

void model_rank(struct model_run *r, const struct model_step *s,
                const struct model_items *v, const uint32_t *which, uint32_t n,
                float *scores)
{
    const struct model *m = r->model;
    struct batch pairs = *s->batch;
    struct model_step step = *s;

    pairs.n = n;
    pairs.query_of = v->one_query;
    pairs.query = NULL;
    step.batch = &pairs;
    step.training = 0;
    for (uint32_t t = 0; t < m->n_towers; t++)
        if (!m->apart || m->towers[t].trained)
            m->towers[t].kind->rank(&m->towers[t], r, s, v->towers[t].v,
                                    v->towers[t].bias, which, n,
                                    r->tower_out[t]);
    r->n = n;
    heads_score(r, &step);
    memcpy(scores, model_scores(r, r->label), n * sizeof(*scores));
}
