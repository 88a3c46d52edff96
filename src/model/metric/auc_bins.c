/* AUC and average precision from 2^20 bins of the score range. Pairs that share
 * a bin count one half, so the error is at most half their share of all pairs:
 * the bound that is reported, tight and measured rather than assumed. */
#include "model/metric/auc.h"

#include "base/mem.h"

#define N_BINS (1u << 20)

struct auc_bins {
    int64_t pos[N_BINS]; // weights in steps
    int64_t neg[N_BINS];
    int64_t total_pos;
    int64_t total_neg;
    int64_t least; // weight of the lightest positive, 0: there is none
    uint64_t n;
    uint64_t n_bad;
};

static void *bins_create(const struct metric_spec *spec)
{
    (void)spec;
    return mem_alloc(1, sizeof(struct auc_bins));
}

static int64_t lighter(int64_t a, int64_t b)
{
    return a && (!b || a < b) ? a : b;
}

/* NaN counts against us. */
static uint32_t bin_of(const struct metric_options *o, float score,
                       int positive)
{
    double x = score;

    if (isnan(score))
        return positive ? 0 : N_BINS - 1;
    if (o->logits)
        x = 1 / (1 + exp(-x));
    x = (x - o->score_lo) / (o->score_hi - o->score_lo) * N_BINS;
    if (!(x > 0))
        return 0;
    return x < N_BINS ? (uint32_t)x : N_BINS - 1;
}

static enum fusor_status bins_rows(void *state, const struct metric_spec *spec,
                                   const struct metric_options *options,
                                   const float *scores, const float *labels,
                                   const float *weights, size_t n,
                                   struct fusor_error *err)
{
    struct auc_bins *b = state;

    (void)spec;
    for (size_t i = 0; i < n; i++) {
        int positive = labels[i] > 0;
        int64_t w = auc_weight(weights ? weights[i] : 1);
        uint32_t bin = bin_of(options, scores[i], positive);

        if (w == 0)
            continue;
        if (auc_count(positive ? &b->total_pos : &b->total_neg, w))
            return auc_too_large(err);
        (positive ? b->pos : b->neg)[bin] += w;
        if (positive)
            b->least = lighter(w, b->least);
        b->n_bad += isnan(scores[i]) != 0;
        b->n++;
    }
    return FUSOR_OK;
}

static enum fusor_status bins_merge(void *into, const void *from,
                                    struct fusor_error *err)
{
    struct auc_bins *a = into;
    const struct auc_bins *b = from;

    if (auc_count(&a->total_pos, b->total_pos) ||
        auc_count(&a->total_neg, b->total_neg))
        return auc_too_large(err);
    for (uint32_t i = 0; i < N_BINS; i++) {
        a->pos[i] += b->pos[i];
        a->neg[i] += b->neg[i];
    }
    a->least = lighter(b->least, a->least);
    a->n += b->n;
    a->n_bad += b->n_bad;
    return FUSOR_OK;
}

/* Only bins in use, as (distance to the last one, pos, neg); the low zero bits
 * that all weights share (24 when they are 1) are left out. */
static void bins_write(const void *state, struct strbuf *out)
{
    const struct auc_bins *b = state;
    uint64_t bits = (uint64_t)1 << 62 | (uint64_t)b->least, used = 0;
    unsigned shift;
    uint32_t last = 0;

    for (uint32_t i = 0; i < N_BINS; i++) {
        bits |= (uint64_t)(b->pos[i] | b->neg[i]);
        used += (b->pos[i] | b->neg[i]) != 0;
    }
    shift = (unsigned)__builtin_ctzll(bits);
    bytes_put(out, b->n, 8);
    bytes_put(out, b->n_bad, 8);
    bytes_put(out, shift, 1);
    bytes_put_varint(out, (uint64_t)b->least >> shift);
    bytes_put(out, used, 4);
    for (uint32_t i = 0; i < N_BINS; i++) {
        if (!(b->pos[i] | b->neg[i]))
            continue;
        bytes_put_varint(out, i - last);
        bytes_put_varint(out, (uint64_t)b->pos[i] >> shift);
        bytes_put_varint(out, (uint64_t)b->neg[i] >> shift);
        last = i;
    }
}

static int get_weight(struct bytes *in, unsigned shift, int64_t *bin,
                      int64_t *total)
{
    uint64_t w = bytes_get_varint(in);

    if (w > (uint64_t)AUC_TOTAL_MAX >> shift)
        return -1;
    *bin = (int64_t)(w << shift);
    return auc_count(total, *bin);
}

static enum fusor_status bins_read(void *state, struct bytes *in,
                                   struct fusor_error *err)
{
    struct auc_bins *b = state;
    unsigned shift;
    uint64_t used, bin = 0, least;

    b->n = bytes_get(in, 8);
    b->n_bad = bytes_get(in, 8);
    shift = (unsigned)bytes_get(in, 1);
    least = bytes_get_varint(in);
    used = bytes_get(in, 4);
    if (shift > 62 || used > N_BINS || b->n >> 56 || b->n_bad > b->n ||
        least > (uint64_t)AUC_TOTAL_MAX >> shift)
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: auc header");
    for (uint64_t i = 0; i < used && !in->bad; i++) {
        uint64_t gap = bytes_get_varint(in);

        if (gap >= N_BINS - bin || (i > 0 && gap == 0))
            return fusor_fail(err, FUSOR_EPROTO, "metric bytes: auc bin order");
        bin += gap;
        if (get_weight(in, shift, &b->pos[bin], &b->total_pos) ||
            get_weight(in, shift, &b->neg[bin], &b->total_neg))
            return fusor_fail(err, FUSOR_EPROTO, "metric bytes: auc weight");
    }
    b->least = (int64_t)(least << shift);
    if (b->least > b->total_pos || !b->least != !b->total_pos)
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: auc least weight");
    return FUSOR_OK;
}

static enum fusor_status bins_result(const void *state,
                                     const struct metric_spec *spec,
                                     struct metric_result *out,
                                     struct fusor_error *err)
{
    const struct auc_bins *b = state;
    struct auc_walk walk = {0};

    (void)spec;
    (void)err;
    for (uint32_t i = 0; i < N_BINS; i++)
        auc_walk_run(&walk, b->pos[i], b->neg[i]);
    auc_walk_result(&walk, out);
    if (out->defined)
        out->error +=
            (double)walk.tied / (2 * (double)walk.pos * (double)walk.neg);
    out->n = b->n;
    out->n_bad = b->n_bad;
    return FUSOR_OK;
}

const struct metric_state_ops auc_bins_state = {
    .create = bins_create,
    .destroy = mem_free,
    .rows = bins_rows,
    .merge = bins_merge,
    .write = bins_write,
    .read = bins_read,
    .result = bins_result,
};

static enum fusor_status pr_result(const void *state,
                                   const struct metric_spec *spec,
                                   struct metric_result *out,
                                   struct fusor_error *err)
{
    const struct auc_bins *b = state;
    struct pr_walk walk = {.total_pos = b->total_pos, .least = b->least};

    (void)spec;
    (void)err;
    for (uint32_t i = N_BINS; i-- > 0;)
        pr_walk_run(&walk, b->pos[i], b->neg[i]);
    pr_walk_result(&walk, out);
    out->n = b->n;
    out->n_bad = b->n_bad;
    return FUSOR_OK;
}

const struct metric_state_ops pr_bins_state = {
    .create = bins_create,
    .destroy = mem_free,
    .rows = bins_rows,
    .merge = bins_merge,
    .write = bins_write,
    .read = bins_read,
    .result = pr_result,
};
