/* Rows of a build -> keys ahead -> pushes, node by node of the tree of
 * micro-batches. A row's number among all rows of the stage is its place in the
 * plan. */
#include "train/build_push.h"

#include <string.h>

#include "base/mem.h"
#include "store/tree.h"

/* The keys of one step, and where their values stand. */
struct pushed {
    uint32_t n_tables, room; // most keys of a step
    uint64_t *key_room;      // [n_tables][room]
    float **grad_room;       // [n_tables][room]
    uint32_t *index;         // [room] 0, 1, 2, ...
    const float **row_room;  // [n_tables][room]
    struct step_keys *keys;  // [n_tables]
    struct step_rows *rows;  // [n_tables]
    struct node_rows *nodes; // [PARAM_MAX_NODES][n_tables]
    float *dense;            // [n_dense] zeros: no block is trained
    struct step_grads grads;
};

static void clear(struct pushed *p)
{
    mem_free(p->key_room);
    mem_free(p->grad_room);
    mem_free(p->index);
    mem_free(p->row_room);
    mem_free(p->keys);
    mem_free(p->rows);
    mem_free(p->nodes);
    mem_free(p->dense);
}

static enum fusor_status init(struct pushed *p, const struct param_spec *params,
                              uint32_t room, struct fusor_error *err)
{
    size_t n = params->n_tables, all = n * room;

    *p = (struct pushed){.n_tables = (uint32_t)n, .room = room};
    p->key_room = mem_alloc(all, sizeof(*p->key_room));
    p->grad_room = mem_alloc(all, sizeof(*p->grad_room));
    p->index = mem_alloc(room, sizeof(*p->index));
    p->row_room = mem_alloc(all, sizeof(*p->row_room));
    p->keys = mem_alloc(n, sizeof(*p->keys));
    p->rows = mem_alloc(n, sizeof(*p->rows));
    p->nodes = mem_alloc(n * PARAM_MAX_NODES, sizeof(*p->nodes));
    p->dense = mem_alloc((size_t)params->n_dense, sizeof(*p->dense));
    if (!p->key_room || !p->grad_room || !p->index || !p->row_room ||
        !p->keys || !p->rows || !p->nodes || !p->dense)
        return mem_fail(err, "pushes of a built tower", all * 24);
    for (uint32_t i = 0; i < room; i++)
        p->index[i] = i;
    for (size_t t = 0; t < n; t++) {
        p->keys[t].keys = p->key_room + t * room;
        p->rows[t].rows = p->row_room + t * room;
    }
    return FUSOR_OK;
}

/* Row number `place` of the stage: one more key of its table. */
static void add_row(struct pushed *p, const struct build *b, uint64_t place)
{
    const struct build_part *part = b->parts;
    size_t at;
    uint64_t key;

    while (place >= part->first + part->rows)
        part++;
    key = place - part->first;
    at = (size_t)part->table * p->room + p->keys[part->table].n++;
    p->key_room[at] = key;
    p->grad_room[at] = part->values + key * part->width;
}

/* The rows of micro-batches [lo, lo + span) become a node, if there are any. */
static void add_node(struct pushed *p, const struct build *b,
                     const struct plan *plan, uint64_t unit, uint32_t lo,
                     uint32_t span, struct step_grads *out)
{
    struct step_node *node = &out->nodes[out->n_nodes];
    struct node_rows *tables = p->nodes + (size_t)out->n_nodes * p->n_tables;
    uint32_t before[PARAM_MAX_TABLES], samples = out->n_samples;

    for (uint32_t t = 0; t < p->n_tables; t++)
        before[t] = p->keys[t].n;
    for (uint32_t m = lo; m < lo + span; m++) {
        uint64_t first;
        uint32_t n;

        plan_micro_range(plan, unit, m, &first, &n);
        for (uint32_t i = 0; i < n; i++)
            add_row(p, b, first + i);
        out->n_samples += n;
    }
    if (out->n_samples == samples)
        return;
    for (uint32_t t = 0; t < p->n_tables; t++)
        tables[t] =
            (struct node_rows){p->keys[t].n - before[t], p->index + before[t],
                               p->grad_room + (size_t)t * p->room + before[t]};
    *node = (struct step_node){lo, span, p->dense, tables};
    out->n_nodes++;
}

static enum fusor_status push_unit(struct worker *w, struct pushed *p,
                                   const struct lease *lease,
                                   const struct plan *plan,
                                   const struct build *b, uint64_t unit,
                                   struct fusor_error *err)
{
    struct param_store *store = w->store;
    struct tree_node nodes[PARAM_MAX_NODES];
    unsigned n = tree_nodes(lease->micro_lo, lease->micro_hi, nodes);
    const float *dense;

    for (uint32_t t = 0; t < p->n_tables; t++)
        p->keys[t].n = 0;
    p->grads = (struct step_grads){.clock = unit};
    for (unsigned i = 0; i < n; i++)
        add_node(p, b, plan, unit, nodes[i].lo, nodes[i].span, &p->grads);
    FUSOR_TRY(
        store->ops->announce(store, w->number, PULL_TRAIN, unit, p->keys, err));
    FUSOR_TRY(store->ops->values(store, w->number, p->rows, &dense, err));
    FUSOR_TRY(store->ops->push(store, w->number, &p->grads, err));
    w->result.samples += p->grads.n_samples;
    atomic_store_explicit(&w->samples, w->result.samples, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->steps, 1, memory_order_relaxed);
    return FUSOR_OK;
}

enum fusor_status build_push(struct worker *w, const struct lease *lease,
                             const struct plan *plan, const struct build *b,
                             struct fusor_error *err)
{
    struct pushed p[2] = {{0}}; // a push is read until the next values()
    const struct param_spec *params = w->workload->params;
    enum fusor_status rc = FUSOR_OK;

    memset(&w->result, 0, sizeof(w->result));
    for (int i = 0; rc == FUSOR_OK && i < 2; i++)
        rc = init(&p[i], params, plan->global_batch, err);
    for (uint64_t i = 0; rc == FUSOR_OK && i < lease->count; i++)
        rc = push_unit(w, &p[i % 2], lease, plan, b,
                       lease->first + i * lease->stride, err);
    if (rc == FUSOR_OK)
        rc = w->store->ops->drain(w->store, w->number, err);
    clear(&p[0]);
    clear(&p[1]);
    return rc;
}
