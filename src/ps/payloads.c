/* Reads a push out of its payload, believing nothing. */
#include "ps/payloads.h"

#include "store/tree.h"

/* How a push is written. */
struct layout {
    const struct param_spec *params;
    int ticket;
    enum encoding encoding;
    uint64_t dense_size;
};

/* A section of rows: of floats, or of the bytes that stand for them.
 * @param at where its elements begin
 * @return 0, or -1: no whole number of rows */
static int read_grads(struct payload_reader *r, const struct layout *l,
                      uint32_t width, size_t *at, size_t *n_rows)
{
    size_t n;

    if (l->encoding != ENCODING_F32) {
        *at = payload_skip_section(r, 1, &n);
        return encoding_rows(l->encoding, n, width, n_rows);
    }
    *at = payload_skip_section(r, sizeof(float), &n);
    *n_rows = n / width;
    return n % width ? -1 : 0;
}

static enum fusor_status read_rows(struct payload_reader *r,
                                   const struct layout *l, uint32_t width,
                                   struct push_rows *out,
                                   struct fusor_error *err)
{
    size_t n_named, n_rows, n, names, grads;
    int whole;

    names = payload_skip_section(r, l->ticket ? sizeof(uint32_t) : 8, &n_named);
    whole = read_grads(r, l, width, &grads, &n_rows) == 0;
    n = l->ticket && n_named == 0 ? n_rows : n_named;
    if (r->failed || !whole || n > UINT32_MAX || n_rows != n)
        return fusor_fail(err, FUSOR_EPROTO,
                          "push: %zu rows of %u and names of %zu", n_rows,
                          width, n);
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

static enum fusor_status read_node(struct payload_reader *r,
                                   const struct layout *l,
                                   struct push_node *out,
                                   struct fusor_error *err)
{
    uint64_t lo = payload_get_u64(r), span = payload_get_u64(r);
    size_t n_dense;

    if (r->failed || !node_is_sound(lo, span))
        return fusor_fail(err, FUSOR_EPROTO, "push: node %llu+%llu",
                          (unsigned long long)lo, (unsigned long long)span);
    out->lo = (uint32_t)lo;
    out->span = (uint32_t)span;
    out->dense = payload_skip_section(
        r, l->encoding == ENCODING_F32 ? sizeof(float) : 1, &n_dense);
    if (r->failed || (n_dense != 0 && n_dense != l->dense_size))
        return fusor_fail(err, FUSOR_EPROTO,
                          "push: %zu dense %s instead of %llu", n_dense,
                          l->encoding == ENCODING_F32 ? "floats" : "bytes",
                          (unsigned long long)l->dense_size);
    out->has_dense = n_dense != 0;
    for (uint32_t t = 0; t < l->params->n_tables; t++)
        FUSOR_TRY(
            read_rows(r, l, l->params->tables[t].width, &out->tables[t], err));
    return FUSOR_OK;
}

enum fusor_status push_view_read(const struct param_spec *params,
                                 const struct payload_view *in, int ticket,
                                 enum encoding e, uint64_t dense_size,
                                 struct push_view *out, struct fusor_error *err)
{
    struct layout l = {params, ticket, e, dense_size};
    struct payload_reader r;
    uint64_t n_nodes, next = 0;

    payload_reader_init_view(&r, in);
    out->of = *in;
    out->encoding = e;
    n_nodes = payload_get_u64(&r);
    if (r.failed || n_nodes > PARAM_MAX_NODES)
        return fusor_fail(err, FUSOR_EPROTO, "push: %llu nodes",
                          (unsigned long long)n_nodes);
    out->n_nodes = (uint32_t)n_nodes;
    for (uint32_t i = 0; i < out->n_nodes; i++) {
        struct push_node *node = &out->nodes[i];

        node->tables = out->tables + (size_t)i * params->n_tables;
        FUSOR_TRY(read_node(&r, &l, node, err));
        if (node->lo < next)
            return fusor_fail(err, FUSOR_EPROTO,
                              "push: node %u+%u comes after one that ends at "
                              "%llu",
                              node->lo, node->span, (unsigned long long)next);
        next = node->lo + node->span;
    }
    return payload_reader_finish(&r, "push", err);
}
