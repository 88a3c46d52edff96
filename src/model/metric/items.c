/* Popularity and unlikeness of items. */
#include "model/metric/items.h"

#include <math.h>

double metric_items_information(const struct metric_items *items, uint32_t item)
{
    uint64_t count = items->counts[item] ? items->counts[item] : 1;
    uint64_t total = items->total > count ? items->total : count;

    return log2((double)total / (double)count);
}

static double set_distance(const struct metric_items *items, uint32_t a,
                           uint32_t b)
{
    size_t i = items->begin[a], j = items->begin[b];
    size_t n_i = items->begin[a + 1], n_j = items->begin[b + 1];
    size_t both = 0, all = n_i - i + (n_j - j);

    while (i < n_i && j < n_j) {
        uint64_t x = items->values[i], y = items->values[j];

        both += x == y;
        i += x <= y;
        j += y <= x;
    }
    return all ? 1 - (double)both / (double)(all - both) : 0;
}

static double cosine_distance(const struct metric_items *items, uint32_t a,
                              uint32_t b)
{
    const float *x = items->vectors + (size_t)a * items->width;
    const float *y = items->vectors + (size_t)b * items->width;
    double dot = 0, xx = 0, yy = 0;

    for (uint32_t e = 0; e < items->width; e++) {
        dot += (double)x[e] * y[e];
        xx += (double)x[e] * x[e];
        yy += (double)y[e] * y[e];
    }
    if (xx == 0 || yy == 0)
        return xx != yy;
    dot /= sqrt(xx) * sqrt(yy);
    return dot < 1 ? 1 - dot : 0; // rounding
}

double metric_items_distance(const struct metric_items *items, uint32_t a,
                             uint32_t b)
{
    return items->begin ? set_distance(items, a, b)
                        : cosine_distance(items, a, b);
}
