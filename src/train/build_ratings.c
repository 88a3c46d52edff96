/* Ratings expected from neighbours: b_ui + sum_v s_uv (r_vi - b_vi) / sum_v
 * s_uv over the nearest v that rated i, s > 0 (Resnick et al. 1994; Herlocker
 * et al. 1999, "An algorithmic framework for performing collaborative
 * filtering", section 5), by item with items in the place of queries (Sarwar et
 * al. 2001). b is a mean, or the baseline of Koren 2010, "Factor in the
 * neighbors", section 2.1. Without such a neighbour the rating is b_ui. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "data/input.h"
#include "index/similar.h"
#include "train/build.h"

#define SWEEPS 10 /* of the baseline's alternating least squares */
#define QUERY_SHRINK                                                        \
    15                 /* ratings that pull b_query to 0, and b_item: those \
                        */
#define ITEM_SHRINK 10 /* of Surprise, tuned on MovieLens */

#define NOISE 1e-6f /* of ratings and weights, in floats */

struct ratings {
    const struct built *spec;
    struct csr by_query, by_item; // less b
    struct csr edges;             // or empty
    double mean;                  // of all
    double *query, *item;         // [n] what each adds to it
    struct similar similar;
    struct similar_scratch **scratch; // [threads]
    float **weights;                  // [threads] -> [neighbours there can be]
    struct nearest **nearest;         // [threads] -> [spec->most]
    float *values;
};

struct nearest { // by weight, the largest first
    float weight, rating;
};

/* ---- what ratings are measured from ---- */

static double mean_of(const struct csr *m)
{
    uint64_t n = m->offsets[m->n_rows];
    double sum = 0;

    for (uint64_t k = 0; k < n; k++)
        sum += (double)m->values[k];
    return sum / (double)n;
}

/* add[r] = sum (rating - mean - other[col]) / (shrink + n) of each row. */
static void sweep(const struct csr *m, double mean, const double *other,
                  double shrink, double *add)
{
    for (uint32_t r = 0; r < m->n_rows; r++) {
        double n = (double)(m->offsets[r + 1] - m->offsets[r]), sum = 0;

        for (uint64_t k = m->offsets[r]; k < m->offsets[r + 1]; k++)
            sum += (double)m->values[k] - mean - other[m->cols[k]];
        add[r] = n > 0 ? sum / (shrink + n) : 0;
    }
}

/* What rounding leaves of who rates all alike is nothing to correlate. */
static void subtract(struct csr *m, double mean, const double *row,
                     const double *col)
{
    for (uint32_t r = 0; r < m->n_rows; r++)
        for (uint64_t k = m->offsets[r]; k < m->offsets[r + 1]; k++) {
            double x = (double)m->values[k] - mean - row[r] - col[m->cols[k]];

            m->values[k] = fabs(x) < (double)NOISE ? 0.0f : (float)x;
        }
}

static enum fusor_status centre(struct ratings *x, struct fusor_error *err)
{
    struct csr *q = &x->by_query, *i = &x->by_item;

    x->query = mem_alloc(q->n_rows, sizeof(*x->query));
    x->item = mem_alloc(i->n_rows, sizeof(*x->item));
    if (!x->query || !x->item)
        return mem_fail(err, "means", q->n_rows * sizeof(*x->query));
    x->mean = mean_of(q);
    if (x->spec->centre == CENTRE_BASELINE)
        for (int s = 0; s < SWEEPS; s++) {
            sweep(i, x->mean, x->query, ITEM_SHRINK, x->item);
            sweep(q, x->mean, x->item, QUERY_SHRINK, x->query);
        }
    else if (x->spec->by_query)
        sweep(q, x->mean, x->item, 0, x->query);
    else
        sweep(i, x->mean, x->query, 0, x->item);
    subtract(q, x->mean, x->query, x->item);
    subtract(i, x->mean, x->item, x->query);
    return FUSOR_OK;
}

/* ---- edges between queries ---- */

/* The next word of a line: up to a tab, comma or blank. */
static char *next_word(char **at, size_t *n)
{
    char *from = *at + strspn(*at, " \t");

    *n = strcspn(from, ",\t ");
    *at = from + *n;
    *at += strspn(*at, " \t");
    *at += **at == ',';
    return from;
}

/* VOCAB_UNKNOWN for who is not known; without names a user is a number. */
static uint32_t id_of(const struct ratings *x, const struct vocab *v,
                      const char *text, size_t n)
{
    uint64_t id = 0;

    if (v)
        return vocab_find(v, text, n);
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)text[i]) || id >= x->spec->n_queries)
            return VOCAB_UNKNOWN;
        id = 10 * id + (uint64_t)(text[i] - '0');
    }
    return id < x->spec->n_queries ? (uint32_t)id : VOCAB_UNKNOWN;
}

static enum fusor_status
parse_edge(const struct ratings *x, const struct input *in,
           const struct input_line *line, const struct vocab *v,
           struct csr_entry *out, struct fusor_error *err)
{
    char *at = line->text, *a, *b, *w;
    size_t n_a, n_b, n_w;
    double weight = 1;

    a = next_word(&at, &n_a);
    b = next_word(&at, &n_b);
    w = next_word(&at, &n_w);
    if (n_w) {
        int more = w[n_w] != '\0' && w[n_w + 1] != '\0';

        w[n_w] = '\0';
        n_w = more || str_to_double(w, &weight) || !isfinite(weight);
    }
    if (n_a == 0 || n_b == 0 || n_w)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:%llu: expected user, user, weight",
                          input_name(in), (unsigned long long)line->number);
    *out = (struct csr_entry){id_of(x, v, a, n_a), id_of(x, v, b, n_b),
                              (float)weight};
    return FUSOR_OK;
}

/* Edges between known users, those of no weight left out. */
static enum fusor_status collect_edges(const struct ratings *x,
                                       struct input *in, const struct vocab *v,
                                       struct csr_entry **entries, uint64_t *n,
                                       struct fusor_error *err)
{
    size_t cap = 0;

    for (;;) {
        struct input_line line;
        struct csr_entry e;
        int end = 0;

        FUSOR_TRY(input_next_line(in, &line, &end, err));
        if (end)
            return FUSOR_OK;
        if (line.n == 0)
            continue;
        FUSOR_TRY(parse_edge(x, in, &line, v, &e, err));
        if (e.row == VOCAB_UNKNOWN || e.col == VOCAB_UNKNOWN ||
            e.row == e.col || !(e.value > 0))
            continue;
        if (mem_reserve((void **)entries, *n, &cap, sizeof(**entries)))
            return mem_fail(err, "edges", *n * sizeof(**entries));
        (*entries)[(*n)++] = e;
    }
}

static enum fusor_status read_edges(struct ratings *x, struct dataset *ds,
                                    struct fusor_error *err)
{
    const struct schema *schema = dataset_schema(ds);
    struct csr_entry *entries = NULL;
    const struct vocab *v = NULL;
    struct input *in;
    uint64_t n = 0;
    enum fusor_status rc;

    if (*schema->fields[schema->query_key].vocab_name)
        FUSOR_TRY(dataset_vocab(
            ds, schema->fields[schema->query_key].vocab_name, &v, err));
    FUSOR_TRY(input_open(x->spec->edges, &in, err));
    rc = collect_edges(x, in, v, &entries, &n, err);
    if (rc == FUSOR_OK && n == 0)
        rc = fusor_fail(err, FUSOR_EDATA,
                        "%s: no line joins two users of the train rows",
                        x->spec->edges);
    if (rc == FUSOR_OK)
        rc = csr_build(entries, n, x->spec->n_queries, x->spec->n_queries, 1,
                       &x->edges, err);
    input_close(in);
    mem_free(entries);
    return rc;
}

/* ---- neighbours ---- */

/* Take one that is better than the last, or for which there is room; of equal
 * weights those stay that came first. */
static uint32_t keep(struct nearest *best, uint32_t n, uint32_t most,
                     struct nearest one)
{
    uint32_t at = n < most ? n++ : most - 1;

    for (; at > 0 && best[at - 1].weight < one.weight; at--)
        best[at] = best[at - 1];
    best[at] = one;
    return n;
}

/* What the nearest of those that stand in row r of `lists` say, or 0. */
static double deviation(const struct ratings *x, const struct csr *lists,
                        uint32_t r, const float *weights, struct nearest *best)
{
    double sum = 0, below = 0;
    uint32_t n = 0;

    for (uint64_t k = lists->offsets[r]; k < lists->offsets[r + 1]; k++) {
        float w = weights[lists->cols[k]];

        if (w > 0 && (n < x->spec->most || w > best[n - 1].weight))
            n = keep(best, n, x->spec->most,
                     (struct nearest){w, lists->values[k]});
    }
    for (uint32_t k = 0; k < n; k++) {
        sum += (double)best[k].weight * (double)best[k].rating;
        below += (double)best[k].weight;
    }
    return n ? sum / below : 0;
}

static void weigh(const struct ratings *x, unsigned thread, uint32_t piece)
{
    const struct csr *e = &x->edges;
    float *out = x->weights[thread];

    if (!x->spec->edges) {
        similar_all(&x->similar, x->scratch[thread], piece, out);
        for (uint32_t i = 0; i < x->similar.rows->n_rows; i++)
            if (out[i] < NOISE)
                out[i] = 0; // alike by rounding only
        return;
    }
    memset(out, 0, e->n_rows * sizeof(*out));
    for (uint64_t k = e->offsets[piece]; k < e->offsets[piece + 1]; k++)
        out[e->cols[k]] = e->values[k];
}

/* All ratings of one query, or of one item. */
static enum fusor_status expect(void *context, unsigned thread, uint64_t piece,
                                struct fusor_error *err)
{
    const struct ratings *x = context;
    int by_query = x->spec->by_query;
    const struct csr *lists = by_query ? &x->by_item : &x->by_query;

    (void)err;
    weigh(x, thread, (uint32_t)piece);
    for (uint32_t r = 0; r < lists->n_rows; r++) {
        size_t query = by_query ? piece : r, item = by_query ? r : piece;

        x->values[query * x->spec->width[0] + item] =
            (float)(x->mean + x->query[query] + x->item[item] +
                    deviation(x, lists, r, x->weights[thread],
                              x->nearest[thread]));
    }
    return FUSOR_OK;
}

static enum fusor_status take(struct ratings *x, unsigned n_threads,
                              struct fusor_error *err)
{
    const struct csr *near = x->spec->by_query ? &x->by_query : &x->by_item;

    x->similar = (struct similar){
        .rows = near,
        .by_col = x->spec->by_query ? &x->by_item : &x->by_query,
        .kind = (enum similar_kind)x->spec->similarity,
        .shrink = x->spec->shrink,
        .least = x->spec->overlap};
    FUSOR_TRY(similar_init(&x->similar, err));
    x->scratch = mem_alloc(n_threads, sizeof(*x->scratch));
    x->weights = mem_alloc(n_threads, sizeof(*x->weights));
    x->nearest = mem_alloc(n_threads, sizeof(*x->nearest));
    if (!x->scratch || !x->weights || !x->nearest)
        return mem_fail(err, "neighbours", n_threads * 24);
    for (unsigned t = 0; t < n_threads; t++) {
        FUSOR_TRY(similar_scratch_create(&x->similar, &x->scratch[t], err));
        x->weights[t] = mem_alloc_raw(near->n_rows, sizeof(float));
        x->nearest[t] = mem_alloc_raw(x->spec->most, sizeof(**x->nearest));
        if (!x->weights[t] || !x->nearest[t])
            return mem_fail(err, "neighbours", near->n_rows * sizeof(float));
    }
    return FUSOR_OK;
}

static void clear(struct ratings *x, unsigned n_threads)
{
    for (unsigned t = 0; t < n_threads; t++) {
        if (x->scratch)
            similar_scratch_destroy(x->scratch[t]);
        if (x->weights)
            mem_free(x->weights[t]);
        if (x->nearest)
            mem_free(x->nearest[t]);
    }
    mem_free(x->scratch);
    mem_free(x->weights);
    mem_free(x->nearest);
    similar_clear(&x->similar);
    mem_free(x->query);
    mem_free(x->item);
    csr_clear(&x->edges);
    csr_clear(&x->by_item);
    csr_clear(&x->by_query);
}

enum fusor_status build_ratings(struct dataset *ds, const struct built *spec,
                                const struct crew *crew, float *values,
                                struct fusor_error *err)
{
    struct ratings x = {.spec = spec, .values = values};
    unsigned n_threads = crew->n_threads ? crew->n_threads : 1;
    enum fusor_status rc = build_events(ds, TAKE_RATED, &x.by_query, err);

    if (rc == FUSOR_OK)
        rc = csr_transpose(&x.by_query, &x.by_item, err);
    if (rc == FUSOR_OK)
        rc = centre(&x, err);
    if (rc == FUSOR_OK && spec->edges)
        rc = read_edges(&x, ds, err);
    if (rc == FUSOR_OK)
        rc = take(&x, n_threads, err);
    if (rc == FUSOR_OK)
        rc = crew_run(crew, spec->by_query ? spec->n_queries : spec->n_items,
                      expect, &x, err);
    clear(&x, n_threads);
    return rc;
}
