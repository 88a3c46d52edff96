/* AUC and average precision from every score: 8 bytes a row, sorted when the
 * result is asked for. */
#include "model/metric/auc.h"

#include "base/mem.h"

/* A row is its score as an ordered integer (high half) and its weight (low
 * half, a float; below zero for a negative). */
struct auc_exact {
    uint64_t *rows;
    size_t n;
    size_t cap;
    int64_t total_pos;
    int64_t total_neg;
    uint64_t n_bad;
};

static void *exact_create(const struct metric_spec *spec)
{
    (void)spec;
    return mem_alloc(1, sizeof(struct auc_exact));
}

static void exact_destroy(void *state)
{
    struct auc_exact *e = state;

    if (e)
        mem_free(e->rows);
    mem_free(e);
}

static uint64_t pack(uint32_t key, float weight)
{
    uint32_t bits;

    memcpy(&bits, &weight, sizeof(bits));
    return (uint64_t)key << 32 | bits;
}

static float weight_of(uint64_t row)
{
    uint32_t bits = (uint32_t)row;
    float weight;

    memcpy(&weight, &bits, sizeof(weight));
    return weight;
}

static enum fusor_status exact_add(struct auc_exact *e, uint64_t row,
                                   struct fusor_error *err)
{
    void *rows = e->rows;
    float weight = weight_of(row);
    int64_t *total = weight > 0 ? &e->total_pos : &e->total_neg;

    if (mem_reserve(&rows, e->n, &e->cap, sizeof(*e->rows)))
        return mem_fail(err, "metric auc (exact)", 2 * e->cap * sizeof(row));
    e->rows = rows;
    if (auc_count(total, auc_weight(fabsf(weight))))
        return auc_too_large(err);
    e->rows[e->n++] = row;
    return FUSOR_OK;
}

static enum fusor_status exact_rows(void *state, const struct metric_spec *spec,
                                    const struct metric_options *options,
                                    const float *scores, const float *labels,
                                    const float *weights, size_t n,
                                    struct fusor_error *err)
{
    struct auc_exact *e = state;

    (void)spec;
    (void)options;
    for (size_t i = 0; i < n; i++) {
        int positive = labels[i] > 0;
        float w = weights ? weights[i] : 1;

        if (auc_weight(w) == 0)
            continue;
        FUSOR_TRY(exact_add(
            e, pack(metric_score_key(scores[i], positive), positive ? w : -w),
            err));
        e->n_bad += isnan(scores[i]) != 0;
    }
    return FUSOR_OK;
}

static enum fusor_status exact_merge(void *into, const void *from,
                                     struct fusor_error *err)
{
    struct auc_exact *a = into;
    const struct auc_exact *b = from;

    for (size_t i = 0; i < b->n; i++)
        FUSOR_TRY(exact_add(a, b->rows[i], err));
    a->n_bad += b->n_bad;
    return FUSOR_OK;
}

static void exact_write(const void *state, struct strbuf *out)
{
    const struct auc_exact *e = state;

    bytes_put(out, e->n_bad, 8);
    bytes_put(out, e->n, 8);
    for (size_t i = 0; i < e->n; i++)
        bytes_put(out, e->rows[i], 8);
}

static enum fusor_status exact_read(void *state, struct bytes *in,
                                    struct fusor_error *err)
{
    struct auc_exact *e = state;
    uint64_t n;

    e->n_bad = bytes_get(in, 8);
    n = bytes_get(in, 8);
    if (n > in->left / 8 || e->n_bad > n)
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: auc rows");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t row = bytes_get(in, 8);
        float w = fabsf(weight_of(row));

        if (!(w <= 0x1p32f) || auc_weight(w) == 0)
            return fusor_fail(err, FUSOR_EPROTO, "metric bytes: auc weight");
        FUSOR_TRY(exact_add(e, row, err));
    }
    return FUSOR_OK;
}

/* By score only: two passes over the 16-bit halves of the key, least first. */
static void sort_rows(uint64_t *rows, uint64_t *spare, size_t n, size_t *starts)
{
    for (unsigned shift = 32; shift < 64; shift += 16) {
        uint64_t *from = shift == 32 ? rows : spare;
        uint64_t *to = shift == 32 ? spare : rows;
        size_t sum = 0;

        memset(starts, 0, 65536 * sizeof(*starts));
        for (size_t i = 0; i < n; i++)
            starts[from[i] >> shift & 0xffff]++;
        for (size_t b = 0; b < 65536; b++) {
            size_t count = starts[b];

            starts[b] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            to[starts[from[i] >> shift & 0xffff]++] = from[i];
    }
}

static void walk_rows(const uint64_t *rows, size_t n, struct auc_walk *walk)
{
    for (size_t i = 0; i < n;) {
        uint64_t key = rows[i] >> 32;
        int64_t pos = 0, neg = 0;

        for (; i < n && rows[i] >> 32 == key; i++) {
            float w = weight_of(rows[i]);

            *(w > 0 ? &pos : &neg) += auc_weight(fabsf(w));
        }
        auc_walk_run(walk, pos, neg);
    }
}

/* The same from the highest score down. */
static void walk_rows_down(const uint64_t *rows, size_t n, struct pr_walk *walk)
{
    for (size_t i = n; i > 0;) {
        uint64_t key = rows[i - 1] >> 32;
        int64_t pos = 0, neg = 0;

        for (; i > 0 && rows[i - 1] >> 32 == key; i--) {
            float w = weight_of(rows[i - 1]);

            *(w > 0 ? &pos : &neg) += auc_weight(fabsf(w));
        }
        pr_walk_run(walk, pos, neg);
    }
}

/* Walk the sorted rows, for one result or the other. */
static enum fusor_status walk_sorted(const struct auc_exact *e,
                                     struct auc_walk *up, struct pr_walk *down,
                                     struct fusor_error *err)
{
    uint64_t *rows = mem_alloc_raw(e->n, 2 * sizeof(*rows));
    size_t *starts = mem_alloc_raw(65536, sizeof(*starts));
    enum fusor_status rc = FUSOR_OK;

    if (!rows || !starts) {
        rc = mem_fail(err, "metric auc (exact)", e->n * 16);
        goto out;
    }
    if (e->n)
        memcpy(rows, e->rows, e->n * sizeof(*rows));
    sort_rows(rows, rows + e->n, e->n, starts);
    if (up)
        walk_rows(rows, e->n, up);
    else
        walk_rows_down(rows, e->n, down);
out:
    mem_free(starts);
    mem_free(rows);
    return rc;
}

static enum fusor_status exact_result(const void *state,
                                      const struct metric_spec *spec,
                                      struct metric_result *out,
                                      struct fusor_error *err)
{
    const struct auc_exact *e = state;
    struct auc_walk walk = {0};

    (void)spec;
    FUSOR_TRY(walk_sorted(e, &walk, NULL, err));
    auc_walk_result(&walk, out);
    out->n = e->n;
    out->n_bad = e->n_bad;
    return FUSOR_OK;
}

static enum fusor_status exact_pr_result(const void *state,
                                         const struct metric_spec *spec,
                                         struct metric_result *out,
                                         struct fusor_error *err)
{
    const struct auc_exact *e = state;
    struct pr_walk walk = {.total_pos = e->total_pos};

    (void)spec;
    FUSOR_TRY(walk_sorted(e, NULL, &walk, err));
    pr_walk_result(&walk, out);
    out->n = e->n;
    out->n_bad = e->n_bad;
    return FUSOR_OK;
}

const struct metric_state_ops auc_exact_state = {
    .create = exact_create,
    .destroy = exact_destroy,
    .rows = exact_rows,
    .merge = exact_merge,
    .write = exact_write,
    .read = exact_read,
    .result = exact_result,
};

const struct metric_state_ops pr_exact_state = {
    .create = exact_create,
    .destroy = exact_destroy,
    .rows = exact_rows,
    .merge = exact_merge,
    .write = exact_write,
    .read = exact_read,
    .result = exact_pr_result,
};
