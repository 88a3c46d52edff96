/* Contributions by a worker of its own, and one evaluation a tower left out. */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "cli/explain.h"
#include "cli/judge.h"
#include "cli/output.h"
#include "train/slicing.h"
#include "train/step.h"

/* Values of each unit, evaluation after evaluation in the same order. */
struct taken {
    struct evaluate_sink sink; // first
    uint32_t n_metrics;
    double *values; // [n][n_metrics]
    size_t n, cap;
    int failed;
};

/* Metrics of other labels would tell of other scores. */
static void keep_metrics(struct workload *w, uint32_t label)
{
    const char *name = model_label_name(w->model, label);
    uint32_t n = 0;

    slicing_forget(w); // it counts metrics
    for (uint32_t i = 0; i < w->n_metrics; i++)
        if (!strcmp(w->metrics[i].label, name))
            w->metrics[n++] = w->metrics[i];
    w->n_metrics = n;
}

int explain_shows(const struct explain *x, uint32_t t)
{
    return model_label_has_tower(x->opened->workload->model, x->label, t);
}

static enum fusor_status prepare(struct explain *x, const char *label,
                                 struct fusor_error *err)
{
    struct workload *w = x->opened->workload;

    if (label)
        FUSOR_TRY(fusor_wrap(
            err, model_find_label(w->model, label, &x->label, err), "--label"));
    keep_metrics(w, x->label);
    x->only_ordered = (w->only_ordered >> x->label & 1) != 0;
    x->m = model_n_towers(w->model);
    FUSOR_TRY(
        worker_init(&x->worker, w, x->opened->store, 0, 1, EXPLAIN_CHUNK, err));
    x->has_worker = 1;
    model_run_set_label(x->worker.run, x->label);
    x->parts = mem_alloc((size_t)EXPLAIN_CHUNK * x->m, sizeof(*x->parts));
    x->sums = mem_alloc(x->m, sizeof(*x->sums));
    x->ablations =
        mem_alloc((size_t)x->m * w->n_metrics + 1, sizeof(*x->ablations));
    if (!x->parts || !x->sums || !x->ablations)
        return mem_fail(err, "explain", EXPLAIN_CHUNK * x->m * sizeof(float));
    return explain_take_gates(x, err);
}

enum fusor_status explain_open(const char *run, const char *metrics,
                               const char *label, struct explain **out,
                               struct fusor_error *err)
{
    struct explain *x = mem_alloc(1, sizeof(*x));
    struct strbuf list = {0};
    struct opened_options options = {.run_dir = run, .n_threads = 1};
    enum fusor_status rc = FUSOR_OK;

    if (!x)
        return mem_fail(err, "explain", sizeof(*x));
    if (metrics)
        rc = judge_list_metrics(metrics, &list, err);
    options.metrics = list.s;
    if (rc == FUSOR_OK)
        rc = opened_create(&options, &x->opened, err);
    strbuf_clear(&list);
    if (rc == FUSOR_OK && model_normalises_queries(x->opened->workload->model))
        rc = fusor_fail(err, FUSOR_EUSAGE,
                        "explain: the fusion of %s is normalised by the "
                        "candidates of each query (per_query_max), so a row "
                        "has no score of its own",
                        run);
    if (rc == FUSOR_OK)
        rc = prepare(x, label, err);
    if (rc != FUSOR_OK) {
        explain_close(x);
        return rc;
    }
    *out = x;
    return FUSOR_OK;
}

void explain_close(struct explain *x)
{
    if (!x)
        return;
    if (x->has_worker)
        worker_clear(&x->worker);
    opened_destroy(x->opened);
    evaluate_order_clear(&x->order);
    mem_free(x->parts);
    mem_free(x->sums);
    mem_free(x->ablations);
    mem_free(x->gates);
    mem_free(x);
}

static enum fusor_status score(struct explain *x, struct step_micro *m,
                               struct fusor_error *err)
{
    struct worker *w = &x->worker;
    struct model_step step = {.batch = &m->batch};
    double weights[RESULT_TOWERS_MAX] = {0};

    FUSOR_TRY(worker_score(w, m, err));
    step.dense = w->dense;
    model_contributions(w->run, &step, x->parts);
    x->has_weights = x->m <= RESULT_TOWERS_MAX &&
                     model_add_fusion_weights(w->run, x->label, weights);
    for (uint32_t t = 0; x->has_weights && t < x->m; t++)
        x->sums[t].weight += weights[t];
    explain_count_gates(x, m->batch.n);
    return FUSOR_OK;
}

static struct step_micro *next_micro(struct explain *x)
{
    step_reset(&x->worker.ring[0], 0);
    return step_next_micro(&x->worker.ring[0], 0);
}

enum fusor_status explain_score_pair(struct explain *x, uint32_t query,
                                     uint32_t item, struct fusor_error *err)
{
    struct batcher_query q = {.row = BATCHER_NO_ROW, .query = query};
    struct step_micro *m = next_micro(x);

    FUSOR_TRY(batcher_fill_pairs(m->batcher, &q, &item, 1, &m->batch, err));
    return score(x, m, err);
}

enum fusor_status explain_take_rows(struct explain *x, enum split split,
                                    uint64_t n, struct fusor_error *err)
{
    struct dataset *ds = x->opened->workload->data;
    uint64_t all = dataset_rows(ds, split), kept = 0;
    double part = all ? (double)n / (double)all : 1;

    FUSOR_TRY(evaluate_order_build(ds, split, &x->order, err));
    for (uint64_t i = 0; i < x->order.n; i++) {
        uint32_t row = x->order.rows[i];
        uint64_t key =
            dataset_n_queries(ds) ? dataset_query(ds, split, row) : row;

        if (part >= 1 || (double)(hash_mix(key + 1) >> 11) * 0x1p-53 < part)
            x->order.rows[kept++] = row;
    }
    if (kept == 0 && x->order.n) // few were asked for: the first query's
        kept = 1;
    if (kept == 0)
        return fusor_fail(err, FUSOR_EUSAGE, "there are no %s rows to explain",
                          judge_split_name(split));
    x->order.n = x->n_rows = kept;
    return FUSOR_OK;
}

enum fusor_status explain_score_rows(struct explain *x, uint64_t *at,
                                     struct batch *out, struct fusor_error *err)
{
    uint64_t left = x->order.n - *at;
    uint32_t n = left < EXPLAIN_CHUNK ? (uint32_t)left : EXPLAIN_CHUNK;
    struct step_micro *m = next_micro(x);

    FUSOR_TRY(batcher_fill(m->batcher, x->order.split, x->order.rows + *at, n,
                           &m->batch, err));
    FUSOR_TRY(score(x, m, err));
    *at += n;
    *out = m->batch;
    return FUSOR_OK;
}

static void take(struct evaluate_sink *s, uint64_t key, const uint32_t *slices,
                 const double *values)
{
    struct taken *t = (struct taken *)(void *)s;

    (void)key;
    (void)slices;
    if (t->failed || mem_reserve((void **)&t->values, t->n, &t->cap,
                                 t->n_metrics * sizeof(*t->values))) {
        t->failed = 1;
        return;
    }
    memcpy(t->values + t->n++ * t->n_metrics, values,
           t->n_metrics * sizeof(*values));
}

/* Judge the rows with one tower missing, or none when t is x->m. */
static enum fusor_status evaluate(struct explain *x, uint32_t t,
                                  unsigned char *missing, struct taken *out,
                                  struct fusor_error *err)
{
    struct worker *w = &x->worker;
    struct metric_set *set;
    enum fusor_status rc;

    memset(missing, 0, x->m);
    if (t < x->m)
        missing[t] = 1;
    FUSOR_TRY(model_run_set_missing(w->run, missing, err));
    FUSOR_TRY(evaluate_set_create(w->workload, &set, err));
    *out = (struct taken){{take}, w->workload->n_metrics, NULL, 0, 0, 0};
    rc = evaluate_share(w, &x->order, 0, 1, set, &out->sink, err);
    metric_set_destroy(set);
    FUSOR_TRY(model_run_set_missing(w->run, NULL, err));
    if (rc == FUSOR_OK && out->failed)
        rc = mem_fail(err, "units", out->n * sizeof(double));
    return rc;
}

/* Metrics over rows have no value where queries are the units, and auc has
 * none at all: they are left out. */
static enum fusor_status compare(struct explain *x, const struct taken *a,
                                 const struct taken *b, struct ablation *out,
                                 struct fusor_error *err)
{
    const struct workload *w = x->opened->workload;
    size_t n = a->n < b->n ? a->n : b->n;
    double *columns = mem_alloc(2 * n + 1, sizeof(*columns));
    enum fusor_status rc = FUSOR_OK;

    if (!columns)
        return mem_fail(err, "units", 2 * n * sizeof(*columns));
    for (uint32_t k = 0; rc == FUSOR_OK && k < w->n_metrics; k++) {
        struct stats_comparison_options o = {
            .of = metric_is(&w->metrics[k], "rmse") ? STATS_ROOT_MEAN
                                                    : STATS_MEAN,
            .resamples = 2000,
            .seed = 1};
        size_t n_defined = 0;

        for (size_t u = 0; u < n; u++) {
            columns[u] = a->values[u * w->n_metrics + k];
            columns[n + u] = b->values[u * w->n_metrics + k];
            n_defined += !isnan(columns[u]) && !isnan(columns[n + u]);
        }
        out[k].has = n_defined >= 2 && !metric_is(&w->metrics[k], "gauc");
        if (out[k].has)
            rc = stats_compare(columns, columns + n, n, &o, &out[k].c, err);
    }
    mem_free(columns);
    return rc;
}

static enum fusor_status ablate_all(struct explain *x, unsigned char *missing,
                                    struct fusor_error *err)
{
    uint32_t n_metrics = x->opened->workload->n_metrics;
    struct taken all = {0}, without = {0};
    enum fusor_status rc = evaluate(x, x->m, missing, &all, err);

    for (uint32_t t = 0; rc == FUSOR_OK && t < x->m; t++) {
        if (!explain_shows(x, t))
            continue;
        rc = evaluate(x, t, missing, &without, err);
        if (rc == FUSOR_OK)
            rc = compare(x, &without, &all, x->ablations + t * n_metrics, err);
        mem_free(without.values);
        without.values = NULL;
    }
    mem_free(all.values);
    x->ablated = rc == FUSOR_OK;
    return rc;
}

/* The first tower of the label, and whether there is another. */
static int has_two(const struct explain *x, uint32_t *first)
{
    uint32_t n = 0;

    for (uint32_t t = x->m; t-- > 0;)
        if (explain_shows(x, t)) {
            *first = t;
            n++;
        }
    return n >= 2;
}

enum fusor_status explain_ablate(struct explain *x, struct fusor_error *err)
{
    unsigned char *missing;
    struct fusor_error why;
    uint32_t first = 0;
    int two = has_two(x, &first);
    enum fusor_status rc;

    if (!two || x->opened->workload->n_metrics == 0) {
        output_say("no ablation: %s", two ? "the job names no metrics; "
                                            "give --metrics logloss"
                                          : "there is one tower");
        return FUSOR_OK;
    }
    missing = mem_alloc(x->m, 1);
    if (!missing)
        return mem_fail(err, "explain", x->m);
    missing[first] = 1;
    rc = model_run_set_missing(x->worker.run, missing, &why);
    if (rc == FUSOR_OK)
        rc = ablate_all(x, missing, err);
    else {
        output_say("no ablation: %s", why.text);
        rc = FUSOR_OK;
    }
    mem_free(missing);
    return rc;
}
