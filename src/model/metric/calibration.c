/* How far predicted probabilities lie from the shares of positives: the
 * expected calibration error over bins of equal width (Guo et al. 2017, "On
 * calibration of modern neural networks", equation 3: bins (lo, hi]), and over
 * bins of equal mass (ACE; Nguyen and O'Connor 2015, "Posterior calibration and
 * exploratory analysis", section 3.1).
 *
 * Both sum weight * (p - label) in cells of the scores. A cell is a bin of ece.
 * ace has 2^20 cells and cuts them into bins by the weight below each: rows of
 * equal score always share a bin. */
#include "model/metric/auc.h"

#include "base/mem.h"

#define DEFAULT_BINS 15
#define N_FINE (1u << 20)

struct cells {
    uint32_t n;
    int64_t *weight;  // [n] in steps of AUC_WEIGHT_STEP
    metric_i128 *gap; // [n] sum of weight * (p - label), in steps of fixed.h
    int64_t total;
    uint64_t n_rows;
    uint64_t n_bad;
};

static uint32_t bins_of(const struct metric_spec *spec)
{
    return spec->k ? spec->k : DEFAULT_BINS;
}

static void cells_destroy(void *state)
{
    struct cells *c = state;

    if (!c)
        return;
    mem_free(c->weight);
    mem_free(c->gap);
    mem_free(c);
}

static void *cells_make(uint32_t n)
{
    struct cells *c = mem_alloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->n = n;
    c->weight = mem_alloc(n, sizeof(*c->weight));
    c->gap = mem_alloc(n, sizeof(*c->gap));
    if (c->weight && c->gap)
        return c;
    cells_destroy(c);
    return NULL;
}

static void *width_create(const struct metric_spec *spec)
{
    return cells_make(bins_of(spec));
}

static void *mass_create(const struct metric_spec *spec)
{
    (void)spec;
    return cells_make(N_FINE);
}

static uint32_t cell_of(const struct cells *c, double p)
{
    double x = ceil(p * c->n) - 1;

    return x > 0 ? (uint32_t)x : 0;
}

static enum fusor_status too_large(const struct metric_spec *spec,
                                   struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "metric %s: weights sum to more than 2^38: scale them "
                      "down",
                      spec->name);
}

static enum fusor_status cells_rows(void *state, const struct metric_spec *spec,
                                    const struct metric_options *options,
                                    const float *scores, const float *labels,
                                    const float *weights, size_t n,
                                    struct fusor_error *err)
{
    struct cells *c = state;

    for (size_t i = 0; i < n; i++) {
        int64_t w = auc_weight(weights ? weights[i] : 1);
        double p = scores[i];
        uint32_t at;

        if (w == 0)
            continue;
        if (options->logits)
            p = 1 / (1 + exp(-p));
        if (!(p >= 0 && p <= 1)) {
            c->n_bad++;
            continue;
        }
        at = cell_of(c, p);
        if (auc_count(&c->total, w) ||
            fixed_add(&c->gap[at],
                      (double)w * AUC_WEIGHT_STEP * (p - (double)labels[i])))
            return too_large(spec, err);
        c->weight[at] += w;
        c->n_rows++;
    }
    return FUSOR_OK;
}

static enum fusor_status cells_merge(void *into, const void *from,
                                     struct fusor_error *err)
{
    struct cells *a = into;
    const struct cells *b = from;

    if (auc_count(&a->total, b->total))
        return fusor_fail(err, FUSOR_EDATA, "metric: merged weights overflow");
    for (uint32_t i = 0; i < a->n; i++) {
        if (!b->weight[i])
            continue;
        if (__builtin_add_overflow(a->gap[i], b->gap[i], &a->gap[i]))
            return fusor_fail(err, FUSOR_EDATA, "metric: merged sums overflow");
        a->weight[i] += b->weight[i];
    }
    a->n_rows += b->n_rows;
    a->n_bad += b->n_bad;
    return FUSOR_OK;
}

/* Only cells in use, as (distance to the last one, weight, sum). */
static void cells_write(const void *state, struct strbuf *out)
{
    const struct cells *c = state;
    uint32_t used = 0, last = 0;

    for (uint32_t i = 0; i < c->n; i++)
        used += c->weight[i] != 0;
    bytes_put(out, c->n_rows, 8);
    bytes_put(out, c->n_bad, 8);
    bytes_put(out, used, 4);
    for (uint32_t i = 0; i < c->n; i++) {
        if (!c->weight[i])
            continue;
        bytes_put_varint(out, i - last);
        bytes_put_varint(out, (uint64_t)c->weight[i]);
        bytes_put_i128(out, c->gap[i]);
        last = i;
    }
}

/* Each row's term is at most its weight, rounded. */
static int gap_is_possible(metric_i128 gap, uint64_t weight, uint64_t n_rows)
{
    metric_i128 most =
        (metric_i128)weight * (int64_t)(AUC_WEIGHT_STEP / FIXED_STEP) + n_rows;

    return gap <= most && gap >= -most;
}

static enum fusor_status cells_read(void *state, struct bytes *in,
                                    struct fusor_error *err)
{
    struct cells *c = state;
    uint64_t used, at = 0;

    c->n_rows = bytes_get(in, 8);
    c->n_bad = bytes_get(in, 8);
    used = bytes_get(in, 4);
    if (used > c->n || c->n_rows >> 56 || c->n_bad >> 56)
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: cells");
    for (uint64_t i = 0; i < used && !in->bad; i++) {
        uint64_t step = bytes_get_varint(in), w;

        if (step >= c->n - at || (i > 0 && step == 0))
            return fusor_fail(err, FUSOR_EPROTO, "metric bytes: cell order");
        at += step;
        w = bytes_get_varint(in);
        c->gap[at] = bytes_get_i128(in);
        if (w == 0 || w > (uint64_t)AUC_TOTAL_MAX ||
            auc_count(&c->total, (int64_t)w) ||
            !gap_is_possible(c->gap[at], w, c->n_rows))
            return fusor_fail(err, FUSOR_EPROTO, "metric bytes: cell weight");
        c->weight[at] = (int64_t)w;
    }
    return FUSOR_OK;
}

/* Fill in all but value and slack; is there a value? */
static int describe(const struct cells *c, struct metric_result *out)
{
    out->n = c->n_rows;
    out->n_bad = c->n_bad;
    out->weight = (double)c->total * AUC_WEIGHT_STEP;
    if (c->total == 0 || c->n_bad)
        return 0;
    out->defined = 1;
    out->value = 0;
    /* Half a step a term, and the roundings of a few doubles. */
    out->error = (double)c->n_rows * FIXED_STEP / 2 / out->weight + 0x1p-50;
    return 1;
}

static enum fusor_status width_result(const void *state,
                                      const struct metric_spec *spec,
                                      struct metric_result *out,
                                      struct fusor_error *err)
{
    const struct cells *c = state;

    (void)spec;
    (void)err;
    if (!describe(c, out))
        return FUSOR_OK;
    for (uint32_t i = 0; i < c->n; i++)
        out->value += fabs(fixed_value(c->gap[i]));
    out->value /= out->weight;
    return FUSOR_OK;
}

static enum fusor_status mass_result(const void *state,
                                     const struct metric_spec *spec,
                                     struct metric_result *out,
                                     struct fusor_error *err)
{
    const struct cells *c = state;
    metric_i128 below = 0, bins = bins_of(spec), bin = 0, gap = 0;
    double slack = 0, sum = 0;

    (void)err;
    if (!describe(c, out))
        return FUSOR_OK;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!c->weight[i])
            continue;
        if (below * bins / c->total != bin) {
            sum += fabs(fixed_value(gap));
            gap = 0;
            bin = below * bins / c->total;
        }
        gap += c->gap[i];
        below += c->weight[i];
        /* Rows of this cell may belong into the next bins. */
        if ((below - 1) * bins / c->total != bin)
            slack += 2 * (double)c->weight[i] / (double)c->total;
    }
    out->value = (sum + fabs(fixed_value(gap))) / out->weight;
    out->error += slack;
    return FUSOR_OK;
}

static const struct metric_state_ops width_state = {
    .create = width_create,
    .destroy = cells_destroy,
    .rows = cells_rows,
    .merge = cells_merge,
    .write = cells_write,
    .read = cells_read,
    .result = width_result,
};

static const struct metric_state_ops mass_state = {
    .create = mass_create,
    .destroy = cells_destroy,
    .rows = cells_rows,
    .merge = cells_merge,
    .write = cells_write,
    .read = cells_read,
    .result = mass_result,
};

const struct metric_ops metric_ece = {
    .name = "ece",
    .help = "calibration error over k bins of equal width (15)",
    .cut = METRIC_MAY_K,
    .k_max = 10000,
    .labels_01 = 1,
    .estimates = 1,
    .state = &width_state,
};

const struct metric_ops metric_ace = {
    .name = "ace",
    .help = "calibration error over k bins of equal mass (15)",
    .cut = METRIC_MAY_K,
    .k_max = 10000,
    .labels_01 = 1,
    .estimates = 1,
    .state = &mass_state,
};
