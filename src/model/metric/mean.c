/* Weighted means in fixed point. A sum of n terms is within n * 2^-41 of the
 * exact one, and its bits do not depend on the order. */
#include "model/metric/mean.h"

#include "base/mem.h"

/* What may come from the network; leaves room for 2^6 merges of the largest. */
#define MEAN_SUM_MAX ((metric_i128)1 << 120)
#define MEAN_COUNT_MAX ((uint64_t)1 << 56)

struct mean {
    metric_i128 sum; // of weight * term, in fixed.h's steps
    metric_i128 weight;
    uint64_t n;
    uint64_t n_skipped;
    uint64_t n_bad;
};

static void *mean_create(const struct metric_spec *spec)
{
    (void)spec;
    return mem_alloc(1, sizeof(struct mean));
}

static enum fusor_status too_large(const struct metric_spec *spec,
                                   struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "metric %s: a term times its weight is above 2^64, or "
                      "the sum above 2^87: scores have diverged, or weights "
                      "need scaling down",
                      spec->name);
}

enum fusor_status metric_mean_group(void *state, const struct metric_spec *spec,
                                    double value, double weight,
                                    struct fusor_error *err)
{
    struct mean *m = state;

    if (fixed_add(&m->sum, value * weight) || fixed_add(&m->weight, weight))
        return too_large(spec, err);
    m->n++;
    return FUSOR_OK;
}

void metric_mean_note(void *state, uint64_t n_skipped, uint64_t n_bad)
{
    struct mean *m = state;

    m->n_skipped += n_skipped;
    m->n_bad += n_bad;
}

static enum fusor_status mean_rows(void *state, const struct metric_spec *spec,
                                   const struct metric_options *options,
                                   const float *scores, const float *labels,
                                   const float *weights, size_t n,
                                   struct fusor_error *err)
{
    struct mean *m = state;

    for (size_t i = 0; i < n; i++) {
        double w = weights ? (double)weights[i] : 1.0;
        double term = spec->ops->row(options, scores[i], labels[i]);

        if (w == 0)
            continue;
        if (!isfinite(term)) {
            m->n_bad++;
            continue;
        }
        FUSOR_TRY(metric_mean_group(m, spec, term, w, err));
    }
    return FUSOR_OK;
}

static enum fusor_status mean_merge(void *into, const void *from,
                                    struct fusor_error *err)
{
    struct mean *a = into;
    const struct mean *b = from;

    if (__builtin_add_overflow(a->sum, b->sum, &a->sum) ||
        __builtin_add_overflow(a->weight, b->weight, &a->weight) ||
        __builtin_add_overflow(a->n, b->n, &a->n) ||
        __builtin_add_overflow(a->n_skipped, b->n_skipped, &a->n_skipped) ||
        __builtin_add_overflow(a->n_bad, b->n_bad, &a->n_bad))
        return fusor_fail(err, FUSOR_EDATA, "metric: merged sums overflow");
    return FUSOR_OK;
}

static void mean_write(const void *state, struct strbuf *out)
{
    const struct mean *m = state;

    bytes_put_i128(out, m->sum);
    bytes_put_i128(out, m->weight);
    bytes_put(out, m->n, 8);
    bytes_put(out, m->n_skipped, 8);
    bytes_put(out, m->n_bad, 8);
}

static enum fusor_status mean_read(void *state, struct bytes *in,
                                   struct fusor_error *err)
{
    struct mean *m = state;

    m->sum = bytes_get_i128(in);
    m->weight = bytes_get_i128(in);
    m->n = bytes_get(in, 8);
    m->n_skipped = bytes_get(in, 8);
    m->n_bad = bytes_get(in, 8);
    if (m->sum > MEAN_SUM_MAX || m->sum < -MEAN_SUM_MAX || m->weight < 0 ||
        m->weight > MEAN_SUM_MAX || m->n > MEAN_COUNT_MAX ||
        m->n_skipped > MEAN_COUNT_MAX || m->n_bad > MEAN_COUNT_MAX)
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: sums out of range");
    return FUSOR_OK;
}

static double finish(const struct metric_ops *ops, double mean)
{
    return ops->finish ? ops->finish(mean) : mean;
}

static enum fusor_status mean_result(const void *state,
                                     const struct metric_spec *spec,
                                     struct metric_result *out,
                                     struct fusor_error *err)
{
    const struct metric_ops *ops = spec->ops;
    const struct mean *m = state;
    double mean, slack, up, down;

    (void)err;
    out->n = m->n;
    out->n_skipped = m->n_skipped;
    out->n_bad = m->n_bad;
    out->weight = fixed_value(m->weight);
    if (m->weight <= 0 || (ops->row && m->n_bad))
        return FUSOR_OK;
    mean = fixed_value(m->sum) / out->weight;
    /* Half a step a term in the sum and in the weight, and two roundings of
     * doubles. Terms are >= 0. */
    slack = (double)m->n * FIXED_STEP / 2 * (1 + mean) / out->weight +
            mean * 0x1p-50;
    out->defined = 1;
    out->value = finish(ops, mean);
    up = finish(ops, mean + slack) - out->value;
    down = out->value - finish(ops, mean > slack ? mean - slack : 0);
    out->error = up > down ? up : down;
    return FUSOR_OK;
}

const struct metric_state_ops metric_mean_state = {
    .create = mean_create,
    .destroy = mem_free,
    .rows = mean_rows,
    .merge = mean_merge,
    .write = mean_write,
    .read = mean_read,
    .result = mean_result,
};
