/* Gradient rows and the dense gradient of a step. */
#include "train/grads.h"

#include <string.h>

#include "base/mem.h"

#define AHEAD 12 /* keys a prefetch runs in front */

enum fusor_status grads_init(struct grads *g, const struct model *model,
                             uint32_t max_micros, struct fusor_error *err)
{
    const struct param_spec *p = model_params(model);
    enum fusor_status rc;

    memset(g, 0, sizeof(*g));
    g->model = model;
    g->n_tables = p->n_tables;
    g->max_micros = max_micros;
    g->tables = mem_alloc(p->n_tables + 1, sizeof(*g->tables));
    g->views = mem_alloc(p->n_tables + 1, sizeof(*g->views));
    g->nodes = mem_alloc((size_t)PARAM_MAX_NODES * (p->n_tables + 1),
                         sizeof(*g->nodes));
    if (!g->tables || !g->views || !g->nodes)
        rc = mem_fail(err, "gradients", p->n_tables * sizeof(*g->tables));
    else
        rc = dense_tree_init(&g->dense, p->n_dense, max_micros, err);
    if (rc != FUSOR_OK)
        grads_clear(g);
    else
        grads_set_trained(g);
    return rc;
}

static void table_clear(struct table_grads *t)
{
    grad_tree_clear(&t->tree);
    mem_free(t->rows);
    mem_free(t->flat);
    mem_free(t->all);
    t->rows = NULL;
    t->flat = NULL;
    t->all = NULL;
    t->cap = 0;
}

void grads_clear(struct grads *g)
{
    for (uint32_t t = 0; g->tables && t < g->n_tables; t++)
        table_clear(&g->tables[t]);
    dense_tree_clear(&g->dense);
    mem_free(g->tables);
    mem_free(g->views);
    mem_free(g->nodes);
    memset(g, 0, sizeof(*g));
}

void grads_set_trained(struct grads *g)
{
    uint32_t n;
    const struct model_lookup *lookups = model_lookups(g->model, &n);

    for (uint32_t t = 0; t < g->n_tables; t++) {
        g->tables[t].wanted = 0;
        g->tables[t].only_trained = 1;
    }
    for (uint32_t l = 0; l < n; l++) {
        struct table_grads *t = &g->tables[lookups[l].table];

        if (model_lookup_is_trained(g->model, l))
            t->wanted = 1;
        else
            t->only_trained = 0;
    }
}

static enum fusor_status table_room(struct grads *g, struct table_grads *t,
                                    uint32_t width, uint32_t cap,
                                    struct fusor_error *err)
{
    if (cap <= t->cap)
        return FUSOR_OK;
    table_clear(t);
    FUSOR_TRY(grad_tree_init(&t->tree, width, cap, g->max_micros, err));
    t->rows = mem_alloc(cap, sizeof(*t->rows));
    t->flat = mem_alloc_raw((size_t)cap * width, sizeof(*t->flat));
    t->all = mem_alloc_raw(cap, sizeof(*t->all));
    if (!t->rows || !t->flat || !t->all) {
        table_clear(t);
        return mem_fail(err, "gradient rows",
                        (size_t)cap * width * sizeof(float));
    }
    for (uint32_t i = 0; i < cap; i++)
        t->all[i] = i;
    t->cap = cap;
    return FUSOR_OK;
}

enum fusor_status grads_begin_step(struct grads *g, const struct step *s,
                                   struct fusor_error *err)
{
    const struct param_spec *p = model_params(g->model);

    g->single = s->n_micros == 1;
    for (uint32_t t = 0; t < g->n_tables; t++) {
        FUSOR_TRY(table_room(g, &g->tables[t], p->tables[t].width,
                             s->sets[t].cap, err));
        grad_tree_reset(&g->tables[t].tree);
        g->views[t].rows = (const float *const *)s->rows[t].rows;
        g->views[t].grads = g->tables[t].rows;
    }
    dense_tree_reset(&g->dense);
    return FUSOR_OK;
}

static int is_flat(const struct grads *g, uint32_t table)
{
    return g->single && g->tables[table].only_trained;
}

static void begin_flat(struct table_grads *t, uint32_t n, uint32_t width)
{
    memset(t->flat, 0, (size_t)n * width * sizeof(float));
    for (uint32_t i = 0; i < n; i++)
        t->rows[i] = t->flat + (size_t)i * width;
}

static void touch_all(struct table_grads *t, const uint32_t *positions,
                      uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t u = positions[i];

        if (i + AHEAD < n && positions[i + AHEAD] != KEYSET_NONE)
            __builtin_prefetch(&t->tree.slots[positions[i + AHEAD]], 1);
        if (u != KEYSET_NONE && !grad_tree_is_touched(&t->tree, u))
            t->rows[u] = grad_tree_touch_first(&t->tree, u);
    }
}

static void touch_micro(struct table_grads *t, const struct step_micro *m,
                        uint32_t lookup)
{
    const struct candidate_list *c = m->candidates;

    touch_all(t, m->positions[lookup], m->n_values[lookup]);
    if (c)
        touch_all(t, c->positions[lookup], c->n_values[lookup]);
}

const struct model_tables *grads_begin_micro(struct grads *g,
                                             const struct step *s,
                                             const struct step_micro *m,
                                             float **dense_grad)
{
    const struct param_spec *p = model_params(g->model);
    uint32_t n_lookups;
    const struct model_lookup *lookups = model_lookups(g->model, &n_lookups);

    for (uint32_t t = 0; t < g->n_tables; t++) {
        if (is_flat(g, t))
            begin_flat(&g->tables[t], s->sets[t].n, p->tables[t].width);
        else
            grad_tree_begin(&g->tables[t].tree, m->number);
    }
    for (uint32_t l = 0; l < n_lookups; l++) {
        uint32_t t = lookups[l].table;

        if (!is_flat(g, t) && model_lookup_is_trained(g->model, l))
            touch_micro(&g->tables[t], m, l);
    }
    *dense_grad = dense_tree_begin(&g->dense, m->number);
    return g->views;
}

void grads_touch_all(struct grads *g, const struct step *s)
{
    for (uint32_t t = 0; t < g->n_tables; t++)
        if (g->tables[t].wanted && !is_flat(g, t) && s->sets[t].n)
            touch_all(&g->tables[t], g->tables[t].all, s->sets[t].n);
}

void grads_finish_node(struct grads *g, const struct step *s, uint32_t lo,
                       uint32_t span, struct step_grads *out)
{
    struct step_node *node = &out->nodes[out->n_nodes];
    struct node_rows *rows = g->nodes + (size_t)out->n_nodes * g->n_tables;

    for (uint32_t t = 0; t < g->n_tables; t++) {
        struct table_grads *table = &g->tables[t];

        if (!table->wanted)
            rows[t] = (struct node_rows){0};
        else if (is_flat(g, t))
            rows[t] = (struct node_rows){s->sets[t].n, table->all, table->rows};
        else
            rows[t] = grad_tree_finish(&table->tree);
    }
    *node = (struct step_node){lo, span, dense_tree_finish(&g->dense), rows};
    out->n_nodes++;
}
