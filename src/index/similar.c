/* Rows that share columns with one row, found through the inverted lists; the
 * best by a bounded heap. Formulas and sources are in the header. */
#include "index/similar.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* Sums over the columns that another row shares. */
struct shared {
    double n, x, y, xx, yy, xy;
};

struct candidate {
    float weight;
    uint32_t id;
};

struct similar_scratch {
    struct shared *sums;    // [n_rows] zero but while a row is looked at
    uint32_t *touched;      // [n_rows]
    struct candidate *heap; // [n_rows]
    uint32_t n_touched;
};

enum fusor_status similar_init(struct similar *s, struct fusor_error *err)
{
    const struct csr *m = s->rows;

    s->norms = mem_alloc(m->n_rows, sizeof(*s->norms));
    if (!s->norms)
        return mem_fail(err, "norms", m->n_rows * sizeof(*s->norms));
    for (uint32_t r = 0; r < m->n_rows; r++) {
        double sum = 0;

        for (uint64_t k = m->offsets[r]; k < m->offsets[r + 1]; k++)
            sum += (double)m->values[k] * m->values[k];
        s->norms[r] = sqrt(sum);
    }
    return FUSOR_OK;
}

void similar_clear(struct similar *s)
{
    mem_free(s->norms);
    s->norms = NULL;
}

enum fusor_status similar_scratch_create(const struct similar *s,
                                         struct similar_scratch **out,
                                         struct fusor_error *err)
{
    struct similar_scratch *x = mem_alloc(1, sizeof(*x));
    size_t n = s->rows->n_rows;

    if (x) {
        x->sums = mem_alloc(n, sizeof(*x->sums));
        x->touched = mem_alloc_raw(n, sizeof(*x->touched));
        x->heap = mem_alloc_raw(n, sizeof(*x->heap));
    }
    if (!x || !x->sums || !x->touched || !x->heap) {
        similar_scratch_destroy(x);
        return mem_fail(err, "neighbours", n * sizeof(*x->sums));
    }
    *out = x;
    return FUSOR_OK;
}

void similar_scratch_destroy(struct similar_scratch *x)
{
    if (!x)
        return;
    mem_free(x->sums);
    mem_free(x->touched);
    mem_free(x->heap);
    mem_free(x);
}

static void add_column(const struct similar *s, struct similar_scratch *x,
                       uint32_t col, double mine)
{
    const struct csr *lists = s->by_col;

    for (uint64_t k = lists->offsets[col]; k < lists->offsets[col + 1]; k++) {
        struct shared *sum = &x->sums[lists->cols[k]];
        double other = lists->values[k];

        if (sum->n == 0)
            x->touched[x->n_touched++] = lists->cols[k];
        sum->n++;
        sum->xy += mine * other;
        if (s->kind == SIMILAR_COSINE)
            continue;
        sum->x += mine;
        sum->y += other;
        sum->xx += mine * mine;
        sum->yy += other * other;
    }
}

static double cosine(const struct similar *s, const struct shared *sum,
                     uint32_t a, uint32_t b)
{
    double below = s->norms[a] * s->norms[b] + s->shrink;

    return below > 0 ? sum->xy / below : 0;
}

static double pearson(const struct similar *s, const struct shared *sum)
{
    double n = sum->n, vx, vy, cov;

    if (n < 2)
        return 0;
    vx = sum->xx - sum->x * sum->x / n;
    vy = sum->yy - sum->y * sum->y / n;
    cov = sum->xy - sum->x * sum->y / n;
    /* What rounding leaves of a constant is no variance. */
    if (vx <= 1e-9 * sum->xx || vy <= 1e-9 * sum->yy)
        return 0;
    return cov / sqrt(vx * vy) * n / (n + s->shrink);
}

/* Sum up, and leave each touched row with its weight in xy. */
static void look(const struct similar *s, struct similar_scratch *x,
                 uint32_t row)
{
    const struct csr *m = s->rows;

    x->n_touched = 0;
    for (uint64_t k = m->offsets[row]; k < m->offsets[row + 1]; k++)
        add_column(s, x, m->cols[k], m->values[k]);
    for (uint32_t i = 0; i < x->n_touched; i++) {
        struct shared *sum = &x->sums[x->touched[i]];

        if (sum->n < s->least)
            sum->xy = 0;
        else
            sum->xy = s->kind == SIMILAR_COSINE
                          ? cosine(s, sum, row, x->touched[i])
                          : pearson(s, sum);
    }
}

static void forget(struct similar_scratch *x)
{
    for (uint32_t i = 0; i < x->n_touched; i++)
        x->sums[x->touched[i]] = (struct shared){0};
}

void similar_all(const struct similar *s, struct similar_scratch *x,
                 uint32_t row, float *out)
{
    for (uint32_t i = 0; i < s->rows->n_rows; i++)
        out[i] = 0;
    look(s, x, row);
    for (uint32_t i = 0; i < x->n_touched; i++)
        if (x->touched[i] != row)
            out[x->touched[i]] = (float)x->sums[x->touched[i]].xy;
    forget(x);
}

/* Is a the worse of two? The worst is at the top of the heap. */
static int is_worse(const struct candidate *a, const struct candidate *b)
{
    if (a->weight != b->weight)
        return a->weight < b->weight;
    return a->id > b->id;
}

static void sink(struct candidate *heap, uint32_t n, uint32_t at)
{
    struct candidate moved = heap[at];

    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && is_worse(&heap[child + 1], &heap[child]))
            child++;
        if (!is_worse(&heap[child], &moved))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static void rise(struct candidate *heap, uint32_t at)
{
    while (at > 0 && is_worse(&heap[at], &heap[(at - 1) / 2])) {
        struct candidate t = heap[at];

        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = t;
        at = (at - 1) / 2;
    }
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct candidate *)a)->id;
    uint32_t y = ((const struct candidate *)b)->id;

    return (x > y) - (x < y);
}

uint32_t similar_top(const struct similar *s, struct similar_scratch *x,
                     uint32_t row, uint32_t most, uint32_t *ids, float *weights)
{
    uint32_t n = 0;

    look(s, x, row);
    for (uint32_t i = 0; i < x->n_touched; i++) {
        uint32_t id = x->touched[i];
        struct candidate c = {(float)x->sums[id].xy, id};

        if (id == row || !(c.weight > 0))
            continue;
        if (n < most) {
            x->heap[n] = c;
            rise(x->heap, n++);
        } else if (most && is_worse(&x->heap[0], &c)) {
            x->heap[0] = c;
            sink(x->heap, n, 0);
        }
    }
    forget(x);
    qsort(x->heap, n, sizeof(*x->heap), by_id);
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = x->heap[i].id;
        weights[i] = x->heap[i].weight;
    }
    return n;
}
