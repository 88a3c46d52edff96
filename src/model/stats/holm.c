/* Holm's step-down correction (Holm 1979): with p sorted, adjusted p of the
 * i-th smallest is the largest of (n - j + 1) p_j over j <= i, at most 1. */
#include <stdlib.h>

#include "base/mem.h"
#include "model/stats/stats.h"

struct ranked {
    double p;
    size_t at;
};

static int compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return (x->p > y->p) - (x->p < y->p);
}

enum fusor_status stats_holm(const double *p, size_t n, double *adjusted,
                             struct fusor_error *err)
{
    struct ranked *r = mem_alloc_raw(n, sizeof(*r));
    double floor_p = 0;

    if (!r)
        return mem_fail(err, "holm", n * sizeof(*r));
    for (size_t i = 0; i < n; i++)
        r[i] = (struct ranked){p[i], i};
    qsort(r, n, sizeof(*r), compare);
    for (size_t i = 0; i < n; i++) {
        double q = (double)(n - i) * r[i].p;

        if (q > floor_p)
            floor_p = q < 1 ? q : 1;
        adjusted[r[i].at] = floor_p;
    }
    mem_free(r);
    return FUSOR_OK;
}
