/* Shares of the largest score of a query, and their gradients. */
#include "model/fusion/query_max.h"

#include <math.h>

static int same_query(const struct batch *b, uint32_t i, uint32_t k)
{
    if (b->query_of[i] == b->query_of[k])
        return 1;
    return b->query && b->query[i] == b->query[k] &&
           b->query[i] != VOCAB_UNKNOWN && b->query[i] != BATCH_NO_QUERY;
}

/* The sample among [from, to) whose score in this column is furthest from 0;
 * silent ones are NaN and never are. @return to when all are 0 or silent */
static uint32_t find_largest(const float *column, uint32_t width, uint32_t from,
                             uint32_t to)
{
    float largest = 0.0f;
    uint32_t at = to;

    for (uint32_t i = from; i < to; i++)
        if (fabsf(column[(size_t)i * width]) > largest) {
            largest = fabsf(column[(size_t)i * width]);
            at = i;
        }
    return at;
}

static void divide(const struct mix *x, struct mix_state *st, uint32_t k,
                   uint32_t from, uint32_t to, float top)
{
    for (uint32_t i = from; top > 0.0f && i < to; i++) {
        size_t at = (size_t)i * x->width + k;

        st->x[at] = st->raw[at] / top;
    }
}

static void one_query(const struct mix *x, struct mix_state *st,
                      struct model_run *r, uint32_t from, uint32_t to)
{
    for (uint32_t k = 0; k < x->width; k++) { // a score a tower
        float *top = &r->tops[x->fusion->head][x->fusion->towers[k]];
        uint32_t at = find_largest(st->raw + k, x->width, from, to);
        float largest =
            at < to ? fabsf(st->raw[(size_t)at * x->width + k]) : 0.0f;

        if (r->tops_state == TOPS_COLLECT && largest > *top)
            *top = largest;
        divide(x, st, k, from, to,
               r->tops_state == TOPS_GIVEN ? *top : largest);
    }
}

void query_max_forward(const struct mix *x, struct mix_state *st,
                       struct model_run *r, const struct batch *b)
{
    for (uint32_t from = 0, to; from < b->n; from = to) {
        for (to = from + 1; to < b->n && same_query(b, from, to);)
            to++;
        for (uint32_t i = from; i < to; i++)
            st->until[i] = to;
        one_query(x, st, r, from, to);
    }
}

/* x_i = raw_i / t with t = |raw_m|: d t / d raw_m is the sign of raw_m. */
static void column_backward(const struct mix *x, struct mix_state *st,
                            uint32_t k, uint32_t from, uint32_t to)
{
    uint32_t w = x->width, m = find_largest(st->raw + k, w, from, to);
    float top, sum = 0.0f;

    if (m == to) // constant there
        return;
    top = fabsf(st->raw[(size_t)m * w + k]);
    for (uint32_t i = from; i < to; i++) {
        size_t at = (size_t)i * w + k;

        if (isnan(st->raw[at])) {
            st->dx[at] = 0.0f;
            continue;
        }
        sum += st->dx[at] * st->raw[at];
        st->dx[at] /= top;
    }
    st->dx[(size_t)m * w + k] -=
        copysignf(1.0f, st->raw[(size_t)m * w + k]) * sum / (top * top);
}

void query_max_backward(const struct mix *x, struct mix_state *st, uint32_t n)
{
    for (uint32_t from = 0; from < n; from = st->until[from])
        for (uint32_t k = 0; k < x->width; k++)
            column_backward(x, st, k, from, st->until[from]);
}
