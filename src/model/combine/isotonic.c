/* Isotonic regression by pooling adjacent violators (Ayer et al. 1955); rows of
 * equal score are pooled first, so the result is a function of the score. */
#include <stdlib.h>

#include "base/mem.h"
#include "model/combine/calibrate.h"

struct point {
    double score;
    double label;
};

struct block {
    double low; // scores it spans
    double high;
    double sum; // of labels
    double n;
};

/* By label too: sums then do not depend on the order of rows. */
static int compare_points(const void *a, const void *b)
{
    const struct point *p = a, *q = b;

    if (p->score != q->score)
        return p->score < q->score ? -1 : 1;
    return (p->label > q->label) - (p->label < q->label);
}

static double mean_of(const struct block *b)
{
    return b->sum / b->n;
}

static void join(struct block *into, const struct block *next)
{
    into->high = next->high;
    into->sum += next->sum;
    into->n += next->n;
}

/* @return the number of blocks, means strictly rising */
static size_t pool(const struct point *points, size_t n, struct block *blocks)
{
    size_t n_blocks = 0;

    for (size_t i = 0; i < n;) {
        struct block fresh = {points[i].score, points[i].score, 0, 0};

        for (; i < n && points[i].score == fresh.low; i++) {
            fresh.sum += points[i].label;
            fresh.n++;
        }
        blocks[n_blocks++] = fresh;
        while (n_blocks > 1 && mean_of(&blocks[n_blocks - 2]) >=
                                   mean_of(&blocks[n_blocks - 1])) {
            join(&blocks[n_blocks - 2], &blocks[n_blocks - 1]);
            n_blocks--;
        }
    }
    return n_blocks;
}

static enum fusor_status isotonic_fit(struct calibration *c,
                                      const double *scores,
                                      const double *labels, size_t n,
                                      struct fusor_error *err)
{
    struct point *points = mem_alloc_raw(n, sizeof(*points));
    struct block *blocks = mem_alloc_raw(n, sizeof(*blocks));
    enum fusor_status rc = FUSOR_ENOMEM;
    size_t n_blocks;

    if (!points || !blocks)
        goto out;
    for (size_t i = 0; i < n; i++) {
        points[i].score = scores[i];
        points[i].label = labels[i];
    }
    qsort(points, n, sizeof(*points), compare_points);
    n_blocks = pool(points, n, blocks);
    c->x = mem_alloc_raw(2 * n_blocks, sizeof(*c->x));
    c->y = mem_alloc_raw(2 * n_blocks, sizeof(*c->y));
    if (!c->x || !c->y)
        goto out;
    for (size_t i = 0; i < n_blocks; i++) { // both ends, once if they agree
        for (int end = 0; end <= (blocks[i].high > blocks[i].low); end++) {
            c->x[c->n_knots] = end ? blocks[i].high : blocks[i].low;
            c->y[c->n_knots++] = mean_of(&blocks[i]);
        }
    }
    rc = FUSOR_OK;
out:
    if (rc != FUSOR_OK) {
        calibration_clear(c);
        mem_fail(err, "isotonic", n * sizeof(*blocks));
    }
    mem_free(blocks);
    mem_free(points);
    return rc;
}

static double isotonic_apply(const struct calibration *c, double score)
{
    size_t lo = 0, hi = c->n_knots - 1;

    if (score <= c->x[0])
        return c->y[0];
    if (score >= c->x[hi])
        return c->y[hi];
    while (hi - lo > 1) { // x[lo] <= score < x[hi]
        size_t mid = lo + (hi - lo) / 2;

        if (c->x[mid] <= score)
            lo = mid;
        else
            hi = mid;
    }
    return c->y[lo] +
           (c->y[hi] - c->y[lo]) * (score - c->x[lo]) / (c->x[hi] - c->x[lo]);
}

const struct calibration_ops calibration_isotonic = {"isotonic", isotonic_fit,
                                                     isotonic_apply};
