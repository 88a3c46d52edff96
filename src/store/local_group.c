/* Counting partitions by owner: of a step's keys ahead of it, of a push's
 * gradient rows after it. */
#include <string.h>

#include "base/mem.h"
#include "store/local_private.h"

void local_keys_clear(struct local_keys *k)
{
    mem_free(k->keys);
    mem_free(k->at);
    mem_free(k->refs);
    mem_free(k->found);
    mem_free(k->owner);
    mem_free(k->wide);
    k->wide = NULL;
    k->keys = NULL;
    k->at = k->refs = k->found = NULL;
    k->owner = NULL;
    k->cap = 0;
}

void local_grads_clear(struct local_grads *g)
{
    mem_free(g->refs);
    mem_free(g->keys);
    mem_free(g->grads);
    memset(g, 0, sizeof(*g));
}

/* Steps grow for a while and then stay: room is kept, contents are not. */
static enum fusor_status keys_room(struct local_keys *k, size_t n, int grouped,
                                   uint32_t wide, struct fusor_error *err)
{
    size_t cap = n + n / 4 + 64;

    if (k->cap && n <= k->cap)
        return FUSOR_OK;
    local_keys_clear(k);
    k->refs = mem_alloc_raw(cap, sizeof(*k->refs));
    if (grouped) {
        k->keys = mem_alloc_raw(cap, sizeof(*k->keys));
        k->at = mem_alloc_raw(cap, sizeof(*k->at));
        k->found = mem_alloc_raw(cap, sizeof(*k->found));
        k->owner = mem_alloc_raw(cap, sizeof(*k->owner));
    }
    if (wide)
        k->wide = mem_alloc_raw(cap * wide, sizeof(*k->wide));
    if (!k->refs || (wide && !k->wide) ||
        (grouped && (!k->keys || !k->at || !k->found || !k->owner))) {
        local_keys_clear(k);
        return mem_fail(err, "keys of a step", cap * 21);
    }
    k->cap = cap;
    return FUSOR_OK;
}

static void group_keys(const struct local_store *s, uint32_t table,
                       const struct step_keys *in, struct local_keys *k)
{
    uint32_t next[LOCAL_WORKERS_MAX];

    memset(k->starts, 0, (s->n + 1) * sizeof(*k->starts));
    for (uint32_t i = 0; i < in->n; i++) {
        k->owner[i] = (uint8_t)s->bucket_map[bucket_of_key(table, in->keys[i])];
        k->starts[k->owner[i] + 1]++;
    }
    for (unsigned o = 0; o < s->n; o++) {
        k->starts[o + 1] += k->starts[o];
        next[o] = k->starts[o];
    }
    for (uint32_t i = 0; i < in->n; i++) {
        uint32_t to = next[k->owner[i]]++;

        k->keys[to] = in->keys[i];
        k->at[to] = i;
    }
}

enum fusor_status local_group_keys(struct local_store *s,
                                   struct local_step *step,
                                   struct fusor_error *err)
{
    for (uint32_t t = 0; t < s->params->n_tables; t++) {
        const struct step_keys *in = &step->tables[t];

        uint32_t wide = shard_table_is_plain(s->shards[0], t)
                            ? 0
                            : s->params->tables[t].width;

        FUSOR_TRY(keys_room(&step->keys[t], in->n, s->n > 1, wide, err));
        if (s->n > 1)
            group_keys(s, t, in, &step->keys[t]);
    }
    return FUSOR_OK;
}

static enum fusor_status grads_room(struct local_grads *g, size_t n, int admits,
                                    struct fusor_error *err)
{
    size_t cap = n + n / 4 + 64;

    if (g->cap && n <= g->cap)
        return FUSOR_OK;
    local_grads_clear(g);
    g->refs = mem_alloc_raw(cap, sizeof(*g->refs));
    g->grads = mem_alloc_raw(cap, sizeof(*g->grads));
    if (admits)
        g->keys = mem_alloc_raw(cap, sizeof(*g->keys));
    if (!g->refs || !g->grads || (admits && !g->keys)) {
        local_grads_clear(g);
        return mem_fail(err, "gradients of a step", cap * 12);
    }
    g->cap = cap;
    return FUSOR_OK;
}

/* One node's rows of one table into [refs, grads) from `first` on, a group per
 * owner; rows[o * n_tables] describes the group of owner o. */
static void group_rows(const struct local_store *s, const struct node_rows *in,
                       const struct local_keys *k, const uint64_t *keys,
                       struct local_grads *g, size_t first,
                       struct shard_rows *rows)
{
    uint32_t next[LOCAL_WORKERS_MAX] = {0};
    size_t at = first;

    for (uint32_t i = 0; s->n > 1 && i < in->n; i++)
        next[k->owner[in->index[i]]]++;
    if (s->n == 1)
        next[0] = in->n;
    for (unsigned o = 0; o < s->n; o++) {
        rows[(size_t)o * s->params->n_tables] = (struct shard_rows){
            .n = next[o], .refs = g->refs + at, .grads = g->grads + at};
        at += next[o];
        next[o] = (uint32_t)(at - next[o]);
    }
    for (uint32_t i = 0; i < in->n; i++) {
        uint32_t u = in->index[i];
        uint32_t to = next[s->n > 1 ? k->owner[u] : 0]++;

        g->refs[to] = k->refs[u];
        if (g->keys)
            g->keys[to] = keys[u];
        g->grads[to] = in->grads[i];
    }
}

static enum fusor_status check_nodes(const struct step_grads *grads,
                                     struct fusor_error *err)
{
    uint32_t end = 0;

    for (uint32_t i = 0; i < grads->n_nodes; i++) {
        const struct step_node *node = &grads->nodes[i];

        if (i >= PARAM_MAX_NODES || node->lo < end || node->span == 0 ||
            node->lo % node->span || node->lo + node->span > TREE_LEAVES_MAX)
            return fusor_fail(err, FUSOR_EINVAL,
                              "local store: node %u of a push is [%u, +%u): "
                              "nodes are aligned, ascending, below %d",
                              i, node->lo, node->span, TREE_LEAVES_MAX);
        end = node->lo + node->span;
    }
    return FUSOR_OK;
}

enum fusor_status local_group_grads(struct local_store *s,
                                    struct local_worker *w,
                                    const struct step_grads *grads,
                                    struct fusor_error *err)
{
    uint32_t n_tables = s->params->n_tables;

    FUSOR_TRY(check_nodes(grads, err));
    for (uint32_t t = 0; t < n_tables; t++) {
        size_t n = 0, first = 0;

        for (uint32_t i = 0; i < grads->n_nodes; i++)
            n += grads->nodes[i].tables[t].n;
        FUSOR_TRY(grads_room(&w->grads[t], n,
                             shard_table_admits(s->shards[0], t), err));
        for (uint32_t i = 0; i < grads->n_nodes; i++) {
            const struct node_rows *in = &grads->nodes[i].tables[t];

            group_rows(s, in, &w->valued->keys[t], w->valued->tables[t].keys,
                       &w->grads[t], first,
                       w->rows + (size_t)i * s->n * n_tables + t);
            first += in->n;
        }
    }
    return FUSOR_OK;
}
