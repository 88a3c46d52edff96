/* Reads a push out of its payload, believing nothing. */
#include "ps/payloads.h"

#include "store/tree.h"

static enum fusor_status read_rows(struct payload_reader *r, int ticket,
                                   uint32_t width, struct push_rows *out,
                                   struct fusor_error *err)
{
    size_t n_named, n_floats, n, names, grads;

    names = payload_skip_section(r, ticket ? sizeof(uint32_t) : 8, &n_named);
    grads = payload_skip_section(r, sizeof(float), &n_floats);
    n = ticket && n_named == 0 ? n_floats / width : n_named;
    if (r->failed || n > UINT32_MAX || n_floats != n * width)
        return fusor_fail(err, FUSOR_EPROTO,
                          "push: %zu floats for %zu rows of %u", n_floats, n,
                          width);
    *out = (struct push_rows){
        .n = (uint32_t)n, .all = n_named == 0, .names = names, .grads = grads};
    return FUSOR_OK;
}

/* Is [lo, lo + span) a node of the tree of micro-batches? */
static int node_is_sound(uint64_t lo, uint64_t span)
{
    return span > 0 && span <= TREE_LEAVES_MAX && (span & (span - 1)) == 0 &&
           lo < TREE_LEAVES_MAX && lo % span == 0 &&
           lo + span <= TREE_LEAVES_MAX;
}

static enum fusor_status read_node(const struct param_spec *params,
                                   struct payload_reader *r, int ticket,
                                   uint64_t dense_size, struct push_node *out,
                                   struct fusor_error *err)
{
    uint64_t lo = payload_get_u64(r), span = payload_get_u64(r);
    size_t n_dense;

    if (r->failed || !node_is_sound(lo, span))
        return fusor_fail(err, FUSOR_EPROTO, "push: node %llu+%llu",
                          (unsigned long long)lo, (unsigned long long)span);
    out->lo = (uint32_t)lo;
    out->span = (uint32_t)span;
    out->dense = payload_skip_section(r, sizeof(float), &n_dense);
    if (r->failed || (n_dense != 0 && n_dense != dense_size))
        return fusor_fail(err, FUSOR_EPROTO,
                          "push: %zu dense floats instead of %llu", n_dense,
                          (unsigned long long)dense_size);
    out->has_dense = n_dense != 0;
    for (uint32_t t = 0; t < params->n_tables; t++)
        FUSOR_TRY(read_rows(r, ticket, params->tables[t].width, &out->tables[t],
                            err));
    return FUSOR_OK;
}

enum fusor_status push_view_read(const struct param_spec *params,
                                 const struct payload_view *in, int ticket,
                                 uint64_t dense_size, struct push_view *out,
                                 struct fusor_error *err)
{
    struct payload_reader r;
    uint64_t n_nodes, next = 0;

    payload_reader_init_view(&r, in);
    out->of = *in;
    n_nodes = payload_get_u64(&r);
    if (r.failed || n_nodes > PARAM_MAX_NODES)
        return fusor_fail(err, FUSOR_EPROTO, "push: %llu nodes",
                          (unsigned long long)n_nodes);
    out->n_nodes = (uint32_t)n_nodes;
    for (uint32_t i = 0; i < out->n_nodes; i++) {
        struct push_node *node = &out->nodes[i];

        node->tables = out->tables + (size_t)i * params->n_tables;
        FUSOR_TRY(read_node(params, &r, ticket, dense_size, node, err));
        if (node->lo < next)
            return fusor_fail(err, FUSOR_EPROTO,
                              "push: node %u+%u comes after one that ends at "
                              "%llu",
                              node->lo, node->span, (unsigned long long)next);
        next = node->lo + node->span;
    }
    return payload_reader_finish(&r, "push", err);
}
