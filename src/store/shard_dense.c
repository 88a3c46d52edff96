/* Applying the dense gradients of one unit: the pushes are walked through side
 * by side, each whole or in the parts it came in, summed piece by piece in the
 * order of the tree, and each piece is applied while it is in the cache. Rules
 * that look at a whole segment get it in one place. */
#include <string.h>

#include "base/mem.h"
#include "store/shard_private.h"

#define PIECE 8192 /* floats: a sum, values and state fit the second cache */

/* The dense gradients of a unit, walked through together. */
struct dense_walk {
    size_t n;
    uint32_t lo[TREE_LEAVES_MAX];
    struct dense_cursor {
        const float *whole;            // NULL: in parts
        const struct shard_part *part; // the one the cursor is in
        uint64_t part_begin;           // which of the vector's floats it has
        uint64_t at;                   // the next float
    } in[TREE_LEAVES_MAX];
};

static void walk_begin(struct dense_walk *w, const struct shard_push *pushes,
                       size_t n)
{
    w->n = 0;
    for (size_t p = 0; p < n; p++) {
        if (!pushes[p].dense && !pushes[p].n_parts)
            continue;
        w->in[w->n] = (struct dense_cursor){.whole = pushes[p].dense,
                                            .part = pushes[p].parts};
        w->lo[w->n++] = pushes[p].lo;
    }
}

/* Go to a float; in parts only forwards. */
static void walk_to(struct dense_walk *w, uint64_t at)
{
    for (size_t i = 0; i < w->n; i++) {
        struct dense_cursor *c = &w->in[i];

        while (!c->whole && at >= c->part_begin + c->part->n) {
            c->part_begin += c->part->n;
            c->part++;
        }
        c->at = at;
    }
}

/* The next floats that lie together in every push, at most n of them, summed
 * into `sum` unless there is but one push. The walk stays where it is.
 * @param m set to how many */
static const float *walk_look(const struct dense_walk *w, size_t n, float *sum,
                              size_t *m)
{
    const float *in[TREE_LEAVES_MAX];

    for (size_t i = 0; i < w->n; i++) {
        const struct dense_cursor *c = &w->in[i];
        uint64_t left;

        if (c->whole) {
            in[i] = c->whole + c->at;
            continue;
        }
        in[i] = c->part->at + (c->at - c->part_begin);
        left = c->part_begin + c->part->n - c->at;
        n = left < n ? (size_t)left : n;
    }
    *m = n;
    if (w->n == 1)
        return in[0];
    combine_vectors(in, w->lo, w->n, sum, n);
    return sum;
}

/* All of a segment in one place. */
static const float *gather_segment(struct shard *s, struct dense_walk *w,
                                   uint64_t begin, size_t n)
{
    size_t m;

    for (size_t at = 0; at < n; at += m) {
        const float *g;

        walk_to(w, begin + at);
        g = walk_look(w, n - at, s->dense_sum + at, &m);
        if (w->n == 1 && m == n)
            return g;
        if (w->n == 1)
            memcpy(s->dense_sum + at, g, m * sizeof(float));
    }
    return s->dense_sum;
}

static void apply_segment(struct shard *s, size_t i, struct dense_walk *w,
                          uint64_t begin)
{
    uint32_t block = s->segments[i].block;
    const struct optim *o = &s->block_optim[block];
    const struct optim_step *step = &s->steps[s->params->n_tables + block];
    size_t n = (size_t)s->segments[i].n, m;

    if (!optim_elementwise(&o->spec)) {
        optim_apply(o, s->segment_values[i], s->segment_state[i],
                    gather_segment(s, w, begin, n), n, step);
        return;
    }
    for (size_t at = 0; at < n; at += m) {
        size_t most = w->n > 1 && n - at > PIECE ? PIECE : n - at;
        const float *g;

        walk_to(w, begin + at);
        g = walk_look(w, most, s->dense_sum, &m);
        optim_apply_part(o, s->segment_values[i], s->segment_state[i], g, n, at,
                         m, step);
    }
}

void shard_apply_dense(struct shard *s, const struct shard_push *pushes,
                       size_t n)
{
    struct dense_walk w;

    walk_begin(&w, pushes, n);
    for (size_t i = 0; w.n && i < s->n_segments; i++) {
        const struct block_segment *seg = &s->segments[i];

        if (!s->frozen[seg->block])
            apply_segment(s, i, &w, s->flat ? seg->offset : seg->packed);
    }
}

enum fusor_status shard_dense_room(struct shard *s,
                                   const struct shard_push *pushes, size_t n,
                                   struct fusor_error *err)
{
    uint64_t largest = PIECE;
    int wanted = n > 1;

    for (size_t i = 0; i < n; i++)
        wanted |= pushes[i].n_parts > 1;
    if (!wanted || s->dense_sum || s->n_segments == 0)
        return FUSOR_OK;
    for (size_t i = 0; i < s->n_segments; i++)
        if (!optim_elementwise(&s->block_optim[s->segments[i].block].spec) &&
            s->segments[i].n > largest)
            largest = s->segments[i].n;
    FUSOR_TRY(budget_take(&s->budget, largest * sizeof(float),
                          "the dense edge buffer", err));
    s->dense_sum = mem_alloc_raw((size_t)largest, sizeof(float));
    if (s->dense_sum)
        return FUSOR_OK;
    budget_give(&s->budget, largest * sizeof(float));
    return mem_fail(err, "dense edge buffer", (size_t)largest * sizeof(float));
}
