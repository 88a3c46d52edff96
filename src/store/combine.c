/* Sums over the pushes of one unit; the rule of the stack stands in tree.h. */
#include "store/combine.h"

#include <string.h>

#include "base/mem.h"

#define PIECE 1024 /* floats: the stack of a piece takes 20 KiB */

enum fusor_status combine_reserve(struct combine *c, size_t n,
                                  struct budget *budget,
                                  struct fusor_error *err)
{
    struct combine_entry *fresh;
    size_t cap = c->cap ? c->cap : 256;
    uint64_t more;

    while (cap < n)
        cap *= 2;
    if (cap == c->cap)
        return FUSOR_OK;
    more = (cap - c->cap) * sizeof(*fresh);
    FUSOR_TRY(budget_take(budget, more, "the edge buffer", err));
    fresh = mem_alloc_raw(cap, sizeof(*fresh)); // entries do not outlive a unit
    if (!fresh) {
        budget_give(budget, more);
        return mem_fail(err, "edge buffer", cap * sizeof(*fresh));
    }
    mem_free(c->entries);
    c->entries = fresh;
    c->cap = cap;
    return FUSOR_OK;
}

void combine_clear(struct combine *c)
{
    mem_free(c->entries);
    memset(c, 0, sizeof(*c));
}

static void merge_top(struct combine_entry *e, size_t width)
{
    tree_merge(e->rows[e->n - 2], e->rows[e->n - 1], width);
    e->n--;
}

void combine_add(struct combine *c, const struct table *t, uint32_t ref,
                 unsigned lo, float *grad)
{
    struct row *r = table_row(t, ref);
    struct combine_entry *e;

    if (r->seen & ROW_MARK) {
        e = &c->entries[r->seen & ~ROW_MARK];
        if (e->lo[e->n - 1] == lo) { // a key twice in one push
            tree_merge(e->rows[e->n - 1], grad, t->width);
            return;
        }
        while (e->n >= 2 &&
               tree_is_complete(e->lo[e->n - 2], e->lo[e->n - 1], lo))
            merge_top(e, t->width);
    } else {
        e = &c->entries[c->n];
        e->ref = ref;
        e->seen = r->seen;
        e->n = 0;
        r->seen = ROW_MARK | (uint32_t)c->n++;
    }
    e->lo[e->n] = (uint8_t)lo;
    e->rows[e->n++] = grad;
}

float *combine_take(struct combine *c, const struct table *t, size_t i)
{
    struct combine_entry *e = &c->entries[i];

    while (e->n > 1)
        merge_top(e, t->width);
    table_row(t, e->ref)->seen = e->seen;
    return e->rows[0];
}

static void sum_piece(const float *const *in, const uint32_t *lo, size_t n_in,
                      size_t at, size_t n, float *out)
{
    float sum[TREE_DEPTH_MAX][PIECE];
    uint32_t leaf[TREE_DEPTH_MAX];
    size_t top = 0;

    for (size_t i = 0; i < n_in; i++) {
        while (top >= 2 &&
               tree_is_complete(leaf[top - 2], leaf[top - 1], lo[i])) {
            tree_merge(sum[top - 2], sum[top - 1], n);
            top--;
        }
        memcpy(sum[top], in[i] + at, n * sizeof(float));
        leaf[top++] = lo[i];
    }
    for (; top > 1; top--)
        tree_merge(sum[top - 2], sum[top - 1], n);
    memcpy(out + at, sum[0], n * sizeof(float));
}

void combine_vectors(const float *const *in, const uint32_t *lo, size_t n_in,
                     float *out, size_t n)
{
    for (size_t at = 0; at < n; at += PIECE)
        sum_piece(in, lo, n_in, at, n - at < PIECE ? n - at : PIECE, out);
}
